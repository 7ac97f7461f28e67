/* profile.c: see profile.h. */
#include "state/profile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/nearest.h"
#include "util/sys.h"
#include "util/vec.h"

#define PROFILE_MAX_BYTES 65536
#define SUFFIX ".profile"
#define MAX_DIRS 8

/* ---- one text ---- */

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		*--end = 0;
	return s;
}

static int unknown_key(const char *path, unsigned line, const char *key, struct vgpu_err *err)
{
	const char *names[256];
	size_t n, count = 0;
	const struct vgpu_prop *props = vgpu_props(&n);
	char near[128];

	for (size_t i = 0; i < n && count < ARRAY_SIZE(names); i++)
		if (!props[i].identity)
			names[count++] = props[i].key;
	vgpu_nearest(key, names, count, near, sizeof(near));
	return vgpu_err_set(err, VGPU_E_INVALID, "%s:%u: there is no property '%.64s'%s%s%s", path, line, key,
			    *near ? "; did you mean " : "", near, *near ? "?" : "");
}

static int parse_line(const char *path, unsigned line, char *text, struct profile *p, struct vgpu_err *err)
{
	char *eq = strchr(text, '=');
	const struct vgpu_prop *prop;
	struct vgpu_device scratch;
	char *key, *value;
	int r;

	if (!eq)
		return vgpu_err_set(err, VGPU_E_INVALID, "%s:%u: '%.64s' is not of the form key = value", path, line, text);
	*eq = 0;
	key = trim(text);
	value = trim(eq + 1);
	prop = vgpu_prop_find(key);
	if (!prop)
		return unknown_key(path, line, key, err);
	if (prop->identity)
		return vgpu_err_set(err, VGPU_E_INVALID,
				    "%s:%u: '%s' belongs to one device, it can't stand in a profile", path, line, key);
	for (size_t i = 0; i < p->n; i++)
		if (p->kv[i].prop == prop)
			return vgpu_err_set(err, VGPU_E_INVALID, "%s:%u: '%s' is there twice", path, line, key);
	vgpu_device_init(&scratch);
	r = profile_set_value(&scratch, prop, value, err);
	if (r)
		return vgpu_err_wrap(err, "%s:%u", path, line);
	if (p->n == PROFILE_MAX_KEYS || strlen(value) >= sizeof(p->kv[0].value))
		return vgpu_err_set(err, VGPU_E_TOO_BIG, "%s:%u: too long", path, line);
	p->kv[p->n].prop = prop;
	snprintf(p->kv[p->n].value, sizeof(p->kv[0].value), "%s", value);
	p->n++;
	return 0;
}

int profile_parse(const char *path, const char *text, struct profile *p, struct vgpu_err *err)
{
	struct vgpu_device d;
	unsigned line = 0;
	int r;

	p->n = 0;
	p->about[0] = 0;
	while (*text) {
		size_t len = strcspn(text, "\n");
		char buf[512], *s;

		line++;
		if (len >= sizeof(buf))
			return vgpu_err_set(err, VGPU_E_TOO_BIG, "%s:%u: the line is longer than %zu bytes", path, line, sizeof(buf) - 1);
		memcpy(buf, text, len);
		buf[len] = 0;
		text += len + (text[len] == '\n');
		s = trim(buf);
		if (*s == '#') {
			if (!p->about[0])
				snprintf(p->about, sizeof(p->about), "%s", trim(s + 1));
			continue;
		}
		/* A comment behind a value begins at " #": a bare # may be part of a name. */
		for (char *c = s; *c; c++)
			if (*c == '#' && c > s && isspace((unsigned char)c[-1]))
				*c-- = 0;
		s = trim(s);
		if (!*s)
			continue;
		r = parse_line(path, line, s, p, err);
		if (r)
			return r;
	}
	vgpu_device_init(&d);
	r = profile_apply(p, &d, err);
	return r ? vgpu_err_wrap(err, "%s", path) : 0;
}

int profile_apply(const struct profile *p, struct vgpu_device *d, struct vgpu_err *err)
{
	for (size_t i = 0; i < p->n; i++) {
		int r = profile_set_value(d, p->kv[i].prop, p->kv[i].value, err);

		if (r)
			return r;
	}
	return profile_check(d, err);
}

/* ---- values ---- */

static bool host_percent(const char *value, unsigned *percent)
{
	char rest;
	int n = 0;

	if (strcmp(value, "host") == 0) {
		*percent = 50;
		return true;
	}
	return isdigit((unsigned char)*value) && sscanf(value, "%3u%%%n%c", percent, &n, &rest) == 1 && n && !value[n];
}

bool profile_is_host_share(const struct vgpu_prop *p, const char *value)
{
	unsigned percent;

	return strcmp(p->key, "memory_total") == 0 && host_percent(value, &percent);
}

int profile_set_value(struct vgpu_device *d, const struct vgpu_prop *p, const char *value, struct vgpu_err *err)
{
	unsigned percent = 0;
	uint64_t ram;

	if (!profile_is_host_share(p, value))
		return vgpu_prop_set(d, p, value, err);
	host_percent(value, &percent);
	if (percent < 1 || percent > 100)
		return vgpu_err_set(err, VGPU_E_INVALID, "%s: '%s' is not between 1%% and 100%%", p->key, value);
	ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	d->memory_total = ram / 100 * percent & ~(uint64_t)((2u << 20) - 1);
	return 0;
}

static int check_word(const char *key, const char *value, const char *words, struct vgpu_err *err)
{
	size_t n = strlen(value);

	if (!n)
		return vgpu_err_set(err, VGPU_E_INVALID, "%s: an empty text is not allowed", key);
	if (!*words)
		return 0;
	for (const char *w = words; *w;) {
		size_t len = strcspn(w, " ");

		if (len == n && memcmp(w, value, n) == 0)
			return 0;
		w += len + (w[len] == ' ');
	}
	return vgpu_err_set(err, VGPU_E_INVALID, "%s: '%s' is not one of: %s", key, value, words);
}

static int check_range(const char *key, uint64_t v, uint64_t low, uint64_t high, struct vgpu_err *err)
{
	if (v >= low && v <= high)
		return 0;
	return vgpu_err_set(err, VGPU_E_INVALID, "%s: %llu is not in %llu to %llu", key,
			    (unsigned long long)v, (unsigned long long)low, (unsigned long long)high);
}

static int check_pair(const char *low_key, uint64_t low, const char *high_key, uint64_t high, struct vgpu_err *err)
{
	if (low <= high)
		return 0;
	return vgpu_err_set(err, VGPU_E_INVALID, "%s (%llu) is above %s (%llu)", low_key,
			    (unsigned long long)low, high_key, (unsigned long long)high);
}

int profile_check(const struct vgpu_device *d, struct vgpu_err *err)
{
	int r;

#define L_U64(key, low, high) if ((r = check_range(#key, d->key, low, high, err))) return r;
#define L_STR(key, words) if ((r = check_word(#key, d->key, words, err))) return r;
#include "state/limits.def"
#undef L_U64
#undef L_STR
#define PAIR(a, b) if ((r = check_pair(#a, d->a, #b, d->b, err))) return r;
	PAIR(shared_per_block, shared_per_block_optin)
	PAIR(shared_per_block_optin, shared_per_sm)
	PAIR(threads_per_block, threads_per_sm)
	PAIR(regs_per_block, regs_per_sm)
	PAIR(power_limit_min_mw, power_limit_mw)
	PAIR(power_idle_mw, power_limit_mw)
	PAIR(temp_idle_c, temp_load_c)
	PAIR(temp_slowdown_c, temp_shutdown_c)
#undef PAIR
	if (d->compute_mode == 1)
		return vgpu_err_set(err, VGPU_E_INVALID, "compute_mode: 1 does not exist any more; 0, 2 or 3 do");
	return 0;
}

/* ---- where files are ---- */

struct dirs {
	char path[MAX_DIRS][512];
	size_t n;
};

static void add_dir(struct dirs *d, const char *path, size_t len)
{
	if (!len || len >= sizeof(d->path[0]) || d->n == MAX_DIRS)
		return;
	memcpy(d->path[d->n], path, len);
	d->path[d->n++][len] = 0;
}

/* state/profiles beside the folder that the program lies in: the build tree. */
static void add_build_tree(struct dirs *d)
{
	char exe[400], *slash;
	char path[512];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n <= 0)
		return;
	exe[n] = 0;
	for (int up = 0; up < 2; up++) {
		slash = strrchr(exe, '/');
		if (!slash || slash == exe)
			return; /* never the root directory's own state/ */
		*slash = 0;
	}
	snprintf(path, sizeof(path), "%s/state/profiles", exe);
	if (access(path, F_OK) == 0)
		add_dir(d, path, strlen(path));
}

static void find_dirs(struct dirs *d)
{
	static const char etc[] = "/etc/vgpufs/profiles", data[] = VGPU_PKGDATADIR "/profiles";
	const char *env = vgpu_getenv("VGPU_PROFILE_PATH");

	d->n = 0;
	if (env && *env) {
		while (*env) {
			size_t len = strcspn(env, ":");

			add_dir(d, env, len);
			env += len + (env[len] == ':');
		}
		return;
	}
	add_dir(d, etc, strlen(etc));
	add_build_tree(d);
	add_dir(d, data, strlen(data));
}

/* "X" of "X.profile"; false for other files. */
static bool name_of_file(const char *file, char *name, size_t size)
{
	size_t n = strlen(file), s = strlen(SUFFIX);

	if (n <= s || file[0] == '.' || strcmp(file + n - s, SUFFIX) || n - s >= size)
		return false;
	memcpy(name, file, n - s);
	name[n - s] = 0;
	return true;
}

/* Finds name in a directory whatever its case; the exact spelling wins. */
static bool find_in(const char *dir, const char *name, struct profile *p)
{
	DIR *cleanup_closedir d = opendir(dir);
	char found[sizeof(p->name)];
	bool hit = false;

	if (!d)
		return false;
	for (struct dirent *e; (e = readdir(d));) {
		if (!name_of_file(e->d_name, found, sizeof(found)) || strcasecmp(found, name))
			continue;
		if (hit && strcmp(found, name))
			continue;
		hit = true;
		snprintf(p->name, sizeof(p->name), "%s", found);
		snprintf(p->path, sizeof(p->path), "%s/%s" SUFFIX, dir, found);
	}
	return hit;
}

static int not_found(const char *name, struct vgpu_err *err)
{
	char **names = NULL, near[128] = "";
	size_t n = 0;

	if (profile_names(&names, &n, NULL) == 0)
		vgpu_nearest(name, (const char *const *)names, n, near, sizeof(near));
	vgpu_err_set(err, VGPU_E_NOT_FOUND, "there is no profile '%.48s'%s%s%s%s", name,
		     *near ? "; did you mean " : "", near, *near ? "?" : "",
		     !*near && n ? "; 'vgpuctl profiles' lists what there is" : "");
	profile_names_free(names, n);
	return -VGPU_E_NOT_FOUND;
}

/* Letters and digits alone, small: "RTX 4090", "rtx-4090" and "RTX4090" are one. */
static void squeeze(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text && n + 1 < size; text++)
		if (isalnum((unsigned char)*text))
			out[n++] = (char)tolower((unsigned char)*text);
	out[n] = 0;
}

static int load_file(struct profile *p, struct vgpu_err *err)
{
	char *cleanup_free text = NULL;
	size_t len;
	int r = vgpu_read_file(p->path, PROFILE_MAX_BYTES, &text, &len, err);

	if (r)
		return r;
	if (strlen(text) != len)
		return vgpu_err_set(err, VGPU_E_INVALID, "%s: is not a text file", p->path);
	return profile_parse(p->path, text, p, err);
}

/* Loads the file of exactly that name (but for case) from the first directory that has it. */
static int load_exact(const struct dirs *d, const char *name, struct profile *p, struct vgpu_err *err)
{
	for (size_t i = 0; i < d->n; i++)
		if (find_in(d->path[i], name, p))
			return load_file(p, err);
	return -VGPU_E_NOT_FOUND;
}

/* True when word is the model's name or its end: "H100 80GB HBM3" of "NVIDIA H100 80GB HBM3". */
static bool names_model(const struct profile *p, const char *word)
{
	char file[64], model[128];
	size_t nm, nw = strlen(word);

	squeeze(p->name, file, sizeof(file));
	if (strcmp(file, word) == 0)
		return true;
	model[0] = 0;
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->kv[i].prop->key, "name") == 0)
			squeeze(p->kv[i].value, model, sizeof(model));
	nm = strlen(model);
	return nw >= 4 && nm >= nw && strcmp(model + nm - nw, word) == 0;
}

/* By another spelling, or by the model's name; only when that fits one profile. */
static int load_similar(const struct dirs *d, const char *name, struct profile *p)
{
	char **names = NULL, word[64];
	size_t n = 0, hits = 0, hit = 0;

	squeeze(name, word, sizeof(word));
	if (!*word || profile_names(&names, &n, NULL))
		return -VGPU_E_NOT_FOUND;
	for (size_t i = 0; i < n; i++)
		if (load_exact(d, names[i], p, NULL) == 0 && names_model(p, word)) {
			hit = i;
			hits++;
		}
	if (hits == 1)
		load_exact(d, names[hit], p, NULL);
	profile_names_free(names, n);
	return hits == 1 ? 0 : -VGPU_E_NOT_FOUND;
}

int profile_load(const char *name, struct profile *p, struct vgpu_err *err)
{
	struct dirs d;
	int r;

	if (strchr(name, '/') || strlen(name) >= sizeof(p->name) || !*name)
		return vgpu_err_set(err, VGPU_E_INVALID, "'%.64s' can't be the name of a profile", name);
	find_dirs(&d);
	r = load_exact(&d, name, p, err);
	if (r == -VGPU_E_NOT_FOUND)
		r = load_similar(&d, name, p);
	return r == -VGPU_E_NOT_FOUND ? not_found(name, err) : r;
}

static int by_name(const void *a, const void *b)
{
	return strcasecmp(*(char *const *)a, *(char *const *)b);
}

int profile_names(char ***names_out, size_t *n_out, struct vgpu_err *err)
{
	VGPU_VEC(char *) names = { 0 };
	struct dirs dirs;
	size_t kept = 0;
	bool bad = false;

	find_dirs(&dirs);
	for (size_t i = 0; i < dirs.n; i++) {
		DIR *cleanup_closedir d = opendir(dirs.path[i]);

		for (struct dirent *e; d && (e = readdir(d));) {
			char name[sizeof(((struct profile *)0)->name)], *copy;

			if (!name_of_file(e->d_name, name, sizeof(name)))
				continue;
			copy = strdup(name);
			if (!copy || !vgpu_vec_push(&names, copy)) {
				free(copy);
				bad = true;
			}
		}
	}
	if (bad) {
		profile_names_free(names.v, names.n);
		return vgpu_err_set(err, VGPU_E_NOMEM, "listing profiles: out of memory");
	}
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_name);
	for (size_t i = 0; i < names.n; i++) {
		if (kept && strcasecmp(names.v[kept - 1], names.v[i]) == 0)
			free(names.v[i]);
		else
			names.v[kept++] = names.v[i];
	}
	*names_out = names.v;
	*n_out = kept;
	return 0;
}

void profile_names_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}
