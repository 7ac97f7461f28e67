#!/bin/sh
# Nodes and directories of a mount in sandboxes of all kinds.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
vgpu_mount 2
table=$(md5sum <"$MNT/dev/nvidiactl")

touch "$T/node"; mkdir "$T/dir"
ok "bind of a single node" mount --bind "$MNT/dev/nvidia0" "$T/node"
at_end "umount -l '$T/node'"
ok "bind of a directory" mount --bind "$MNT/dev" "$T/dir"
at_end "umount -l '$T/dir'"
is "the node reads" "$(head -1 "$T/node")" "vgpufs 1"
is "the directory, too" "$(md5sum <"$T/dir/nvidiactl")" "$table"
kill -9 "$(vgpu_daemon_pid)"
is "also after the daemon was killed" "$(head -1 "$T/node") $(md5sum <"$T/dir/nvidiactl")" "vgpufs 1 $table"

if command -v bwrap >/dev/null; then
	sandbox="bwrap --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --dev /dev --proc /proc --unshare-all"
	is "bwrap: single nodes at /dev" "$($sandbox --bind "$MNT/dev/nvidiactl" /dev/nvidiactl --dev-bind "$MNT/dev/nvidia0" /dev/nvidia0 \
		sh -c 'md5sum </dev/nvidiactl; head -1 /dev/nvidia0')" "$table
vgpufs 1"
	is "bwrap: read-only" "$($sandbox --ro-bind "$MNT/dev/nvidiactl" /dev/nvidiactl md5sum /dev/nvidiactl | cut -d' ' -f1)" "${table%% *}"
	is "bwrap: directories" "$($sandbox --ro-bind "$MNT/proc/driver" /proc/driver --bind "$MNT" /run/vgpufs \
		sh -c 'grep -c Modify /proc/driver/nvidia/params; cat /run/vgpufs/devices/1/index')" "1
1"
	if command -v setpriv >/dev/null; then
		is "bwrap of another user" "$(setpriv --reuid 65534 --regid 65534 --clear-groups $sandbox --bind "$MNT/dev/nvidiactl" /dev/nvidiactl md5sum /dev/nvidiactl 2>"$T/err" | cut -d' ' -f1)" "${table%% *}"
	fi
else
	skip "bwrap is not here"
fi

if unshare -Urm true 2>/dev/null; then
	is "unshare -Urm" "$(unshare -Urm sh -c "mount --bind '$MNT/dev/nvidia0' '$T/node' && head -1 '$T/node'")" "vgpufs 1"
	is "a user name space of its own mounts its own vgpufs" "$(mkdir -p "$T/own" && unshare -Urm --fork sh -c "
		'$VGPU_SUPER' --state '$STATE' --pidfile '$T/own.pid' --log '$T/own.log' '$T/own' && head -1 '$T/own/dev/nvidiactl'
		umount '$T/own'")" "vgpufs 1"
else
	skip "no user name spaces"
fi

root=$T/root
mkdir -p "$root/dev" "$root/usr" "$root/proc"
ln -s usr/bin "$root/bin"; ln -s usr/lib "$root/lib"; ln -s usr/lib64 "$root/lib64"
if mount --bind /usr "$root/usr"; then
	at_end "umount -l '$root/usr'"
	touch "$root/dev/nvidiactl"
	mount --bind "$MNT/dev/nvidiactl" "$root/dev/nvidiactl"
	at_end "umount -l '$root/dev/nvidiactl'"
	is "chroot" "$(chroot "$root" md5sum /dev/nvidiactl | cut -d' ' -f1)" "${table%% *}"
fi

if command -v crun >/dev/null && mkdir -p "$T/bundle/rootfs" && cp -a "$root/bin" "$root/lib" "$root/lib64" "$T/bundle/rootfs/" &&
   mkdir -p "$T/bundle/rootfs/usr" "$T/bundle/rootfs/proc" "$T/bundle/rootfs/dev" "$T/bundle/rootfs/sys" "$T/bundle/rootfs/run"; then
	cat >"$T/bundle/config.json" <<EOF
{"ociVersion":"1.0.0","process":{"terminal":false,"user":{"uid":0,"gid":0},"args":["sh","-c","md5sum /dev/nvidiactl; cat /proc/driver/nvidia/gpus/*/information | grep -c Model"],
"env":["PATH=/usr/bin:/bin"],"cwd":"/"},"root":{"path":"rootfs","readonly":false},"hostname":"t",
"mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/usr","type":"bind","source":"/usr","options":["rbind","ro"]},
{"destination":"/dev","type":"tmpfs","source":"tmpfs"},
{"destination":"/dev/nvidiactl","type":"bind","source":"$MNT/dev/nvidiactl","options":["bind","rw"]},
{"destination":"/proc/driver","type":"bind","source":"$MNT/proc/driver","options":["bind","ro"]}],
"linux":{"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"}]}}
EOF
	# crun insists on one cgroup hierarchy; hosts with the hybrid layout get it in a name space
	if timeout 60 unshare -m sh -c "stat -fc %T /sys/fs/cgroup | grep -q cgroup2 || {
		umount -R -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; } 2>/dev/null
		exec crun --root '$T/crun' --cgroup-manager=disabled run -b '$T/bundle' vgpufs-test-$$" >"$T/crun.out" 2>"$T/crun.err"; then
		is "crun container" "$(cut -d' ' -f1 "$T/crun.out" | tr '\n' ' ')" "${table%% *} 2 "
	else
		timeout 20 crun --root "$T/crun" delete -f "vgpufs-test-$$" >/dev/null 2>&1
		skip "crun can't run a container here: $(tail -1 "$T/crun.err")"
	fi
else
	skip "crun is not here"
fi

# podman, with all that it stores in here
if command -v podman >/dev/null; then
	rm -rf --one-file-system "$T/pod"
	mkdir -p "$T/pod/usr" "$T/pod/proc" "$T/pod/dev" "$T/pod/sys" "$T/pod/run" "$T/pod/etc"
	cp -a "$root/bin" "$root/lib" "$root/lib64" "$T/pod/"
	cat >"$T/podman" <<EOF
mount --make-rprivate /
stat -fc %T /sys/fs/cgroup | grep -q cgroup2 || { umount -R -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; } 2>/dev/null
exec podman --root "$T/p-store" --runroot "$T/p-run" --tmpdir "$T/p-tmp" --storage-driver vfs --cgroup-manager=cgroupfs \
	--events-backend=none run --rm --cgroups=disabled --network=none --security-opt label=disable \
	--ulimit nofile=1024:1024 --ulimit nproc=1024:1024 -v /usr:/usr:ro "\$@"
EOF
	pod() { timeout 100 unshare -m sh "$T/podman" "$@" 2>"$T/podman.err"; }
	if pod --rootfs "$T/pod" true; then
		is "podman container" "$(pod -v "$MNT/dev/nvidiactl:/dev/nvidiactl" -v "$MNT/dev/nvidia0:/dev/nvidia0" \
			--rootfs "$T/pod" sh -c 'md5sum </dev/nvidiactl; head -1 /dev/nvidia0')" "$table
vgpufs 1"
	else
		skip "podman can't run a container here: $(tail -1 "$T/podman.err")"
	fi
else
	skip "podman is not here"
fi

ok "remove a bound device" vgpu_ctl remove 0
not_ok "its bound node can't be opened any more" cat "$T/node"
ok "but be unmounted" umount "$T/node"
done_testing
