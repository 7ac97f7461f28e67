#!/bin/sh
# Programs of NVIDIA's runtime, static and shared, start on the library and
# enumerate; no mount and no worker: plain files read as nodes do.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"

nvcc=${CUDA_HOME:-/usr/local/cuda}/bin/nvcc
[ -n "$CUDA_HOME" ] && [ -x "$nvcc" ] || skip_all "no nvcc"
grep -q '^#define VGPU_CUDART_HANDSHAKE 1' "$TOP_BUILD/config.h" || skip_all "built without the handshake"
PRELOAD=
if [ -n "$SANITIZER" ]; then
	PRELOAD=$(sanitizer_preload "$TOP_BUILD/libcuda-vgpu/libcuda.so") || skip_all "this sanitizer can't be brought into nvcc's programs"
	export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"
fi

mkdir "$T/dev"
cat >"$T/dev/nvidiactl" <<EOF
vgpufs 1
driver 580.95.05
cuda 13000
devices 2
device 0
uuid GPU-aa000000-0000-0000-0000-000000000000
pci 0000:3a:00.0
index 0
minor 0
name First
device 1
uuid GPU-bb000000-0000-0000-0000-000000000000
pci 0000:3b:00.0
index 1
minor 1
name Second
compute_cap 89
memory_total 8589934592
sm_count 4
end
EOF
: >"$T/dev/nvidia0"
: >"$T/dev/nvidia1"
export VGPU_PATH="$T/dev"
export LD_LIBRARY_PATH="$TOP_BUILD/libcuda-vgpu:$CUDA_HOME/lib64"
unset CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER

expect='count cudaSuccess 2
device 0: First cc 12.0 16384 MiB 16 SMs 0000:3A:00.0 aa00
device 1: Second cc 8.9 8192 MiB 4 SMs 0000:3B:00.0 bb00
driver 13000'
for kind in static shared; do
	ok "nvcc builds it with the $kind runtime" "$nvcc" -cudart $kind -o "$T/$kind" "$TOP_SRC/t/612-cudart.cu"
	if [ -n "$PRELOAD" ]; then
		mv "$T/$kind" "$T/$kind.bin"
		printf '#!/bin/sh\nLD_PRELOAD=%s exec "%s.bin"\n' "$PRELOAD" "$T/$kind" >"$T/$kind"
		chmod +x "$T/$kind"
	fi
	is "$kind: devices" "$("$T/$kind" 2>&1)" "$expect"
	is "$kind: one is visible" "$(CUDA_VISIBLE_DEVICES=1 "$T/$kind" 2>&1 | grep -c '^device 0: Second')" 1
	is "$kind: picked by UUID" "$(CUDA_VISIBLE_DEVICES=GPU-bb "$T/$kind" 2>&1 | grep -c '^device')" 1
	is "$kind: none is visible" "$(CUDA_VISIBLE_DEVICES= "$T/$kind" 2>&1 | head -1)" "count cudaErrorNoDevice -1"
	is "$kind: no node" "$(VGPU_PATH="$T/none" "$T/$kind" 2>&1 | head -1 | cut -d' ' -f1)" count
	VGPU_DEBUG=api,file="$T/trace" "$T/$kind" >/dev/null 2>&1
	like "$kind: the trace says what was called" "$(cat "$T/trace")" 'cuInit\(Flags=0\) = 0'
	like "$kind: with names as text" "$(cat "$T/trace")" 'cuGetProcAddress_v2\(symbol="cuInit", '
	rm -f "$T/trace"
	is "$kind: nothing is printed of itself" "$("$T/$kind" 2>&1 >/dev/null)" ""
done
done_testing
