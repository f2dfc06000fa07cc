# Every target builds .venv from the lock by itself: a new machine needs Python 3.11 or later and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
SEEDS ?= 200
KILLS ?= 300
INPUTS ?= 100000
ANSWERS ?= 10000
FIGURES ?= .fleet-figures.md
SECONDS ?= 900
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-fleet test test-real test-systemd test-pythons screenshots simulate crash fleet fuzz lint format coverage bench bench-compare docs lock wheel clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "oddaemon needs Python 3.11 or later; say which: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "This Python has no venv module: apt install python3-venv"; exit 1; }
	@echo "Setting up .venv from requirements.lock ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

venv: $(READY) ## .venv from the lock

demo: $(READY) ## one night of 25 simulated offices, with a crash in the middle, checked to the cent
	@$(BIN)/oddaemon demo

demo-fleet: $(READY) ## a night of 60 offices on three hosts and one PostgreSQL: one is killed, one stands still, the database restarts
	@$(BIN)/python -m tests.fleet.demo

test: $(READY) ## the quick tests, after every change: units, properties, whole nights in virtual time, one kill
	$(BIN)/python -m pytest -n auto -m "not real and not slow and not systemd" --durations=10 $(ARGS)

test-real: $(READY) ## the tests with real servers, browsers, disks, containers, kills (.ci/packages names what they need)
	$(BIN)/python -m pytest -n auto -m "real or slow" --ignore=tests/fleet/stories --durations=10 $(ARGS)

test-systemd: $(READY) ## the unit as shipped under a real systemd of its own (root; Debian: apt-get install debootstrap)
	ODDAEMON_SYSTEMD_LAB=1 $(BIN)/python -m pytest -m systemd $(ARGS)

test-pythons: $(READY) ## the quick tests on every Python from 3.11 to 3.13 that is installed
	.ci/pythons

screenshots: $(READY) ## take docs/screenshots again
	$(BIN)/python -m tests.browser.screenshots

simulate: $(READY) ## many seeds of a fleet with every fault: make simulate SEEDS=5000
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

crash: $(READY) ## kill the daemon at every step and compare with a run that was not killed: make crash KILLS=300
	$(BIN)/python -m tests.crash --kills $(KILLS)

fleet: $(READY) ## hosts of a fleet that die, stand still, are cut off and upgraded, beside a PostgreSQL that fails: make fleet FIGURES=file
	ODDAEMON_FLEET_FIGURES=$(FIGURES) $(BIN)/python -m pytest -n 2 --dist worksteal -m "real or slow" tests/fleet --durations=10 $(ARGS)

fuzz: $(READY) ## hostile inputs in memory, and hostile peers on sockets for at most SECONDS: make fuzz INPUTS=100000 ANSWERS=100000 SECONDS=900
	$(BIN)/python -m tests.hostile --inputs $(INPUTS)
	$(BIN)/python -m tests.hostile.campaign --answers $(ANSWERS) --seconds $(SECONDS)

lint: $(READY) ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: $(READY) ## branch coverage of the core, held at 100 %
	$(BIN)/coverage run -m pytest -q tests/core
	$(BIN)/coverage report

bench: $(READY) ## the figures of the README: make bench ONLY="reading cost" JSON=new.json; LIST=1 names the sections
	@$(BIN)/python -m tests.bench $(ONLY) $(if $(LIST),--list) $(if $(JSON),--json $(JSON))

bench-compare: $(READY) ## two runs of the bench: make bench-compare OLD=old.json NEW=new.json; without NEW, it measures now
	@$(BIN)/python -m tests.bench.compare $(OLD) $(NEW)

docs: $(READY) ## the generated parts of docs/ and of the runbook
	$(BIN)/python -m docs.architecture --write
	$(BIN)/python -m docs.command_reference --write
	$(BIN)/python -m docs.contracts --write
	$(BIN)/python -m tests.alerts.runbook --write

lock: $(READY) ## resolve requirements.lock from pyproject.toml again, and the container's part of it
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra parquet --extra postgres --extra sftp --constraints requirements.lock --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o deploy/container/runtime.lock
	echo hatchling | $(BIN)/uv pip compile - --constraints requirements.lock --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o deploy/container/build.lock

wheel: $(READY) ## dist/oddaemon-*.whl
	$(BIN)/python -m build --wheel --no-isolation --outdir dist

clean: ## forget .venv and all caches
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
