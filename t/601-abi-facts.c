/*
 * 601-abi-facts.c: one table of facts, compiled twice: against our ABI
 * declarations, and (ABI_NVIDIA) against the toolkit's cuda.h.
 */
#ifdef ABI_NVIDIA
#define __CUDA_API_VERSION_INTERNAL 1
#include <cuda.h>
#include <cudaProfiler.h>
#define FACTS abi_facts_nvidia
#define N_FACTS abi_n_nvidia
#else
#include "libcuda-vgpu/cu_abi.h"
#define FACTS abi_facts_ours
#define N_FACTS abi_n_ours
#endif
#include "t/601-abi.h"

#define SIZE(type) { "sizeof(" #type ")", sizeof(type), _Alignof(type) },
#define FIELD(type, member) { #type "." #member, offsetof(type, member), sizeof(((type *)0)->member) },
#define VALUE(name) { #name, (long long)(name), 0 },

const struct abi_fact FACTS[] = {
#include "t/601-abi-facts.inc"
};
const size_t N_FACTS = sizeof(FACTS) / sizeof(FACTS[0]);
