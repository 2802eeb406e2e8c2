# Everything needs Python 3.11, 3.12 or 3.13 with its venv module, and nothing else.
PYTHON ?= $(firstword $(foreach python,python3.13 python3.12 python3.11 python3,$(shell $(python) -c \
	'import sys, ensurepip; print("$(python)") if (3, 11) <= sys.version_info < (3, 14) else None' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check format lock clean

demo: $(VENV)/ready  ## trains a model, takes it online, breaks it on purpose
	@$(BIN)/python deployments/demo/run.py

test: $(VENV)/ready  ## the whole suite, on this machine alone
	@$(BIN)/python -m pytest

check: $(VENV)/ready  ## style, types and the direction of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/ready
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock:  ## resolves pyproject.toml anew; needs uv
	uv pip compile pyproject.toml --all-extras --universal --generate-hashes --no-emit-index-url --no-header \
		--upgrade --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV)

$(VENV)/ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Moorage needs Python 3.11, 3.12 or 3.13 with its venv module." \
		"On Debian and Ubuntu: apt install python3 python3-venv. Or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "setting up $(VENV) with $(PYTHON): about a minute"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
