# The stages in order. Stages skip what is up to date; only the report is computed each time.

DATA ?= data
PYTHON ?= python3
JOBS ?=
CLUSTERS ?=  # parameters of Clustering.ipynb, e.g. -p CODES 128
PARSE ?=  # options of parse.py, e.g. --min-confidence 0.05
KILLS ?=  # kills of each stage by make torture
BENCH ?=  # options of tests/bench.py, e.g. --docs docs/results.md
REPORTS ?=  # reports of make results, e.g. test gan
VENV = .venv
PY = $(VENV)/bin/python
pip = $(PY) -m pip install --quiet --disable-pip-version-check
# Empty (make venv LOCK=): the newest versions in the ranges of requirements.txt.
LOCK = requirements.lock
# Where torch comes from, if not from PyPI: https://download.pytorch.org/whl/cpu has builds without CUDA.
TORCH_INDEX ?=
DEMO = out/demo
PAGE = learn2dance/render/page
jobs = $(if $(JOBS),--jobs $(JOBS))

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help venv lock newest demo video-demo all keypoints poses music films clusters train dances report gan results test torture fuzz scale lint bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

venv: $(VENV)/installed  ## build .venv from requirements.lock; LOCK= takes the newest versions of the tested ranges

# The file "installing" exists while packages are installed. If it still exists later, the installation was interrupted.
$(VENV)/installed: requirements.txt requirements.lock $(if $(LOCK),,newest)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12")'
	@if [ -e $(VENV)/installing ]; then echo "$(VENV): its installation was interrupted; starting again"; rm -rf $(VENV); fi
	@mkdir -p $(VENV) && rm -f $@ && touch $(VENV)/installing
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(pip) --index-url $(TORCH_INDEX) $(shell grep '^torch==' requirements.txt))
ifneq ($(LOCK),)
	$(pip) -r $(LOCK) || { [ -z "$$CI" ] && echo "$(LOCK) does not fit $$($(PYTHON) --version) (see above); taking the ranges of requirements.txt" && $(pip) -r requirements.txt; }
else
	$(pip) --upgrade --upgrade-strategy eager -r requirements.txt
endif
	@mv $(VENV)/installing $@ && touch $@

lock: venv  ## renew requirements.lock: the newest versions that requirements.txt allows, for all platforms
	$(pip) uv
	@{ echo "# Exact versions for make venv, made from requirements.txt by make lock. torch's CUDA packages are left out: pip adds"; \
	   echo "# those that the installed build of torch needs."; \
	   $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.10 --no-header --no-annotate requirements.txt \
	   | grep -vE '^(nvidia|cuda|triton)(-|=)'; } > requirements.lock.new
	@mv requirements.lock.new requirements.lock

demo: venv  ## from nothing to dancing skeletons: toy data, the stages of music2pose, out/demo/*.mp4, *.html
	$(PY) -m learn2dance.synthetic $(DEMO)/data --jobs 2
	$(MAKE) --no-print-directory DATA=$(DEMO)/data CLUSTERS="-p LEVELS 4 -p CODES 64" poses music clusters train
	$(PY) eval.py $(DEMO)/data --split test --out $(DEMO) --html
	@for dance in $(DEMO)/*.npz; do $(PY) animate.py "$$dance" --out "$${dance%.npz}.png" --quiet || exit; done
	@echo "look:"; ls $(DEMO)/*.mp4 $(DEMO)/*.png; echo "and play in a browser:"; ls $(DEMO)/*.html

video-demo: keypoints poses music films  ## from DATA/videos (music: theirs, or in DATA/audio) to features and films

all: poses music clusters train dances  ## parse.py to eval.py on DATA=folder: what is missing or out of date

keypoints: venv  ## extract_poses.sh: DATA/videos -> DATA/keypoints, DATA/audio
	./extract_poses.sh -- "$(DATA)/videos" "$(DATA)"

poses: venv  ## parse.py: DATA/keypoints -> DATA/poses
	$(PY) parse.py "$(DATA)" $(jobs) $(PARSE)

music: venv  ## Process_Waves.ipynb: DATA/audio -> DATA/music
	$(PY) -m learn2dance.notebook Process_Waves.ipynb "$(DATA)" $(if $(JOBS),-p JOBS $(JOBS))

films: venv  ## the poses over their videos: DATA/videos, DATA/poses, DATA/audio -> DATA/films/*.mp4
	$(PY) -m learn2dance.render.films "$(DATA)"

clusters: venv  ## Clustering.ipynb: DATA/poses, DATA/music -> DATA/clusters.npz, DATA/tokens
	$(PY) -m learn2dance.notebook Clustering.ipynb "$(DATA)" $(CLUSTERS)

train: venv  ## train.py: DATA/tokens, DATA/music -> DATA/models/music2pose.pt
	$(PY) train.py "$(DATA)" --resume

dances: venv  ## eval.py: dance to the songs of the test split
	$(PY) eval.py "$(DATA)" --split test

report: venv  ## eval.py --report: score five dances a song; then write the page DATA/report.html
	$(PY) eval.py "$(DATA)" --split test --report
	$(PY) -m learn2dance.report_page "$(DATA)"

gan: venv  ## train_pose.py, train_seq.py: DATA/poses, DATA/music -> DATA/models/pose_gan.pt, seq_gan.pt
	$(PY) train_pose.py "$(DATA)/poses" --resume
	$(PY) train_seq.py "$(DATA)/poses" --resume

results: venv  ## the published tables: all reports on DATA (or REPORTS="test gan"), docs/results.md, README.md
	$(PY) -m learn2dance.evaluation.results "$(DATA)" $(REPORTS)

test: venv  ## run the tests, a file in each process, as many as there are cores
	$(PY) -m pytest -n auto --dist loadfile

lint: venv  ## ruff, import-linter, shellcheck and oxlint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/shellcheck extract_poses.sh .ci/run
	$(VENV)/bin/oxlint --config $(PAGE)/.oxlintrc.json --deny-warnings $(PAGE)

torture: venv  ## kill each stage at random moments, run it again, and compare (KILLS=20)
	$(PY) tests/torture.py $(if $(KILLS),--kills $(KILLS))

bench: venv  ## speeds of every stage beside other ways: bench.json; BENCH="--only parse" runs a part
	$(PY) tests/bench.py $(if $(wildcard $(DATA)/keypoints),"$(DATA)") $(BENCH)

fuzz: venv  ## changed input of every kind, 2,000 for each reader: what is neither read nor refused (Linux)
	$(PY) tests/fuzz.py

scale: venv  ## peak memory and time of the stages on 1, 3 and 10 hours of poses, made from DATA's
	$(PY) tests/bench_scale.py $(if $(wildcard $(DATA)/music),"$(DATA)")

clean:  ## remove the demo; .venv and your data stay
	rm -rf $(DEMO)
