#!/bin/sh
# 690-cuda-programs: the programs of t/cuda, built by nvcc as a user would, against a mounted vgpufs.
. "$(dirname "$0")/lib/tap.sh"
. "$(dirname "$0")/lib/mount.sh"

NVCC=$CUDA_HOME/bin/nvcc
[ -n "$CUDA_HOME" ] && [ -x "$NVCC" ] || skip_all "needs nvcc"
SRC=$TOP_SRC/t/cuda
JOBS=$(getconf _NPROCESSORS_ONLN)
LIMIT=${CUDA_PROGRAM_LIMIT:-120}

# name, sources, nvcc's options: every program once, and some in other ways
list() {
	for f in "$SRC"/*.cu; do
		n=$(basename "$f" .cu)
		case $n in
		rdc_*|cluster) ;;
		*) echo "$n $n.cu -arch=sm_75" ;;
		esac
	done
	cat <<-END
		rdc rdc_main.cu,rdc_part.cu -rdc=true,-arch=sm_75
		rdc-ptx rdc_main.cu,rdc_part.cu -rdc=true,-gencode,arch=compute_80,code=compute_80
		cluster cluster.cu -arch=sm_90
		shared-vector_add vector_add.cu -cudart=shared
		shared-streams_events streams_events.cu -cudart=shared
		shared-managed managed.cu -cudart=shared
		shared-faults faults.cu -cudart=shared
		pt-per_thread per_thread.cu --default-stream=per-thread
		pt-overlap_callbacks overlap_callbacks.cu --default-stream=per-thread
		pt-async_copies async_copies.cu --default-stream=per-thread
		sm90-half_bf16 half_bf16.cu -arch=sm_90
		sm90-coop_tiles coop_tiles.cu -arch=sm_90
		sm120-atomics atomics.cu -arch=sm_120
		sm120-reduce_shuffle reduce_shuffle.cu -arch=sm_120
		sm120-integer_ops integer_ops.cu -arch=sm_120
		multi-matmul_shared matmul_shared.cu -gencode,arch=compute_75,code=[compute_75,sm_75],-gencode,arch=compute_90,code=compute_90
		lz4-black_scholes black_scholes.cu --compress-mode=speed
		raw-scan scan.cu --compress-mode=none
		debug-new_delete new_delete.cu -G
		lineinfo-transpose transpose.cu -lineinfo
	END
}

PRELOAD=
if [ -n "$SANITIZER" ]; then
	PRELOAD=$(sanitizer_preload "$TOP_BUILD/libcuda-vgpu/libcuda.so") || skip_all "this sanitizer can't be brought into nvcc's programs"
	# what cudart never frees is its own affair; each of our C tests looks for leaks
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 LIMIT=600
	export ASAN_OPTIONS
fi
vgpu_need_mount
list >"$T/list"
# The whole list, as many at once as there are CPUs; a compiler's output is shown if it fails.
build() {
	name=$1 files= opts=$(echo "$3" | sed 's/,\(-\)/ \1/g; s/,\(arch\)/ \1/g')
	for f in $(echo "$2" | tr , ' '); do files="$files $SRC/$f"; done
	# shellcheck disable=SC2086
	"$NVCC" -diag-suppress 177 -O1 $opts -o "$T/$name" $files >"$T/$name.build" 2>&1
}
[ -n "$CUDA_PROGRAMS" ] && { grep -E "^($CUDA_PROGRAMS) " "$T/list" >"$T/list.some"; mv "$T/list.some" "$T/list"; }
n=0
while read -r name files opts; do
	build "$name" "$files" "$opts" </dev/null &
	n=$((n + 1))
	[ $((n % JOBS)) -eq 0 ] && wait
done <"$T/list"
wait

vgpu_mount 2
export VGPU_PATH="$MNT" LD_LIBRARY_PATH="$TOP_BUILD/libcuda-vgpu:$CUDA_HOME/lib64"

run() {
	timeout "$LIMIT" env LD_PRELOAD="$PRELOAD" "$T/$1" >"$T/$1.$2.out" 2>"$T/$1.$2.err" </dev/null
	echo $? >"$T/$1.$2.rc"
}
# run_all TRANSPORT NAMES…
run_all() {
	tr=$1 n=0; shift
	export VGPU_TRANSPORT="$tr"
	for p; do
		run "$p" "$tr" &
		n=$((n + 1))
		[ $((n % JOBS)) -eq 0 ] && wait
	done
	wait
	for p; do
		rc=$(cat "$T/$p.$tr.rc" 2>/dev/null)
		if [ ! -x "$T/$p" ]; then
			fail "$p is built"; diag "$(tail -5 "$T/$p.build")"
		elif [ "$rc" = 77 ]; then
			skip "$p: $(tail -1 "$T/$p.$tr.out")"
		elif [ "$rc" = 0 ]; then
			pass "$p ($tr)"
		else
			fail "$p ($tr)"
			diag "exit $rc"
			diag "$(tail -5 "$T/$p.$tr.out")"
			diag "$(tail -3 "$T/$p.$tr.err")"
		fi
	done
}

# shellcheck disable=SC2046
run_all ring $(cut -d' ' -f1 "$T/list")
if [ -z "$CUDA_PROGRAMS" ]; then
	for tr in socket node; do
		run_all $tr vector_add streams_events async_copies memcpy_2d3d overlap_callbacks mapped_host managed device_printf \
			constant_memory faults templates pool_alloc
	done
else
	# shellcheck disable=SC2046
	[ -n "$CUDA_TRANSPORTS" ] && for tr in $CUDA_TRANSPORTS; do run_all "$tr" $(cut -d' ' -f1 "$T/list"); done
fi
done_testing
