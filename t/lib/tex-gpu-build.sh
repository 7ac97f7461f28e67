#!/bin/sh
# Builds t/432-tex-gpu without configure, on a machine that has a GPU but not our dependencies. Run in the source root.
set -e
out=${1:-/tmp/tex-gpu}
opt="-O2 -ftree-vectorize -ffp-contract=off -fno-math-errno -fno-trapping-math -std=gnu11 -D_GNU_SOURCE -I."
cc $opt -DTEX_SAMPLE=tex_sample_avx2 -mavx2 -mfma -c backend/tex/sample.c -o "$out.avx2.o"
cc $opt t/432-tex-gpu.c t/lib/tap.c backend/tex/*.c util/err.c util/status.c "$out.avx2.o" -o "$out" -lm -ldl -lpthread
