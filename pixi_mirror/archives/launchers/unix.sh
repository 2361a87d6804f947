#!/bin/sh
{ # All is read up to the end of this before any of it is done: what was cut short neither begins nor ends well.
# An environment that installs itself:   sh THIS_FILE [-o DIRECTORY] [-e NAME] [-s SHELL] [-v] [-q] [-h]
# Between the marks below stand a tar and the program that unpacks it, both in base64, line by line: nothing here
# ever holds more than a few lines of them.
set -u

kind='{kind}'
size='{size}'
sha256='{sha256}'
end_mark='@@END_ARCHIVE@@'
self=$0
case $self in
/*) ;;
*) self=./$self ;;
esac
work=
run_in=

complain() {
    printf '%s: %s\n' "$self" "$1" >&2
    exit "$2"
}

clean() {
    [ -z "$work" ] || rm -rf "$work"
    [ -z "$run_in" ] || [ "$run_in" = "$work" ] || rm -rf "$run_in"
}
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# A folder of our own inside of $1, on stdout.
folder_in() {
    [ -n "$1" ] && [ -d "$1" ] && (umask 077 && mktemp -d "$1/.pixi-mirror.XXXXXXXX") 2>/dev/null
}

decodes() {
    [ "$(printf 'eA==\n' | "$@" 2>/dev/null)" = x ]
}

decoded() {
    case $decoder in
    d) base64 -d ;;
    D) base64 -D ;;
    *) openssl base64 -d ;;
    esac
}

archive() {
    tail -n "+$((first + 1))" "$self" | LC_ALL=C sed -e '/^@/,$d' | decoded
}

digest_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum <"$1"
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 <"$1"
    elif command -v openssl >/dev/null 2>&1; then
        openssl dgst -sha256 -r <"$1"
    else
        printf '%s' "$sha256"
    fi
}

unpacker_into() {
    tail -c "$size" "$self" | decoded >"$1" || complain "the unpacker in it cannot be written to $1: the disk is full, or it was damaged on its way here." 8
    found=$(digest_of "$1")
    [ "${found%% *}" = "$sha256" ] || complain 'it was damaged on its way here: the unpacker in it is not the one that was packed. Copy it again.' 6
}

# The directory of -o, or the nearest above it that there is already.
target() {
    chosen=.
    while [ $# -gt 0 ]; do
        case $1 in
        -o | --output-directory) chosen=${2-.} ;;
        --output-directory=*) chosen=${1#*=} ;;
        -o?*) chosen=${1#-o} ;;
        esac
        shift
    done
    case $chosen in
    /*) ;;
    *) chosen=./$chosen ;;
    esac
    while [ ! -d "$chosen" ]; do
        chosen=${chosen%/*}
        [ -n "$chosen" ] || chosen=/
    done
    printf '%s' "$chosen"
}

# A folder from which programs may be started, on stdout: many a /tmp is mounted so that none may.
runnable_folder() {
    for place in "${TMPDIR:-/tmp}" "$(target "$@")" "${XDG_RUNTIME_DIR-}" /var/tmp "${HOME-}"; do
        tried=$(folder_in "$place") || continue
        printf '#!/bin/sh\nexit 0\n' >"$tried/try" 2>/dev/null
        if chmod 700 "$tried/try" 2>/dev/null && "$tried/try" 2>/dev/null; then
            rm -f "$tried/try"
            printf '%s' "$tried"
            return 0
        fi
        rm -rf "$tried"
    done
    return 1
}

# A Python that is new enough, on stdout: the first, or where nothing else reads zstd the first that does it itself.
interpreter_here() {
    enough=
    for candidate in python3 python python3.15 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9; do
        "$candidate" -I -c 'import sys
assert sys.version_info >= (3, 9)
sys.exit(0 if sys.version_info >= (3, 14) else 3)' >/dev/null 2>&1 </dev/null
        case $? in
        0) reads_zstd=yes ;;
        3) reads_zstd=$(command -v zstd || command -v unzstd) ;;
        *) continue ;;
        esac
        enough=${enough:-$candidate}
        [ -z "$reads_zstd" ] || { enough=$candidate && break; }
    done
    printf '%s' "$enough"
    [ -n "$enough" ]
}

run_python() {
    interpreter=$(interpreter_here) || complain 'a Python is needed to unpack this, 3.9 or newer (3.14 or newer, or the program zstd, to read packages in the format .conda); there is none on PATH. Install one, or ask for this pack with an unpacker that is a program.' 7
    unpacker_into "$work/unpacker.py"
    archive | PIXI_MIRROR_SCRIPT=$self "$interpreter" -I -B "$work/unpacker.py" "$@" -
}

run_program() {
    run_in=$(runnable_folder "$@") || complain 'programs can be started neither from the temporary directory nor from the one of -o; set TMPDIR to a directory from which they can.' 8
    unpacker_into "$run_in/unpacker"
    chmod 700 "$run_in/unpacker"
    archive >"$work/archive.tar" || complain "cannot write $work/archive.tar; is the disk full? TMPDIR chooses another place." 8
    "$run_in/unpacker" "$@" "$work/archive.tar"
}

[ -f "$self" ] && [ -r "$self" ] || complain 'this has to be started as a file that can be read, not from a pipe.' 8
first=$(sed -n -e '/^@@END_HEADER@@$/{=;q;}' "$self")
length=$((size + ${#end_mark} + 1))
[ "$(tail -c "$length" "$self" | head -n 1)" = "$end_mark" ] || complain 'it was cut short or changed on its way here. Copy it again, as a binary file.' 6
if decodes base64 -d; then
    decoder=d
elif decodes base64 -D; then
    decoder=D
elif decodes openssl base64 -d; then
    decoder=openssl
else
    complain 'there is no program here that decodes base64; install coreutils, busybox or openssl.' 7
fi
work=$(folder_in "${TMPDIR:-/tmp}") || work=$(folder_in "$(target "$@")") || complain "no file can be made in ${TMPDIR:-/tmp}; set TMPDIR to a directory where one can." 8
"run_$kind" "$@"
exit $?
}
@@END_HEADER@@
