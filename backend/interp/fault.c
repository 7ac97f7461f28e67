/* fault.c: fills the block's fault record: who, where, and one line of text. */
#include "backend/interp/interp.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int in_fault(struct in_warp *w, const struct in_insn *i, uint32_t lane, int status, uint64_t addr, const char *fmt, ...)
{
	struct be_fault *f = w->blk->fault;
	va_list ap;

	memset(f, 0, sizeof(*f));
	f->status = status;
	f->addr = addr;
	for (int k = 0; k < 3; k++) {
		f->block[k] = w->blk->ctaid[k];
		f->thread[k] = (uint32_t)w->tid[k][lane & (WARP - 1)];
	}
	f->ptx_line = i && i->ir ? i->ir->loc.line : 0;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return IN_FAULT;
}
