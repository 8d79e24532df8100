# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# Compiled modules halve the start of every command.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo demo-down images test lint sanity units molecule acceptance lock clean

help: ## Show this list
	@sed -n 's/^\([a-z -]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  make %-26s %s\n' "$$name" "$$text"; done

setup: ## Prepare this machine: packages, Python environments, collections
	@scripts/setup

demo: setup ## From nothing to a counted vote: MACHINES=vm for own kernels; ARGS="-e NAME=VALUE"
	@$(if $(MACHINES),LAB_MACHINES=$(MACHINES)) $(PYTHON) -m lab.demo $(ARGS)

demo-down: setup ## Remove all that the demo made
	@.venv/bin/lab down

images: setup ## Build the app's images: REGISTRY=HOST/PATH pushes them; FRESH=yes with today's packages
	@.venv/bin/lab images $(if $(REGISTRY),--registry "$(REGISTRY)") $(if $(PLAIN_HTTP),--plain-http) \
		$(if $(FRESH),--fresh)

test: setup ## Run every gate and test; STAGES="lint units" runs some
	@$(PYTHON) scripts/test.py $(STAGES)

lint sanity units molecule: setup ## Run one stage of the tests
	@$(PYTHON) scripts/test.py $@ $(if $(filter units,$@),units-node)

acceptance: setup ## Measure a whole story: SUITE=cloud; ROWS="scale kill" some of it
	@$(PYTHON) -m tests.acceptance $(or $(SUITE),main) $(ROWS)

lock: setup ## Pin the Python packages anew
	@.venv/bin/uv pip compile -q --universal --no-annotate --generate-hashes --upgrade \
		--python-version 3.11 -o requirements-dev.txt requirements-dev.in
	@.venv/bin/uv pip compile -q --no-annotate --generate-hashes --upgrade \
		--python-version 3.10 -o tests/unit/requirements-node.txt tests/unit/requirements-node.in

clean: ## Remove what setup and the tests made in this folder
	@rm -rf .venv .venv-node .ansible .mypy_cache .pytest_cache .ruff_cache build *.egg-info .lab/logs
