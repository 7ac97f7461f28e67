/* Profiles: the shipped ones are sound; what is wrong in one is said with file and line. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/profile.h"
#include "state/reg.h"
#include "t/lib/tap.h"

static struct vgpu_err err;
static struct profile p;

static void shipped(void)
{
	static const char *const models[] = { "cpu", "T4", "V100", "A10", "A100", "A100-80GB", "H100", "H200", "L4", "L40S", "RTX4090" };
	char **names;
	size_t n;

	is_int(profile_names(&names, &n, &err), 0, "profiles can be listed");
	is_int((long long)n, (long long)ARRAY_SIZE(models), "… and are those that we know of");
	profile_names_free(names, n);
	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		struct vgpu_device d;
		int r = profile_load(models[i], &p, &err);

		vgpu_device_init(&d);
		ok(!r && profile_apply(&p, &d, &err) == 0, "profile %s%s%s", models[i], r ? ": " : "", r ? err.text : "");
		ok(p.about[0] && strncmp(d.name, "", 1), "… says what it is");
		is_int((long long)d.library_compute_cap, 130, "… and has NVIDIA's libraries take their PTX");
	}
}

static void spellings(void)
{
	static const char *const good[][2] = {
		{ "t4", "T4" }, { "rtx 4090", "RTX4090" }, { "RTX-4090", "RTX4090" }, { "A100-SXM4-40GB", "A100" },
		{ "NVIDIA A100-SXM4-40GB", "A100" }, { "A100-80GB PCIe", "A100-80GB" }, { "A100 80GB PCIe", "A100-80GB" },
		{ "H100 80GB HBM3", "H100" }, { "nvidia h200", "H200" }, { "Tesla T4", "T4" }, { "l40s", "L40S" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		is_int(profile_load(good[i][0], &p, &err), 0, "'%s' is found", good[i][0]);
		is_string(p.name, good[i][1], "… and is %s", good[i][1]);
	}
	is_int(profile_load("h10", &p, &err), -VGPU_E_NOT_FOUND, "'h10' is none: %s", err.text);
	has_string(err.text, "H100", "… and the near one is named");
	is_int(profile_load("../profiles/T4", &p, &err), -VGPU_E_INVALID, "no paths: %s", err.text);
	is_int(profile_load("", &p, &err), -VGPU_E_INVALID, "no empty name");
}

static void wrong(const char *text, int status, const char *words)
{
	is_int(profile_parse("x.profile", text, &p, &err), -status, "'%.*s' …", (int)MIN(strcspn(text, "\n"), (size_t)40), text);
	has_string(err.text, words, "… %s", err.text);
}

static void texts(void)
{
	char long_line[700] = "name = ";
	struct vgpu_device d;

	wrong("sm_cont = 3\n", VGPU_E_INVALID, "x.profile:1: there is no property 'sm_cont'; did you mean sm_count");
	wrong("# a\n\nuuid = GPU-1\n", VGPU_E_INVALID, "x.profile:3: 'uuid' belongs to one device");
	wrong("sm_count 3\n", VGPU_E_INVALID, "x.profile:1");
	wrong("sm_count = three\n", VGPU_E_INVALID, "x.profile:1: sm_count: 'three' is not a number");
	wrong("sm_count = 3\nsm_count = 4\n", VGPU_E_INVALID, "x.profile:2: 'sm_count' is there twice");
	wrong("sm_count = 0\n", VGPU_E_INVALID, "sm_count: 0 is not in 1 to 1024");
	wrong("sm_count = -1\n", VGPU_E_INVALID, "not a number");
	wrong("sm_count = 99999999999999999999999\n", VGPU_E_INVALID, "not a number");
	wrong("backend = gpu\n", VGPU_E_INVALID, "not one of: cpu simd interp");
	wrong("name =\n", VGPU_E_INVALID, "name");
	wrong("memory_total = 0%\n", VGPU_E_INVALID, "1%");
	wrong("memory_total = 101%\n", VGPU_E_INVALID, "100%");
	wrong("shared_per_sm = 48K\n", VGPU_E_INVALID, "is above");
	memset(long_line + 7, 'n', sizeof(long_line) - 8);
	wrong(long_line, VGPU_E_TOO_BIG, "x.profile:1");

	is_int(profile_parse("x", "# About it.\r\n  name =  A # B#c  # a comment\n\n\tcompute_cap=8.9# \nmemory_total = 3GiB", &p, &err), -VGPU_E_INVALID,
	       "a comment needs a blank before it: %s", err.text);
	is_int(profile_parse("x", "# About it.\r\n  name =  A B#c  # a comment\n\n\tcompute_cap=8.9 # \nmemory_total = 3GiB", &p, &err), 0, "blanks, comments, no last newline: %s", err.text);
	vgpu_device_init(&d);
	profile_apply(&p, &d, &err);
	is_string(d.name, "A B#c", "a # inside a name stays");
	is_string(p.about, "About it.", "the first comment is what it is about");
	is_int((long long)d.compute_cap, 89, "8.9");
	is_int((long long)d.memory_total, 3ll << 30, "3GiB");
	is_int(profile_parse("x", "", &p, &err), 0, "an empty one is the defaults");
}

static void put(const char *dir, const char *file, const char *text)
{
	char path[600];
	int fd;

	mkdir(dir, 0755);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		bail("write %s", path);
	close(fd);
}

/* Own profiles come first; a device outlives its profile's file. */
static void search(void)
{
	char a[300], b[300], both[700], path[400], state[300];
	struct reg_create c = REG_CREATE_INIT;
	struct vgpu_device d, devs[VGPU_MAX_DEVICES];
	struct registry *reg;
	uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	size_t n;

	snprintf(a, sizeof(a), "%s/a", test_tmpdir());
	snprintf(b, sizeof(b), "%s/b", test_tmpdir());
	snprintf(both, sizeof(both), "%s:%s", a, b);
	setenv("VGPU_PROFILE_PATH", both, 1);
	put(a, "mine.profile", "sm_count = 1\nname = First\n");
	put(b, "Mine.profile", "sm_count = 2\n");
	put(b, "share.profile", "memory_total = 25%\n");
	put(b, "broken.profile", "what\n");
	put(b, "readme.txt", "what\n");
	is_int(profile_load("MINE", &p, &err), 0, "an own profile, whatever the case");
	is_string(p.name, "mine", "… from the first directory");
	is_int(profile_load("cpu", &p, &err), -VGPU_E_NOT_FOUND, "the path replaces the usual places");
	is_int(profile_load("broken", &p, &err), -VGPU_E_INVALID, "a broken one: %s", err.text);
	has_string(err.text, "broken.profile:1", "… with file and line");

	snprintf(state, sizeof(state), "%s/state", test_tmpdir());
	if (reg_open(&reg, state, REG_F_CREATE, &err))
		bail("%s", err.text);
	c.profile = "mine";
	is_int(reg_device_create(reg, &c, &d, &err), 0, "a device of it");
	c.profile = "share";
	is_int(reg_device_create(reg, &c, &d, &err), 0, "a device with a share of the host's memory");
	ok(d.memory_total <= ram / 4 && d.memory_total > ram / 4 - (4 << 20), "… has it: %llu", (unsigned long long)d.memory_total);
	snprintf(path, sizeof(path), "%s/mine.profile", a);
	put(a, "mine.profile", "sm_count = 5\nname = First\n");
	reg_devices(reg, devs, &n, &err);
	is_int((long long)devs[0].sm_count, 5, "an edited profile shows");
	put(a, "mine.profile", "sm_count = zero\n");
	is_int(reg_devices(reg, devs, &n, &err), 0, "a profile broken later");
	is_int((long long)devs[0].sm_count, 1, "… leaves the device with what it was made from");
	unlink(path);
	snprintf(path, sizeof(path), "%s/Mine.profile", b);
	unlink(path);
	is_int(reg_devices(reg, devs, &n, &err), 0, "a profile that is gone");
	is_int((long long)devs[0].sm_count, 1, "… too");
	is_string(devs[0].name, "First", "… in all its values");
	reg_close(reg);
}

int main(void)
{
	plan_lazy();
	shipped();
	spellings();
	texts();
	search();
	return 0;
}
