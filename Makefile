# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUTPUT := examples/flights/output
JOURNAL := $(OUTPUT)/journal
FLIGHTS := ingest enrich report
STACK := $(PYTHON) collector-config/stack.py

# The embedded default: the journal and nothing else.
EMBEDDED := OTEL_TRACES_EXPORTER=none OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none \
	OTEL_SERVICE_NAME=flights OTELPROV_JOURNAL=$(JOURNAL)

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-jaeger stack stack-full stack-down validate lint types unit integration harm e2e test lock clean benchmark-identity benchmark-journal benchmark-overhead

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(READY) ## install everything into .venv

$(READY): requirements/dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q otelprov # pip does it, but for what is installed in place
	touch $@

demo: $(READY) ## record a real pipeline and print where its report comes from
	@rm -rf $(OUTPUT)
	@export PATH="$(CURDIR)/$(BIN):$$PATH" $(EMBEDDED); \
	for script in $(FLIGHTS); do \
		echo "\$$ opentelemetry-instrument python examples/flights/$$script.py"; \
		opentelemetry-instrument python examples/flights/$$script.py; \
	done; \
	echo; echo "\$$ otelprov lineage $(OUTPUT)/delays_by_weather.parquet"; \
	otelprov lineage $(OUTPUT)/delays_by_weather.parquet

stack: ## build (once) and start a real Collector and a real Jaeger on loopback
	$(STACK) up

stack-full: ## the same with Loki and Prometheus
	$(STACK) up --full

stack-down: ## end them
	$(STACK) down

validate: ## have every file of collector-config/ checked by the program that reads it
	$(STACK) validate

demo-jaeger: $(READY) ## the same pipeline through the Collector to Jaeger (after `make stack`)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python examples/through_jaeger.py

lint: $(READY) ## format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY) ## check the types
	$(BIN)/mypy

unit: $(READY) ## the quick tests
	$(BIN)/python -m pytest tests/unit -n 2

.PHONY: zoo
zoo: $(READY) ## ids under 10,000 examples of each family of types; FAMILY=... for some (resumes)
	for process in $$(seq $(ZOO_PROCESSES)); do \
		PYTHONPATH=tests/unit/identity:tests/unit/artifacts:tests nice -n 19 $(BIN)/python -m zoo.depth $(if $(FAMILY),"$(FAMILY)") & \
		pids="$${pids:-} $$!"; \
	done; \
	failed=0; for pid in $$pids; do wait $$pid || failed=1; done; exit $$failed

.PHONY: zoo-status
zoo-status: $(READY) ## how many examples of each family passed, and on which code
	@PYTHONPATH=tests/unit/identity:tests/unit/artifacts:tests $(BIN)/python -m zoo.depth --status

.PHONY: kills
kills: $(READY) ## 1,000 processes are killed at random moments: what had returned is in the journal
	OTELPROV_KILLS=1000 $(BIN)/python -m pytest tests/integration/test_kills.py -s --timeout 3600

harm: $(READY) ## the good part of the libraries' own suites, every fault, every crash (hours)
	$(BIN)/python tests/do_no_harm/suites.py --jobs 2
	journal=$$(mktemp -d); trap 'rm -rf "$$journal"' EXIT; \
		$(BIN)/python tests/do_no_harm/injector.py --every call --journal "$$journal" --jobs 2 \
		--errors RuntimeError MemoryError RecursionError KeyError OSError KeyboardInterrupt
	$(BIN)/python tests/do_no_harm/matrix.py --jobs 4

test: lint types ## everything: lint, types, all tests
	$(BIN)/python -m pytest tests -n 2 --dist worksteal

TORCH := .venv-torch

.PHONY: torch
torch: $(TORCH)/.ready ## the tests that need PyTorch, in an environment of their own (several GB)
	$(TORCH)/bin/python -m pytest tests/integration/test_torch.py tests/unit/identity/test_tensors.py

$(TORCH)/.ready: requirements/torch.lock pyproject.toml
	$(PYTHON) -m venv $(TORCH)
	$(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/torch.lock
	$(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

BENCHMARKS := .venv-benchmarks
ZOO_PROCESSES ?= 2

benchmark-identity: $(BENCHMARKS)/.ready ## how fast data gets its id, beside its peers
	$(BENCHMARKS)/bin/python benchmarks/identity.py $(ARGS)

benchmark-overhead: $(BENCHMARKS)/.ready ## what recording costs: one operation, start, memory, a pipeline
	$(BENCHMARKS)/bin/python benchmarks/overhead.py $(ARGS)

benchmark-journal: $(READY) ## the journal at 1,000,000 operations: appends, index, lineage
	$(BIN)/python benchmarks/journal.py $(ARGS)

.PHONY: benchmark-collector
benchmark-collector: $(READY) ## how many spans agent and gateway carry
	$(BIN)/python benchmarks/collector.py $(ARGS)

$(BENCHMARKS)/.ready: requirements/benchmarks.lock pyproject.toml
	$(PYTHON) -m venv $(BENCHMARKS)
	$(BENCHMARKS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/benchmarks.lock
	$(BENCHMARKS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	$(BENCHMARKS)/bin/python -m compileall -q otelprov
	touch $@

lock: ## resolve the dependencies again
	$(BIN)/python -m pip install --quiet uv
	for group in dev benchmarks; do \
		$(BIN)/uv pip compile pyproject.toml --group $$group --all-extras --universal --python-version 3.10 \
			--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --prerelease if-necessary-or-explicit \
			--quiet --output-file requirements/$$group.lock; \
	done

clean: ## remove what was made, not the virtual environment
	rm -rf $(OUTPUT) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

.PHONY: lock-oldest
lock: lock-oldest
lock-oldest: # the oldest versions that are supported
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml requirements/oldest.in --all-extras --universal --python-version 3.10 \
		--resolution lowest-direct --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--quiet --output-file requirements/oldest.lock
	$(BIN)/uv pip compile requirements/contracts-oldest.in --no-deps --universal --python-version 3.10 \
		--resolution lowest-direct --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--quiet --output-file requirements/contracts-oldest.lock
	$(BIN)/uv pip compile requirements/libraries-oldest.in --universal --python-version 3.10 \
		--resolution lowest-direct --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--quiet --output-file requirements/libraries-oldest.lock

.PHONY: lock-torch
lock: lock-torch
lock-torch: # PyTorch and what its tests need
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml requirements/torch.in --universal --python-version 3.10 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--prerelease if-necessary-or-explicit --quiet --output-file requirements/torch.lock
