#!/bin/sh
# The mount comes, shows its devices, and goes.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
vgpu_mount 2

is "two devices" "$(ls "$MNT/devices" | tr '\n' ' ')" "0 1 "
is "their nodes" "$(cd "$MNT/dev" && echo nvidia[0-9]*)" "nvidia0 nvidia1"
like "type and source in the table of mounts" "$(grep " $MNT " /proc/self/mounts)" "^vgpufs $MNT fuse.vgpufs rw,nosuid,nodev.*default_permissions,allow_other"
is "the control node reads as the device table" "$(head -1 "$MNT/dev/vgpuctl")" "vgpufs 1"
is "it ends with its end" "$(tail -1 "$MNT/dev/nvidiactl")" "end"
ok "both control nodes say the same" cmp "$MNT/dev/vgpuctl" "$MNT/dev/nvidiactl"
is "a device's node has this device" "$(grep -c '^device ' "$MNT/dev/nvidia1") $(grep '^minor' "$MNT/dev/nvidia1")" "1 minor 1"
if command -v python3 >/dev/null; then
	attr() { python3 -c 'import os, sys
try: sys.stdout.buffer.write(os.getxattr(sys.argv[1], sys.argv[2]))
except OSError as e: print(e.strerror)' "$1" "$2"; }
	for f in nvidiactl nvidia1; do
		is "the attribute of $f says the same" "$(attr "$MNT/dev/$f" user.vgpufs.table)" "$(cat "$MNT/dev/$f")"
	done
	vgpu_ctl create >/dev/null
	is "also after a change" "$(attr "$MNT/dev/nvidiactl" user.vgpufs.table | grep -c '^device ')" 3
	vgpu_ctl remove 2
	is "other files have no such attribute" "$(attr "$MNT/dev/nvidia-uvm" user.vgpufs.table)" "No data available"
	is "and nodes no other" "$(attr "$MNT/dev/nvidiactl" user.other)" "No data available"
	like "nor are attributes listed" "$(python3 -c 'import os, sys; os.listxattr(sys.argv[1])' "$MNT/dev/nvidiactl" 2>&1)" "not supported"
else
	skip "python3 is not here"
fi
is "the daemon is super's child" "$(cat "/proc/$(vgpu_daemon_pid)/comm")" vgpufsd
not_ok "a second mount at the same place is refused" "$VGPU_SUPER" --state "$STATE" "$MNT"

kill -TERM "$SUPER_PID"
ok "SIGTERM ends the mount" vgpu_gone "$SUPER_PID" 50
not_ok "and the mount point is free" grep -q " $MNT " /proc/self/mounts
is "and empty" "$(ls "$MNT")" ""
not_ok "no pid file stays" test -e "$MNT.pid"
is "the log says nothing" "$(grep -v 'mounted at' "$MNT.log")" ""

ok "mount again" vgpu_mount_at "$MNT" "$STATE"
ok "umount" umount "$MNT"
ok "super ends by itself" vgpu_gone "$SUPER_PID" 50
done_testing
