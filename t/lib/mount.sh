# mount.sh: a private mount for a shell test; source it after tap.sh.
#
#   vgpu_mount 2                      two devices of the default profile
#   vgpu_mount "--profile t4" ""      one device per argument, each an argument list of `vgpuctl create`
#   VGPU_SUPER_OPTS="--engine …"      more options for vgpufs-super
#
# Sets MNT, STATE, SUPER_PID. Everything goes away when the test ends, also
# when it fails: unmounted, cut if stuck, killed by pid.
VGPUCTL=$TOP_BUILD/tools/vgpuctl
VGPU_SUPER=$TOP_BUILD/fusefs/vgpufs-super

# Skips the whole test where there can be no mount.
vgpu_need_mount() {
	[ "$(id -u)" = 0 ] || skip_all "needs root"
	[ -c /dev/fuse ] || skip_all "needs /dev/fuse"
	[ -x "$VGPU_SUPER" ] || bail "$VGPU_SUPER is not built"
}

# The devices' registry alone: vgpu_state DIR [N|create-args…]
vgpu_state() {
	local dir=$1 i=0; shift
	mkdir -p "$dir"
	case ${1-1} in
	''|*[!0-9]*)
		for args; do
			# shellcheck disable=SC2086
			"$VGPUCTL" --state "$dir" create $args >/dev/null 2>"$T/.ctl" || { cat "$T/.ctl" >&2; return 1; }
		done ;;
	*)
		while [ $i -lt "${1-1}" ]; do
			"$VGPUCTL" --state "$dir" create >/dev/null 2>"$T/.ctl" || { cat "$T/.ctl" >&2; return 1; }
			i=$((i + 1))
		done ;;
	esac
}

# Process $1 has ended within about $2 tenths of a second.
vgpu_gone() {
	local n=$2
	while [ -d "/proc/$1" ] && ! grep -q '^State:	Z' "/proc/$1/status" 2>/dev/null; do
		[ "$n" -gt 0 ] || return 1
		n=$((n - 1))
		sleep 0.1
	done
}

# vgpu_umount MNT PID CONNECTION: whatever state they are in.
vgpu_umount() {
	umount "$1" 2>/dev/null || umount -l "$1" 2>/dev/null
	vgpu_gone "$2" 20 && return
	kill -TERM "$2" 2>/dev/null
	vgpu_gone "$2" 10 && return
	[ -n "$3" ] && echo 1 >"/sys/fs/fuse/connections/$3/abort" 2>/dev/null
	vgpu_gone "$2" 10 && return
	kill -KILL "$2" 2>/dev/null
	umount -l "$1" 2>/dev/null
}

# The number of a mount in /sys/fs/fuse/connections.
vgpu_connection() { awk -v m="$1" '$5 == m { split($3, d, ":"); print d[2] }' /proc/self/mountinfo | tail -1; }

# vgpu_mount_at DIR STATE [options…]: mounts, sets SUPER_PID
vgpu_mount_at() {
	local dir=$1 state=$2 conn; shift 2
	mkdir -p "$dir"
	rm -f "$dir.pid"
	# shellcheck disable=SC2086
	"$VGPU_SUPER" --state "$state" --pidfile "$dir.pid" --log "$dir.log" $VGPU_SUPER_OPTS "$@" "$dir" </dev/null || {
		diag "vgpufs-super: $(cat "$dir.log" 2>/dev/null)"
		return 1
	}
	SUPER_PID=$(cat "$dir.pid")
	conn=$(vgpu_connection "$dir")
	at_end "vgpu_umount '$dir' '$SUPER_PID' '$conn'"
}

vgpu_mount() {
	vgpu_need_mount
	chmod 755 "$T" # other users look in, too
	MNT=$T/mnt STATE=$T/state
	vgpu_state "$STATE" "$@" || bail "the devices can't be created"
	vgpu_mount_at "$MNT" "$STATE" || bail "no mount"
}

# The process id of the daemon that serves now.
vgpu_daemon_pid() { cat "/proc/$SUPER_PID/task/$SUPER_PID/children" | tr ' ' '\n' | while read -r p; do
	[ "$(cat "/proc/$p/comm" 2>/dev/null)" = vgpufsd ] && echo "$p"; done | head -1; }

# Tells the daemon of changes in the registry.
vgpu_ctl() { "$VGPUCTL" --state "$STATE" --mount "$MNT" "$@"; }
