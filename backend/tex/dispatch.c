/* dispatch.c: which sampler this CPU runs, and the table of sRGB. */
#include <math.h>
#include <pthread.h>

#include "backend/tex/tex_impl.h"

float tex_srgb[256];
static pthread_once_t srgb_once = PTHREAD_ONCE_INIT;

static void srgb_fill(void)
{
	for (int i = 0; i < 256; i++) {
		double c = i / 255.0;

		tex_srgb[i] = (float)(c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
	}
}

void tex_srgb_init(void)
{
	pthread_once(&srgb_once, srgb_fill);
}

void tex_sample(const struct tex_sample *s)
{
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		tex_sample_avx2(s);
	else
		tex_sample_base(s);
}
