/*
 * calltrace.h: $VGPU_DEBUG for the driver libraries, a comma separated list: "api"
 * traces every call of an entry point, one line per call when it returns;
 * "file=PATH" sends that to a file instead of standard error; "memcheck" is
 * libcuda's (kernels run under the memory checker). Ignored in setuid
 * programs. Without it nothing is printed ever.
 */
#ifndef VGPU_UTIL_CALLTRACE_H
#define VGPU_UTIL_CALLTRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vgpu_trace_arg {
	const void *p;             /* the argument's place */
	uint32_t size;
	int cls;                   /* __builtin_classify_type, or VGPU_TRACE_TEXT */
};
#define VGPU_TRACE_TEXT 100        /* const char * */

/* Is the word in $VGPU_DEBUG? */
bool vgpu_debug_word(const char *word);
/* Reads the environment; true: calls are to be traced. Call it when the library is loaded. */
bool vgpu_calltrace_init(void);
void vgpu_calltrace_fini(void);
/* names: the arguments' names, "(dptr, n)". Safe from any thread. */
void vgpu_calltrace(const char *fn, const char *names, const struct vgpu_trace_arg *args, unsigned n, int result);

/* Text into the file; nowhere if none is named. */
void vgpu_calltrace_text(const char *text, size_t n);

/* VGPU_TRACE_ARGS(a, b) → { &a, … }, { &b, … }, up to 16 arguments. */
#define VGPU_TA(x)                                                                                    \
	{ &(x), sizeof(x), __builtin_types_compatible_p(__typeof__(x), const char *)             \
		? VGPU_TRACE_TEXT : __builtin_classify_type(x) },
#define VGPU_TA_0()
#define VGPU_TA_1(a) VGPU_TA(a)
#define VGPU_TA_2(a, ...) VGPU_TA(a) VGPU_TA_1(__VA_ARGS__)
#define VGPU_TA_3(a, ...) VGPU_TA(a) VGPU_TA_2(__VA_ARGS__)
#define VGPU_TA_4(a, ...) VGPU_TA(a) VGPU_TA_3(__VA_ARGS__)
#define VGPU_TA_5(a, ...) VGPU_TA(a) VGPU_TA_4(__VA_ARGS__)
#define VGPU_TA_6(a, ...) VGPU_TA(a) VGPU_TA_5(__VA_ARGS__)
#define VGPU_TA_7(a, ...) VGPU_TA(a) VGPU_TA_6(__VA_ARGS__)
#define VGPU_TA_8(a, ...) VGPU_TA(a) VGPU_TA_7(__VA_ARGS__)
#define VGPU_TA_9(a, ...) VGPU_TA(a) VGPU_TA_8(__VA_ARGS__)
#define VGPU_TA_10(a, ...) VGPU_TA(a) VGPU_TA_9(__VA_ARGS__)
#define VGPU_TA_11(a, ...) VGPU_TA(a) VGPU_TA_10(__VA_ARGS__)
#define VGPU_TA_12(a, ...) VGPU_TA(a) VGPU_TA_11(__VA_ARGS__)
#define VGPU_TA_13(a, ...) VGPU_TA(a) VGPU_TA_12(__VA_ARGS__)
#define VGPU_TA_14(a, ...) VGPU_TA(a) VGPU_TA_13(__VA_ARGS__)
#define VGPU_TA_15(a, ...) VGPU_TA(a) VGPU_TA_14(__VA_ARGS__)
#define VGPU_TA_16(a, ...) VGPU_TA(a) VGPU_TA_15(__VA_ARGS__)
#define VGPU_TA_PICK(z, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, m, ...) m
#define VGPU_TRACE_ARGS(...)                                                                             \
	VGPU_TA_PICK(0, ##__VA_ARGS__, VGPU_TA_16, VGPU_TA_15, VGPU_TA_14, VGPU_TA_13, VGPU_TA_12,       \
		     VGPU_TA_11, VGPU_TA_10, VGPU_TA_9, VGPU_TA_8, VGPU_TA_7, VGPU_TA_6, VGPU_TA_5,      \
		     VGPU_TA_4, VGPU_TA_3, VGPU_TA_2, VGPU_TA_1, VGPU_TA_0)(__VA_ARGS__)

#endif
