# The two commands of the README: `make book` and `make test`. Both make the environment they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: book check watch lab test bench simulations lint lock reference clean

book: $(READY) ## check the data, execute the chapters that changed, build the site
	$(BIN)/python -m lib build $(if $(AS_OF),--as-of $(AS_OF)) $(if $(DATA),--data $(DATA))

check: $(READY) ## list every fault in data/
	$(BIN)/python -m lib check $(if $(DATA),--data $(DATA))

watch: $(READY) ## build and serve the book, and build again on every change
	$(BIN)/python -m lib watch $(if $(AS_OF),--as-of $(AS_OF)) $(if $(DATA),--data $(DATA))

lab: $(READY) ## open the chapters in JupyterLab
	cd book && ../$(BIN)/jupyter lab

test: $(READY) lint ## run all tests
	$(BIN)/python -m pytest -n auto --dist loadfile

bench: $(READY) ## measure builds against Jupyter Book alone, builds with many more studies, and pooling
	$(BIN)/python bench/build.py
	$(BIN)/python bench/build.py --scale
	$(BIN)/python bench/pooling.py

simulations: $(READY) ## compute the committed simulations again where their code changed (minutes)
	$(BIN)/python -m lib simulations

lint: $(READY) ## check style and formatting
	$(BIN)/ruff check lib tests bench book
	$(BIN)/ruff format --check lib tests bench book

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

lock: ## write requirements.txt anew from pyproject.toml
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet pip-tools
	$(VENV)-lock/bin/pip-compile --quiet --upgrade --extra test --strip-extras --allow-unsafe --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-header --output-file requirements.txt pyproject.toml
	rm -rf $(VENV)-lock

reference: ## compute the reference values anew (needs R with metafor, metadat and lme4)
	Rscript tests/reference/metafor.R

clean: ## remove the environment and everything built
	rm -rf $(VENV) _build
