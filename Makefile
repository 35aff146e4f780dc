# The house's commands. Variables: TIER=embedded|real BASE_PORT=3000 STATE_DIR=.run PYTHON=python3 SERVICES_BASE=25400 CI=true
PYTHON ?= python3
TIER ?= embedded
BASE_PORT ?= 3000
STATE_DIR ?= .run
VENV := .venv/bin/python
BOOTSTRAP := $(PYTHON) deploy/local/bootstrap.py
SERVICES := $(VENV) -m deploy.local.services
SUPERVISE = exec $(VENV) -m deploy.local.supervise --with-parent --tier $(TIER) --base-port $(BASE_PORT) \
	--state-dir "$(STATE_DIR)" $(if $(filter real,$(TIER)),--with-stores $(if $(SERVICES_BASE),--services-base $(SERVICES_BASE)))

.DEFAULT_GOAL := help
.PHONY: help run split test check services services-stop pins clean

help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

run:  ## the shop as one web process and one worker (TIER=real: on PostgreSQL and RabbitMQ)
	@$(BOOTSTRAP) run
	@$(SUPERVISE) --topology monolith

split:  ## the same shop, a web process and a worker per context
	@$(BOOTSTRAP) run
	@$(SUPERVISE) --topology split

test:  ## every test on both tiers, from nothing
	@$(BOOTSTRAP) dev
	@exec $(VENV) -m deploy.local.run_tests

check:  ## lint, types, import rules, Django's checks
	@$(BOOTSTRAP) dev
	@exec $(VENV) -m deploy.local.check

services:  ## start the private PostgreSQL and RabbitMQ of the real tier, and leave them running
	@$(BOOTSTRAP) run
	@$(SERVICES) up $(if $(SERVICES_BASE),--base $(SERVICES_BASE))

services-stop:  ## stop them; their data stays in .run/services
	@$(BOOTSTRAP) run
	@$(SERVICES) down

pins:  ## write requirements*.txt again from requirements*.in (needs uv)
	@sh deploy/local/pins.sh

clean:  ## remove .venv, .run and caches: the next `make run` starts from nothing
	@if [ -x $(VENV) ]; then $(SERVICES) down; fi
	@rm -rf .venv .run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
