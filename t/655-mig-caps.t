#!/bin/bash
# MIG instances' capabilities: their files in /proc/driver/nvidia/capabilities and nodes in dev/nvidia-caps come and go
# with the instances, and who has which nodes uses which MIG devices, also without the control node.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/tools.sh"
smi_need
vgpu_mount "--profile T4" "--profile A100" "--profile A100 mig_mode=1"
nvml_env
C=$MNT/proc/driver/nvidia/capabilities D=$MNT/dev/nvidia-caps
names() { (cd "$1" && find . -mindepth 1 | sort | paste -sd' '); }

is "devices that can be divided have a directory" "$(cd "$C" && echo gpu*)" "gpu1 gpu2"
is "without instances it is empty" "$(names "$C/gpu1")" "./mig"
is "only the two general nodes" "$(cd "$D" && echo *)" "nvidia-cap1 nvidia-cap2"
ok "MIG mode of the second" smi -i 1 -mig 1
ok "two instances there" smi mig -i 1 -cgi 9,19 -C
ok "one on the third" smi mig -i 2 -cgi 19 -C
read -r big small < <(smi mig -i 1 -lgi | awk '/MIG/ { id[$5 == 9 ? 9 : 19] = $6 } END { print id[9], id[19] }')
diag "GPU instances $big and $small"
[ -n "$small" ] || { smi mig -i 1 -lgi | sed 's/^/# /'; bail "no instances"; }
is "their directories" "$(names "$C/gpu1/mig")" "$(printf '%s\n' "./gi$big" "./gi$big/access" "./gi$big/ci0" "./gi$big/ci0/access" \
	"./gi$small" "./gi$small/access" "./gi$small/ci0" "./gi$small/ci0/access" | sort | paste -sd' ')"
cap() { sed -n 's/^DeviceFileMinor: //p' "$C/gpu$1/mig/gi$2/${3-access}"; }
is "a capability file" "$(cat "$C/gpu1/mig/gi$small/ci0/access")" "DeviceFileMinor: $((3 + 135 + 9 * small + 1))
DeviceFileMode: 292
DeviceFileModify: 0"
for gi in $big $small; do
	is "mig-minors agrees about gi$gi" "$(sed -n "s,^gpu1/gi$gi/access ,,p; s,^gpu1/gi$gi/ci0/access ,,p" "$MNT/proc/driver/nvidia-caps/mig-minors" | paste -sd' ')" \
		"$(cap 1 "$gi") $(cap 1 "$gi" ci0/access)"
done
third=$(smi mig -i 2 -lgi | awk '/MIG/ { print $6 }')
want=$(printf '%s\n' 1 2 "$(cap 1 "$big")" "$(cap 1 "$big" ci0/access)" "$(cap 1 "$small")" "$(cap 1 "$small" ci0/access)" \
	"$(cap 2 "$third")" "$(cap 2 "$third" ci0/access)" | sort -n | paste -sd' ')
is "the nodes" "$(cd "$D" && printf '%s\n' nvidia-cap* | sed 's/nvidia-cap//' | sort -n | paste -sd' ')" "$want"
is "a node is read-only for all" "$(stat -c '%F %a' "$D/nvidia-cap$(cap 1 "$small")")" "regular empty file 444"
n_links=$(stat -c %h "$C/gpu1/mig")
is "links of a directory" "$n_links" 4

# ---- who sees which ----
mig_uuid() { smi -L | awk -v gpu="GPU $1:" -v p="MIG $2" 'index($0, "GPU ") == 1 { on = index($0, gpu) == 1 } on && index($0, p) { sub(/.*UUID: /, ""); sub(/\)$/, ""); print }'; }
large_uuid=$(mig_uuid 1 3g) small_uuid=$(mig_uuid 1 1g) third_uuid=$(mig_uuid 2 1g)
like "outside all are seen" "$large_uuid $small_uuid $third_uuid" '^MIG-[0-9a-f-]+ MIG-[0-9a-f-]+ MIG-[0-9a-f-]+$'
if command -v bwrap >/dev/null && bwrap --ro-bind / / --dev /dev true 2>/dev/null; then
	box=(bwrap --unshare-user --unshare-pid --ro-bind / / --dev /dev --proc /proc --tmpfs /run --unsetenv VGPU_PATH)
	node() { for n; do box+=(--bind "$MNT/dev/$n" "/dev/$n"); done; }
	of_gi() { node "nvidia-caps/nvidia-cap$(cap "$1" "$2")" "nvidia-caps/nvidia-cap$(cap "$1" "$2" ci0/access)"; }
	seen() { timeout 60 "${box[@]}" "$SMI" -L | sed -n 's/.*UUID: \(MIG.*\))/\1/p' | paste -sd' '; }
	# the memory of the MIG device that a CUDA program uses; nothing when it can't
	cuda() { timeout 60 "${box[@]}" --setenv CUDA_VISIBLE_DEVICES "$1" "$TOP_BUILD/t/lib/hold" 0 8 </dev/null 2>&1 | paste -sd' '; }
	base=("${box[@]}")

	node nvidiactl nvidia1
	is "without capabilities in the sandbox: those of the GPU" "$(seen)" "$large_uuid $small_uuid"
	box=("${base[@]}")
	node nvidiactl nvidia1 && of_gi 1 "$small"
	is "with those of one instance: it" "$(seen)" "$small_uuid"
	is "CUDA uses it" "$(cuda "$small_uuid")" "up down"
	like "but not the other one" "$(cuda "$large_uuid")" '^cuInit: 100'
	box=("${base[@]}")
	node nvidiactl nvidia1 "nvidia-caps/nvidia-cap$(cap 1 "$small")"
	is "a GPU instance's alone doesn't do" "$(seen)" ""
	box=("${base[@]}")
	node nvidia1 nvidia2
	is "without the control node, and without capabilities" "$(seen)" ""
	of_gi 2 "$third"
	is "with those of one" "$(seen)" "$third_uuid"
	is "CUDA uses it" "$(cuda "$third_uuid")" "up down"
	like "not the others" "$(cuda "$small_uuid")" '^cuInit: 100'
	of_gi 1 "$small"
	is "with another's" "$(seen)" "$small_uuid $third_uuid"
	is "CUDA uses that, too" "$(cuda "$small_uuid") $(cuda "$third_uuid")" "up down up down"
else
	skip "bubblewrap doesn't work here"
fi

# ---- they go ----
exec {fd}<"$C/gpu1/mig/gi$small/access"
ok "a compute instance goes" smi mig -i 1 -dci -gi "$small" -ci 0
not_ok "its directory is gone" stat "$C/gpu1/mig/gi$small/ci0"
not_ok "its node, too" stat "$D/nvidia-cap$((3 + 135 + 9 * small + 1))"
ok "its GPU instance's is there" stat "$C/gpu1/mig/gi$small/access"
ok "the GPU instance goes" smi mig -i 1 -dgi -gi "$small"
not_ok "its directory is gone" stat "$C/gpu1/mig/gi$small"
cat <&$fd >"$T/old" 2>&1
exec {fd}<&-
ok "what was open did no harm" test -r "$MNT/dev/nvidiactl"

# ---- accounting: the GPU's, of processes on its instances ----
ok "accounting on" smi -i 2 -am 1
CUDA_VISIBLE_DEVICES=$third_uuid nvml_hold 0 24 || fail "a CUDA program runs on a MIG device"
ok "it ends" nvml_release
accounted() { smi -i 2 --query-accounted-apps=pid,max_memory_usage --format=csv,noheader,nounits; }
for _ in $(seq 100); do
	[ -z "$(accounted)" ] || break
	sleep 0.1
done
is "it was accounted for" "$(accounted)" "$HOLD_PID, 24"
is "not elsewhere" "$(smi -i 1 --query-accounted-apps=pid --format=csv,noheader)" ""

kill -9 "$(vgpu_daemon_pid)"
is "a new daemon has the others" "$(names "$C/gpu1/mig")" "./gi$big ./gi$big/access ./gi$big/ci0 ./gi$big/ci0/access"
done_testing
