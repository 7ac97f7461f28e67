#!/bin/bash
# 320-ptx-files: what nvcc makes parses; printing is stable; messages are as they were; products and sums fuse as ptxas does; constants are copied; what blocks share is found.
. "${VGPU_TOP_SRCDIR:-$(dirname "$0")/..}/t/lib/tap.sh"
PTXC=$TOP_BUILD/tools/ptxc
D=$TOP_SRC/t/data/ptx

for f in "$D"/*.sm_*.ptx; do
	n=$(basename "$f")
	ok "$n parses" "$PTXC" -q "$f"
	"$PTXC" -s "$f" >"$T/1.ptx" 2>/dev/null && "$PTXC" -s "$T/1.ptx" >"$T/2.ptx" 2>"$T/2.err"
	ok "$n: print, parse, print is stable" cmp "$T/1.ptx" "$T/2.ptx"
done
"$PTXC" "$TOP_SRC/fuzz/corpus/ptx/all.ptx" >"$T/1.ptx" 2>"$T/err"; is "a bit of everything parses" "$?$(grep error "$T/err")" 0
"$PTXC" "$T/1.ptx" >"$T/2.ptx"
ok "and prints stably" cmp "$T/1.ptx" "$T/2.ptx"

"$PTXC" -q "$D/errors.ptx" 2>"$T/errors.err"; is "errors give status 1" $? 1
ok "messages" diff -u "$D/errors.err" "$T/errors.err"
is "wrong usage" "$("$PTXC" -d nonsense x.ptx >/dev/null 2>&1; echo $?)" 2

# fuse NAME BODY WANT: the arithmetic that is left
fuse() {
	{
		printf '.version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n'
		printf '.reg .f32 %%f<20>; .reg .b16 %%h<9>; .reg .b64 %%rd<3>; .reg .pred %%p<3>; .reg .f64 %%d<9>;\n%s\nret;\n}\n' "$2"
	} >"$T/f.ptx"
	is "$1" "$("$PTXC" $OPT "$T/f.ptx" 2>&1 | grep -E '(mul|add|sub|fma|neg)\.|error' | sed 's/[[:space:]]*//; s/\$[0-9]*//g' | tr -d '\n')" "$3"
}
ST='st.global.f32 [%rd1], %f7;'
fuse "a*b+c" "mul.f32 %f5,%f1,%f2; add.f32 %f7,%f5,%f3; $ST" 'fma.rn.f32 %f7, %f1, %f2, %f3;'
fuse "c+a*b, f64" 'mul.f64 %d5,%d1,%d2; add.f64 %d7,%d3,%d5; st.global.f64 [%rd1], %d7;' 'fma.rn.f64 %d7, %d1, %d2, %d3;'
fuse "f16" 'mul.f16 %h5,%h1,%h2; add.f16 %h6,%h5,%h3; st.global.b16 [%rd1],%h6;' 'fma.rn.f16 %h6, %h1, %h2, %h3;'
fuse "ftz on both" "mul.ftz.f32 %f5,%f1,%f2; add.ftz.f32 %f7,%f5,%f3; $ST" 'fma.rn.ftz.f32 %f7, %f1, %f2, %f3;'
fuse "ftz on one" "mul.ftz.f32 %f5,%f1,%f2; add.f32 %f7,%f5,%f3; $ST" 'mul.ftz.f32 %f5, %f1, %f2;add.f32 %f7, %f5, %f3;'
fuse "rn on the mul" "mul.rn.f32 %f5,%f1,%f2; add.f32 %f7,%f5,%f3; $ST" 'mul.rn.f32 %f5, %f1, %f2;add.f32 %f7, %f5, %f3;'
fuse "rn on the add" "mul.f32 %f5,%f1,%f2; add.rn.f32 %f7,%f5,%f3; $ST" 'mul.f32 %f5, %f1, %f2;add.rn.f32 %f7, %f5, %f3;'
fuse "sat on the mul" "mul.sat.f32 %f5,%f1,%f2; add.f32 %f7,%f5,%f3; $ST" 'mul.sat.f32 %f5, %f1, %f2;add.f32 %f7, %f5, %f3;'
fuse "sat on the add" "mul.f32 %f5,%f1,%f2; add.sat.f32 %f7,%f5,%f3; $ST" 'fma.rn.sat.f32 %f7, %f1, %f2, %f3;'
fuse "the product is stored too" "mul.f32 %f5,%f1,%f2; add.f32 %f7,%f5,%f3; st.global.f32 [%rd1+4],%f5; $ST" 'mul.f32 %f5, %f1, %f2;add.f32 %f7, %f5, %f3;'
fuse "two sums" "mul.f32 %f5,%f1,%f2; add.f32 %f6,%f5,%f3; add.f32 %f7,%f5,%f4; st.global.f32 [%rd1+4],%f6; $ST" 'fma.rn.f32 %f6, %f1, %f2, %f3;fma.rn.f32 %f7, %f1, %f2, %f4;'
fuse "a*b-c" "mul.f32 %f5,%f1,%f2; sub.f32 %f7,%f5,%f3; $ST" 'neg.f32 %neg, %f3;fma.rn.f32 %f7, %f1, %f2, %neg;'
fuse "c-a*b" "mul.f32 %f5,%f1,%f2; sub.f32 %f7,%f3,%f5; $ST" 'neg.f32 %neg, %f1;fma.rn.f32 %f7, %neg, %f2, %f3;'
fuse "a*b+c*d fuses the first" "mul.f32 %f6,%f3,%f4; mul.f32 %f5,%f1,%f2; add.f32 %f7,%f5,%f6; $ST" 'mul.f32 %f6, %f3, %f4;fma.rn.f32 %f7, %f1, %f2, %f6;'
fuse "t+t" "mul.f32 %f5,%f1,%f2; add.f32 %f7,%f5,%f5; $ST" 'mul.f32 %f5, %f1, %f2;add.f32 %f7, %f5, %f5;'
fuse "another block" "mul.f32 %f5,%f1,%f2; @%p1 bra L; add.f32 %f7,%f5,%f3; L: $ST" 'mul.f32 %f5, %f1, %f2;add.f32 %f7, %f5, %f3;'
fuse "guarded sum" "mul.f32 %f5,%f1,%f2; @%p1 add.f32 %f7,%f5,%f3; $ST" '@%p1 fma.rn.f32 %f7, %f1, %f2, %f3;'
fuse "guarded product" "@%p1 mul.f32 %f5,%f1,%f2; add.f32 %f7,%f5,%f3; $ST" '@%p1 mul.f32 %f5, %f1, %f2;add.f32 %f7, %f5, %f3;'
fuse "a source changes in between" "mul.f32 %f5,%f1,%f2; mov.f32 %f1,%f2; add.f32 %f7,%f5,%f3; $ST" 'mul.f32 %f5, %f1, %f2;add.f32 %f7, %f5, %f3;'
fuse "the product is its own source" "mul.f32 %f1,%f1,%f2; add.f32 %f7,%f1,%f3; $ST" 'mul.f32 %f1, %f1, %f2;add.f32 %f7, %f1, %f3;'
OPT=-s
fuse "strict" "mul.f32 %f5,%f1,%f2; add.f32 %f7,%f5,%f3; $ST" 'mul.f32 %f5, %f1, %f2;add.f32 %f7, %f5, %f3;'
OPT=

# copy NAME BODY WANT: the movs as they are then
copy() {
	{
		printf '.version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n'
		printf '.reg .b32 %%r<9>; .reg .f32 %%f<9>; .reg .b64 %%d<9>; .reg .pred %%p<3>;\n%s\nret;\n}\n' "$2"
	} >"$T/f.ptx"
	is "$1" "$("$PTXC" "$T/f.ptx" 2>&1 | grep -E 'mov\.|error' | sed 's/[[:space:]]*//' | tr -d '\n')" "$3"
}
copy "copies of a constant" 'mov.u32 %r1, 7; mov.u32 %r2, %r1; mov.b32 %r3, %r2;' 'mov.u32 %r1, 7;mov.u32 %r2, 7;mov.b32 %r3, 7;'
copy "written in between" 'mov.u32 %r1, 7; add.u32 %r1, %r1, %r4; mov.u32 %r2, %r1;' 'mov.u32 %r1, 7;mov.u32 %r2, %r1;'
copy "written as part of a vector" 'mov.u32 %r1, 7; mov.b64 {%r1, %r3}, %d1; mov.u32 %r2, %r1;' 'mov.u32 %r1, 7;mov.b64 {%r1, %r3}, %d1;mov.u32 %r2, %r1;'
copy "a constant for some lanes" '@%p1 mov.u32 %r1, 7; mov.u32 %r2, %r1;' '@%p1 mov.u32 %r1, 7;mov.u32 %r2, %r1;'
copy "a copy for some lanes" 'mov.u32 %r1, 7; @%p1 mov.u32 %r2, %r1; mov.u32 %r3, %r2;' 'mov.u32 %r1, 7;@%p1 mov.u32 %r2, 7;mov.u32 %r3, %r2;'
copy "another block" 'mov.u32 %r1, 7; @%p1 bra L; add.u32 %r4, %r4, %r1; L: mov.u32 %r2, %r1;' 'mov.u32 %r1, 7;mov.u32 %r2, %r1;'

list() { "$PTXC" -l "$D/basics.sm_75.ptx" | grep " $1 "; }
like "lock spins" "$(list lock)" ' spins'
like "saxpy doesn't" "$(list saxpy)" 'blocks=[0-9]*$'
like "reduce: shared memory and barrier" "$(list reduce)" 'shared=128 .* barrier'
like "a callee's shared variable and barrier" "$(list calls)" 'shared=4 .* barrier call'
like "parameters" "$(list by_value)" 'params=176 '
like "indirect call" "$(list indirect)" ' indirect'

# reuse NAME BODY: are there loops that read what blocks of a column share and what blocks of a row share?
reuse() {
	{
		printf '.version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n'
		printf '.reg .b32 %%r<9>; .reg .f32 %%f<9>; .reg .b64 %%d<9>; .reg .pred %%p<3>; .shared .b8 s[64];\n%s\nret;\n}\n' "$2"
	} >"$T/f.ptx"
	is "$1" "$("$PTXC" -l "$T/f.ptx" 2>&1 | grep -o -E 'reuse|error')" "$3"
}
AT='mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ctaid.y; ld.param.u64 %d1, [p]; mul.wide.u32 %d2, %r1, 64; add.u64 %d2, %d2, %d1; mul.wide.u32 %d3, %r2, 4096; add.u64 %d3, %d3, %d1;'
AGAIN='add.u32 %r3, %r3, 1; setp.lt.u32 %p1, %r3, 9; @%p1 bra L;'
reuse "a row and a column in a loop" "$AT L: ld.global.f32 %f1, [%d2]; ld.global.f32 %f2, [%d3+4]; add.u64 %d2, %d2, 64; $AGAIN" reuse
reuse "copied to shared memory by cp.async" "$AT mov.u32 %r4, s; L: cp.async.ca.shared.global [%r4], [%d2], 4; cp.async.ca.shared.global [%r4+4], [%d3], 4; $AGAIN" reuse
reuse "not in a loop" "$AT ld.global.f32 %f1, [%d2]; ld.global.f32 %f2, [%d3+4]; L: $AGAIN" ''
reuse "in two loops" "$AT L: ld.global.f32 %f1, [%d2]; $AGAIN M: ld.global.f32 %f2, [%d3]; @%p2 bra M;" ''
reuse "both by row and column" "$AT add.u64 %d2, %d2, %d3; L: ld.global.f32 %f1, [%d2]; ld.global.f32 %f2, [%d2+4]; $AGAIN" ''
reuse "by an index that is read" "$AT L: ld.global.u32 %r5, [%d2]; mul.wide.u32 %d4, %r5, 4; add.u64 %d4, %d4, %d3; ld.global.f32 %f2, [%d4]; ld.global.f32 %f1, [%d3]; $AGAIN" reuse
reuse "waits for other blocks" "$AT L: ld.global.f32 %f1, [%d2]; ld.acquire.gpu.global.f32 %f2, [%d3+4]; $AGAIN" ''
done_testing
