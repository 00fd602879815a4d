# shellcheck shell=bash
# lib.sh - sourced by the tests of osdctl: a store of their own, checks of results and exit codes
#
# Arguments of a test: the program, the source tree. A test runs in its own directory $T, with
# OSD_DEVICE naming a fresh store there. Every check prints what it expected and ends the test.
# Its functions set variables for the tests that source it.
# shellcheck disable=SC2034
set -u

OSDCTL=$1
ROOT=$2
T=$(mktemp -d "${TMPDIR:-/tmp}/osdctl-test.XXXXXX")
trap 'rm -rf "$T"' EXIT
cd "$T" || exit 1
export OSD_DEVICE=file://$T/store
export LC_ALL=C.UTF-8
umask 022

die() {
    echo "FAILED: $*" >&2
    exit 1
}

osdctl() {
    "$OSDCTL" "$@"
}

# A store without keys.
new_store() {
    rm -rf "$T/store"
    osdctl --create-store --method nosec "$@" info >/dev/null || die "cannot make a store"
}

# expect CODE COMMAND... - the exit code; output in $out and $err
expect() {
    local want=$1 rc=0
    shift
    "$@" >"$T/.out" 2>"$T/.err" </dev/null || rc=$?
    out=$(tr -d '\0' <"$T/.out")
    err=$(tr -d '\0' <"$T/.err")
    [ $rc -eq "$want" ] || die "$* ended with $rc, not $want; $(head -c 2000 .out .err)"
}

# says TEXT - standard error of the last expect has the text
says() {
    case $err in
    *"$1"*) ;;
    *) die "the message is \"$err\", without \"$1\"" ;;
    esac
}

# json EXPRESSION - the last expect's output is one JSON document d for which this Python
# expression holds; its "ok" and error code agree with the exit code; docs/json.md names all its
# members
json() {
    python3 - "$1" "$T/.out" "$ROOT/docs/json.md" <<'END' || die "json: $1"
import json, re, sys
text = open(sys.argv[2], encoding="ascii").read()
d = json.loads(text)
assert text.endswith("\n") and text.count("\n") >= 1
assert d["schema"] == "osdctl/1" and set(d) <= {"schema", "ok", "data", "error"}, d
assert d["ok"] == ("error" not in d), d
if not d["ok"]:
    assert set(d["error"]) == {"code", "status", "message"}, d
    assert d["error"]["code"] > 0 and d["error"]["message"], d
def members(v):
    if isinstance(v, dict):
        return set(v).union(*map(members, v.values()))
    return set().union(*map(members, v)) if isinstance(v, list) else set()
words = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]*`", open(sys.argv[3]).read()))))
assert members(d) <= words | {"code", "status", "message"}, members(d) - words
if not eval("(" + sys.argv[1] + ")", {"d": d, "data": d.get("data"), "error": d.get("error")}):
    sys.exit("does not hold: " + sys.argv[1] + "\nof " + text)
END
}

# same A B - two trees are the same: names, types, contents, modes, times, link targets
same() {
    diff <(listing "$1") <(listing "$2") >"$T/.diff" || die "$1 and $2 differ: $(cat "$T/.diff")"
}

listing() {
    python3 - "$1" <<'END'
import hashlib, os, stat, sys
root = os.fsencode(sys.argv[1])
for d, dirs, files in os.walk(root):
    dirs.sort()
    for name in sorted(dirs + files):
        path = os.path.join(d, name)
        s = os.lstat(path)
        what = b""
        if stat.S_ISLNK(s.st_mode):
            what = os.readlink(path)
        elif stat.S_ISREG(s.st_mode):
            h = hashlib.sha256()
            with open(path, "rb") as f:
                while block := f.read(1 << 20):
                    h.update(block)
            what = b"%d %s" % (s.st_size, h.hexdigest().encode())
        mode = 0 if stat.S_ISLNK(s.st_mode) else s.st_mode
        print(ascii(os.path.relpath(path, root)), oct(mode), s.st_mtime_ns, ascii(what))
END
}
