#!/bin/bash
# hwloc's lstopo with its NVML plugin, as Debian ships them.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/tools.sh"
deb_need hwloc-nox libhwloc15 libhwloc-contrib-plugins
LSTOPO=$DEBS/usr/bin/lstopo-no-graphics
plugins=$(dirname "$(find "$DEBS" -name hwloc_nvml.so | head -1)")
[ -d "$plugins" ] || skip_all "no NVML plugin in the package"
vgpu_mount "--profile H100" "--profile T4"
nvml_env
export HWLOC_PLUGINS_PATH=$plugins LD_LIBRARY_PATH=$LD_LIBRARY_PATH:${plugins%/*}
"$LSTOPO" --version >"$T/why" 2>&1 || skip_all "lstopo doesn't start: $(tail -1 "$T/why")"
timeout 60 "$LSTOPO" -v --whole-io >"$T/out" 2>&1
i=0
for uuid in $(awk '$1 == "uuid" { print $2 }' "$MNT/dev/nvidiactl"); do
	like "nvml$i" "$(cat "$T/out")" "GPU\(NVML\).*NVIDIAUUID=$uuid.*\"nvml$i\""
	i=$((i + 1))
done
like "the model" "$(cat "$T/out")" 'GPUModel="?NVIDIA H100 80GB HBM3'
done_testing
