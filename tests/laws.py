"""How many examples a law is held against."""

from __future__ import annotations

from typing import Any

from hypothesis import settings


def examples(count: int, **options: Any) -> settings:
    """Return settings for a law of which `count` examples, not 100, will do; a random search takes its share more."""
    return settings(max_examples=count * settings.default.max_examples // 100, **options)
