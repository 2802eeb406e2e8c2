# Everything needs Python 3.11, 3.12 or 3.13 with its venv module, and nothing else.
PYTHON ?= $(firstword $(foreach python,python3.13 python3.12 python3.11 python3,$(shell $(python) -c \
	'import sys, ensurepip; print("$(python)") if (3, 11) <= sys.version_info < (3, 14) else None' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin

# What builds container images, where they go, and how they are called.
BUILDER ?= $(firstword $(foreach tool,docker podman buildah,$(shell command -v $(tool))))
PREFIX ?= moorage
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
MINIMAL := $(PREFIX)/minimal-inference-pipeline:$(VERSION)
PANDAS := $(PREFIX)/pandas-inference-pipeline:$(VERSION)
FLOWS := $(PREFIX)/flows:$(VERSION)

IMAGE_LOCK := --python-version 3.11 --python-platform linux --constraints requirements.lock --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --quiet

.PHONY: demo orchestrator test test-cluster check docs generated format lock images server-images clean

demo: $(VENV)/ready  ## trains a model, takes it online, breaks it on purpose
	@$(BIN)/python deployments/demo/run.py

orchestrator: $(VENV)/ready  ## Prefect's server and UI, a worker, and all of prefect.yaml, until Ctrl-C
	@$(BIN)/python -m flows orchestrator

test: $(VENV)/ready  ## the whole suite, on this machine alone
	@$(BIN)/python -m pytest

test-cluster: $(VENV)/ready  ## what needs a cluster, on the one that KUBECONFIG names; see tests/cluster/conftest.py
	@$(BIN)/python -m pytest tests/cluster

check: $(VENV)/ready  ## style, types and the direction of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: $(VENV)/ready  ## the documentation's site, in build/docs
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs build/docs
	@echo "build/docs/index.html"

generated: $(VENV)/ready  ## tables, schema and messages that are checked in, from the code
	@$(BIN)/python -m tests.generated

format: $(VENV)/ready
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock:  ## resolves pyproject.toml anew; needs uv
	uv pip compile pyproject.toml --all-extras --universal --generate-hashes --no-emit-index-url --no-header \
		--upgrade --quiet --output-file requirements.lock
	uv pip compile pyproject.toml --extra runtime --extra fast --extra kafka $(IMAGE_LOCK) \
		--output-file deployments/images/minimal-inference-pipeline/requirements.lock
	uv pip compile pyproject.toml deployments/images/pandas-inference-pipeline/requirements.in --extra runtime \
		--extra fast --extra kafka $(IMAGE_LOCK) --output-file deployments/images/pandas-inference-pipeline/requirements.lock
	uv pip compile pyproject.toml --extra flows --extra fast --extra kafka --extra cluster --extra worker $(IMAGE_LOCK) \
		--output-file deployments/images/flows/requirements.lock
	uv pip compile deployments/images/vllm-openai/requirements.in $(IMAGE_LOCK) \
		--output-file deployments/images/vllm-openai/requirements.lock

images:  ## the environments and the flows, for a cluster; push them where it pulls from, or set PREFIX to such a place
	@test -n "$(BUILDER)" || { echo "Images are built by docker, podman or buildah: none of them is here." >&2; exit 1; }
	$(BUILDER) build $(BUILD_OPTIONS) -t $(MINIMAL) -f deployments/images/minimal-inference-pipeline/Dockerfile .
	$(BUILDER) build $(BUILD_OPTIONS) -t $(PANDAS) --build-arg MINIMAL=$(MINIMAL) \
		-f deployments/images/pandas-inference-pipeline/Dockerfile .
	$(BUILDER) build $(BUILD_OPTIONS) -t $(FLOWS) --build-arg MINIMAL=$(MINIMAL) -f deployments/images/flows/Dockerfile .

server-images: images  ## the environments of VLLM and TENSORFLOW, their official images, too: several GB
	$(BUILDER) build $(BUILD_OPTIONS) -t $(PREFIX)/vllm-openai:$(VERSION) --build-arg MINIMAL=$(MINIMAL) \
		$(if $(VLLM),--build-arg VLLM=$(VLLM)) -f deployments/images/vllm-openai/Dockerfile .
	$(BUILDER) tag $(PREFIX)/vllm-openai:$(VERSION) $(PREFIX)/vllm-inference-pipeline:$(VERSION)
	$(BUILDER) build $(BUILD_OPTIONS) -t $(PREFIX)/tensorflow-serving:$(VERSION) --build-arg PANDAS=$(PANDAS) \
		$(if $(TENSORFLOW),--build-arg TENSORFLOW=$(TENSORFLOW)) -f deployments/images/tensorflow-serving/Dockerfile .

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
