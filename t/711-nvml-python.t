#!/bin/bash
# pynvml and gpustat, as Debian ships them: the calls of frameworks and monitors.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
. "$TOP_SRC/t/lib/tools.sh"
PY=/usr/bin/python3
[ -x $PY ] || skip_all "needs Debian's python3"
deb_need python3-pynvml gpustat python3-psutil python3-blessed python3-wcwidth python3-six
vgpu_mount "--profile H100" "--profile RTX4090"
nvml_env
export PYTHONPATH=$DEBS/usr/lib/python3/dist-packages
$PY -c 'import pynvml, gpustat' 2>"$T/why" || skip_all "python3 can't import them: $(tail -1 "$T/why")"

cat >"$T/all.py" <<'EOF'
# Every function of pynvml once, with arguments of the kind that its name asks for.
import inspect, sys
import pynvml as n
n.nvmlInit()
h = n.nvmlDeviceGetHandleByIndex(0)
bad, good, refused = [], 0, 0
known = {
    "device": h, "handle": h, "device1": h, "device2": n.nvmlDeviceGetHandleByIndex(1), "handle1": h,
    "handle2": n.nvmlDeviceGetHandleByIndex(1),
}
for name, f in sorted(inspect.getmembers(n, inspect.isfunction)):
    if not name.startswith("nvml") or not ("Get" in name or "Query" in name) or "Vgpu" in name or "Gpm" in name:
        continue
    args = []
    for p in inspect.signature(f).parameters.values():
        if p.default is not p.empty:
            continue
        args.append(known.get(p.name, 0))
    try:
        f(*args)
        good += 1
    except n.NVMLError as e:
        refused += 1
        if e.value in (n.NVML_ERROR_FUNCTION_NOT_FOUND, n.NVML_ERROR_UNKNOWN, n.NVML_ERROR_UNINITIALIZED):
            bad.append("%s: %s" % (name, e))
    except Exception as e:              # arguments that were not what it wanted
        pass
print(good, "answered,", refused, "refused", file=sys.stderr)
print("\n".join(bad))
n.nvmlShutdown()
EOF
is "no function of pynvml is missing or fails oddly" "$(timeout 60 $PY "$T/all.py" 2>"$T/n")" ""
diag "$(cat "$T/n")"

cat >"$T/see.py" <<'EOF'
import pynvml as n
n.nvmlInit()
for i in range(n.nvmlDeviceGetCount()):
    h = n.nvmlDeviceGetHandleByIndex(i)
    m, m2 = n.nvmlDeviceGetMemoryInfo(h), n.nvmlDeviceGetMemoryInfo(h, n.nvmlMemory_v2)
    assert m.total == m2.total and m.free == m2.free and m.used == m2.used + m2.reserved
    assert n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByUUID(n.nvmlDeviceGetUUID(h))) == i
    procs = n.nvmlDeviceGetComputeRunningProcesses(h)
    print(i, n.nvmlDeviceGetUUID(h), m2.used, [(p.pid, p.usedGpuMemory) for p in procs],
          [p.pid for p in n.nvmlDeviceGetGraphicsRunningProcesses(h)])
n.nvmlShutdown()
try:
    n.nvmlDeviceGetCount()
except n.NVMLError_Uninitialized:
    print("uninitialized")
EOF
uuids=$(awk '$1 == "uuid" { print $2 }' "$MNT/dev/nvidiactl")
# shellcheck disable=SC2086
set -- $uuids
is "what pynvml sees" "$(timeout 60 $PY "$T/see.py" 2>&1)" "0 $1 0 [] []
1 $2 0 [] []
uninitialized"
nvml_hold 0 64 || fail "a CUDA program runs"
is "with a program on a device" "$(timeout 60 $PY "$T/see.py" 2>&1)" "0 $1 67108864 [($HOLD_PID, 67108864)] []
1 $2 0 [] []
uninitialized"

like "gpustat" "$(timeout 60 $PY -m gpustat --no-color 2>&1)" '\[0\] NVIDIA H100 80GB HBM3 .*64 / 81079 MB'
cat >"$T/gpustat.py" <<'EOF'
import json, sys
for g in json.load(sys.stdin)["gpus"]:
    print(g["index"], g["uuid"], g["memory.used"], g["memory.total"], [p["pid"] for p in g["processes"]])
EOF
is "gpustat --json" "$(timeout 60 $PY -m gpustat --json 2>/dev/null | $PY "$T/gpustat.py")" "0 $1 64 81079 [$HOLD_PID]
1 $2 0 24080 []"
ok "the program ends" nvml_release
done_testing
