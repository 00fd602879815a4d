#!/bin/bash
# A million objects in one partition: what commands cost does not grow with their number, nor does
# tcmu-runner's memory. LIOSD_OBJECTS sets another number.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
LOAD="$BUILD/tests/uml/osd_load"
objects=${LIOSD_OBJECTS:-1000000}
rss_max=512 # MiB
growth=2    # a cost may be that many times what it was at 1,000 objects, noise included
samples=300

# timed WORDS COMMAND... - run it and say how long it took
timed() {
    local words=$1 t0
    t0=$(now_ms)
    shift
    "$@" || die "$words failed"
    echo "$words: $(($(now_ms) - t0)) ms; tcmu-runner $(rss) MiB, at most $(rss VmHWM) MiB"
}

create_osd osd0 patient
osdctl mk partition 0x10000
timed "first 1,000 objects" "$LOAD" create -n 1000 -c 16 0x10000
# a restart brings them to disk, where most of a million are: like is compared with like
stop_runner TERM
start_runner
wait_for 20 osdctl ping --count 1
"$LOAD" cost -n $samples 0x10000 | tee /run/tmp/cost.small

single=$((objects / 10))
timed "$single objects by a command each" "$LOAD" create -n $single -c 16 0x10000
timed "the rest, 100 a command" "$LOAD" create -n $((objects - single - 1000)) -c 8 -k 100 0x10000
"$LOAD" cost -n $samples 0x10000 | tee /run/tmp/cost.large
count=$(osdctl --json stat 0x10000 | jq .data.objects)
[ "$count" -eq "$objects" ] || die "$count objects, want $objects"

echo "== costs at 1,000 and at $count objects"
paste /run/tmp/cost.small /run/tmp/cost.large
paste /run/tmp/cost.small /run/tmp/cost.large | sed 's/us median//g' |
    awk -F'  +' -v g=$growth '{ if ($4 + 0 > ($2 + 0) * g + 50) { print "grows: " $0; bad = 1 } }
                              END { exit bad }' || die "a cost grows with the number of objects"

timed "list of all" sh -c 'osdctl ls 0x10000 >/run/tmp/all'
[ "$(wc -l </run/tmp/all)" -eq "$count" ] || die "the list has $(wc -l </run/tmp/all) of $count"
[ -z "$(sort /run/tmp/all | uniq -d | head -n 1)" ] || die "an id is in the list twice"
[ "$(rss VmHWM)" -lt $rss_max ] || die "tcmu-runner took $(rss VmHWM) MiB, limit $rss_max"

stop_runner TERM
t0=$(now_ms)
start_runner
expect 0 osdctl --json stat 0x10000
echo "restart until service: $(($(now_ms) - t0)) ms; tcmu-runner $(rss) MiB"
timed "removing the partition with everything" osdctl rm --contents partition 0x10000
[ "$(rss VmHWM)" -lt $rss_max ] || die "tcmu-runner took $(rss VmHWM) MiB, limit $rss_max"
stop_runner TERM
t0=$(now_ms)
osdctl check "$STORE/osd0"
echo "check: $(($(now_ms) - t0)) ms"
