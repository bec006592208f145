# The one vocabulary of tasks: for a hand, for .ci/run and for the workflow file. `make` alone prints it.
# Needs make and Python 3.11 or newer; everything else is built here, in .venv, from constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := holdback features training campaigns monitoring flows simulator
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadscope
PYTEST_ARGS ?=
BENCH_ARGS ?= $(if $(BENCH_QUICK),,--write)

# Nobody is told that anything here runs.
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export GX_ANALYTICS_ENABLED := false

.DEFAULT_GOAL := help
.PHONY: help demo install test test-slow test-all check format docs bench profile night soak study clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/installed-demo  ## install, then run the whole loop on a simulated telephone company: who is contacted, who is held back
	@$(BIN)/holdback demo

install: $(VENV)/installed-dev  ## install what the tests and the checks need as well

test: $(VENV)/installed-dev  ## run all tests except the slow ones
	@$(PYTEST) $(PYTEST_ARGS)

test-slow: $(VENV)/installed-dev  ## run only the slow tests: real servers, whole data sets, killed processes
	@$(PYTEST) -n 4 -m slow $(PYTEST_ARGS)  # four: many of them wait for a server, a kill or a clock

test-all: $(VENV)/installed-dev  ## run every test
	@$(PYTEST) -m "slow or not slow" $(PYTEST_ARGS)

check: $(VENV)/installed-dev  ## lint, format, types, import rules; the generated pages are current
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --strict $(PACKAGES) docs/generate.py tests/house
	@$(BIN)/lint-imports
	@$(BIN)/python docs/generate.py --check

format: $(VENV)/installed-dev  ## mend what ruff can mend, then format
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

docs: $(VENV)/installed-dev  ## write the generated pages again (data dictionary, business file reference and schema)
	@$(BIN)/python docs/generate.py

bench: $(VENV)/installed-dev  ## measure the ratios that the project promises (BENCH_QUICK=1: a small run)
	@$(BIN)/python -m bench $(BENCH_ARGS)

profile: $(VENV)/installed-dev  ## keep a flame graph of each step of a day in build/profiles (PROFILE_ARGS="--customers 20000")
	@$(BIN)/python -m bench.profile $(PROFILE_ARGS)

night: $(VENV)/installed-dev  ## a million customers on two cores and 4 GB: load, train, two days (two hours, 25 GB of disk)
	@$(BIN)/python -m bench.night

soak: $(VENV)/installed-dev  ## a year of one business in one process: nothing may grow (an hour)
	@$(BIN)/python -m bench.soak

study: $(VENV)/installed-dev  ## live a simulated company's year under five policies, 20 times (an hour): docs/studies
	@$(BIN)/python -m bench.year --scenario risk_is_not_uplift --worlds 20
	@$(BIN)/python -m bench.year --scenario no_effect --worlds 20
	@$(BIN)/python -m bench.gate_error --worlds 200

clean:  ## remove the environment, the caches and what the demo wrote; other data under .holdback stay
	rm -rf $(VENV) .venv-econml .holdback/demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, rebuilt when a range or a pin changes. A stamp is written only when everything worked, so that an
# interrupted installation is taken up again.
EXTRAS_demo := demo
EXTRAS_dev := demo,dev,postgres,server,spark,dask,ray

$(VENV)/installed-%: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Holdback needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	  echo "Name another one: make $(or $(MAKECMDGOALS),demo) PYTHON=/path/to/python3.11" >&2; exit 2; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): 220 to 270 packages, 2 to 3 GB and two to three minutes. The log is $(VENV)/install.log."
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
	    -c constraints.txt -e '.[$(EXTRAS_$*)]' > $(VENV)/install.log 2>&1 & pip=$$!; \
	  trap 'kill $$pip' INT TERM; \
	  while kill -0 $$pip 2>/dev/null; do \
	    if [ -t 1 ]; then printf '\r  %s packages fetched, %s installed ' \
	      "$$(grep -cE '^(Collecting|Processing)' $(VENV)/install.log)" \
	      "$$(ls $(VENV)/lib/python*/site-packages | grep -c dist-info)"; fi; \
	    sleep 1; \
	  done; [ ! -t 1 ] || echo; \
	  wait $$pip || { tail -n 15 $(VENV)/install.log >&2; exit 1; }
	@$(BIN)/python -m compileall -q $(wildcard $(PACKAGES))
	@touch $@ $(if $(filter dev,$*),$(VENV)/installed-demo)
