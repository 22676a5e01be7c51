# The one task runner. `make` lists the targets; each sets up what it needs, once.

ENV       ?= examples/data-service/environment.yml
PLATFORMS ?=
PYTHON    ?= python3

NAME      := $(shell sed -n 's/^name: *//p' $(ENV) 2>/dev/null | head -n 1)
BIN       := .venv/bin
LADING    := $(BIN)/lading
READY     := .venv/.ready
CHANNEL   := .cache/demo-channel/current
# Only the examples live on the demo channel; an environment of your own does not need it.
DEMO      := $(if $(filter examples/%,$(ENV)),demo-channel)

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-channel lock pack verify test fuzz node lint type bench docs clean

help: ## list the targets
	@echo 'targets (ENV=$(ENV) PLATFORMS="$(PLATFORMS)" choose what to lock and pack):'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

setup: $(READY) ## make .venv from the hash-pinned locks/development.txt

$(READY): locks/development.txt pyproject.toml
	$(PYTHON) scripts/setup_venv.py .venv locks/development.txt
	@touch $@
	@echo '.venv is ready; `PATH="$$PWD/.venv/bin:$$PATH"` lets the shell find lading'

demo: $(READY) ## channel, lock, install, pack, verify, unpack elsewhere, run: on real packages
	$(BIN)/python scripts/demo.py

demo-channel: $(READY)
	$(BIN)/python scripts/demo_channel

lock: $(READY) $(DEMO) ## resolve ENV into locks/<name>/<platform>.conda-lock.yml
	$(LADING) lock $(ENV) $(foreach platform,$(PLATFORMS),-p $(platform))

pack: $(READY) ## pack ENV into dist/, from the archives of its lock
	$(if $(PLATFORMS),$(foreach platform,$(PLATFORMS),$(LADING) pack $(NAME) -p $(platform) &&) true,$(LADING) pack $(NAME))

verify: $(READY) ## compare every tarball in dist/ with its bill
	@for tarball in dist/*.tar.zst dist/*.tar.gz dist/*.tar; do \
	  test ! -e "$$tarball" || $(LADING) verify "$$tarball" || exit 1; done

test: $(READY) demo-channel ## all tests, with real packages
	$(BIN)/python -m pytest -n 2 --dist loadgroup

fuzz: $(READY) ## try random packages, bills, locks and answers for LADING_FUZZ_MINUTES (10)
	$(BIN)/python scripts/fuzz.py

node: $(READY) ## dist/lading-node.pyz: all that a node needs, as one file for its own python
	$(BIN)/python scripts/node_archive.py

lint: $(READY) ## ruff, and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

type: $(READY) ## mypy, strict
	$(BIN)/mypy

bench: $(READY) demo-channel ## measure against conda-pack; writes docs/benchmarks.md
	$(BIN)/python scripts/bench

docs: $(READY) ## write the command reference from --help, check every link
	$(BIN)/python scripts/docs.py

clean: ## remove all that was made, caches too
	rm -rf .venv .cache .lading build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
