# A newcomer needs two of these: `make demo`, then `make test`.
# PYTHON picks the interpreter that .venv is made from; ARGS goes to pytest.

SHELL := /bin/bash
PYTHON ?= python3
ARGS ?=
CASES ?= 22000
FAILURES ?= 50000
INJECTED ?= 5000
COMPACT ?=
TRACER ?= out/tracer
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Building with the pinned setuptools, not with whatever is newest on the day.
INSTALL := $(PIP) install --constraint constraints.txt --no-build-isolation --editable

.DELETE_ON_ERROR:
.PHONY: help demo test lint types build docs fuzz train-linear train-compact train-prm train-tracer dataset-injected lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.core ## set up, attribute the example logs, write a report
	@$(BIN)/tracekit demo

test: $(VENV)/.dev browser ## every test, in two processes
	$(BIN)/pytest -n 2 $(ARGS)

lint: $(VENV)/.dev ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

build: $(VENV)/.dev ## sdist and wheel in dist/, checked
	rm -rf build dist
	$(BIN)/python -m build --no-isolation --outdir dist . > /dev/null
	$(BIN)/python .ci/check_dist.py dist

docs: $(VENV)/.dev ## rewrite the generated parts of README.md and docs/
	$(BIN)/python docs/generate.py

fuzz: $(VENV)/.dev ## a million random logs for the readers, with coverage; hours (CASES=22000 each)
	$(BIN)/python benchmarks/fuzz/campaign.py --cases $(CASES) --page docs/robustness.md

train-linear: $(VENV)/.dev ## refit the weights of the linear method from $TRACEKIT_DATA
	$(BIN)/python -m tracekit.analyzers.linear_fit --data "$${TRACEKIT_DATA:?is not set}"

train-compact: $(VENV)/.dev ## refit compact in place, or in COMPACT=DIR, from $TRACEKIT_DATA and INJECTED=5000 failures
	@: "$${TRACEKIT_DATA:?is not set}"
	OMP_NUM_THREADS=1 $(BIN)/tracekit inject --n $(INJECTED) --seed 1 -o datasets/injected-$(INJECTED)
	OMP_NUM_THREADS=1 $(BIN)/python -m tracekit_models.compact.pretrain datasets/injected-$(INJECTED) \
		--data "$$TRACEKIT_DATA" $(if $(COMPACT),--out $(COMPACT)/pretrained.safetensors)
	OMP_NUM_THREADS=1 $(BIN)/python -m tracekit_models.compact.train --data "$$TRACEKIT_DATA" \
		$(if $(COMPACT),--start $(COMPACT)/pretrained.safetensors --out $(COMPACT))

train-prm: $(VENV)/.dev ## refit prm from $TRACEKIT_DATA and runs of the sandbox
	@: "$${TRACEKIT_DATA:?is not set}"
	OMP_NUM_THREADS=1 $(BIN)/python -m tracekit_models.prm.ship --data "$$TRACEKIT_DATA"

train-tracer: $(VENV)/.dev ## a generative tracer from nothing in TRACER=out/tracer; wants a GPU, injection half an hour before
	for seed in 7 8; do OMP_NUM_THREADS=1 $(BIN)/tracekit inject --n 20000 --natural --no-leaks --seed $$seed -o datasets/injected-20000-$$seed || exit; done
	$(BIN)/tracekit train tracer datasets/injected-20000-7 datasets/injected-20000-8 --recipe models/recipes/scratch.yaml -o $(TRACER)

dataset-injected: $(VENV)/.dev ## 50,000 failures with known causes in datasets/injected; 20 minutes (FAILURES=50000)
	OMP_NUM_THREADS=1 $(BIN)/tracekit inject --n $(FAILURES) -o datasets/injected

lock: ## resolve constraints.txt anew, with today's newest releases
	PYTHON=$(PYTHON) .ci/lock

clean: ## remove everything that make made
	rm -rf $(VENV) build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what stands behind them -------------------------------------------------------------

.PHONY: browser
browser:
	@test -x /usr/bin/chromium -a -x /usr/bin/chromedriver \
		|| .ci/packages chromium chromium-driver

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed: make PYTHON=python3.11 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || .ci/packages python3-venv
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml constraints.txt
	@$(PIP) install --constraint constraints.txt setuptools
	$(INSTALL) .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(INSTALL) '.[all,dev]'
	@touch $@
