# The environment is made by whichever target runs first, and again when pyproject.toml or its lock changes: `run` and
# `ui` need .venv/installed (requirements.lock), the tests .venv/installed-dev (requirements-dev.lock, a superset).
# Another Python: make PYTHON=python3.12 test

PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
BIN := .venv/bin

# With it set, Python would compile TensorFlow's thousands of modules again at each start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test full quick zoo ui lint lock docs
.DELETE_ON_ERROR:

run: .venv/installed bank
	$(BIN)/nextbest run --config bank/nextbest.toml --out runs/demo --models models
	$(BIN)/nextbest recommend --models models --customer C000001

bank: | .venv/installed
	$(BIN)/nextbest simulate --out bank

ui: .venv/installed
	$(BIN)/nextbest ui --models models

test: lint
	$(BIN)/pytest -q --numprocesses 2 --no-loadscope-reorder

# With what takes long and repeats (tests/conftest.py says which that is): before a release, and when it was touched.
full: lint
	$(BIN)/pytest -q --numprocesses 2 --no-loadscope-reorder -m "not zoo"

# For the inner loop: all but what trains (tests/conftest.py says which that is).
quick: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest -q --numprocesses 2 --no-loadscope-reorder -m "not slow and not full and not zoo"

# All of tests/zoo: institutions of eight shapes, each from its tables to every surface.
zoo: .venv/installed-dev
	$(BIN)/pytest -q -m "" tests/zoo --durations=0 --durations-min=1

lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation's site, into site/. The variable leaves out what the theme says of its own future.
docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock"

# The pins that the locks have are kept as far as pyproject.toml allows; `make lock UPGRADE=--upgrade` takes the newest.
lock: .venv/installed-dev
	$(COMPILE) $(UPGRADE) --all-extras --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) $(UPGRADE) --extra all --constraints requirements-dev.lock --output-file requirements.lock pyproject.toml

# uv takes a quarter of pip's time, and checks the same hashes. It does not read pip's settings, so that pip takes over
# where only those lead to an index.
define INSTALL
$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1) || \
  $(BIN)/pip install --quiet --require-hashes -r $(1)
$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
endef

# The tests' environment suffices to run, so that making it makes this one too.
.venv/installed: pyproject.toml requirements.lock | .venv/bin/uv
	$(call INSTALL,requirements.lock)
	@touch $@

.venv/installed-dev: pyproject.toml requirements-dev.lock | .venv/bin/uv
	$(call INSTALL,requirements-dev.lock)
	@touch .venv/installed $@

.venv/bin/uv: | .venv/bin/pip
	@sed -n '/^uv==/,/^    # via/p' requirements-dev.lock > .venv/uv.lock
	$(BIN)/pip install --quiet --require-hashes -r .venv/uv.lock

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.platform != "linux" or not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "nextbest needs Python 3.11, 3.12 or 3.13 on Linux, and PYTHON=$(PYTHON) is not that;" \
	    "name one, for example: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
