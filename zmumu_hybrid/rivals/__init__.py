"""Other ways to break a symmetry, trained and measured on the same table: for comparison, and nothing else needs them.

`zmumu reproduce --rivals` runs them; they need `pip install 'zmumu-hybrid[rivals]'`.
"""

from zmumu_hybrid.rivals.contest import RIVALS, Rules, compete, gather, require_packages

__all__ = ["RIVALS", "Rules", "compete", "gather", "require_packages"]
