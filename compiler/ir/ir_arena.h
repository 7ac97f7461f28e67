/*
 * ir_arena.h: memory that goes away all at once. Blocks are zeroed and
 * aligned to 16 bytes. Not thread safe.
 */
#ifndef VGPU_COMPILER_IR_ARENA_H
#define VGPU_COMPILER_IR_ARENA_H

#include <stddef.h>

struct ir_arena;

struct ir_arena *ir_arena_new(void);
void ir_arena_free(struct ir_arena *a);
/* NULL when memory is short. n == 0 gives a valid pointer. */
void *ir_arena_alloc(struct ir_arena *a, size_t n);
void *ir_arena_array(struct ir_arena *a, size_t n, size_t size);
/* Copy of n bytes, with a NUL behind them. */
char *ir_arena_strn(struct ir_arena *a, const char *s, size_t n);
char *ir_arena_printf(struct ir_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Bytes handed out so far. */
size_t ir_arena_used(const struct ir_arena *a);

#endif
