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
