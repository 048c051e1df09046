#!/usr/bin/env bash
# Refocuses clips as a Slurm job array, a task for each shard, and joins the shards in a last job.
#
#     bokeh plan in.mp4 --subject 960,540 --k 16 -o out.mp4 --shards 16 --work /shared/work --commands > plan.txt
#     examples/render_farms/slurm.sh plan.txt [OPTIONS OF SBATCH...]
#
# Run it where clip, work folder and result have the paths that nodes see. A shard that fails for a reason that may
# pass (exit code 75: storage, memory, a lost GPU) or on a lost node is queued again, three times at most; doing a
# shard twice is harmless. The last job starts when every shard is done.
set -euo pipefail
plan=$(realpath "$1")
shift
shards=$(grep -c -e ' --shard ' "$plan")

array=$(sbatch --parsable --requeue --array="1-$shards" --job-name=refocus "$@" <<EOF
#!/usr/bin/env bash
line=\$(grep -e ' --shard ' '$plan' | sed -n "\${SLURM_ARRAY_TASK_ID}p")
# srun passes Slurm's SIGTERM on, so that a shard that is stopped leaves its work folder whole.
code=0
srun --ntasks=1 bash -c "\$line" || code=\$?
if [ "\$code" = 75 ] && [ "\${SLURM_RESTART_COUNT:-0}" -lt 3 ]; then
    exec scontrol requeue "\${SLURM_ARRAY_JOB_ID}_\$SLURM_ARRAY_TASK_ID"
fi
exit "\$code"
EOF
)
sbatch --dependency="afterok:$array" --kill-on-invalid-dep=yes --job-name=join "$@" <<EOF
#!/usr/bin/env bash
set -e
grep -v -e ' --shard ' '$plan' | while read -r line; do srun --ntasks=1 bash -c "\$line" </dev/null; done
EOF
