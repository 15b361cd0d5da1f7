.PHONY: help setup run test lab bench clean

help:
	@echo "make setup   prepare everything (once; about 12 minutes on 2 cores)"
	@echo "make run     execute notebooks/project.ipynb; the result is target/notebooks/project.html"
	@echo "make lab     open the notebooks in JupyterLab"
	@echo "make test    format, lints, documentation, tests, notebooks"
	@echo "make bench   time what a user waits for, beside rivals (needs ROR_DATA; see setup/bench.sh)"
	@echo "make clean   remove what was built (target/), but not .venv"

setup:
	@setup/setup.sh

run: setup
	@setup/run.sh

test: setup
	@setup/test.sh

lab: setup
	@setup/lab.sh

bench: setup
	@setup/bench.sh

clean:
	rm -rf target .libtorch
