# Two commands for everyone: `make demo` and `make test`. Both work on a fresh clone with Python 3.11+ only.
#
# .venv is made once; it is brought up to date when requirements.lock or pyproject.toml has changed.

SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := .venv/bin
STAMP := .venv/.installed
SERVE ?= 1
KILLS ?= 1000
PYTEST_ARGS ?=
BENCH_ARGS ?=
ENGINES ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install demo test test-engines test-kills lint lint-lua bench bench-quick lock clean

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

install: $(STAMP) ## make .venv, or bring it up to date

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; none was found on PATH" >&2; exit 1; }
	@test -x $(BIN)/python && $(BIN)/python -c '' 2>/dev/null || { rm -rf .venv && "$(PYTHON)" -m venv .venv; }
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e .
	@touch $(STAMP)

demo: install ## load data, print a dashboard, serve on 127.0.0.1:8000 (SERVE=0: only print)
	@exec $(BIN)/fature-kv demo $(if $(filter 0 no false,$(SERVE)),--no-serve)

test: lint ## all checks and all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-engines: install ## the laws on every server engine that is here (ENGINES="redis8 redis7": on these)
	$(BIN)/python -m tests.support.engines $(ENGINES)

test-kills: install ## kill writers and the server KILLS times (1000) at random; FATURE_FAULT_SEED=n for others
	FATURE_KILLS=$(KILLS) $(BIN)/python -m pytest tests/faults/test_kills.py -k whenever --timeout 0 $(PYTEST_ARGS)

lint: install lint-lua ## style, types, imports, Lua
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lint-lua: install
	@$(BIN)/python -m tests.support.lualint

bench: install ## every claim about speed, ours beside its peers, in ten minutes (BENCH_ARGS="--only wide --json")
	$(BIN)/python -m bench $(BENCH_ARGS)

bench-quick: install ## the same in a minute: smaller, and no repeats
	$(BIN)/python -m bench --quick $(BENCH_ARGS)

lock: install ## pin the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --extra dev \
		--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --output-file requirements.lock

clean: ## remove .venv and caches; data (.fature) stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
