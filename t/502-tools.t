#!/bin/sh
# Everyday tools on the whole tree work, answer the same and never hang.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/mount.sh"
vgpu_mount 3
t() { timeout 60 "$@"; }

ok "ls -lR" t ls -lR "$MNT"
ok "find" t find "$MNT" -name nvidia0
is "find by type" "$(t find "$MNT" ! -type f ! -type d ! -type l)" ""
# All but the energy that devices have taken, which grows while they are looked at.
cat >"$T/same" <<'EOF'
#!/bin/sh
exec diff -r -I '^DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{' -I '^vgpufs_energy_joules_total{' "$@"
EOF
chmod +x "$T/same"
ok "find -L follows links without loops" t find -L "$MNT" -type f
ok "stat" t find "$MNT" -exec stat {} +
ok "cat" t find "$MNT" -type f -exec cat {} +
ok "grep -r" t grep -rq "GPU-" "$MNT"
is "grep -r finds the three nodes' UUIDs in the table" "$(t grep -rc '^uuid GPU-' "$MNT/dev/nvidiactl")" 3
ok "cp -r" t cp -r "$MNT" "$T/copy"
ok "diff -r: the copy is the same" t "$T/same" "$MNT" "$T/copy"
ok "cp -a" t cp -a "$MNT" "$T/copy-a"
ok "tar" t tar cf "$T/all.tar" -C "$MNT" .
mkdir "$T/untar"
ok "untar" t tar xf "$T/all.tar" -C "$T/untar"
ok "what was packed is the same" t "$T/same" "$MNT" "$T/untar"
ok "du" t du -s "$MNT"
ok "df" t df "$MNT"
ok "wc" t wc -c "$MNT/dev/nvidiactl"
is "head" "$(t head -c 6 "$MNT/dev/nvidia0")" vgpufs
is "tail" "$(t tail -n 1 "$MNT/dev/nvidia0")" end
is "dd with small blocks" "$(t dd if="$MNT/dev/nvidiactl" bs=7 2>/dev/null | md5sum)" "$(md5sum <"$MNT/dev/nvidiactl")"
is "dd from the middle" "$(t dd if="$MNT/dev/nvidiactl" bs=16 skip=3 2>/dev/null | md5sum)" "$(tail -c +49 "$MNT/dev/nvidiactl" | md5sum)"
if command -v python3 >/dev/null; then
	cat >"$T/copy.py" <<'EOF'
import mmap, os, shutil, sys
src = sys.argv[1]
shutil.copytree(src, sys.argv[2], symlinks=True)   # sendfile
with open(src + "/dev/nvidiactl", "rb") as f:
    data = f.read()
    f.seek(0)
    assert f.read() == data
    m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
    assert m[:] == data, "mmap"
assert os.path.getsize(src + "/dev/nvidiactl") == len(data)
EOF
	ok "python: copytree by sendfile, seek, mmap" t python3 "$T/copy.py" "$MNT" "$T/copy-py"
	ok "is the same" t "$T/same" "$MNT" "$T/copy-py"
	# sendfile goes through the page cache: it must not show what was
	echo 5G >"$MNT/devices/0/memory_total"
	is "sendfile sees a change" "$(python3 -c 'import shutil,sys; shutil.copyfile(sys.argv[1], sys.argv[2])' "$MNT/devices/0/memory.max" "$T/mem" && cat "$T/mem")" 5368709120
	is "and so does a table" "$(python3 -c 'import shutil,sys; shutil.copyfile(sys.argv[1], sys.argv[2])' "$MNT/dev/nvidia0" "$T/mem" && grep memory_total "$T/mem")" "memory_total 5368709120"
else
	skip "python3 is not here"
fi
for c in "touch $MNT/dev/new" "mkdir $MNT/devices/9" "rm -f $MNT/dev/nvidia0" "rmdir $MNT/devices" "ln -s x $MNT/dev/x" \
	 "mv $MNT/dev/nvidia0 $MNT/dev/nvidia9" "ln $MNT/dev/nvidia0 $MNT/dev/y" "chmod 600 $MNT/dev/nvidia0" "chown 1 $MNT/dev/nvidia0" \
	 "mknod $MNT/dev/n c 1 3" "touch $MNT/dev/nvidia0" "truncate -s 5 $MNT/proc/driver/nvidia/version"; do
	# shellcheck disable=SC2086
	not_ok "refused: ${c%% *}" $c
done
is "all is as before" "$(ls "$MNT/dev" | wc -l)" 9

# Readers at once, while another one changes things
for i in 1 2 3 4 5 6 7 8; do
	(for j in 1 2 3 4 5; do
		cat "$MNT"/dev/nvidiactl "$MNT"/devices/*/memory.current "$MNT"/proc/driver/nvidia/gpus/*/information >/dev/null || exit 1
		[ "$(tail -1 "$MNT/dev/nvidiactl")" = end ] || exit 2
		ls -lR "$MNT/sys" >/dev/null || exit 3
	done) &
	pids="$pids $!"
done
for i in 1 2 3 4 5; do echo "${i}G" >"$MNT/devices/1/memory_total"; done
bad=0
for p in $pids; do wait "$p" || bad=$((bad + 1)); done
is "eight readers at once see whole tables" $bad 0
done_testing
