# shellcheck shell=bash
# mount.sh: sourced by the scripts of bench/. A vgpufs of this build tree on a
# private directory, for as long as the script runs.

# bench_mount TOP [OPTIONS OF vgpuctl create…]: sets T (a directory), VGPU_PATH, VGPU_CACHE_DIR, LD_LIBRARY_PATH
# and BENCH_SUPER (the parent of all workers); needs root. BENCH_CPUS: the CPUs that they may use, as taskset takes them.
bench_mount() {
	local top=$1 k
	shift
	T=$(mktemp -d /tmp/vgpufs-bench-XXXXXX)
	mkdir -p "$T/mnt" "$T/lib" "$T/state" "$T/cache"
	export VGPU_CACHE_DIR=$T/cache
	trap bench_unmount EXIT
	cp "$top/libcuda-vgpu/libcuda.so" "$T/lib/libcuda.so.1"
	"$top/tools/vgpuctl" --state "$T/state" create "$@" >/dev/null
	${BENCH_CPUS:+taskset -c "$BENCH_CPUS"} "$top/fusefs/vgpufs-super" -f --state "$T/state" "$T/mnt" &
	BENCH_SUPER=$!
	for ((k = 0; k < 100; k++)); do
		[ -e "$T/mnt/dev/nvidiactl" ] && break
		sleep 0.05
	done
	[ -e "$T/mnt/dev/nvidiactl" ] || { echo "the private mount doesn't come up" >&2; exit 1; }
	export BENCH_SUPER VGPU_PATH=$T/mnt LD_LIBRARY_PATH=$T/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

bench_unmount() {
	if [ -n "$BENCH_SUPER" ]; then
		kill "$BENCH_SUPER" 2>/dev/null || :
		wait "$BENCH_SUPER" 2>/dev/null || :
	fi
	umount -l "$T/mnt" 2>/dev/null || :
	rm -rf --one-file-system "$T"
}
