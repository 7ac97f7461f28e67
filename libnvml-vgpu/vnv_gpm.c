/*
 * vnv_gpm.c: GPU performance monitoring, which Hopper brought: a sample is what
 * a device's counters were, and a metric what two samples of it differ by.
 * Measured are the time in which kernels ran and what copies carried, of a GPU
 * instance the former alone; engines that don't exist are at rest; what only a
 * GPU's own counters could tell (multiprocessors, pipes, memory) is
 * NOT_SUPPORTED, metric by metric.
 */
#include <stdlib.h>

#include "libnvml-vgpu/vnv_mig.h"

#define SAMPLE_MAGIC 0x4d504756u
#define HOPPER 90u
/* More metrics than any header has: numMetrics is no number. */
#define METRICS_MOST 4096u
/* Counters move once a second: samples that are closer don't tell by their difference, but what the last second was. */
#define FAR_US 2500000u

struct nvmlGpmSample_st {
	uint32_t magic;
	char of[64];              /* which device or instance; empty: nothing taken yet */
	bool instance;
	uint64_t time_us, busy_ns, rx_bytes, tx_bytes;
	uint64_t util, rx_rate, tx_rate; /* of the second before */
};

static bool has_gpm(nvmlDevice_t device)
{
	return device->gpu->d.compute_cap >= HOPPER;
}

nvmlReturn_t vnv_GpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *support)
{
	if (!support)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (support->version != 1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	support->isSupportedDevice = has_gpm(device);
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_GpmSampleAlloc(nvmlGpmSample_t *out)
{
	struct nvmlGpmSample_st *s;

	if (!out)
		return NVML_ERROR_INVALID_ARGUMENT;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NVML_ERROR_MEMORY;
	s->magic = SAMPLE_MAGIC;
	*out = s;
	return NVML_SUCCESS;
}

static bool is_sample(nvmlGpmSample_t s)
{
	return s && s->magic == SAMPLE_MAGIC;
}

nvmlReturn_t vnv_GpmSampleFree(nvmlGpmSample_t s)
{
	if (!is_sample(s))
		return NVML_ERROR_INVALID_ARGUMENT;
	s->magic = 0;
	free(s);
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_GpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t s)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!is_sample(s))
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!has_gpm(device))
		return NVML_ERROR_NOT_SUPPORTED;
	r = vnv_live(device, VNV_RECENT, &l);
	if (r)
		return r;
	*s = (struct nvmlGpmSample_st){ .magic = SAMPLE_MAGIC };
	snprintf(s->of, sizeof(s->of), "%s", device->gpu->d.uuid);
	s->time_us = l->time_us;
	s->busy_ns = l->busy_ns;
	s->rx_bytes = l->pcie_rx_bytes;
	s->tx_bytes = l->pcie_tx_bytes;
	s->util = l->util_gpu;
	s->rx_rate = l->pcie_rx_rate;
	s->tx_rate = l->pcie_tx_rate;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_GpmMigSampleGet(nvmlDevice_t device, unsigned int gi, nvmlGpmSample_t s)
{
	uint64_t util = 0, time_us = 0;
	nvmlReturn_t r;

	if (!is_sample(s))
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!has_gpm(device))
		return NVML_ERROR_NOT_SUPPORTED;
	r = vnv_mig_load(device->gpu, gi, &util, &time_us);
	if (r)
		return r;
	*s = (struct nvmlGpmSample_st){ .magic = SAMPLE_MAGIC, .instance = true, .time_us = time_us, .util = util };
	snprintf(s->of, sizeof(s->of), "%s/%u", device->gpu->d.uuid, gi);
	return NVML_SUCCESS;
}

/* ---- metrics ---- */

struct span {
	double us, busy_us, rx, tx;
	bool instance;
};

static double percent(double part, double whole)
{
	return part <= 0 ? 0 : part >= whole ? 100 : 100 * part / whole;
}

static double mib_per_s(double bytes, double us)
{
	return bytes / 1048576 / (us / 1e6);
}

/* What there is none of, and so is at rest: decoders, JPEG and optical flow engines, encoders. */
static bool no_engine(unsigned id)
{
	return (id >= NVML_GPM_METRIC_NVDEC_0_UTIL && id <= NVML_GPM_METRIC_NVDEC_7_UTIL) ||
	       (id >= NVML_GPM_METRIC_NVJPG_0_UTIL && id <= NVML_GPM_METRIC_NVJPG_7_UTIL) ||
	       id == NVML_GPM_METRIC_NVOFA_0_UTIL || id == NVML_GPM_METRIC_NVOFA_1_UTIL ||
	       (id >= NVML_GPM_METRIC_NVENC_0_UTIL && id <= NVML_GPM_METRIC_NVENC_3_UTIL);
}

/* False: it can't be told. */
static bool value_of(unsigned id, const struct span *d, double *out)
{
	*out = 0;
	if (id == NVML_GPM_METRIC_GRAPHICS_UTIL)
		*out = percent(d->busy_us, d->us);
	else if (id == NVML_GPM_METRIC_PCIE_TX_PER_SEC && !d->instance)
		*out = mib_per_s(d->tx, d->us);
	else if (id == NVML_GPM_METRIC_PCIE_RX_PER_SEC && !d->instance)
		*out = mib_per_s(d->rx, d->us);
	else
		return no_engine(id);
	return true;
}

static void describe(nvmlGpmMetric_t *m)
{
	static const struct {
		unsigned id;
		const char *name, *text, *unit;
	} known[] = {
#define X(id, name, text, unit) { NVML_GPM_METRIC_##id, name, text, unit },
#include "libnvml-vgpu/api/nv_gpm.def"
#undef X
	};

	m->metricInfo.shortName = m->metricInfo.longName = m->metricInfo.unit = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].id != m->metricId)
			continue;
		m->metricInfo.shortName = known[i].name;
		m->metricInfo.longName = known[i].text;
		m->metricInfo.unit = known[i].unit;
	}
}

/* Of one instance only the last second is known. */
static struct span span_of(const struct nvmlGpmSample_st *a, const struct nvmlGpmSample_st *b)
{
	if (b->instance || b->time_us - a->time_us < FAR_US)
		return (struct span){ .us = 1e6, .busy_us = 1e4 * (double)b->util, .rx = (double)b->rx_rate, .tx = (double)b->tx_rate,
				      .instance = b->instance };
	return (struct span){ .us = (double)(b->time_us - a->time_us), .busy_us = (double)(b->busy_ns - a->busy_ns) / 1000,
			      .rx = (double)(b->rx_bytes - a->rx_bytes), .tx = (double)(b->tx_bytes - a->tx_bytes) };
}

static bool comparable(nvmlGpmSample_t a, nvmlGpmSample_t b)
{
	return is_sample(a) && is_sample(b) && *a->of && strcmp(a->of, b->of) == 0 && b->time_us > a->time_us;
}

/* What a metric is called is told in any case: dmon has it in its heading, before there are samples. */
nvmlReturn_t vnv_GpmMetricsGet(nvmlGpmMetricsGet_t *get)
{
	struct span d;
	bool good;

	if (!get)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (get->version != 1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (get->numMetrics > METRICS_MOST)
		return NVML_ERROR_INVALID_ARGUMENT;
	good = comparable(get->sample1, get->sample2);
	if (good)
		d = span_of(get->sample1, get->sample2);
	for (unsigned i = 0; i < get->numMetrics; i++) {
		nvmlGpmMetric_t *m = &get->metrics[i];

		m->value = 0;
		m->nvmlReturn = !good ? NVML_ERROR_INVALID_ARGUMENT : value_of(m->metricId, &d, &m->value) ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
		describe(m);
	}
	return good ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

/* Nothing streams. */
nvmlReturn_t vnv_GpmQueryIfStreamingEnabled(nvmlDevice_t device, unsigned int *state)
{
	if (!state)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!has_gpm(device))
		return NVML_ERROR_NOT_SUPPORTED;
	*state = 0;
	return NVML_SUCCESS;
}
