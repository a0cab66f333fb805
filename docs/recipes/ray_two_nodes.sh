#!/bin/bash
# A Ray cluster by hand: one head, further nodes, one run. Each part ends with this script.
#
#   bash ray_two_nodes.sh --model snac_24khz --dataset librispeech --output runs/libri
#
# starts both nodes on this machine, with one core each. For real machines run the two "ray start"
# on two of them, give HEAD the first one's address, and leave out --num-cpus: Ray counts cores and
# GPUs itself. Every node needs the same packages, and the clips under the same paths (what a node
# lacks is sent to it from the machine of the run).
set -euo pipefail

head=${HEAD:-127.0.0.1} port=${PORT:-6379}
# Whoever may talk to a cluster may run programs on it: all nodes must show this token.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=${RAY_AUTH_TOKEN:-$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')}
export RAY_USAGE_STATS_ENABLED=0

nodes=()
trap 'kill "${nodes[@]}" 2> /dev/null || true; wait' EXIT

ray start --head --port="$port" --num-cpus=1 --include-dashboard=false --block &
nodes+=($!)
until ray status --address="$head:$port" > /dev/null 2>&1; do sleep 1; done

ray start --address="$head:$port" --num-cpus=1 --block &
nodes+=($!)
until [ "$(ray status --address="$head:$port" 2> /dev/null | grep -c '^ *1 node_')" -ge 2 ]; do sleep 1; done

snac-eval run "$@" --engine ray --address "$head:$port"
