/*
 * check.h: the memory checker: what the engine tells it, and what it finds.
 *
 * A session has one struct chk_mem: which addresses are allocated, and which
 * of their bytes have been written (a bit for each, in memory that is only
 * there where something was). Each context that is checked has a struct chk:
 * the reports. Kernels of such a context run on be_check: the interpreter with
 * every access looked at.
 *
 * Threads: all functions may be called from any thread at any time, but _free.
 * They take no locks but their own, and call nobody back.
 */
#ifndef VGPU_BACKEND_CHECK_CHECK_H
#define VGPU_BACKEND_CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct be_ops;
struct chk_mem;
struct chk;

extern const struct be_ops be_check;

/* Bytes that nobody can write to behind an allocation of a checked context, so that what is just behind it isn't the next one. */
#define CHK_REDZONE_B 512u
/* Texts of so many errors are kept; more are counted. */
#define CHK_REPORTS_MAX 100u

enum chk_alloc_flags {
	CHK_WRITTEN = 1,   /* all its bytes count as written: who writes them isn't seen */
	CHK_KEPT = 2,      /* not the program's to free: never leaked */
	CHK_HEAP = 4,      /* by malloc of a kernel */
};

/* The memory of a session: addresses [window, window + size). NULL: no memory. */
struct chk_mem *chk_mem_new(uint64_t window, uint64_t size);
void chk_mem_free(struct chk_mem *m);
/* name: of a variable, or NULL. Without memory to note it nothing in the window is out of bounds any more; the sum says so. */
void chk_mem_add(struct chk_mem *m, uint64_t addr, uint64_t size, uint32_t ctx, unsigned flags, const char *name);
/* The allocation that begins at addr; none is no error. */
void chk_mem_del(struct chk_mem *m, uint64_t addr);
void chk_mem_del_ctx(struct chk_mem *m, uint32_t ctx);
/* Bytes were written by other means than a kernel; copied: dst's bytes are as good as src's. */
void chk_mem_written(struct chk_mem *m, uint64_t addr, uint64_t len);
void chk_mem_copied(struct chk_mem *m, uint64_t dst, uint64_t src, uint64_t len);

/* The reports of a context. NULL: no memory. */
struct chk *chk_new(struct chk_mem *m, uint32_t ctx);
void chk_free(struct chk *c);
/* Who takes reports: each gets all of the text. */
enum chk_reader { CHK_FOR_CLIENT, CHK_FOR_MOUNT, CHK_READERS };
/* Takes up to cap bytes of the text that the reader hasn't taken yet; *left: bytes still there. */
size_t chk_take(struct chk *c, enum chk_reader r, char *to, size_t cap, size_t *left);
/* The sum of all errors, and before it, if asked for, what the program hasn't freed; once. */
void chk_end(struct chk *c, bool leaks);

#endif
