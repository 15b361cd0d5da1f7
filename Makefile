.PHONY: help setup run test lab bench fuzz install pretrained clean

help:
	@echo "make setup   prepare everything (once; 12 to 30 minutes on 2 cores)"
	@echo "make run     execute notebooks/project.ipynb; the result is target/notebooks/project.html"
	@echo "./ror        the program, once set up: ./ror predict PICTURE"
	@echo "make lab     open JupyterLab with notebooks/project.ipynb"
	@echo "make test    format, lints, documentation, tests, notebooks; ONLY=src/plot tests a part (setup/test.sh)"
	@echo "make bench   time what a user waits for, beside rivals (needs ROR_DATA; see setup/bench.sh)"
	@echo "make fuzz    break what is read, by libFuzzer; TIME=60 seconds a target (setup/fuzz.sh)"
	@echo "make install the program for PREFIX (~/.local), to be called as ror"
	@echo "make pretrained   download the weights that trainings of pretrained networks start from (100 MB)"
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

fuzz: setup
	@setup/fuzz.sh

install: setup
	@setup/install.sh $(PREFIX)

pretrained: setup
	@setup/pretrained.sh

clean:
	rm -rf target .libtorch
