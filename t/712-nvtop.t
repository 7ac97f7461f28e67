#!/bin/bash
# nvtop, as Debian ships it, in a terminal of its own: it shows the devices and who uses them.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/tools.sh"
command -v script >/dev/null || skip_all "no script(1) to make a terminal with"
deb_need nvtop
NVTOP=$DEBS/usr/bin/nvtop
ldd "$NVTOP" | grep -q 'not found' && skip_all "libraries that nvtop needs are missing: $(ldd "$NVTOP" | grep 'not found')"
vgpu_mount "--profile H100" "--profile T4"
nvml_env
nvml_hold 0 256 || fail "a CUDA program runs"
plain() { sed -e 's/\x1b[[(][0-9;?]*[a-zA-Z]//g' -e 's/\x1b[=>]//g' "$T/screen" 2>/dev/null | tr -d '\000'; }
# A pipe's writer keeps the terminal open; q ends nvtop, when it has shown what we wait for.
mkfifo "$T/keys"
TERM=xterm timeout -k 5 100 script -qfec "stty rows 40 cols 150; '$NVTOP'" "$T/screen" <"$T/keys" >/dev/null 2>&1 &
pid=$!
exec {key}>"$T/keys"
for _ in $(seq 400); do
	plain | grep -q 'lib/hold' && break
	kill -0 $pid 2>/dev/null || break
	sleep 0.2
done
echo q >&"$key"
exec {key}>&-
wait $pid
plain >"$T/text"
text=$(cat "$T/text")
like "the first device" "$text" 'NVIDIA H100 80GB HBM3'
like "the second device" "$text" 'Tesla T4'
like "its memory" "$text" '0.250Gi/79.179Gi'
like "the program on it" "$text" "$HOLD_PID"
like "its name" "$text" 'lib/hold'
ok "the program ends" nvml_release
done_testing
