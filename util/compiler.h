/* compiler.h: attributes and small macros that every folder uses. */
#ifndef VGPU_UTIL_COMPILER_H
#define VGPU_UTIL_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#define VGPU_EXPORT __attribute__((visibility("default")))
#define VGPU_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define VGPU_MUST_CHECK __attribute__((warn_unused_result))
#define VGPU_NORETURN __attribute__((noreturn))
#define VGPU_UNUSED __attribute__((unused))
#define VGPU_WEAK_HIDDEN __attribute__((weak, visibility("hidden")))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define VGPU_STR_(x) #x
#define VGPU_STR(x) VGPU_STR_(x)
#define VGPU_CAT_(a, b) a##b
#define VGPU_CAT(a, b) VGPU_CAT_(a, b)

#define MIN(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define MAX(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })

/* Round up to a power of two. */
static inline uint64_t vgpu_align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline int vgpu_is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

#endif
