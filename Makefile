# The house's commands. Variables: TIER=embedded|real TOPOLOGY=monolith|orders-out|split-twice|… BASE_PORT=3000 STATE_DIR=.run PYTHON=python3 SERVICES_BASE=25400 CI=true
PYTHON ?= python3
TIER ?= embedded
TOPOLOGY ?= monolith
BASE_PORT ?= 3000
STATE_DIR ?= .run
VENV := .venv/bin/python
BOOTSTRAP := $(PYTHON) deploy/local/bootstrap.py
SERVICES := $(VENV) -m deploy.local.services
SUPERVISE = exec $(VENV) -m deploy.local.supervise --with-parent --tier $(TIER) --base-port $(BASE_PORT) \
	--state-dir "$(STATE_DIR)" $(if $(filter real,$(TIER)),--with-stores $(if $(SERVICES_BASE),--services-base $(SERVICES_BASE)))

.DEFAULT_GOAL := help
.PHONY: help run split test parity parity-shortcuts faults faults-full bench check services services-stop pins clean

help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 26

run:  ## the shop as one web process and one worker (TIER=real; TOPOLOGY=orders-out: any cut)
	@$(BOOTSTRAP) run
	@$(SUPERVISE) --topology $(TOPOLOGY)

split:  ## the same shop, a web process and a worker per context
	@$(BOOTSTRAP) run
	@$(SUPERVISE) --topology split

test:  ## every test on both tiers, from nothing
	@$(BOOTSTRAP) dev
	@exec $(VENV) -m deploy.local.run_tests

parity:  ## the same requests through every cut, compared (SEED=7 REQUESTS=2000 CUTS="orders-out split" TIER=real)
	@$(BOOTSTRAP) dev
	@exec $(VENV) -m deploy.local.run_parity $(if $(SEED),--seed $(SEED)) $(if $(REQUESTS),--requests $(REQUESTS)) \
		$(if $(CUTS),--cuts $(CUTS)) $(if $(filter file,$(origin TIER)),,--tier $(TIER))

parity-shortcuts:  ## ten ways to break a cut, planted: parity must see each (SHORTCUTS="send_a_signal": only these)
	@$(BOOTSTRAP) dev
	@exec $(VENV) -m deploy.local.run_parity --shortcuts $(SHORTCUTS)

faults:  ## kills at named points, a dead broker, replays, and their negative controls (ROWS="F01 F05" TIER=real)
	@$(BOOTSTRAP) dev
	@exec $(VENV) -m deploy.local.run_faults quick $(if $(ROWS),--rows $(ROWS)) $(if $(filter file,$(origin TIER)),,--tiers $(TIER))

faults-full:  ## every row in every cell, hours; run again, it goes on where it was (ROWS="F01": a shard)
	@$(BOOTSTRAP) dev
	@exec $(VENV) -m deploy.local.run_faults full $(if $(ROWS),--rows $(ROWS)) $(if $(filter file,$(origin TIER)),,--tiers $(TIER))

bench:  ## speed beside a limit and a peer in the same rounds, on PostgreSQL and RabbitMQ (ROWS="relay inbox" ROUNDS=5)
	@$(BOOTSTRAP) dev
	@exec $(VENV) -m deploy.local.run_bench $(ROWS) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED))

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
