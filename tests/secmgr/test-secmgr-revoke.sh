#!/bin/bash
# What a change of rules takes away ends at once, on credentials that are in use, while clients that
# are still allowed go on with the same session and notice nothing: rules of an object, of a
# partition, of the device, of a group; by two managers over one PostgreSQL if it is installed; with a
# device that does not answer. Would catch: a revocation that waits for expiry, one that disturbs
# others, one that says it is done when it is not.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
command -v certtool >/dev/null || { echo "certtool (gnutls-bin) is not installed"; exit 77; }
me=uid:$(id -u)

database="where = $T/secmgr.db"
mkdir pg && chmod 755 "$T"
if "$ROOT/tests/secmgr/postgres.sh" start "$T/pg" >/dev/null 2>&1; then
    trap '"$ROOT/tests/secmgr/postgres.sh" stop "$T/pg" >/dev/null 2>&1; end' EXIT
    database="kind = postgresql\nwhere = host=$T/pg user=secmgr dbname=postgres connect_timeout=3"
fi

# Alice comes over TLS, so one user can play both.
certificate ca self 'cn = authority' ca cert_signing_key 'expiration_days = 9'
certificate server ca 'cn = localhost' 'dns_name = localhost' tls_www_server signing_key 'expiration_days = 9'
certificate alice ca 'cn = alice' tls_www_client signing_key 'expiration_days = 9'
port=$(free_port)
start_target
for name in one two; do
    write_config $name '[limits]' 'requests_per_second = 0'
    sed -i "s,^where = .*,$database," $name.conf
done
sed -i "s,^unix = .*,&\nhttps = 127.0.0.1:$port\ncertificate = $T/server.crt\nprivate_key = $T/server.key\nclient_ca = $T/ca.crt," one.conf
start_manager two
start_manager one
export OSD_DEVICE=$DEVICE OSD_SECMGR=$SECMGR
alice() {
    osdctl --secmgr "https://localhost:$port" --secmgr-ca ca.crt --secmgr-cert alice.crt \
        --secmgr-key alice.key "$@"
}
two() { # an administrator who asks the other manager
    osdctl --secmgr "unix:$T/two.socket" "$@"
}
enrol disk1
osdctl acl set disk1 root "$me" all all || die "acl"
osdctl mk partition 0x10000 >/dev/null || die "mk"
osdctl create 0x10000/0x20000 >/dev/null || die "create"

# stream NAME CLIENT... - appends in one session what flows and ends feed it; its process in $STREAM; ends
# when $T/stop is there, with 0 if no command failed
stream() {
    local name=$1
    shift
    echo 0 >"$name.fed"
    echo 0 >"$name.want"
    (n=0
    while [ ! -e stop ]; do
        [ "$n" -lt "$(cat "$name.want")" ] || { sleep 0.02; continue; }
        head -c 262144 /dev/zero || break
        n=$((n + 1))
        echo $n >"$name.fed"
    done 2>/dev/null) | "$@" append - 0x10000/0x20000 >/dev/null 2>"$name.err" &
    STREAM=$!
}
# feed NAME N - so many pieces more, of which four are one command; what is fed then in $fed
feed() {
    fed=$(($(cat "$1.fed") + $2))
    echo $fed >"$1.want"
}
# flows NAME - it goes on: it takes more than two commands and the pipe, so one at least was carried out
flows() {
    feed "$1" 9
    for _ in $(seq 400); do
        [ "$(cat "$1.fed")" = $fed ] && return
        sleep 0.05
    done
    die "$1 stands still: $(cat "$1.err")"
}
# ends NAME PROCESS - refused at one of the next commands, with the manager's sentence
ends() {
    local rc=0
    feed "$1" 20
    while kill -0 "$2" 2>/dev/null; do
        [ "$(cat "$1.fed")" = $fed ] && die "$1 goes on"
        sleep 0.02
    done
    wait "$2" || rc=$?
    [ $rc -eq 5 ] || die "$1 ended with $rc: $(cat "$1.err")"
    grep -q "has no permission append on object 0x10000/0x20000 of disk1" "$1.err" || die "$(cat "$1.err")"
}
stream mine osdctl
mine=$STREAM
flows mine

# round WHAT RULE-COMMAND.. - alice gets the right, uses it, loses it by the command
round() {
    echo "== $1"
    shift
    stream alice alice
    flows alice
    "$@" || die "$*"
    ends alice "$STREAM"
    kill -0 "$mine" || die "the other client: $(cat mine.err)"
    flows mine
}
osdctl acl set disk1 0x10000/0x20000 cert:CN=alice append || die "acl"
round "a rule of an object is removed" osdctl acl rm disk1 0x10000/0x20000 cert:CN=alice
osdctl acl set disk1 0x10000/0x20000 cert:CN=alice append,read || die "acl"
round "it is narrowed, at the other manager" two acl set disk1 0x10000/0x20000 cert:CN=alice read
osdctl acl rm disk1 0x10000/0x20000 cert:CN=alice || die "acl"
osdctl acl set disk1 0x10000 other none append || die "acl"
round "a rule that says less about the same object comes up" \
    osdctl acl set disk1 0x10000/0x20000 cert:CN=alice none
osdctl acl rm disk1 0x10000/0x20000 cert:CN=alice || die "acl"
round "what a partition lets inherit" two acl rm disk1 0x10000 other
osdctl acl set disk1 root cert:CN=alice none append || die "acl"
round "what the device lets inherit" osdctl acl rm disk1 root cert:CN=alice
osdctl acl set disk1 0x10000/0x20000 group:staff append || die "acl"
osdctl group add staff cert:CN=alice || die "group"
round "a member leaves a group" two group rm staff cert:CN=alice
osdctl acl set disk1 0x10000/0x20000 cert:CN=alice append || die "acl"
touch once
alice append once 0x10000/0x20000 || die "alice may again"

echo "== by hand, for one object: everybody renews"
stream alice alice
flows alice
two key revoke disk1 0x10000/0x20000 || die "revoke"
flows alice
osdctl key rotate disk1 0x10000/0x20000 2>/dev/null && die "a key of an object"

echo "== rules that give more disturb nobody"
osdctl --json acl set disk1 0x10000/0x20000 cert:CN=alice append,read | grep -q '"revocation": *"none"' ||
    die "more rights revoke"
flows alice
flows mine
touch stop
wait "$mine" || die "my session: $(cat mine.err)"
wait "$STREAM" || die "alice's session: $(cat alice.err)"

echo "== the tag on the device is another each time, and it is the manager's"
tag() {
    osdctl attr get 0x10000/0x20000 0x5 0x40000001 | od -An -tx1
}
before=$(tag)
osdctl key revoke disk1 0x10000/0x20000 || die "revoke"
[ -n "$before" ] && [ "$(tag)" != "$before" ] || die "the tag stays $before"
osdctl attr set 0x10000/0x20000 0x5 0x40000001 0x00000000 || die "attr set"
alice append once 0x10000/0x20000 || die "the manager sets what is not its own right"

echo "== an object made before there were tags, a collection, a snapshot"
osdctl attr set 0x10000 0x30000005 0x40000002 0x00000000 || die "attr set"
osdctl create 0x10000/0x30000 || die "create"
osdctl cat 0x10000/0x30000 || die "cat"
osdctl create 0x10000/0x30001 || die "create"
osdctl compare 0x10000/0x30000 0x10000/0x30001 || die "compared with an object that had no tag"
osdctl snapshot create 0x10000 0x40000 || die "snapshot"
osdctl cat 0x40000/0x20000 >/dev/null || die "snapshot"
osdctl acl set disk1 0x40000/0x20000 cert:CN=alice read || die "acl"
alice cat 0x40000/0x20000 >/dev/null || die "alice reads the snapshot"
alice compare 0x10000/0x20000 0x40000/0x20000 >differs || die "alice compares with the snapshot"
[ -s differs ] && die "a fresh snapshot differs: $(cat differs)"
osdctl acl rm disk1 0x40000/0x20000 cert:CN=alice || die "acl"
alice cat 0x40000/0x20000 >/dev/null 2>&1 && die "alice reads the snapshot still"

echo "== the second of two objects: its credential ends and is renewed like the first one's"
mkfifo lines
"$BUILD/tests/secmgr/compare_often" "$DEVICE" "$SECMGR" 0x10000 0x30000 0x30001 <lines >compared 2>compare.err &
comparing=$!
exec 7>lines
# compared N - asked once more, N answers are there
compared() {
    echo >&7
    for _ in $(seq 200); do
        [ "$(grep -c same compared)" = "$1" ] && return
        kill -0 $comparing 2>/dev/null || break
        sleep 0.05
    done
    die "compare number $1: $(cat compared compare.err)"
}
compared 1
compared 2
osdctl key revoke disk1 0x10000/0x30001 || die "revoke"
compared 3
two key revoke disk1 0x10000/0x30000 || die "revoke"
compared 4
two key revoke disk1 0x10000 || die "revoke"
compared 5
osdctl key revoke disk1 0x10000/0x30001 || die "revoke"
osdctl key revoke disk1 0x10000/0x30000 || die "revoke"
compared 6
audit_of() { # the audit value of the last credential for an object, of the manager's entry about it
    local id
    id=$(grep '"outcome":"granted"' audit.jsonl | grep "\"oid\":\"$1\"" | tail -n 1 |
        sed 's/.*"request_id":"\([0-9a-f]*\)".*/\1/')
    [ ${#id} -eq 32 ] || die "no grant for $1"
    echo "${id}00000000"
}
osdctl attr set 0x10000 0x30000005 0x80000001 "0x$(audit_of 0x30001)" || die "freeze"
compared 7
osdctl attr set 0x10000 0x30000005 0x80000001 "0x$(audit_of 0x30000)" || die "freeze"
compared 8
osdctl acl set disk1 0x10000/0x30001 "$me" none || die "acl"
echo >&7
exec 7>&-
wait $comparing && die "compared with what it may not read"
grep -q "has no permission read on object 0x10000/0x30001 of disk1" compare.err || die "$(cat compare.err)"
osdctl acl rm disk1 0x10000/0x30001 "$me" || die "acl"

echo "== a device that does not answer: the change is made, and it says that it has not ended"
kill -STOP "$TARGET_PID"
rc=0
osdctl acl rm disk1 0x10000/0x20000 cert:CN=alice 2>err || rc=$?
kill -CONT "$TARGET_PID"
[ $rc -eq 6 ] || die "$rc: $(cat err)"
grep -q 'credentials given out before are still good' err || die "$(cat err)"
grep -q '"revocation":"pending"' audit.jsonl || die "not in the audit log"
for _ in $(seq 600); do
    grep -q 'left over are carried out' one.log two.log && break
    sleep 0.1
done
grep -q 'left over are carried out' one.log two.log || die "it stays pending"
exit 0
