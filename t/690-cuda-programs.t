#!/bin/sh
# 690-cuda-programs: the programs of t/cuda, built by nvcc as a user would, against a mounted vgpufs.
# By default each program once and some in other ways. CUDA_FULL=1: all ways, all programs over every transport.
# CUDA_PROGRAMS='a|b' picks from the full list, CUDA_TRANSPORTS='socket node' adds transports to that.
. "$(dirname "$0")/lib/tap.sh"
. "$(dirname "$0")/lib/mount.sh"

NVCC=$CUDA_HOME/bin/nvcc
[ -n "$CUDA_HOME" ] && [ -x "$NVCC" ] || skip_all "needs nvcc"
SRC=$TOP_SRC/t/cuda
JOBS=$(getconf _NPROCESSORS_ONLN)
LIMIT=${CUDA_PROGRAM_LIMIT:-120}
[ -n "$CUDA_PROGRAMS" ] && CUDA_FULL=1

# name, sources, nvcc's options: every program once. PTX alone is what the driver takes anyway.
plain() {
	for f in "$SRC"/*.cu; do
		n=$(basename "$f" .cu)
		case $n in
		rdc_*|cluster) ;;
		*) if [ -n "$CUDA_FULL" ]; then echo "$n $n.cu -arch=sm_75"; else echo "$n $n.cu ptx"; fi ;;
		esac
	done
	cat <<-END
		rdc rdc_main.cu,rdc_part.cu -rdc=true,-arch=sm_75
		cluster cluster.cu -arch=sm_90
	END
}
# The ways in which programs are built …
some() {
	cat <<-END
		shared-streams_events streams_events.cu -cudart=shared
		pt-overlap_callbacks overlap_callbacks.cu --default-stream=per-thread
		sm90-coop_tiles coop_tiles.cu -arch=sm_90
		sm120-atomics atomics.cu -arch=sm_120
		multi-matmul_shared matmul_shared.cu -gencode,arch=compute_75,code=[compute_75,sm_75],-gencode,arch=compute_90,code=compute_90
		lz4-black_scholes black_scholes.cu --compress-mode=speed
		debug-new_delete new_delete.cu -G
	END
}
# … and more of the same.
more() {
	cat <<-END
		rdc-ptx rdc_main.cu,rdc_part.cu -rdc=true,-gencode,arch=compute_80,code=compute_80
		shared-vector_add vector_add.cu -cudart=shared
		shared-managed managed.cu -cudart=shared
		shared-faults faults.cu -cudart=shared
		pt-per_thread per_thread.cu --default-stream=per-thread
		pt-async_copies async_copies.cu --default-stream=per-thread
		sm90-half_bf16 half_bf16.cu -arch=sm_90
		sm120-reduce_shuffle reduce_shuffle.cu -arch=sm_120
		sm120-integer_ops integer_ops.cu -arch=sm_120
		raw-scan scan.cu --compress-mode=none
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
{ plain; some; [ -z "$CUDA_FULL" ] || more; } >"$T/list"
[ -n "$CUDA_PROGRAMS" ] && { grep -E "^($CUDA_PROGRAMS) " "$T/list" >"$T/list.some"; mv "$T/list.some" "$T/list"; }

# A compiler's output is shown if it fails. ptx: one compilation, and the host's linker instead of nvcc's steps.
build() {
	name=$1 files= opts=$(echo "$3" | sed 's/,\(-\)/ \1/g; s/,\(arch\)/ \1/g')
	for f in $(echo "$2" | tr , ' '); do files="$files $SRC/$f"; done
	if [ "$opts" = ptx ]; then
		# shellcheck disable=SC2086
		"$NVCC" -diag-suppress 177 -O1 -gencode arch=compute_75,code=compute_75 -c -o "$T/$name.o" $files &&
			g++ -o "$T/$name" "$T/$name.o" -L"$CUDA_HOME/lib64" -lcudart_static -ldl -lrt -lpthread
	else
		# shellcheck disable=SC2086
		"$NVCC" -diag-suppress 177 -O1 $opts -o "$T/$name" $files
	fi >"$T/$name.build" 2>&1
}
# in_turns COMMAND <LINES: COMMAND with each line's words; as many at once as there are CPUs.
in_turns() {
	cat >"$T/turns"
	k=0
	while [ $k -lt "$JOBS" ]; do
		awk -v k=$k -v n="$JOBS" 'NR % n == k' "$T/turns" | while read -r line; do
			# shellcheck disable=SC2086
			"$1" $line </dev/null
		done &
		k=$((k + 1))
	done
	wait
}
in_turns build <"$T/list"

vgpu_mount 2
export VGPU_PATH="$MNT" LD_LIBRARY_PATH="$TOP_BUILD/libcuda-vgpu:$CUDA_HOME/lib64"

run() {
	timeout "$LIMIT" env LD_PRELOAD="$PRELOAD" "$T/$1" >"$T/$1.$2.out" 2>"$T/$1.$2.err" </dev/null
	echo $? >"$T/$1.$2.rc"
}
# run_all TRANSPORT NAMES…
run_all() {
	tr=$1; shift
	export VGPU_TRANSPORT="$tr"
	for p; do echo "$p $tr"; done | in_turns run
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
if [ -n "$CUDA_PROGRAMS" ]; then
	transports=$CUDA_TRANSPORTS some=$(cut -d' ' -f1 "$T/list")
elif [ -n "$CUDA_FULL" ]; then
	transports="socket node" some=$(cut -d' ' -f1 "$T/list")
else
	transports="socket node" some="streams_events async_copies memcpy_2d3d overlap_callbacks managed device_printf faults"
fi
# shellcheck disable=SC2086
for tr in $transports; do run_all $tr $some; done
done_testing
