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
	return (struct vfs_place){ e, dev, is_chr(set, e, dev) };
}

dev_t vfs_rdev(const struct vfs_devset *set, struct vfs_place p)
{
	unsigned minor = p.e->flags >> 20;

	if (minor == VFS_CHR_MINOR)
		minor = p.dev >= 0 ? (unsigned)set->dev[p.dev].minor : 0;
	return makedev(p.e->flags >> 8 & 0xfff, minor);
}

uint64_t vfs_ino(const struct vfs_devset *set, struct vfs_place p)
{
	return p.e->number | (p.dev >= 0 ? (uint64_t)set->key[p.dev] << 16 : 0) | (p.chr ? VFS_INO_CHR : 0);
}

const struct vfs_entry *vfs_entry_of(uint64_t ino)
{
	unsigned number = ino & 0xffff;
	bool chr = ino & VFS_INO_CHR;
	const struct vfs_entry *e;

	ino &= ~VFS_INO_CHR;
	if (ino >> 48 || number >= ARRAY_SIZE(by_number) || !by_number[number])
		return NULL;
	e = &entries[by_number[number] - 1];
	if (chr && !(e->flags & VFS_F_CHR))
		return NULL;
	return e->per_device == (ino >> 16 != 0) ? e : NULL;
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
	if (e->per_device)
		out->dev = vfs_devset_find(set, (uint32_t)(ino >> 16));
	return !e->per_device || out->dev >= 0;
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
	default:
		snprintf(buf + at, 64 - at, "%llu", (unsigned long long)d->index);
		break;
	}
	return buf;
}

bool vfs_lookup(const struct vfs_devset *set, struct vfs_place dir, const char *name, struct vfs_place *out)
{
	char buf[64];

	for (int i = dir.e->first_child; i >= 0; i = entries[i].next_sibling) {
		struct vfs_place p = vfs_place_at(set, &entries[i], dir.dev);

		if (p.e->kind == VFS_SOCK && !set->sock)
			continue;
		if (!p.e->branches) {
			if (strcmp(p.e->name, name) == 0) {
				*out = p;
				return true;
			}
			continue;
		}
		for (p.dev = 0; p.dev < (int)set->n; p.dev++) {
			if (strcmp(vfs_name(set, p, buf), name) == 0) {
				*out = vfs_place_at(set, p.e, p.dev);
				return true;
			}
		}
	}
	return false;
}

/* The device with the lowest minor that is at least `from`; -1: none. */
static int device_by_minor(const struct vfs_devset *set, uint64_t from)
{
	int best = -1;

	for (size_t i = 0; i < set->n; i++)
		if (set->dev[i].minor >= from && (best < 0 || set->dev[i].minor < set->dev[best].minor))
			best = (int)i;
	return best;
}

/* A cookie is 256 * child's place + 1 + minor for names that come from devices. */
bool vfs_next(const struct vfs_devset *set, struct vfs_place dir, uint64_t *cookie, struct vfs_place *out)
{
	uint64_t place = 0, want = *cookie >> 8, from = *cookie & 255;

	for (int i = dir.e->first_child; i >= 0; i = entries[i].next_sibling, place++) {
		if (place < want || entries[i].kind == VFS_SOCK)
			continue;
		if (place > want)
			from = 0;
		out->e = &entries[i];
		if (!out->e->branches) {
			if (from)
				continue;
			*out = vfs_place_at(set, out->e, dir.dev);
			*cookie = (place << 8) + 1;
			return true;
		}
		out->dev = device_by_minor(set, from);
		if (out->dev >= 0) {
			*out = vfs_place_at(set, out->e, out->dev);
			*cookie = (place << 8) + 1 + set->dev[out->dev].minor;
			return true;
		}
	}
	return false;
}

unsigned vfs_subdirs(const struct vfs_devset *set, struct vfs_place dir)
{
	unsigned n = 0;

	for (int i = dir.e->first_child; i >= 0; i = entries[i].next_sibling)
		if (entries[i].kind == VFS_DIR)
			n += entries[i].branches ? (unsigned)set->n : 1;
	return n;
}

/* ---- content ---- */

static struct vfs_show show_of(const struct vfs_source *src, struct vfs_place p)
{
	return (struct vfs_show){
		.src = src, .entry = p.e,
		.dev = p.dev >= 0 ? &src->devs.dev[p.dev] : NULL,
		.key = p.dev >= 0 ? src->devs.key[p.dev] : 0,
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
