#!/usr/bin/env bash
# test-model-shrinks.sh DIFFER OSDCTL - the model finds a mistake that was put into the device, and cuts
# it down to a short script which a sound device passes.
# Would catch: a comparison that looks away, shrinking that keeps everything or loses the difference, a
# script that is none of the suite's language.
set -euo pipefail
differ=$1
osdctl=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rc=0
"$differ" --broken --commands 50000 --seed 7 >"$work/out" || rc=$?
cat "$work/out"
[ $rc -eq 1 ] || { echo "exit code $rc, not 1: the mistake was not found"; exit 1; }
grep -v '^#' "$work/out" >"$work/found.osd"
commands=$(grep -c '^  OSD-' "$work/found.osd")
[ "$commands" -le 6 ] || { echo "$commands commands are left"; exit 1; }
"$osdctl" conform memory: "$work/found.osd"
