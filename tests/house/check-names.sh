#!/usr/bin/env bash
# A function that a comment or a document names, `like_this()`, exists. Would catch: a comment
# that a renaming left behind.
set -euo pipefail
cd "$1"
# shellcheck source=tests/house/lib.sh
. "$(dirname "$0")/lib.sh"
bad=$(own_files . '*.c' '*.h' '*.md' '*CMakeLists.txt' '*.cmake' | python3 -c '
import re, sys

files = [f.rstrip("\n") for f in sys.stdin]
texts = {f: open(f, errors="replace").read() for f in files}
COMMENT = re.compile(r"/\*.*?\*/", re.S)
known = set()
for f, text in texts.items():
    if not f.endswith(".md"):
        known.update(re.findall(r"\b[A-Za-z_]\w*", COMMENT.sub(" ", text)))
bad = 0
for f, text in sorted(texts.items()):
    if f.endswith((".c", ".h")):
        places = COMMENT.findall(text)
    elif f.endswith(".md"):
        places = re.findall(r"`[^`]*`", text)
    else:
        continue
    for name in sorted(set(re.findall(r"\b([a-z_]\w*)\(\)", " ".join(places))) - known):
        print(f"{f}: names {name}(), which does not exist", file=sys.stderr)
        bad += 1
print(bad)
')
finish names "$bad"
