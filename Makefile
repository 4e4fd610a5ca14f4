# The two commands of the README: `make book` and `make test`. Both set up the environment that they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Stamps: the environment holds what the book needs; what the tests need besides.
READY := $(VENV)/.ready
READY_TO_TEST := $(VENV)/.ready-to-test
UV := uv==0.13.9
# uv installs several times as fast as pip, and takes 40 MB: it stays outside the environment.
UV_HOME := _build/uv
UV_BIN := $(UV_HOME)/bin/uv
GET_UV = test -x $(UV_BIN) || $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(UV_HOME) $(UV)
# Installs with uv, and with pip where uv cannot be installed or fails.
INSTALL = { $(GET_UV) && $(UV_BIN) pip install --python $(BIN)/python $(1); } || \
	{ echo "uv is not available; pip takes its place"; $(BIN)/python -m pip install --no-compile $(1); }
# Packages' own tests are never run: they are not compiled. A template in a package need not be valid Python.
COMPILE = $(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib || true
# Variables reach the shell through its environment, as they were written: with spaces, quotes and $.
override DATA := $(value DATA)
override AS_OF := $(value AS_OF)
override TIME_LIMIT := $(value TIME_LIMIT)
override PORT := $(value PORT)
override ANSWERS := $(value ANSWERS)
override SOURCE := $(value SOURCE)
override SINCE := $(value SINCE)
override DRY_RUN := $(value DRY_RUN)
export DATA AS_OF TIME_LIMIT PORT ANSWERS SOURCE SINCE DRY_RUN
IN_DATA = $${DATA:+--data="$$DATA"}
OPTIONS = $(IN_DATA) $${AS_OF:+--as-of="$$AS_OF"} $${TIME_LIMIT:+--time-limit="$$TIME_LIMIT"}

.PHONY: help book editions store-edition deposit pdf check new-trial desk search retractions watch lab test nbval coverage bench simulations lint lock newest reference clean

book: $(READY) ## check the data, execute the chapters that changed, build the site
	$(BIN)/python -m lib build $(OPTIONS)

editions: $(READY) ## build every edition; the site of the newest carries the others
	$(BIN)/python -m lib editions $(IN_DATA) $${TIME_LIMIT:+--time-limit="$$TIME_LIMIT"}

store-edition: $(READY) ## store the results of the newest edition, with which later editions are compared
	$(BIN)/python -m lib store-edition $(IN_DATA)

deposit: $(READY) ## build every edition, and prepare the folder of a deposit on Zenodo in _build/deposit
	$(BIN)/python -m lib deposit $(IN_DATA) $${TIME_LIMIT:+--time-limit="$$TIME_LIMIT"}

help: ## list the targets and the variables
	@sed -nE 's/^([a-z-]+):.*## /  \1\t/p' Makefile | expand -t 16
	@echo 'Variables, such as make book DATA="my data" AS_OF=2018-08-06:'
	@sed -nE 's/^## ([A-Z_]+) /  \1\t/p' Makefile | expand -t 16
## DATA the data folder (book, editions, store-edition, deposit, check, new-trial, desk, watch, simulations); data without it
## AS_OF date of the edition, YYYY-MM-DD (book, watch); the newest without it
## TIME_LIMIT seconds that a cell may take (book, editions, deposit, watch); 900 without it
## PORT port on which the book or the desk is served (watch: 8000 without it; desk: 8010)
## ANSWERS file of answers in TOML (new-trial); they are asked for without it
## SOURCE a database, such as pubmed (search); all that have a query without it
## SINCE first day of the search, YYYY-MM-DD (search); some days before the last search without it
## DRY_RUN 1: say what would be asked and found, and write nothing (search, retractions)
## PYTHON the Python that the environment is made with, 3.11 or newer; python3 without it

pdf: book ## make one PDF of the book (needs Chromium)
	$(BIN)/python -m pip show --quiet playwright pypdf || $(call INSTALL,--constraint requirements-test.txt playwright pypdf)
	$(BIN)/python -m lib pdf

check: $(READY) ## list every fault in data/
	$(BIN)/python -m lib check $(IN_DATA)

new-trial: $(READY) ## ask about a trial, and add its rows to all tables
	$(BIN)/python -m lib new-trial $(IN_DATA) $${ANSWERS:+--answers="$$ANSWERS"}

desk: $(READY) ## screen records, enter trials and make editions in the browser, on this machine
	$(BIN)/python -m lib desk $(IN_DATA) $${PORT:+--port="$$PORT"}

search: $(READY) ## search the databases for records that are new since the last search
	$(BIN)/python -m lib search $(IN_DATA) $${SOURCE:+--source="$$SOURCE"} $${SINCE:+--since="$$SINCE"} $${DRY_RUN:+--dry-run}

retractions: $(READY) ## ask whether anything that the review cites was retracted
	$(BIN)/python -m lib retractions $(IN_DATA) $${DRY_RUN:+--dry-run}

watch: $(READY) ## build and serve the book, and build again on every change
	$(BIN)/python -m lib watch $(OPTIONS) $${PORT:+--port="$$PORT"}

lab: $(READY) ## open the chapters in JupyterLab, which saves them without outputs
	cd book && JUPYTER_CONFIG_PATH="$$PWD/../.jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" ../$(BIN)/python -m jupyter lab

# Many tests wait for a browser or a build: twice as many workers as processors are busy.
WORKERS = $$(( 2 * $$(nproc) ))
test: $(READY_TO_TEST) ## run all tests
	$(MAKE) --jobs=2 lint nbval
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations=15

nbval: $(READY_TO_TEST) book ## execute every chapter once more and compare its outputs with those of the book
	PYTHONPATH=tests $(BIN)/python -m pytest -p forked_kernels --nbval -q -p no:cacheprovider -n auto --dist loadfile _build/stage/book

coverage: $(READY_TO_TEST) ## run all tests and report the share of lines of lib that they run
	$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term:skip-covered

bench: $(READY_TO_TEST) ## measure builds against Jupyter Book alone, builds with many more studies, pooling, the explorer and records
	$(BIN)/python bench/build.py
	$(BIN)/python bench/build.py --scale
	$(BIN)/python bench/pooling.py
	$(BIN)/python bench/explore.py
	$(BIN)/python bench/records.py
	$(BIN)/python bench/records_import.py
	$(BIN)/python bench/desk.py

simulations: $(READY) ## compute the committed simulations and imputations again where their code or data changed
	$(BIN)/python -m lib simulations $(IN_DATA)

lint: $(READY_TO_TEST) ## check style, formatting, types, and that rooms import only from the rooms below
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy

$(READY): requirements.txt pyproject.toml
	"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(call INSTALL,--requirement requirements.txt)
	$(call INSTALL,--no-deps --no-build-isolation --editable .)
	$(COMPILE)
	touch $@

$(READY_TO_TEST): $(READY) requirements-test.txt requirements-cluster.txt
	$(call INSTALL,--requirement requirements-test.txt --requirement requirements-cluster.txt)
	$(COMPILE)
	touch $@

LOCK = $(UV_BIN) pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header
lock: $(READY) ## write the three requirements files anew from pyproject.toml, with the newest versions
	$(GET_UV)
	$(LOCK) --upgrade pyproject.toml --output-file requirements.txt
	for extra in test cluster; do \
		$(LOCK) --extra $$extra --constraint requirements.txt pyproject.toml --output-file $(VENV)/$$extra.txt && \
		grep -vxFf requirements.txt $(VENV)/$$extra.txt > requirements-$$extra.txt || exit 1; \
	done

newest: $(READY_TO_TEST) ## install the newest versions of all dependencies, whatever the requirements files pin
	$(call INSTALL,--upgrade --editable .[test$(comma)cluster])
	$(COMPILE)
comma := ,

reference: ## compute the reference values anew (needs R with metafor, metadat and lme4)
	Rscript tests/reference/metafor.R

clean: ## remove the environment and everything built
	rm -rf $(VENV) _build
