# seeds.awk: the fuzzer's first inputs for PTX, from the tables of the language: for each instruction a small
# module with every form of it, each in some variants (options there or not, another of the alternatives).
#   awk -v dir=DIR -f seeds.awk ptx_mod.def ptx_insn.def     writes DIR/op-NAME
# Not every line is right PTX (the tables don't say all): a fuzzer wants the near misses, too.
function alt(list, k,    a, n) { n = split(list, a, "|"); return a[k % n + 1] }
function size_of(t) {
	if (t == "pred") return 1
	if (t ~ /x4$|x2$/ && t !~ /16x2|32x2/) return 16
	if (t ~ /f32x2/) return 64
	if (t ~ /16x2|tf32/) return 32
	if (match(t, /[0-9]+$/)) return substr(t, RSTART) + 0
	return 32
}
function reg(bits, i) {
	if (bits == 1) return "%p" (i % 4)
	if (bits <= 16) return "%h" (i % 8)
	return (bits == 32 ? "%r" : bits == 64 ? "%d" : "%q") (i % 8)
}
function type_of(t,    b) {
	if (t ~ /^[0-3]$/) return size_of(types[t + 0])
	if (t == "w") { b = size_of(types[0]) * 2; return b }
	if (t == "_" || t == "v" || t == "m") return n_types ? size_of(types[0]) : 32
	return size_of(t)
}
function operand(o, k,    opt, b, s) {
	opt = o ~ /\?$/; sub(/\?$/, "", o); sub(/~/, "", o)
	if (o ~ /\|/) { split(o, parts, "|"); return operand(parts[1], 0) (opt && k % 2 ? "" : "|%p1") }
	if (opt && k % 2) return ""
	if (o == "m") return k % 3 == 0 ? "[%d1]" : k % 3 == 1 ? "[g+8]" : "[%r1+4]"
	if (o == "t") return "[tx, {%r1, %r2}]"
	if (o == "L") return "L"
	if (o == "T") return "T"
	if (o == "i") return (k * 5 + 1) ""
	if (o == "*") return "%r0, {%r1, %r2}, [%d0], 1"
	if (o ~ /^x/) return k % 2 ? "g" : reg(type_of(substr(o, 2)), k + 3)
	b = type_of(substr(o, 2))
	if (o ~ /^.[v_m]$/ && vec) {
		for (s = 0; s < vec; s++) v_out = (s ? v_out ", " : "{") reg(b, s + k)
		return v_out "}"
	}
	if (o ~ /^s/ && k % 3 == 2 && b > 1) return (k % 2 ? "-7" : "0x7fff")
	return reg(b, ++n_reg)
}
function word(w, k,    opt, eq, cls, list) {
	if (w == "**") return ""
	opt = w ~ /[?*]$/; sub(/[?*]$/, "", w)
	if (w == "old" || w == "!" || w ~ /^v[0-9]+$/) return ""
	if (opt && (k + n_word++) % 2) return ""
	if (w ~ /^\./) {
		list = substr(w, 2)
		while (match(list, /@[A-Z]/))
			list = substr(list, 1, RSTART - 1) sets[substr(list, RSTART, 2)] substr(list, RSTART + 2)
		types[n_types++] = alt(list, k * 3 + n_types)
		return "." types[n_types - 1]
	}
	if (eq = index(w, "=")) return "." alt(substr(w, eq + 1), k)
	cls = w == "cmpi" ? "cmp" : w
	if (!(cls in tokens)) return "." w
	w = alt(tokens[cls], k * 5)
	if (cls == "vec") vec = substr(w, 2)
	return "." w
}
function variant(name, form, k,    half, w, n, i, head, args, a) {
	split(form, half, ":")
	if (form ~ /::/) { i = match(form, / :( |$)/); half[1] = substr(form, 1, i - 1); half[2] = substr(form, i + 2) }
	n_types = vec = n_word = n_reg = 0
	head = name
	n = split(half[1], w, " ")
	for (i = 1; i <= n; i++) head = head word(w[i], k)
	n = split(half[2], w, " ")
	args = ""
	for (i = 1; i <= n; i++) if ((a = operand(w[i], k)) != "") args = args (args == "" ? " " : ", ") a
	return "\t" (k == 3 ? "@!%p2 " : "") head args ";\n"
}
function flush(    f, i, n, k, out, name) {
	name = op; op = ""
	out = ".version 8.7\n.target sm_90a\n.address_size 64\n.global .texref tx;\n.global .align 16 .b8 g[64];\n" \
	      ".visible .entry k(.param .u64 a)\n{\n\t.reg .pred %p<4>;\n\t.reg .b16 %h<8>;\n\t.reg .b32 %r<8>;\n" \
	      "\t.reg .b64 %d<8>;\n\t.reg .b128 %q<8>;\n"
	n = split(forms, f, "\n")
	for (i = 2; i <= n; i++)
		for (k = 0; k < (n > 12 ? 3 : 4); k++) out = out variant(name, f[i], k)
	printf "%s", out "L:\tret;\nT:\t.branchtargets L;\n}\n" > (dir "/op-" name)
	close(dir "/op-" name)
}
BEGIN {
	sets["@I"] = "u16|u32|u64|s16|s32|s64"; sets["@N"] = "u8|u16|u32|u64|s8|s16|s32|s64"
	sets["@X"] = "b8|b16|b32|b64|u8|u16|u32|u64|s8|s16|s32|s64|f32|f64"
	sets["@C"] = "b16|b32|b64|u16|u32|u64|s16|s32|s64|f32|f64"
	sets["@M"] = "f16|bf16|tf32|f32|f64|s32|u8|s8|u4|s4|b1|e4m3|e5m2|e3m2|e2m3|e2m1"
}
/^M\(/ {
	split($0, p, "\"")
	c = tolower($0); sub(/^m\(/, "", c); sub(/,.*/, "", c)
	tokens[c] = tokens[c] (tokens[c] == "" ? "" : "|") p[2]
	next
}
/^PTX_OP\(/ { op = $0; sub(/^PTX_OP\(/, "", op); sub(/,.*/, "", op); forms = "" }
op != "" {
	line = $0
	while (match(line, /"[^"]*"/)) {
		forms = forms "\n" substr(line, RSTART + 1, RLENGTH - 2)
		line = substr(line, RSTART + RLENGTH)
	}
	if ($0 ~ /\)$/) flush()
}
