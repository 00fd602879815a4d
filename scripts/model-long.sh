#!/usr/bin/env bash
# model-long.sh BUILD [SEED] - the long mode of the differential model: a million random commands,
# half on each store, from a seed of one's own. Names the seeds; what differs comes out as a script.
set -euo pipefail
build=$1
seed=${2:-$(date +%s)}
for store in memory rocksdb; do
    "$(dirname "$0")/../tests/conform/model/run-differ.sh" "$build/tests/conform/model/differ" \
        --store $store --commands 500000 --seed "$seed" --failures 3
done
