#!/bin/bash
# 800-process-matrix: device visibility belongs to the file system: whatever a
# process' environment, parent, uid, age or sandbox, it sees the same devices
# and computes right results on them, with the driver API and with both
# flavours of cudart. Runs in a mount namespace of its own, where vgpufs is at
# /run/vgpufs and the libraries are in the loader's cache, as installed.
if [ -z "$VGPU_MATRIX_NS" ]; then
	if [ "$(id -u)" != 0 ]; then echo "1..0 # SKIP needs root (mount namespace)"; exit 0; fi
	[ -w /dev/fuse ] || { echo "1..0 # SKIP no /dev/fuse"; exit 0; }
	unshare -m --propagation private true 2>/dev/null || { echo "1..0 # SKIP no mount namespaces"; exit 0; }
	VGPU_MATRIX_NS=1 exec unshare -m --propagation private "$0" "$@"
fi
. "$(dirname "$0")/lib/tap.sh"
chmod 755 "$T"

# ---- the machine as the installer leaves it, in this namespace only ----
M=/run/vgpufs
mkdir -p "$T/lib" "$T/bin" "$T/state"
cp "$TOP_BUILD/t/lib/probe" "$T/bin/probe" || bail "t/lib/probe is not built"
cp "$TOP_BUILD/libcuda-vgpu/libcuda.so" "$T/lib/libcuda.so.1" || bail "libcuda.so is not built"
PROGRAMS="$T/bin/probe"
EXTRA_LIB=
if [ -n "$SANITIZER" ]; then
	diag "only what the sanitizer has built can load a library that it has built: driver API only"
elif [ -x "${CUDA_HOME:-/nonexistent}/bin/nvcc" ]; then
	for flavour in static shared; do
		if "$CUDA_HOME/bin/nvcc" -cudart $flavour -o "$T/bin/rt_$flavour" "$TOP_SRC/t/cuda/probe_rt.cu" >"$T/nvcc.log" 2>&1; then
			PROGRAMS="$PROGRAMS $T/bin/rt_$flavour"
		else
			diag "nvcc failed:" "$(cat "$T/nvcc.log")"
		fi
	done
	for f in "$CUDA_HOME"/lib64/libcudart.so.*; do cp "$f" "$T/lib/"; done
else
	diag "no nvcc: driver API only"
fi
mount -t tmpfs -o mode=755 none /run || bail "tmpfs on /run"
at_end 'umount -l /run'
mkdir -p $M /run/lock
echo "$T/lib" >"$T/ld.so.conf"
cat /etc/ld.so.conf >>"$T/ld.so.conf"
ldconfig -C "$T/ld.so.cache" -f "$T/ld.so.conf" 2>/dev/null
mount --bind "$T/ld.so.cache" /etc/ld.so.cache || bail "bind ld.so.cache"
at_end 'umount -l /etc/ld.so.cache'
# a /dev of the host's own stays out of the way
for n in /dev/nvidia* /dev/vgpuctl; do
	[ -f "$n" ] && [ ! -L "$n" ] && mount --bind /dev/null "$n"
done

"$T/bin/probe" --wait-here "$T/go" >"$T/before.out" 2>&1 &
BEFORE=$!
for p in $PROGRAMS; do
	"$T/bin/probe" --wait "$T/go" "$p" >"$T/before.${p##*/}" 2>&1 &
	eval "BEFORE_${p##*/}=$!"
done
is "no mount: no device, no error" "$("$T/bin/probe" 2>&1)" "count=0"

VGPUCTL="$TOP_BUILD/tools/vgpuctl"
"$VGPUCTL" --state "$T/state" create --count 2 >"$T/create.log" 2>&1 || { diag "$(cat "$T/create.log")"; bail "vgpuctl create"; }
"$TOP_BUILD/fusefs/vgpufs-super" -f --state "$T/state" $M >"$T/super.log" 2>&1 &
SUPER=$!
at_end "kill $SUPER 2>/dev/null; for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 $SUPER 2>/dev/null || break; sleep 0.2; done; kill -9 $SUPER 2>/dev/null; umount -l $M"
for i in $(seq 100); do [ -e $M/dev/nvidiactl ] && break; sleep 0.1; done
[ -e $M/dev/nvidiactl ] || { diag "$(cat "$T/super.log")"; bail "not mounted"; }

WANT=$("$T/bin/probe" 2>&1)
like "the user's own process sees two devices and computes" "$WANT" '^count=2( GPU-[0-9a-f-]{36} right){2}$'
WANT_FIRST=$(printf '%s\n' "$WANT" | sed 's/count=2\( GPU-[^ ]* right\).*/count=1\1/')

# ---- the matrix ----
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
for p in $PROGRAMS; do
	n=${p##*/}
	is "$n: plain" "$($p 2>&1)" "$WANT"
	is "$n: fork and exec, empty environment" "$("$T/bin/probe" --child exec "$p" 2>&1)" "$WANT"
	is "$n: double fork with setsid" "$("$T/bin/probe" --child daemon "$p" 2>&1)" "$WANT"
	is "$n: posix_spawn" "$("$T/bin/probe" --child spawn "$p" 2>&1)" "$WANT"
	is "$n: env -i sh -c" "$(env -i /bin/sh -c "$p" 2>&1)" "$WANT"
	is "$n: another uid" "$(nobody "$p" 2>&1)" "$WANT"
	cp "$p" "$T/bin/suid-$n" && chmod 4755 "$T/bin/suid-$n"
	is "$n: setuid program" "$(nobody "$T/bin/suid-$n" 2>&1)" "$WANT"
	is "$n: setuid program ignores VGPU_PATH" "$(VGPU_PATH=/nonexistent nobody "$T/bin/suid-$n" 2>&1)" "$WANT"
	is "$n: one device chosen by UUID" "$(CUDA_VISIBLE_DEVICES=$(printf '%s' "$WANT_FIRST" | sed 's/.*\(GPU-[^ ]*\).*/\1/') "$p" 2>&1)" "$WANT_FIRST"
done

touch "$T/go"
wait $BEFORE
is "a process that is older than the mount" "$(cat "$T/before.out")" "$WANT"
for p in $PROGRAMS; do
	n=${p##*/}
	eval "wait \$BEFORE_$n"
	is "$n: started by a process that is older than the mount" "$(cat "$T/before.$n")" "$WANT"
done

# chroot with bind-mounted nodes and library
R="$T/root"
mkdir -p "$R/dev" "$R/etc" "$R/usr" "$R$T/lib" "$R$T/bin" "$R/tmp"
mount --rbind /usr "$R/usr" && mount --make-rslave "$R/usr"
at_end "umount -l '$R/usr'"
for d in bin sbin lib lib64; do [ -L /$d ] && cp -P /$d "$R/$d"; done
cp "$T/ld.so.cache" "$R/etc/ld.so.cache"
cp "$T"/lib/* "$R$T/lib/"
cp "$T"/bin/* "$R$T/bin/"
for n in nvidiactl nvidia0 nvidia1; do
	: >"$R/dev/$n"
	mount --bind $M/dev/$n "$R/dev/$n" || bail "bind $n"
	at_end "umount -l '$R/dev/$n'"
done
if [ -n "$SANITIZER" ]; then # its run-time library wants to see its program's name
	mkdir -p "$R/proc"
	mount -t proc proc "$R/proc"
	at_end "umount -l '$R/proc'"
fi
for p in $PROGRAMS; do
	is "${p##*/}: chroot with bound nodes" "$(chroot "$R" "$p" 2>&1)" "$WANT"
done

# bubblewrap: nothing of the host but /usr, the nodes and the library
if command -v bwrap >/dev/null && bwrap --unshare-all --ro-bind / / true 2>/dev/null; then
	sandbox() {
		local bind=$1 nodes=$2 n args=
		shift 2
		for n in $nodes; do args="$args $bind $M/dev/$n /dev/$n"; done
		bwrap --unshare-all --die-with-parent --clearenv --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib \
			--symlink usr/lib64 /lib64 --dir /etc --ro-bind "$T/ld.so.cache" /etc/ld.so.cache \
			--ro-bind "$T/lib" "$T/lib" --ro-bind "$T/bin" "$T/bin" --proc /proc --dev /dev $args "$@"
	}
	for p in $PROGRAMS; do
		n=${p##*/}
		is "$n: bubblewrap" "$(sandbox --bind 'nvidiactl nvidia0 nvidia1' "$p" 2>&1)" "$WANT"
		is "$n: bubblewrap, read-only binds" "$(sandbox --ro-bind 'nvidiactl nvidia0 nvidia1' "$p" 2>&1)" "$WANT"
		is "$n: bubblewrap with one of two devices" "$(sandbox --bind 'nvidiactl nvidia0' "$p" 2>&1)" "$WANT_FIRST"
	done
	is "bubblewrap with no node: no device" "$(sandbox --bind '' "$T/bin/probe" 2>&1)" "count=0"
else
	skip "no bubblewrap here"
fi

# user, mount and pid namespaces of its own
if unshare -Urmpf true 2>/dev/null; then
	for p in $PROGRAMS; do
		is "${p##*/}: unshare -Urmpf" "$(unshare -Urmpf "$p" 2>&1)" "$WANT"
	done
else
	skip "no user namespaces here"
fi

# a container by crun (what podman runs), rootful
if command -v crun >/dev/null; then
	B="$T/bundle"
	mkdir -p "$B"
	mounts=
	for n in nvidiactl nvidia0 nvidia1; do
		mounts="$mounts,{\"destination\":\"/dev/$n\",\"source\":\"$M/dev/$n\",\"type\":\"bind\",\"options\":[\"bind\",\"rw\"]}"
	done
	crun_line() {
		cat >"$B/config.json" <<EOF
{"ociVersion":"1.0.0","process":{"terminal":false,"user":{"uid":1000,"gid":1000},"args":["$1"],"env":["PATH=/usr/bin"],"cwd":"/",
 "noNewPrivileges":true},"root":{"path":"$R","readonly":true},"hostname":"c","mounts":[
 {"destination":"/proc","type":"proc","source":"proc"},{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755"]}$mounts],
 "linux":{"namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"network"}]}}
EOF
		(cd "$B" && crun --root "$T/crun" --cgroup-manager=disabled run "vgpu-test-$$")
	}
	mkdir -p "$R/proc" "$R/sys"
	# crun insists on one cgroup hierarchy; hosts with the hybrid layout get it in this namespace
	if ! crun_line /bin/true >/dev/null 2>&1; then
		umount -R -l /sys/fs/cgroup 2>/dev/null
		mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null
	fi
	if crun_line /bin/true >"$T/crun.log" 2>&1; then
		for p in $PROGRAMS; do
			is "${p##*/}: container" "$(crun_line "$p" 2>&1)" "$WANT"
		done
	else
		diag "$(cat "$T/crun.log")"
		skip "containers do not start here"
	fi
else
	skip "no crun here"
fi

# the daemon dies and is replaced
DAEMON=$(pgrep -P $SUPER -x vgpufsd | head -n1)
if [ -n "$DAEMON" ]; then
	kill -9 "$DAEMON"
	for i in $(seq 50); do D2=$(pgrep -P $SUPER -x vgpufsd | head -n1); [ -n "$D2" ] && [ "$D2" != "$DAEMON" ] && break; sleep 0.1; done
	if [ -n "$D2" ] && [ "$D2" != "$DAEMON" ]; then pass "a killed vgpufsd is replaced"; else fail "a killed vgpufsd is replaced"; fi
	for p in $PROGRAMS; do
		is "${p##*/}: after the daemon's restart" "$($p 2>&1)" "$WANT"
		is "${p##*/}: chroot binds stay valid over the restart" "$(chroot "$R" "$p" 2>&1)" "$WANT"
	done
else
	fail "no vgpufsd below vgpufs-super"
fi

# nothing stays behind
for i in $(seq 50); do pgrep -P $SUPER -x vgpu-engine >/dev/null || break; sleep 0.1; done
is "no engine worker outlives its client" "$(pgrep -P $SUPER -x vgpu-engine)" ""
is "no memory stays allocated" "$(cat $M/devices/0/memory.current)" "0"
done_testing
