#!/bin/sh
# 330-ptx-fuzz: the fuzzers' corpus, replayed.
. "${VGPU_TOP_SRCDIR:-$(dirname "$0")/..}/t/lib/tap.sh"
ok "PTX corpus" "$TOP_BUILD/fuzz/fuzz_ptx" "$TOP_SRC/fuzz/corpus/ptx" "$TOP_SRC/t/data/ptx"
ok "fatbin corpus" "$TOP_BUILD/fuzz/fuzz_fatbin" "$TOP_SRC/fuzz/corpus/fatbin"
done_testing
