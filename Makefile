# Each target sets up its own virtual environment from nothing; PYTHON may name another interpreter.
PYTHON ?= python3
DEMO_VENV := .venv-demo
VENV := .venv

.PHONY: demo test check lint types clean

demo: $(DEMO_VENV)/.ready
	$(DEMO_VENV)/bin/alphalab demo

test: $(VENV)/.ready
	$(VENV)/bin/python -m pytest -q -n 2 --dist loadgroup

check: lint types test

lint: $(VENV)/.ready
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .

types: $(VENV)/.ready
	$(VENV)/bin/pyright

$(DEMO_VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(DEMO_VENV)
	$(DEMO_VENV)/bin/python -m pip install -q --disable-pip-version-check -e '.[plots]'
	touch $@

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt torch -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(DEMO_VENV) .pytest_cache .ruff_cache build dist
