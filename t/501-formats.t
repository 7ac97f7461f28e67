#!/bin/sh
# Byte for byte: what /proc, sysfs and devices/ read as.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
vgpu_mount "--uuid GPU-8f6d6d3a-6e0c-5b1e-9b1f-2d3c4b5a6f70 --pci 0000:1b:00.0 irq=120 vbios=96.00.89.00.01 pcie_gen=5"

P=$MNT/proc/driver/nvidia G=$MNT/proc/driver/nvidia/gpus/0000:1b:00.0 S=$MNT/sys/bus/pci/devices/0000:1b:00.0 D=$MNT/devices/0
V=$(sed -n 's/^driver //p' "$MNT/dev/nvidiactl")
prop() { sed -n "s/^$1 //p" "$MNT/dev/nvidia0"; }
# same NAME FILE [TEXT]: standard input, or the printf'ed text, is what the file must hold
same() {
	if [ $# -gt 2 ]; then printf "$3" >"$T/want"; else cat >"$T/want"; fi
	ok "$1" cmp "$T/want" "$2"
}

is "version has two lines" "$(wc -l <"$P/version")" 2
like "the proprietary driver's wording" "$(head -1 "$P/version")" \
	"^NVRM version: NVIDIA UNIX x86_64 Kernel Module  $V  [A-Z][a-z]{2} [A-Z][a-z]{2} [0-9 ]{2} [0-9:]{8} UTC [0-9]{4}\$"
like "GCC version" "$(sed -n 2p "$P/version")" "^GCC version:  gcc version [0-9]+\.[0-9]+\.[0-9]+ .* \$"
same "information" "$G/information" <<EOF
Model: 		 $(prop name)
IRQ:   		 120
GPU UUID: 	 GPU-8f6d6d3a-6e0c-5b1e-9b1f-2d3c4b5a6f70
Video BIOS: 	 96.00.89.00.01
Bus Type: 	 PCIe
DMA Size: 	 52 bits
DMA Mask: 	 0xfffffffffffff
Bus Location: 	 0000:1b:00.0
Device Minor: 	 0
GPU Firmware: 	 N/A
GPU Excluded:	 No
EOF
same "power" "$G/power" <<EOF
Runtime D3 status:          Disabled by default
Tegra iGPU Rail-Gating:     Disabled
Video Memory:               Active

GPU Hardware Support:
 Video Memory Self Refresh: Not Supported
 Video Memory Off:          Not Supported

S0ix Power Management:
 Platform Support:          Not Supported
 Status:                    Disabled

Notebook Dynamic Boost:     Not Supported
EOF
same "registry" "$P/registry" 'Binary: ""\n'
same "a device's registry" "$G/registry" 'Binary: ""\n'
same "suspend" "$P/suspend" 'suspend hibernate resume\n'
same "suspend_depth" "$P/suspend_depth" 'default modeset uvm\n'
is "warnings/README has 4 lines" "$(wc -l <"$P/warnings/README")" 4
is "patches/README has 5 lines" "$(wc -l <"$P/patches/README")" 5
is "params: device files are left alone" "$(grep ModifyDeviceFiles "$P/params")" "ModifyDeviceFiles: 0"
is "params: all lines have a form that is parsed" "$(grep -Evc '^[A-Za-z0-9]+: ([0-9]+|"")$' "$P/params")" 0
is "params: 45 of them" "$(wc -l <"$P/params")" 45
is "params: the first is" "$(head -1 "$P/params")" "ResmanDebugLevel: 4294967295"
is "params: nodes have mode 0666" "$(grep DeviceFileMode "$P/params")" "DeviceFileMode: 438"
same "capabilities/mig/config" "$P/capabilities/mig/config" 'DeviceFileMinor: 1\nDeviceFileMode: 256\nDeviceFileModify: 0\n'
same "capabilities/mig/monitor" "$P/capabilities/mig/monitor" 'DeviceFileMinor: 2\nDeviceFileMode: 292\nDeviceFileModify: 0\n'
C=$MNT/proc/driver/nvidia-caps
is "mig-minors begins" "$(head -4 "$C/mig-minors" | tr '\n' ' ')" "config 1 monitor 2 gpu0/gi0/access 3 gpu0/gi0/ci0/access 4 "
is "mig-minors follows the formula" "$(grep -c . "$C/mig-minors") $(grep '^gpu3/gi2/ci5/access ' "$C/mig-minors")" \
	"$((2 + 32 * 15 * 9)) gpu3/gi2/ci5/access $((3 + 135 * 3 + 9 * 2 + 1 + 5))"
same "nvlink-minors" "$C/nvlink-minors" 'fabric-mgmt 0\n'
same "sys-minors" "$C/sys-minors" 'fabric-imex-mgmt 4323\n'

hex() { printf "0x%0$2x" "$(prop "$1")"; }
for f in "vendor pci_vendor 4" "device pci_device 4" "class pci_class 6" "revision pci_revision 2" \
	 "subsystem_vendor pci_subvendor 4" "subsystem_device pci_subdevice 4"; do
	# shellcheck disable=SC2086
	set -- $f
	same "sysfs $1" "$S/$1" "$(hex "$2" "$3")\n"
done
is "irq" "$(cat "$S/irq")" 120
is "numa_node: none" "$(cat "$S/numa_node")" -1
is "link speed of generation 5" "$(cat "$S/current_link_speed")" "32.0 GT/s PCIe"
is "link width" "$(cat "$S/max_link_width")" "$(prop pcie_width)"
is "local_cpulist" "$(cat "$S/local_cpulist")" "$(cat /sys/devices/system/cpu/online)"
like "local_cpus is a mask" "$(cat "$S/local_cpus")" "^[0-9a-f]+(,[0-9a-f]{8})*\$"
is "config has 256 bytes" "$(wc -c <"$S/config")" 256
is "config begins with vendor and device" "$(od -An -tx2 -N4 "$S/config" | tr -d ' ')" "$(printf '%04x%04x' "$(prop pci_vendor)" "$(prop pci_device)")"
is "config has the class" "$(od -An -tx1 -j9 -N3 "$S/config" | tr -d ' \n')" "000203"
is "config has the subsystem" "$(od -An -tx2 -j44 -N4 "$S/config" | tr -d ' ')" "$(printf '%04x%04x' "$(prop pci_subvendor)" "$(prop pci_subdevice)")"
is "resource has 7 lines of three numbers" "$(grep -Ec '^(0x[0-9a-f]{16} ?){3}$' "$S/resource") $(wc -l <"$S/resource")" "7 7"
is "resource and config agree on BAR0" "0x00000000$(od -An -tx4 -j16 -N4 "$S/config" | tr -d ' ')" "$(head -1 "$S/resource" | cut -d' ' -f1)"
is "driver is a link to nvidia" "$(basename "$(readlink -f "$S/driver")")" nvidia
ok "which is there" test -d "$S/driver/module"
like "modalias" "$(cat "$S/modalias")" "^pci:v000010DEd[0-9A-F]{8}sv[0-9A-F]{8}sd[0-9A-F]{8}bc03sc02i00\$"
is "uevent names the slot" "$(grep SLOT "$S/uevent")" "PCI_SLOT_NAME=0000:1b:00.0"
is "module version" "$(cat "$MNT/sys/module/nvidia/version")" "$V"
is "module state" "$(cat "$MNT/sys/module/nvidia/initstate") $(cat "$MNT/sys/module/nvidia_uvm/initstate")" "live live"

sed -n '/^uuid/,/^end/p' "$MNT/dev/nvidia0" | grep -v '^end' >"$T/table"
while read -r key value; do
	[ "$(cat "$D/$key")" = "$value" ] || { fail "devices/0/$key"; diag "$(cat "$D/$key") is not $value"; }
done <"$T/table"
pass "each property of the table is a file with its value ($(wc -l <"$T/table"))"
is "memory.max" "$(cat "$D/memory.max")" "$(prop memory_total)"
is "memory.current" "$(cat "$D/memory.current")" 0
is "utilization" "$(cat "$D/utilization")" 0
is "temperature at no load" "$(cat "$D/temperature")" "$(prop temp_idle_c)"
is "power at no load" "$(cat "$D/power")" "$(prop power_idle_mw)"
is "no clients" "$(cat "$D/clients")" ""

is "modes of the nodes" "$(cd "$MNT/dev" && stat -c %A nvidiactl vgpuctl nvidia0 nvidia-uvm nvidia-uvm-tools nvidia-modeset | sort -u)" "-rw-rw-rw-"
is "modes of the capabilities" "$(stat -c %a "$MNT/dev/nvidia-caps/nvidia-cap1" "$MNT/dev/nvidia-caps/nvidia-cap2" "$P/capabilities/mig/config" | tr '\n' ' ')" "400 444 400 "
is "what can be set is writable" "$(stat -c %a "$D/memory_total" "$D/memory.max" "$D/name" "$D/uuid" "$D/pci" "$D/memory.current" | tr '\n' ' ')" "644 644 644 444 444 444 "
# (what counts by itself may have got a digit more since it was asked for its size)
is "sizes are exact" "$(find "$MNT" -type f ! -name 'metrics*' -printf '%s %p\n' | while read -r n f; do [ "$(wc -c <"$f")" = "$n" ] && [ "$(cat "$f" | wc -c)" = "$n" ] || echo "$f"; done)" ""
done_testing
