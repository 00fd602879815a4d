# shellcheck shell=bash
# Sourced by the checks of this directory: the list of the project's own files.

# own_files ROOT PATTERN... - files of the project below ROOT that match, build trees left out
own_files() {
    local root=$1
    shift
    if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
        git -C "$root" ls-files -- "$@"
    else
        (cd "$root" && for p in "$@"; do find . -name "$p" -not -path './build*'; done)
    fi
}

# finish NAME COUNT - the verdict of a check
finish() {
    if [ "$2" -gt 0 ]; then
        echo "$1: $2 finding(s)"
        exit 1
    fi
    echo "$1: clean"
}
