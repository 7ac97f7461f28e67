#!/bin/sh
# The file system's requests, mutated: the corpus, and a little of what it leads to.
. "${VGPU_TOP_SRCDIR:-.}/t/lib/tap.sh"
ok "the corpus" timeout 120 "$TOP_BUILD/fuzz/fuzz_fs" "$TOP_SRC/fuzz/corpus/fs"
for seed in 1 2 3; do
	ok "mutations, seed $seed" timeout 120 "$TOP_BUILD/fuzz/fuzz_fs" -t 2 -s $seed -o "$T" "$TOP_SRC/fuzz/corpus/fs"
done
done_testing
