#!/bin/sh
# Other users: what they may, and what they may not.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
vgpu_need_mount
command -v setpriv >/dev/null || skip_all "needs setpriv"
vgpu_mount 1
as() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }

ok "another user lists" as ls -lR "$MNT"
is "and reads the table" "$(as head -1 "$MNT/dev/nvidiactl")" "vgpufs 1"
ok "opens a node for writing" as sh -c ": <>'$MNT/dev/nvidia0'"
not_ok "may not read a capability of mode 0400" as cat "$MNT/dev/nvidia-caps/nvidia-cap1"
ok "may read one of mode 0444" as cat "$MNT/dev/nvidia-caps/nvidia-cap2"
not_ok "nor capabilities/mig/config" as cat "$MNT/proc/driver/nvidia/capabilities/mig/config"
old=$(cat "$MNT/devices/0/name")
not_ok "may not set a property" as sh -c "echo mine >'$MNT/devices/0/name'"
not_ok "nor memory.max" as sh -c "echo 1G >'$MNT/devices/0/memory.max'"
is "nothing has changed" "$(cat "$MNT/devices/0/name")" "$old"
not_ok "makes no files" as touch "$MNT/dev/x"
not_ok "removes none" as rm -f "$MNT/dev/nvidia0"
cp "$TOP_BUILD/t/lib/node-ioctl" "$T/node-ioctl"
ok "root may ask for a reload" "$T/node-ioctl" "$MNT/dev/vgpuctl" reload
is "others may not" "$(as "$T/node-ioctl" "$MNT/dev/vgpuctl" reload)" "Operation not permitted"
like "all may ask for information" "$(as "$T/node-ioctl" "$MNT/dev/vgpuctl" info)" "^magic 55504756 abi 1 devices 1 generation [1-9]"
ok "on each node" as "$T/node-ioctl" "$MNT/dev/nvidia0" info
is "not on other files" "$("$T/node-ioctl" "$MNT/devices/0/name" info)" "Inappropriate ioctl for device"
chmod 700 "$T"
not_ok "who can't reach the mount point can't look in" as ls "$MNT"
chmod 755 "$T"

# read-only mounts
mkdir "$T/ro"
mount --bind "$MNT" "$T/ro" && at_end "umount -l '$T/ro'"
mount -o remount,bind,ro "$T/ro"
is "a read-only bind reads" "$(head -1 "$T/ro/dev/nvidiactl")" "vgpufs 1"
not_ok "writing is refused" sh -c "echo x >'$T/ro/devices/0/name'"
like "with a clear error" "$(echo x | tee "$T/ro/devices/0/name" 2>&1 >/dev/null)" "Read-only file system"
umount "$T/ro"
ok "a mount with -o ro" vgpu_mount_at "$T/mro" "$STATE" -o ro
is "reads" "$(head -1 "$T/mro/dev/nvidiactl")" "vgpufs 1"
not_ok "and is not written" sh -c "echo x >'$T/mro/devices/0/name'"
done_testing
