#!/bin/sh
# Mounting, unmounting, dying: what super does in each case.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
vgpu_mount 1
HELPER=$TOP_BUILD/tools/mount.vgpufs

# a daemon that dies is replaced
exec 8<"$MNT/dev/nvidia0"
cd "$MNT/devices" || exit 99
for i in 1 2 3; do
	old=$(vgpu_daemon_pid)
	kill -9 "$old"
	is "kill $i: the next read is served" "$(head -1 "$MNT/dev/nvidiactl")" "vgpufs 1"
	ok "by another daemon" test "$(vgpu_daemon_pid)" != "$old"
done
is "an old open reads" "$(head -1 <&8)" "vgpufs 1"
is "an old working directory, too" "$(ls)" 0
cd / || exit 99
for sig in TERM SEGV; do
	old=$(vgpu_daemon_pid)
	kill -$sig "$old"
	vgpu_gone "$old" 50
	is "SIG$sig: replaced as well" "$(head -1 "$MNT/dev/nvidiactl")" "vgpufs 1"
done
# … also while readers are at it
(i=0; while [ $i -lt 300 ]; do head -1 "$MNT/dev/nvidia0" >/dev/null || exit 1; ls "$MNT/devices" >/dev/null || exit 1; i=$((i + 1)); done) & reader=$!
for i in 1 2 3 4 5 6 7 8 9 10; do d=$(vgpu_daemon_pid); [ -n "$d" ] && kill -9 "$d"; sleep 0.05; done
ok "a reader sees no error while ten daemons are killed" wait $reader

# busy
umount "$MNT" 2>"$T/why" && fail "umount of a busy mount" || pass "umount of a busy mount is refused"
kill -TERM "$SUPER_PID"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do grep -q " $MNT " /proc/self/mounts || break; sleep 0.1; done
not_ok "SIGTERM: out of the name space" grep -q " $MNT " /proc/self/mounts
is "who has it open is still served" "$(cat <&8 | tail -1)" end
ok "super is still there" test -d "/proc/$SUPER_PID"
exec 8<&-
ok "the last close ends it" vgpu_gone "$SUPER_PID" 50

# a bind keeps it alive after a clean umount
ok "mount" vgpu_mount_at "$MNT" "$STATE"
mkdir "$T/bind"
mount --bind "$MNT/dev" "$T/bind"; at_end "umount -l '$T/bind'"
ok "umount with a bind elsewhere" umount "$MNT"
is "the bind lives on" "$(head -1 "$T/bind/nvidiactl")" "vgpufs 1"
ok "super, too" test -d "/proc/$SUPER_PID"
umount "$T/bind"
ok "until it is unmounted" vgpu_gone "$SUPER_PID" 50

# super killed: the mount is dead; the next start recovers it
ok "mount" vgpu_mount_at "$MNT" "$STATE"
daemon=$(vgpu_daemon_pid)
kill -9 "$SUPER_PID"
ok "a daemon without super ends" vgpu_gone "$daemon" 50
is "the mount is dead" "$(stat "$MNT" 2>&1 | grep -o 'not connected')" "not connected"
ok "the next start recovers it" vgpu_mount_at "$MNT" "$STATE"
is "and serves" "$(head -1 "$MNT/dev/nvidiactl")" "vgpufs 1"
is "there is one mount" "$(grep -c " $MNT " /proc/self/mounts)" 1
umount "$MNT"
vgpu_gone "$SUPER_PID" 50

# foreground, readiness, bad starts
if command -v python3 >/dev/null; then
	cat >"$T/notify.py" <<'EOF'
import socket, subprocess, sys, os, signal
path = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(path)
s.settimeout(20)
p = subprocess.Popen(sys.argv[2:], env=dict(os.environ, NOTIFY_SOCKET=path))
assert s.recv(100) == b"READY=1"
assert os.path.exists(sys.argv[-1] + "/dev/nvidiactl")
p.send_signal(signal.SIGTERM)
assert s.recv(100) == b"STOPPING=1"
assert p.wait(20) == 0
EOF
	ok "in the foreground: READY=1, SIGTERM, status 0" python3 "$T/notify.py" "$T/notify" "$VGPU_SUPER" -f --state "$STATE" "$MNT"
else
	skip "python3 is not here"
fi
echo garbage >"$T/garbage.txt"; mkdir "$T/badstate"; cp "$T/garbage.txt" "$T/badstate/registry.db"
not_ok "a damaged registry: no mount" "$VGPU_SUPER" --state "$T/badstate" "$MNT"
like "and the reason" "$("$VGPU_SUPER" --state "$T/badstate" "$MNT" 2>&1)" "vgpufsd: registry in $T/badstate"
not_ok "no mount is left" grep -q " $MNT " /proc/self/mounts
not_ok "a daemon that can't start" "$VGPU_SUPER" --state "$STATE" --daemon /bin/false "$MNT"
not_ok "one that is not there" "$VGPU_SUPER" --state "$STATE" --daemon /nowhere/vgpufsd "$MNT"
not_ok "no mount is left by these" grep -q " $MNT " /proc/self/mounts
not_ok "a file as mount point" "$VGPU_SUPER" --state "$STATE" "$T/garbage.txt"
not_ok "no mount point" "$VGPU_SUPER" --state "$STATE"
not_ok "unknown option" "$VGPU_SUPER" --nonsense "$MNT"
ok "help" "$VGPU_SUPER" --help

# a daemon that dies again and again
cat >"$T/dies" <<EOF
#!/bin/sh
[ -e "$T/bad" ] && exit 3
exec "$TOP_BUILD/fusefs/vgpufsd" "\$@"
EOF
chmod +x "$T/dies"
ok "mount with a daemon that will fail" vgpu_mount_at "$MNT" "$STATE" --daemon "$T/dies"
touch "$T/bad"
kill -9 "$(vgpu_daemon_pid)"
like "clients get an error in the end, they don't hang" "$(timeout 60 cat "$MNT/dev/nvidia0" 2>&1)" "not connected|abort"
ok "super has given up" vgpu_gone "$SUPER_PID" 100
rm "$T/bad"
ok "the next start recovers" vgpu_mount_at "$MNT" "$STATE" --daemon "$T/dies"
umount "$MNT"
vgpu_gone "$SUPER_PID" 50

# mount(8)'s helpers, by hand and by the names that mount(8) looks for
run_helper() { # NAME COMMAND…
	local name=$1 pid; shift
	ok "$name" "$@"
	is "… serves when it returns" "$(head -1 "$MNT/dev/nvidiactl")" "vgpufs 1"
	pid=$(pgrep -f -- "vgpufs-super .*$MNT\$")
	at_end "vgpu_umount '$MNT' '$pid' ''"
	umount "$MNT"
	ok "… and ends with umount" vgpu_gone "$pid" 50
}
run_helper "mount.vgpufs" "$HELPER" vgpufs "$MNT" -o "rw,nofail,_netdev,dev,suid,x-systemd.automount,user=me,state=$STATE"
run_helper "options behind and before" "$HELPER" -n -v -o "state=$STATE" vgpufs "$MNT"
not_ok "a relative state directory" "$HELPER" vgpufs "$MNT" -o state=here
not_ok "no mount point" "$HELPER" vgpufs
ok "fake" "$HELPER" -f vgpufs "$MNT" -o "state=$STATE"
not_ok "mounts nothing" grep -q " $MNT " /proc/self/mounts
if unshare -m true 2>/dev/null && [ -d /sbin ]; then
	mkdir "$T/sbin"
	cp -a /sbin/. "$T/sbin/" 2>/dev/null
	ln -sf "$HELPER" "$T/sbin/mount.vgpufs"
	ln -sf "$HELPER" "$T/sbin/vgpufs" # mount(8) gives its helpers a PATH of its own
	sbin=$(readlink -f /sbin)
	printf 'vgpufs %s vgpufs defaults,nofail,state=%s 0 0\n' "$MNT" "$STATE" >"$T/fstab"
	in_ns() { unshare -m sh -c "mount --bind '$T/sbin' '$sbin' && $1 && head -1 '$MNT/dev/nvidiactl' && grep -o ' fuse.vgpufs ' /proc/self/mounts | tail -1 && umount '$MNT'"; }
	is "mount -t vgpufs" "$(in_ns "mount -t vgpufs vgpufs '$MNT' -o state=$STATE" | tr '\n' '/')" "vgpufs 1/ fuse.vgpufs /"
	is "a line of fstab" "$(in_ns "mount -a -T '$T/fstab'" | tr '\n' '/')" "vgpufs 1/ fuse.vgpufs /"
	is "mount -t fuse.vgpufs" "$(in_ns "mount -t fuse.vgpufs vgpufs '$MNT' -o state=$STATE" | tr '\n' '/')" "vgpufs 1/ fuse.vgpufs /"
else
	skip "no mount name spaces"
fi
done_testing
