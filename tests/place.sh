# shellcheck shell=bash
# place.sh - sourced by tests whose stores must not wait for a disk: $PLACE, a directory for them in memory, if
# there is room (containers often have 64 MiB), unless TMPDIR says where
# shellcheck disable=SC2034
PLACE=${TMPDIR:-/tmp}
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ] &&
    [ "$(df --output=avail -k /dev/shm | tail -n 1)" -gt $((1024 * 1024)) ]; then
    PLACE=/dev/shm
fi
