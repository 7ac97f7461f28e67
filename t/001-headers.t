#!/bin/bash
# Each header compiles alone, and twice in a row.
. "${VGPU_TOP_SRCDIR:-$(dirname "$0")/..}/t/lib/tap.sh"
CC=${CC:-gcc}
command -v "${CC%% *}" >/dev/null || skip_all "no $CC"
cd "$TOP_SRC" || bail "no source tree"
flags=(-std=gnu11 -D_GNU_SOURCE -DVGPU_PKGDATADIR='""' -DVGPU_LIBEXECDIR='""' -DVGPU_STATEDIR='""' -DVGPU_SYSCONFDIR='""'
	-I. -I"$TOP_BUILD" -include "$TOP_BUILD/config.h" -Wall -Wextra -Wno-unused-parameter -fsyntax-only -x c)
mapfile -t libs < <(pkg-config --cflags fuse3 sqlite3 libseccomp 2>/dev/null | tr ' ' '\n' | grep .)
llvm=$(sed -n 's/^LLVM_CFLAGS = //p' "$TOP_BUILD/Makefile")
for h in $(find util protocol transport libcuda-vgpu libnvml-vgpu state compiler backend engine fusefs tools t/lib -name '*.h' 2>/dev/null | sort); do
	# Parts of cu_abi.h, and what has no guard, are not for including alone.
	case $h in libcuda-vgpu/cu_struct_*) continue ;; esac
	grep -q '^#ifndef ' "$h" || continue
	extra=()
	if grep -q '<llvm-c/' "$h" || [[ $h == backend/simd/gen/* ]]; then
		[ -n "$llvm" ] || continue
		read -ra extra <<<"$llvm"
	fi
	printf '#include "%s"\n#include "%s"\n' "$h" "$h" >"$T/one.c"
	if $CC "${flags[@]}" "${libs[@]}" "${extra[@]}" -Werror "$T/one.c" >"$T/log" 2>&1; then pass "$h"; else fail "$h"; diag "$(head -8 "$T/log")"; fi
done
done_testing
