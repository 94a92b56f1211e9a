# Everything that a fresh checkout needs, one word each: `make help`.
#
#   make PYTHON=/path/to/python3 setup      another Python than the first that fits
#   make test PYTEST_ARGS="tests/news -x"   a part of the tests, without the coverage gate

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.zhenwei-installed
PYTHON ?=
PYTEST_ARGS ?=
MIN_COVERAGE := 90
# All cores, up to four: each process of the tests holds PyTorch, and computes on one core. A file's tests stay in one
# process: what they share is built once.
SIDE_BY_SIDE := --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder --durations=15

# The Pythons that are tried, best first; the first that runs, is 3.11 or newer and can make environments is taken.
PYTHONS := $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3)

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format docs constraints clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv and install zhenwei with its tools, at pinned versions

demo: $(STAMP) ## Train and judge a detector in a made-up world, in minutes
	@$(BIN)/zhenwei demo

test: export HF_HUB_OFFLINE := 1
test: $(STAMP) ## Run all tests; fail where they cover less than 90% of src
	@$(BIN)/python -m pytest \
		$(if $(PYTEST_ARGS),$(PYTEST_ARGS),$(SIDE_BY_SIDE) --cov --cov-report=term --cov-fail-under=$(MIN_COVERAGE))

lint: $(STAMP) ## Check style (ruff), types (mypy) and the one direction of the house (import-linter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Mend what ruff can mend by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## Write docs/configuration.md anew from the docstrings of the settings
	$(BIN)/python docs/configuration.py

constraints: ## Write constraints.txt anew: the newest versions that pyproject.toml admits
	@$(find-python); \
	place=$$(mktemp -d) && trap 'rm -rf "$$place"' EXIT && \
	"$$python" -m venv "$$place" && "$$place/bin/python" -m pip install --quiet -e ".[dev]" && \
	{ sed '/^[^#]/,$$d' constraints.txt; \
	  "$$place/bin/python" -m pip freeze --exclude-editable \
	  | sed -E 's/\+[A-Za-z0-9.]+$$//' | grep -vE '^(nvidia-|cuda-|triton==)'; } > constraints.new && \
	mv constraints.new constraints.txt && echo "wrote constraints.txt"

clean: ## Remove .venv and what builds, tests and linters left; runs/ and data/ stay
	rm -rf $(VENV) build dist .coverage .coverage.* coverage.xml htmlcov \
		.pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is newer than what it was made from as long as nothing is to be done.
$(STAMP): pyproject.toml constraints.txt
	@if ! $(BIN)/python -c "import pip" 2>/dev/null; then \
		$(find-python); \
		echo "Making $(VENV) with $$("$$python" -V) ($$python)"; \
		"$$python" -m venv --clear $(VENV); \
	fi
	@echo "Installing zhenwei and its tools into $(VENV); the first time this takes some minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

# Sets the shell's $python, or ends with what to do.
define find-python
python=; without_venv=; \
for name in $(PYTHONS); do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	"$$name" -c 'import ensurepip, venv' 2>/dev/null || { without_venv=$$name; continue; }; \
	python=$$(command -v "$$name"); break; \
done; \
if [ -z "$$python" ] && [ -n "$$without_venv" ]; then \
	echo "error: $$without_venv cannot make virtual environments." >&2; \
	echo "On Debian and Ubuntu: sudo apt install $$("$$without_venv" -c \
		'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" >&2; \
	exit 1; \
elif [ -z "$$python" ]; then \
	echo "error: found no Python 3.11 or newer among:" $(PYTHONS) >&2; \
	echo "Install one, or name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
	exit 1; \
fi
endef
