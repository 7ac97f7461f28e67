#!/bin/bash
# MIG with the real nvidia-smi: mode, profiles, instances made, used, listed and removed.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/tools.sh"
smi_need
vgpu_mount "--profile H100" "--profile T4"
nvml_env

is "MIG is off" "$(query 0 mig.mode.current)" Disabled
is "and not there on a T4" "$(query 1 mig.mode.current)" "[N/A]"
like "no profiles without it" "$(smi mig -lgip 2>&1)" 'No MIG-enabled devices found'
like "a T4 can't" "$(smi -i 1 -mig 1 2>&1)" 'Not Supported'
like "who isn't root may not" "$(as_nobody "$SMI" -i 0 -mig 1 2>&1)" 'ermission'
like "root may" "$(smi -i 0 -mig 1)" 'Enabled MIG Mode'
is "it is on" "$(query 0 mig.mode.current,mig.mode.pending)" "Enabled, Enabled"
like "profiles" "$(smi mig -lgip)" '0  MIG 1g.10gb  *19  *7/7  *9\.90'
like "placements" "$(smi mig -lgipp)" 'GPU  0 Profile ID 19 Placements: \{0,1,2,3,4,5,6\}:1'
like "the table says that there is none" "$(smi)" 'No MIG devices found'
like "instances are made" "$(smi mig -cgi 19,9 -C)" 'Successfully created compute instance ID'
like "GPU instances are listed" "$(smi mig -lgi)" '0  MIG 1g.10gb  *19 '
like "compute instances, too" "$(smi mig -lci)" '0 .* MIG 3g.40gb '
smi -L >"$T/list"
like "-L lists the MIG devices" "$(cat "$T/list")" '  MIG 1g.10gb     Device  0: \(UUID: MIG-[0-9a-f-]{36}\)'
is "two of them" "$(grep -c 'MIG .* Device' "$T/list")" 2
like "the table shows them" "$(smi)" '0 .* 0 .* 0  \|  *0MiB / 10134MiB  \| 16 '
like "-q, too" "$(smi -q -i 0)" 'GPU Instance ID  *: 2'
if command -v python3 >/dev/null; then
	smi -q -x >"$T/q.xml"
	is "the XML is well-formed" "$(python3 -c 'import sys, xml.etree.ElementTree as E; print(len(E.parse(sys.argv[1]).find("gpu").find("mig_devices").findall("mig_device")))' "$T/q.xml")" 2
fi
mig=$(sed -n 's/.*MIG 1g.10gb .*UUID: \(MIG-[^)]*\)).*/\1/p' "$T/list")
export CUDA_VISIBLE_DEVICES=$mig
if nvml_hold 0 64; then
	unset CUDA_VISIBLE_DEVICES
	smi >"$T/table"
	like "a program on a MIG device is listed with its instances" "$(cat "$T/table")" "0    [0-9]+    0  *$HOLD_PID  *C  .*hold  *64MiB"
	like "its memory is the instance's" "$(cat "$T/table")" '64MiB / 10134MiB'
	gi() { sed -n "s/^$1{.*gpu=\"0\".*,GPU_I_PROFILE=\"$2\",GPU_I_ID=\"[0-9]*\",.*} //p" "$MNT/metrics"; }
	is "metrics have the instances' memory" "$(gi DCGM_FI_DEV_FB_USED 1g.10gb) $(gi DCGM_FI_DEV_FB_TOTAL 1g.10gb) $(gi DCGM_FI_DEV_FB_USED 3g.40gb)" "64 10134 0"
	is "and load" "$(gi DCGM_FI_PROF_GR_ENGINE_ACTIVE 3g.40gb)" 0
	like "an instance in use isn't removed" "$(smi mig -dci -i 0 2>&1; smi mig -dgi -i 0 2>&1)" 'In use|in use'
	ok "the program ends" nvml_release
else
	unset CUDA_VISIBLE_DEVICES
	fail "a CUDA program runs on a MIG device"
fi
like "compute instances are removed" "$(smi mig -dci -i 0)" 'Successfully destroyed compute instance'
is "there are none" "$(smi -L | grep -c 'MIG .* Device')" 0
like "GPU instances are removed" "$(smi mig -dgi -i 0)" 'Successfully destroyed GPU instance'
like "a place can be chosen" "$(smi mig -cgi 19:3 -i 0)" 'Successfully created GPU instance'
like "and is taken" "$(smi mig -lgi)" '19 .* 3:1 '
like "no room is said so" "$(smi mig -cgi 0 -i 0 2>&1)" 'Insufficient Resources'
smi mig -dgi -i 0 >/dev/null
like "MIG goes off" "$(smi -i 0 -mig 0)" 'Disabled MIG Mode'
is "it is off" "$(query 0 mig.mode.current)" Disabled
done_testing
