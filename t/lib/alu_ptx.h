/*
 * alu_ptx.h: a PTX kernel that runs one instruction form over arrays, for
 * tests that go through the compiler and a backend, through ptxas, or through
 * a real GPU.
 *
 *   .visible .entry k(u64 src0, …, u64 src5, u64 d, u64 d2, u64 cc)
 *
 * Thread i of the grid reads src_k[i], runs the instruction and writes d[i],
 * d2[i] (second result) and cc[i] (carry flag); every cell is 64 bits. The
 * carry flag that addc, subc and madc read is i & 1.
 */
#ifndef VGPU_T_LIB_ALU_PTX_H
#define VGPU_T_LIB_ALU_PTX_H

#include <stddef.h>

#include "t/lib/alu_forms.h"

/* Writes the module's text, NUL terminated; returns its length, 0 when size is too small. */
size_t alu_ptx_module(char *buf, size_t size, const struct alu_form *f, const char *entry);
/* The same without the header, to put several kernels into one module. */
size_t alu_ptx_kernel(char *buf, size_t size, const struct alu_form *f, const char *entry);
/* .version, .target and .address_size for forms up to that sm. */
size_t alu_ptx_header(char *buf, size_t size, unsigned sm);

#endif
