#!/bin/sh
# Devices and properties change while the mount is in use.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
vgpu_mount 1
names() { (cd "$MNT/dev" && echo nvidia[0-9]*) ; }
D=$MNT/devices

cat "$D/0/name" "$MNT/dev/nvidiactl" >/dev/null; ls -l "$MNT/dev" "$D" >/dev/null
ok "create" vgpu_ctl create
is "the new device is there at once" "$(names) / $(ls "$D" | tr '\n' ' ')" "nvidia0 nvidia1 / 0 1 "
is "in the table" "$(grep '^devices ' "$MNT/dev/nvidiactl")" "devices 2"
is "in /proc and sysfs" "$(ls "$MNT/proc/driver/nvidia/gpus" | wc -l) $(ls "$MNT/sys/bus/pci/devices" | wc -l)" "2 2"
first=$(cat "$D/0/uuid") second=$(cat "$D/1/uuid")
exec 8<"$MNT/dev/nvidia0" 9<"$D/1/name"
read -r line <&8
ok "remove the first" vgpu_ctl remove "$first"
is "it is gone at once" "$(names) / $(ls "$D" | tr '\n' ' ')" "nvidia1 / 0 "
not_ok "its node can't be opened" cat "$MNT/dev/nvidia0"
is "the second moved up" "$(cat "$D/0/uuid")" "$second"
is "its node kept its number" "$(grep '^minor' "$MNT/dev/nvidia1") $(grep '^index' "$MNT/dev/nvidia1")" "minor 1 index 0"
is "an open of the removed one reads on what it had begun" "$line $(tail -1 <&8)" "vgpufs 1 end"
ok "an open of the second goes on" cat <&9
exec 8<&- 9<&-
ok "create again" vgpu_ctl create
is "takes the free number" "$(names)" "nvidia0 nvidia1"
ok "a new inode" test "$(stat -c %i "$MNT/dev/nvidia0")" != "$(stat -c %i "$MNT/dev/nvidia1")"
ok "remove all" sh -c "for d in \$(ls '$D'); do '$VGPUCTL' --state '$STATE' --mount '$MNT' remove 0 || exit 1; done"
is "nothing but the control nodes" "$(ls "$MNT/dev" | tr '\n' ' ') $(ls "$D")" "nvidia-caps nvidia-modeset nvidia-uvm nvidia-uvm-tools nvidiactl vgpuctl  "
is "an empty table is whole" "$(tr '\n' ' ' <"$MNT/dev/nvidiactl" | sed 's/driver [^ ]* //')" "vgpufs 1 cuda 13000 devices 0 end "

vgpu_state "$STATE" 2
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
	[ "$(ls "$D" | wc -l)" = 2 ] && break
	sleep 0.1
done
is "a change that nobody announced is seen, too" "$(names)" "nvidia0 nvidia1"

ok "a property is written" sh -c "echo 'My device' >'$D/0/name'"
is "and reads back" "$(cat "$D/0/name")" "My device"
is "in the table" "$(grep '^name' "$MNT/dev/nvidia0")" "name My device"
is "in /proc" "$(head -1 "$MNT/proc/driver/nvidia/gpus/0000:01:00.0/information")" "Model: 		 My device"
is "and in the registry" "$(vgpu_ctl list --json | grep -c 'My device')" 1
ok "memory.max with a unit" sh -c "printf 12GiB >'$D/0/memory.max'"
is "is bytes" "$(cat "$D/0/memory.max") $(cat "$D/0/memory_total")" "12884901888 12884901888"
ok "compute capability with a point" sh -c "echo 8.9 >'$D/0/compute_cap'"
is "is a number" "$(cat "$D/0/compute_cap")" 89
for bad in "memory_total nonsense" "memory_total -1" "memory_total 0" "memory.max 99999999999999999999G" "sm_count 0" "compute_cap x" "backend gpu" "name "; do
	f=${bad%% *} v=${bad#* } old=$(cat "$D/0/${bad%% *}")
	printf '%s\n' "$v" | tee "$D/0/$f" >/dev/null 2>"$T/why" && fail "refused: '$v' in $f" || pass "refused: '$v' in $f"
	like "as invalid" "$(cat "$T/why")" "Invalid argument"
	is "and nothing changed" "$(cat "$D/0/$f")" "$old"
done
not_ok "a text of two lines" sh -c "printf 'a\nb\n' >'$D/0/name'"
not_ok "a text that is too long" sh -c "head -c 500 /dev/zero | tr '\0' x >'$D/0/name'"
not_ok "what is read only" sh -c "echo x >'$D/0/uuid'"
not_ok "what has no use here" sh -c "echo suspend >'$MNT/proc/driver/nvidia/suspend'"
is "nothing of it stuck" "$(cat "$D/0/name")" "My device"
is "the other device has kept its own" "$(cat "$D/1/memory_total")" "$(sed -n 's/^memory_total //p' "$MNT/dev/nvidia1")"

kill -9 "$(vgpu_daemon_pid)"
is "a new daemon shows the same" "$(cat "$D/0/name") $(cat "$D/0/memory.max")" "My device 12884901888"
ok "and takes changes" sh -c "echo Other >'$D/0/name'"
is "as before" "$(cat "$D/0/name")" Other
mv "$STATE" "$STATE.away"
kill -9 "$(vgpu_daemon_pid)"
is "a daemon without its registry shows what there was" "$(cat "$D/0/name") $(names)" "Other nvidia0 nvidia1"
sleep 1.5
is "also after it has looked for it" "$(cat "$D/0/name") $(names)" "Other nvidia0 nvidia1"
not_ok "and makes no empty one" test -e "$STATE"
mv "$STATE.away" "$STATE"
done_testing
