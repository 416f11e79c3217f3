# Two commands set everything up: `make train` and `make test`. Each makes .venv where there is none.

VENV   ?= .venv
PYTHON ?= python3
# A CPU build. For a GPU: make train TORCH='torch>=2.8'
TORCH  ?= torch==2.13.0
ARGS   ?=
# One more than there are cores, for many tests wait for the processes they have started; so each gets one thread.
TESTERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.PHONY: train test lint wheel clean

train: $(VENV)/.ready
	$(VENV)/bin/grpo-train $(ARGS)

test: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -m "" -n $(TESTERS) --dist worksteal

lint: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

wheel: $(VENV)/.ready
	$(VENV)/bin/python -m build --wheel

clean:
	rm -rf $(VENV) build dist outputs

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check '$(TORCH)'
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@
