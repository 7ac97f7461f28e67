/*
 * ptxc: PTX file to diagnostics and IR, for tests and bug reports.
 *   ptxc [options] file.ptx…
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "compiler/pass/pass.h"
#include "compiler/ptx/ptx.h"
#include "util/cleanup.h"

struct ptxc {
	const char *dump;      /* pass after which to print */
	bool quiet, list;
	struct ptx_options o;
	struct pass_opts passes;
};

static const char usage[] =
	"usage: ptxc [options] file.ptx...\n"
	"Compiles PTX files, linked into one module, and prints the IR as PTX.\n"
	"  -d PASS   print after PASS instead of at the end; 'parse': before all; 'all': after each; 'list': say which there are\n"
	"  -q        print diagnostics only\n"
	"  -l        print a line per function: sizes and what it uses\n"
	"  -t SM     newest .target to accept (120: sm_120)\n"
	"  -s        strict floating point: keep mul and add apart\n"
	"  -h        this text\n"
	"Exit status: 0, 1 if there were errors, 2 wrong usage.\n";

static void print_module(const struct ir_module *m)
{
	struct vgpu_buf b = VGPU_BUF_INIT;

	ir_print_module(&b, m);
	fwrite(vgpu_buf_text(&b), 1, b.len, stdout);
	vgpu_buf_free(&b);
}

static void after_pass(void *cookie, const char *pass, const struct ir_module *m)
{
	const struct ptxc *c = cookie;

	if (!c->dump || (strcmp(c->dump, "all") && strcmp(c->dump, pass)))
		return;
	printf("// after %s\n", pass);
	print_module(m);
}

static void list_functions(const struct ir_module *m)
{
	for (uint32_t i = 0; i < m->n_funcs; i++) {
		const struct ir_func *f = &m->funcs[i];

		printf("%s %s%s params=%u local=%u frame=%u shared=%u dyn=%u regs=%u blocks=%u%s%s%s%s%s%s", f->is_entry ? "entry" : "func",
		       f->name, f->defined ? "" : " (extern)", f->param_bytes, f->local_bytes, f->frame_bytes, f->shared_bytes,
		       f->dyn_shared_offset, f->n_regs, f->n_blocks, f->uses_barrier ? " barrier" : "", f->has_call ? " call" : "",
		       f->has_indirect_call ? " indirect" : "", f->uses_dyn_shared ? " dynshared" : "", f->spins ? " spins" : "",
		       f->reuse_xy ? " reuse" : "");
		if (f->unsupported)
			printf(" unsupported (line %u: %s)", f->unsupported_line, f->unsupported);
		printf("\n");
	}
}

static void list_passes(void)
{
	const char *name, *doc;

	for (unsigned i = 0; (name = pass_name(i, &doc)); i++)
		printf("%-16s %s\n", name, doc);
}

static bool read_file(const char *name, struct ptx_source *s)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	cleanup_fclose FILE *f = !strcmp(name, "-") ? stdin : fopen(name, "rb");
	char tmp[65536];
	size_t n;

	if (!f) {
		fprintf(stderr, "ptxc: %s: %s\n", name, strerror(errno));
		return false;
	}
	while ((n = fread(tmp, 1, sizeof(tmp), f)))
		vgpu_buf_add(&b, tmp, n);
	if (ferror(f) || b.failed) {
		fprintf(stderr, "ptxc: %s: can't be read\n", name);
		vgpu_buf_free(&b);
		return false;
	}
	s->text = vgpu_buf_text(&b);
	s->len = b.len;
	s->name = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	return true;
}

static int compile(struct ptxc *c, const struct ptx_source *src, size_t n)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	bool parse_only = c->dump && !strcmp(c->dump, "parse");
	struct ir_module *m = NULL;
	struct ptx_diag d;
	int r;

	ptx_diag_init(&d);
	c->passes.check = true;
	c->passes.after = after_pass;
	c->passes.cookie = c;
	c->o.passes = &c->passes;
	r = parse_only ? ptx_parse(src, n, &c->o, &m, &d, &err) : ptx_compile_opts(src, n, &c->o, &m, &d, &err);
	fputs(vgpu_buf_text(&d.infos), stderr);
	fputs(vgpu_buf_text(&d.errors), stderr);
	if (r && !d.n_errors)
		fprintf(stderr, "ptxc: %s\n", err.text);
	if (!r && c->list)
		list_functions(m);
	else if (!r && !c->quiet && (!c->dump || parse_only))
		print_module(m);
	ir_module_free(m);
	ptx_diag_fini(&d);
	return r ? 1 : 0;
}

static int known_pass(const char *s)
{
	const char *name;

	if (!strcmp(s, "parse") || !strcmp(s, "all"))
		return 1;
	for (unsigned i = 0; (name = pass_name(i, NULL)); i++)
		if (!strcmp(s, name))
			return 1;
	fprintf(stderr, "ptxc: there is no pass '%s' (see -d list)\n", s);
	return 0;
}

int main(int argc, char **argv)
{
	struct ptxc c = { 0 };
	struct ptx_source *src;
	int opt, n = 0, r = 0;

	while ((opt = getopt(argc, argv, "d:qlt:sh")) != -1) {
		switch (opt) {
		case 'd': c.dump = optarg; break;
		case 'q': c.quiet = true; break;
		case 'l': c.list = true; break;
		case 't': c.o.max_target = (unsigned)atoi(optarg); break;
		case 's': c.o.no_contract = true; break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (c.dump && !strcmp(c.dump, "list"))
		return list_passes(), 0;
	if (optind == argc || (c.dump && !known_pass(c.dump))) {
		fputs(usage, stderr);
		return 2;
	}
	src = calloc((size_t)(argc - optind), sizeof(*src));
	for (int i = optind; src && i < argc && !r; i++)
		r = read_file(argv[i], &src[n++]) ? 0 : 1;
	if (src && !r)
		r = compile(&c, src, (size_t)n);
	for (int i = 0; src && i < n; i++)
		if (src[i].len)
			free((char *)src[i].text);
	free(src);
	return r;
}
