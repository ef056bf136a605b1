# The environment is made by whichever target runs first, and again when pyproject.toml or the lock changes.
# Another Python: make PYTHON=python3.12 test

PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
BIN := .venv/bin
ENVIRONMENT := .venv/installed

# With it set, Python would compile TensorFlow's thousands of modules again at each start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test ui lint lock
.DELETE_ON_ERROR:

run: $(ENVIRONMENT) bank
	$(BIN)/nextbest run --config bank/nextbest.toml --out runs/demo --models models
	$(BIN)/nextbest recommend --models models --customer C000001

bank: | $(ENVIRONMENT)
	$(BIN)/nextbest simulate --out bank

ui: $(ENVIRONMENT)
	$(BIN)/nextbest ui --models models

test: lint
	$(BIN)/pytest -q --numprocesses 2 --dist loadfile

lint: $(ENVIRONMENT)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: $(ENVIRONMENT)
	$(BIN)/uv pip compile --quiet --universal --all-extras --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

$(ENVIRONMENT): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.platform != "linux" or not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "nextbest needs Python 3.11, 3.12 or 3.13 on Linux, and PYTHON=$(PYTHON) is not that;" \
	    "name one, for example: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
