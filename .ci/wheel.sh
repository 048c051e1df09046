#!/usr/bin/env bash
# Users' install: builds the sdist, of it the wheel, installs that into an empty environment with the tested
# versions, by the very steps that examples/render_farms/Dockerfile lists, and refocuses a clip with it from a folder
# that is not the checkout.
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

step "building, and installing, by the steps of the image"
"${PYTHON:-python3}" .ci/image.py examples/render_farms/Dockerfile cpu "$checkout" "$room" >"$room/build.log" 2>&1 ||
    { cat "$room/build.log"; exit 1; }
built=$room/build/build/dist user=$room/cpu/opt/any2bokeh/venv
ls "$built"/*.tar.gz "$built"/*.whl >/dev/null
if [ -n "$kept" ]; then mkdir -p "$kept" && cp "$built"/* "$kept"; fi

step "refocusing"
mkdir "$room/elsewhere" "$room/home"
cd "$room/elsewhere"
env -i PATH="$user/bin:/usr/bin:/bin" HOME="$room/home" OMP_WAIT_POLICY=PASSIVE \
    "$user/bin/python" "$checkout/.ci/check_wheel.py" "$checkout"
step "the wheel works"
