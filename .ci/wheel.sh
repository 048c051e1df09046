#!/usr/bin/env bash
# Users' install: builds the sdist, of it the wheel, installs that into an empty environment with the tested
# versions, and refocuses a clip with it from a folder that is not the checkout.
#
#     .ci/wheel.sh [FOLDER]     # keeps the build in FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
kept=${1:-}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
unset PYTHONPATH VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=2

step() { printf '%4d s  %s\n' "$SECONDS" "$1"; }

step "building"
"${PYTHON:-python3}" -m venv "$room/builder"
PIP_CONSTRAINT="$checkout/constraints.txt" "$room/builder/bin/python" -m pip install build
PIP_CONSTRAINT="$checkout/constraints.txt" "$room/builder/bin/python" -m build --outdir "$room/dist" . >"$room/build.log" ||
    { cat "$room/build.log"; exit 1; }
ls "$room"/dist/*.tar.gz "$room"/dist/*.whl >/dev/null
if [ -n "$kept" ]; then mkdir -p "$kept" && cp "$room"/dist/* "$kept"; fi

step "installing $(basename "$room"/dist/*.whl)"
"${PYTHON:-python3}" -m venv "$room/user"
# Without byte code: most modules that come along are never imported here.
"$room/user/bin/python" -m pip install --no-compile -c constraints.txt "$room"/dist/*.whl
"$room/user/bin/python" -m pip check

step "refocusing"
mkdir "$room/elsewhere" "$room/home"
cd "$room/elsewhere"
env -i PATH="$room/user/bin:/usr/bin:/bin" HOME="$room/home" OMP_WAIT_POLICY=PASSIVE \
    "$room/user/bin/python" "$checkout/.ci/check_wheel.py" "$checkout"
step "the wheel works"
