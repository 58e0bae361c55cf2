# The newcomer's commands. Each sets itself up: a virtual environment in .venv, made anew when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
DEMO_DIR ?= demo
MINUTES ?= 60
IMAGE ?= sparkcv:latest
PYTEST_ARGS ?= -n 5 --dist loadgroup --no-loadscope-reorder

.PHONY: demo captions-demo serve-demo gallery style-gallery handwriting text2image-demo yarn-demo test kubernetes image check bench soak fuzz format zip clean setup tensorboard

demo: setup            ## the whole chain on pictures that it draws: convert, train, evaluate, export, score, report
	$(PY) jobs/demo.py --work_dir $(DEMO_DIR)

captions-demo: setup   ## captions of scenes that it draws: convert, train, evaluate on unseen combinations, report
	$(PY) jobs/captions_demo.py --work_dir captions_demo

gallery: setup         ## one sheet of formats, augmentations and normalizations, gallery.png; PHOTOGRAPH=FILE
	$(PY) -m bench.gallery --output gallery.png $(if $(PHOTOGRAPH),--photograph "$(PHOTOGRAPH)")

style-gallery: setup   ## style_gallery.html: content, style, results, losses and times of each kind; PHOTOGRAPHS=DIR, WEIGHTS=FILE, FAST=NET
	$(PY) -m bench.style_gallery --output style_gallery.html $(if $(PHOTOGRAPHS),--photographs "$(PHOTOGRAPHS)") \
	    $(if $(WEIGHTS),--weights "$(WEIGHTS)") $(if $(FAST),--fast $(FAST))

handwriting: setup     ## drawn characters as GNT files through the jobs: convert, train charnet, evaluate, export, score
	$(PY) -m bench.handwriting --work_dir handwriting

text2image-demo: setup ## drawn figures with captions: convert, train GAN-CLS and a judge, make pictures from captions, evaluate
	$(PY) jobs/text2image_demo.py --work_dir text2image

serve-demo: demo       ## the page and the protocols on the model of `make demo`, at the address that it prints
	$(PY) jobs/serve.py --models_dir $(DEMO_DIR)/model

yarn-demo: setup       ## the jobs on a real HDFS and YARN that it starts, by spark-submit; KERBEROS=1 for secured ones
	$(PY) -m tests.yarn.demo $(if $(KERBEROS),--kerberos)

# Where it is set, each of some thousand processes compiles the sources anew that it imports.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.classes ## every test, in five processes; PYTEST_ARGS="..." for others
	$(PY) -m pytest $(PYTEST_ARGS)

# 15 to 20 minutes of one core, once; then `make test` runs these tests as well.
kubernetes: $(VENV)/.classes ## the tests of Kubernetes on a real control plane, which it builds from Go's modules and keeps
	$(PY) -m tests.kubernetes.build
	$(PY) -m pytest -q -m kubernetes tests/kubernetes

image:                 ## the image for Kubernetes, by docker, podman or buildah; IMAGE=registry.example/sparkcv:1, BASE=... for another base
	./docker/build.sh $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE))

check: setup           ## format, lint, types, layers
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(PY) -m pytest -q tests/test_layers.py

bench: setup           ## the ratios, but R12 and R19, into bench/RESULTS.md; PHOTOGRAPHS=DIR for real pictures
	$(PY) bench/run_all.py

soak: setup            ## real faults at real runs for MINUTES=60, into bench/SOAK.md; CASES=T1,T30 for some of them
	$(PY) -m tests.faults.soak --minutes $(MINUTES) $(if $(CASES),--cases $(CASES))

fuzz: setup            ## what reads records, Examples, GNT, pictures and bodies of requests, with damaged bytes for MINUTES=60; TARGET=gnt for one
	$(PY) -m tests.fuzz --minutes $(MINUTES) $(if $(TARGET),--target $(TARGET))

format: setup          ## rewrite the files as `make check` wants them
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

zip: setup             ## dist/sparkcv.zip for spark-submit --py-files; ./build_zip.sh makes dist/Python.zip too
	./build_zip.sh sparkcv

tensorboard: setup     ## make tensorboard LOGDIR=... (a folder, or hdfs://...)
	$(PY) jobs/show_run.py --logdir $(LOGDIR)

setup: $(VENV)/.done

$(VENV)/.done: pyproject.toml
	@command -v java >/dev/null || { echo "make: java is not on the PATH; wanted Java 17 (Spark runs on it)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is too old; wanted Python 3.11 or newer" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# A hundred embedded Sparks and Hadoop's daemons start in two thirds of the time; without it they start all the same.
$(VENV)/.classes: $(VENV)/.done
	$(PY) -m sparkcv.spark.class_data || echo "make: the tests take longer without it" >&2
	$(PY) -m tests.hadoop.make_class_data || echo "make: the tests take longer without it" >&2
	@touch $@

clean:
	rm -rf $(VENV) dist $(DEMO_DIR) captions_demo handwriting text2image .pytest_cache .mypy_cache .ruff_cache *.egg-info
