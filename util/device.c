/* device.c: see device.h. Everything is driven by device.def. */
#include "util/device.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static const struct vgpu_prop props[] = {
#define P_STR(key, cap_, def, doc_) { #key, doc_, VGPU_PROP_STR, offsetof(struct vgpu_device, key), cap_, false },
#define P_U64(key, def, doc_) { #key, doc_, VGPU_PROP_U64, offsetof(struct vgpu_device, key), 0, false },
#include "util/device.def"
#undef P_STR
#undef P_U64
};

/* The rows before the marker, counted by stopping the expansion there. */
static const char *const identity_keys[] = {
#define P_STR(key, cap_, def, doc_) #key,
#define P_U64(key, def, doc_) #key,
#define VGPU_DEVICE_IDENTITY_END NULL,
#include "util/device.def"
#undef VGPU_DEVICE_IDENTITY_END
#undef P_STR
#undef P_U64
};

static struct vgpu_prop marked[ARRAY_SIZE(props)];

static __attribute__((constructor)) void mark_identity(void)
{
	memcpy(marked, props, sizeof(props));
	for (size_t i = 0; identity_keys[i]; i++)
		marked[i].identity = true;
}

const struct vgpu_prop *vgpu_props(size_t *n_out)
{
	*n_out = ARRAY_SIZE(marked);
	return marked;
}

const struct vgpu_prop *vgpu_prop_find(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(marked); i++)
		if (strcmp(marked[i].key, key) == 0)
			return &marked[i];
	return NULL;
}

const char *vgpu_prop_get(const struct vgpu_device *d, const struct vgpu_prop *p, char *buf)
{
	const char *at = (const char *)d + p->offset;

	if (p->type == VGPU_PROP_STR)
		snprintf(buf, 128, "%s", at);
	else
		snprintf(buf, 128, "%llu", (unsigned long long)*(const uint64_t *)at);
	return buf;
}

static bool parse_u64(const char *s, uint64_t *out)
{
	static const char units[] = "KMGTP";
	unsigned long long v;
	const char *u;
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno || end == s)
		return false;
	if (*end && (u = strchr(units, toupper((unsigned char)*end)))) {
		unsigned shift = 10 * (unsigned)(u - units + 1);

		if (v > UINT64_MAX >> shift)
			return false;
		v <<= shift;
		end++;
		if (strcmp(end, "iB") == 0 || strcmp(end, "B") == 0)
			end += strlen(end);
	}
	*out = v;
	return *end == 0;
}

/* "12.0" as 120. */
static bool parse_cc(const char *s, uint64_t *out)
{
	unsigned major, minor;
	char rest;

	if (sscanf(s, "%2u.%1u%c", &major, &minor, &rest) != 2)
		return false;
	*out = major * 10 + minor;
	return true;
}

int vgpu_prop_set(struct vgpu_device *d, const struct vgpu_prop *p, const char *value, struct vgpu_err *err)
{
	char *at = (char *)d + p->offset;
	uint64_t v;

	if (p->type == VGPU_PROP_STR) {
		size_t n = strlen(value);

		if (n >= p->cap)
			return vgpu_err_set(err, VGPU_E_INVALID, "%s: text is longer than %zu bytes", p->key, p->cap - 1);
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)value[i] < ' ' || value[i] == 127)
				return vgpu_err_set(err, VGPU_E_INVALID, "%s: control characters are not allowed", p->key);
		memcpy(at, value, n + 1);
		return 0;
	}
	if (strstr(p->key, "compute_cap") && parse_cc(value, &v)) {
		*(uint64_t *)at = v;
		return 0;
	}
	if (!parse_u64(value, &v))
		return vgpu_err_set(err, VGPU_E_INVALID,
				    "%s: '%s' is not a number (like 4096, 0x1000 or 16G)", p->key, value);
	*(uint64_t *)at = v;
	return 0;
}

void vgpu_device_init(struct vgpu_device *d)
{
	memset(d, 0, sizeof(*d));
#define P_STR(key, cap, def, doc) snprintf(d->key, sizeof(d->key), "%s", def);
#define P_U64(key, def, doc) d->key = def;
#include "util/device.def"
#undef P_STR
#undef P_U64
}

int vgpu_uuid_parse(const char *text, uint8_t out[16], struct vgpu_err *err)
{
	uint8_t bytes[16];
	const char *s = text;
	size_t n = 0;

	if (strncmp(s, "GPU-", 4) == 0 || strncmp(s, "MIG-", 4) == 0)
		s += 4;
	while (n < 16) {
		unsigned v;
		char pair[3] = { 0 };

		if (*s == '-' && (n == 4 || n == 6 || n == 8 || n == 10))
			s++;
		if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]))
			return vgpu_err_set(err, VGPU_E_INVALID, "'%s' is not a UUID", text);
		pair[0] = s[0];
		pair[1] = s[1];
		v = (unsigned)strtoul(pair, NULL, 16);
		bytes[n++] = (uint8_t)v;
		s += 2;
	}
	if (*s)
		return vgpu_err_set(err, VGPU_E_INVALID, "'%s' is not a UUID", text);
	memcpy(out, bytes, 16);
	return 0;
}

void vgpu_uuid_format(const uint8_t u[16], char out[48])
{
	snprintf(out, 48, "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7],
		 u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

int vgpu_pci_parse(const char *text, unsigned *domain, unsigned *bus, unsigned *dev, unsigned *fn, struct vgpu_err *err)
{
	unsigned a = 0, b, c, f = 0;
	int n = 0;

	if ((sscanf(text, "%8x:%2x:%2x.%1x%n", &a, &b, &c, &f, &n) == 4 && !text[n]) ||
	    (f = 0, sscanf(text, "%8x:%2x:%2x%n", &a, &b, &c, &n) == 3 && !text[n]) ||
	    (a = 0, sscanf(text, "%2x:%2x.%1x%n", &b, &c, &f, &n) == 3 && !text[n]) ||
	    (f = 0, sscanf(text, "%2x:%2x%n", &b, &c, &n) == 2 && !text[n])) {
		if (c > 31 || f > 7)
			return vgpu_err_set(err, VGPU_E_INVALID, "'%s': slot is above 1f or function above 7", text);
		*domain = a;
		*bus = b;
		*dev = c;
		*fn = f;
		return 0;
	}
	return vgpu_err_set(err, VGPU_E_INVALID, "'%s' is not a PCI address (dddd:bb:dd.f)", text);
}

/* What of a MIG device is its own. */
static void print_migs(struct vgpu_buf *b, const struct vgpu_device *gpu, size_t at, const struct vgpu_device *migs, size_t n_migs)
{
	static const char *const own[] = { "uuid", "index", "profile", "name", "memory_total", "sm_count", "copy_engines", "l2_cache" };
	char value[128];

	for (size_t i = 0; i < n_migs; i++) {
		if (strcmp(migs[i].pci, gpu->pci) != 0)
			continue;
		vgpu_buf_printf(b, "mig %zu\n", at);
		for (size_t k = 0; k < ARRAY_SIZE(own); k++)
			vgpu_buf_printf(b, "mig.%s %s\n", own[k], vgpu_prop_get(&migs[i], vgpu_prop_find(own[k]), value));
	}
}

void vgpu_devtab_print(struct vgpu_buf *b, const struct vgpu_device *devs, size_t n)
{
	vgpu_devtab_print_all(b, devs, n, NULL, 0);
}

void vgpu_devtab_print_all(struct vgpu_buf *b, const struct vgpu_device *devs, size_t n, const struct vgpu_device *migs, size_t n_migs)
{
	char value[128];

	vgpu_buf_printf(b, "vgpufs %d\ndriver %s\ncuda %d\ndevices %zu\n",
			VGPU_DEVTAB_VERSION, VGPU_DRIVER_VERSION, VGPU_CUDA_VERSION, n);
	for (size_t i = 0; i < n; i++) {
		vgpu_buf_printf(b, "device %zu\n", i);
		for (size_t k = 0; k < ARRAY_SIZE(marked); k++)
			vgpu_buf_printf(b, "%s %s\n", marked[k].key, vgpu_prop_get(&devs[i], &marked[k], value));
	}
	for (size_t i = 0; i < n && n_migs; i++)
		print_migs(b, &devs[i], i, migs, n_migs);
	vgpu_buf_str(b, "end\n");
}

int vgpu_devtab_parse(const char *text, struct vgpu_device *devs, size_t *n_out, char *driver, struct vgpu_err *err)
{
	return vgpu_devtab_parse_all(text, devs, n_out, NULL, driver, err);
}

/* A line about MIG devices: "mig 0" begins one. */
static int parse_mig(struct vgpu_device *devs, size_t n, size_t *n_mig, bool *open, const char *key, const char *value, struct vgpu_err *err)
{
	const struct vgpu_prop *p;

	if (!key[3]) {
		size_t gpu = (size_t)strtoul(value, NULL, 10);

		*open = gpu < n && n + *n_mig < VGPU_MAX_DEVICES;
		if (*open)
			devs[n + (*n_mig)++] = devs[gpu];
		return 0;
	}
	p = *open ? vgpu_prop_find(key + 4) : NULL;
	return p ? vgpu_prop_set(&devs[n + *n_mig - 1], p, value, err) : 0;
}

int vgpu_devtab_parse_all(const char *text, struct vgpu_device *devs, size_t *n_out, size_t *n_mig_out, char *driver, struct vgpu_err *err)
{
	bool mig_open = false;
	size_t n_mig = 0;
	size_t n = 0, declared = SIZE_MAX, lineno = 0;
	bool ended = false;

	while (*text && !ended) {
		const char *nl = strchr(text, '\n');
		const struct vgpu_prop *p;
		char line[256], *value;

		lineno++;
		if (!nl || (size_t)(nl - text) >= sizeof(line))
			return vgpu_err_set(err, VGPU_E_PROTOCOL, "device table line %zu is cut or too long", lineno);
		memcpy(line, text, (size_t)(nl - text));
		line[nl - text] = 0;
		text = nl + 1;
		value = strchr(line, ' ');
		if (value)
			*value++ = 0;
		else
			value = line + strlen(line);

		if (lineno == 1) {
			if (strcmp(line, "vgpufs") != 0)
				return vgpu_err_set(err, VGPU_E_PROTOCOL, "not a vgpufs device table");
			if (atoi(value) != VGPU_DEVTAB_VERSION)
				return vgpu_err_set(err, VGPU_E_VERSION, "device table version %s, this library reads %d",
						    value, VGPU_DEVTAB_VERSION);
		} else if (strcmp(line, "end") == 0) {
			ended = true;
		} else if (strcmp(line, "driver") == 0 && n == 0) {
			if (driver)
				snprintf(driver, 32, "%s", value);
		} else if (strcmp(line, "devices") == 0 && n == 0) {
			declared = (size_t)strtoul(value, NULL, 10);
		} else if (strcmp(line, "device") == 0 && !n_mig) {
			if (n == VGPU_MAX_DEVICES)
				return vgpu_err_set(err, VGPU_E_PROTOCOL, "device table has more than %d devices", VGPU_MAX_DEVICES);
			vgpu_device_init(&devs[n++]);
		} else if (n && strncmp(line, "mig", 3) == 0 && (!line[3] || line[3] == '.')) {
			int r = n_mig_out ? parse_mig(devs, n, &n_mig, &mig_open, line, value, err) : 0;

			if (r)
				return vgpu_err_wrap(err, "device table line %zu", lineno);
		} else if (n && !n_mig && (p = vgpu_prop_find(line))) {
			int r = vgpu_prop_set(&devs[n - 1], p, value, err);

			if (r)
				return vgpu_err_wrap(err, "device table line %zu", lineno);
		}
	}
	if (!ended || (declared != SIZE_MAX && declared != n))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "device table is cut after line %zu", lineno);
	*n_out = n;
	if (n_mig_out)
		*n_mig_out = n_mig;
	return 0;
}
