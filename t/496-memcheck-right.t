#!/bin/bash
# 496-memcheck-right: the tests of backends and of the driver, whose kernels are right, under the memory checker: they pass as ever,
# and it finds neither races nor reads of what was never written.
. "$(dirname "$0")/lib/tap.sh"

# test, program: no report but of the faults that the tests mean to make
quiet() {
	bad=$(grep -A3 -E '^(# )?========= (Uninit|Race)' "$2" | head -20)
	is "$1: nothing else is reported" "$bad" ""
}

for t in 400-interp-basic 402-interp-mem 404-interp-warp 405-interp-atom 406-interp-async 407-interp-call 410-interp-flow 420-ptx-operands \
	431-tex-ptx 435-mma 436-wmma; do
	KT_CHECK=1 "$TOP_BUILD/t/$t.t" >"$T/out" 2>&1
	is "$t passes" "$(grep -c '^not ok' "$T/out") $(grep -c '^ok' "$T/out" | sed 's/^[1-9].*/some/')" "0 some"
	quiet "$t" "$T/out"
done
for t in 640-driver 645-texture; do
	VGPU_DEBUG=memcheck,file=$T/report "$TOP_BUILD/t/$t.t" >"$T/out" 2>&1
	is "$t passes" "$(grep -c '^not ok' "$T/out") $(grep -c '^ok' "$T/out" | sed 's/^[1-9].*/some/')" "0 some"
	is "$t was checked" "$(grep -c 'ERROR SUMMARY' "$T/report" | sed 's/^[1-9].*/yes/')" yes
	quiet "$t" "$T/report"
	rm -f "$T/report"
done
done_testing
