#!/bin/bash
# The session of README.md, "By hand", as it stands there: creation with targetcli, a tree copied
# in and out. Would catch: a walk-through that a stranger types and that does not work.
# Left out are the build and the restart of tcmu-runner, which the guest has behind it.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
mkdir -p /run/tmp/doc.small/sub
cp "$ROOT"/docs/*.md /run/tmp/doc.small/
ln -s ../testing.md /run/tmp/doc.small/sub/link
mount --bind /run/tmp/doc.small /usr/share/doc # a tree that is the same on every machine
mount -t tmpfs tmpfs /var/lib

# The lines of the first code block below a heading.
block() {
    sed -n "/^##* $1\$/,/^##* /p" "$ROOT/README.md" | sed -n '/^```$/,/^```$/p' |
        sed '1d; /^```$/,$d'
}

block "By hand" | grep -vE '^(scripts/install-deps|cmake|systemctl) ' | sed 's,/tmp/doc,/run/tmp/fetched,' \
    >/run/tmp/session
grep -q '^targetcli' /run/tmp/session || die "README.md has no session with targetcli"
grep -c '^osdctl ' /run/tmp/session
unset OSD_DEVICE
bash -ex /run/tmp/session
diff -r --no-dereference /usr/share/doc /run/tmp/fetched

echo "== with credentials"
cd /run/tmp
cp "$ROOT/README.md" .
block "With credentials" >session.keys
grep -q 'credential mint' session.keys || die "README.md has no session with credentials"
bash -ex session.keys >keys.out
tail -n "$(wc -l <README.md)" keys.out | diff README.md -
(
    export OSD_DEVICE=iscsi://127.0.0.1/iqn.2026-11.org.example:osd/1
    expect 5 osdctl info
    expect 5 osdctl --credential reader rm 0x10000/0x10000
)
