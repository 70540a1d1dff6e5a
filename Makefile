# Genba's commands. A bare machine needs Python 3.11 or newer and make; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests setup-ocr up down restart smoke reset logs backup restore drill clock test lint format lock bench bench-against widgets picture contract lines audit test-times test-deep test-mutants test-faults test-production

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:
	@$(PYTHON) stack/bootstrap.py

setup-tests:
	@$(PYTHON) stack/bootstrap.py --tests

setup-ocr: ## install what reading statements needs (docs/options.md)
	@$(PYTHON) stack/bootstrap.py --ocr

up: setup ## start Genba on this machine (Ctrl-C stops it)
	@exec $(VENV) -m stack up

down: ## stop it from another terminal
	@$(VENV) -m stack down

restart: setup ## migrate, then restart one process after the other; with two of each nobody notices
	@$(VENV) -m stack restart

smoke: setup ## after a deployment: does everything answer? (URL=https://…; default PUBLIC_BASE_URL)
	@$(VENV) -m stack smoke $(URL)

reset: ## delete this clone's data (asks first)
	@$(VENV) -m stack reset

logs: ## follow the logs
	@$(VENV) -m stack logs

backup: setup ## back up the database and the files (TO=folder; default: backups/ and the time)
	@$(VENV) -m stack backup $(if $(TO),--to "$(TO)")

restore: setup ## restore a backup into an empty database (FROM=folder)
	@test -n "$(FROM)" || { echo "Which backup? make restore FROM=folder"; exit 2; }
	@$(VENV) -m stack restore "$(FROM)"

drill: setup ## restore the newest backup beside the data, compare it, tell the minutes (FROM=folder)
	@$(VENV) -m stack drill $(if $(FROM),--from "$(FROM)")

clock: setup ## move the demo's time on, the vendors' with it (AHEAD=90m, 48h, 3d)
	@$(VENV) -m stack clock --ahead "$(AHEAD)"

test: setup-tests ## everything that a change can break: lint, types, contracts, tests of every room, browsers (minutes)
	@$(VENV) -m tests.everyday

test-times: setup-tests ## the same, and write tests/times.tsv: the seconds of each test file
	@$(VENV) -m tests.everyday --write-times

# What chance draws is drawn anew each day; a failure is repeated by the seed that it was printed with.
SEED ?= $(shell date +%Y%m%d)
# Minutes after which `make test-deep` begins no further test; 0 for none.
BUDGET ?= 0

lint: setup-tests
	@$(VENV) -m ruff check
	@$(VENV) -m ruff format --check
	@$(VENV) -m mypy
	@.venv/bin/lint-imports --no-cache

format: setup-tests
	@$(VENV) -m ruff check --fix
	@$(VENV) -m ruff format

audit: setup ## ask OSV for known vulnerabilities of what is pinned (says so when it is out of reach)
	@$(VENV) -m stack.audit

test-deep: setup-tests ## what chance draws by the thousand and what is long to prove (SEED=20261123, BUDGET=10 minutes)
	@$(VENV) tests/ensure_browser.py
	@$(VENV) -m pytest -n auto --dist loadfile -m "deep or hypothesis" --budget=$(BUDGET) \
		--hypothesis-profile=deep --hypothesis-seed=$(SEED) --randomly-seed=$(SEED)

test-mutants: setup-tests ## put faults into the product, one at a time: does `make test` notice? (SEED=word; an hour)
	@$(VENV) -m tests.mutants record
	@$(VENV) -m tests.mutants run --seed "$(SEED)"

test-faults: setup-tests ## kill processes under load from all clients and count (minutes)
	@$(VENV) tests/ensure_browser.py
	@$(VENV) -m pytest -m faults

test-production: setup-tests ## production: Caddy, PgBouncer, two of each, servers over TCP (minutes)
	@$(VENV) tests/ensure_servers.py
	@$(VENV) tests/ensure_browser.py
	@$(VENV) -m pytest -m production

bench: setup-tests ## measure the speed claims, write docs/benchmarks.md (minutes)
	@$(VENV) tests/ensure_browser.py
	@$(VENV) -m tests.load.bench

# Rows for `make bench-against`; all without it.
ROWS ?=

bench-against: setup-tests ## measure an earlier commit and this one in turns (COMMIT=…, ROWS="lists pages")
	@test -n "$(COMMIT)" || { echo "Against which commit? make bench-against COMMIT=…"; exit 2; }
	@$(VENV) tests/ensure_browser.py
	@$(VENV) -m tests.load.against "$(COMMIT)" $(ROWS)

widgets: setup ## show every shared widget of the pages in each state, without the rest of Genba (GALLERY_PORT=8502)
	@$(VENV) -m dashboards.fonts
	@GENBA_MODE=demo exec $(VENV) -m dashboards.gallery

picture: setup-tests ## take the README's picture of the dashboard anew
	@$(VENV) tests/ensure_browser.py
	@$(VENV) -m tests.screenshot docs/images/dashboard.png

lines: setup-tests ## lines of Python by room
	@$(VENV) -m tests.lines

contract: setup-tests ## write dashboards/contract anew: types and labels from the OpenAPI document
	@$(VENV) -m tests.contract

lock: setup ## compile the requirements anew from pyproject.toml
	@UV="$(VENV) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate"; \
	$$UV pyproject.toml -o requirements.txt && \
	$$UV --group embedded -c requirements.txt -o requirements-embedded.txt && \
	$$UV --group test -c requirements.txt -c requirements-embedded.txt -o tests/requirements.txt && \
	$$UV --group ocr -c requirements.txt -o requirements-ocr.txt && \
	$$UV --group audit -c requirements.txt -c tests/requirements.txt -o requirements-audit.txt
