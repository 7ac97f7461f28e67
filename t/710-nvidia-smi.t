#!/bin/bash
# The real nvidia-smi, as Debian ships it, on virtual devices: each way to ask,
# and the answers are those that the mount gives.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/tools.sh"
smi_need
vgpu_mount "--profile H100" "--profile T4" "--profile RTX4090"
nvml_env
# The node's table: key of device N.
of() { awk -v n="$1" -v key="$2" '$1 == "device" { d = $2 } d == n && $1 == key { sub(/^[^ ]* /, ""); print; exit }' "$MNT/dev/nvidiactl"; }

# What differs from run to run and from machine to machine.
mask() {
	sed -E -e 's/GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/GPU-UUID/g' \
		-e 's/^((Timestamp|    Serial Number) +: ).*/\1MASKED/' \
		-e 's/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) .*[0-9]{4} *$/DATE/'
}
version=$("$SMI" -h | sed -n 's/.*v\([0-9]*\)\..*/\1/p' | head -1)
recorded() {
	smi "${@:2}" >"$T/out" 2>&1
	is "nvidia-smi ${*:2} succeeds" $? 0
	if [ "$version" = 535 ]; then
		mask <"$T/out" >"$T/masked"
		golden "$1" "$T/masked"
	else
		skip "what is recorded is of nvidia-smi 535, not $version"
	fi
}

recorded smi-table.txt
recorded smi-list.txt -L
recorded smi-q-h100.txt -q -i 0
recorded smi-q-t4.txt -q -i 1
recorded smi-q-rtx4090.txt -q -i 2
recorded smi-dmon.txt dmon -c 1
recorded smi-pmon.txt pmon -c 1
if command -v python3 >/dev/null; then
	smi -q -x >"$T/all.xml"
	is "the XML is well-formed and has all devices" \
		"$(python3 -c 'import sys, xml.etree.ElementTree as E; print(len(E.parse(sys.argv[1]).findall("gpu")))' "$T/all.xml")" 3
fi

# ---- against real boards: captures of `nvidia-smi -q -x` as NVIDIA's k8s-test-infra publishes them, below
# tests/e2e/go/assertions/nvidiasmi/testdata/hardware; VGPU_CAPTURES names a directory that has them ----
if [ -n "$VGPU_CAPTURES" ] && [ -s "$T/all.xml" ]; then
	is "H100: what a real one tells is told" "$(python3 "$TOP_SRC/t/lib/smi-compare.py" "$VGPU_CAPTURES/qx-h100.xml" "$T/all.xml" 0 2>&1)" ""
	is "T4: what a real one tells is told" "$(python3 "$TOP_SRC/t/lib/smi-compare.py" "$VGPU_CAPTURES/qx-t4.xml" "$T/all.xml" 1 2>&1)" ""
	vgpu_state "$T/a100" "--profile A100" && vgpu_mount_at "$T/mnt.a100" "$T/a100" && VGPU_PATH=$T/mnt.a100 smi -q -x >"$T/a100.xml"
	is "A100: what a real one tells is told" "$(python3 "$TOP_SRC/t/lib/smi-compare.py" "$VGPU_CAPTURES/qx-a100.xml" "$T/a100.xml" 0 2>&1)" ""
else
	skip "VGPU_CAPTURES names no captures of real boards"
fi

# ---- the fields, each by itself ----
smi --help-query-gpu | sed -n 's/^"\([a-z][A-Za-z0-9_.]*\)".*/\1/p' | grep -vE '^[0-9]' >"$T/fields"
n=$(wc -l <"$T/fields")
[ "$n" -gt 100 ] && pass "nvidia-smi lists $n fields" || fail "nvidia-smi lists only $n fields"
bad=
for dev in 0 1 2; do
	while read -r field; do
		value=$(query "$dev" "$field" 2>&1) || bad="$bad $dev:$field($value)"
		case $value in '' | *rror* | *'not a valid field'* | *Unknown*) bad="$bad $dev:$field=$value" ;; esac
	done <"$T/fields"
done
is "each field of --help-query-gpu has an answer" "$bad" ""
is "all fields at once" "$(smi --query-gpu="$(paste -sd, "$T/fields")" --format=csv,noheader | wc -l)" 3

# ---- the answers are the mount's ----
for dev in 0 1 2; do
	is "name of device $dev" "$(query $dev name)" "$(of $dev name)"
	is "UUID" "$(query $dev uuid)" "$(of $dev uuid)"
	is "serial number" "$(query $dev serial)" "$(of $dev serial)"
	is "PCI address" "$(query $dev pci.bus_id | tr A-F a-f)" "0000$(of $dev pci)"
	is "memory, MiB" "$(query $dev memory.total)" "$(($(of $dev memory_total) / 1048576))"
	cc=$(of $dev compute_cap)
	is "compute capability" "$(query $dev compute_cap | tr -d .)" "${cc/./}"
	is "VBIOS" "$(query $dev vbios_version)" "$(of $dev vbios)"
	is "highest SM clock" "$(query $dev clocks.max.sm)" "$(($(of $dev clock_khz) / 1000))"
	is "power limit" "$(query $dev power.max_limit)" "$(($(of $dev power_limit_mw) / 1000)).00"
	is "the device in /proc" "$(sed -n 's/^Model: *\t* *//p' "$MNT/proc/driver/nvidia/gpus/$(of $dev pci)/information" | sed 's/^[[:blank:]]*//')" \
		"$(query $dev name)"
done
is "driver version" "$(query 0 driver_version)" "$(sed -n 's/^NVRM version:.*Kernel Module  *\([0-9.]*\) .*/\1/p' "$MNT/proc/driver/nvidia/version")"

# ---- one device ----
uuid=$(of 1 uuid) bus=$(query 1 pci.bus_id)
for id in 1 "$uuid" "$bus" "$(of 1 pci)"; do
	is "-i $id" "$(query "$id" index)" 1
done
is "two devices" "$(query 0,2 index | paste -sd,)" 0,2
not_ok "-i of a device that isn't there" smi -i 9
not_ok "-i of a UUID that isn't there" smi -i GPU-00000000-0000-0000-0000-000000000000

# ---- topology ----
like "topo -m" "$(smi topo -m)" 'GPU0.*X.*(PHB|NODE|SYS)'
is "topo -m has a row per device" "$(smi topo -m | grep -c $'^GPU[0-9]\t')" 3

like "topo -C" "$(smi topo -C -i 0)" '^NUMA IDs of closest CPU: [0-9,-]+'
like "topo -M" "$(smi topo -M -i 0)" '^NUMA IDs of closest memory: [0-9,-]+'
like "topo -c" "$(smi topo -c 0)" '0, 1, 2'
like "topo -n" "$(for level in 0 1 2 3 4; do smi topo -n $level -i 0; done)" 'Device 0 is connected .*: 1, 2'
like "topo -p" "$(smi topo -p -i 0,2)" 'Device 0 is connected to device 2'
like "topo -p2p" "$(smi topo -p2p r)" 'GPU1.*OK.*X.*OK'

# ---- everything else that can be asked for: an answer, or that the device has no such thing ----
bad=
while read -r -a command; do
	out=$(smi "${command[@]}" </dev/null 2>&1)
	case $? in 0 | 3) ;; *) bad="$bad ${command[*]}: exit $?;" ;; esac
	case $out in '' | *Unknown* | *Uninitialized* | *'Not Found'* | *'nvalid'* | *'not recognized'* | *'ot valid'*)
		[ "${command[0]}" = nvlink ] || bad="$bad ${command[*]}: $out;" ;;
	esac
done <<EOF
-B
-q -u
-q -u -x
--dtd
-q -x --dtd -i 0
-q -d MEMORY,UTILIZATION,ECC,TEMPERATURE,POWER,CLOCK,COMPUTE,PIDS,PERFORMANCE,SUPPORTED_CLOCKS
-q -d PAGE_RETIREMENT,ACCOUNTING,ENCODER_STATS,SUPPORTED_GPU_TARGET_TEMP,VOLTAGE,FBC_STATS,ROW_REMAPPER,RESET_STATUS
--query-supported-clocks=timestamp,gpu_name,gpu_bus_id,gpu_uuid,memory,graphics --format=csv
--query-compute-apps=timestamp,gpu_name,gpu_bus_id,gpu_uuid,pid,process_name,used_gpu_memory --format=csv
--query-accounted-apps=gpu_name,pid,gpu_utilization,mem_utilization,max_memory_usage,time --format=csv
--query-retired-pages=gpu_name,retired_pages.address,retired_pages.timestamp,retired_pages.cause --format=csv
--query-remapped-rows=gpu_name,remapped_rows.correctable,remapped_rows.uncorrectable,remapped_rows.pending --format=csv
dmon -c 1 -s pucvmet
dmon -c 1 -s pucvmet -o DT -i 0,2
pmon -c 1 -s um -o DT
nvlink -s
nvlink -c
nvlink -e
c2c -s
compute-policy -l
boost-slider -l
power-hint -l
base-clocks
clocks --sync-boost-list
conf-compute -f
conf-compute -gc
conf-compute -e
conf-compute -d
gpm -g
vgpu
vgpu -q
EOF
is "no command fails for want of an answer" "$bad" ""

# ---- performance monitoring: named, and only what is measured has a value ----
smi dmon -c 3 -i 0 --gpm-metrics 1,2,20 >"$T/gpm"
like "dmon --gpm-metrics has names" "$(cat "$T/gpm")" 'gract +smutil +pcitx'
is "values" "$(awk '!/^#/ { v = $(NF - 2) " " $(NF - 1) " " $NF } END { print v }' "$T/gpm")" "0 - 0"

# ---- who uses them ----
like "nobody uses a device" "$(smi)" 'No running processes found'
if nvml_hold 1 100; then
	is "--query-compute-apps" "$(smi --query-compute-apps=pid,used_memory,gpu_uuid --format=csv,noheader,nounits)" "$HOLD_PID, 100, $uuid"
	like "its name" "$(smi --query-compute-apps=name --format=csv,noheader)" 't/lib/hold$'
	like "the table" "$(smi)" "1  *N/A  *N/A  *$HOLD_PID  *C  .*hold  *100MiB"
	is "memory used" "$(query 1 memory.used)" 100
	is "memory used elsewhere" "$(query 0 memory.used)" 0
	like "pmon" "$(smi pmon -c 1)" "1  *$HOLD_PID  *C .*hold"
	ok "the program ends" nvml_release
	is "and is gone" "$(smi --query-compute-apps=pid --format=csv,noheader)" ""
	is "its memory, too" "$(query 1 memory.used)" 0
else
	fail "a CUDA program runs"
fi

# ---- load ----
if nvml_hold 0 8 busy; then
	# the figure is of the last second, which on a busy machine may have had none
	for _ in $(seq 60); do
		smi pmon -c 1 >"$T/pmon"
		grep -qE "^ +0 +$HOLD_PID +C +[1-9]" "$T/pmon" && break
		sleep 0.5
	done
	like "pmon has the load of a process" "$(cat "$T/pmon")" "^ +0 +$HOLD_PID +C +[1-9][0-9]* +[0-9]+ +- +- +hold"
	ok "the program ends" nvml_release
else
	fail "a CUDA program runs"
fi

# ---- errors are told ----
like "without nodes" "$(VGPU_PATH=$T smi 2>&1)" "couldn't communicate with the NVIDIA driver|No devices were found|UUID"
done_testing
