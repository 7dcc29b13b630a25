# `make help` lists what there is. Everything sets itself up: Python 3.11 or newer and make are enough.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help demo dev test test-faults test-upgrade test-docker bench bench-documents deploy lint format docs env lock sbom audit clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## The whole main job, from upload to email, on this machine (ONCE=1: exit after it)
	@$(BIN)/sluice demo $(if $(ONCE),--once)

dev: $(INSTALLED) ## The embedded stack: PostgreSQL, Prefect, worker, S3, SNS, mail, gateway
	@$(BIN)/sluice dev

test: $(INSTALLED) ## All tests, on real PostgreSQL and a real Prefect server (ARGS=... for pytest)
	@$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadscope $(ARGS)

test-faults: $(INSTALLED) ## Kill, cut and restart everything under load (LONG=1: all of it thrice; SEED=... again)
	@LONG=$(LONG) SEED=$(SEED) $(BIN)/pytest -s tests/faults/test_faults.py $(ARGS)

test-docker: $(INSTALLED) ## The compose stack from nothing, each container killed in turn (needs a Docker engine)
	@$(BIN)/pytest tests/docker $(ARGS)

test-upgrade: $(INSTALLED) ## Two releases side by side on one database, under traffic (FROM=<the older one>)
	@FROM=$(FROM) $(BIN)/pytest -s tests/upgrade/test_upgrade.py $(ARGS)

bench: $(INSTALLED) ## How fast it is, as ratios to competitors of the same run (QUICK=1: two minutes; ROWS=10000000)
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(ROWS),--rows $(ROWS))

bench-documents: $(INSTALLED) ## How well documents are read, on specimens of an unknown seed (QUICK=1, SEED=..., MISSES=file)
	@$(BIN)/python -m bench.documents $(if $(QUICK),--quick) $(if $(SEED),--seed $(SEED)) $(if $(MISSES),--misses $(MISSES))

deploy: $(INSTALLED) ## Work pools and deployments, into the Prefect of PREFECT_API_URL
	@$(BIN)/python deploy/work_pools.py
	@$(BIN)/prefect deploy --all --no-prompt

lint: $(INSTALLED) ## Style, types and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(INSTALLED) ## Bring the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

env: ## Settings for Docker Compose with fresh secrets, in .env, unless there are some
	@test -e .env || (umask 077 && sh deploy/compose/fill-env.sh < .env.example > .env)

docs: $(INSTALLED) ## Bring the tables of docs/settings.md up to the code
	@$(BIN)/python -m app.dev.settings_table

lock: $(INSTALLED) ## Resolve pyproject.toml anew into the two lock files
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--override overrides.txt --no-emit-index-url --no-header --upgrade --quiet -o requirements.lock
	grep '^uv==' requirements.lock | cut -d ' ' -f 1 | $(BIN)/uv pip compile - --universal --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet -o installer.lock

sbom: $(INSTALLED) ## The bill of materials, CycloneDX, from the lock: sluice.cdx.json
	@$(BIN)/python deploy/sbom.py sluice.cdx.json

audit: $(INSTALLED) ## Look for known vulnerabilities in the lock (ARGS=--unreachable-is-fine)
	@$(BIN)/python deploy/audit.py $(ARGS)

clean: ## Remove the environment and everything that was made
	rm -rf .venv .sluice build dist *.egg-info .*_cache .hypothesis

# uv installs in seconds what takes pip minutes; where it cannot reach the registry as pip is set up to, pip does.
$(INSTALLED): pyproject.toml requirements.lock installer.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sluice needs Python 3.11 or newer; name one: make PYTHON=python3.12 …")'
	@echo "Installing into .venv (once; the second time is instant) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r installer.lock
	@UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --require-hashes --no-deps -r requirements.lock \
		|| $(BIN)/python -m pip install --quiet --compile --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
