# abi-facts.awk: reads our ABI declarations (cu_*.h, cu_error.def, attr.def) and
# prints one row per fact: SIZE(type), FIELD(type, member), VALUE(constant).
# Compiled against our headers and against NVIDIA's the rows must be equal.
# Relies on those files' layout: one enumerator, one member per line.

function field_name(s)
{
	sub(/;.*/, "", s)
	if (match(s, /\(\*[A-Za-z_0-9]+\)/))
		return substr(s, RSTART + 2, RLENGTH - 3)
	sub(/\[.*/, "", s)
	match(s, /[A-Za-z_0-9]+$/)
	return substr(s, RSTART, RLENGTH)
}

/^#define [A-Z_0-9]+ / && NF > 2 && !/_H$/ { print "VALUE(" $2 ")"; next }
/^#/ { next }
/^CU_ERR\(/ { split($0, a, /[(,]/); print "VALUE(" a[2] ")"; next }
/^CU_ATTR(_ALIAS)?\(/ { split($0, a, /[(,]/); print "VALUE(CU_DEVICE_ATTRIBUTE_" a[2] ")"; next }
/^typedef enum .*\{$/ { in_enum = 1; next }
in_enum && /^\}/ { print "SIZE(" field_name($2) ")"; in_enum = 0; next }
in_enum && /^\t[A-Z]/ { sub(/,/, "", $1); print "VALUE(" $1 ")"; next }
in_enum { next }
/(struct|union)( [A-Za-z_0-9]+)? \{$/ { depth++; n[depth] = 0; next }
depth > 1 && /\}/ {
	name = $0 ~ /\};/ ? "" : field_name($0)
	depth--
	if (name != "")
		list[depth, n[depth]++] = name
	for (i = 0; i < n[depth + 1]; i++)
		list[depth, n[depth]++] = (name == "" ? "" : name ".") list[depth + 1, i]
	next
}
depth == 1 && /^\}/ {
	name = field_name($0)
	print "SIZE(" name ")"
	for (i = 0; i < n[1]; i++)
		print "FIELD(" name ", " list[1, i] ")"
	depth = 0
	next
}
depth && /;/ { list[depth, n[depth]++] = field_name($0); next }
/^typedef .*;/ { print "SIZE(" field_name($0) ")" }
