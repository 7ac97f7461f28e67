#!/bin/bash
# nvidia-smi where only some of the nodes are: in a sandbox with two of eight
# devices, without the control node, without anything; with 1, 8 and 16 devices.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/tools.sh"
command -v bwrap >/dev/null || skip_all "needs bubblewrap"
smi_need
vgpu_mount 8
bwrap --ro-bind / / --dev /dev true 2>"$T/why" || skip_all "bubblewrap doesn't work here: $(cat "$T/why")"
uuid() { awk '$1 == "uuid" && n++ == want { print $2 }' want="$1" "$MNT/dev/nvidiactl"; }

# What a sandbox has of the devices is in /dev, as with hardware; nothing says where the mount is.
sandbox() {
	bwrap --unshare-all --ro-bind / / --dev /dev --proc /proc --tmpfs /run --tmpfs "$T" --ro-bind "$TOP_BUILD" "$TOP_BUILD" \
		--clearenv --setenv LD_LIBRARY_PATH "$TOP_BUILD/libnvml-vgpu:$TOP_BUILD/libcuda-vgpu" "$@"
}
node() { echo --bind "$MNT/dev/$1" "/dev/$1"; }
# shellcheck disable=SC2046
two() { sandbox $(node nvidiactl) $(node nvidia2) $(node nvidia5) "$@"; }
is "two of eight: their names" "$(two timeout 60 "$SMI" -L | sed 's/.*UUID: \(.*\))/\1/')" "$(uuid 2)
$(uuid 5)"
is "they are counted from 0" "$(two timeout 60 "$SMI" --query-gpu=index --format=csv,noheader | paste -sd,)" 0,1
is "live values" "$(two timeout 60 "$SMI" --query-gpu=memory.used,pstate --format=csv,noheader,nounits | sort -u)" "0, P8"
not_ok "another one can't be asked about" two timeout 60 "$SMI" -i "$(uuid 3)"
# shellcheck disable=SC2046
only() { sandbox $(node nvidia2) $(node nvidia5) "$@"; }
is "without the control node" "$(only timeout 60 "$SMI" -L | sed 's/.*UUID: \(.*\))/\1/')" "$(uuid 2)
$(uuid 5)"
is "live values without it" "$(only timeout 60 "$SMI" --query-gpu=memory.used,pstate --format=csv,noheader,nounits | sort -u)" "0, P8"
not_ok "without nodes there is no driver" sandbox timeout 60 "$SMI" -L

# A program outside isn't seen by its number in there; one inside is, by the number that it has there.
nvml_env
nvml_hold 2 16 || fail "a CUDA program runs outside"
is "outside it is seen" "$(timeout 60 "$SMI" --query-compute-apps=pid --format=csv,noheader)" "$HOLD_PID"
is "in a sandbox with numbers of its own it isn't" "$(two timeout 60 "$SMI" --query-compute-apps=pid --format=csv,noheader)" ""
is "but its memory is" "$(two timeout 60 "$SMI" -i 0 --query-gpu=memory.used --format=csv,noheader,nounits)" 16
nvml_release
cat >"$TOP_BUILD/t/tmp/inside.$$" <<EOF
mkfifo /tmp/in
CUDA_DEVICE_ORDER=PCI_BUS_ID "$TOP_BUILD/t/lib/hold" 1 8 </tmp/in >/tmp/out &
pid=\$!
exec 3>/tmp/in
while ! grep -q . /tmp/out; do sleep 0.05; done
cat /tmp/out
"$SMI" --query-compute-apps=pid,used_memory,gpu_uuid --format=csv,noheader,nounits | sed "s/^\$pid,/ITS-OWN,/"
EOF
at_end "rm -f '$TOP_BUILD/t/tmp/inside.$$'"
is "a program inside" "$(two --tmpfs /tmp --ro-bind "$TOP_BUILD" "$TOP_BUILD" timeout 60 sh "$TOP_BUILD/t/tmp/inside.$$" 2>&1)" "up
ITS-OWN, 8, $(uuid 5)"
is "and one without the control node, on the second device" "$(only --tmpfs /tmp --ro-bind "$TOP_BUILD" "$TOP_BUILD" timeout 60 sh "$TOP_BUILD/t/tmp/inside.$$" 2>&1)" "up
ITS-OWN, 8, $(uuid 5)"

for n in 1 16; do
	state=$T/state.$n
	vgpu_state "$state" $n && vgpu_mount_at "$T/mnt.$n" "$state" || bail "no mount with $n devices"
	export VGPU_PATH=$T/mnt.$n
	is "$n devices: -L" "$(timeout 60 "$SMI" -L | wc -l)" $n
	is "$n devices: the table" "$(timeout 60 "$SMI" | grep -c 'MiB / ')" $n
	is "$n devices: topo -m" "$(timeout 60 "$SMI" topo -m | grep -c $'^GPU[0-9]*\t')" $n
	is "$n devices: dmon" "$(timeout 60 "$SMI" dmon -c 1 | grep -c '^ *[0-9]')" $n
done
done_testing
