#!/bin/bash
# <mount>/metrics: Prometheus' text format with dcgm-exporter's names.
. "${VGPU_TOP_SRCDIR:-$(dirname "$0")/..}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
. "$TOP_SRC/t/lib/debs.sh"
vgpu_need_mount
vgpu_mount "--profile A100" "--name Quote\"Back\\slash --minor 5"
M=$MNT/metrics

value() { sed -n "s/^$1{gpu=\"$2\",.*} //p" "$M"; }

ok "there is a file" [ -r "$M" ]
is "that is to be read" "$(stat -c %a "$M")" 444
ok "and not to be written" bash -c "! : 2>/dev/null >>'$M'"
is "every line is a comment or a sample" "$(grep -cvE '^(# (HELP|TYPE) [A-Za-z_]+ .+|[A-Za-z_]+(\{[^}]*\})? [0-9.e+]+)$' "$M")" 0
is "every metric has its help" "$(grep -E '^[A-Za-z]' "$M" | sed 's/[{ ].*//' | sort -u | while read -r n; do grep -q "^# HELP $n " "$M" || echo "$n"; done)" ""
is "once" "$(grep '^# HELP' "$M" | awk '{print $3}' | sort | uniq -d)" ""
is "no sample twice" "$(grep -E '^[A-Za-z]' "$M" | sed 's/ [^ ]*$//' | sort | uniq -d)" ""
for n in SM_CLOCK MEM_CLOCK GPU_TEMP POWER_USAGE TOTAL_ENERGY_CONSUMPTION GPU_UTIL MEM_COPY_UTIL XID_ERRORS FB_FREE FB_USED PCIE_REPLAY_COUNTER; do
	is "DCGM_FI_DEV_$n of each device" "$(grep -c "^DCGM_FI_DEV_$n{" "$M.dcgm")" 2
done
uuid=$(cat "$MNT/devices/0/uuid")
ok "with dcgm-exporter's labels" grep -q "^DCGM_FI_DEV_FB_FREE{gpu=\"0\",UUID=\"$uuid\",pci_bus_id=\"00000000:01:00.0\",device=\"nvidia0\",modelName=\"NVIDIA A100-SXM4-40GB\",Hostname=\"$(hostname)\",DCGM_FI_DRIVER_VERSION=\"[0-9.]*\"} " "$M.dcgm"
ok "values of labels are escaped" grep -qF 'device="nvidia5",model_name="Quote\"Back\\slash"' "$M"
is "memory is counted in MiB" "$(value DCGM_FI_DEV_FB_FREE 0)" "$(($(cat "$MNT/devices/0/memory_total") / 1048576))"
is "power in watts" "$(value DCGM_FI_DEV_POWER_USAGE 0)" 50
is "no Xid" "$(value DCGM_FI_DEV_XID_ERRORS 0)" 0
echo "xid 74" >"$MNT/devices/0/inject"
echo "ecc single 3" >"$MNT/devices/0/inject"
is "one that was injected" "$(value DCGM_FI_DEV_XID_ERRORS 0)" 74
is "ECC errors" "$(value DCGM_FI_DEV_ECC_SBE_VOL_TOTAL 0)" 3
is "the other device has none" "$(value DCGM_FI_DEV_XID_ERRORS 1)" 0
for _ in $(seq 300); do
	joules=$(value vgpufs_energy_joules_total 0)
	awk -v j="$joules" 'BEGIN { exit !(j >= 50) }' && break
	sleep 0.1
done
ok "energy adds up ($joules J)" awk -v j="$joules" 'BEGIN { exit !(j >= 50) }'
names() { sed -n 's/^# HELP \([^ ]*\) .*/\1/p' "$1"; }
is "metrics.dcgm has the same metrics, one under another name" "$(diff <(names "$M") <(names "$M.dcgm") | grep '^[<>]' | paste -sd' ')" \
	"< DCGM_FI_DEV_PCIE_REPLAY_TOTAL > DCGM_FI_DEV_PCIE_REPLAY_COUNTER"
promtool=$(command -v promtool) || { deb_unpack prometheus && promtool=$DEBS/usr/bin/promtool; }
if [ -x "$promtool" ]; then
	"$promtool" check metrics <"$M" >"$T/lint" 2>&1; rc=$?
	is "promtool check metrics" "$rc $(cat "$T/lint")" "0 "
	"$promtool" check metrics <"$M.dcgm" >"$T/lint" 2>&1; rc=$?
	is "of dcgm-exporter's own spellings it reads all" "$rc" 3
	is "and blames it for two" "$(grep -v "^DCGM_.* label names should be written in 'snake_case'" "$T/lint")" \
		"DCGM_FI_DEV_PCIE_REPLAY_COUNTER metric name should not include type 'counter'"
else
	skip "promtool can't be had here"
fi
done_testing
