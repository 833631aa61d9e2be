# Power Windows. `make` alone lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
PORT ?= 8420
SEED ?=
# Test files that run at the same time; each test has a project name, ports and a data folder of its own.
PROCESSES ?= 3
WINDOWS ?= 300

.PHONY: help install demo first-hour conduct run test unit engines check bench model chaos soak images docs venv

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: install ## Watch the main job: real containers, a window, a deadline (under a minute)
	@.venv/bin/python -m examples.vx11.demo

first-hour: install ## Time a new user's way from a compose file to the first open window
	@.venv/bin/python -m examples.first_hour

conduct: install ## Run two scenarios over the example stack; their reports replace those in docs/audit
	@.venv/bin/python -m examples.vx11.conduct

run: install ## Run the service on 127.0.0.1:8420 with the example stack, until Ctrl-C
	@.venv/bin/python examples/vx11/image.py >/dev/null
	@.venv/bin/docker-compose -p vx11 -f examples/vx11/docker-compose.yml up -d madre tentaculo_link redis
	@exec .venv/bin/power standalone --config examples/vx11/power.toml --port $(PORT)

unit: venv ## Run the unit tests: no engine, browser or server, a minute
	@PYTHONHASHSEED=$$RANDOM .venv/bin/python -m pytest --unit -q -n 2 --dist worksteal tests

test: install ## Run every test, some at the same time; without a Docker engine they fail (TESTS=tests/web PROCESSES=3)
	@bin/packages mmdebstrap=mmdebstrap chromium=chromium nginx=nginx-light caddy=caddy mosquitto=mosquitto
	@bin/promtool
	@# One seed for all processes of a run, another one for each run: they have to collect the tests in one order.
	@PYTHONHASHSEED=$$RANDOM .venv/bin/python -m pytest -n $(PROCESSES) --dist loadfile $(TESTS)

engines: install ## Run the main flow and tests/engine on Docker 20.10, 26.1 and 28.5: ENGINES="26.1 28.5"
	@bin/packages mmdebstrap=mmdebstrap nginx=nginx-light
	@TESTS="$(TESTS)" .venv/bin/python -m tests.matrix $(ENGINES)

check: venv ## Format, lint, types, import rules, migrations in step with the models; edits nothing
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/mypy -p examples
	.venv/bin/mypy docs/hooks.py
	.venv/bin/lint-imports
	.venv/bin/python -m migrations.check

model: install ## Windows against a plain model, with crashes at any statement: STEPS=10000 SEED=1
	@PYTHONHASHSEED=0 STEPS=$(STEPS) SEED=$(SEED) .venv/bin/python -m tests.model

bench: install ## Measure against the engine's own speed; the table is also in bench/out/latest.json
	@.venv/bin/python -m bench

chaos: install ## Break everything at random while windows run, and check that nothing stays on (SEED=7 WINDOWS=300)
	@.venv/bin/python -m chaos $(if $(SEED),--seed $(SEED)) --windows $(WINDOWS) --page

soak: install ## Thousands of short windows on one standalone: does memory or the database grow? (WINDOWS=2500)
	@.venv/bin/python -m chaos.soak --windows $(if $(filter command line,$(origin WINDOWS)),$(WINDOWS),2500) --page

images: install ## Build the product's images with no registry; then: docker compose up -d --wait
	@bin/packages mmdebstrap=mmdebstrap
	@.venv/bin/python -m images
	@bin/plugin

docs: venv ## Build the documentation as a site, into site/
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict
	@echo "docs: site/index.html"

install: venv ## Set up what the others share: .venv, and a Docker engine that answers
	@bin/engine
	@# Only where a person typed it: the other targets go on by themselves.
	@[[ " $(MAKECMDGOALS) " != *" install "* ]] || printf '%s\n' 'install: done; next, to see the main job in half a minute:' \
		'    make demo' 'or, for a stack of your own:' '    . .venv/bin/activate && power standalone --config power.toml'

venv:
	@PYTHON=$(PYTHON) bin/venv
