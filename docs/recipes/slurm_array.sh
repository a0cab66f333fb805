#!/bin/bash
# A run in parts on a SLURM cluster, without Ray: one job looks at the clips, an array of shards
# codes and scores them, one job merges the shards.
#
#   bash slurm_array.sh submit runs/snac_libri 32 --model snac_24khz --dataset librispeech
#
# gives runs/snac_libri+shard-1-of-32 and so on, and at the end all in runs/snac_libri. All nodes must see
# the data and the runs under the same paths. What follows the number of shards are flags of
# "snac-eval run". The same command again goes on where it was: finished clips are not coded twice.
#
# Edit to fit the cluster: partition, account, time; for a GPU add --gres=gpu:1 and --device cuda.
#SBATCH --job-name=snac-eval
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
#SBATCH --requeue
# A shard that runs out of time gets SIGTERM two minutes before, and keeps what it has scored.
#SBATCH --signal=TERM@120
set -euo pipefail

usage="usage: slurm_array.sh submit OUTPUT SHARDS --model NAME --dataset NAME [flags of run]"
step=${1:?$usage} output=${2:?$usage} shards=${3:?$usage}
shift 3

folder() {
  echo "$output+shard-$1-of-$shards"
}

case $step in
  submit)
    plan=$(sbatch --parsable "$0" plan "$output" "$shards" "$@")
    array=$(sbatch --parsable --dependency="afterok:${plan%%;*}" --array="1-$shards" \
      "$0" shard "$output" "$shards" "$@")
    # After any end of the shards: merge says in one line which of them has not finished.
    merge=$(sbatch --parsable --dependency="afterany:${array%%;*}" "$0" merge "$output" "$shards")
    echo "plan $plan, then array $array, then merge $merge"
    ;;
  plan)
    exec srun snac-eval run "$@" --output "$output" --plan-only --quiet
    ;;
  shard)
    number=$SLURM_ARRAY_TASK_ID
    # The sound of a page is decoded again: the merged run writes one page for all.
    exec srun snac-eval run "$@" --shard "$number/$shards" --output "$(folder "$number")" \
      --plan "$output" --workers "${SLURM_CPUS_PER_TASK:-1}" --no-html --quiet
    ;;
  merge)
    folders=()
    for ((number = 1; number <= shards; number++)); do
      folders+=("$(folder "$number")")
    done
    exec srun snac-eval merge "${folders[@]}" -o "$output"
    ;;
  *)
    echo "$usage" >&2
    exit 2
    ;;
esac
