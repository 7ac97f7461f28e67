#!/bin/bash
# How PyTorch, llama.cpp and Ollama find GPUs, each in a child with an empty
# environment: NVML and CUDA agree, also when CUDA_VISIBLE_DEVICES chooses. In a
# mount namespace where the libraries are on the loader's path, as installed.
if [ -z "$VGPU_DISCOVERY_NS" ]; then
	if [ "$(id -u)" != 0 ]; then echo "1..0 # SKIP needs root (mount namespace)"; exit 0; fi
	unshare -m --propagation private true 2>/dev/null || { echo "1..0 # SKIP no mount namespaces"; exit 0; }
	VGPU_DISCOVERY_NS=1 exec unshare -m --propagation private "$0" "$@"
fi
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
vgpu_need_mount
chmod 755 "$T"
mkdir -p "$T/lib" "$T/bin" "$T/state"
cp "$TOP_BUILD/t/lib/discover" "$T/bin/" && cp "$TOP_BUILD/libcuda-vgpu/libcuda.so" "$T/lib/libcuda.so.1" &&
	cp "$TOP_BUILD/libnvml-vgpu/libnvidia-ml.so" "$T/lib/libnvidia-ml.so.1" || bail "not everything is built"
mount -t tmpfs -o mode=755 none /run || bail "tmpfs on /run"
at_end 'umount -l /run'
echo "$T/lib" >"$T/ld.so.conf"
cat /etc/ld.so.conf >>"$T/ld.so.conf"
ldconfig -C "$T/ld.so.cache" -f "$T/ld.so.conf" 2>/dev/null
mount --bind "$T/ld.so.cache" /etc/ld.so.cache || bail "bind ld.so.cache"
at_end 'umount -l /etc/ld.so.cache'
for n in /dev/nvidia* /dev/vgpuctl; do
	[ -f "$n" ] && [ ! -L "$n" ] && mount --bind /dev/null "$n"
done
D=$T/bin/discover
like "without devices PyTorch finds none" "$(env -i "$D" torch 2>&1)" failed
VGPUCTL=$TOP_BUILD/tools/vgpuctl
for p in H100 T4; do "$VGPUCTL" --state "$T/state" create --profile $p >/dev/null || bail "create"; done
STATE=$T/state
vgpu_mount_at /run/vgpufs "$STATE" || bail "no mount"
uuid() { awk '$1 == "uuid" && n++ == want { print $2 }' want="$1" /run/vgpufs/dev/nvidiactl; }
a=$(uuid 0) b=$(uuid 1)
t() { timeout 30 "$@" 2>&1; }

is "PyTorch" "$(t env -i "$D" torch)" "nvml 2 $a $b cuda 2"
is "… with one device chosen" "$(t env -i CUDA_VISIBLE_DEVICES=1 "$D" torch)" "nvml 2 $a $b cuda 1"
is "… as another user" "$(t setpriv --reuid=65534 --regid=65534 --clear-groups env -i "$D" torch)" "nvml 2 $a $b cuda 2"
for order in '' CUDA_DEVICE_ORDER=PCI_BUS_ID; do
	like "llama.cpp $order" "$(t env -i $order "$D" ggml)" "^2 GPU-[0-9a-f-]{36} 0/[0-9]+ GPU-[0-9a-f-]{36} 0/[0-9]+\$"
done
is "Ollama's second pass: the device by its UUID" "$(t env -i CUDA_VISIBLE_DEVICES="$b" "$D" ggml)" "1 $b 0/14917"
is "… the first one" "$(t env -i CUDA_VISIBLE_DEVICES="$a" "$D" ggml)" "1 $a 0/81079"
is "… by a prefix of it" "$(t env -i CUDA_VISIBLE_DEVICES="${b:0:12}" "$D" ggml)" "1 $b 0/14917"
is "… by its index" "$(t env -i CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=1 "$D" ggml)" "1 $b 0/14917"
is "Ollama" "$(t env -i CUDA_DEVICE_ORDER=PCI_BUS_ID "$D" ollama)" \
	"cuda 13000 [NVIDIA H100 80GB HBM3 9.0 0000:01:00.0] [Tesla T4 7.5 0000:02:00.0] driver $(sed -n 's/^driver //p' /run/vgpufs/dev/nvidiactl)"
done_testing
