#!/bin/bash
# Tools of Debian's packages with 1, 2, 8 and 16 devices of four models, and in a sandbox with two of eight: what they
# show is as recorded (t/data/nvml/many-TOOL.txt, a part for each), with what differs from run to run masked.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/tools.sh"
PY=/usr/bin/python3
deb_unpack nvidia-smi
deb_unpack python3-pynvml gpustat python3-psutil python3-blessed python3-wcwidth python3-six
deb_unpack nvtop python3-pyte
deb_unpack hwloc-nox libhwloc15 libhwloc-contrib-plugins
deb_unpack slurmd slurm-wlm-basic-plugins slurm-wlm-nvml-plugin libnuma1
[ -d "$DEBS" ] || skip_all "Debian's packages can't be had here"

# What the tools want to find, in a tree that every sandbox sees.
mkdir -p "$T/lib" "$T/bin" "$T/home"
ln -s "$TOP_BUILD/libnvml-vgpu/libnvidia-ml.so" "$T/lib/libnvidia-ml.so"
slurm=$DEBS/usr/lib/x86_64-linux-gnu/slurm-wlm
hwloc=$(dirname "$(find "$DEBS" -name hwloc_nvml.so | head -1)" 2>/dev/null)
[ ! -f "$DEBS/usr/sbin/slurmd-wlm" ] || cp "$DEBS/usr/sbin/slurmd-wlm" "$T/bin/slurmd"
cat >"$T/bin/screen.py" <<'EOF2'
# What a terminal shows when the program has left its full screen.
import pyte, sys
screen = pyte.Screen(150, 100)
pyte.ByteStream(screen).feed(open(sys.argv[1], "rb").read().split(b"\x1b[?1049l")[0])
print("\n".join(line.rstrip() for line in screen.display))
EOF2
cat >"$T/bin/see.py" <<'EOF2'
import pynvml as n
n.nvmlInit()
print("driver", n.nvmlSystemGetDriverVersion())
for i in range(n.nvmlDeviceGetCount()):
    h = n.nvmlDeviceGetHandleByIndex(i)
    m = n.nvmlDeviceGetMemoryInfo(h)
    assert n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByUUID(n.nvmlDeviceGetUUID(h))) == i
    print(i, n.nvmlDeviceGetName(h), n.nvmlDeviceGetPciInfo(h).busId, n.nvmlDeviceGetMinorNumber(h), m.total, m.used,
          n.nvmlDeviceGetUtilizationRates(h).gpu, n.nvmlDeviceGetPowerUsage(h), n.nvmlDeviceGetCudaComputeCapability(h),
          len(n.nvmlDeviceGetComputeRunningProcesses(h)))
n.nvmlShutdown()
EOF2

# ---- the tools: each prints what is recorded, to standard output ----
tool_nvidia_smi() { in_place "$SMI"; in_place "$SMI" -L; }
tool_gpustat() { in_place $PY -m gpustat --no-color --no-header --show-power --show-fan-speed; }
tool_pynvml() { in_place $PY "$T/bin/see.py"; }
# The lines of the devices; graphs and processes follow them.
tool_nvtop() {
	rm -f "$T/screen" "$T/keys"
	mkfifo "$T/keys"
	in_place script -qfec "stty rows 100 cols 150; '$DEBS/usr/bin/nvtop'" "$T/screen" <"$T/keys" >/dev/null 2>&1 &
	local pid=$! key
	exec {key}>"$T/keys"
	for _ in $(seq 300); do
		$PY "$T/bin/screen.py" "$T/screen" >"$T/text" 2>/dev/null
		[ "$(grep -c '^ GPU\[.*MEM\[.*Gi\]' "$T/text")" = "$1" ] && break
		kill -0 $pid 2>/dev/null || break
		sleep 0.2
	done
	echo q >&"$key"
	exec {key}>&-
	wait $pid
	grep -E '^ (Device +[0-9]+ *\[|GPU [0-9]+MHz|GPU\[)' "$T/text"
}
tool_lstopo() { in_place "$DEBS/usr/bin/lstopo-no-graphics" -v --whole-io | sed -n 's/^ *\(GPU(NVML)\)[^(]*/\1 /p'; }
tool_slurmd() {
	cat >"$T/home/slurm.conf" <<EOF2
ClusterName=t
SlurmctldHost=node(127.0.0.1)
PluginDir=$slurm
SlurmdSpoolDir=$T/home
SlurmdPidFile=$T/home/slurmd.pid
GresTypes=gpu
NodeName=node NodeAddr=127.0.0.1 CPUs=1 Gres=gpu:$1
PartitionName=p Nodes=ALL
EOF2
	echo AutoDetect=nvml >"$T/home/gres.conf"
	in_place "$T/bin/slurmd" -f "$T/home/slurm.conf" -N node -G >"$T/slurmd.out" 2>&1
	grep -E "error|fatal" "$T/slurmd.out" | grep -vE "valid character|No such file" >&2
	sed -n 's/^.*\(Gres Name=.*\) Cores=.*Links=/\1 Links=/p' "$T/slurmd.out"
}

mask() {
	sed -E -e 's/GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/GPU-UUID/g' -e 's/NVIDIASerial=[0-9]+/NVIDIASerial=MASKED/' \
		-e 's/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) .*[0-9]{4} *$/DATE/' -e 's/ +$//'
}

# Where the tools run: here, or in a sandbox.
export HOME=$T/home PYTHONPATH=$DEBS/usr/lib/python3/dist-packages TERM=xterm
nvml_env
export LD_LIBRARY_PATH=$T/lib:$LD_LIBRARY_PATH:$slurm:${slurm%/*} HWLOC_PLUGINS_PATH=$hwloc
in_place() { timeout -k 5 100 "${box[@]}" "$@"; }

# What has to be there for a tool, beyond what it says of itself.
can() {
	case $1 in
	nvidia_smi) [ -x "$SMI" ] ;;
	gpustat) $PY -c 'import gpustat' ;;
	pynvml) $PY -c 'import pynvml' ;;
	nvtop) command -v script && $PY -c 'import pyte' && ! ldd "$DEBS/usr/bin/nvtop" | grep 'not found' ;;
	lstopo) [ -n "$hwloc" ] && "$DEBS/usr/bin/lstopo-no-graphics" --version ;;
	slurmd) [ -f "$slurm/gpu_nvml.so" ] && "$T/bin/slurmd" -V ;;
	esac >"$T/why" 2>&1
}
tools="nvidia_smi gpustat pynvml nvtop lstopo slurmd"
for tool in $tools; do : >"$T/many-$tool.txt"; done
record() {
	local tool
	for tool in $tools; do
		{ echo "== $1"; "tool_$tool" "$2" 2>"$T/err" | mask; } >>"$T/many-$tool.txt"
		sed 's/^/# /' "$T/err" | head -5
	done
}
usable=
for tool in $tools; do
	if can "$tool"; then usable="$usable $tool"; else skip "$tool: $(tail -1 "$T/why")"; fi
done
tools=$usable

# ---- 1, 2, 8, 16 devices ----
models=(H100 T4 A100 RTX4090)
for n in 1 2 8 16; do
	devices=()
	for i in $(seq 0 $((n - 1))); do devices+=("--profile ${models[i % 4]}"); done
	vgpu_state "$T/state.$n" "${devices[@]}" && vgpu_mount_at "$T/mnt.$n" "$T/state.$n" || bail "no mount with $n devices"
	export VGPU_PATH=$T/mnt.$n
	box=()
	record "$n device(s)" $n
done

# ---- two of the eight, with nothing that says where the mount is ----
if command -v bwrap >/dev/null && bwrap --ro-bind / / --dev /dev true 2>/dev/null; then
	unset VGPU_PATH
	box=(bwrap --cap-add CAP_SETGID --unshare-pid --unshare-ipc --ro-bind / / --bind "$T" "$T" --dev /dev --proc /proc --tmpfs /run)
	for n in nvidiactl nvidia2 nvidia5; do box+=(--bind "$T/mnt.8/dev/$n" "/dev/$n"); done
	record "two of eight" 2
else
	skip "bubblewrap doesn't work here: no sandbox"
	for tool in $tools; do sed -n '/^== two of eight/,$p' "$TOP_SRC/t/data/nvml/many-$tool.txt" >>"$T/many-$tool.txt"; done
fi
for tool in $tools; do
	golden "many-$tool.txt" "$T/many-$tool.txt"
done
done_testing
