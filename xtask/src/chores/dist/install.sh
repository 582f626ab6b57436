#!/bin/sh
# Installs lens @VERSION@ below a folder that is named ($HOME/.local by default): bin/, lib/lens/ and share/.
set -eu

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
to=${1:-${HOME:?has to be set, or a folder named}/.local}

[ "$(uname -m)" = x86_64 ] || fail "this lens is for x86_64, and this machine is $(uname -m)"
found=$(getconf GNU_LIBC_VERSION 2>/dev/null) ||
    fail "this lens needs glibc @GLIBC@ or newer, and this system has another C library (musl?)"
found=${found##* }
oldest=$(printf '%s\n%s\n' "@GLIBC@" "$found" | sort -t. -k1,1n -k2,2n | head -n 1)
[ "$oldest" = "@GLIBC@" ] || fail "this lens needs glibc @GLIBC@ or newer, and this system has $found"

mkdir -p "$to/bin" "$to/lib" "$to/share"
# Libraries of another version do not stay beside the new ones.
rm -rf "$to/lib/lens"
cp -R "$here/lib/lens" "$to/lib/"
cp -R "$here/share/." "$to/share/"
for binary in "$here"/bin/*; do
    # A running lens keeps the file that it was started from.
    cp "$binary" "$to/bin/.new.$$" && mv -f "$to/bin/.new.$$" "$to/bin/${binary##*/}"
done
"$to/bin/lens" --version >/dev/null || fail "$to/bin/lens does not start"
echo "lens @VERSION@ is installed: $to/bin/lens"
case ":${PATH:-}:" in
*":$to/bin:"*) ;;
*) echo "$to/bin is not on your PATH" ;;
esac
