# The front door. Every target is one line that calls a tool; `make` alone lists them.
VENV := .venv
BIN := $(VENV)/bin
SUITE := parity_tests/suite.yaml
# The shim starts on the interpreter of whatever base an image has; its model server needs 3.9, as its packages do.
VERMIN := $(BIN)/vermin -q -t=3.8- --no-tips --violations --exclude-regex '/lyftlearn_runtime/serving/' lyftlearn_runtime entrypoints

.DEFAULT_GOAL := help
.PHONY: help env engine image demo peers test test-fast faults matrix mutants fuzz lint format reference docs dist bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 10

env: $(VENV)/.made ## make the Python environment (.venv)

$(VENV)/.made: pyproject.toml constraints.txt
	@.ci/environment $(VENV)

engine: env ## find a Docker engine, or install and start one
	@$(BIN)/lyftlearn-image engine

image: env ## build the lyftlearn image (nothing is built when nothing changed)
	@$(BIN)/lyftlearn-image build lyftlearn

demo: engine image ## the main job: build, run the parity suite on both targets, write parity-report/
	@$(BIN)/lyftlearn-image parity run $(SUITE) --report parity-report

peers: env ## install what tests/evidence compares with (the tests do it by themselves)
	@.ci/peers .cache/evidence

test: engine ## all tests, with containers
	@$(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder --durations 20

test-fast: env ## the tests that need no engine: at each save
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -m "not engine and not slow" --hypothesis-profile fast --numprocesses auto --dist worksteal

faults: env ## every fault at every request of a job on a simulated cluster: an hour
	@LYFTLEARN_FAULTS=all $(BIN)/python -m pytest --numprocesses auto tests/services/kubernetes/test_fault_matrix.py tests/services/kubernetes/test_verbs_under_faults.py

matrix: engine ## other engines, each started for it (Podman, a newer Docker, rootless), and Pythons from 3.11 to 3.14: ten minutes
	@$(BIN)/python -m pytest -v tests/matrix/rows.py

mutants: env ## how many changes of the pure modules the fast tests miss: a sample, at most 20 minutes
	@$(BIN)/python .ci/mutants.py

fuzz: env ## all comparators under a coverage-guided fuzzer, for five minutes
	@$(BIN)/python -m tests.parity.compare.fuzz -max_total_time=300 -timeout=60 -rss_limit_mb=1024 -artifact_prefix=.cache/

lint: env ## ruff, mypy strict, the floors of the architecture, Python 3.8 for the shim
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(VERMIN)

format: env ## let ruff format and fix what it can
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

reference: env ## write the pages and manual pages that are made of the models and the commands
	@$(BIN)/python -m pytest -q tests/docs/test_reference.py --update-golden

docs: reference ## docs/ as a site, in site/; a link that leads nowhere fails it
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[docs]' && $(BIN)/zensical build --strict

dist: engine ## wheel and sdist in dist/, and the wheel tried in an empty environment elsewhere
	@.ci/release-check $(VENV) dist

bench: engine ## every measurement behind a claim of the README
	@$(BIN)/python -m benchmarks

clean: ## remove what was made here; the engine's images stay
	@rm -rf $(VENV) .cache/evidence dist site parity-report .mypy_cache .pytest_cache .ruff_cache .hypothesis mutants .import_linter_cache
