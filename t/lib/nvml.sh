# nvml.sh: for shell tests of programs that use libnvidia-ml; source it after
# mount.sh.
#
#   nvml_env                 programs find the build tree's libraries and $MNT
#   nvml_hold DEVICE MIB [busy]   starts a CUDA program there (DEVICE: as NVML counts), waits until it has its memory, sets HOLD_PID
#   nvml_release             ends all of those
#   golden NAME FILE         FILE is t/data/nvml/NAME; with VGPU_GOLDEN=write it becomes that
NVML_HOLDS=0

nvml_env() {
	export VGPU_PATH=$MNT LD_LIBRARY_PATH=$TOP_BUILD/libnvml-vgpu:$TOP_BUILD/libcuda-vgpu
}

# What we haven't built can't load what a sanitizer has.
nvml_no_sanitizer() { [ -z "$SANITIZER" ] || skip_all "programs that the sanitizer hasn't built can't load the library"; }

nvml_hold() {
	local i=$NVML_HOLDS
	NVML_HOLDS=$((NVML_HOLDS + 1))
	mkfifo "$T/hold.$i"
	CUDA_DEVICE_ORDER=PCI_BUS_ID "$TOP_BUILD/t/lib/hold" "$@" <"$T/hold.$i" >"$T/hold.$i.out" 2>&1 &
	HOLD_PID=$!
	exec {HOLD_FD}>"$T/hold.$i"
	at_end "kill $HOLD_PID"
	for _ in $(seq 1200); do
		grep -q . "$T/hold.$i.out" && break
		sleep 0.05
	done
	grep -qx up "$T/hold.$i.out" || { diag "hold $*: $(cat "$T/hold.$i.out")"; return 1; }
}

# Of the one that was started last; and the daemon has noticed.
nvml_release() {
	local r
	exec {HOLD_FD}>&-
	wait "$HOLD_PID"
	r=$?
	for _ in $(seq 600); do
		grep -qs "^$HOLD_PID " "$MNT"/devices/*/clients || break
		sleep 0.05
	done
	return $r
}

golden() {
	if [ "$VGPU_GOLDEN" = write ]; then
		mkdir -p "$TOP_SRC/t/data/nvml"
		cp "$2" "$TOP_SRC/t/data/nvml/$1"
	fi
	if cmp -s "$TOP_SRC/t/data/nvml/$1" "$2"; then
		pass "$1 is as recorded"
	else
		fail "$1 is as recorded"
		diff "$TOP_SRC/t/data/nvml/$1" "$2" | head -40 | sed 's/^/#   /'
	fi
}
