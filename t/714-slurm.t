#!/bin/bash
# Slurm, as Debian ships it: slurmd finds the devices through its NVML plugin, and a cluster of one node runs jobs
# on them. Everything of it runs in a sandbox with the nodes in /dev, as on a machine with hardware.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/tools.sh"
command -v bwrap >/dev/null || skip_all "needs bubblewrap"
deb_need slurmd slurm-wlm-basic-plugins slurm-wlm-nvml-plugin libhwloc15 libnuma1 munge libmunge2
plugins=$DEBS/usr/lib/x86_64-linux-gnu/slurm-wlm
[ -f "$plugins/gpu_nvml.so" ] || skip_all "no NVML plugin where it used to be"
# Slurm wants device files to be character devices, and says nothing of devices to jobs else.
vgpu_mount "--profile H100 node_type=chr" "--profile H100 node_type=chr" "--profile T4 node_type=chr"
nvml_env

# ---- programs that insist on their places ----
mkdir -p "$T/sbin" "$T/lib" "$T/spool" "$T/state" "$T/cg/devices"
install -d -m 700 "$T/munge"
for p in slurmd slurmctld slurmstepd; do
	[ ! -f "$DEBS/usr/sbin/$p-wlm" ] || cp "$DEBS/usr/sbin/$p-wlm" "$T/sbin/$p"
done
# the plugin asks for the library by its name without a version
ln -s "$TOP_BUILD/libnvml-vgpu/libnvidia-ml.so" "$T/lib/libnvidia-ml.so"
libs=$T/lib:$LD_LIBRARY_PATH:$plugins:${plugins%/*}
LD_LIBRARY_PATH=$libs "$T/sbin/slurmd" -V >"$T/why" 2>&1 || skip_all "slurmd doesn't start: $(tail -1 "$T/why")"
port=$((20000 + $$ % 20000))
cat >"$T/slurm.conf" <<EOF2
ClusterName=t
SlurmctldHost=node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
PluginDir=$plugins
AuthInfo=socket=$T/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$T/state
SlurmdSpoolDir=$T/spool
SlurmctldPidFile=$T/slurmctld.pid
SlurmdPidFile=$T/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
GresTypes=gpu
NodeName=node NodeAddr=127.0.0.1 CPUs=1 Gres=gpu:h100:2,gpu:t4:1 State=UNKNOWN
PartitionName=p Nodes=ALL Default=YES State=UP
EOF2
echo AutoDetect=nvml >"$T/gres.conf"
box=(bwrap --bind / / --cap-add ALL --unshare-pid --unshare-uts --hostname node --die-with-parent --dev /dev --proc /proc
	--tmpfs /run --bind "$T/sbin" /usr/sbin --unsetenv VGPU_PATH --setenv LD_LIBRARY_PATH "$libs" --setenv SLURM_CONF "$T/slurm.conf"
	--setenv PATH "/usr/sbin:$DEBS/usr/bin:$DEBS/usr/sbin:$DEBS/usr/lib/nvidia/current:$TOP_BUILD/t/lib:$PATH")
for n in vgpuctl nvidiactl nvidia0 nvidia1 nvidia2; do box+=(--bind "$MNT/dev/$n" "/dev/$n"); done
"${box[@]}" true 2>"$T/why" || skip_all "bubblewrap doesn't work here: $(cat "$T/why")"
uuid() { awk '$1 == "uuid" && n++ == want { print $2 }' want="$1" "$MNT/dev/vgpuctl"; }

# ---- slurmd finds them ----
timeout 60 "${box[@]}" slurmd -N node -G >"$T/out" 2>&1
sed 's/^/# /' "$T/out"
is "slurmd -G lists three devices" "$(grep -c 'Gres Name=gpu' "$T/out")" 3
is "two of them H100" "$(grep -c 'Type=h100 ' "$T/out")" 2
is "one a T4" "$(grep -c 'Type=t4 ' "$T/out")" 1
for n in 0 1 2; do
	like "its file is /dev/nvidia$n" "$(cat "$T/out")" "File=/dev/nvidia$n "
done
is "and it is content with these files" "$(grep -c 'not a valid character' "$T/out")" 0

# ---- a cluster of one node ----
deb_unpack slurmctld slurm-client nvidia-smi || { skip "slurmctld and srun can't be had here"; done_testing; }
cp "$DEBS/usr/sbin/slurmctld-wlm" "$T/sbin/slurmctld" && cp "$DEBS/usr/sbin/munged" "$T/sbin/munged" || bail "no slurmctld where it used to be"
head -c 128 /dev/urandom >"$T/munge/key"
chmod 400 "$T/munge/key"
# Jobs are kept from devices that aren't theirs by a cgroup of ours, where there can be one.
cg=/sys/fs/cgroup/devices/vgpufs-test-$$
if [ -f /sys/fs/cgroup/devices/devices.deny ] && mkdir "$cg" 2>/dev/null; then
	at_end "find '$cg' -depth -type d -exec rmdir {} \;"
	box+=(--bind "$cg" "$T/cg/devices")
	printf 'CgroupPlugin=cgroup/v1\nCgroupMountpoint=%s\nConstrainDevices=yes\n' "$T/cg" >"$T/cgroup.conf"
	sed -i 's,task/none,task/cgroup,' "$T/slurm.conf"
	apart=1
else
	# cgroup.conf has to be there, and names a plugin that does nothing
	printf 'CgroupPlugin=cgroup/v1\nConstrainDevices=no\n' >"$T/cgroup.conf"
	apart=
fi
cat >"$T/cluster" <<EOF2
munged --foreground --force --key-file=$T/munge/key --socket=$T/munge/socket --pid-file=$T/munge/pid --seed-file=$T/munge/seed \
	--log-file=$T/munge/log >$T/munged.out 2>&1 &
slurmctld -D >$T/slurmctld.out 2>&1 &
slurmd -D -N node -vv >$T/slurmd.out 2>&1 &
for i in \$(seq 300); do
	sinfo -h -o %T 2>/dev/null | grep -qx idle && break
	sleep 0.2
done
scontrol show node | sed -n 's/^ *Gres=/gres /p'
srun -Q --gres=gpu:1 sh -c 'echo one \$CUDA_VISIBLE_DEVICES; discover torch; discover ggml; nvidia-smi -L' | sed 's/^/one: /'
srun -Q --gres=gpu:t4:1 sh -c 'echo \$CUDA_VISIBLE_DEVICES; discover torch; nvidia-smi -L' | sed 's/^/t4: /'
srun -Q --gres=gpu:h100:2 discover torch | sed 's/^/two: /'
srun -Q --gres=gpu:4 true 2>&1 | sed 's/^/four: /'
srun -Q sh -c 'CUDA_VISIBLE_DEVICES=\${CUDA_VISIBLE_DEVICES-unset}; echo "\$CUDA_VISIBLE_DEVICES"' | sed 's/^/none: /'
srun -Q --gres=gpu:1 sh -c "hold 0 8 </dev/null" | sed 's/^/run: /'
cat >$T/job <<'JOB'
#!/bin/sh
#SBATCH --gres=gpu:h100:1 --overcommit --oversubscribe
nvidia-smi -L; discover torch
: >$T/job.\$SLURM_JOB_ID.done
while [ ! -e $T/go ]; do sleep 0.1; done
JOB
a=\$(sbatch --parsable -o $T/job.a $T/job)
for i in \$(seq 300); do [ -e $T/job.\$a.done ] && break; sleep 0.2; done
squeue -h -o '%b %T' | sed 's/^/queue: /'
scontrol -d show node | sed -n 's/^ *GresUsed=/used: /p'
: >$T/go
EOF2
timeout -k 5 170 "${box[@]}" bash "$T/cluster" >"$T/out" 2>"$T/err"
is "the cluster's script ends" $? 0
sed 's/^/# /' "$T/out" "$T/err"
out() { sed -n "s/^$1: //p" "$T/out"; }
like "slurmctld has the node's devices" "$(cat "$T/out")" '^gres gpu:h100:2\(S:0\),gpu:t4:1\(S:0\)$'
like "a job with --gres=gpu:1 runs, and is told of one device" "$(out one)" '^one 0$'
like "libcuda shows it that one" "$(out one)" " cuda 1$"
if [ "$apart" ]; then
	is "NVML and nvidia-smi, too" "$(out one | grep -E '^nvml|^GPU')" "nvml 1 $(uuid 0) cuda 1
GPU 0: NVIDIA H100 80GB HBM3 (UUID: $(uuid 0))"
	is "a job with --gres=gpu:t4:1 has the T4" "$(out t4)" "0
nvml 1 $(uuid 2) cuda 1
GPU 0: Tesla T4 (UUID: $(uuid 2))"
	is "a job with two" "$(out two)" "nvml 2 $(uuid 0) $(uuid 1) cuda 2"
	is "a job of sbatch has one of them" "$(grep -c . "$T/job.a") $(grep '^nvml' "$T/job.a")" "2 nvml 1 $(uuid 0) cuda 1"
else
	like "a job with --gres=gpu:t4:1 is told of the T4" "$(out t4)" '^2$'
	like "a job with two" "$(out two)" ' cuda 2$'
	like "a job of sbatch has one" "$(cat "$T/job.a")" ' cuda 1$'
fi
like "a CUDA program runs in a job" "$(out run)" '^up$'
like "a job that wants four is refused" "$(out four)" 'not available'
like "while it runs a device is taken" "$(out used)" 'gpu:h100:1\(IDX:0\)'
is "a job without devices is told of none" "$(out none)" "unset"
[ $TAP_FAILED -eq 0 ] || grep -E 'error:|fatal:' "$T/slurmd.out" "$T/slurmctld.out" | grep -v pmix | head -20 | sed 's/^/# /'
done_testing
