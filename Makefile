# Every verb of the checkout. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help setup demo images images-load images-sizes cluster-demo up down status logs test lint format protos platform lock clean
PYTHON := .venv/bin/python

# Programs start again and again here: their byte code is kept, whatever the caller's habit.
unexport PYTHONDONTWRITEBYTECODE

# Of the images; docs/operate.md says what each is for.
export BUILDER BASE_IMAGE BROKER_BASE_IMAGE BUILD_ARGS IMAGES VERSION TAG SOURCE LOAD

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: system packages by apt, the rest into .venv
	@sh scripts/setup.sh

demo: setup ## The whole journey on an embedded stack of its own; leaves the signed document in .demo/output
	@$(PYTHON) -m demo

up: setup ## Start the embedded stack and keep it running
	@$(PYTHON) -m embedded up

down: setup ## Stop it
	@$(PYTHON) -m embedded down

status: setup ## What runs, and where
	@$(PYTHON) -m embedded status

logs: setup ## What the programs say; name=notary for one
	@$(PYTHON) -m embedded logs $(name)

images: ## Build the OCI images of everything, with a bill of materials for each in deploy/image/out
	@deploy/image/build.sh build

images-load: ## Hand the images to a cluster; LOAD="kind load image-archive", for example
	@deploy/image/build.sh load

images-sizes: ## What each image weighs
	@deploy/image/build.sh sizes

cluster-demo: setup ## The same journey on the cluster that KUBECONFIG names; nothing is left there
	@$(PYTHON) -m demo.cluster

test: setup ## Every check: lint, types, import contracts, protos, charts, unit, service and journey tests
	@sh scripts/charts.sh
	@$(PYTHON) scripts/check.py

lint: setup ## The checks that start nothing
	@$(PYTHON) scripts/check.py --static

format: setup ## Format the code
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .

protos: setup ## Generate code and reference from the protos
	@$(PYTHON) scripts/protos.py

platform: setup ## Render charts, import contracts and tables from deploy/platform.yaml, and the charts' values
	@$(PYTHON) scripts/render_platform.py
	@$(PYTHON) scripts/helm_values.py

lock: setup ## Resolve requirements.in into requirements.txt, with hashes; that of checkov too
	@for list in requirements scripts/requirements-checkov; do \
	  .venv/bin/uv pip compile $$list.in --output-file $$list.txt --generate-hashes --universal \
	    --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links --quiet || exit 1; done

clean: ## Stop everything and remove what was made inside the checkout
	@[ ! -x $(PYTHON) ] || $(PYTHON) -m embedded down
	@rm -rf .venv .stack .demo .hypothesis .mypy_cache .ruff_cache .import_linter_cache
