/* 601-abi.h: a fact about the driver ABI, as one header's declarations have it. */
#ifndef VGPU_T_601_ABI_H
#define VGPU_T_601_ABI_H

#include <stddef.h>

struct abi_fact {
	const char *what;
	long long a, b;            /* size; offset and size; value */
};

extern const struct abi_fact abi_facts_ours[], abi_facts_nvidia[];
extern const size_t abi_n_ours, abi_n_nvidia;

#endif
