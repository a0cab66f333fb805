# On a fresh machine `make demo` and `make test` do all set-up themselves.
PYTHON ?= python3
VENV   ?= .venv
# EXTRAS=dev with a VENV of its own: the tests of the core, without any optional package.
EXTRAS ?= dev,all
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

DEMO    := snac_16khz_mini,opus_6kbps,opus_12kbps
COLUMNS := bitrate,mel_dac_paper,stft_distance,si_sdr_aligned,pesq_wb,stoi,visqol_speech,visqol_audio,encode_real_time_factor,decode_real_time_factor

# What visitors of the leaderboard can hear, for submissions have no audio: codecs that pip installs.
HEARD   := snac_16khz_mini,opus_6kbps,opus_12kbps,mp3_16kbps,aac_16kbps,lc3_16kbps,codec2_1200,codec2_3200

.PHONY: demo picture test fuzz lint bench gate docs site wheel clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	touch $@

demo: $(READY)  ## the bundled SNAC beside Opus, on the bundled clips
	$(BIN)/snac-eval run --model $(DEMO) --dataset demo --output runs/demo
	$(BIN)/snac-eval table runs/demo --metrics $(COLUMNS) --format md
	@$(BIN)/python tools/picture.py runs/demo/report.html -o runs/demo/picture.png
	@echo "to look at and to hear: runs/demo/report.html"

picture: demo  ## the picture of README and docs, anew; needs Chromium
	$(BIN)/python tools/picture.py --must runs/demo/report.html -o docs/picture.png

test: $(READY)  ## every test
	$(BIN)/python -m pytest -n 2 --dist worksteal

fuzz: $(READY)  ## 1,000 spoilt inputs a surface, never twice the same; takes eight minutes on two cores
	SNAC_EVAL_FUZZ=1000 $(BIN)/python -m pytest -n 2 --dist worksteal tests/fuzz

lint: $(READY)  ## style, types, which way imports run, sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_imports.py snac_eval
	$(BIN)/python tools/check_functions.py snac_eval training tools

# Warnings are errors (not with --quiet, which loses them). NO_MKDOCS_2_WARNING: an advertisement.
docs: $(READY)  ## the documentation site, in build/docs; every link in it leads somewhere
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	$(BIN)/python -m tools.docs.check_built build/docs

gate: $(READY)  ## has the bundled model's quality dropped?
	$(BIN)/snac-eval run --model snac_16khz_mini --dataset demo --output runs/gate --no-html
	$(BIN)/snac-eval check runs/gate --baseline reports/baselines/demo.json --no-speed

site: $(READY)  ## the leaderboard of reports/results, in build/site; a few codecs run to be heard
	$(BIN)/snac-eval run --model $(HEARD) --dataset demo --metrics bitrate,mel_dac_paper --output runs/site --no-html
	$(BIN)/snac-eval site reports/results --cards reports/results/cards --sounds runs/site --output build/site

bench: $(READY)  ## speed, as ratios against peers
	$(BIN)/python -m pytest benchmarks --benchmark-only -o filterwarnings=default

wheel: $(READY)  ## sdist and wheel, then the first page of the docs from the wheel alone; needs the package index
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python -m tools.try_wheel dist/*.whl

clean:
	rm -rf $(VENV) runs build dist
