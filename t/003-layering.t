#!/bin/bash
# Who includes whom is what doc/layering.md's table allows.
. "${VGPU_TOP_SRCDIR:-$(dirname "$0")/..}/t/lib/tap.sh"
cd "$TOP_SRC" || bail "no source tree"
folders=$(sed -n 's/^| \([a-z-]*\) |.*|$/\1/p' doc/layering.md | grep -v '^folder$')
[ "$(echo "$folders" | wc -l)" -ge 10 ] || bail "doc/layering.md has no table"
allowed() { sed -n "s/^| $1 |\(.*\)|\$/\1/p" doc/layering.md; }

for f in $folders; do
	bad=
	may=" $f $(allowed "$f") "
	while IFS=: read -r file line inc; do
		[ -n "$file" ] || continue
		to=${inc%%/*}
		case $may in *" $to "*) ;; *) bad="$bad$file:$line includes $inc
" ;; esac
	done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include "[^"]+/' "$f" --include='*.[ch]' --include='*.def' 2>/dev/null |
		sed -E 's/^([^:]+):([0-9]+):.*"([^"]+)".*/\1:\2:\3/')
	if [ -z "$bad" ]; then pass "$f includes only: $may"; else fail "$f includes only: $may"; diag "$bad"; fi
done
missing=
for d in */; do
	d=${d%/}
	case $d in build-*) continue ;; esac # of make check-asan and its kin
	ls "$d"/*.[ch] >/dev/null 2>&1 || continue
	case " $(echo $folders) t fuzz bench " in *" $d "*) ;; *) missing="$missing $d" ;; esac
done
is "every folder is in the table" "$missing" ""
bad=$(grep -rnE '#[[:space:]]*include <(sqlite3|fuse[a-z_]*|seccomp|lz4|zstd|xxhash|mpfr)\.h>' --include='*.[ch]' . |
	grep -vE '^\./(state/[^:]*:[0-9]+:.*sqlite3|fusefs/[^:]*:[0-9]+:.*fuse|engine/[^:]*:[0-9]+:.*seccomp|compiler/[^:]*:[0-9]+:.*(lz4|zstd)|engine/jit/[^:]*:[0-9]+:.*xxhash|t/|fuzz/|bench/|build)')
is "libraries are used where they belong" "$bad" ""
done_testing
