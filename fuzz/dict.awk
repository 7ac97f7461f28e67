# dict.awk: libFuzzer's dictionary of PTX, from the tables of the language.
#   awk -f dict.awk ptx_insn.def ptx_mod.def ptx_sreg.def ../ir/ir_type.def
function put(s) { if (!(s in seen)) { seen[s] = 1; gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); print "\"" s "\"" } }
BEGIN {
	n = split(".version .target .address_size .entry .func .visible .extern .weak .common .global .shared .const .local " \
		  ".param .reg .align .ptr .texref .samplerref .surfref .branchtargets .calltargets .callprototype .maxntid " \
		  ".reqntid .minnctapersm .maxnreg .maxnctapersm .noreturn .pragma .loc .file .section .attribute .managed .alias " \
		  ".unified generic( mask( WARP_SZ {%r1,%r2} [%d1] @!%p1 ret; 0f3f800000 0d3ff0000000000000 0x1U 4294967296 // /*",
		  w, " ")
	for (i = 1; i <= n; i++) put(w[i])
}
/^PTX_OP\(/ { s = $0; sub(/^PTX_OP\(/, "", s); sub(/,.*/, "", s); put(s) }
/^M\(/ { split($0, p, "\""); put("." p[2]) }
/^SREG\(/ { split($0, p, "\""); put(p[2]) }
/^IR_TYPE\(|^T\(/ { split($0, p, "\""); if (p[2] != "") put("." p[2]) }
