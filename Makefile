# Homeostat. `make help` lists the commands; each installs its own dependencies.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

PLATFORM := .venv/platform
PIPELINES := .venv/pipelines
SELDON := .venv/seldon
CLIENTS := .venv/clients
PEERS := .venv/benchmarks
UV := .venv/uv/bin/uv
PYTHON := $(PLATFORM)/bin/python
TOOLS := $(PYTHON)
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11
PLATFORM_SOURCES := src operators services tools tests --exclude '(tests/(unit/pipelines|contract/feast|upgrade/pipelines)|tools/kubeflow/mlmd)/'
PIPELINES_SOURCES := pipelines tests/unit/pipelines tests/contract/feast tests/upgrade/pipelines
GENERATED := manifests/crds manifests/rbac charts/homeostat/templates/crds charts/homeostat/templates/rbac-operators.yaml charts/homeostat/templates/rbac-engines.yaml pipelines/compiled docs/reference

##@ Demo
.PHONY: help
help: ## List the commands
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*##/ {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: venv ## Run the churn scenario on real data, on a local Kubernetes (CONTEXT=name REGISTRY=prefix: on your cluster)
	@$(TOOLS) -m tools.demo up --build

.PHONY: demo-down
demo-down: venv ## Remove the demo and the local Kubernetes
	@$(TOOLS) -m tools.demo down
	@if [[ -z "$${CONTEXT:-}" ]]; then $(TOOLS) -m tools.cluster down; fi

##@ Local cluster
.PHONY: cluster-up
cluster-up: venv ## Start a local Kubernetes for this checkout
	@$(TOOLS) -m tools.cluster up

.PHONY: cluster-down
cluster-down: venv ## Remove the local cluster completely
	@$(TOOLS) -m tools.cluster down

.PHONY: cluster-status
cluster-status: venv ## Show workloads with age and restarts
	@$(TOOLS) -m tools.cluster status

.PHONY: images
images: venv ## Build the changed images and load them into the cluster
	@$(TOOLS) -m tools.images

.PHONY: platform-ready
platform-ready: venv # a cluster with all images on it
	@$(TOOLS) -m tools.images --with-cluster

.PHONY: kubeconfig kubectl helm
kubeconfig: venv ## Print the path of the cluster's kubeconfig
	@$(TOOLS) -m tools.cluster kubeconfig
kubectl: venv ## Print the path of kubectl
	@$(TOOLS) -m tools.cluster kubectl
helm: venv ## Print the path of helm
	@$(TOOLS) -m tools.cluster helm

##@ External engines for tests of the adapters
.PHONY: kubeflow-up kubeflow-down
kubeflow-up: venv ## Install Kubeflow Pipelines 2.0.5 on the local cluster
	@$(TOOLS) -m tools.kubeflow up
kubeflow-down: venv ## Remove Kubeflow Pipelines
	@$(TOOLS) -m tools.kubeflow down

.PHONY: e2e-kubeflow
e2e-kubeflow: platform-ready ## Run the scenario with trainings on Kubeflow Pipelines, its fault tests and the adapter's contract tests
	@$(TOOLS) -m tools.testing --backend kubeflow

.PHONY: bench-kubeflow
bench-kubeflow: venv ## Compare seconds and pods per training, Local against Kubeflow, after `make e2e-kubeflow`
	@PYTHONPATH=. $(PYTHON) tests/kubeflow/benchmark.py

.PHONY: seldon-up seldon-down
seldon-up: venv ## Install the Seldon Core operator 1.16.0 on the local cluster
	@$(TOOLS) -m tools.seldon up
seldon-down: venv ## Remove the operator, its CRD and every SeldonDeployment
	@$(TOOLS) -m tools.seldon down

.PHONY: e2e-seldon
e2e-seldon: platform-ready ## Run the scenario with models served by Seldon Core, its fault tests and the adapter's contract tests
	@$(TOOLS) -m tools.testing --backend seldon

##@ Other tasks
.PHONY: e2e-tasks
e2e-tasks: platform-ready ## Run the scenarios of a number (flights) and of a class (rodents), and their tests
	@$(TOOLS) -m tools.testing --tasks

##@ Development
$(UV):
	@echo "uv: a virtual environment of its own for the installer"
	@python3 -m venv .venv/uv
	@.venv/uv/bin/pip install --quiet --disable-pip-version-check uv==0.13.8

$(PLATFORM)/.stamp: requirements/platform.txt pyproject.toml | $(UV)
	@echo "virtual environment $(PLATFORM)"
	@[[ -x $(PYTHON) ]] || $(UV) venv --quiet --python python3 $(PLATFORM)
	@$(UV) pip sync --quiet --python $(PYTHON) --require-hashes requirements/platform.txt
	@$(UV) pip install --quiet --python $(PYTHON) --no-deps --editable .
	@touch $@

$(PIPELINES)/.stamp: requirements/pipelines-dev.txt pyproject.toml | $(UV)
	@echo "virtual environment $(PIPELINES)"
	@[[ -x $(PIPELINES)/bin/python ]] || $(UV) venv --quiet --python python3 $(PIPELINES)
	@$(UV) pip sync --quiet --python $(PIPELINES)/bin/python --require-hashes requirements/pipelines-dev.txt
	@$(UV) pip install --quiet --python $(PIPELINES)/bin/python --no-deps --editable .
	@touch $@

# Seldon's package requires older versions of nearly everything, so it has its own environment, created only on demand.
$(SELDON)/.stamp: requirements/seldon.txt | $(UV)
	@echo "virtual environment $(SELDON)"
	@[[ -x $(SELDON)/bin/python ]] || $(UV) venv --quiet --python python3 $(SELDON)
	@$(UV) pip sync --quiet --python $(SELDON)/bin/python --require-hashes requirements/seldon.txt
	@touch $@

# Two of them require other versions of protobuf and greenlet than tests and tools do; created only on demand as well.
$(CLIENTS)/.stamp: requirements/clients.txt | $(UV)
	@echo "virtual environment $(CLIENTS)"
	@[[ -x $(CLIENTS)/bin/python ]] || $(UV) venv --quiet --python python3 $(CLIENTS)
	@$(UV) pip sync --quiet --python $(CLIENTS)/bin/python --require-hashes requirements/clients.txt
	@touch $@

# What benchmarks compare with, created only on demand as well.
$(PEERS)/.stamp: requirements/benchmarks.txt | $(UV)
	@echo "virtual environment $(PEERS)"
	@[[ -x $(PEERS)/bin/python ]] || $(UV) venv --quiet --python python3 $(PEERS)
	@$(UV) pip sync --quiet --python $(PEERS)/bin/python --require-hashes requirements/benchmarks.txt
	@touch $@

.PHONY: venv
venv: $(PLATFORM)/.stamp $(PIPELINES)/.stamp ## Create the two virtual environments from the lock files

.PHONY: lock
lock: $(UV) ## Update the lock files from requirements/*.in
	@cd requirements && for room in platform pipelines pipelines-dev seldon clients benchmarks; do ../$(LOCK) $$room.in -o $$room.txt; done
	@cd requirements && for room in operators services; do ../$(LOCK) -c platform.txt $$room.in -o $$room.txt; done

.PHONY: generate
generate: venv ## Generate CRDs, RBAC, compiled pipelines, API and metrics reference
	@$(PYTHON) -m homeostat.api.crdgen
	@$(PYTHON) -m homeostat.telemetry
	@$(PYTHON) -m tools.reference
	@$(PYTHON) -m homeostat_operators.rbac
	@$(PIPELINES)/bin/python -m homeostat_pipelines.compile

# The slowest first: two run at a time, each prints its output in one block, and all of them run to completion.
VERIFY := verify-mutants verify-types-platform verify-types-pipelines verify-chart verify-go verify-imports verify-style verify-shell

.PHONY: verify
verify: generate ## Check generated files, linters, types, import contracts, chart, samples, Go, and a sample of mutants
	@changed=$$(git status --porcelain --untracked-files=all -- $(GENERATED)); \
	  if [[ -n "$$changed" ]]; then echo "make generate changed these; commit them:"; echo "$$changed"; exit 1; fi
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going $(VERIFY)

.PHONY: $(VERIFY)
# The same changes on every machine: what passes here passes there.
verify-mutants: venv
	@$(TOOLS) -m tools.mutants --changed --limit 12 --seed 1
verify-types-platform: venv
	@$(PLATFORM)/bin/mypy $(PLATFORM_SOURCES)
verify-types-pipelines: venv
	@$(PIPELINES)/bin/mypy --cache-dir=.mypy_cache/pipelines $(PIPELINES_SOURCES)
verify-chart: venv
	@$(TOOLS) -m tools.validate
verify-go: venv
	@$(TOOLS) -m tools.golint
verify-imports: venv
	@$(PLATFORM)/bin/lint-imports
verify-style: venv
	@$(PLATFORM)/bin/ruff check --quiet . && $(PLATFORM)/bin/ruff format --check --quiet . && echo "ruff: clean"
verify-shell: venv
	@$(PLATFORM)/bin/shellcheck .ci/run $$(git ls-files '*.sh') && echo "shellcheck: clean"

.PHONY: test
test: venv ## Run all tests of the embedded platform, on their own local Kubernetes
	@$(TOOLS) -m tools.testing $(if $(KEEP_CLUSTER),--keep-cluster)

.PHONY: test-unit
test-unit: venv ## Run the tests that need no cluster
	@$(TOOLS) -m tools.testing --unit

.PHONY: test-package
test-package: venv ## Import every module from the wheel, with each extra in an empty environment
	@$(TOOLS) -m tools.testing --paths tests/package

.PHONY: test-seldon-python
test-seldon-python: venv $(SELDON)/.stamp ## Test with Seldon's Python package: its clients call the predictor, its server serves Homeostat models
	@$(TOOLS) -m tools.testing --paths tests/seldon_python

.PHONY: test-clients
test-clients: venv $(CLIENTS)/.stamp ## Test with clients of the Open Inference Protocol: tritonclient and KServe's call the predictor
	@$(TOOLS) -m tools.testing --paths tests/inference_clients

.PHONY: fuzz
fuzz: venv ## Test 2,000 generated sources, labels and requests through the whole path, from spec to prediction
	@FUZZ_EXAMPLES=2000 $(PIPELINES)/bin/python -m pytest tests/unit/pipelines/test_whole_path.py

# All checks that a change must pass before it is complete; a new long suite gets its own target, in this list and in
# the README's. They share one cluster: `test` leaves it up, the targets *-down free what the next one needs.
ALL_TARGETS := verify test fuzz mutants e2e-kubeflow kubeflow-down e2e-seldon e2e-tasks test-seldon-python test-clients demo-down

.PHONY: mutants
mutants: venv ## Run mutation tests and list the mutants that survive
	@$(TOOLS) -m tools.mutants

.PHONY: test-all
test-all: ## Run verify, test and every long suite on one cluster; continue after failures and print a table
	@KEEP_CLUSTER=yes python3 -m tools.targets --keep-going $(ALL_TARGETS)

# Commitizen runs in an isolated environment of uv, outside the project's, and starts offline from uv's cache.
CZ := $(UV) tool run --from commitizen==4.19.3 cz

.PHONY: changelog
changelog: $(UV) ## Show the next release's changelog, from the commits since the last tag
	@$(CZ) changelog --dry-run --incremental

.PHONY: release
release: $(UV) ## Set version and changelog from the commits since the last tag, commit and tag; push nothing (RELEASE.md)
	@[[ -z "$$(git status --porcelain)" ]] || { echo "commit or put aside what is changed first"; exit 1; }
	@$(CZ) bump --yes

.PHONY: bench-families
bench-families: venv ## Compare the families of `tabular` with their libraries' defaults and with a search, on public data sets
	@PYTHONPATH=.:tests $(PIPELINES)/bin/python -W ignore tests/benchmarks/pipelines/families.py

.PHONY: bench
bench: venv $(PEERS)/.stamp ## Compare speed with named peers, interleaved; print ratios with intervals
	@for each in tests/benchmarks/*.py; do echo "== $$each"; PYTHONPATH=.:tests $(PYTHON) "$$each"; done
