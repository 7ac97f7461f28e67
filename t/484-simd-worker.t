#!/bin/bash
# 484-simd-worker: a mounted device, which is of the simd backend unless it says otherwise: a program's kernels are compiled
# outside of its worker and kept with the mount's state; the next program's are taken from there; a device of the interpreter
# has no compiler. Where there is no compiler kernels are interpreted, and the log says why.
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
# shellcheck disable=SC2317
names() { kept | cut -d' ' -f1; }
# Those of a list that aren't kept as they were. (More may come: what runs for long is compiled anew, better.)
gone() { comm -23 <(echo "$1") <("$2"); }
vgpu_ctl create >/dev/null || bail "no device"

like "a program's results are right" "$(run)" "computed [0-9]+, right"
first=$(kept)
ok "its kernels were compiled, and are kept" test -n "$first"
is "… for nobody else to write" "$(stat -c %a "$CACHE")" 700
like "the next program's results are right" "$(run)" "computed [0-9]+, right"
is "… and what was kept is as it was" "$(gone "$first" kept)" ""
chmod 777 "$CACHE"
rm -f "$CACHE"/*.sdo
like "a cache that others may write: results are right" "$(run)" "computed [0-9]+, right"
is "… and it isn't used" "$(kept)" ""
chmod 700 "$CACHE"
vgpu_ctl set 0 backend=interp >/dev/null
like "a device of the interpreter: results are right" "$(run)" "computed [0-9]+, right"
is "… and nothing was compiled" "$(kept)" ""
vgpu_ctl set 0 backend=simd >/dev/null
like "a device of the compiler: results are right" "$(run)" "computed [0-9]+, right"
is "… and they are the ones from before" "$(gone "$(echo "$first" | cut -d' ' -f1)" names)" ""
not_ok "a backend that isn't there is refused" vgpu_ctl set 0 backend=gpu

# again NAME: the same on a mount of its own, with vgpu-jit and its generator as the environment says.
again() {
	mkdir -p "$T/$1"
	chmod 755 "$T/$1"
	STATE=$T/$1/state MNT=$T/$1/mnt
	vgpu_state "$STATE" 1 && vgpu_mount_at "$MNT" "$STATE" || bail "no mount"
}
VGPU_JIT=$T/none again no-jit
like "no compiler: results are right" "$(run)" "computed [0-9]+, right"
like "… and the log says why" "$(cat "$MNT.log")" "session [0-9]+: kernels are interpreted: $T/none: No such file"
vgpu_ctl set 0 backend=simd >/dev/null
not_ok "… a device that must have one has no context" env VGPU_PATH="$MNT" LD_LIBRARY_PATH="$TOP_BUILD/libcuda-vgpu" "$TOP_BUILD/demo/vgpu-demo"
like "… and the log says why" "$(cat "$MNT.log")" "session [0-9]+: $T/none: No such file"
printf '#!/bin/sh\nexit 1\n' >"$T/false"
chmod 755 "$T/false"
VGPU_JIT=$T/false again false-jit
like "a compiler that ends at once: results are right" "$(run)" "computed [0-9]+, right"
like "… and the log says why" "$(cat "$MNT.log")" "kernel '.*' is interpreted: the compiler's process is gone"
VGPU_SIMDGEN=$T/none again no-generator
like "no generator: results are right" "$(run)" "computed [0-9]+, right"
like "… and the log says why" "$(cat "$MNT.log")" "vgpu-jit: open $T/none: No such file"
# Compilers that have no memory: what isn't kept is interpreted, so what was kept before is all that a next run needs.
VGPU_CACHE_DIR=${CACHE%/*} VGPU_JIT_MEM_MB=1 again cached
like "nothing can be compiled, all is kept: results are right" "$(run)" "computed [0-9]+, right"
not_ok "… and nothing had to be compiled" grep "is interpreted" "$MNT.log"
VGPU_JIT_MEM_MB=1 again hungry
like "nothing can be compiled, nothing is kept: results are right" "$(run)" "computed [0-9]+, right"
ok "… and it would have had to be" grep -q "is interpreted" "$MNT.log"
done_testing
