"""Sessions: `nox -s lint types tests minimums build bench`."""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "uv|virtualenv"
PYTHONS = ["3.11", "3.12", "3.13"]
CONSTRAINTS = ("-c", "constraints.txt")
PARALLEL = ("-n", "logical", "--maxprocesses", "4", "--dist", "worksteal")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and spelling, as pre-commit runs them."""
    session.install(*CONSTRAINTS, "ruff", "codespell")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types, on the installed package: the tree alone does not show processors and plots at their place."""
    session.install(*CONSTRAINTS, "mypy", ".[all]")
    session.run("mypy", "-p", "zmumu_hybrid")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests, on each Python that is supported."""
    session.install(*CONSTRAINTS, *nox.project.dependency_groups(nox.project.load_toml(), "test"), "-e", ".[all]")
    session.run("pytest", *(session.posargs or PARALLEL))


@nox.session(venv_backend="uv", python="3.11")
def minimums(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml allows."""
    groups = nox.project.dependency_groups(nox.project.load_toml(), "test")
    session.install("--resolution=lowest-direct", *groups, "-e", ".[all]")
    session.run("pytest", *(session.posargs or PARALLEL))


@nox.session
def build(session: nox.Session) -> None:
    """Build the source distribution and the wheel."""
    session.install(*CONSTRAINTS, "build")
    session.run("python", "-m", "build")


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks; each prints ratios measured in one run."""
    session.install(*CONSTRAINTS, *nox.project.dependency_groups(nox.project.load_toml(), "test"), "-e", ".[all]")
    for name in session.posargs or ["generate", "lhe_reading", "processing", "training", "applying"]:
        session.run("python", f"benchmarks/{name}.py")
