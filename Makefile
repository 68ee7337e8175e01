# Targets of the checkout; `make` without a target lists them.
.DEFAULT_GOAL := help
.PHONY: help setup demo images images-load images-sizes cluster-demo up down status logs test test-repeat attack lint format protos platform service lock clean
PYTHON := .venv/bin/python

# Byte code is kept even if the caller's environment disables it, because programs start often here.
unexport PYTHONDONTWRITEBYTECODE

# Variables of the images; docs/operate.md describes them.
export BUILDER BASE_IMAGE BROKER_BASE_IMAGE BUILD_ARGS IMAGES VERSION TAG SOURCE LOAD

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: system packages with apt, everything else into .venv
	@sh scripts/setup.sh

demo: setup ## Run the whole journey on a separate embedded stack; writes the signed document to .demo/output
	@$(PYTHON) -m demo

up: setup ## Start the embedded stack and keep it running
	@$(PYTHON) -m embedded up

down: setup ## Stop the embedded stack; its data are kept
	@$(PYTHON) -m embedded down

status: setup ## List the programs of the embedded stack with their ports and states
	@$(PYTHON) -m embedded status

logs: setup ## Print the logs of the embedded stack; name=notary for one program
	@$(PYTHON) -m embedded logs $(name)

images: ## Build all OCI images, with a bill of materials for each in deploy/image/out
	@deploy/image/build.sh build

images-load: ## Load the images into a cluster, for example with LOAD="kind load image-archive"
	@deploy/image/build.sh load

images-sizes: ## Print the size of each image
	@deploy/image/build.sh sizes

cluster-demo: setup ## Run the journey on the cluster in KUBECONFIG, and remove everything; OPTIONS="--namespace NAME"
	@$(PYTHON) -m demo.cluster $(OPTIONS)

test: setup ## Run every check: lint, types, import contracts, protos, charts, unit, service and journey tests
	@sh scripts/charts.sh
	@$(PYTHON) scripts/check.py

test-repeat: setup ## Run the tests n times in a row, up to the first failure: make test-repeat n=20
	@$(PYTHON) scripts/repeat.py $(or $(n),20)

attack: setup ## Attack the platform from outside, and show that each probe notices a removed guard
	@DIWAN_TEST_ATTACK=1 $(PYTHON) -m pytest tests/test_attacks.py -v

lint: setup ## Run the static checks only
	@$(PYTHON) scripts/check.py --static

format: setup ## Format the code
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .

protos: setup ## Generate code and reference pages from the protos
	@$(PYTHON) scripts/protos.py

platform: setup ## Render charts, import contracts, tables and chart values from deploy/platform.yaml
	@$(PYTHON) scripts/render_platform.py
	@$(PYTHON) scripts/helm_values.py

service: setup ## Write a small working service: name=parcels (docs/new-service.md)
	@sh scripts/charts.sh
	@$(PYTHON) scripts/service/create.py "$(name)" $(if $(entity),--entity "$(entity)")

lock: setup ## Compile requirements.in, and checkov's, to requirements.txt with hashes
	@for list in requirements scripts/requirements-checkov; do \
	  .venv/bin/uv pip compile $$list.in --output-file $$list.txt --generate-hashes --universal \
	    --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links --quiet || exit 1; done

clean: ## Stop the embedded stack and remove .venv, .stack, .demo and caches
	@[ ! -x $(PYTHON) ] || $(PYTHON) -m embedded down
	@rm -rf .venv .stack .demo .hypothesis .test-repeat .mypy_cache .ruff_cache .import_linter_cache
