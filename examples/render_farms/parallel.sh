#!/usr/bin/env bash
# Refocuses clips by GNU parallel, on this machine or on several, and joins the shards.
#
#     bokeh plan in.mp4 --subject 960,540 --k 16 -o out.mp4 --shards 16 --work /shared/work --commands > plan.txt
#     examples/render_farms/parallel.sh plan.txt [OPTIONS OF PARALLEL...]
#
# For example --jobs 4, or --sshlogin node1,node2 where these see the same files under the same paths. A shard that
# fails is tried twice more; the first that still fails ends the run.
set -euo pipefail
plan=$1
shift
grep -e ' --shard ' "$plan" | parallel --will-cite --halt now,fail=1 --retries 3 "$@"
grep -v -e ' --shard ' "$plan" | bash -e
