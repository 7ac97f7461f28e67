/*
 * fakegen.c: a code generator without LLVM, for tests of what surrounds one: a
 * kernel's name says what becomes of it. One whose name begins with "ok" is a
 * function that answers its state plus 1000 * function + 100 * tier + warps.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "backend/simd/gen/gen_api.h"
#include "compiler/ir/ir.h"

__attribute__((visibility("default"))) int vgpu_gen_kernel(const struct gen_request *r, struct gen_object *out, struct vgpu_err *err);

enum { S_NULL, S_TEXT, S_SYM, S_STR, S_COUNT };

struct object {
	Elf64_Ehdr eh;
	Elf64_Shdr sh[S_COUNT];
	Elf64_Sym sym[2];
	uint8_t text[16];
	char str[32];
};

static int object(const struct gen_request *r, struct gen_object *out)
{
	struct object *o = calloc(1, sizeof(*o));
	uint32_t n = 1000 * r->func + 100 * r->tier + r->warps;

	memcpy(o->eh.e_ident, ELFMAG "\2\1\1", 7);
	o->eh.e_type = ET_REL;
	o->eh.e_machine = EM_X86_64;
	o->eh.e_shoff = offsetof(struct object, sh);
	o->eh.e_shentsize = sizeof(Elf64_Shdr);
	o->eh.e_shnum = S_COUNT;
	/* lea eax, [rsi + n]; ret */
	memcpy(o->text, "\x8d\x86", 2);
	memcpy(o->text + 2, &n, 4);
	o->text[6] = 0xc3;
	strcpy(o->str + 1, "kernel");
	o->sym[1] = (Elf64_Sym){ .st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = S_TEXT };
	o->sh[S_TEXT] = (Elf64_Shdr){ .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_addralign = 16,
				      .sh_offset = offsetof(struct object, text), .sh_size = sizeof(o->text) };
	o->sh[S_SYM] = (Elf64_Shdr){ .sh_type = SHT_SYMTAB, .sh_link = S_STR, .sh_entsize = sizeof(Elf64_Sym),
				     .sh_offset = offsetof(struct object, sym), .sh_size = sizeof(o->sym) };
	o->sh[S_STR] = (Elf64_Shdr){ .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct object, str), .sh_size = sizeof(o->str) };
	out->elf = (uint8_t *)o;
	out->len = sizeof(*o);
	out->meta = (struct sd_meta){ .W = 32 };
	return 0;
}

static void burn(double s)
{
	clock_t end = clock() + (clock_t)(s * CLOCKS_PER_SEC);

	while (s < 0 || clock() < end)
		__asm__ volatile("");
}

static volatile int never;

static int recurse(volatile int *p)
{
	volatile int a[1000];

	a[0] = *p;
	return never ? 0 : recurse(a) + a[0];
}

static void eat(void)
{
	for (;;) {
		char *p = malloc(1 << 20);

		if (!p)
			abort();
		memset(p, 1, 1 << 20);
	}
}

static bool is(const char *name, const char *what)
{
	return strncmp(name, what, strlen(what)) == 0;
}

int vgpu_gen_kernel(const struct gen_request *r, struct gen_object *out, struct vgpu_err *err)
{
	const char *name = r->m->funcs[r->func].name;

	if (is(name, "hang"))
		burn(-1);
	if (is(name, "crash"))
		*(volatile int *)(uintptr_t)(16 + never) = 1;
	if (is(name, "recurse"))
		recurse(&(int){ 0 });
	if (is(name, "abort"))
		abort();
	if (is(name, "eat"))
		eat();
	if (is(name, "quit"))
		_exit(3);
	if (is(name, "fork"))
		fork();
	if (is(name, "execute"))
		mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (is(name, "file") && open("/etc/passwd", O_RDONLY) < 0)
		return vgpu_err_set(err, VGPU_E_INTERNAL, "no files");
	if (is(name, "refuse"))
		return vgpu_err_set(err, VGPU_E_UNSUPPORTED_PTX, "ptx line 12: frob.b32 isn't known");
	if (strlen(name) > 500)
		return vgpu_err_set(err, VGPU_E_UNSUPPORTED_PTX, "'%.80s': ptx line 12: frob.b32 isn't known", name);
	if (is(name, "slow"))
		burn(0.4);
	if (is(name, "empty"))
		return 0;
	return object(r, out);
}
