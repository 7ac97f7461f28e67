/*
 * 641-occupancy: a program that launches as many blocks cooperatively as it was
 * told to be resident is never refused: libcuda's figure is at most the engine's,
 * for every profile, block size, amount of shared memory and number of registers.
 */
#include <stdio.h>
#include <string.h>

#include "engine/eng_priv.h"
#include "libcuda-vgpu/vcu_launch.h"
#include "state/profile.h"
#include "t/lib/tap.h"


static const uint32_t statics[] = { 0, 1, 127, 128, 1000, 1024, 4096, 16384, 40000, 49152 };
static const uint32_t regs[] = { 1, 8, 16, 32, 40, 63, 64, 128, 255 };

struct tally {
	unsigned long long some, over, refused;
	unsigned threads;
	uint64_t dyn;
};

static void compare(struct vcu_func *f, const struct vgpu_device *d, unsigned threads, uint64_t dyn, struct tally *t)
{
	uint64_t told = (uint64_t)vcu_occupancy(f, threads, dyn) * d->sm_count;
	uint64_t shared = f->info.shared_static + dyn;

	if (!told)
		return;
	t->some++;
	if (told > eng_occupancy(d, threads, (uint32_t)shared)) {
		t->over++;
		t->threads = threads;
		t->dyn = dyn;
	}
	/* what the engine's own check of a launch refuses */
	t->refused += shared > d->shared_per_block_optin || threads > d->threads_per_block;
}

static void grid(const struct vgpu_device *d, const char *name)
{
	static struct vcu_device dev;
	static struct vcu_ctx ctx;
	static struct vcu_module mod;
	struct vcu_func f = { .mod = &mod };
	struct tally t = { 0 };

	dev.d = *d;
	ctx.dev = &dev;
	mod.ctx = &ctx;
	f.set = &f.own;
	vcu_func_settings_init(&f.own);
	for (size_t s = 0; s < ARRAY_SIZE(statics); s++)
		for (size_t r = 0; r < ARRAY_SIZE(regs); r++) {
			f.info.shared_static = statics[s];
			f.info.regs = regs[r];
			for (unsigned threads = 1; threads <= d->threads_per_block; threads += threads % 32 == 1 ? 30 : 1)
				for (uint64_t dyn = 0; dyn <= d->shared_per_block_optin; dyn += 3333)
					compare(&f, d, threads, dyn, &t);
		}
	ok(t.some > 1000, "%s: %llu launches have room", name, t.some);
	ok(!t.over, "%s: never more than the engine holds (%llu times; %u threads, %llu bytes)", name, t.over, t.threads,
	   (unsigned long long)t.dyn);
	ok(!t.refused, "%s: and none that it refuses", name);
}

int main(void)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	static struct profile p;
	struct vgpu_device d;
	char **names;
	size_t n;

	plan_lazy();
	if (profile_names(&names, &n, &err))
		bail("profiles: %s", err.text);
	for (size_t i = 0; i < n; i++) {
		vgpu_device_init(&d);
		if (profile_load(names[i], &p, &err) || profile_apply(&p, &d, &err))
			bail("%s: %s", names[i], err.text);
		grid(&d, names[i]);
	}
	profile_names_free(names, n);
	vgpu_device_init(&d);
	grid(&d, "the defaults");
	return 0;
}
