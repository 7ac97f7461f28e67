/*
 * vcu_jit.c: options of the JIT compiler. An option's value lies in a void *:
 * numbers as they are, buffers by address; results are written back into it.
 */
#include <string.h>

#include "libcuda-vgpu/vcu_module.h"

CUresult vcu_jit_parse(struct vcu_jit *j, unsigned n, const CUjit_option *options, void **values)
{
	memset(j, 0, sizeof(*j));
	if (n && (!options || !values))
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned i = 0; i < n; i++) {
		uintptr_t v = (uintptr_t)values[i];

		switch (options[i]) {
		case CU_JIT_INFO_LOG_BUFFER: j->info = values[i]; break;
		case CU_JIT_ERROR_LOG_BUFFER: j->error = values[i]; break;
		case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
			j->info_cap = (unsigned)v;
			j->info_size_out = &values[i];
			break;
		case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
			j->error_cap = (unsigned)v;
			j->error_size_out = &values[i];
			break;
		case CU_JIT_WALL_TIME: j->time_out = &values[i]; break;
		case CU_JIT_LOG_VERBOSE:
			if (v)
				j->flags |= VGP_MODULE_F_VERBOSE;
			break;
		case CU_JIT_FMA:
			if (!(int)v)
				j->flags |= VGP_MODULE_F_STRICT_FP;
			break;
		case CU_JIT_TARGET:
			if (v < CU_TARGET_COMPUTE_30 || v > 0xffffff)
				return CUDA_ERROR_INVALID_VALUE;
			j->target = (unsigned)v & 0xffff;
			break;
		case CU_JIT_OPTIMIZATION_LEVEL:
			if (v > 4)
				return CUDA_ERROR_INVALID_VALUE;
			break;
		case CU_JIT_FALLBACK_STRATEGY:
			if (v > 1)
				return CUDA_ERROR_INVALID_VALUE;
			break;
		case CU_JIT_CACHE_MODE:
			if (v > 2)
				return CUDA_ERROR_INVALID_VALUE;
			break;
		case CU_JIT_THREADS_PER_BLOCK:
			/* Answered with the number of threads that was compiled for: any. */
			if (!v)
				return CUDA_ERROR_INVALID_VALUE;
			break;
		/* Limits and hints for machine code, of which there is none. */
		case CU_JIT_MAX_REGISTERS: case CU_JIT_TARGET_FROM_CUCONTEXT: case CU_JIT_GENERATE_DEBUG_INFO:
		case CU_JIT_GENERATE_LINE_INFO: case CU_JIT_NEW_SM3X_OPT: case CU_JIT_FAST_COMPILE:
		case CU_JIT_REFERENCED_KERNEL_NAMES: case CU_JIT_REFERENCED_KERNEL_COUNT:
		case CU_JIT_REFERENCED_VARIABLE_NAMES: case CU_JIT_REFERENCED_VARIABLE_COUNT:
		case CU_JIT_OPTIMIZE_UNUSED_DEVICE_VARIABLES: case CU_JIT_POSITION_INDEPENDENT_CODE:
		case CU_JIT_MIN_CTA_PER_SM: case CU_JIT_MAX_THREADS_PER_BLOCK: case CU_JIT_OVERRIDE_DIRECTIVE_VALUES:
		case CU_JIT_SPLIT_COMPILE: case CU_JIT_FTZ: case CU_JIT_PREC_DIV: case CU_JIT_PREC_SQRT: case CU_JIT_LTO:
			break;
		case CU_JIT_GLOBAL_SYMBOL_NAMES: case CU_JIT_GLOBAL_SYMBOL_ADDRESSES:
			break;
		case CU_JIT_GLOBAL_SYMBOL_COUNT:
			if (v)
				return CUDA_ERROR_NOT_SUPPORTED;
			break;
		default:
			return CUDA_ERROR_INVALID_VALUE;
		}
	}
	return CUDA_SUCCESS;
}

/* As much as fits, NUL terminated; the size that comes back has the NUL in it. */
static void put(char *buf, size_t cap, void **size_out, const char *text, size_t len)
{
	size_t n = 0;

	if (buf && cap) {
		n = MIN(len, cap - 1);
		memcpy(buf, text, n);
		buf[n] = '\0';
		n = n ? n + 1 : 0;
	}
	if (size_out)
		*size_out = (void *)(uintptr_t)n;
}

/* All of a text that the answer had no room for, into a buffer of the program. False: it can't be had. */
static bool fetch(struct vcu_ctx *c, unsigned which, char *buf, size_t cap, void **size_out)
{
	struct vgp_cmd cmd = { .op = VGP_OP_MODULE_LOG, .a.MODULE_LOG = { .ctx = c->wire, .which = which } };
	uint64_t total = UINT64_MAX, at = 0;
	struct vgp_reply rep;

	if (!buf || !cap)
		return false;
	while (at < MIN(total, (uint64_t)cap - 1)) {
		size_t n = 0;

		cmd.a.MODULE_LOG.offset = at;
		if (tr_call(vcu_session(), &cmd, NULL, 0, &rep, buf + at, cap - 1 - at, &n, NULL))
			return false;
		total = rep.r.MODULE_LOG.total;
		at += n;
		if (!n)
			break;
	}
	buf[at] = '\0';
	if (size_out)
		*size_out = (void *)(uintptr_t)(at ? at + 1 : 0);
	return true;
}

void vcu_jit_log(struct vcu_jit *j, struct vcu_ctx *c, const void *data, size_t len)
{
	struct vgp_module_log log = { 0 };
	const char *text = (const char *)data + sizeof(log);
	bool cut = len >= VCU_JIT_ANSWER;

	if (len >= sizeof(log)) {
		memcpy(&log, data, sizeof(log));
		len -= sizeof(log);
	} else {
		len = 0;
	}
	log.info_len = (uint32_t)MIN((size_t)log.info_len, len);
	log.error_len = (uint32_t)MIN((size_t)log.error_len, len - log.info_len);
	if (!cut || !fetch(c, 0, j->info, j->info_cap, j->info_size_out))
		put(j->info, j->info_cap, j->info_size_out, text, log.info_len);
	if (!cut || !fetch(c, 1, j->error, j->error_cap, j->error_size_out))
		put(j->error, j->error_cap, j->error_size_out, text + log.info_len, log.error_len);
}

void vcu_jit_error(struct vcu_jit *j, const char *text)
{
	put(j->info, j->info_cap, j->info_size_out, "", 0);
	put(j->error, j->error_cap, j->error_size_out, text, strlen(text));
}

void vcu_jit_time(struct vcu_jit *j, uint64_t ns)
{
	float ms = (float)((double)ns / 1e6);

	if (j->time_out)
		memcpy(j->time_out, &ms, sizeof(ms));
}
