# tap.sh: TAP for shell tests: source it, call ok/is/…, end with done_testing.
# Each test has a private directory $T, removed at the end; every cleanup
# command given to `at_end` runs then, last one first, whatever happened.
TAP_N=0 TAP_FAILED=0 TAP_CLEANUPS=
TOP_SRC=${VGPU_TOP_SRCDIR:-$(cd "$(dirname "$0")/.." && pwd)}
TOP_BUILD=${VGPU_TOP_BUILDDIR:-$TOP_SRC}
T=$(mktemp -d "${TMPDIR:-/tmp}/vgpufs-test-XXXXXX") || exit 99
# What --enable-sanitizer was given; empty in a plain build.
SANITIZER=$(sed -n 's/^#define VGPU_SANITIZER "\(.*\)"$/\1/p' "$TOP_BUILD/config.h" 2>/dev/null)

at_end() { TAP_CLEANUPS="$1
$TAP_CLEANUPS"; }
tap_cleanup() {
	trap - EXIT INT TERM
	eval "$TAP_CLEANUPS" >/dev/null 2>&1
	rm -rf --one-file-system "$T"
}
trap tap_cleanup EXIT
trap 'tap_cleanup; exit 99' INT TERM HUP PIPE

diag() { printf '%s\n' "$*" | sed 's/^/# /'; }
pass() { TAP_N=$((TAP_N + 1)); echo "ok $TAP_N - $*"; }
fail() { TAP_N=$((TAP_N + 1)); TAP_FAILED=$((TAP_FAILED + 1)); echo "not ok $TAP_N - $*"; }
skip() { TAP_N=$((TAP_N + 1)); echo "ok $TAP_N # SKIP $*"; }
skip_all() { echo "1..0 # SKIP $*"; exit 0; }
bail() { echo "Bail out! $*"; exit 99; }
# ok NAME COMMAND…: the command succeeds. Its output is shown when it fails.
ok() {
	local name=$1; shift
	if "$@" >"$T/.out" 2>&1; then pass "$name"; else fail "$name"; diag "failed ($?): $*"; sed 's/^/#   /' "$T/.out"; fi
}
# not_ok NAME COMMAND…: the command fails (and is not killed by a signal).
not_ok() {
	local name=$1 r; shift
	"$@" >"$T/.out" 2>&1; r=$?
	if [ $r -ne 0 ] && [ $r -lt 126 ]; then pass "$name"; else fail "$name"; diag "answered $r: $*"; sed 's/^/#   /' "$T/.out"; fi
}
# A program that the sanitizer did not build can load our libraries when its run time comes first: prints that
# library; fails when there is none, as ThreadSanitizer and clang's static run time don't work so.
sanitizer_preload() {
	case $SANITIZER in *address*) ;; *) return 1 ;; esac
	ldd "$1" | awk '$1 ~ /^libasan/ { print $3; found = 1 } END { exit !found }'
}
# is NAME GOT WANT
is() { if [ "$2" = "$3" ]; then pass "$1"; else fail "$1"; diag "got:  $2"; diag "want: $3"; fi; }
# like NAME GOT PATTERN (extended regular expression)
like() { if printf '%s\n' "$2" | grep -Eq -- "$3"; then pass "$1"; else fail "$1"; diag "got: $2"; diag "does not match: $3"; fi; }
done_testing() { echo "1..$TAP_N"; [ $TAP_FAILED -eq 0 ]; exit; }
