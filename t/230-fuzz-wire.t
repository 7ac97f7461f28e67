#!/bin/sh
# 230-fuzz-wire: the protocol's corpus, and a second of mutations of it.
. "$(dirname "$0")/lib/tap.sh"

ok "the corpus is replayed" "$TOP_BUILD/fuzz/fuzz_wire" "$TOP_SRC/fuzz/corpus/wire"
ok "and mutated for a second" "$TOP_BUILD/fuzz/fuzz_wire" -t 1 -s "$$" -o "$T" "$TOP_SRC/fuzz/corpus/wire"
done_testing
