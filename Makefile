# The commands of this repository. Each first sets up .venv/ if the locks have changed, and says how long that took.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

# Python and the certificates are this machine's, and no other environment has a say.
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := true
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

BIN := .venv/bin
READY := .venv/ready
UV := $(BIN)/uv pip
WHEELS := .cache/function-wheels
EMULATOR := .cache/ministack
OLD_WAY := .cache/celery
# Of `make test`, much of whose time is waiting.
PROCESSES := 2

.PHONY: help
help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

.PHONY: demo
demo: $(READY) ## run an example task ten times on this machine, show the results, leave nothing behind
	@started=$$(date +%s)
	$(BIN)/python -m flotilla.local.demo
	echo "The run took $$(($$(date +%s) - started)) s."

.PHONY: test
test: $(READY) node_modules/ready $(WHEELS)/ready ## run all tests; those of Docker are skipped where no engine answers
	@$(BIN)/python -m pytest --numprocesses $(PROCESSES)

.PHONY: lint
lint: $(READY) ## check style, types, and who imports whom
	@$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(READY) ## bring the code into the form that lint wants
	@$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: synth
synth: $(READY) node_modules/ready $(WHEELS)/ready ## write the CloudFormation templates to cdk.out/
	@PATH="$(CURDIR)/$(BIN):$$PATH" node_modules/.bin/cdk synth --quiet

.PHONY: rehearse
rehearse: $(READY) node_modules/ready $(WHEELS)/ready $(EMULATOR)/ready ## deploy it all to emulators on this machine, and try what it promises
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.rehearsal

.PHONY: bench-quick
bench-quick: $(READY) $(OLD_WAY)/ready ## measure Flotilla beside other ways, in ten minutes at the most
	@$(call bench,--quick)

.PHONY: bench
bench: $(READY) $(OLD_WAY)/ready ## measure all of it, which takes about an hour
	@$(call bench)

.PHONY: snapshot
snapshot: $(READY) ## take the templates as they are now for those that tests compare with
	@FLOTILLA_SNAPSHOT=write $(BIN)/python -m pytest --quiet tests/cdk/test_snapshot.py

.PHONY: lock
lock: $(READY) ## write requirements/ anew from pyproject.toml; UPGRADE=--upgrade takes the newest that it allows
	@lock() {
	    $(UV) compile --quiet --universal --python-version 3.12 --generate-hashes $(UPGRADE) \
	        --no-emit-index-url --no-annotate --no-header "$${@:2}" --output-file "requirements/$$1.txt"
	}
	lock dev pyproject.toml --all-extras --group setup
	# What is deployed is what was tested: every other lock is a part of that one.
	tested=(--constraints requirements/dev.txt)
	lock setup "$${tested[@]}" --group pyproject.toml:setup
	lock runtime "$${tested[@]}" pyproject.toml
	lock worker "$${tested[@]}" pyproject.toml --extra worker
	lock local "$${tested[@]}" pyproject.toml --extra worker --extra local
	lock cdk "$${tested[@]}" pyproject.toml --extra cdk
	# These pin what collides with ours, or is not ours to pin, and so have environments of their own.
	lock emulator --group pyproject.toml:emulator
	lock bench --group pyproject.toml:bench

$(READY): pyproject.toml requirements/setup.txt requirements/dev.txt
	@started=$$(date +%s)
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then
	    python=$$(.ci/find-python)
	    "$$python" -m venv --clear .venv
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/setup.txt
	$(UV) sync --quiet --require-hashes requirements/dev.txt
	$(UV) install --quiet --no-deps --no-build-isolation --editable .
	touch $@
	echo "The set-up took $$(($$(date +%s) - started)) s."

$(WHEELS)/ready: requirements/runtime.txt | $(READY)
	@rm -rf $(WHEELS)
	$(UV) install --quiet --python-platform aarch64-manylinux_2_28 --python-version 3.12 --only-binary :all: \
	    --no-deps --require-hashes --requirement requirements/runtime.txt --target $(WHEELS)/layer/python
	touch $@

# Real trials want an engine: the one that answers, else on Debian one of their own, ended when they are.
define bench
.ci/docker-engine running || trap '.ci/docker-engine stop' EXIT
variables=$$(.ci/docker-engine start)
eval "$$variables"
.ci/bench-tools
$(BIN)/python -m bench $(1)
endef

$(OLD_WAY)/ready: requirements/bench.txt | $(READY)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(OLD_WAY)
	$(UV) sync --quiet --require-hashes --python $(OLD_WAY)/bin/python requirements/bench.txt
	touch $@

$(EMULATOR)/ready: requirements/emulator.txt | $(READY)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(EMULATOR)
	$(UV) sync --quiet --require-hashes --python $(EMULATOR)/bin/python requirements/emulator.txt
	touch $@

node_modules/ready: package.json package-lock.json | $(READY)
	@export PATH="$(CURDIR)/$(BIN):$$PATH" NODE_OPTIONS=--use-system-ca
	npm ci --loglevel=error --no-audit --no-fund
	touch $@
