# Genba's commands. A bare machine needs Python 3.11 or newer and make; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests up down reset logs test lint format lock bench test-faults

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:
	@$(PYTHON) stack/bootstrap.py

setup-tests:
	@$(PYTHON) stack/bootstrap.py --tests

up: setup ## start Genba on this machine (Ctrl-C stops it)
	@exec $(VENV) -m stack up

down: setup ## stop it from another terminal
	@$(VENV) -m stack down

reset: setup ## delete this clone's data (asks first)
	@$(VENV) -m stack reset

logs: setup ## follow the logs
	@$(VENV) -m stack logs
