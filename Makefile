# Two commands set arcuate up; neither needs anything done before, and both work twice.
#   make run     reproduce the what/when experiment, compare four systems on it, and write both reports
#   make test    everything that continuous integration checks
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON      ?= python3.11
PYTHON_CUDA ?= python3.12
VENV        := .venv
BIN         := $(VENV)/bin
PIP         := $(BIN)/python -m pip --disable-pip-version-check -q
TORCH       := torch==2.13.0
CONSTRAINTS := constraints/py311.txt
# Tests and notebooks run side by side, one for each core: more threads within each would wait for each other.
ONE_THREAD  := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
MODEL       ?= what_when_reservoir
OUT         ?= out/$(MODEL)
RUN_FLAGS   ?= --quick
FLAGSHIP    ?= what_and_when
BENCH       ?= spiking --workloads W1 --against brian2 --quick

.PHONY: help run test cuda bench docs lint format types layers spelling pytest notebooks coverage clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- environment: a stamp says which set was installed from the present pyproject.toml and constraints
$(BIN)/python:
	@echo "==> making $(VENV) with $(PYTHON)"
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, or name another with make PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.torch-stamp: | $(BIN)/python
	@echo "==> installing $(TORCH) (about a minute)"
	@$(PIP) install "$(TORCH)"
	@touch $@

$(VENV)/.run-stamp: pyproject.toml $(CONSTRAINTS) $(VENV)/.torch-stamp
	@echo "==> installing arcuate and what it needs (a minute or two)"
	@$(PIP) install -c $(CONSTRAINTS) -e ".[torch]"
	@touch $@

$(VENV)/.test-stamp: pyproject.toml $(CONSTRAINTS) $(VENV)/.torch-stamp
	@echo "==> installing arcuate with the tools for tests and documentation (a minute or two)"
	@$(PIP) install -c $(CONSTRAINTS) -e ".[torch,study,sklearn,communities,test,dev,docs]"
	@touch $@ $(VENV)/.run-stamp

# ---- the two commands
run: $(VENV)/.run-stamp ## reproduce the what/when experiment and compare four systems on it: two reports in out/
	@echo "==> reproducing $(MODEL) into $(OUT)"
	@$(BIN)/arcuate reproduce $(MODEL) $(RUN_FLAGS) --force --out "$(OUT)"
	@echo "==> comparing a reservoir, a transformer, a thought machine and a memory: $(FLAGSHIP)"
	@$(BIN)/arcuate compare $(FLAGSHIP) --quick --force --out "out/$(FLAGSHIP)"
	@echo "==> open $(OUT)/report.html and out/$(FLAGSHIP)/report.html"

test: lint types layers spelling pytest docs notebooks cuda ## every check, as continuous integration runs them
	@echo "==> all checks passed"

# ---- the checks one by one
lint: $(VENV)/.test-stamp ## style and format
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.test-stamp ## static types
	@echo "==> mypy"
	@$(BIN)/mypy

layers: $(VENV)/.test-stamp ## who may import whom
	@echo "==> import-linter"
	@$(BIN)/lint-imports --no-logo

spelling: $(VENV)/.test-stamp ## common misspellings
	@echo "==> codespell"
	@$(BIN)/codespell

pytest: $(VENV)/.test-stamp ## the default tests
	@echo "==> pytest"
	@$(ONE_THREAD) $(BIN)/python -m pytest -q -n auto --dist loadfile

docs: $(VENV)/.test-stamp ## the documentation, warnings as errors
	@echo "==> sphinx"
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "    docs/_build/html/index.html"

notebooks: $(VENV)/.test-stamp ## run the notebooks on small parameters
	@echo "==> notebooks"
	@if compgen -G "notebooks/*.ipynb" >/dev/null; then \
	    $(ONE_THREAD) $(BIN)/python -m pytest -q -n auto --nbmake --nbmake-kernel=python3 --nbmake-timeout=600 --timeout=900 notebooks; \
	else echo "    none yet"; fi

# brian2cuda needs another Python, so it has an environment of its own; its code is written without a GPU
$(VENV)-cuda/.stamp: pyproject.toml constraints/py312-cuda.txt
	@echo "==> making $(VENV)-cuda with $(PYTHON_CUDA) (a minute)"
	@$(PYTHON_CUDA) -m venv $(VENV)-cuda
	@$(VENV)-cuda/bin/python -m pip --disable-pip-version-check -q install -c constraints/py312-cuda.txt \
	    -e ".[cuda]" pytest pytest-timeout hypothesis
	@touch $@

HAVE_CUDA := $(shell $(PYTHON_CUDA) -c "" 2>/dev/null && echo yes)

cuda: $(if $(HAVE_CUDA),$(VENV)-cuda/.stamp) ## code for a GPU by brian2cuda, in an environment of its own (left out without Python 3.12)
	@echo "==> brian2cuda"
	@$(if $(HAVE_CUDA),$(VENV)-cuda/bin/python -m pytest -q -m "not slow" tests/conformance/test_cuda.py,\
	    echo "    left out: $(PYTHON_CUDA) does not run; name a Python 3.12 with PYTHON_CUDA=...")

# ---- more
format: $(VENV)/.test-stamp ## mend style and format in place
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

coverage: $(VENV)/.test-stamp ## the default tests with line and branch coverage
	@$(BIN)/coverage run -m pytest -q
	@$(BIN)/coverage report

bench: $(VENV)/.run-stamp ## speed, as ratios against Brian2 in one run
	@$(BIN)/arcuate bench $(BENCH)

clean: ## remove what the checks and the documentation wrote (not the environment, not out/)
	@rm -rf docs/_build docs/models docs/notebooks docs/reference/generated .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
