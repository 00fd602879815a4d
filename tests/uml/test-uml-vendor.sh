#!/bin/bash
# Installed as "cmake --install" leaves it: the handler where tcmu-runner looks, and the systemd
# drop-in's environment. Operation codes that libtcmu drops are answered with sense, and the device
# goes on; without the drop-in it cannot be stopped any more and serves nobody, which is shown too.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e

stop_runner TERM
rm -f $HANDLERS/*
# the list of installed files would go to the build tree, which is read-only here
sed 's,file(WRITE "[^"]*",file(WRITE "/run/tmp/manifest",' "$BUILD/cmake_install.cmake" >/run/tmp/i.cmake
DESTDIR=/run/inst cmake -P /run/tmp/i.cmake >/run/tmp/install.log
dropin=$(find /run/inst -path '*/tcmu-runner.service.d/liosd.conf')
cp "/run/inst$HANDLERS/handler_osd.so" $HANDLERS/
preload=$(sed -n 's/^Environment=LD_PRELOAD=//p' "$dropin")
[ -f "/run/inst$preload" ] || die "the drop-in names $preload, which was not installed"
mount --bind "/run/inst$(dirname "$(dirname "$preload")")" "$(dirname "$(dirname "$preload")")"
if command -v systemd-analyze >/dev/null; then
    mkdir -p /run/units/tcmu-runner.service.d
    sed 's/^Documentation.*//' /lib/systemd/system/tcmu-runner.service \
        >/run/units/tcmu-runner.service
    cp "$dropin" /run/units/tcmu-runner.service.d/
    out=$(SYSTEMD_UNIT_PATH=/run/units: systemd-analyze verify tcmu-runner.service 2>&1 || true)
    ! grep -i 'liosd.conf' <<<"$out" || die "systemd does not like the drop-in: $out"
fi

# start [VARIABLE=VALUE] - tcmu-runner with this environment
start() {
    env PATH="${LIOSD_RUNNER:+$LIOSD_RUNNER:}$PATH" LD_LIBRARY_PATH="${LIOSD_RUNNER:-}" "$@" \
        tcmu-runner --handler-path $HANDLERS >>/run/runner.out 2>&1 </dev/null &
    echo $! >/run/runner.pid
    wait_for 20 runner_ready || die "tcmu-runner did not start"
}

start "LD_PRELOAD=$preload"
create_osd osd0
osdctl mk partition 0x10000
echo "== every group of operation codes that libtcmu does not know"
for op in 60 7e c0 c5 df e0 ff; do
    for length in 6 10 16; do
        cdb=$(printf "$op%0$((2 * length - 2))d" 0)
        rc=0
        probe -t 10000 "$cdb" >/run/tmp/answer || rc=$?
        [ $rc -eq 1 ] || die "operation code $op: no SCSI answer: $(cat /run/tmp/answer)"
        grep -q '^sense 7205200[0-9a-f]*' /run/tmp/answer ||
            die "operation code $op: $(cat /run/tmp/answer)"
    done
done
echo "== many at once, then with data in both directions"
expect 1 probe -t 20000 -c -n 500 -q 32 c0000000000000000000
expect 1 probe -t 10000 -i 4096 c0000000000000000000
expect 1 probe -t 10000 -s 4096 c0000000000000000000
echo "== the device goes on"
echo content >/run/tmp/f
expect 0 osdctl put /run/tmp/f 0x10000/0x10000
[ "$(osdctl cat 0x10000/0x10000)" = content ]
stop_runner TERM || die "tcmu-runner does not end"
expect 0 osdctl check "$STORE/osd0"

echo "== the same without the drop-in (what it is for)"
start LIOSD_NOTHING=
expect 0 osdctl info
rc=0
probe -t 4000 c0000000000000000000 || rc=$?
if [ $rc -eq 2 ]; then
    kill -TERM "$(cat /run/runner.pid)"
    ! wait_for 5 not_running "$(cat /run/runner.pid)" ||
        die "tcmu-runner ends, the device is not wedged: what is the drop-in for?"
    rc=0
    timeout 10 osdctl ping --count 1 || rc=$?
    [ $rc -ne 0 ] || die "the device is not wedged: what is the drop-in for?"
    echo "wedged for good, as expected: this libtcmu needs the cure"
else
    [ -n "${LIOSD_RUNNER:-}" ] || ! tcmu-runner -V | grep -q ' 1\.5\.4$' ||
        die "libtcmu 1.5.4 answers: is the drop-in still needed?"
fi
