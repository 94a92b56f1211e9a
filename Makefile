# Everything that a fresh checkout needs: `make help` lists the targets.
#
#   make PYTHON=/path/to/python3 setup      use this Python instead of the newest one found
#   make test PYTEST_ARGS="tests/news -x"   run a part of the tests, without coverage

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.zhenwei-installed
PYTHON ?=
PYTEST_ARGS ?=
MIN_COVERAGE := 97
# One process per core, up to four; each computes on one core.
# Each gets consecutive tests, which share fixtures.
PARALLEL := --numprocesses=auto --maxprocesses=4 --dist=worksteal

# The first of these that runs, is 3.11 or newer and can create virtual environments is used.
PYTHONS := $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3)

# Tests start many processes; each would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo check test nightly lint format docs constraints clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Create .venv and install zhenwei with its tools, at pinned versions

demo: $(STAMP) ## Train a detector on a synthetic dataset and evaluate it, in a minute
	@$(BIN)/zhenwei demo

check: export HF_HUB_OFFLINE := 1
check: lint ## Style, types and the fast tests: the loop while working
	@$(BIN)/python -m pytest $(PARALLEL) -q -m "not slow and not nightly" $(PYTEST_ARGS)

test: export HF_HUB_OFFLINE := 1
test: $(STAMP) ## Run all tests but the nightly ones; fail below 97% coverage of src
	@$(BIN)/python -m pytest -m "not nightly" \
		$(if $(PYTEST_ARGS),$(PYTEST_ARGS),$(PARALLEL) --durations=15 --cov --cov-report=term --cov-fail-under=$(MIN_COVERAGE))

nightly: export HF_HUB_OFFLINE := 1
nightly: $(STAMP) ## Run the tests that are too long for `make test`
	@$(BIN)/python -m pytest $(PARALLEL) --durations=15 -m nightly $(PYTEST_ARGS)

lint: $(STAMP) ## Check style (ruff), types (mypy) and the direction of imports (import-linter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## Rewrite docs/configuration.md from the docstrings of the settings
	$(BIN)/python docs/configuration.py

constraints: ## Rewrite constraints.txt: the newest versions that pyproject.toml admits
	@$(find-python); \
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	"$$python" -m venv "$$folder" && "$$folder/bin/python" -m pip install --quiet -e ".[dev]" && \
	{ sed '/^[^#]/,$$d' constraints.txt; \
	  "$$folder/bin/python" -m pip freeze --exclude-editable \
	  | sed -E 's/\+[A-Za-z0-9.]+$$//' | grep -vE '^(nvidia-|cuda-|triton==)'; } > constraints.new && \
	mv constraints.new constraints.txt && echo "wrote constraints.txt"

clean: ## Remove .venv and the files of builds, tests and linters; runs/ and data/ stay
	rm -rf $(VENV) build dist .coverage .coverage.* coverage.xml htmlcov \
		.pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is newer than the files it depends on while the installation is current.
$(STAMP): pyproject.toml constraints.txt
	@if ! $(BIN)/python -c "import pip" 2>/dev/null; then \
		$(find-python); \
		echo "Creating $(VENV) with $$("$$python" -V) ($$python)"; \
		"$$python" -m venv --clear $(VENV); \
	fi
	@echo "Installing zhenwei and its tools into $(VENV); the first time this takes some minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

# Set the shell's $python, or exit and say what to do.
define find-python
python=; without_venv=; \
for name in $(PYTHONS); do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	"$$name" -c 'import ensurepip, venv' 2>/dev/null || { without_venv=$$name; continue; }; \
	python=$$(command -v "$$name"); break; \
done; \
if [ -z "$$python" ] && [ -n "$$without_venv" ]; then \
	echo "error: $$without_venv cannot create virtual environments." >&2; \
	echo "On Debian and Ubuntu: sudo apt install $$("$$without_venv" -c \
		'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" >&2; \
	exit 1; \
elif [ -z "$$python" ]; then \
	echo "error: found no Python 3.11 or newer among:" $(PYTHONS) >&2; \
	echo "Install one, or name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
	exit 1; \
fi
endef
