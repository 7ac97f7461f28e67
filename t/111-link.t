#!/bin/bash
# vgpuctl link and unlink, on a made-up root and mount, in a private mount namespace where that is possible.
. "${VGPU_TOP_SRCDIR:-$(dirname "$0")/..}/t/lib/tap.sh"
if [ -z "$IN_NS" ]; then
	# The namespace ends with the test, and what is mounted in it.
	if unshare -m --propagation private true 2>/dev/null; then rm -rf "$T"; IN_NS=1 exec unshare -m --propagation private "$0" "$@"; fi
	skip_all "can't make a mount namespace here"
fi
CTL=$TOP_BUILD/tools/vgpuctl
R=$T/root M=$T/mnt
V() { "$CTL" --state "$T/s" --mount "$M" "$@"; }
L() { V link --root "$R"; }
U() { V unlink --root "$R"; }
out() { "$@" 2>&1; echo "exit $?"; }
tree() { (cd "$R" && find . \( -path './proc/driver/*' -o -path './run/vgpufs.proc/*' \) -prune -o -printf '%p %y %l\n' | sort; grep -c "$R" /proc/self/mountinfo); }
mkdir -p "$R/dev" "$R/run" "$R/proc/driver" "$M/dev/nvidia-caps" "$M/proc/driver/nvidia"
touch "$M"/dev/{nvidia0,nvidia1,nvidia-uvm,vgpuctl} "$M/dev/other"
echo ver >"$M/proc/driver/nvidia/version"
umask 022
before=$(tree)

like "without a mount there is nothing to link" "$(out L)" 'nothing to link.*not mounted at'
is "… and nothing is made" "$(tree)" "$before"
touch "$M/dev/nvidiactl"
ok "link" L
for n in nvidiactl nvidia0 nvidia1 nvidia-uvm nvidia-caps vgpuctl; do is "/dev/$n" "$(readlink "$R/dev/$n")" "$M/dev/$n"; done
ok "other nodes are not linked" test ! -e "$R/dev/other"
is "/proc/driver/nvidia/version" "$(cat "$R/proc/driver/nvidia/version" 2>&1)" ver
made=$(tree)
ok "link again" L
is "… changes nothing" "$(tree)" "$made"
if command -v bwrap >/dev/null; then
	# as vgpuctl link does it on the machine itself, which must not take proc from rootless sandboxes
	box() { bwrap --unshare-all --ro-bind / / --dev /dev --proc /proc true; }
	if box 2>/dev/null; then
		mount --bind "$R/proc/driver" /proc/driver
		ok "a sandbox still gets a proc of its own" box
		umount /proc/driver
	else
		skip "no sandboxes here"
	fi
else
	skip "no bubblewrap"
fi
ok "unlink" U
is "… leaves all as it was" "$(tree)" "$before"
ok "unlink again" U
is "… changes nothing" "$(tree)" "$before"

ok "link" L
rm "$M/dev/nvidia1"; touch "$M/dev/nvidia5"
ok "link after devices came and went" L
ok "… the new one is there" test -L "$R/dev/nvidia5"
ok "… the old one is not" test ! -L "$R/dev/nvidia1"
ln -sfn /dev/null "$R/dev/nvidia0"
ok "unlink" U
is "a link that somebody changed stays" "$(readlink "$R/dev/nvidia0")" /dev/null
rm "$R/dev/nvidia0"
is "… the rest is gone" "$(tree)" "$before"

touch "$R/dev/nvidiactl"
like "a file in the way" "$(out L)" 'was not made by vgpuctl: nothing was changed'
rm "$R/dev/nvidiactl"
is "… nothing is made" "$(tree)" "$before"
if mknod "$R/dev/nvidiactl" c 195 255 2>/dev/null; then
	like "beside NVIDIA's driver (device)" "$(out L)" "NVIDIA's driver is in use"
	rm "$R/dev/nvidiactl"
else
	skip "can't make a device node here"
fi
mkdir "$R/proc/driver/nvidia"; echo real >"$R/proc/driver/nvidia/version"
like "beside NVIDIA's driver (proc)" "$(out L)" "NVIDIA's driver is in use"
like "… is a failure" "$(out L)" 'exit 1'
rm -r "$R/proc/driver/nvidia"
is "… nothing is made" "$(tree)" "$before"

# a /proc/driver with something in it, as on most real machines
echo clock >"$R/proc/driver/rtc"; mkdir "$R/proc/driver/sub"; echo x >"$R/proc/driver/sub/file"
before=$(tree)
ok "link beside what is there" L
is "… which stays visible" "$(cat "$R/proc/driver/rtc" "$R/proc/driver/sub/file" | tr '\n' ' ')" "clock x "
is "… with nvidia" "$(cat "$R/proc/driver/nvidia/version" 2>&1)" ver
ok "again" L
is "… still once" "$(grep -c " $R/proc/driver " /proc/self/mountinfo)" 1
ok "unlink" U
is "all is as it was" "$(tree)" "$before"
is "… the entries, too" "$(cat "$R/proc/driver/rtc")" clock
is "no stage is left" "$(ls "$R/run")" ""

echo "link /etc" >"$R/run/vgpufs.links"
like "a record that is not ours" "$(out U)" 'did not write'
like "usage" "$(out V link --root)" 'exit 2'
like "usage" "$(out V link here)" 'exit 2'
like "a relative mount" "$(out "$CTL" --mount mnt link --root "$R")" 'absolute path'
done_testing
