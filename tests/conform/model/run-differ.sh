#!/usr/bin/env bash
# run-differ.sh DIFFER ARGS... - the device and the model side by side, the store in memory.
# Would catch: an answer, in status, sense data, data, attributes, times or used capacity, that the
# standard does not allow; prints the shortest script that shows it.
set -euo pipefail
differ=$1
shift
# shellcheck source=tests/place.sh
. "$(dirname "$0")/../../place.sh"
exec "$differ" --dir "$PLACE" "$@"
