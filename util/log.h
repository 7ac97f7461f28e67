/*
 * log.h: messages of daemons and tools (never of the driver libraries).
 * Levels as syslog's. Goes to stderr as "<level>name[pid]: text" where
 * journald reads it, plain "name: text" on a terminal.
 */
#ifndef VGPU_UTIL_LOG_H
#define VGPU_UTIL_LOG_H

#include <syslog.h>

#include "util/compiler.h"

void vgpu_log_open(const char *name, int max_level);
void vgpu_log(int level, const char *fmt, ...) VGPU_PRINTF(2, 3);

#define log_err(...) vgpu_log(LOG_ERR, __VA_ARGS__)
#define log_warn(...) vgpu_log(LOG_WARNING, __VA_ARGS__)
#define log_info(...) vgpu_log(LOG_INFO, __VA_ARGS__)
#define log_debug(...) vgpu_log(LOG_DEBUG, __VA_ARGS__)

#endif
