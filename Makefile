# What people and CI run. Needs Python 3.11 to 3.13 with venv, make, git and a package index;
# everything else goes into .venv. `make help` lists the targets.
#
# The tests want PyTorch, whose default build for Linux brings CUDA, gigabytes of it. The build for CPUs
# is enough: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make test

VENV ?= .venv
WORKERS ?= 2
PYTEST_ARGS ?=

BIN := $(VENV)/bin
# Further requirements of an installation; `make floors` pins the oldest releases with it.
PINS ?=
INSTALL := $(BIN)/python -m pip install --quiet --no-input --no-compile --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test nightly sanitize lint types docs check floors format bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

demo: $(VENV)/.installed-demo  ## install the library alone and run the stereo example
	@$(BIN)/python examples/stereo/main.py --out out/demo

test: $(VENV)/.installed-dev  ## run the whole suite
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

nightly: export HYPOTHESIS_PROFILE = nightly
nightly: test  ## run the whole suite with many more drawn cases

# Needs a compiler with sanitizers, which it installs where it may (Debian, as root), and hatchling.
CALLS ?= 3000
sanitize: $(VENV)/.installed-dev  ## run random calls of the C code under AddressSanitizer and UBSan
	@$(INSTALL) 'hatchling>=1.26'
	@$(BIN)/python tests/native/sanitize.py $(CALLS)

lint: $(VENV)/.installed-dev  ## check style and formatting
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check
	@echo "lint: clean"

floors: $(VENV)/.installed-dev  ## run the suite with the oldest releases that pyproject.toml allows
	@$(MAKE) --no-print-directory test VENV=.venv-floors PINS="$$($(BIN)/python -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"])' | sed 's/>=/==/g')"

format: $(VENV)/.installed-dev  ## format the code and sort its imports
	@$(BIN)/ruff check --quiet --fix
	@$(BIN)/ruff format --quiet

types: $(VENV)/.installed-dev  ## check types, strictly
	@$(BIN)/mypy

docs: $(VENV)/.installed-dev  ## build the site into site/, with warnings as errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "docs: site/index.html"

check: lint types docs test  ## lint, types, docs and test

# Other libraries by the dozen, so an environment of its own. ARGS="--quick", "--rows a-*-224",
# "--list"; benchmarks/README.md has the rest.
BENCH_VENV ?= .venv-bench
bench:  ## measure speed and memory beside other libraries (hours; ARGS="--quick": minutes)
	@$(MAKE) --no-print-directory $(BENCH_VENV)/.installed-bench VENV=$(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m benchmarks.run $(ARGS)

clean:  ## remove the environment and everything generated
	rm -rf $(VENV) .venv-floors $(BENCH_VENV) benchmarks/results out site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first interpreter that is new enough, not too new, and can make an environment: Debian
# has a python3 without ensurepip, and pyenv has shims that only say "command not found". An
# environment whose pip does not run, such as one interrupted while it was made, is made again.
define ENVIRONMENT
$(BIN)/python -m pip --version >/dev/null 2>&1 && exit; \
for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		>/dev/null 2>&1 && break; python=; \
done; \
if [ -z "$$python" ]; then \
	echo "multiaug needs Python 3.11, 3.12 or 3.13 with the venv module; none is on the PATH." >&2; \
	echo "Install one (Debian: apt-get install python3 python3-venv)," >&2; \
	echo "or name one: make PYTHON=/path/to/python3.12" >&2; \
	exit 1; \
fi; \
echo "Creating $(VENV) with $$($$python --version)"; \
$$python -m venv --clear $(VENV)
endef

# Stamps live in the environment and go with it. The installation is editable: only what the build
# reads installs again.
BUILD := pyproject.toml hatch_build.py $(wildcard multiaug/_native/*.[ch] multiaug/_native/*.inc)
$(VENV)/.installed-demo: $(BUILD)
	@$(ENVIRONMENT)
	@echo "Installing multiaug into $(VENV) (about a minute, the first time)"
	@$(INSTALL) --editable '.[preview]'
	@touch $@

$(VENV)/.installed-bench: $(BUILD) benchmarks/requirements.txt
	@$(ENVIRONMENT)
	@echo "Installing multiaug and its peers into $(VENV) (minutes, the first time)"
	@$(INSTALL) --editable .
	@$(BIN)/python benchmarks/install.py
	@touch $@

$(VENV)/.installed-dev: $(BUILD)
	@$(ENVIRONMENT)
	@echo "Installing multiaug and its tools into $(VENV) (two minutes, the first time)"
	@$(INSTALL) --editable '.[dev]' $(PINS)
	@touch $@ $(VENV)/.installed-demo
