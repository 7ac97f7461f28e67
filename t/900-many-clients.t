#!/bin/bash
# 900-many-clients: 200 processes enumerate and compute at once on one mount:
# each sees the same devices and right results; afterwards no worker, no open
# session and no memory is left, and the daemons are as small as before.
. "$(dirname "$0")/lib/tap.sh"
. "$(dirname "$0")/lib/mount.sh"
CLIENTS=${VGPU_TEST_CLIENTS:-200}
vgpu_mount 2
mkdir -p "$T/lib" "$T/out"
cp "$TOP_BUILD/libcuda-vgpu/libcuda.so" "$T/lib/libcuda.so.1"
probe() { LD_LIBRARY_PATH="$T/lib" VGPU_PATH="$MNT" "$TOP_BUILD/t/lib/probe"; }
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
fds() { find "/proc/$1/fd" -mindepth 1 | wc -l; }
# With their compilers, which are super's children when a worker has ended.
workers() { tr ' ' '\n' <"/proc/$SUPER_PID/task/$SUPER_PID/children" | while read -r p; do
	case $(cat "/proc/$p/comm" 2>/dev/null) in vgpu-*) echo "$p" ;; esac; done | wc -l; }

WANT=$(probe 2>&1)
like "one client: two devices, right results" "$WANT" '^count=2( GPU-[0-9a-f-]{36} right){2}$'
round() {
	local i pids=
	for i in $(seq "$CLIENTS"); do
		probe >"$T/out/$i" 2>&1 &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086
	wait $pids
	for i in $(seq "$CLIENTS"); do
		[ "$(cat "$T/out/$i")" = "$WANT" ] || { BAD=$((BAD + 1)); diag "client $i: $(cat "$T/out/$i")"; }
	done
}
settle() { for _ in $(seq 100); do [ "$(workers)" = 0 ] && [ "$(cat "$MNT/devices/0/memory.current")" = 0 ] && return; sleep 0.1; done; }

BAD=0
round
is "$CLIENTS clients at once: every one right" "$BAD" 0
settle
is "no worker is left" "$(workers)" 0
is "device 0 has no memory in use" "$(cat "$MNT/devices/0/memory.current")" 0
is "device 1 has no memory in use" "$(cat "$MNT/devices/1/memory.current")" 0
DAEMON=$(vgpu_daemon_pid)
F1=$(fds "$SUPER_PID")/$(fds "$DAEMON") R1=$(rss "$SUPER_PID") D1=$(rss "$DAEMON")
BAD=0
round
is "again: every one right" "$BAD" 0
settle
F2=$(fds "$SUPER_PID")/$(fds "$DAEMON")
is "the same daemon serves" "$(vgpu_daemon_pid)" "$DAEMON"
is "no file descriptor leaks (super/daemon)" "$F2" "$F1"
[ "$(rss "$SUPER_PID")" -le $((R1 + 512)) ] && [ "$(rss "$DAEMON")" -le $((D1 + 1024)) ]
is "resident sets do not grow (super $R1 to $(rss "$SUPER_PID") kB, daemon $D1 to $(rss "$DAEMON") kB)" $? 0
done_testing
