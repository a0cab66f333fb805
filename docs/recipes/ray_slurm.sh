#!/bin/bash
# A run on a SLURM cluster through Ray: one allocation, a Ray node on each of its machines, the
# driver on the first.
#
#   sbatch --nodes=8 ray_slurm.sh --model snac_24khz --dataset librispeech --output runs/libri
#
# All nodes must see the data, the runs and the environment under the same paths. The same command
# again goes on where a run stopped. For GPUs add --gres=gpu:8 here and --device cuda behind.
# Without Ray: slurm_array.sh, which needs no allocation of many nodes at one time.
#SBATCH --job-name=snac-eval
# Ray stops every Ray of yours on its machines when it ends.
#SBATCH --exclusive
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
#SBATCH --requeue
# Two minutes before its time is up, the run is told to end; it keeps what it has scored.
#SBATCH --signal=TERM@120
set -euo pipefail

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p) port=6379
# Whoever may talk to a cluster may run programs on it: all nodes must show this token.
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0
# Names of sockets must be short, and not lie on a shared disk.
export RAY_TMPDIR=/tmp/ray-$SLURM_JOB_ID

# On every node this starts Ray, on the first it runs the command, and at its end it stops Ray.
exec srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" \
  ray symmetric-run --address "$head:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
  --num-cpus="$SLURM_CPUS_PER_TASK" -- \
  snac-eval run "$@" --engine ray --address "$head:$port" --quiet
