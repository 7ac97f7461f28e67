#!/bin/sh
# 481-sd-fuzz: the corpus of compiled kernels, replayed.
. "${VGPU_TOP_SRCDIR:-$(dirname "$0")/..}/t/lib/tap.sh"
ok "objects and artifacts" "$TOP_BUILD/fuzz/fuzz_art" "$TOP_SRC/fuzz/corpus/art"
done_testing
