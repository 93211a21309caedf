# Two commands for a newcomer, `make demo` and `make test`; each sets up what it needs, once.

BIN := .venv/bin
SERVICES := $(BIN)/python scripts/services.py run --
# `make test TESTS="tests/unit -k envelope"` runs a part.
TESTS ?=

.PHONY: demo test coverage reliability bench lint format clean

# Stays up until Ctrl-C; `make demo ONCE=1` ends after the last step. ARGS are handed on.
demo:
	@scripts/bootstrap
	@$(BIN)/crossbar-conferences demo $(if $(ONCE),--once) $(ARGS)

test:
	@scripts/bootstrap
	$(SERVICES) $(BIN)/python -m pytest -q $(TESTS)

# The same with the lines counted that are run, which takes a quarter longer.
coverage:
	@scripts/bootstrap
	$(SERVICES) $(BIN)/python -m pytest -q --cov --cov-report=term $(TESTS)

# Breaks store and broker in every way and writes what happened into docs/reliability.md.
reliability:
	@scripts/bootstrap
	WRITE_RELIABILITY=1 $(SERVICES) $(BIN)/python -m pytest -q tests/faults

# wrk against a sidecar on real services; `make bench ARGS=--quick`, ARGS="--scenario lock --seconds 2".
bench:
	@scripts/bootstrap
	@$(SERVICES) $(BIN)/python -m bench.run $(ARGS)

lint:
	@scripts/bootstrap
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format:
	@scripts/bootstrap
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .services .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
