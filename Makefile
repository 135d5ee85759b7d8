# Needs make and a Python of at least 3.11; everything else goes into .venv.
#   make demo            index two sensors, query, cut chips, look at demo-output/
#   make test            run the tests
# PYTHON=... chooses the interpreter, VENV=... the environment's folder, ARGS=... goes to the tool.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

.PHONY: demo test lint format docs wheel bench samples ci clean
.NOTPARALLEL:
.DEFAULT_GOAL := test

demo: $(or $(wildcard $(VENV)/.with-test),$(VENV)/.with-base)
	$(BIN)/stacchip-osml demo $(ARGS)

test: $(VENV)/.with-test
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

lint: $(VENV)/.with-test $(VENV)/.with-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict

format: $(VENV)/.with-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.with-test $(VENV)/.with-docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

wheel: $(VENV)/.with-build
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist

bench: $(VENV)/.with-test
	$(BIN)/python -m tests.benchmarks $(ARGS)

samples: $(VENV)/.with-test
	$(BIN)/python indexes/generate.py
	$(BIN)/python indexes/reference.py

ci:
	.ci/run

clean:
	rm -rf $(VENV) dist build demo-output docs/_build

# A stamp a set of extras: the second call of a target installs nothing. The demo needs no extra, and takes what is there.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no Python of at least 3.11 found; say PYTHON=/path/to/python3.11" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(VENV)/.with-base: pyproject.toml | $(BIN)/python
	@echo "installing the package into $(VENV), a few minutes"
	$(PIP) install -e .
	@touch $@

$(VENV)/.with-build: | $(BIN)/python
	$(PIP) install 'build>=1.2'
	@touch $@

$(VENV)/.with-%: pyproject.toml | $(BIN)/python
	@echo "installing what '$*' needs into $(VENV), some minutes"
	$(PIP) install -e '.[$*]'
	@touch $@
