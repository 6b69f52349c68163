# Two commands are all that a newcomer needs: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check --quiet -c constraints.txt
export OMP_NUM_THREADS ?= 1
DEMO := demo

.PHONY: demo test test-slow chaos fuzz install lint types docs pages bench weights wheel clean help

help:
	@echo "make demo     set up, simulate, train, evaluate: prints held-out AUCPR and where the report is"
	@echo "make test     set up and run the tests"
	@echo "make lint types docs pages bench weights wheel chaos fuzz clean"

# The core alone: what a user needs.
$(VENV)/.core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch -c constraints.txt
	$(PIP) -e .
	touch $@

# What the tests need on top, in the same environment.
$(VENV)/.dev: $(VENV)/.core
	$(PIP) -e ".[dev,mlflow,sweep]"
	touch $@

demo: $(VENV)/.core
	OMP_NUM_THREADS=2 $(BIN)/python -m astrid_ml train experiment=realbogus_sim \
	    paths.run_dir=$(DEMO)/run paths.data=$(DEMO)/data

install: $(VENV)/.dev

test: install
	$(BIN)/python -m pytest -n 2 -q -m "not slow"

test-slow: install
	$(BIN)/python -m pytest -n 2 -q -m slow

# Every kind of file that a user gives, 200 of each changed at random with fixed seeds: about 5 minutes.
fuzz: install
	$(BIN)/python tests/fuzz/fuzz.py

# Every verb that writes, stopped at random moments and typed again: about 25 minutes.
chaos: install
	$(BIN)/python tests/chaos/trials.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

docs: install
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true PYTHONPATH=. $(BIN)/mkdocs build --quiet

# Pictures and numbers of the pages; exit code 1 where a sentence is to be written anew.
pages: install
	$(BIN)/python benchmarks/pages.py

bench: install
	$(BIN)/python benchmarks/run_all.py

# The weights that come with the package, and their cards, from one seed each: about 20 minutes.
weights: install
	$(BIN)/python benchmarks/ramps_weights.py
	$(BIN)/python benchmarks/lightcurve_weights.py

# The wheel, installed with its dependencies' pins into an environment of its own and tried in an empty folder.
wheel: install
	sh tests/wheel.sh $(BIN)/python

clean:
	rm -rf $(DEMO) dist build .pytest_cache .mypy_cache .ruff_cache
