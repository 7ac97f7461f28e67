/*
 * vfs_telemetry.c: the live values of a device: what is measured (memory,
 * load, processes), what is recorded (modes, limits, errors), and what follows
 * from these by a model (clocks, power, temperature, energy). doc/telemetry.md
 * tells users which is which; keep it true.
 */
#include <stdlib.h>
#include <string.h>

#include "fusefs/vfs_mon.h"

/* The model's constants. */
#define CLOCK_SM_IDLE_KHZ 210000u
#define CLOCK_MEMORY_IDLE_KHZ 405000u
#define PSTATE_IDLE 8u
#define WARM_MS 15000u             /* temperature follows load with this time constant */
#define AVERAGE_S 10u

struct vfs_samples {
	uint64_t n;                    /* ever taken; the newest VGP_KEPT_SAMPLES are kept */
	uint64_t time_us[VGP_KEPT_SAMPLES];
	uint64_t v[VGP_SERIES_COUNT][VGP_KEPT_SAMPLES];
};

struct vfs_devlive *vfs_devlive(struct vfs *v, uint32_t key)
{
	struct vfs_devlive *free_one = NULL;

	for (size_t i = 0; i < VGPU_MAX_DEVICES; i++) {
		struct vfs_devlive *l = &v->st->live[i];

		if (l->key == key)
			return l;
		if (!free_one && (!l->key || vfs_devset_find(&v->src.devs, l->key) < 0))
			free_one = l;
	}
	if (free_one) {
		memset(free_one, 0, sizeof(*free_one));
		free_one->pstate = PSTATE_IDLE;
		free_one->key = key;
		free(v->samples[free_one - v->st->live]);
		v->samples[free_one - v->st->live] = NULL;
	}
	return free_one;
}

/* ---- the model ---- */

static uint64_t between(uint64_t idle, uint64_t full, unsigned percent)
{
	return full > idle ? idle + (full - idle) * percent / 100 : idle;
}

static uint64_t clamp_lock(uint64_t khz, uint64_t low, uint64_t high)
{
	if (high && khz > high)
		khz = high;
	return low && khz < low ? low : khz;
}

/* Not below the lowest clock, nor above what it was. */
static uint64_t slowed(const struct vgp_telemetry *t, uint64_t khz)
{
	uint64_t floor = MIN(t->clock_sm_khz, t->clock_sm_min_khz);

	return MAX(khz, floor);
}

static void model_clocks(const struct vgpu_device *d, struct vgp_telemetry *t)
{
	bool on = t->pstate == 0;

	t->clock_sm_max_khz = d->clock_khz;
	t->clock_sm_min_khz = MIN(d->clock_khz, (uint64_t)CLOCK_SM_IDLE_KHZ);
	t->clock_memory_max_khz = d->memory_clock_khz;
	t->clock_memory_min_khz = MIN(d->memory_clock_khz, (uint64_t)CLOCK_MEMORY_IDLE_KHZ);
	t->app_clock_sm_default_khz = d->clock_khz;
	t->app_clock_memory_default_khz = d->memory_clock_khz;
	t->app_clock_sm_khz = d->app_clock_sm_khz ? d->app_clock_sm_khz : d->clock_khz;
	t->app_clock_memory_khz = d->app_clock_memory_khz ? d->app_clock_memory_khz : d->memory_clock_khz;
	t->lock_sm_min_khz = d->lock_sm_min_khz;
	t->lock_sm_max_khz = d->lock_sm_max_khz;
	t->lock_memory_min_khz = d->lock_memory_min_khz;
	t->lock_memory_max_khz = d->lock_memory_max_khz;
	t->clock_sm_khz = clamp_lock(on ? t->app_clock_sm_khz : t->clock_sm_min_khz, d->lock_sm_min_khz, d->lock_sm_max_khz);
	t->clock_memory_khz = clamp_lock(on ? t->app_clock_memory_khz : t->clock_memory_min_khz, d->lock_memory_min_khz,
					 d->lock_memory_max_khz);
	if (t->throttle_reasons & (VGP_THROTTLE_HW_SLOWDOWN | VGP_THROTTLE_HW_THERMAL | VGP_THROTTLE_HW_POWER_BRAKE |
				   VGP_THROTTLE_SW_THERMAL))
		t->clock_sm_khz = slowed(t, t->clock_sm_khz / 2);
}

/* Load draws power up to the limit; what does not fit under a lowered one costs clocks. */
static void model_power(const struct vgpu_device *d, struct vgp_telemetry *t)
{
	uint64_t want = between(d->power_idle_mw, d->power_limit_mw, (unsigned)t->util_gpu);

	t->power_limit_default_mw = t->power_limit_max_mw = d->power_limit_mw;
	t->power_limit_min_mw = d->power_limit_min_mw;
	t->power_limit_mw = d->power_limit_set_mw ? d->power_limit_set_mw : d->power_limit_mw;
	t->power_limit_enforced_mw = t->power_limit_mw;
	t->power_mw = want;
	if (want > t->power_limit_mw && t->pstate == 0) {
		t->power_mw = t->power_limit_mw;
		t->clock_sm_khz = slowed(t, t->clock_sm_khz * t->power_limit_mw / want);
		t->throttle_reasons |= VGP_THROTTLE_SW_POWER;
	}
}

static void model_heat(const struct vgpu_device *d, const struct vfs_devlive *l, struct vgp_telemetry *t)
{
	t->temperature_c = l->temperature_mc ? l->temperature_mc / 1000 : d->temp_idle_c;
	t->temperature_memory_c = t->temperature_c;
	if (d->fans) {
		uint64_t span = d->temp_slowdown_c > d->temp_idle_c ? d->temp_slowdown_c - d->temp_idle_c : 1;
		uint64_t over = t->temperature_c > d->temp_idle_c ? t->temperature_c - d->temp_idle_c : 0;

		t->fan_percent = between(VGP_FAN_MIN, 100, (unsigned)MIN((uint64_t)100, over * 100 / span));
		t->fan_set = d->fan_set;
		if (d->fan_set)
			t->fan_percent = d->fan_set;
	}
}

/* ---- what is known ---- */

static void add_modes(const struct vgpu_device *d, struct vgp_telemetry *t)
{
	t->compute_mode = d->compute_mode;
	t->persistence_mode = d->persistence_mode;
	t->accounting_mode = d->accounting_mode;
	t->accounting_buffer = VGP_KEPT_ACCT;
	t->ecc_supported = d->ecc_supported;
	t->ecc_mode = d->ecc_supported && d->ecc_mode;
	t->ecc_mode_pending = !d->ecc_supported ? 0 : d->ecc_mode_pending == 2 ? d->ecc_mode : d->ecc_mode_pending;
	t->mig_supported = *d->mig_profiles != 0;
	t->mig_mode = t->mig_supported && d->mig_mode;
	t->mig_mode_pending = !t->mig_supported ? 0 : d->mig_mode_pending == 2 ? d->mig_mode : d->mig_mode_pending;
	t->mig_max = t->mig_supported ? VGPU_MIG_SLICES : 0;
	t->lost = d->lost;
	t->pcie_gen = d->pcie_gen;
	t->pcie_width = d->pcie_width;
	t->bar1_total = d->bar1_total;
}

bool vfs_device_remaps(const struct vgpu_device *d)
{
	return d->compute_cap >= 80;
}

static void add_pages(const struct vgpu_device *d, const struct vfs_devlive *l, struct vgp_telemetry *t)
{
	bool remaps = vfs_device_remaps(d);

	for (uint32_t i = 0; i < l->n_pages; i++) {
		uint64_t *done = remaps ? (l->page[i].cause ? &t->remapped_uncorrected : &t->remapped_corrected) :
				 l->page[i].cause ? &t->retired_double : &t->retired_single;

		if (l->page[i].pending)
			*(remaps ? &t->remap_pending : &t->retired_pending) = 1;
		else
			(*done)++;
		t->memory_reserved += !remaps && !l->page[i].pending ? 4096 : 0;
	}
}

static void add_link(const struct vfs_devlive *l, const uint64_t rate[2], struct vgp_telemetry *t)
{
	t->pcie_rx_bytes = l->link[0];
	t->pcie_tx_bytes = l->link[1];
	t->pcie_rx_rate = rate[0];
	t->pcie_tx_rate = rate[1];
}

static void add_errors(const struct vfs_devlive *l, struct vgp_telemetry *t)
{
	t->ecc_aggregate_dram_corrected = l->ecc_life[0];
	t->ecc_aggregate_dram_uncorrected = l->ecc_life[1];
	t->ecc_aggregate_sram_corrected = l->ecc_life[2];
	t->ecc_aggregate_sram_uncorrected = l->ecc_life[3];
	t->ecc_volatile_dram_corrected = l->ecc[0];
	t->ecc_volatile_dram_uncorrected = l->ecc[1];
	t->ecc_volatile_sram_corrected = l->ecc[2];
	t->ecc_volatile_sram_uncorrected = l->ecc[3];
	t->xid_last = l->xid_last;
	t->xid_count = l->xid_count;
	t->busy_ns = l->busy_ns;
	t->energy_mj = l->energy_uj / 1000;
	t->violation_power_ns = l->violation_power_ns;
	t->violation_thermal_ns = l->violation_thermal_ns;
}

static uint64_t average_power(const struct vfs_samples *s, uint64_t now_mw)
{
	uint64_t n = s ? MIN(s->n, (uint64_t)AVERAGE_S) : 0, sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += s->v[VGP_SERIES_POWER][(s->n - 1 - i) % VGP_KEPT_SAMPLES];
	return n ? sum / n : now_mw;
}

void vfs_telemetry_of(struct vfs *v, int at, struct vgp_telemetry *t)
{
	static const struct vfs_devlive nothing = { .pstate = PSTATE_IDLE };
	const struct vgpu_device *d = &v->src.devs.dev[at];
	const struct vfs_devlive *l = vfs_devlive(v, v->src.devs.key[at]);
	const struct vfs_samples *s = l ? v->samples[l - v->st->live] : NULL;

	memset(t, 0, sizeof(*t));
	if (!l)
		l = &nothing;
	t->generation = v->st->generation;
	t->time_us = vfs_epoch_us();
	add_modes(d, t);
	add_errors(l, t);
	add_link(l, v->link[at], t);
	add_pages(d, l, t);
	t->memory_total = d->memory_total;
	t->memory_used = vfs_sess_memory(v, v->src.devs.key[at]);
	t->memory_free = t->memory_total - MIN(t->memory_total, t->memory_used + t->memory_reserved);
	t->processes = vfs_users_count(v, v->src.devs.key[at]);
	t->util_gpu = t->util_memory = v->util[at];
	t->sample_period_us = 1000000;
	t->throttle_supported = VGP_THROTTLE_ALL;
	t->throttle_reasons = l->throttle;
	t->pstate = t->processes || d->persistence_mode ? 0 : PSTATE_IDLE;
	if (!t->util_gpu)
		t->throttle_reasons |= VGP_THROTTLE_IDLE;
	else if (d->app_clock_sm_khz && d->app_clock_sm_khz < d->clock_khz)
		t->throttle_reasons |= VGP_THROTTLE_APP_CLOCKS;
	model_clocks(d, t);
	model_power(d, t);
	model_heat(d, l, t);
	t->clock_video_khz = t->clock_sm_khz / 100 * 85;
	t->clock_video_max_khz = t->clock_sm_max_khz / 100 * 85;
	t->power_average_mw = average_power(s, t->power_mw);
}

/* ---- as time goes by ---- */

static void take_sample(struct vfs *v, struct vfs_devlive *l, const struct vgp_telemetry *t)
{
	struct vfs_samples **at = &v->samples[l - v->st->live], *s;
	const uint64_t values[VGP_SERIES_COUNT] = {
		[VGP_SERIES_UTIL_GPU] = t->util_gpu, [VGP_SERIES_UTIL_MEMORY] = t->util_memory,
		[VGP_SERIES_POWER] = t->power_mw, [VGP_SERIES_CLOCK_SM] = t->clock_sm_khz,
		[VGP_SERIES_CLOCK_MEMORY] = t->clock_memory_khz, [VGP_SERIES_TEMPERATURE] = t->temperature_c,
		[VGP_SERIES_MEMORY_USED] = t->memory_used,
	};

	if (!*at && !(*at = calloc(1, sizeof(**at))))
		return;
	s = *at;
	s->time_us[s->n % VGP_KEPT_SAMPLES] = t->time_us;
	for (unsigned i = 0; i < VGP_SERIES_COUNT; i++)
		s->v[i][s->n % VGP_KEPT_SAMPLES] = values[i];
	s->n++;
}

static void warm(struct vfs_devlive *l, const struct vgpu_device *d, uint64_t util, uint64_t ms)
{
	int64_t target = (int64_t)between(d->temp_idle_c, d->temp_load_c, (unsigned)util) * 1000;
	int64_t now = l->temperature_mc ? (int64_t)l->temperature_mc : (int64_t)d->temp_idle_c * 1000;

	now += (target - now) * (int64_t)ms / (int64_t)(WARM_MS + ms);
	l->temperature_mc = (uint64_t)MAX(now, (int64_t)1);
}

static void tell_pstate(struct vfs *v, struct vfs_devlive *l, const struct vgpu_device *d, const struct vgp_telemetry *t)
{
	if (l->pstate == t->pstate)
		return;
	l->pstate = (uint32_t)t->pstate;
	vfs_event_add(v, d, VGP_EVENT_PSTATE, t->pstate);
	vfs_event_add(v, d, VGP_EVENT_CLOCK, t->clock_sm_khz);
}

void vfs_telemetry_changed(struct vfs *v, uint32_t key)
{
	int at = vfs_devset_owner(&v->src.devs, key);
	struct vfs_devlive *l = at >= 0 ? vfs_devlive(v, v->src.devs.key[at]) : NULL;
	struct vgp_telemetry t;

	if (!l)
		return;
	vfs_telemetry_of(v, at, &t);
	tell_pstate(v, l, &v->src.devs.dev[at], &t);
}

void vfs_telemetry_link(struct vfs *v, uint32_t key, uint64_t to, uint64_t from)
{
	int at = to || from ? vfs_devset_owner(&v->src.devs, key) : -1;
	struct vfs_devlive *l = at >= 0 ? vfs_devlive(v, v->src.devs.key[at]) : NULL;

	if (!l)
		return;
	l->link[0] += to;
	l->link[1] += from;
}

static void pass_time(struct vfs *v, int at, uint64_t span_ns)
{
	struct vfs_devlive *l = vfs_devlive(v, v->src.devs.key[at]);
	const struct vgpu_device *d = &v->src.devs.dev[at];
	struct vgp_telemetry t;

	if (!l)
		return;
	vfs_telemetry_of(v, at, &t);
	l->busy_ns += span_ns / 100 * t.util_gpu;
	l->energy_uj += t.power_mw * (span_ns / 1000000);
	if (t.throttle_reasons & (VGP_THROTTLE_SW_POWER | VGP_THROTTLE_HW_POWER_BRAKE))
		l->violation_power_ns += span_ns;
	if (t.throttle_reasons & (VGP_THROTTLE_SW_THERMAL | VGP_THROTTLE_HW_THERMAL))
		l->violation_thermal_ns += span_ns;
	warm(l, d, t.util_gpu, span_ns / 1000000);
	take_sample(v, l, &t);
	tell_pstate(v, l, d, &t);
}

void vfs_telemetry_tick(struct vfs *v, uint64_t span_ns)
{
	v->tick_us = vfs_epoch_us();
	for (size_t i = 0; i < v->src.devs.n; i++)
		pass_time(v, (int)i, MIN(span_ns, 10000000000ull));
}

void vfs_telemetry_free(struct vfs *v)
{
	for (size_t i = 0; i < VGPU_MAX_DEVICES; i++)
		free(v->samples[i]);
}

void vfs_mon_SAMPLES(struct vfs *v, struct vfs_ask *a)
{
	struct vfs_devlive *l = vfs_devlive(v, v->src.devs.key[a->place.dev]);
	const struct vfs_samples *s = l ? v->samples[l - v->st->live] : NULL;
	uint64_t n = s ? MIN(s->n, (uint64_t)VGP_KEPT_SAMPLES) : 0, since = a->u.list.since;

	if (a->u.list.arg >= VGP_SERIES_COUNT) {
		a->u.head.status = VGPU_E_INVALID;
		return;
	}
	while (n && s->time_us[(s->n - n) % VGP_KEPT_SAMPLES] <= since)
		n--;
	a->u.list.total = (uint32_t)n;
	for (; n && vfs_ask_room(a, sizeof(struct vgp_mon_sample)); n--) {
		uint64_t i = (s->n - n) % VGP_KEPT_SAMPLES;
		struct vgp_mon_sample one = { s->time_us[i], s->v[a->u.list.arg][i] };

		vfs_ask_add(a, &one, sizeof(one));
	}
	/* what did not fit is asked for by the time of the last one */
	a->u.list.cursor = n ? 1 : 0;
	vfs_ask_list(a, sizeof(struct vgp_mon_sample));
}

/* ---- what the tree shows ---- */

void vfs_live_telemetry(void *arg, uint32_t key, struct vgp_telemetry *t)
{
	struct vfs *v = arg;
	int at = vfs_devset_find(&v->src.devs, key);

	if (at >= 0)
		vfs_telemetry_of(v, at, t);
}
