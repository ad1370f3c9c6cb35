# The two commands of the README are `make reproduce` and `make test`; each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
RESULTS ?= results
PYTEST := $(BIN)/python -m pytest -q -n logical --maxprocesses 4 --dist worksteal
SEED := $(or $(SEED),$(shell date +%s))

.PHONY: reproduce full test test-all fuzz lint types wheel docs pages clean help

# A folder that was copied or moved brings an environment that runs the code of the old place.
ifneq ($(and $(wildcard $(VENV)/.stamp-*),$(filter-out clean help,$(or $(MAKECMDGOALS),reproduce))),)
OWN := import os.path; from importlib.util import find_spec as find; \
  os.path.samefile(find("zmumu_hybrid").origin, "zmumu_hybrid/__init__.py") and print("own")
ifneq ($(shell $(BIN)/python -Ic '$(OWN)' 2>/dev/null),own)
$(error $(CURDIR)/$(VENV) runs the code of another folder, or not at all: remove it with `make clean`, then run this again)
endif
endif

help:  ## Say what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

reproduce: $(VENV)/.stamp-run  ## Run the whole study at quick scale into results/
	@$(BIN)/zmumu reproduce --scale quick --output $(RESULTS)

full: $(VENV)/.stamp-run  ## Run the whole study at the paper's scale into results-full/ (hours)
	@$(BIN)/zmumu reproduce --scale full --output results-full

test: $(VENV)/.stamp-dev  ## Run the tests, but for the few slow ones
	@$(PYTEST) -m "not slow"

test-all: $(VENV)/.stamp-dev  ## Run all tests
	@$(PYTEST)

fuzz: $(VENV)/.stamp-dev  ## Search for examples that break a law, at random; SEED=n repeats a search
	@echo "SEED=$(SEED): what is found is printed; add it to its test, as an @example or a case"
	@$(BIN)/python tests/fuzz_lhe.py --count 100000 --seed $(SEED)
	@$(PYTEST) -m hypothesis --hypothesis-profile random --hypothesis-seed $(SEED)

lint: $(VENV)/.stamp-dev  ## Check style and spelling
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/codespell

types: $(VENV)/.stamp-dev  ## Check types, strictly, on the installed package
	@rm -rf build $(VENV)/types && $(PIP) --no-deps --target $(VENV)/types . && cp pyproject.toml $(VENV)/types
	@cd $(VENV)/types && MYPYPATH=. ../bin/mypy --config-file pyproject.toml -p zmumu_hybrid

wheel: $(VENV)/.stamp-dev  ## Build the wheel, install it in a fresh environment and use it there
	@rm -rf build dist $(VENV)/fresh && $(BIN)/python -m build --wheel --outdir dist . >/dev/null
	@$(PYTHON) -m venv $(VENV)/fresh
	@$(VENV)/fresh/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt dist/*.whl
	@cd $(VENV) && fresh/bin/zmumu --help >/dev/null && fresh/bin/python -c "import zmumu_hybrid.processors, zmumu_hybrid.plots"

docs: $(VENV)/.stamp-docs  ## Build the documentation into docs/_build, with warnings as errors
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build

pages: docs  ## Open the documentation, and the report if there is one, in headless Chromium
	@$(BIN)/python tests/browser.py docs/_build $(wildcard $(RESULTS)/report.html)

$(VENV)/bin/python:
	@echo "setting up $(VENV) (a minute or two, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) pip setuptools

$(VENV)/.stamp-run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@$(PIP) -e '.[generate,train]'
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@$(PIP) --group dev -e '.[all]'
	@touch $@ $(VENV)/.stamp-run

$(VENV)/.stamp-docs: $(VENV)/.stamp-dev
	@$(PIP) --group docs
	@touch $@

clean:  ## Remove the environment and what was built
	rm -rf $(VENV) build dist docs/_build docs/notebooks *.egg-info
