#!/bin/bash
# What goes beside the program: its systemd unit is well-formed and as closed as it can be, readiness
# and watchdog are told, man pages and sample name every key and option, --check finds mistakes.
# Would catch: a unit that nobody could start, a hole in its hardening, a key only its author knows.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"

echo "== man pages and sample"
page=$ROOT/man/osd-secmgr.conf.5
while IFS=. read -r section key; do
    grep -qE "^\.It Ic (.* , )?$key( |$)" "$page" || die "$key of [$section] is not in osd-secmgr.conf.5"
    grep -qx "\.Ss \[$section\]" "$page" || die "section [$section] is not in osd-secmgr.conf.5"
    grep -qE "^#?$key = " "$ROOT/secmgr/osd-secmgr.conf" || die "$key is not in the sample"
done < <("$BUILD/tests/secmgr/secmgr_routes" keys)
for o in $("$BUILD/secmgr/osd-secmgr" --help | grep -oE -- '--[a-z]+' | sort -u); do
    grep -q "Fl Fl ${o#--}\b" "$ROOT/man/osd-secmgr.8" || die "option $o is not in osd-secmgr.8"
done
if command -v mandoc >/dev/null; then
    mandoc -Tlint -W warning "$ROOT/man/osd-secmgr.8" "$page" || die "mandoc"
fi

echo "== --check"
"$BUILD/secmgr/osd-secmgr" --check -c "$ROOT/secmgr/osd-secmgr.conf" || die "the sample"
mkdir bad.conf.d
echo '[keys]' >bad.conf
printf '[keys]\nrotate = never\n' >bad.conf.d/20.conf
"$BUILD/secmgr/osd-secmgr" --check -c bad.conf 2>err && die "a mistake is not found"
grep -q 'bad.conf.d/20.conf: line 2' err || die "$(cat err)"
"$BUILD/secmgr/osd-secmgr" --wrong 2>/dev/null
[ $? -eq 2 ] || die "wrong usage"

echo "== readiness and watchdog"
write_config one
python3 - "$BUILD/secmgr/osd-secmgr" <<'END' || die "sd_notify"
import os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("notify")
s.settimeout(20)
p = subprocess.Popen([sys.argv[1], "-c", "one.conf"], stderr=subprocess.DEVNULL,
                     env={**os.environ, "NOTIFY_SOCKET": os.path.abspath("notify"), "WATCHDOG_USEC": "400000"})
try:
    seen = [s.recv(200).decode() for _ in range(3)]
    assert seen[0] == "READY=1" and set(seen[1:]) == {"WATCHDOG=1"}, seen
    p.terminate()
    while (m := s.recv(200).decode()) == "WATCHDOG=1":
        pass
    assert m == "STOPPING=1", m
    assert p.wait(20) == 0
finally:
    p.kill()
END

echo "== the unit"
command -v systemd-analyze >/dev/null || { echo "systemd-analyze is not installed"; exit 77; }
ln -s "$BUILD/secmgr" bin # a unit has no spaces in the name of a program
sed "s,@SBINDIR@,$T/bin,; s/^User=.*//; s/^Group=.*//" \
    "$ROOT/packaging/systemd/osd-secmgr.service.in" >osd-secmgr.service
systemd-analyze verify --man=no ./osd-secmgr.service >verify 2>&1
grep 'osd-secmgr.service' verify && die "the unit: $(cat verify)"
# In a user namespace SO_PEERCRED does not tell who calls.
grep -q '^PrivateUsers=' osd-secmgr.service && die "PrivateUsers= hides the callers"
sed "s,@SBINDIR@,/usr/sbin," "$ROOT/packaging/systemd/osd-secmgr.service.in" >osd-secmgr.service
systemd-analyze security --offline=yes --threshold=15 --no-pager ./osd-secmgr.service >security ||
    die "not closed enough: $(grep -v '✓' security)"
tail -n 1 security
