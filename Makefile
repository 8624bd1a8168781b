# make run    start the bot, or without a token the playground, on http://127.0.0.1:8765
# make test   run every test, on all cores
# make quick  run the tests of single parts: no process, no whole bot, no painting
# make coverage  run every test and measure what it covers
# make check  format, lint and types
# make format  apply the formatter and the linter's fixes
# make translations  extract what there is to translate into the catalogs
# make picture  take the README's picture anew
# make clean  delete the virtual environment

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# Tests start many processes, which would compile the code again each time.
test quick coverage: export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test quick coverage check format translations picture clean

run: $(VENV)/.installed
	$(BIN)/python -m bot

test: $(VENV)/.installed-dev
	$(PYTEST)

quick: $(VENV)/.installed-dev
	$(PYTEST) -m "not slow"

coverage: $(VENV)/.installed-dev
	$(PYTEST) --cov

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

translations: $(VENV)/.installed-dev
	PYTHONPATH=. $(BIN)/python tests/translations.py

picture: $(VENV)/.installed-dev
	IMAGINE_KEEP_PICTURE=1 $(BIN)/python -m pytest tests/test_page_story.py

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "imagine-bot needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "No virtual environment: on Debian, apt install python3-venv"; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[engine,film,upscale,cjk]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[engine,film,upscale,cjk,cluster,dev]'
	touch $@
