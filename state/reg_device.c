/* reg_device.c: devices: resolving, creating, setting, removing, finding. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "state/profile.h"
#include "state/reg_priv.h"

#define MINOR_MAX 247

/* ---- PCI addresses ---- */

static uint32_t pci_key(const char *pci)
{
	unsigned domain = 0, bus = 0, dev = 0, fn = 0;

	vgpu_pci_parse(pci, &domain, &bus, &dev, &fn, NULL);
	return domain << 16 | bus << 8 | dev << 3 | fn;
}

static void pci_format(uint32_t key, char out[20])
{
	snprintf(out, 20, "%04x:%02x:%02x.%x", key >> 16, key >> 8 & 0xff, key >> 3 & 0x1f, key & 7);
}

static int pci_normalize(const char *text, char out[20], struct vgpu_err *err)
{
	unsigned domain, bus, dev, fn;
	int r = vgpu_pci_parse(text, &domain, &bus, &dev, &fn, err);

	if (r)
		return r;
	if (domain > 0xffff)
		return vgpu_err_set(err, VGPU_E_INVALID, "'%s': a PCI domain has at most four digits", text);
	pci_format(domain << 16 | bus << 8 | dev << 3 | fn, out);
	return 0;
}

/* ---- resolving ---- */

static int by_pci(const void *a, const void *b)
{
	uint32_t x = pci_key(((const struct vgpu_device *)a)->pci), y = pci_key(((const struct vgpu_device *)b)->pci);

	return x < y ? -1 : x > y;
}

static int set_stored(struct registry *reg, struct vgpu_device *d, const char *key, const char *value, struct vgpu_err *err)
{
	const struct vgpu_prop *p = vgpu_prop_find(key);
	int r;

	if (!p || p->identity)
		return 0; /* a property of another version of this program */
	r = profile_set_value(d, p, value, err);
	return r ? vgpu_err_set(err, VGPU_E_CORRUPT, "%s: device %s: %s has the impossible value '%.64s'",
				reg->path, d->uuid, key, value) : 0;
}

static int apply_rows(struct registry *reg, enum reg_query q, const char *arg, struct vgpu_device *d, struct vgpu_err *err)
{
	sqlite3_stmt *s = reg_query(reg, q, err);
	int r, bad = 0;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	sqlite3_bind_text(s, 1, arg, -1, SQLITE_TRANSIENT);
	while ((r = reg_step(reg, s, "reading a device", err)) > 0) {
		bad = set_stored(reg, d, reg_text(s, 0), reg_text(s, 1), err);
		if (bad) {
			reg_done(s);
			return bad;
		}
	}
	return r;
}

/* d has its identity; everything else is filled in. */
static int resolve(struct registry *reg, struct vgpu_device *d, struct profile *cache, struct vgpu_err *err)
{
	int r = 0;

	if (strcasecmp(cache->name, d->profile) && profile_load(d->profile, cache, NULL))
		cache->name[0] = 0;
	if (cache->name[0])
		r = profile_apply(cache, d, err);
	else
		r = apply_rows(reg, REG_Q_PROFILE_COPY, d->profile, d, err);
	if (!r)
		r = apply_rows(reg, REG_Q_OVERRIDES, d->uuid, d, err);
	return r;
}

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

static int read_identities(struct registry *reg, struct vgpu_device *devs, size_t *n_out, struct vgpu_err *err)
{
	sqlite3_stmt *s = reg_query(reg, REG_Q_DEVICES, err);
	size_t n = 0;
	int r;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	while ((r = reg_step(reg, s, "reading the devices", err)) > 0) {
		struct vgpu_device *d = &devs[n];

		if (n == VGPU_MAX_DEVICES) {
			reg_done(s);
			return vgpu_err_set(err, VGPU_E_CORRUPT, "%s: has more than %d devices", reg->path, VGPU_MAX_DEVICES);
		}
		vgpu_device_init(d);
		copy_text(d->uuid, sizeof(d->uuid), reg_text(s, 0));
		copy_text(d->pci, sizeof(d->pci), reg_text(s, 1));
		d->minor = (uint64_t)sqlite3_column_int64(s, 2);
		copy_text(d->profile, sizeof(d->profile), reg_text(s, 3));
		copy_text(d->serial, sizeof(d->serial), reg_text(s, 4));
		n++;
	}
	if (r < 0)
		return r;
	qsort(devs, n, sizeof(*devs), by_pci);
	for (size_t i = 0; i < n; i++)
		devs[i].index = i;
	*n_out = n;
	return 0;
}

int reg_devices(struct registry *reg, struct vgpu_device *devs, size_t *n_out, struct vgpu_err *err)
{
	struct profile *cache = calloc(1, sizeof(*cache));
	struct vgpu_err local;
	bool snapshot;
	size_t n = 0;
	int r;

	if (!err)
		err = &local;
	if (!cache)
		return vgpu_err_set(err, VGPU_E_NOMEM, "reading the devices: out of memory");
	/* One read transaction, so that devices and what is set on them belong together. */
	snapshot = sqlite3_get_autocommit(reg->db) != 0;
	r = snapshot ? reg_run(reg, REG_Q_BEGIN_READ, "reading the devices", err, "") : 0;
	if (!r)
		r = read_identities(reg, devs, &n, err);
	for (size_t i = 0; !r && i < n; i++)
		r = resolve(reg, &devs[i], cache, err);
	if (snapshot && !sqlite3_get_autocommit(reg->db))
		reg_run(reg, REG_Q_ROLLBACK, "reading the devices", NULL, "");
	free(cache);
	if (!r)
		*n_out = n;
	return r;
}

/* ---- finding ---- */

static bool is_index(const char *spec)
{
	return *spec && strspn(spec, "0123456789") == strlen(spec) && strlen(spec) <= 3;
}

static bool matches_uuid(const char *uuid, const char *spec)
{
	if (strncasecmp(spec, "GPU-", 4) == 0)
		spec += 4;
	return *spec && strncasecmp(uuid + 4, spec, strlen(spec)) == 0;
}

static bool matches(const struct vgpu_device *d, const char *spec, const char *pci)
{
	if (pci[0])
		return strcmp(d->pci, pci) == 0;
	if (is_index(spec))
		return d->index == strtoul(spec, NULL, 10);
	if (strncmp(spec, "nvidia", 6) == 0)
		return is_index(spec + 6) && d->minor == strtoul(spec + 6, NULL, 10);
	return matches_uuid(d->uuid, spec);
}

static int find_error(const char *spec, size_t n, struct vgpu_err *err)
{
	if (n == 0)
		return vgpu_err_set(err, VGPU_E_INVALID_DEVICE, "there is no device '%.64s': the registry has none yet", spec);
	return vgpu_err_set(err, VGPU_E_INVALID_DEVICE,
			    "there is no device '%.64s': there %s %zu, named by index (0%s), UUID or a beginning of it, PCI address or nvidiaN",
			    spec, n == 1 ? "is" : "are", n, n > 1 ? ", 1 …" : "");
}

int reg_device_find(struct registry *reg, const char *spec, struct vgpu_device *out, struct vgpu_err *err)
{
	struct vgpu_device *devs = calloc(VGPU_MAX_DEVICES, sizeof(*devs));
	size_t n = 0, hits = 0, hit = 0;
	char pci[20] = "";
	int r;

	if (!devs)
		return vgpu_err_set(err, VGPU_E_NOMEM, "finding a device: out of memory");
	if (strchr(spec, ':') && (r = pci_normalize(spec, pci, err)))
		goto out;
	r = reg_devices(reg, devs, &n, err);
	if (r)
		goto out;
	for (size_t i = 0; i < n; i++)
		if (matches(&devs[i], spec, pci)) {
			hits++;
			hit = i;
		}
	if (hits == 0)
		r = find_error(spec, n, err);
	else if (hits > 1)
		r = vgpu_err_set(err, VGPU_E_INVALID, "'%.64s' begins the UUID of %zu devices: give more of it", spec, hits);
	else
		*out = devs[hit];
out:
	free(devs);
	return r;
}

/* ---- changing ---- */

/* Checks one key=value and gives the text to store: the value itself, or the number a host share stands for. */
static int check_kv(struct vgpu_device *d, const struct reg_kv *kv, char stored[128], struct vgpu_err *err)
{
	const struct vgpu_prop *p = vgpu_prop_find(kv->key);
	int r;

	if (!p)
		return vgpu_err_set(err, VGPU_E_INVALID, "there is no property '%.64s'", kv->key);
	if (p->identity)
		return vgpu_err_set(err, VGPU_E_NOT_PERMITTED, "%s is part of the device's identity and can't be changed", p->key);
	if (!kv->value)
		return 0;
	r = profile_set_value(d, p, kv->value, err);
	if (!r)
		vgpu_prop_get(d, p, stored);
	return r;
}

static int store_kv(struct registry *reg, const char *uuid, const struct reg_kv *kv, const char *stored, struct vgpu_err *err)
{
	if (!kv->value)
		return reg_run(reg, REG_Q_OVERRIDE_DEL, "unsetting a property", err, "tt", uuid, kv->key);
	return reg_run(reg, REG_Q_OVERRIDE_SET, "setting a property", err, "ttt", uuid, kv->key, stored);
}

static int store_all(struct registry *reg, struct vgpu_device *d, const struct reg_kv *set, size_t n, struct vgpu_err *err)
{
	for (size_t i = 0; i < n; i++) {
		char stored[128] = "";
		int r = check_kv(d, &set[i], stored, err);

		if (!r)
			r = store_kv(reg, d->uuid, &set[i], stored, err);
		if (r)
			return r;
	}
	return 0;
}

static struct vgpu_device *find_uuid(struct vgpu_device *devs, size_t n, const char *uuid)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(devs[i].uuid, uuid) == 0)
			return &devs[i];
	return NULL;
}

/* The device as it is now, from inside the transaction. */
static int reread(struct registry *reg, const char *uuid, struct vgpu_device *out, struct vgpu_err *err)
{
	struct vgpu_device *devs = calloc(VGPU_MAX_DEVICES, sizeof(*devs)), *d;
	size_t n;
	int r;

	if (!devs)
		return vgpu_err_set(err, VGPU_E_NOMEM, "reading the devices: out of memory");
	r = reg_devices(reg, devs, &n, err);
	if (!r) {
		d = find_uuid(devs, n, uuid);
		if (d)
			*out = *d;
		else
			r = vgpu_err_set(err, VGPU_E_INVALID_DEVICE, "there is no device %s", uuid);
	}
	free(devs);
	return r;
}

static void describe(const struct reg_kv *set, size_t n, struct vgpu_buf *b)
{
	for (size_t i = 0; i < n; i++)
		vgpu_buf_printf(b, "%s%s%s%s", i ? " " : "", set[i].key,
				set[i].value ? "=" : " unset", set[i].value ? set[i].value : "");
}

int reg_device_set(struct registry *reg, const char *uuid, const struct reg_kv *set, size_t n, struct vgpu_err *err)
{
	struct vgpu_buf what = VGPU_BUF_INIT;
	struct vgpu_device d;
	struct vgpu_err local;
	bool own;
	int r;

	if (!err)
		err = &local;
	r = reg_enter(reg, &own, err);
	if (r)
		return r;
	r = reread(reg, uuid, &d, err);
	if (!r)
		r = store_all(reg, &d, set, n, err);
	if (!r)
		r = reread(reg, uuid, &d, err); /* unset ones fall back to the profile: check what comes out */
	if (!r)
		r = profile_check(&d, err);
	describe(set, n, &what);
	if (!r)
		r = reg_event_add(reg, uuid, "set", vgpu_buf_text(&what), err);
	if (!r)
		r = reg_touch(reg, err);
	vgpu_buf_free(&what);
	return reg_leave(reg, own, r, err);
}

int reg_device_remove(struct registry *reg, const char *uuid, struct vgpu_err *err)
{
	struct vgpu_err local;
	struct vgpu_device d;
	char text[256];
	bool own;
	int r;

	if (!err)
		err = &local;
	r = reg_enter(reg, &own, err);
	if (r)
		return r;
	r = reread(reg, uuid, &d, err);
	if (!r)
		r = reg_run(reg, REG_Q_DEVICE_DEL, "removing a device", err, "t", uuid);
	if (!r)
		r = reg_run(reg, REG_Q_PROFILE_PRUNE, "removing a device", err, "");
	if (!r) {
		snprintf(text, sizeof(text), "%s at %s, nvidia%u", d.name, d.pci, (unsigned)d.minor);
		r = reg_event_add(reg, uuid, "remove", text, err);
	}
	if (!r)
		r = reg_touch(reg, err);
	return reg_leave(reg, own, r, err);
}

int reg_device_overrides(struct registry *reg, const char *uuid,
			 void (*fn)(void *arg, const char *key, const char *value), void *arg, struct vgpu_err *err)
{
	sqlite3_stmt *s = reg_query(reg, REG_Q_OVERRIDES, err);
	int r;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	sqlite3_bind_text(s, 1, uuid, -1, SQLITE_TRANSIENT);
	while ((r = reg_step(reg, s, "reading a device", err)) > 0)
		fn(arg, reg_text(s, 0), reg_text(s, 1));
	return r;
}

/* ---- creating ---- */

static int random_bytes(void *p, size_t n, struct vgpu_err *err)
{
	return getrandom(p, n, 0) == (ssize_t)n ? 0 : vgpu_err_errno(err, "getrandom");
}

static int choose_uuid(const char *wish, char out[48], struct vgpu_err *err)
{
	uint8_t b[16];
	int r = wish ? vgpu_uuid_parse(wish, b, err) : random_bytes(b, sizeof(b), err);

	if (r)
		return r;
	if (!wish) { /* version 4, variant 1 of RFC 4122 */
		b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
		b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	}
	vgpu_uuid_format(b, out);
	return 0;
}

static int choose_serial(const char *wish, char out[24], struct vgpu_err *err)
{
	uint64_t v;
	int r;

	if (wish) {
		if (!*wish || strlen(wish) > 20 || strspn(wish, "0123456789") != strlen(wish))
			return vgpu_err_set(err, VGPU_E_INVALID, "serial: '%.64s' is not 1 to 20 decimal digits", wish);
		snprintf(out, 24, "%s", wish);
		return 0;
	}
	r = random_bytes(&v, sizeof(v), err);
	if (!r)
		snprintf(out, 24, "1%012llu", (unsigned long long)(v % 1000000000000ull));
	return r;
}

static int choose_minor(int wish, const struct vgpu_device *devs, size_t n, uint64_t *out, struct vgpu_err *err)
{
	bool taken[MINOR_MAX + 1] = { false };

	for (size_t i = 0; i < n; i++)
		if (devs[i].minor <= MINOR_MAX)
			taken[devs[i].minor] = true;
	if (wish > MINOR_MAX || wish < -1)
		return vgpu_err_set(err, VGPU_E_INVALID, "minor: %d is not in 0 to %d", wish, MINOR_MAX);
	if (wish >= 0 && taken[wish])
		return vgpu_err_set(err, VGPU_E_EXISTS, "minor %d is taken: there is a device nvidia%d", wish, wish);
	for (*out = wish < 0 ? 0 : (uint64_t)wish; wish < 0 && taken[*out]; ++*out)
		;
	return 0;
}

static bool pci_taken(const struct vgpu_device *devs, size_t n, const char *pci)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(devs[i].pci, pci) == 0)
			return true;
	return false;
}

static int choose_pci(const char *wish, const struct vgpu_device *devs, size_t n, char out[20], struct vgpu_err *err)
{
	if (wish) {
		int r = pci_normalize(wish, out, err);

		if (!r && pci_taken(devs, n, out))
			r = vgpu_err_set(err, VGPU_E_EXISTS, "PCI address %s is taken by another device", out);
		return r;
	}
	for (uint32_t bus = 1; bus < 0xff; bus++) {
		pci_format(bus << 8, out);
		if (!pci_taken(devs, n, out))
			return 0;
	}
	return vgpu_err_set(err, VGPU_E_NO_SPACE, "no PCI bus is free");
}

static int choose_identity(const struct reg_create *c, const struct vgpu_device *devs, size_t n,
			   struct vgpu_device *d, struct vgpu_err *err)
{
	int r = choose_uuid(c->uuid, d->uuid, err);

	for (size_t i = 0; !r && i < n; i++)
		if (strcmp(devs[i].uuid, d->uuid) == 0)
			r = vgpu_err_set(err, VGPU_E_EXISTS, "UUID %s is taken by device %zu", d->uuid, i);
	if (!r)
		r = choose_pci(c->pci, devs, n, d->pci, err);
	if (!r)
		r = choose_minor(c->minor, devs, n, &d->minor, err);
	if (!r)
		r = choose_serial(c->serial, d->serial, err);
	return r;
}

static int copy_profile(struct registry *reg, const struct profile *p, struct vgpu_err *err)
{
	int r = reg_run(reg, REG_Q_PROFILE_DEL, "storing the profile", err, "t", p->name);

	for (size_t i = 0; !r && i < p->n; i++)
		r = reg_run(reg, REG_Q_PROFILE_SET, "storing the profile", err, "ttt",
			    p->name, p->kv[i].prop->key, p->kv[i].value);
	return r;
}

/* A share of the host's memory is settled now, so that it does not change with the host. */
static int settle_host_share(struct registry *reg, const struct profile *p, const struct reg_create *c,
			     const struct vgpu_device *d, struct vgpu_err *err)
{
	char value[32];

	for (size_t i = 0; i < c->n_set; i++)
		if (strcmp(c->set[i].key, "memory_total") == 0 && c->set[i].value)
			return 0;
	for (size_t i = 0; i < p->n; i++)
		if (profile_is_host_share(p->kv[i].prop, p->kv[i].value)) {
			snprintf(value, sizeof(value), "%llu", (unsigned long long)d->memory_total);
			return reg_run(reg, REG_Q_OVERRIDE_SET, "setting the memory", err, "ttt", d->uuid, "memory_total", value);
		}
	return 0;
}

static int insert(struct registry *reg, const struct reg_create *c, const struct profile *p,
		  struct vgpu_device *d, struct vgpu_err *err)
{
	struct timespec ts;
	char text[256];
	int r;

	clock_gettime(CLOCK_REALTIME, &ts);
	r = reg_run(reg, REG_Q_DEVICE_ADD, "adding a device", err, "ttitti", d->uuid, d->pci, (int64_t)d->minor,
		    d->profile, d->serial, (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	if (!r)
		r = copy_profile(reg, p, err);
	if (!r)
		r = settle_host_share(reg, p, c, d, err);
	if (!r)
		r = store_all(reg, d, c->set, c->n_set, err);
	if (!r)
		r = profile_check(d, err);
	snprintf(text, sizeof(text), "%s at %s, nvidia%u, profile %s", d->name, d->pci, (unsigned)d->minor, d->profile);
	if (!r)
		r = reg_event_add(reg, d->uuid, "create", text, err);
	if (!r)
		r = reg_touch(reg, err);
	return r ? r : reread(reg, d->uuid, d, err);
}

static int create_in_txn(struct registry *reg, const struct reg_create *c, struct profile *p,
			 struct vgpu_device *d, struct vgpu_err *err)
{
	struct vgpu_device *devs = calloc(VGPU_MAX_DEVICES, sizeof(*devs));
	size_t n = 0;
	int r;

	if (!devs)
		return vgpu_err_set(err, VGPU_E_NOMEM, "creating a device: out of memory");
	r = reg_devices(reg, devs, &n, err);
	if (!r && n == VGPU_MAX_DEVICES)
		r = vgpu_err_set(err, VGPU_E_NO_SPACE, "the registry is full: it has %d devices", VGPU_MAX_DEVICES);
	if (!r)
		r = choose_identity(c, devs, n, d, err);
	free(devs);
	snprintf(d->profile, sizeof(d->profile), "%s", p->name);
	if (!r)
		r = profile_apply(p, d, err);
	return r ? r : insert(reg, c, p, d, err);
}

int reg_device_create(struct registry *reg, const struct reg_create *c, struct vgpu_device *out, struct vgpu_err *err)
{
	struct profile *p = calloc(1, sizeof(*p));
	struct vgpu_err local;
	struct vgpu_device d;
	bool own;
	int r;

	if (!err)
		err = &local;
	if (!p)
		return vgpu_err_set(err, VGPU_E_NOMEM, "creating a device: out of memory");
	vgpu_device_init(&d);
	r = profile_load(c->profile ? c->profile : PROFILE_DEFAULT, p, err);
	if (!r)
		r = reg_enter(reg, &own, err);
	if (!r) {
		r = create_in_txn(reg, c, p, &d, err);
		r = reg_leave(reg, own, r, err);
	}
	if (!r && out)
		*out = d;
	free(p);
	return r;
}
