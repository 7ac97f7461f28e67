/* vfs_tree.c: see vfs_tree.h. */
#include "fusefs/vfs_tree.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fusefs/vfs_show.h"

#define LIVE VFS_F_LIVE
#define MIG VFS_F_MIG
#define CHR VFS_CHR
#define OWN VFS_CHR_MINOR
static const struct vfs_entry rows[] = {
#define E(number_, path_, kind_, mode_, show_, store_, flags_) \
	{ .number = number_, .path = path_, .kind = VFS_##kind_, .mode = mode_, .show = show_, .store = store_, .flags = flags_ },
#include "fusefs/vfs_tree.def"
#undef E
};
#undef OWN
#undef CHR
#undef MIG
#undef LIVE

#define MAX_ENTRIES 512

static struct vfs_entry entries[MAX_ENTRIES];
static size_t n_entries;
/* number → index + 1 */
static uint16_t by_number[VFS_PROP_NUMBER + MAX_ENTRIES];

static int find_path(const char *path, size_t len)
{
	for (size_t i = 0; i < n_entries; i++)
		if (strlen(entries[i].path) == len && strncmp(entries[i].path, path, len) == 0)
			return (int)i;
	return -1;
}

static void link_entry(size_t at)
{
	struct vfs_entry *e = &entries[at];
	const char *slash = strrchr(e->path, '/');
	int *to;

	e->name = slash ? slash + 1 : e->path;
	e->per_device = strchr(e->path, '%') != NULL;
	e->branches = strchr(e->name, '%') != NULL;
	e->per_ci = strstr(e->path, "%c") || strstr(e->path, "%C");
	e->per_gi = e->per_ci || strstr(e->path, "%g") || strstr(e->path, "%G");
	e->parent = e->first_child = e->next_sibling = -1;
	assert(e->number < ARRAY_SIZE(by_number) && !by_number[e->number]);
	by_number[e->number] = (uint16_t)(at + 1);
	if (!*e->path)
		return;
	e->parent = find_path(e->path, slash ? (size_t)(slash - e->path) : 0);
	assert(e->parent >= 0 && entries[e->parent].kind == VFS_DIR);
	for (to = &entries[e->parent].first_child; *to >= 0; to = &entries[*to].next_sibling)
		;
	*to = (int)at;
}

static void add_entry(const struct vfs_entry *e)
{
	assert(n_entries < MAX_ENTRIES);
	entries[n_entries] = *e;
	link_entry(n_entries++);
}

void vfs_tree_init(void)
{
	size_t n_props;
	const struct vgpu_prop *props = vgpu_props(&n_props);

	if (n_entries)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		add_entry(&rows[i]);
	for (size_t i = 0; i < n_props; i++) {
		struct vfs_entry e = {
			.number = (uint16_t)(VFS_PROP_NUMBER + i), .kind = VFS_FILE, .prop = &props[i],
			.mode = props[i].identity ? 0444 : 0644, .show = show_prop,
			.store = props[i].identity ? NULL : store_prop,
		};
		char *path;

		if (asprintf(&path, "devices/%%i/%s", props[i].key) < 0)
			abort();
		e.path = path;
		add_entry(&e);
	}
}

const struct vfs_entry *vfs_entries(size_t *n_out)
{
	*n_out = n_entries;
	return entries;
}

/* ---- devices ---- */

/* FNV-1a of the UUID's 16 bytes, or of the text where it is none. */
uint32_t vfs_device_key(const struct vgpu_device *d)
{
	uint32_t h = 2166136261u;
	uint8_t raw[16];

	if (vgpu_uuid_parse(d->uuid, raw, NULL) == 0) {
		for (size_t i = 0; i < sizeof(raw); i++)
			h = (h ^ raw[i]) * 16777619u;
	} else {
		for (const char *s = d->uuid; *s; s++)
			h = (h ^ (uint8_t)*s) * 16777619u;
	}
	return h ? h : 1;
}

void vfs_devset_fill(struct vfs_devset *set, const struct vgpu_device *devs, size_t n)
{
	set->n = n;
	set->n_gi = set->n_mig = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t key = vfs_device_key(&devs[i]);

		/* 64 devices out of four billion keys: once in a blue moon two are the same */
		for (size_t k = 0; k < i; k++) {
			if (set->key[k] == key) {
				key = key + 1 ? key + 1 : 1;
				k = (size_t)-1;
			}
		}
		set->dev[i] = devs[i];
		set->key[i] = key;
		memset(set->raw[i], 0, sizeof(set->raw[i]));
		vgpu_uuid_parse(devs[i].uuid, set->raw[i], NULL);
	}
}

int vfs_devset_find(const struct vfs_devset *set, uint32_t key)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->key[i] == key)
			return (int)i;
	return -1;
}

/* ---- MIG instances ---- */

#define GI_SHIFT 49
#define CI_SHIFT 54
#define GI_OF(ino) ((unsigned)((ino) >> GI_SHIFT & 31))
#define CI_OF(ino) ((unsigned)((ino) >> CI_SHIFT & 15))

/* A GPU instance (ci < 0), or a compute instance of it. */
static bool has_instance(const struct vfs_devset *set, int dev, unsigned gi, int ci)
{
	for (size_t i = 0; ci < 0 && i < set->n_gi; i++)
		if (set->gi[i].dev == dev && set->gi[i].gi == gi)
			return true;
	for (size_t i = 0; ci >= 0 && i < set->n_mig; i++)
		if (set->mig_at[i].dev == dev && set->mig_at[i].gi == gi && set->mig_at[i].ci == (unsigned)ci)
			return true;
	return false;
}

/* ---- places ---- */

static bool wants_chr(const struct vgpu_device *d)
{
	return strcmp(d->node_type, "chr") == 0;
}

/* What belongs to no device follows them if they agree. */
static bool is_chr(const struct vfs_devset *set, const struct vfs_entry *e, int dev)
{
	if (!(e->flags & VFS_F_CHR))
		return false;
	if (dev >= 0)
		return wants_chr(&set->dev[dev]);
	for (size_t i = 0; i < set->n; i++)
		if (!wants_chr(&set->dev[i]))
			return false;
	return set->n > 0;
}

struct vfs_place vfs_place_at(const struct vfs_devset *set, const struct vfs_entry *e, int dev)
{
	return (struct vfs_place){ .e = e, .dev = dev, .chr = is_chr(set, e, dev) };
}

unsigned vfs_place_cap(const struct vfs_devset *set, struct vfs_place p)
{
	return vgpu_mig_cap((unsigned)set->dev[p.dev].minor, p.gi - 1, (int)p.ci - 1);
}

dev_t vfs_rdev(const struct vfs_devset *set, struct vfs_place p)
{
	unsigned minor = p.e->flags >> 20;

	if (minor == VFS_CHR_MINOR)
		minor = p.dev < 0 ? 0 : p.gi ? vfs_place_cap(set, p) : (unsigned)set->dev[p.dev].minor;
	return makedev(p.e->flags >> 8 & 0xfff, minor);
}

uint64_t vfs_ino(const struct vfs_devset *set, struct vfs_place p)
{
	return p.e->number | (p.dev >= 0 ? (uint64_t)set->key[p.dev] << 16 : 0) | (p.chr ? VFS_INO_CHR : 0) |
	       (uint64_t)p.gi << GI_SHIFT | (uint64_t)p.ci << CI_SHIFT;
}

const struct vfs_entry *vfs_entry_of(uint64_t ino)
{
	unsigned number = ino & 0xffff, gi = GI_OF(ino), ci = CI_OF(ino);
	bool chr = ino & VFS_INO_CHR;
	const struct vfs_entry *e;

	if (ino >> (CI_SHIFT + 4) || number >= ARRAY_SIZE(by_number) || !by_number[number])
		return NULL;
	e = &entries[by_number[number] - 1];
	if ((chr && !(e->flags & VFS_F_CHR)) || e->per_gi != (gi != 0) || e->per_ci != (ci != 0))
		return NULL;
	return e->per_device == ((uint32_t)(ino >> 16) != 0) ? e : NULL;
}

bool vfs_place_of(const struct vfs_devset *set, uint64_t ino, struct vfs_place *out)
{
	const struct vfs_entry *e = vfs_entry_of(ino);

	if (!e)
		return false;
	if (e->kind == VFS_SOCK && !set->sock)
		return false;
	out->e = e;
	out->dev = -1;
	out->chr = ino & VFS_INO_CHR;
	out->gi = GI_OF(ino);
	out->ci = CI_OF(ino);
	if (e->per_device)
		out->dev = vfs_devset_find(set, (uint32_t)(ino >> 16));
	if (e->per_device && out->dev < 0)
		return false;
	return !out->gi || has_instance(set, out->dev, out->gi - 1, (int)out->ci - 1);
}

const char *vfs_name(const struct vfs_devset *set, struct vfs_place p, char *buf)
{
	const char *mark = strchr(p.e->name, '%');
	const struct vgpu_device *d;
	size_t at;

	if (!mark || p.dev < 0)
		return p.e->name;
	d = &set->dev[p.dev];
	at = (size_t)(mark - p.e->name);
	memcpy(buf, p.e->name, at);
	switch (mark[1]) {
	case 'm':
		snprintf(buf + at, 64 - at, "%llu", (unsigned long long)d->minor);
		break;
	case 'b':
		snprintf(buf + at, 64 - at, "%s", d->pci);
		break;
	case 'g':
		snprintf(buf + at, 64 - at, "%u", p.gi - 1);
		break;
	case 'c':
		snprintf(buf + at, 64 - at, "%u", p.ci - 1);
		break;
	case 'G':
	case 'C':
		snprintf(buf + at, 64 - at, "%u", vfs_place_cap(set, p));
		break;
	default:
		snprintf(buf + at, 64 - at, "%llu", (unsigned long long)d->index);
		break;
	}
	return buf;
}

/* ---- names of a row that branches: by their number, which is unique and stays ---- */

/* The device with the lowest minor that is at least `from`; -1: none. */
static int device_by_minor(const struct vfs_devset *set, uint64_t from)
{
	int best = -1;

	for (size_t i = 0; i < set->n; i++)
		if (set->dev[i].minor >= from && (best < 0 || set->dev[i].minor < set->dev[best].minor))
			best = (int)i;
	return best;
}

/* Takes p over where its number is at least `from` and lower than that of *best. */
static bool lower(struct vfs_place p, uint64_t number, uint64_t from, struct vfs_place *best, uint64_t *best_number)
{
	if (number < from || number >= *best_number)
		return false;
	*best = p;
	*best_number = number;
	return true;
}

static bool next_instance(const struct vfs_devset *set, struct vfs_place dir, const struct vfs_entry *e, uint64_t from,
			  struct vfs_place *out, uint64_t *number)
{
	bool by_cap = strstr(e->name, "%G") || strstr(e->name, "%C"), found = false;
	size_t n = e->per_ci ? set->n_mig : set->n_gi;

	*number = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		int dev = e->per_ci ? set->mig_at[i].dev : set->gi[i].dev;
		struct vfs_place p = vfs_place_at(set, e, dev);

		p.gi = 1 + (e->per_ci ? set->mig_at[i].gi : set->gi[i].gi);
		p.ci = e->per_ci ? 1 + set->mig_at[i].ci : 0;
		if ((dir.dev >= 0 && dir.dev != dev) || (dir.gi && dir.gi != p.gi) || set->dev[dev].minor >= VGPU_MIG_CAP_GPUS)
			continue;
		found |= lower(p, by_cap ? vfs_place_cap(set, p) : e->per_ci ? p.ci - 1 : p.gi - 1, from, out, number);
	}
	return found;
}

static bool can_be_divided(const struct vgpu_device *d)
{
	return *d->mig_profiles && d->minor < VGPU_MIG_CAP_GPUS;
}

/* The name of row e in dir with the lowest number that is at least `from`. */
static bool next_branch(const struct vfs_devset *set, struct vfs_place dir, const struct vfs_entry *e, uint64_t from,
			struct vfs_place *out, uint64_t *number)
{
	const char *mark = strchr(e->name, '%');
	int dev;

	if (mark && strchr("gcGC", mark[1]))
		return next_instance(set, dir, e, from, out, number);
	do {
		dev = device_by_minor(set, from);
		if (dev < 0)
			return false;
		from = set->dev[dev].minor + 1;
	} while (e->flags & VFS_F_MIG && !can_be_divided(&set->dev[dev]));
	*out = vfs_place_at(set, e, dev);
	*number = set->dev[dev].minor;
	return true;
}

/* A row that doesn't branch, in the directory that it is in. */
static struct vfs_place below(const struct vfs_devset *set, struct vfs_place dir, const struct vfs_entry *e)
{
	struct vfs_place p = vfs_place_at(set, e, dir.dev);

	p.gi = dir.gi;
	p.ci = dir.ci;
	return p;
}

bool vfs_lookup(const struct vfs_devset *set, struct vfs_place dir, const char *name, struct vfs_place *out)
{
	char buf[64];

	for (int i = dir.e->first_child; i >= 0; i = entries[i].next_sibling) {
		const struct vfs_entry *e = &entries[i];
		struct vfs_place p;
		uint64_t number;

		if (e->kind == VFS_SOCK && !set->sock)
			continue;
		if (!e->branches) {
			if (strcmp(e->name, name) != 0)
				continue;
			*out = below(set, dir, e);
			return true;
		}
		for (uint64_t from = 0; next_branch(set, dir, e, from, &p, &number); from = number + 1) {
			if (strcmp(vfs_name(set, p, buf), name) != 0)
				continue;
			*out = p;
			return true;
		}
	}
	return false;
}

/* A cookie is 65536 * child's place + 1 + number of a name that branches. */
bool vfs_next(const struct vfs_devset *set, struct vfs_place dir, uint64_t *cookie, struct vfs_place *out)
{
	uint64_t place = 0, want = *cookie >> 16, from = *cookie & 0xffff, number;

	for (int i = dir.e->first_child; i >= 0; i = entries[i].next_sibling, place++) {
		const struct vfs_entry *e = &entries[i];

		if (place < want || e->kind == VFS_SOCK)
			continue;
		if (place > want)
			from = 0;
		if (!e->branches) {
			if (from)
				continue;
			*out = below(set, dir, e);
			*cookie = (place << 16) + 1;
			return true;
		}
		if (next_branch(set, dir, e, from, out, &number)) {
			*cookie = (place << 16) + 1 + number;
			return true;
		}
	}
	return false;
}

unsigned vfs_subdirs(const struct vfs_devset *set, struct vfs_place dir)
{
	uint64_t cookie = 0;
	struct vfs_place p;
	unsigned n = 0;

	while (vfs_next(set, dir, &cookie, &p))
		n += p.e->kind == VFS_DIR;
	return n;
}

/* ---- content ---- */

static struct vfs_show show_of(const struct vfs_source *src, struct vfs_place p)
{
	return (struct vfs_show){
		.src = src, .entry = p.e,
		.dev = p.dev >= 0 ? &src->devs.dev[p.dev] : NULL,
		.key = p.dev >= 0 ? src->devs.key[p.dev] : 0,
		.cap = p.gi ? vfs_place_cap(&src->devs, p) : 0,
	};
}

void vfs_show_place(const struct vfs_source *src, struct vfs_place p, struct vgpu_buf *b)
{
	struct vfs_show s = show_of(src, p);

	if (p.e->show)
		p.e->show(&s, b);
}

bool vfs_writable(const struct vfs_entry *e)
{
	return e->kind == VFS_NODE || e->store;
}

int vfs_store_place(const struct vfs_source *src, struct vfs_place p, const char *data, size_t len,
		    struct vfs_change *change, struct vgpu_err *err)
{
	struct vfs_show s = show_of(src, p);
	char text[128];

	if (!p.e->store)
		return vgpu_err_set(err, VGPU_E_NOT_PERMITTED, "%s can't be written", p.e->path);
	if (len && data[len - 1] == '\n')
		len--;
	if (len >= sizeof(text))
		return vgpu_err_set(err, VGPU_E_INVALID, "a value has at most %zu bytes", sizeof(text) - 1);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)data[i] < ' ' || data[i] == 127)
			return vgpu_err_set(err, VGPU_E_INVALID, "control characters are not allowed");
	memcpy(text, data, len);
	text[len] = 0;
	return p.e->store(&s, text, change, err);
}
