#!/bin/bash
# Habits that a machine can check: no absolute paths of a build, tables documented, head comments, scripts clean.
. "${VGPU_TOP_SRCDIR:-$(dirname "$0")/..}/t/lib/tap.sh"
cd "$TOP_SRC" || bail "no source tree"
dirs="util protocol transport libcuda-vgpu libnvml-vgpu state compiler backend engine fusefs tools demo fuzz bench t"
files() { find $dirs -type f \( -name '*.c' -o -name '*.h' -o -name '*.def' \) ! -name demo_ptx.h ! -path 't/data/*' 2>/dev/null | sort; }

none() { local name=$1 out=$2; if [ -z "$out" ]; then pass "$name"; else fail "$name"; diag "$out"; fi; }

none "no absolute paths of a build or a home" "$(files | xargs grep -nE '"(/home/|/root/|/work/|/build/|/usr/local/src)' | head)"
none "every file says what it is for" "$(for f in $(files); do head -6 "$f" | grep -q '/\*' || [ "$(wc -l <"$f")" -lt 8 ] || echo "$f"; done | head)"
none "no trailing blanks" "$(files | xargs grep -nE '[ 	]+$' | head)"
none "no file is longer than 1000 lines" "$(files | grep -v '^libcuda-vgpu/cu_' | grep -v '\.def$' | xargs wc -l | awk '$2 != "total" && $1 > 1000' | head)"
none "every property of a device is described" "$(grep -nE '^P_(STR|U64)\(' util/device.def | grep -vE '"[^"]{3,}"\)$')"
none "every property has a limit or is a text" "$(for k in $(sed -n '/VGPU_DEVICE_IDENTITY_END$/,$s/^P_U64(\([a-z0-9_]*\),.*/\1/p' util/device.def); do
	grep -q "^L_U64($k," state/limits.def || echo "$k"; done)"
none "every status has a text" "$(grep -nE '^S\(' util/status.def | grep -vE '"[^"]{4,}"\)$')"
none "every message has a row that can be read" "$(grep -cE '^M\(' protocol/vgp_msg.def | grep -x 0)"
none "every verb is described" "$(sed -n 's/^V(\([a-z]*\),.*/\1/p' tools/ctl_verbs.def | while read -r v; do grep -q "^\.SS $v\$" doc/man/vgpuctl.1 || echo "$v"; done)"
none "… and has its file" "$(sed -n 's/^V(\([a-z]*\),.*/\1/p' tools/ctl_verbs.def | while read -r v; do [ "$v" = unlink ] || [ -f "tools/ctl_$v.c" ] || echo "$v"; done)"
none "… and is completed" "$(sed -n 's/^V(\([a-z]*\),.*/\1/p' tools/ctl_verbs.def | while read -r v; do grep -qw "$v" contrib/bash-completion/vgpuctl || echo "$v"; done)"
none "every profile is installed" "$(for p in state/profiles/*.profile; do grep -q "$p" state/Makefile.inc || echo "$p"; done)"
none "every shell test is run" "$(for t in t/[0-9]*.t; do head -c 2 "$t" | grep -q '#!' || continue; grep -qF "$t" t/*.inc t/lib/*.inc || echo "$t"; [ -x "$t" ] || echo "$t is not executable"; done)"
none "every C test is built" "$(for c in t/[0-9]*.c; do grep -qF "${c%.c}" t/*.inc t/lib/*.inc || echo "$c"; done)"
none "every document named exists" "$(grep -ohE 'doc/[a-z-]+\.md' README.md HACKING.md doc/*.md | sort -u | while read -r d; do [ -f "$d" ] || echo "$d"; done)"
if command -v groff >/dev/null; then
	for m in doc/man/*.[158]; do
		case $m in */mount.vgpufs.8) continue ;; esac
		none "$m is well-formed" "$(groff -man -Tutf8 -ww -Wbreak -z "$m" 2>&1)"
	done
else
	skip "no groff to check manual pages with"
fi
if command -v shellcheck >/dev/null; then
	none "scripts are clean" "$(shellcheck -x quickstart check .ci/run autogen.sh contrib/configure.debian contrib/packages.sh 2>&1 | head -20)"
	none "the completion is clean" "$(shellcheck -s bash contrib/bash-completion/vgpuctl 2>&1 | head -20)"
else
	skip "no shellcheck"
fi
done_testing
