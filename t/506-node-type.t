#!/bin/bash
# node_type=chr: nodes that look like NVIDIA's character devices, for tools that insist on the type. They can't be
# opened; programs go through dev/vgpuctl, and a device whose node they may not use is not theirs.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
. "$TOP_SRC/t/lib/nvml.sh"
vgpu_mount 2
D=$MNT/dev
kind() { stat -c '%F %t:%T' "$D/$1"; }
see() { "$TOP_BUILD/t/lib/discover" torch; }
uuid() { awk '$1 == "uuid" && n++ == want { print $2 }' want="$1" "$D/vgpuctl"; }

for n in nvidia0 nvidiactl nvidia-uvm; do
	like "$n is a file" "$(kind $n)" '^regular (empty )?file 0:0$'
done
not_ok "another type is refused" vgpu_ctl set 0 node_type=pipe

# ---- one device, while it is open and bound ----
exec {fd}<"$D/nvidia0"
touch "$T/bound"
mount --bind "$D/nvidia0" "$T/bound" && at_end "umount -l '$T/bound'"
ok "the type is set" vgpu_ctl set 0 node_type=chr
is "its node is the character device 195:0" "$(kind nvidia0)" "character special file c3:0"
is "readdir says so, too" "$(find "$D" -type c -printf '%f\n')" nvidia0
is "the other one is a file" "$(stat -c %F "$D/nvidia1")" "regular file"
is "the control node, too" "$(stat -c %F "$D/nvidiactl")" "regular file"
like "what was open goes on" "$(head -1 <&$fd)" '^vgpufs '
like "what was bound, too" "$(head -1 "$T/bound")" '^vgpufs '
exec {fd}<&-
not_ok "it can't be opened" cat "$D/nvidia0"

# ---- all of them ----
ok "the other one's" vgpu_ctl set 1 node_type=chr
is "the control node" "$(kind nvidiactl)" "character special file c3:ff"
is "modeset" "$(kind nvidia-modeset)" "character special file c3:fe"
is "uvm" "$(kind nvidia-uvm)" "character special file 1ff:0"
is "a capability" "$(kind nvidia-caps/nvidia-cap2)" "character special file eb:2"
is "vgpuctl is always a file" "$(stat -c %F "$D/vgpuctl")" "regular file"
is "nodes don't forget over a new daemon" "$(kill -9 "$(vgpu_daemon_pid)"; kind nvidia1)" "character special file c3:1"
u0=$(uuid 0) u1=$(uuid 1)
if [ -z "$SANITIZER" ]; then
	nvml_env
	is "libraries see the devices" "$(see)" "nvml 2 $u0 $u1 cuda 2"
	if nvml_hold 1 8; then pass "a program runs"; nvml_release; else fail "a program runs"; fi
	if command -v bwrap >/dev/null && bwrap --ro-bind / / --dev /dev true 2>/dev/null; then
		in_sandbox() { bwrap --ro-bind / / --dev /dev --proc /proc --bind "$D/vgpuctl" /dev/vgpuctl --unsetenv VGPU_PATH "$@" "$TOP_BUILD/t/lib/discover" torch; }
		is "in a sandbox with one of them" "$(in_sandbox --bind "$D/nvidiactl" /dev/nvidiactl --bind "$D/nvidia1" /dev/nvidia1)" "nvml 1 $u1 cuda 1"
	fi
	# what Slurm and container runtimes do to keep devices apart
	cg=/sys/fs/cgroup/devices/vgpufs-test-$$
	if [ -f /sys/fs/cgroup/devices/devices.deny ] && mkdir "$cg" 2>/dev/null; then
		at_end "rmdir '$cg'"
		echo 'c 195:0 rwm' >"$cg/devices.deny"
		is "the devices cgroup decides who sees which" "$(echo $BASHPID >"$cg/cgroup.procs"; see)" "nvml 1 $u1 cuda 1"
	else
		skip "no devices cgroup (version 1) to be had"
	fi
fi
ok "files again" vgpu_ctl set 0 node_type=file
like "the node" "$(kind nvidia0)" '^regular file 0:0$'
like "the control node" "$(kind nvidiactl)" '^regular file 0:0$'
like "can be opened" "$(head -1 "$D/nvidia0")" '^vgpufs '
done_testing
