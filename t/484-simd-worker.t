#!/bin/bash
# 484-simd-worker: a mounted device of the simd backend: a program's kernels are compiled outside of its worker and kept with
# the mount's state; the next program's are taken from there; a device of the interpreter has no compiler.
. "${VGPU_TOP_SRCDIR:-$(dirname "$0")/..}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
[ -f "$TOP_BUILD/engine/simdgen.so" ] || skip_all "built without LLVM"
[ -z "$SANITIZER" ] || skip_all "LLVM isn't built with the sanitizer"
vgpu_mount 0
# Until super has but one child, the daemon: workers' compilers store what they have made, and end with them.
settle() {
	for _ in $(seq 300); do
		[ "$(wc -w <"/proc/$SUPER_PID/task/$SUPER_PID/children")" -le 1 ] && return
		sleep 0.1
	done
	fail "compilers are left"
}
run() {
	VGPU_PATH="$MNT" LD_LIBRARY_PATH="$TOP_BUILD/libcuda-vgpu" "$TOP_BUILD/demo/vgpu-demo" 2>&1
	settle
}
CACHE="$STATE/cache/$(id -u)"
kept() { (cd "$CACHE" 2>/dev/null && stat -c '%n %i %z' ./*.sdo 2>/dev/null | sort); }
vgpu_ctl create backend=simd >/dev/null || bail "no device"

like "a program's results are right" "$(run)" "computed [0-9]+, right"
first=$(kept)
ok "its kernels were compiled, and are kept" test -n "$first"
is "… for nobody else to write" "$(stat -c %a "$CACHE")" 700
like "the next program's results are right" "$(run)" "computed [0-9]+, right"
is "… and nothing was compiled" "$(kept)" "$first"
chmod 777 "$CACHE"
rm -f "$CACHE"/*.sdo
like "a cache that others may write: results are right" "$(run)" "computed [0-9]+, right"
is "… and it isn't used" "$(kept)" ""
chmod 700 "$CACHE"
vgpu_ctl set 0 backend=interp >/dev/null
like "a device of the interpreter: results are right" "$(run)" "computed [0-9]+, right"
is "… and nothing was compiled" "$(kept)" ""
not_ok "a backend that isn't there is refused" vgpu_ctl set 0 backend=gpu
done_testing
