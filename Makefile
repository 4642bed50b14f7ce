# Homeostat. `make help` lists the commands; each installs what it needs by itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

PLATFORM := .venv/platform
PIPELINES := .venv/pipelines
SELDON := .venv/seldon
UV := .venv/uv/bin/uv
PYTHON := $(PLATFORM)/bin/python
TOOLS := $(PYTHON)
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11
PLATFORM_SOURCES := src operators services tools tests --exclude '(tests/(unit/pipelines|contract/feast|upgrade/pipelines)|tools/kubeflow/mlmd)/'
PIPELINES_SOURCES := pipelines tests/unit/pipelines tests/contract/feast tests/upgrade/pipelines
GENERATED := manifests/crds manifests/rbac charts/homeostat/templates/crds charts/homeostat/templates/rbac-operators.yaml pipelines/compiled docs/reference

##@ To see it
.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*##/ {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: venv ## The whole loop on real churn data, on a local Kubernetes (CONTEXT=name REGISTRY=prefix: on yours)
	@$(TOOLS) -m tools.demo up --build

.PHONY: demo-down
demo-down: venv ## Takes the demo and the local Kubernetes away
	@$(TOOLS) -m tools.demo down
	@if [[ -z "$${CONTEXT:-}" ]]; then $(TOOLS) -m tools.cluster down; fi

##@ The local cluster
.PHONY: cluster-up
cluster-up: venv ## A real Kubernetes of this checkout's own
	@$(TOOLS) -m tools.cluster up

.PHONY: cluster-down
cluster-down: venv ## Leaves nothing of it behind
	@$(TOOLS) -m tools.cluster down

.PHONY: cluster-status
cluster-status: venv ## What runs, since when, how often restarted
	@$(TOOLS) -m tools.cluster status

.PHONY: images
images: venv ## Builds the images that changed and loads them into the cluster
	@$(TOOLS) -m tools.images

.PHONY: platform-ready
platform-ready: venv # a cluster with all images on it
	@$(TOOLS) -m tools.images --with-cluster

.PHONY: kubeconfig kubectl helm
kubeconfig: venv ## Prints the path of the cluster's kubeconfig
	@$(TOOLS) -m tools.cluster kubeconfig
kubectl: venv ## Prints the path of a kubectl
	@$(TOOLS) -m tools.cluster kubectl
helm: venv ## Prints the path of a helm
	@$(TOOLS) -m tools.cluster helm

##@ Engines of others, to try the adapters against
.PHONY: kubeflow-up kubeflow-down
kubeflow-up: venv ## A real Kubeflow Pipelines 2.0.5 on the local cluster
	@$(TOOLS) -m tools.kubeflow up
kubeflow-down: venv ## Takes it away
	@$(TOOLS) -m tools.kubeflow down

.PHONY: e2e-kubeflow
e2e-kubeflow: platform-ready ## The whole story with trainings on Kubeflow Pipelines, its faults and the adapter's contract
	@$(TOOLS) -m tools.testing --backend kubeflow

.PHONY: bench-kubeflow
bench-kubeflow: venv ## Seconds and pods of a training, Local against Kubeflow, on what `make e2e-kubeflow` leaves behind
	@PYTHONPATH=. $(PYTHON) tests/kubeflow/benchmark.py

.PHONY: seldon-up seldon-down
seldon-up: venv ## A real Seldon Core operator 1.16.0 on the local cluster
	@$(TOOLS) -m tools.seldon up
seldon-down: venv ## Takes it, its kind and every SeldonDeployment away
	@$(TOOLS) -m tools.seldon down

.PHONY: e2e-seldon
e2e-seldon: platform-ready ## The whole story with models served by Seldon Core, its faults and the adapter's contract
	@$(TOOLS) -m tools.testing --backend seldon

##@ To work on it
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

# Seldon's package wants older versions of nearly everything, so it lives apart, and only where it is asked for.
$(SELDON)/.stamp: requirements/seldon.txt | $(UV)
	@echo "virtual environment $(SELDON)"
	@[[ -x $(SELDON)/bin/python ]] || $(UV) venv --quiet --python python3 $(SELDON)
	@$(UV) pip sync --quiet --python $(SELDON)/bin/python --require-hashes requirements/seldon.txt
	@touch $@

.PHONY: venv
venv: $(PLATFORM)/.stamp $(PIPELINES)/.stamp ## The two virtual environments, from the locks

.PHONY: lock
lock: $(UV) ## Renews the locks from requirements/*.in
	@cd requirements && for room in platform pipelines pipelines-dev seldon; do ../$(LOCK) $$room.in -o $$room.txt; done
	@cd requirements && for room in operators services; do ../$(LOCK) -c platform.txt $$room.in -o $$room.txt; done

.PHONY: generate
generate: venv ## CRDs, RBAC, compiled pipelines, references of the API and of metrics
	@$(PYTHON) -m homeostat.api.crdgen
	@$(PYTHON) -m homeostat.telemetry
	@$(PYTHON) -m tools.reference
	@$(PYTHON) -m homeostat_operators.rbac
	@$(PIPELINES)/bin/python -m homeostat_pipelines.compile

# The slowest first: two run at a time, each with its output in one piece, and every one of them runs to its end.
VERIFY := verify-types-platform verify-types-pipelines verify-chart verify-go verify-imports verify-style verify-shell

.PHONY: verify
verify: generate ## Generated files up to date, linters, types, import law, chart, samples, Go
	@changed=$$(git status --porcelain --untracked-files=all -- $(GENERATED)); \
	  if [[ -n "$$changed" ]]; then echo "make generate changed these; commit them:"; echo "$$changed"; exit 1; fi
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going $(VERIFY)

.PHONY: $(VERIFY)
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
test: venv ## Every test of the embedded platform; contracts and the story on a local Kubernetes of their own
	@$(TOOLS) -m tools.testing $(if $(KEEP_CLUSTER),--keep-cluster)

.PHONY: test-unit
test-unit: venv ## Only what needs no cluster
	@$(TOOLS) -m tools.testing --unit

.PHONY: test-package
test-package: venv ## The wheel with each extra in an empty environment: every module is imported
	@$(TOOLS) -m tools.testing --paths tests/package

.PHONY: test-seldon-python
test-seldon-python: venv $(SELDON)/.stamp ## Seldon's own Python package calls the predictor, and its server serves our models
	@$(TOOLS) -m tools.testing --paths tests/seldon_python

# Everything that is checked before a change counts as done; a new long suite is a target of its own and joins this
# list and the README's. They share one cluster: `test` leaves it up, the targets *-down free what the next one needs.
ALL_TARGETS := verify mutants test e2e-kubeflow kubeflow-down e2e-seldon test-seldon-python demo-down

.PHONY: mutants
mutants: venv ## Changes one decision at a time and names the changes that no test notices
	@$(TOOLS) -m tools.mutants

.PHONY: test-all
test-all: ## verify, test and every long suite, on one cluster; goes on after a failure and ends with a table
	@KEEP_CLUSTER=yes python3 -m tools.targets --keep-going $(ALL_TARGETS)

# Commitizen needs no environment of the project: uv keeps it apart, and from its cache it also starts offline.
CZ := $(UV) tool run --from commitizen==4.19.3 cz

.PHONY: changelog
changelog: $(UV) ## Shows what the next release's changelog gets from the commits since the last tag
	@$(CZ) changelog --dry-run --incremental

.PHONY: release
release: $(UV) ## Version, changelog, commit and tag by the commits since the last tag; pushes nothing (RELEASE.md)
	@[[ -z "$$(git status --porcelain)" ]] || { echo "commit or put aside what is changed first"; exit 1; }
	@$(CZ) bump --yes

.PHONY: bench
bench: venv ## Speed against named peers, interleaved; prints ratios with intervals
	@for each in tests/benchmarks/*.py; do echo "== $$each"; PYTHONPATH=.:tests $(PYTHON) "$$each"; done
