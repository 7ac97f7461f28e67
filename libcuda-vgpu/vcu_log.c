/*
 * vcu_log.c: the library's log: the last lines are kept in a ring, callbacks
 * get each line when it comes. A line's number only grows; an iterator is the
 * number of the next line to be read.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libcuda-vgpu/vcu_api.h"
#include "libcuda-vgpu/vcu_handle.h"
#include "libcuda-vgpu/vcu_log.h"

#define LINES 100u
#define LINE_MAX_LEN 640

struct listener {
	CUlogsCallback fn;
	void *user;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char (*lines)[LINE_MAX_LEN];  /* ring; made by the first line */
static unsigned n_lines;             /* that ever came */
/* Iterators are 32 bits and 0 means "from the oldest": lines count from 1. */

static void call_listeners(CUlogLevel level, const char *text)
{
	char copy[LINE_MAX_LEN];
	size_t i = 0;
	void *h;

	while ((h = vcu_handle_next(VCU_H_LOG_CALLBACK, &i))) {
		struct listener *l = vcu_handle_get(h, VCU_H_LOG_CALLBACK);

		if (!l)
			continue;
		snprintf(copy, sizeof(copy), "%s", text);
		l->fn(l->user, level, copy, strlen(copy));
	}
}

void vcu_log(CUlogLevel level, const char *fmt, ...)
{
	char text[LINE_MAX_LEN], stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	va_list ap;
	int n;

	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%F %T", &tm);
	n = snprintf(text, sizeof(text), "[%s] %s: ", stamp, level == CU_LOG_LEVEL_ERROR ? "error" : "warning");
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&lock);
	if (!lines)
		lines = calloc(LINES, sizeof(*lines));
	if (lines)
		memcpy(lines[n_lines++ % LINES], text, sizeof(text));
	pthread_mutex_unlock(&lock);
	call_listeners(level, text);
}

void vcu_log_err(const char *doing, const struct vgpu_err *err)
{
	vcu_log(CU_LOG_LEVEL_ERROR, "%s: %s", doing, err->text[0] ? err->text : vgpu_status_text(err->status));
}

void vcu_log_fini(void)
{
	size_t i = 0;
	void *h;

	while ((h = vcu_handle_next(VCU_H_LOG_CALLBACK, &i)))
		free(vcu_handle_del(h, VCU_H_LOG_CALLBACK));
	free(lines);
	lines = NULL;
	n_lines = 0;
}

CUresult vcu_LogsRegisterCallback(CUlogsCallback fn, void *user, CUlogsCallbackHandle *out)
{
	struct listener *l;
	void *h;

	if (!fn)
		return CUDA_ERROR_INVALID_VALUE;
	l = malloc(sizeof(*l));
	if (!l)
		return CUDA_ERROR_OUT_OF_MEMORY;
	l->fn = fn;
	l->user = user;
	h = vcu_handle_new(VCU_H_LOG_CALLBACK, l);
	if (!h) {
		free(l);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (out)
		*out = h;
	return CUDA_SUCCESS;
}

CUresult vcu_LogsUnregisterCallback(CUlogsCallbackHandle callback)
{
	struct listener *l = vcu_handle_del(callback, VCU_H_LOG_CALLBACK);

	if (!l)
		return CUDA_ERROR_INVALID_VALUE;
	free(l);
	return CUDA_SUCCESS;
}

CUresult vcu_LogsCurrent(CUlogIterator *out, unsigned int flags)
{
	if (!out || flags)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	*out = n_lines + 1;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

/* The first line to be read from *it (NULL: the oldest), as an index of the ring's count. */
static unsigned start_of(const CUlogIterator *it)
{
	unsigned oldest = n_lines > LINES ? n_lines - LINES : 0;
	unsigned from = it && *it ? *it - 1 : 0;

	from = MAX(from, oldest);
	return MIN(from, n_lines);
}

CUresult vcu_LogsDumpToFile(CUlogIterator *it, const char *path, unsigned int flags)
{
	bool bad = false;
	FILE *f;

	if (!path || flags)
		return CUDA_ERROR_INVALID_VALUE;
	f = fopen(path, "we");
	if (!f)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	for (unsigned i = start_of(it); i < n_lines; i++)
		bad |= fprintf(f, "%s\n", lines[i % LINES]) < 0;
	if (it)
		*it = n_lines + 1;
	pthread_mutex_unlock(&lock);
	bad |= fclose(f) != 0;
	return bad ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_SUCCESS;
}

/* As many of the newest lines as fit, oldest first; *size gets the bytes, the NUL not counted. */
CUresult vcu_LogsDumpToMemory(CUlogIterator *it, char *buffer, size_t *size, unsigned int flags)
{
	size_t need = 1, used = 0;
	unsigned from;

	if (!buffer || !size || !*size || flags)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	for (from = n_lines; from > start_of(it); from--) {
		need += strlen(lines[(from - 1) % LINES]) + 1;
		if (need > *size)
			break;
	}
	for (unsigned i = from; i < n_lines; i++)
		used += (size_t)snprintf(buffer + used, *size - used, "%s\n", lines[i % LINES]);
	buffer[used] = 0;
	*size = used;
	if (it)
		*it = n_lines + 1;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}
