#!/bin/sh
# Sessions over the socket inside the mount, for daemons that may pull no sockets.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
vgpu_need_mount
command -v python3 >/dev/null || skip_all "python3 is not here"
PY=$(python3 -c 'import sys; print(sys.executable)')
vgpu_mount 1
NOBODY='setpriv --reuid 65534 --regid 65534 --clear-groups'
$NOBODY "$PY" -c '' 2>/dev/null || PY=/usr/bin/python3
$NOBODY "$PY" -c '' 2>/dev/null || NOBODY=
SOCK=$MNT/dev/vgpu.sock
[ -S "$SOCK" ] || skip_all "no mount name space for the socket"
mkdir "$T/lib"
cp "$TOP_BUILD/libcuda-vgpu/libcuda.so" "$T/lib/libcuda.so.1"
cat >"$T/client.py" <<'EOF'
import ctypes, os, sys
c = ctypes.CDLL(sys.argv[1])
def call(name, *args):
    r = getattr(c, name)(*args)
    if r: print(name, r); sys.exit(1)
ctx, p, back = ctypes.c_void_p(), ctypes.c_uint64(), (ctypes.c_char * 5)()
call("cuInit", 0)
call("cuCtxCreate_v2", ctypes.byref(ctx), 0, 0)
call("cuMemAlloc_v2", ctypes.byref(p), 4096)
call("cuMemcpyHtoD_v2", p, b"hello", 5)
if len(sys.argv) > 2:
    print("there", flush=True); sys.stdin.readline()
call("cuMemcpyDtoH_v2", back, p, 5)
print(back.raw.decode())
EOF
RUN=
if [ -n "$SANITIZER" ]; then
	PRELOAD=$(sanitizer_preload "$T/lib/libcuda.so.1") || skip_all "this sanitizer can't be brought into python3"
	RUN="env LD_PRELOAD=$PRELOAD ASAN_OPTIONS=detect_leaks=0" # python3's own are not ours
fi
client() { VGPU_PATH=${P:-$MNT} VGPU_TRANSPORT=${V-mountsock} $RUN $AS "$PY" "$T/client.py" "$T/lib/libcuda.so.1" "$@" 2>&1; }

is "the socket is for everybody" "$(stat -c '%F %a' "$SOCK")" "socket 666"
is "it is not listed" "$(ls -a "$MNT/dev" | grep -c sock)" 0
is "a session over it" "$(client)" hello
if [ "$NOBODY" ]; then
	is "of another user" "$(AS=$NOBODY client)" hello
else
	skip "no python3 or setpriv for another user"
	PY=python3
fi
mkdir "$T/bind"
mount --bind "$MNT/dev" "$T/bind" && at_end "umount -l '$T/bind'"
mount -o remount,ro,bind "$T/bind"
is "through a read-only bind of the directory" "$(P=$T/bind client)" hello
umount "$T/bind"
if command -v bwrap >/dev/null; then
	is "in a sandbox that got node and socket" "$(AS="bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all
		--bind $MNT/dev/nvidiactl /dev/nvidiactl --bind $MNT/dev/nvidia0 /dev/nvidia0 --bind $SOCK /dev/vgpu.sock
		--bind $T/lib $T/lib --setenv VGPU_PATH /dev" client)" hello
	is "one that got the node alone has its session, too" "$(V= AS="bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all
		--bind $MNT/dev/nvidiactl /dev/nvidiactl --bind $MNT/dev/nvidia0 /dev/nvidia0
		--bind $T/lib $T/lib --setenv VGPU_PATH /dev" client)" hello
else
	skip "bwrap is not here"
fi
kill -9 "$(vgpu_daemon_pid)"
is "the next daemon listens" "$(client)" hello

# the ring goes on while daemons come and go, and the device knows who uses it
mkfifo "$T/go"
client wait <"$T/go" >"$T/out" & pid=$!
exec 9>"$T/go"
for i in $(seq 200); do grep -q there "$T/out" && break; sleep 0.1; done
kill -9 "$(vgpu_daemon_pid)"
ok "its memory is accounted" test "$(cat "$MNT/devices/0/memory.current")" -gt 0
echo >&9
wait $pid
exec 9>&-
is "a session outlives its daemon" "$(tail -1 "$T/out")" hello
for i in $(seq 50); do [ "$(cat "$MNT/devices/0/memory.current")" = 0 ] && break; sleep 0.1; done
is "and leaves nothing" "$(cat "$MNT/devices/0/memory.current")" 0

is "garbage is dropped" "$(python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1]); s.send(b"x" * 64); s.settimeout(20); print(s.recv(10))' "$SOCK" 2>&1)" "b''"
is "nobody else makes or removes one" "$(rm "$SOCK" 2>&1 | grep -c 'not permitted') $(python3 -c '
import socket, sys
try: socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).bind(sys.argv[1])
except OSError as e: print(e.strerror)' "$MNT/dev/other.sock")" "1 Operation not permitted"
ok "it does not hold the mount" umount "$MNT"
ok "which ends" vgpu_gone "$SUPER_PID" 100

if [ "$NOBODY" ]; then
	printf '#!/bin/sh\nexec setpriv --inh-caps=-sys_ptrace --bounding-set=-sys_ptrace "%s" "$@"\n' "$TOP_BUILD/fusefs/vgpufsd" >"$T/weak"
	chmod +x "$T/weak"
	ok "mount, with a daemon that may not ptrace" vgpu_mount_at "$MNT" "$STATE" --daemon "$T/weak"
	like "another user's socket can't be pulled" "$(AS=$NOBODY V=ring client)" "^cu[A-Za-z_0-9]+ [1-9]"
	is "but the session comes" "$(AS=$NOBODY V= client)" hello
	umount "$MNT"
	vgpu_gone "$SUPER_PID" 100
else
	skip "no python3 or setpriv for another user"
fi
done_testing
