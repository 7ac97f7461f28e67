/*
 * tap.h: a small TAP producer for C tests. Vocabulary as in the usual TAP
 * libraries: plan or plan_lazy first, then one line per assertion. At exit
 * the plan is checked; a test that runs over its time limit (tap_timeout,
 * default 120 s) is killed by SIGALRM and fails.
 */
#ifndef VGPU_T_LIB_TAP_H
#define VGPU_T_LIB_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void plan(unsigned count);
void plan_lazy(void);
void skip_all(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void bail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

int ok(int success, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int is_int(long long got, long long want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int is_hex(unsigned long long got, unsigned long long want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int is_string(const char *got, const char *want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int is_blob(const void *got, const void *want, size_t n, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* got contains want */
int has_string(const char *got, const char *want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void skip(const char *why, ...) __attribute__((format(printf, 1, 2)));
void diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void tap_timeout(unsigned seconds);
/* A fresh private directory, removed with all its content at exit. */
const char *test_tmpdir(void);
/* $VGPU_TOP_SRCDIR/rel and $VGPU_TOP_BUILDDIR/rel, "." where they are not set; static storage, four deep. */
const char *test_src(const char *rel);
const char *test_build(const char *rel);
/* Number of open file descriptors, for leak checks. */
int test_open_fds(void);

#endif
