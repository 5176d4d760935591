PYTHON ?= python3
VENV ?= .venv
STORE ?= models_store
DATASET ?= complete-journey
HOST ?= 127.0.0.1
PORT ?= 8000
SHARE ?= 1
COMPOSE_DATASET ?= movielens-100k
BIN := $(VENV)/bin

.PHONY: help install serve check test test-slow faults soak loadtest lock compose-test format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed  ## make .venv with all extras

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[training,test,loadtest]'
	touch $@

serve: install  ## train a release if there is none, then serve it on HOST:PORT
	@test -e $(STORE)/CURRENT || $(BIN)/python -m training pipeline --dataset $(DATASET) --store $(STORE)
	@echo "try  http://$(HOST):$(PORT)/candidates/1?cg=ease&n=10"
	@echo "and  http://$(HOST):$(PORT)/docs"
	@exec $(BIN)/python -m service --store $(STORE) --host $(HOST) --port $(PORT)

check: install  ## lint, format, types, import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test: install  ## the whole test suite in its short form
	$(BIN)/pytest

test-slow: install  ## the long forms too
	$(BIN)/pytest --run-slow

faults: install  ## the fault tests with their full counts (long); RELIABILITY.md has the numbers
	$(BIN)/pytest tests/faults --full-faults --fault-share $(SHARE) --run-slow --timeout 7200 -rA --deselect tests/faults/test_soak.py

soak: install  ## ten million requests with swaps (SHARE=0.1: a million): nothing grows
	$(BIN)/pytest tests/faults/test_soak.py --full-faults --fault-share $(SHARE) --run-slow -s

loadtest: install  ## locust against HOST:PORT in steps, without its page; writes reports/loadtest.html
	mkdir -p reports
	$(BIN)/locust -f loadtest/locustfile.py --headless --only-summary --host http://$(HOST):$(PORT) --html reports/loadtest.html

lock: install  ## pin every dependency of the image in requirements.lock
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --extra training --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host --no-emit-options --output-file requirements.lock pyproject.toml

compose-test:  ## the compose file end to end, on a small data set (needs Docker and Compose)
	$(PYTHON) tests/compose.py --dataset $(COMPOSE_DATASET)

format: install  ## rewrite the code in the project's format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## remove what can be made again (not models_store)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
