#!/bin/bash
# Slurm's slurmd finds the devices through its NVML plugin, as Debian ships them.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
. "$TOP_SRC/t/lib/debs.sh"
. "$TOP_SRC/t/lib/nvml.sh"
nvml_no_sanitizer
vgpu_need_mount
deb_need slurmd slurm-wlm-basic-plugins slurm-wlm-nvml-plugin libhwloc15 libnuma1 munge libmunge2
plugins=$DEBS/usr/lib/x86_64-linux-gnu/slurm-wlm
[ -f "$plugins/gpu_nvml.so" ] || skip_all "no NVML plugin where it used to be"
vgpu_mount "--profile H100" "--profile H100" "--profile T4"
nvml_env
# the plugin asks for the library by its name without a version
mkdir -p "$T/lib" "$T/bin"
ln -s "$TOP_BUILD/libnvml-vgpu/libnvidia-ml.so" "$T/lib/libnvidia-ml.so"
export LD_LIBRARY_PATH=$T/lib:$LD_LIBRARY_PATH:$plugins:${plugins%/*}
# it wants to be called slurmd
cp "$DEBS/usr/sbin/slurmd-wlm" "$T/bin/slurmd" || skip_all "no slurmd where it used to be"
cat >"$T/slurm.conf" <<EOF
ClusterName=t
SlurmctldHost=$(hostname -s)
PluginDir=$plugins
SlurmdSpoolDir=$T/spool
SlurmdPidFile=$T/slurmd.pid
SlurmdLogFile=$T/slurmd.log
GresTypes=gpu
NodeName=$(hostname -s) CPUs=1 Gres=gpu:h100:2,gpu:t4:1
PartitionName=p Nodes=ALL
EOF
echo AutoDetect=nvml >"$T/gres.conf"
mkdir -p "$T/spool"
"$T/bin/slurmd" -V >"$T/why" 2>&1 || skip_all "slurmd doesn't start: $(tail -1 "$T/why")"
timeout 60 "$T/bin/slurmd" -f "$T/slurm.conf" -G >"$T/out" 2>&1
sed 's/^/# /' "$T/out"
is "slurmd -G lists three devices" "$(grep -c 'Gres Name=gpu' "$T/out")" 3
is "two of them H100" "$(grep -c 'Type=h100 ' "$T/out")" 2
is "one a T4" "$(grep -c 'Type=t4 ' "$T/out")" 1
for n in 0 1 2; do
	like "its file is /dev/nvidia$n" "$(cat "$T/out")" "File=/dev/nvidia$n "
done
done_testing
