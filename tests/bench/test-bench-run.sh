#!/usr/bin/env bash
# bench/run itself, with programs that measure nothing: what it refuses before it begins, what it
# leaves behind. Would catch: a quarter of an hour lost on a misspelt part or a page that cannot be
# written; gigabytes of a store left in memory by Ctrl-C; two runs into the same figures.
set -uo pipefail
cd "$1" || exit 1
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
export BENCH_SHM=$T/shm BENCH_DISK=$T/disk
mkdir -p "$T/build/bench" "$BENCH_SHM" "$BENCH_DISK"

die() {
    echo "FAILED: $*" >&2
    exit 1
}

# A program that puts a file into its directory, has a child, and takes a minute.
cat >"$T/build/bench/inproc" <<'END'
#!/bin/bash
while [ $# -gt 0 ]; do
    [ "$1" != --dir ] || : >"$2/left"
    shift
done
sleep 60 &
wait
END
printf '#!/bin/bash\nexit 1\n' >"$T/build/bench/secured"
chmod +x "$T"/build/bench/*

# refuses CODE WORDS ARGUMENT... - with a sentence, and nothing is begun
refuses() {
    local want=$1 words=$2 rc=0
    shift 2
    bench/run --build "$T/build" --out "$T/out" "$@" >"$T/stdout" 2>"$T/stderr" || rc=$?
    [ $rc -eq "$want" ] || die "$*: exit code $rc, not $want"
    grep -q -- "$words" "$T/stderr" || die "$*: nothing about $words: $(head -n 3 "$T/stderr")"
    [ ! -s "$T/stdout" ] || die "$*: began: $(head -n 1 "$T/stdout")"
}

clean() {
    local left
    left=$(find "$BENCH_SHM" "$BENCH_DISK" -mindepth 1)
    [ -z "$left" ] || die "$1 left $left"
}

begun() {
    for _ in $(seq 100); do
        [ -z "$(find "$BENCH_SHM" -name left)" ] || return 0
        sleep 0.1
    done
    die "nothing begins"
}

echo "== help and usage"
bench/run --help >"$T/stdout" || die "--help fails"
grep -q BENCH_SHM "$T/stdout" || die "--help does not say where stores go"
refuses 2 "nonsense is no part" --only nonsense
refuses 2 "unknown option --fast" --fast
refuses 2 "needs a value" --only

echo "== what is missing"
mkdir "$T/bin"
for tool in bash realpath dirname taskset sed cut grep; do
    ln -s "$(command -v $tool)" "$T/bin/"
done
PATH=$T/bin refuses 1 "gnuplot is missing"
refuses 1 "no build tree" --build "$T/nowhere"
BENCH_SHM=$T/nowhere refuses 1 "nowhere" --only inproc
touch "$T/file"
refuses 1 "file" --only inproc --out "$T/file"
clean "a run that was refused"

echo "== a program that fails"
bench/run --build "$T/build" --out "$T/out" --only secured >"$T/stdout" 2>"$T/stderr" &&
    die "a program that fails is no failure"
grep -q "secured failed" "$T/stderr" || die "a failure is not told"
clean "a program that failed"

for signal in INT TERM HUP; do
    echo "== SIG$signal"
    set -m # so that SIGINT is not ignored
    bench/run --build "$T/build" --out "$T/out" --only inproc >"$T/stdout" 2>"$T/stderr" &
    pid=$!
    set +m
    begun
    if [ $signal = INT ]; then
        refuses 1 "another one" --only inproc
    fi
    kill -$signal $pid
    wait $pid && die "a run that was interrupted is a good one"
    clean "SIG$signal"
done
