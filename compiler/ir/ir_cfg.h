/* ir_cfg.h: control flow graph of a function. */
#ifndef VGPU_COMPILER_IR_IR_CFG_H
#define VGPU_COMPILER_IR_IR_CFG_H

#include "compiler/ir/ir.h"
#include "util/err.h"

/* bra, brx, ret, exit, trap; a guarded one may fall through */
bool ir_ends_block(const struct ir_insn *i);
/* Fills succ, pred, ipdom and unreachable of all blocks. */
int ir_cfg(struct ir_module *m, struct ir_func *f, struct vgpu_err *err);

#endif
