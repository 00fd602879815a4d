#!/bin/bash
# Credentials over the real stack: stores of every method, tcmu-runner killed and back (a new
# security token, nonces from before refused), what has no credential stays outside. Would catch:
# signatures that do not survive the kernel, two-phase commands that lose their integrity values, a
# client that does not recover from a restart of the device.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
umask 077
dd if=/dev/urandom of=/run/tmp/file bs=1k count=700 2>/dev/null

for method in cmdrsp capkey alldata; do
    echo "== $method"
    create_osd osd0 patient "$STORE/$method;capacity=1T;security=$method"
    [ "$(stat -c %a "$STORE/$method/master.key")" = 600 ] || die "mode of the master key"
    mv "$STORE/$method/master.key" /run/tmp/key
    signed() { osdctl --key /run/tmp/key --method "$method" "$@"; }
    expect 5 osdctl mk partition 0x10000
    expect 0 signed key install
    expect 0 signed mk partition 0x10000
    expect 0 signed put /run/tmp/file 0x10000/0x10000
    expect 0 signed get 0x10000/0x10000 /run/tmp/back
    cmp /run/tmp/file /run/tmp/back || die "$method: other bytes came back"
    rm /run/tmp/back
    expect 0 signed attr set 0x10000/0x10000 0x10000 1 hello
    [ "$(signed attr get 0x10000/0x10000 0x10000 1)" = hello ] || die "$method: attribute"
    expect 5 osdctl cat 0x10000/0x10000
    rm -f /run/tmp/ro
    expect 0 signed credential mint /run/tmp/ro 0x10000/0x10000 read
    echo "== $method: tcmu-runner is killed and comes back"
    stop_runner KILL
    start_runner || die "tcmu-runner did not come back"
    expect 0 osdctl --credential /run/tmp/ro get 0x10000/0x10000 /run/tmp/back
    cmp /run/tmp/file /run/tmp/back || die "$method: other bytes after the restart"
    rm /run/tmp/back
    expect 5 osdctl --credential /run/tmp/ro rm 0x10000/0x10000
    expect 0 signed rm 0x10000/0x10000
    delete_osd osd0
    rm -f /run/tmp/key
done

echo "== a store that nobody said anything about asks for credentials"
create_osd osd0 "$STORE/plain"
expect 5 osdctl info
echo "credentials: good"
