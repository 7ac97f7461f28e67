/* htab.c: open addressing with linear probing; see htab.h. */
#include "util/htab.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_int(uint64_t k)
{
	k ^= k >> 33;
	k *= 0xff51afd7ed558ccdull;
	k ^= k >> 33;
	k *= 0xc4ceb9fe1a85ec53ull;
	return k ^ (k >> 33);
}

static uint64_t hash_str(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
	return hash_int(h);
}

void vgpu_htab_init_str(struct vgpu_htab *t)
{
	*t = (struct vgpu_htab){ .strings = true };
}

void vgpu_htab_init_int(struct vgpu_htab *t)
{
	*t = (struct vgpu_htab){ .strings = false };
}

void vgpu_htab_fini(struct vgpu_htab *t)
{
	if (t->strings)
		for (size_t i = 0; i < t->cap; i++)
			if (t->slots[i].value)
				free((char *)(uintptr_t)t->slots[i].key);
	free(t->slots);
	t->slots = NULL;
	t->cap = t->n = t->filled = 0;
}

static bool same(const struct vgpu_htab *t, const struct vgpu_htab_slot *s, uint64_t hash, uint64_t key)
{
	if (s->hash != hash)
		return false;
	if (!t->strings)
		return s->key == key;
	return strcmp((const char *)(uintptr_t)s->key, (const char *)(uintptr_t)key) == 0;
}

static struct vgpu_htab_slot *find(const struct vgpu_htab *t, uint64_t hash, uint64_t key)
{
	if (!t->cap)
		return NULL;
	for (size_t i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
		struct vgpu_htab_slot *s = &t->slots[i];

		if (!s->used)
			return NULL;
		if (s->value && same(t, s, hash, key))
			return s;
	}
}

static bool grow(struct vgpu_htab *t)
{
	size_t cap = 16;
	struct vgpu_htab_slot *old = t->slots, *slots;

	while (cap < (t->n + 1) * 2)
		cap *= 2;
	slots = calloc(cap, sizeof(*slots));
	if (!slots)
		return false;
	for (size_t i = 0; i < t->cap; i++) {
		if (!old[i].value)
			continue;
		size_t j = old[i].hash & (cap - 1);

		while (slots[j].used)
			j = (j + 1) & (cap - 1);
		slots[j] = old[i];
	}
	free(old);
	t->slots = slots;
	t->cap = cap;
	t->filled = t->n;
	return true;
}

static bool put(struct vgpu_htab *t, uint64_t hash, uint64_t key, void *value)
{
	struct vgpu_htab_slot *s = find(t, hash, key);

	if (s) {
		s->value = value;
		return true;
	}
	if ((t->filled + 1) * 4 >= t->cap * 3 && !grow(t))
		return false;
	if (t->strings) {
		char *copy = strdup((const char *)(uintptr_t)key);

		if (!copy)
			return false;
		key = (uint64_t)(uintptr_t)copy;
	}
	for (size_t i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
		s = &t->slots[i];
		if (s->value)
			continue;
		if (!s->used)
			t->filled++;
		*s = (struct vgpu_htab_slot){ hash, key, value, true };
		t->n++;
		return true;
	}
}

static void *del(struct vgpu_htab *t, uint64_t hash, uint64_t key)
{
	struct vgpu_htab_slot *s = find(t, hash, key);
	void *value;

	if (!s)
		return NULL;
	value = s->value;
	if (t->strings)
		free((char *)(uintptr_t)s->key);
	s->value = NULL;
	t->n--;
	return value;
}

bool vgpu_htab_put_str(struct vgpu_htab *t, const char *key, void *value)
{
	return put(t, hash_str(key), (uint64_t)(uintptr_t)key, value);
}

void *vgpu_htab_get_str(const struct vgpu_htab *t, const char *key)
{
	struct vgpu_htab_slot *s = find(t, hash_str(key), (uint64_t)(uintptr_t)key);

	return s ? s->value : NULL;
}

void *vgpu_htab_del_str(struct vgpu_htab *t, const char *key)
{
	return del(t, hash_str(key), (uint64_t)(uintptr_t)key);
}

bool vgpu_htab_put(struct vgpu_htab *t, uint64_t key, void *value)
{
	return put(t, hash_int(key), key, value);
}

void *vgpu_htab_get(const struct vgpu_htab *t, uint64_t key)
{
	struct vgpu_htab_slot *s = find(t, hash_int(key), key);

	return s ? s->value : NULL;
}

void *vgpu_htab_del(struct vgpu_htab *t, uint64_t key)
{
	return del(t, hash_int(key), key);
}

struct vgpu_htab_slot *vgpu_htab_next(const struct vgpu_htab *t, size_t *i)
{
	while (*i < t->cap) {
		struct vgpu_htab_slot *s = &t->slots[(*i)++];

		if (s->value)
			return s;
	}
	return NULL;
}
