# shellcheck shell=bash
# lib.sh - sourced by the tests of the security manager: a device, a manager, questions to it
#
# Arguments of a test: directory of the built programs, the source tree. A test runs in its own
# directory $T; what it starts ends with it.
# shellcheck disable=SC2034
set -u

BUILD=$1
ROOT=$2
# In memory, if there is room: a database that waits for a busy disk tests the disk.
# shellcheck source=tests/place.sh
. "$ROOT/tests/place.sh"
T=$(mktemp -d "$PLACE/secmgr-test.XXXXXX")
cd "$T" || exit 1
export LC_ALL=C.UTF-8
unset OSD_DEVICE OSD_SECMGR
MASTER=$(printf '5a%.0s' $(seq 40))
PIDS=()
# shellcheck source=tests/ports.sh
. "$ROOT/tests/ports.sh"

end() {
    for p in "${PIDS[@]}"; do
        kill "$p" 2>/dev/null
    done
    wait 2>/dev/null
    rm -rf "$T"
}
trap end EXIT

die() {
    echo "FAILED: $*" >&2
    tail -n 30 "$T"/*.log >&2 2>/dev/null
    exit 1
}

osdctl() {
    "$BUILD/client/osdctl/osdctl" "$@"
}

# wait_for FILE PATTERN - until a line is there
wait_for() {
    for _ in $(seq 1200); do
        grep -qE "$2" "$1" 2>/dev/null && return 0
        sleep 0.05
    done
    die "no \"$2\" in $1: $(cat "$1")"
}

# start_target [METHOD [foreign]] - a device, of another vendor; its URL in $DEVICE, its process in
# $TARGET_PID
start_target() {
    local out=$T/target$((${#PIDS[@]})).log port
    "$BUILD/tests/secmgr/osd_target" 0 "$MASTER" "${1:-2}" ${2:+"$2"} >"$out" 2>&1 &
    TARGET_PID=$!
    PIDS+=("$TARGET_PID")
    wait_for "$out" '^ready [0-9]+'
    port=$(awk '/^ready/ {print $2}' "$out")
    DEVICE=iscsi://127.0.0.1:$port/iqn.2026-11.org.liosd:test/0
}

# write_config NAME [LINE...] - $T/NAME.conf with what every manager here has, and more lines
write_config() {
    local name=$1
    shift
    (umask 077 && echo "a passphrase for tests only" >"$T/passphrase")
    {
        printf '[listen]\nunix = %s/%s.socket\n' "$T" "$name"
        printf '[database]\nwhere = %s/secmgr.db\n' "$T"
        printf '[keys]\npassphrase_file = %s/passphrase\n' "$T"
        printf '[audit]\nfile = %s/audit.jsonl\n' "$T"
        printf '%s\n' "[access]" "admin = uid:$(id -u)" "$@"
    } >"$T/$name.conf"
}

# start_manager NAME - with $T/NAME.conf; its process in $MANAGER_PID, its URL in $SECMGR
start_manager() {
    : >"$T/$1.log" # the line of the process before must not count
    setpriv --pdeathsig TERM "$BUILD/secmgr/osd-secmgr" --config "$T/$1.conf" >"$T/$1.log" 2>&1 &
    MANAGER_PID=$!
    PIDS+=("$MANAGER_PID")
    SECMGR=unix:$T/$1.socket
    wait_for "$T/$1.log" '^ready'
}

# ask STATUS METHOD PATH [BODY] - a request as this user; the reply in $reply
ask() {
    local want=$1 got
    got=$(curl -sS --unix-socket "${SECMGR#unix:}" -o "$T/.reply" -w '%{http_code}' -X "$2" \
        ${4:+-d "$4"} "http://secmgr$3") || die "$2 $3: no reply"
    reply=$(cat "$T/.reply")
    [ "$got" = "$want" ] || die "$2 $3: $got, not $want: $reply"
}

# holds EXPRESSION - a Python expression about the reply: d, data, error
holds() {
    python3 - "$1" "$T/.reply" <<'END' || die "does not hold: $1"
import json, sys
d = json.load(open(sys.argv[2]))
assert d["schema"] == "osd-secmgr/1" and len(d["request_id"]) == 32, d
assert d["ok"] == ("error" not in d), d
if not eval("(" + sys.argv[1] + ")", {"d": d, "data": d.get("data"), "error": d.get("error")}):
    sys.exit(str(d))
END
}

# enrol NAME - the device of start_target
enrol() {
    ask 200 POST /v1/osds "{\"name\":\"$1\",\"url\":\"$DEVICE\",\"master_key\":\"$MASTER\"}"
}

# rule OSD JSON-MEMBERS
rule() {
    ask 200 PUT "/v1/osds/$1/acl" "{$2}"
}

# certificate NAME AUTHORITY [TEMPLATE-LINE...] - NAME.crt and NAME.key; AUTHORITY self: its own
certificate() {
    local name=$1 ca=$2
    shift 2
    printf '%s\n' "$@" >"$name.tmpl"
    certtool --generate-privkey --key-type ecdsa --curve secp256r1 --outfile "$name.key" 2>/dev/null
    if [ "$ca" = self ]; then
        certtool --generate-self-signed --load-privkey "$name.key" --template "$name.tmpl" \
            --outfile "$name.crt" 2>err || die "certtool: $(cat err)"
    else
        certtool --generate-certificate --load-privkey "$name.key" --template "$name.tmpl" \
            --load-ca-certificate "$ca.crt" --load-ca-privkey "$ca.key" --outfile "$name.crt" 2>err ||
            die "certtool: $(cat err)"
    fi
}

# expect STATUS COMMAND... - it ends with that exit status; what it said is kept
expect() {
    local want=$1 rc=0
    shift
    "$@" >"$T/.out" 2>"$T/.err" || rc=$?
    [ $rc -eq "$want" ] || die "$* ended with $rc, not $want; $(cat "$T/.out" "$T/.err")"
}

# says TEXT - the last one that was expected said this
says() {
    grep -qF -- "$1" "$T/.err" "$T/.out" || die "\"$1\" is not said: $(cat "$T/.out" "$T/.err")"
}
