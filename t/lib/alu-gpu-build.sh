#!/bin/sh
# Builds t/492-alu-gpu without configure, on a machine that has a GPU but not our dependencies. Run in the source root.
set -e
out=${1:-/tmp/alu-gpu}
opt="-O2 -ftree-vectorize -ffp-contract=off -fno-math-errno -fno-trapping-math -std=gnu11 -D_GNU_SOURCE -I."
mkdir -p "$out.o"
for f in backend/interp/alu_*.c; do
	b=$(basename "$f" .c)
	[ "$b" = alu_dispatch ] || {
		cc $opt -c "$f" -o "$out.o/base_$b.o" &
		cc $opt -DALU_LEVEL=avx2 -mavx2 -mfma -mbmi -mbmi2 -mpopcnt -c "$f" -o "$out.o/avx2_$b.o" &
	}
done
wait
cc $opt t/492-alu-gpu.c t/lib/alu_ptx.c t/lib/alu_forms.c t/lib/tap.c backend/interp/alu_dispatch.c compiler/ptx/ptx_form.c \
	compiler/ir/ir_type.c compiler/ir/ir_arena.c "$out.o"/*.o -o "$out" -lm -ldl
