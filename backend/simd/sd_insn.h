/*
 * sd_insn.h: single instructions run by the interp backend in the midst of
 * generated code, so that whatever interp can do simd can do: behind
 * sd_calls.insn. Needs no LLVM.
 *
 * The kernel has an interp kernel beside its generated code. A reference is
 * one instruction of it; sd_insns knows where its decoded form lies. A shim is
 * a warp of interp's that borrows the block's memory: shared, local (the frame
 * of the instruction's function at sd_ref.local_off), parameters.
 *
 * Contract with the generated code, for the call c->calls->insn(c, ref):
 *  - c->mask[w]: lanes of warp w of the gang to run for; the instruction's
 *    guard is in them already and isn't looked at.
 *  - c->rows[(r * (W / 32) + w) * 32 + lane]: row r = in_func.reg_row[register]
 *    of the instruction's function, 64 bits a lane, zero-extended, predicates 0
 *    or 1; a 128-bit register has two rows, the low half first. Every register
 *    that the instruction reads is stored before the call; those that it
 *    writes are found there after it, changed in the lanes c->mask alone.
 *    Instructions that read or write the carry flag: row in_func.cc_row.
 *  - Lanes outside of the mask count as ended: a collective works with those in
 *    it. Lanes that would have to wait (they name each other in member masks
 *    that differ) are a fault, VGPU_E_ILLEGAL_INSTRUCTION.
 *  - The processor's flushing of subnormals (MXCSR) may be on; it is off meanwhile.
 *  - nanosleep doesn't wait. Control flow, calls and barriers of the block can
 *    be in the list, for sd_shim_fault; running them is a fault, VGPU_E_INTERNAL.
 *  - Clusters of one block only.
 */
#ifndef VGPU_BACKEND_SIMD_SD_INSN_H
#define VGPU_BACKEND_SIMD_SD_INSN_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "backend/simd/sd_rt.h"

struct sd_insns;   /* of a kernel; constant, shared by all threads */
struct sd_shim;    /* of one thread of the host; for one block at a time */

/*
 * ik: of be_interp, kept by the caller as long as this. refs are copied. Fails with VGPU_E_INVALID for a reference to nothing,
 * VGPU_E_INVALID_PTX for one into a function that interp couldn't prepare, or VGPU_E_NOMEM.
 */
int sd_insns_new(struct sd_insns **out, const struct be_kernel *ik, uint32_t W, const struct sd_ref *refs, uint32_t n,
		 struct vgpu_err *err);
void sd_insns_free(struct sd_insns *s);
/* Rows that c->rows must have at least. */
uint32_t sd_insns_rows(const struct sd_insns *s);
/* The instruction of a reference. */
const struct ir_insn *sd_insns_ir(const struct sd_insns *s, uint32_t ref);

/* NULL: no memory. */
struct sd_shim *sd_shim_new(const struct sd_insns *s);
void sd_shim_free(struct sd_shim *h);
/* A new block. l: of the launch, l->kernel isn't used. local_used: bytes of each thread's local memory that inlined frames take. */
void sd_shim_start(struct sd_shim *h, const struct be_launch *l, uint64_t linear, uint32_t local_used);
/* False: *fault is filled and c->why is SD_WHY_FAULT, or c->why is SD_WHY_CANCEL. The guard (be_guard_enter) is the caller's. */
bool sd_shim_run(struct sd_shim *h, struct sd_ctx *c, uint32_t ref, struct be_fault *fault);
/* Fills *fault for what the generated code itself found out; lane: of the gang; addr: as the program has it. */
void sd_shim_fault(struct sd_shim *h, const struct sd_ctx *c, uint32_t ref, int status, uint32_t lane, uint64_t addr,
		   struct be_fault *fault);
/* After the guard caught an access: was it inside sd_shim_run? Then *fault of that call is filled. */
bool sd_shim_guard_fault(struct sd_shim *h);

#endif
