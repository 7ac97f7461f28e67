/*
 * vgpuctl: creates, shows and changes virtual devices. This file has the
 * global options and the dispatch; verbs are in ctl_*.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "tools/ctl.h"
#include "util/nearest.h"

struct verb {
	const char *name, *args, *about;
	bool reads;
	ctl_verb_f *run;
};

static const struct verb verbs[] = {
#define V(name, reads, args, about) { #name, args, about, reads, ctl_##name },
#include "tools/ctl_verbs.def"
#undef V
};

static void print_help(FILE *f)
{
	fprintf(f, "usage: vgpuctl [--state DIR] [--mount DIR] [--json] VERB …\n\nVerbs:\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(f, "  %-9s %s\n            %s%s%s\n", verbs[i].name, verbs[i].about, verbs[i].name,
			*verbs[i].args ? " " : "", verbs[i].args);
	fprintf(f, "\nA DEVICE is named by index, UUID or its beginning, PCI address, or nvidiaN.\n"
		   "Options:\n"
		   "  --state DIR  where the registry is (default %s)\n"
		   "  --mount DIR  where the file system is mounted (default %s)\n"
		   "  --json       print JSON (verbs that read)\n"
		   "  --help, --version\n"
		   "See vgpuctl(1).\n", REG_DEFAULT_DIR, CTL_DEFAULT_MOUNT);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int unknown_verb(const char *name)
{
	const char *names[ARRAY_SIZE(verbs)];
	char near[64];

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i].name;
	vgpu_nearest(name, names, ARRAY_SIZE(verbs), near, sizeof(near));
	if (*near)
		fprintf(stderr, "vgpuctl: there is no verb '%s'; did you mean %s?\n", name, near);
	else
		fprintf(stderr, "vgpuctl: there is no verb '%s'; 'vgpuctl --help' lists them\n", name);
	return CTL_USAGE;
}

/* "/run/vgpufs/" is "/run/vgpufs". */
static const char *without_slashes(char *dir)
{
	for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
		dir[n - 1] = 0;
	return dir;
}

/* Takes the global options out of argv, wherever they stand before "--". */
static int take_globals(struct ctl *c, int *argc, char **argv)
{
	int n = 1, i = 1;

	for (; i < *argc && strcmp(argv[i], "--"); i++) {
		const char *value = NULL;
		bool state = ctl_option("state", *argc, argv, &i, &value);

		if (state || ctl_option("mount", *argc, argv, &i, &value)) {
			if (!value || !*value) {
				fprintf(stderr, "vgpuctl: %s needs a directory\n", state ? "--state" : "--mount");
				return CTL_USAGE;
			}
			*(state ? &c->state : &c->mount) = without_slashes((char *)value);
		} else if (strcmp(argv[i], "--json") == 0) {
			c->json = true;
		} else {
			argv[n++] = argv[i];
		}
	}
	while (i < *argc)
		argv[n++] = argv[i++];
	argv[n] = NULL;
	*argc = n;
	return CTL_OK;
}

int main(int argc, char **argv)
{
	struct ctl c = { .state = REG_DEFAULT_DIR, .mount = CTL_DEFAULT_MOUNT };
	const struct verb *v;
	int r = take_globals(&c, &argc, argv);

	if (r)
		return r;
	if (argc < 2) {
		print_help(stderr);
		return CTL_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return fflush(stdout) ? CTL_FAILED : CTL_OK;
	}
	v = find_verb(strcmp(argv[1], "--version") ? argv[1] : "version");
	if (!v)
		return unknown_verb(argv[1]);
	c.verb = v->name;
	c.usage = v->args;
	if (c.json && !v->reads)
		return ctl_usage(&c, "--json is for verbs that print something");
	if (argc > 2 && strcmp(argv[2], "--help") == 0) {
		printf("usage: vgpuctl %s %s\n  %s\n", v->name, v->args, v->about);
		return fflush(stdout) ? CTL_FAILED : CTL_OK;
	}
	return v->run(&c, argc - 1, argv + 1);
}
