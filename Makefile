.DEFAULT_GOAL := help
.PHONY: help install demo retrain-demo test lint clean
VENV := .venv/bin
export HF_HUB_DISABLE_TELEMETRY := 1
export ANONYMIZED_TELEMETRY := False
export GRADIO_ANALYTICS_ENABLED := False

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

install:  ## Make .venv
	@scripts/install.sh

demo: install  ## Talk to it: chat at http://127.0.0.1:8000/ui, API at http://127.0.0.1:8000
	@$(VENV)/convrec demo $(ARGS)

retrain-demo: install  ## Train an adapter on the demo's ledger, small
	@$(VENV)/convrec retrain --name demo --examples 100 --choose 15 --judge 60 $(ARGS)

lint: install  ## ruff, mypy, import-linter
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports

test: lint  ## Lint, types, layers and every test, with the real model
	@HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false $(VENV)/pytest $(ARGS)

clean:  ## Remove .venv and caches (not the data in .convrec)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
