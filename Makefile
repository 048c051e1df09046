# Each target sets up what it needs: a virtual environment in .venv with the tested versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT ?= out
# A click on the woman in red, and one on a lamp that is not hers; depth by the bundled network, whatever has been downloaded.
DEMO_LOOK := --depth compact --subject 235,330 --not-subject 245,68 --k 24

.PHONY: demo quick test lint map wheel pictures clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "any2bokeh needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

demo: $(READY)  ## make a clip with people, refocus it from one click, make its page, and show where the results are
	$(BIN)/python examples/make_example.py $(OUT) --scene people --seconds 2
	$(BIN)/bokeh refocus $(OUT)/people.mp4 $(DEMO_LOOK) -o $(OUT)/people.refocus.mp4 --overwrite
	$(BIN)/bokeh preview $(OUT)/people.mp4 $(DEMO_LOOK) --html $(OUT)/people.html --overwrite
	$(BIN)/python examples/before_after.py $(OUT)/people.mp4 $(OUT)/people.refocus.mp4 $(OUT)/before_after.png --at 1

# Threads that spin while they wait take minutes for seconds where others work as well.
export OMP_WAIT_POLICY := PASSIVE

# Tests run in as many processes as there are cores, four at most: most of a test is one core's work.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

quick: $(READY)  ## run what a change most likely breaks: all tests that are not slow
	$(BIN)/ruff check .
	$(PYTEST) -q -m "not slow and not browser and not weights"

test: lint  ## run everything that checks the project
	$(PYTEST)

lint: $(READY)  ## check code, types, spelling and prose
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/typos
	$(BIN)/proselint check --config .ci/proselint.json *.md docs/*.md
	$(BIN)/python tests/support/words.py

map: $(READY)  ## draw the rooms, what each imports, and the figures of their sizes
	$(BIN)/python tests/support/rooms.py

wheel:  ## build the sdist and the wheel into dist/, and use the wheel in an empty environment
	PYTHON=$(PYTHON) .ci/wheel.sh dist

pictures: demo  ## take the pictures of README and docs anew; needs Chromium
	cp $(OUT)/before_after.png docs/before_after.png
	$(BIN)/bokeh depth $(OUT)/people.mp4 --depth compact --colors $(OUT)/people.colors.mp4 --overwrite
	$(BIN)/python examples/before_after.py $(OUT)/people.mp4 $(OUT)/people.colors.mp4 docs/bundled_depth.png \
	    --at 1 --width 480 --beside
	$(BIN)/python examples/make_example.py $(OUT)
	$(BIN)/bokeh preview $(OUT)/example.mp4 --disparity $(OUT)/example.disparity.mkv \
	    --k 30 --highlights 2 --html $(OUT)/example.html --overwrite
	$(BIN)/python examples/page_picture.py $(OUT)/example.html docs/look.png --size 1120x700 --dark

clean:
	rm -rf $(VENV) $(OUT) dist
