# Each command sets up what is missing and can be run again. Nothing is installed into the system's Python:
# all of it is in .venv and .tox in this folder. `make ... PYTHON=/path/to/python` chooses the Python (3.11 or later).

.PHONY: help demo test lint
TOX = .tox/bootstrap/bin/python -m tox run

help:
	@echo "make demo   translate the bundled images and write translated and difference images and contact sheets"
	@echo "make test   run the tests (ARGS='-k tiles' hands options to pytest)"
	@echo "make lint   check style, types, the order of imports and the plugin manifest"

demo:
	@bash tools/setup.sh environment
	.venv/bin/phenotrans demo $(ARGS)

test:
	@bash tools/setup.sh libraries
	@bash tools/setup.sh environment
	$(TOX) -e py --skip-pkg-install -- $(ARGS)

lint:
	@bash tools/setup.sh environment
	$(TOX) -e lint
