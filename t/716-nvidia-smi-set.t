#!/bin/bash
# nvidia-smi's settings, and faults as it shows them.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/tools.sh"
smi_need
vgpu_mount "--profile H100" "--profile T4"
nvml_env
# set_to FIELD VALUE OPTION…: device 0
set_to() {
	local field=$1 value=$2
	shift 2
	ok "nvidia-smi $*" smi -i 0 "$@"
	is "… $field" "$(query 0 "$field")" "$value"
}

set_to persistence_mode Enabled -pm 1
set_to pstate P0 -pm 1
set_to compute_mode Exclusive_Process -c 3
set_to compute_mode Prohibited -c 2
set_to compute_mode Default -c 0
set_to power.limit 300.00 -pl 300
set_to enforced.power.limit 300.00 -pl 300
not_ok "a limit that is too low" smi -i 0 -pl 1
is "… changes nothing" "$(query 0 power.limit)" 300.00
set_to clocks.sm 900 -lgc 300,900
set_to clocks.sm 1980 -rgc
set_to clocks.applications.graphics 1500 -ac 2619,1500
set_to clocks.applications.graphics 1980 -rac
like "application clocks that the device doesn't have" "$( (smi -i 0 -ac 1,2; smi -i 0 -ac 2619,1501; smi -i 1 -ac 2619,1500) | paste -sd' ')" \
	"SM 2\)\" is not supported.*SM 1501\)\" is not supported.*2:00.0"
is "… change nothing" "$(query 0 clocks.applications.graphics)" 1980
set_to accounting.mode Enabled -am 1
set_to ecc.mode.pending Disabled -e 0
is "ECC goes off with the next reset, not before" "$(query 0 ecc.mode.current)" Enabled
set_to ecc.mode.pending Enabled -e 1
is "the other device is as it was" "$(query 1 persistence_mode,power.limit,accounting.mode)" "Disabled, 70.00, Disabled"
if command -v setpriv >/dev/null; then
	like "who isn't root" "$(as_nobody "$SMI" -i 0 -pm 0 2>&1)" 'ermission'
	is "… changes nothing" "$(query 0 persistence_mode)" Enabled
	is "… but may look" "$(as_nobody "$SMI" -L | wc -l)" 2
fi
ok "accounting" nvml_hold 0 48
pid=$HOLD_PID
ok "the program ends" nvml_release
like "--query-accounted-apps" "$(smi --query-accounted-apps=pid,max_memory_usage --format=csv,noheader,nounits)" "^$pid, 48\$"

# ---- faults ----
inject() { echo "$2" >"$MNT/devices/$1/inject"; }
ok "ECC errors" inject 0 "ecc single 3"
is "corrected" "$(query 0 ecc.errors.corrected.volatile.dram)" 3
is "in all" "$(query 0 ecc.errors.corrected.volatile.total)" 3
ok "a thermal slowdown" inject 0 "throttle hw_thermal"
is "is a reason" "$(query 0 clocks_event_reasons.hw_thermal_slowdown)" Active
ok "that ends" inject 0 "throttle none"
is "none any more" "$(query 0 clocks_event_reasons.hw_thermal_slowdown)" "Not Active"
ok "a device falls off the bus" inject 1 off-bus
like "nvidia-smi says so" "$(smi -i 1 2>&1)" 'for GPU0000:02:00.0: GPU is lost'
is "the other one is there" "$(query 0 name)" "NVIDIA H100 80GB HBM3"
ok "it comes back" inject 1 clear
is "and is seen" "$(query 1 name)" "Tesla T4"

# ---- reset ----
ok "ECC is to go off" smi -i 0 -e 0
ok "nvidia-smi -r" smi -i 0 -r
is "what was pending is in force" "$(query 0 ecc.mode.current,ecc.errors.corrected.volatile.total)" "Disabled, [N/A]"
ok "ECC is to come back" smi -i 0 -e 1
like "-r of all" "$(smi -r | paste -sd' ')" '1:00.0 was successfully reset.*2:00.0 was successfully reset'
is "it is back, and what it counted since the last one isn't" "$(query 0 ecc.mode.current,ecc.errors.corrected.volatile.total)" "Enabled, 0"
ok "an error after which only a reset helps" inject 0 "xid 119"
is "reset required" "$(query 0 reset_status.reset_required,name,persistence_mode)" "Yes, NVIDIA H100 80GB HBM3, Enabled"
is "nothing is said of what it does" "$(query 0 pstate)" "[GPU requires reset]"
like "the table has it" "$(smi)" 'GPU requires reset'
like "-r" "$(smi -i 0 -r)" 'was successfully reset'
is "it works again" "$(query 0 reset_status.reset_required,pstate)" "No, P0"
if nvml_hold 0 16; then
	like "a device in use isn't reset" "$(smi -i 0 -r)" '1:00.0: In use by another client'
	ok "its program goes on" nvml_release
fi
if command -v setpriv >/dev/null; then
	like "who isn't root resets nothing" "$(as_nobody "$SMI" -i 0 -r 2>&1)" 'ermission'
fi

# ---- drain ----
t4=$(query 1 pci.bus_id) && t4=${t4#0000}
like "nobody drains it" "$(smi drain -p "$t4" -q)" 'is: not draining'
like "it isn't removed so" "$(smi drain -p "$t4" -r)" 'Failed to remove'
like "drain" "$(smi drain -p "$t4" -m 1)" 'Successfully set .* drain state to: draining'
like "is said" "$(smi drain -p "$t4" -q)" 'is: draining'
is "nobody sees it any more" "$(smi -L | grep -c GPU)" 1
like "it is removed" "$(smi drain -p "$t4" -r)" 'successfully removed'
like "and found" "$(smi drain -d)" 'Discovery completed successfully'
is "it is back" "$(query 1 name)" "Tesla T4"
like "not in persistence mode" "$(smi -i 1 -pm 1 >/dev/null; smi drain -p "$t4" -m 1)" 'Failed to modify'
like "nor by who isn't root" "$(smi -i 1 -pm 0 >/dev/null; as_nobody "$SMI" drain -p "$t4" -m 1)" 'Failed to modify'
is "nothing has changed" "$(query 1 name)" "Tesla T4"
done_testing
