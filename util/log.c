/* log.c: see log.h. One write(2) per message, so that processes don't mix lines. */
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/sys.h"

static const char *log_name = "vgpufs";
static int log_max = LOG_INFO;

void vgpu_log_open(const char *name, int max_level)
{
	log_name = name;
	log_max = max_level;
}

void vgpu_log(int level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	if (level > log_max)
		return;
	if (vgpu_getenv("JOURNAL_STREAM"))
		n = snprintf(line, sizeof(line), "<%d>%s[%d]: ", level, log_name, (int)getpid());
	else
		n = snprintf(line, sizeof(line), "%s: ", log_name);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n = (int)strlen(line);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nowhere left to complain */
}
