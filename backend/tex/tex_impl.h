/* tex_impl.h: what the files of tex/ share. */
#ifndef VGPU_BACKEND_TEX_TEX_IMPL_H
#define VGPU_BACKEND_TEX_TEX_IMPL_H

#include "backend/tex.h"

/* What 8 bits of an sRGB channel are in linear light, of 16384. */
extern const uint16_t tex_srgb[256];

/* tex_sample() for any CPU, and for AVX2. */
void tex_sample_base(const struct tex_sample *s);
void tex_sample_avx2(const struct tex_sample *s);

#define tex_for_lanes(l, m) \
	for (uint32_t m_##l = (m), l; m_##l && (l = (uint32_t)__builtin_ctz(m_##l), 1); m_##l &= m_##l - 1)

#endif
