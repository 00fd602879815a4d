#!/bin/bash
# Commands against permissions, end to end: with exactly the permissions it needs a command succeeds,
# with all others but one of these it is refused, by the manager and in words. Would catch: a
# permission that opens more than it says, a client that asks for more than it needs.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
me=uid:$(id -u)
start_target
write_config one
start_manager one
export OSD_DEVICE=$DEVICE OSD_SECMGR=$SECMGR
enrol disk1
rule disk1 '"type":"root","principal":"'"$me"'","permissions":"all","inherit":"all"'
osdctl mk partition 0x10000 >/dev/null || die "mk"
head -c 500 /dev/urandom >data
names="read write get-attr set-attr create remove obj-mgmt append dev-mgmt global pol-sec m-object query gbl-rem"

# may PERM,... - what is allowed on every object of the partition, and on the partition itself
may() {
    osdctl acl set disk1 0x10000 "$me" "$1" "$1" >/dev/null || die "acl set $1"
}
# without PERM - all others, joined
without() {
    tr ' ' '\n' <<<"$names" | grep -vx -- "$1" | paste -sd,
}

# check NEEDS COMMAND... - a fresh object 0x20000 is there before every try
check() {
    local needs=$1 perm rc
    shift
    for perm in "" ${needs//,/ }; do
        may all
        osdctl rm 0x10000/0x20000 >/dev/null 2>&1
        osdctl rm 0x10000/0x20001 >/dev/null 2>&1
        osdctl put data 0x10000/0x20000 >/dev/null || die "put"
        if [ -z "$perm" ]; then may "$needs"; else may "$(without "$perm")"; fi
        rc=0
        osdctl "$@" >out 2>err </dev/null || rc=$?
        if [ -z "$perm" ]; then
            [ $rc -eq 0 ] || die "$* with $needs: $rc, $(cat err)"
        else
            [ $rc -eq 5 ] || die "$* without $perm: $rc, $(cat err)"
            grep -q "has no permission $perm on " err || die "$* without $perm: $(cat err)"
        fi
    done
    n=$((n + 1))
}

n=0
for g in 1 2; do
    check read -g $g cat 0x10000/0x20000
    check append -g $g append data 0x10000/0x20000
    check remove -g $g rm 0x10000/0x20000
    check create -g $g create 0x10000/0x20001
    check get-attr -g $g stat 0x10000/0x20000
    check set-attr -g $g attr set 0x10000/0x20000 0x10000 1 hello
    check get-attr -g $g attr get 0x10000/0x20000 0x1 0x82
    check get-attr,pol-sec -g $g attr get 0x10000/0x20000 0x5 0x40000001
    check read -g $g ls 0x10000
    check get-attr -g $g stat 0x10000
done
echo "$n commands, each with what it needs and without"
