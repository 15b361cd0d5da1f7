#!/bin/bash
# Answers tar shards by a Slurm array: each task takes its share.
#   sbatch --array=0-99 examples/scale/slurm.sh ANSWERS SHARDS...
#SBATCH --job-name=ror
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=1G
#SBATCH --requeue
to=$1
shift
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
"${ROR:-./ror}" predict "$@" --to "$to"
status=$?
# Status 1 is an error that comes again, such as a damaged shard; whatever was killed is tried again.
if [ "$status" -gt 1 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$status"
