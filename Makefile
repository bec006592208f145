# The one vocabulary of tasks, for a hand, for .ci/run and for the workflow file. `make` alone prints it.
# Needs make and Python 3.11 or newer; everything else is built here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := holdback features training monitoring flows
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo install test test-slow test-all check format bench docs clean
.DELETE_ON_ERROR:

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/installed-demo  ## install, then run a real grocery retailer's year through the whole loop
	@$(BIN)/holdback demo

install: $(VENV)/installed-dev  ## install everything that the tests and checks need

test: $(VENV)/installed-dev  ## run all tests except the slow ones
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-slow: $(VENV)/installed-dev  ## run only the slow tests: real servers, real data, killed processes
	@$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

test-all: $(VENV)/installed-dev  ## run every test
	@$(BIN)/python -m pytest -m "slow or not slow" $(PYTEST_ARGS)

check: $(VENV)/installed-dev  ## lint, format, types, import rules; generated pages are current
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict $(PACKAGES)
	@$(BIN)/lint-imports

format: $(VENV)/installed-dev  ## mend what ruff can mend, and format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/installed-dev  ## measure the ratios that the project promises to hold (BENCH_QUICK=1: a small run)
	@$(BIN)/python -m bench

clean:  ## remove the environment, the caches and everything the demo wrote
	rm -rf $(VENV) .holdback build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
