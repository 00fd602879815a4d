#!/bin/bash
# Two devices, two managers over one PostgreSQL database, clients at work all the time: keys are rotated
# every second, a manager is killed and comes back, the other one is killed, the database is restarted.
# No command fails. Would catch: a credential made with a key that the device does not have yet or
# no more, managers that overwrite each other's keys, clients that do not look further.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
me=uid:$(id -u)
mkdir pg && chmod 755 "$T"
"$ROOT/tests/secmgr/postgres.sh" start "$T/pg" >/dev/null
case $? in
0) trap '"$ROOT/tests/secmgr/postgres.sh" stop "$T/pg" >/dev/null 2>&1; end' EXIT ;;
77) echo "PostgreSQL is not installed"; exit 77 ;;
*) die "PostgreSQL does not start: $(cat pg/initdb.log pg/data/log 2>/dev/null | tail -n 5)" ;;
esac

start_target
second=$DEVICE
start_target
one='' two=''
for name in one two; do
    write_config $name '[limits]' 'requests_per_second = 0' '[keys]' 'rotate = 2s' '[credentials]' \
        'lifetime = 10s' 'max_lifetime = 10s'
    sed -i "s,^where = .*,kind = postgresql\nwhere = host=$T/pg user=secmgr dbname=postgres connect_timeout=3," $name.conf
    start_manager $name
    eval "$name=$MANAGER_PID"
done
both=unix:$T/one.socket,unix:$T/two.socket
export OSD_DEVICE=$DEVICE OSD_SECMGR=$both
ask 200 POST /v1/osds '{"name":"disk1","url":"'"$DEVICE"'","master_key":"'"$MASTER"'"}'
ask 200 POST /v1/osds '{"name":"disk2","url":"'"$second"'","master_key":"'"$MASTER"'"}'
for disk in 1 2; do
    osdctl acl set disk$disk root "$me" all all || die "acl"
done
osdctl mk partition 0x10000 >/dev/null || die "mk"
osdctl -d "$second" mk partition 0x10000 >/dev/null || die "mk"

# load N DEVICE - put and read back, a process for each; until there is a file stop. A line in load$N.rounds
# for each.
load() {
    local n=0 oid=$((0x20000 + $1))
    export OSD_DEVICE=$2
    while [ ! -e stop ]; do
        osdctl put "$ROOT/LICENSE" 0x10000/$oid 2>>"load$1.err" >/dev/null &&
            osdctl cat 0x10000/$oid 2>>"load$1.err" | cmp -s - "$ROOT/LICENSE" ||
            { echo "round $n failed" >>"load$1.err"; break; }
        n=$((n + 1))
        echo $n >>"load$1.rounds"
    done
}
rounds() {
    wc -l <"load$1.rounds"
}
# go_on SECONDS - so long at least, and until each client has made a whole round meanwhile
go_on() {
    local i was=()
    for i in 1 2 3 4; do was[i]=$(rounds $i); done
    sleep "$1"
    for i in 1 2 3 4; do
        for _ in $(seq 600); do
            [ "$(rounds $i)" -ge $((was[i] + 2)) ] && continue 2
            [ ! -s load$i.err ] || break
            sleep 0.1
        done
        die "client $i stands still: $(cat load$i.err)"
    done
}
for i in 1 2 3 4; do
    [ $i -le 2 ] && on=$DEVICE || on=$second
    : >load$i.rounds
    load $i "$on" &
    loads[i]=$!
done
# One session for all the time, whose credentials expire and whose keys are replaced meanwhile.
for _ in $(seq 24); do
    head -c 1100000 /dev/zero
    sleep 0.5
done | osdctl put - 0x10000/0x20000 >/dev/null 2>slow.err &
slow=$!
mkdir tree && for i in $(seq 40); do head -c 3000 /dev/urandom >tree/$i; done

copies() {
    local n=0
    while [ ! -e stop ]; do
        osdctl mk partition $((0x30000 + n)) 2>>copies.err >/dev/null &&
            osdctl cp -q -r tree $((0x30000 + n)) 2>>copies.err >/dev/null ||
            { echo "copy $n failed" >>copies.err; break; }
        n=$((n + 1))
    done
    echo $n >copies.count
}
copies &
copier=$!

go_on 3
echo "== all working keys of both are rotated"
for disk in 1 2; do
    osdctl key rotate disk$disk || die "rotate disk$disk"
done
go_on 1
echo "== one is killed"
# shellcheck disable=SC2154 # set by start_manager
kill -9 "$one"
wait "$one" 2>/dev/null
go_on 3
echo "== it comes back, the other is killed"
start_manager one
# shellcheck disable=SC2154 # set by start_manager
kill -9 "$two"
wait "$two" 2>/dev/null
go_on 3
echo "== that comes back, too; the database is restarted"
start_manager two
"$ROOT/tests/secmgr/postgres.sh" restart "$T/pg" >/dev/null || die "restart"
go_on 3
wait "$slow" || die "the long session: $(cat slow.err)"
touch stop
wait "${loads[@]}" "$copier"
[ "$(osdctl cat 0x10000/0x20000 | wc -c)" = 26400000 ] || die "the long session was short"
for i in 1 2 3 4; do
    [ -s load$i.err ] && die "client $i: $(cat load$i.err)"
done
[ -s copies.err ] && die "copies: $(cat copies.err)"
ask 200 GET /v1/osds/disk1/keys
holds 'all(p["ready"] for p in data["partitions"]) and len(data["partitions"]) >= 3'
holds '[p for p in data["partitions"] if p["pid"] == "0x10000"][0]["set"] > 0'
for _ in $(seq 600); do
    n=$(for name in one two; do curl -s --unix-socket $name.socket http://x/metrics; done |
        awk '/^osd_secmgr_key_rotations_total/ { n += $2 } END { print n }')
    [ "$n" -ge 2 ] && break
    sleep 0.1
done
[ "$n" -ge 2 ] || die "$n rotations"
echo "$(cat load?.rounds | wc -l) rounds, $(cat copies.count) copies, $n rotations since the last start"
ask 200 GET /v1/osds/disk2/keys
holds 'all(p["ready"] for p in data["partitions"]) and len(data["partitions"]) >= 2'
