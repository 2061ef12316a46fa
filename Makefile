# Each command sets up what is missing and can be run again. Nothing is installed into the system's Python:
# all of it is in .venv and .tox in this folder. `make ... PYTHON=/path/to/python` chooses the Python (3.11 or later).

.PHONY: help demo test test-all test-oldest test-pyside6 lint audit docs dist try-wheel
TOX = .tox/bootstrap/bin/python -m tox run

help:
	@echo "make demo          translate the bundled images and write translated and difference images and contact sheets"
	@echo "make test          run the tests (ARGS='-k tiles' hands options to pytest)"
	@echo "make test-all      run the slow ones as well (tests/README.md says which and why)"
	@echo "make test-oldest   run a part of them with the oldest packages that pyproject.toml allows; takes 7 GB meanwhile"
	@echo "make docs          build the documentation: build/site/index.html; needs no network, warnings are errors"
	@echo "make test-pyside6  run the tests of the window with PySide6 in the place of PyQt6; takes 1 GB meanwhile"
	@echo "make lint          check style, types, the order of imports and the plugin manifest"
	@echo "make dist          build wheel and source distribution in dist/, and check them"
	@echo "make try-wheel     install that wheel into an empty environment and run its demo; takes 7 GB meanwhile"
	@echo "make audit         ask on the network for known weaknesses of the installed packages"

demo:
	@bash tools/setup.sh environment
	.venv/bin/phenotrans demo $(ARGS)

test:
	@bash tools/setup.sh libraries
	@bash tools/setup.sh environment
	$(TOX) -e py --skip-pkg-install -- -m "not slow" $(ARGS)

# One after the other: scenes that are timed want the machine for themselves.
test-all: test
	$(TOX) -e py --skip-pkg-install -- -m slow -n 0 $(ARGS)

test-oldest:
	@bash tools/setup.sh libraries
	@bash tools/setup.sh environment
	$(TOX) -e oldest -- $(ARGS); result=$$?; rm -rf .tox/oldest; exit $$result

lint:
	@bash tools/setup.sh environment
	$(TOX) -e lint

docs:
	@bash tools/setup.sh environment
	$(TOX) -e docs -- $(ARGS)
	@echo "build/site/index.html"

# PySide6 lies beside the one environment, in a folder of its own: two Qt in one environment hinder each other.
test-pyside6:
	@bash tools/setup.sh libraries
	@bash tools/setup.sh environment
	$(TOX) -e pyside6 -- $(ARGS); result=$$?; rm -rf .tox/pyside6; exit $$result

dist:
	@bash tools/release.sh dist

try-wheel:
	@bash tools/release.sh try-wheel

audit:
	@bash tools/setup.sh environment
	$(TOX) -e audit
