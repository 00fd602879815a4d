#!/bin/bash
# Bad input is refused with exit code 2 and a message that names it, before anything happens.
# Would catch: an ignored option, a number cut at its first letter, a swapped argument.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"
new_store
osdctl mk partition 0x10000 >/dev/null

echo "== help and version go to standard output"
expect 0 osdctl --help
[ -z "$err" ] || die "help on standard error"
expect 0 osdctl --version
case $out in "osdctl (liosd) "[0-9]*) ;; *) die "version: $out" ;; esac

echo "== bad command lines, each with what the message has to name"
while IFS='|' read -r what args; do
    # shellcheck disable=SC2086
    expect 2 osdctl $args
    says "$what"
    says "osdctl --help"
    # shellcheck disable=SC2086
    expect 2 osdctl --json $args
    json 'error["code"] == 2 and error["status"] == "usage"'
done <<'END'
no verb|
unknown verb "fly"|fly
--frob|--frob ls
-z|-z ls
needs a value|ls --capacity
--capacity|--capacity 1x info
--capacity|--capacity 99999999999t info
--generation|-g 3 info
--progress|cp -r --progress x . 0x10000
ls has no option --repair|ls --repair
info has no option --yes|info --yes
usage: osdctl ls|ls a b
usage: osdctl cat|cat
"x" is not|ls x
"0x" is not|ls 0x
"12z" is not|ls 12z
"-1" is not|ls -- -1
"0" is not|ls 0
"18446744073709551616" is not|ls 18446744073709551616
"0x10000" is not PID/OID|rm 0x10000
"0x10000/" is not|cat 0x10000/
"0x10000/1/2" is not|cat 0x10000/1/2
"/5" is not|stat /5
"0" is not|create 0
usage: osdctl mk|mk object 5
is not a partition id|mk partition x
is not a partition id|rm partition 0x10000/5
usage: osdctl attr|attr frob 0x10000
usage: osdctl attr|attr get 0x10000 1
is not a page number|attr get 0x10000 0x100000000 1
is not an attribute number|attr get 0x10000 1 x
hexadecimal|attr set 0x10000 0x30010000 1 0xabc
usage: osdctl quota|quota 0x10000 objects
is not a quota|quota 0x10000 frob 5
neither a size nor none|quota 0x10000 objects 5q
is not a size|format --yes 5q
say --yes|format
say -r|cp . 0x10000
has to be a partition id|cp -r . ..
has to be a partition id|cp -r 1 2
neither an exit code|explain xyz
neither an exit code|explain 7205
neither an exit code|explain 7000050000
neither an exit code|explain 74052400
0x5 is reserved: ids are 0x10000 and larger|mk partition 5
0xffff is reserved|create 0x10000/0xffff
0x1 is reserved|put /dev/null 0x10000/1
0x1 is reserved|cp -r . 1
0 is no partition to copy from|cp -r 0 .
is not an attribute number|attr get 0x10000 0x30000001 0xffffffff
is not a page number|attr get 0x10000 0xffffffff 1
is not a page number|attr rm 0x10000 0xffffffff 1
--create-store makes stores in directories|-d iscsi://127.0.0.1:1/iqn.x:y/0 --create-store info
say --create-store|--capacity 1g info
--method nosec goes with --create-store|--method nosec info
without --key|--create-store --key x --method nosec info
no credentials for nosec|--method nosec key enrol x file:///x /dev/null
check has no option --create-store|check --create-store
discover has no option --generation|discover -g 1
is not the directory of a store|check iscsi://127.0.0.1:1/iqn.x:y/0
the device comes first|conform memory: file:///x
ls has no option --destructive|ls --destructive
not a device URL|conform iscsi:/host/iqn.x:y/0
not a device URL|conform http://host/
END

echo "== the usage of a verb without arguments ends where it ends"
expect 2 osdctl ping extra
says "usage: osdctl ping; see"

echo "== empty names"
expect 3 osdctl put "" 0x10000
says '"": No such file'
expect 2 osdctl cp -r "" 0x10000
says "is empty"
expect 2 osdctl cp -r 0x10000 ""
says "is empty"
expect 2 osdctl check ""

expect 2 osdctl --key "" info
expect 2 osdctl --credential= info
expect 3 osdctl --key missing info
[[ $err != *--create-store* ]] || die "a missing key is taken for a missing store: $err"

echo "== an empty attribute value"
expect 2 osdctl attr set 0x10000 0x30010000 1 ""
says "attr rm"

echo "== bad devices"
for url in "" file: file://relative /plain iscsi:// iscsi://host iscsi://host/iqn.x http://host/; do
    expect 2 osdctl -d "$url" info
done
expect 6 osdctl -d iscsi://127.0.0.1:1/iqn.2026-11.org.liosd:none/0 info
says 127.0.0.1:1
(unset OSD_DEVICE && expect 2 osdctl info && says OSD_DEVICE) || exit 1

echo "== nothing happened"
expect 0 osdctl ls
[ "$out" = 0x10000 ] || die "ls: $out"
