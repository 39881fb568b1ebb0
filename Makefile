# `make` prints what there is. Each target sets up what it needs; tools/setup.py says how.
#   PYTHON=...   the interpreter to build .venv with        JOBS=N   test processes (default 2)
#   ARGS="..."   more arguments for pytest, the demo or the benchmark
# The fpga- targets take MODEL=, CALIBRATE= (images), OPTIONS= (of snncc compile), LANES=, DEVICE= and OUT= (the artefact).

SHELL := /bin/sh
PY := .venv/bin/python
JOBS ?= 2
ARGS ?=
PACKAGES := snncc ir backends

MODEL ?= examples/digits/digits.onnx
ifeq ($(MODEL),examples/digits/digits.onnx)
CALIBRATE ?= examples/digits/digits.npz
OPTIONS ?= --scale 255
endif
LANES ?= 8
DEVICE ?= ecp5-45k
OUT ?= build/$(basename $(notdir $(MODEL))).fpga.snncc
BUILD = $(PY) -m snncc build "$(OUT)" --device "$(DEVICE)" --force --stage

# tools/setup.py runs on any Python 3.7 or newer, and chooses the one for .venv itself.
define SETUP
for python in "$$PYTHON" .venv/bin/python python3 python3.13 python3.12 python3.11 python3.10 python \
    "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[0-9]*/bin/python; do \
  if [ -n "$$python" ] && "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 7))' 2>/dev/null; then \
    exec "$$python" tools/setup.py $(1); \
  fi; \
done; \
echo "setup: no Python that runs was found. Install Python 3.10 or newer, or name it: make setup PYTHON=..." >&2; \
exit 1
endef

ifdef PYTHON
export PYTHON
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long check docs format bench peers clean distclean ready fpga-tables fpga-csim fpga-rtl \
  fpga-synth fpga-pnr fpga-bit ready-with-lava ready-with-tools

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: ## Make the environments .venv, with the hardware tools, and .venv-lava (done by the other targets too)
	@$(call SETUP,)

demo: ready-with-lava ## Compile a digit classifier, run it and prove it
	@$(PY) examples/digits/demo.py $(ARGS)

test: ready-with-tools ## Run the tests, without the slow ones
	@$(PY) -m pytest -q -n $(JOBS) -m "not slow" $(ARGS)

test-long: ready-with-tools ## Run the slow tests
	@$(PY) -m pytest -q -n $(JOBS) -m slow $(ARGS) || { status=$$?; [ $$status -eq 5 ] || exit $$status; }

check: ready ## Lint, format check, types, import layers, commands in the documentation
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m mypy tools
	.venv/bin/lint-imports --no-logo
	$(PY) tools/readme_commands.py

docs: ready ## Build the documentation site in build/site; warnings are errors
	@$(PY) tools/pages/stage.py

format: ready ## Format the code and repair what ruff can repair
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

bench: ready ## Measure the engines; ARGS=DATA: with the networks of a data folder, beside the peers
	@$(if $(ARGS),$(PY) tools/peers.py)
	@$(PY) benchmarks/run.py $(ARGS)

peers: ready ## Make the environments .peers of the frameworks that `bench` compares with
	@$(PY) tools/peers.py

fpga-tables: ready ## Compile MODEL to tables for an FPGA; needs no other tool
	@$(PY) -m snncc compile "$(MODEL)" --target fpga --lanes "$(LANES)" $(if $(filter ecp5-% xczu%,$(DEVICE)),--chip "$(DEVICE)") \
	  $(if $(CALIBRATE),--calibrate "$(CALIBRATE)") $(OPTIONS) -o "$(OUT)" --force

fpga-csim: ready-with-tools fpga-tables ## Run the C++ kernel of the tables against the reference
	@$(PY) -m snncc verify "$(OUT)" --engine csim

fpga-rtl: ready-with-tools fpga-tables ## Run the Verilog against reference and cycle simulator
	@$(PY) -m snncc verify "$(OUT)" --engine rtl

fpga-synth: ready-with-tools fpga-tables ## Synthesise for DEVICE, and compare with the estimate
	@$(BUILD) synthesis

fpga-pnr: ready-with-tools fpga-tables ## Synthesise, place and route for DEVICE
	@$(BUILD) routed

fpga-bit: ready-with-tools fpga-tables ## Synthesise, place and route, and pack a bitstream for DEVICE
	@$(BUILD) bitstream

clean: ## Remove caches and build files
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find $(PACKAGES) tests tools examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## Remove the environments too
	rm -rf .venv .venv-lava .peers .setup.lock

ready:
	@$(call SETUP,--quiet --no-lava --no-hardware)

ready-with-lava:
	@$(call SETUP,--quiet --no-hardware)

ready-with-tools:
	@$(call SETUP,--quiet)
