#!/bin/bash
# vgpuctl: verbs, errors, exit statuses, JSON.
. "${VGPU_TOP_SRCDIR:-$(dirname "$0")/..}/t/lib/tap.sh"
export VGPU_PROFILE_PATH=$TOP_SRC/state/profiles
CTL=$TOP_BUILD/tools/vgpuctl
V() { "$CTL" --state "$T/s" --mount "$T/m" "$@"; }
# out COMMAND…: exit status and everything printed, for `like`
out() { "$@" 2>&1; echo "exit $?"; }
json() { python3 -c 'import json,sys; d=json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
have_python=$(command -v python3)

like "list without a registry" "$(out V list)" 'no devices in .*exit 0|^exit 0'
like "… in JSON is an empty list" "$(V list --json)" '^\[\]$'
ok "… and makes none" test ! -e "$T/s"
like "show without a registry" "$(out V show 0)" "there is no device '0'"
like "… fails" "$(out V show 0)" 'exit 1'
like "create" "$(V create)" '^0: vgpufs CPU engine, 16384 MiB, 0000:01:00\.0 \(GPU-[0-9a-f-]{36}\)$'
like "create several" "$(V create --count 2 --profile T4 --memory 2GiB name='My T4' sm_count=7 | tr '\n' ' ')" '^1: My T4, 2048 MiB.* 2: My T4'
like "create with an identity" "$(V create --uuid 01234567-89ab-cdef-0123-456789abcdef --pci=10:00.0 --minor 9 --serial 77)" \
	'^3: .*, 0000:10:00\.0 \(GPU-01234567-89ab-cdef-0123-456789abcdef\)$'
is "list has a line per device" "$(V list | wc -l)" 5
like "… with index, node and capability" "$(V list)" '^1 +GPU-[^ ]+ +0000:02:00\.0 +nvidia1 +7\.5 +2048 MiB  My T4$'
like "show by index" "$(V show 1)" '^sm_count +7 +set '
like "… tells the profile's" "$(V show 1)" '^compute_cap +75 +profile '
like "… and the defaults" "$(V show 0)" '^warp|^threads_per_block +1024 +default '
like "show by UUID's beginning" "$(V show GPU-0123)" '^minor +9 '
like "show by PCI address" "$(V show 0000:10:00.0)" '^serial +77 '
like "show by node" "$(V show nvidia9)" '^index +3 '

ok "set" V set 1 compute_cap=8.6 memory_total=3G
like "… shows" "$(V list)" '^1 .* 8\.6 +3072 MiB'
ok "unset" V set 1 memory_total-
like "… goes back to the profile's" "$(V show 1)" '^memory_total +15642329088 +profile'
ok "several removed by mixed names" V remove 0 nvidia1
is "… are gone" "$(V list | awk 'NR > 1 {print $1, $4}' | tr '\n' ' ')" "0 nvidia2 1 nvidia9 "
like "the log has it all" "$(V events | awk '{print $3}' | tr '\n' ' ')" '^create create create create set set remove remove $'
is "… of one device" "$(V events 1 | wc -l)" 1
is "… the last two" "$(V events --last 2 | wc -l)" 2
like "profiles" "$(V profiles)" '^H100 +NVIDIA H100 80GB HBM3'
like "one profile" "$(V profiles H200)" '^memory_total = 150109880320$'
like "version" "$(V version)" '^cuda 13\.0$'
like "--version" "$(out V --version)" '^driver 580\.'
like "status without a mount" "$(out V status)" "mount +$T/m: not mounted"
like "… is no failure" "$(out V status)" 'exit 0'
like "help" "$(out V --help)" 'Verbs:'
like "help of a verb" "$(out V create --help)" 'usage: vgpuctl create'

# errors: what, and what would be right; 1 failure, 2 usage
e() { local name=$1 status=$2 words=$3; shift 3; local o; o=$(out V "$@"); like "$name" "$o" "$words"; like "… exit status" "$o" "exit $status\$"; }
e "no verb" 2 'usage:'
e "unknown verb" 2 'did you mean create' creat
e "unknown option" 2 "there is no option '--size'" create --size 3
e "missing value" 2 'count needs a value' create --count
e "bad count" 2 "'0' is not a number from 1 to 64" create --count 0
e "unknown property" 2 'did you mean sm_count' create sm_cout=1
e "not key=value" 2 'not of the form' set 0 sm_count
e "bad number" 1 "'many' is not a number" set 0 sm_count=many
e "out of range" 1 'not in 1 to 1024' set 0 sm_count=0
e "identity is fixed" 1 'identity' set 0 uuid=x
e "unknown profile" 1 'did you mean' create --profile H10
e "no such device" 1 'there are 2' show 7
e "ambiguous or none" 1 "there is no device 'GPU-'" show GPU-
e "taken UUID" 1 'is taken' create --uuid 01234567-89ab-cdef-0123-456789abcdef
e "count with an identity" 2 'name one device' create --count 2 --pci 3:00.0
e "one argument too many" 2 'too many' list 3
e "JSON where there is none" 2 'json' --json remove 0
e "set without a value" 2 'what shall be set' set 0
e "remove without a device" 2 'which device' remove
e "index can't be given" 2 "can't be given" create index=3
e "--state without a value" 2 'needs a directory' list --state
is "none of them changed anything" "$(V list | awk 'NR > 1 {print $1, $4}' | tr '\n' ' ')" "0 nvidia2 1 nvidia9 "
is "nothing of what failed is in the log" "$(V events | wc -l)" 8

printf 'garbage' >"$T/garbage"; mkdir -p "$T/bad"; cp "$T/garbage" "$T/bad/registry.db"
like "a damaged registry" "$(out "$CTL" --state "$T/bad" list)" 'damaged.*left as it is'
is "… is left as it is" "$(cat "$T/bad/registry.db")" garbage
if [ -e /dev/full ]; then like "a full standard output is a failure" "$( (V list >/dev/full) 2>&1; echo "exit $?")" 'No space left'; else skip "no /dev/full"; fi

if [ -n "$have_python" ]; then
	is "JSON list" "$(V list --json | json '[len(d), d[0]["index"], d[1]["uuid"], d[1]["compute_cap"]]')" "[2, 0, 'GPU-01234567-89ab-cdef-0123-456789abcdef', 120]"
	is "JSON show" "$(V show --json 0 | json '[d[0]["name"], d[0]["overrides"]]')" "['My T4', ['memory_total', 'name', 'sm_count']]"
	V set 0 name='Größe "x" \ y' >/dev/null
	is "JSON escapes" "$(V --json show 0 | json 'd[0]["name"]')" 'Größe "x" \ y'
	is "JSON create" "$(V create --json --count 2 | json '[x["index"] for x in d]')" "[0, 1]"
	is "JSON events" "$(V events --json | json '[d[0]["kind"], len(d)]')" "['create', 11]"
	is "JSON events after one" "$(V events --json --after 10 | json '[x["id"] for x in d]')" "[11]"
	is "JSON profiles" "$(V profiles --json | json 'sorted(d[0])')" "['about', 'path', 'profile']"
	is "JSON profile" "$(V profiles --json A10 | json 'd[0]["sm_count"]')" 72
	is "JSON status" "$(V status --json | json '[d["mount"], d["answers"], d["registry_devices"]]')" "['absent', False, 4]"
	is "JSON version" "$(V version --json | json 'd["cuda_version"]')" 13000
else
	skip "no python3 to read JSON with"
fi

ok "remove all" V remove --all
like "… leaves none" "$(V list --json)" '^\[\]$'
ok "64 at once" V create --count 64
e "one more" 1 'full' create
done_testing
