/* 010-util: statuses, error object, buffers, tables, device table. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/tap.h"
#include "util/buf.h"
#include "util/device.h"
#include "util/mig.h"
#include "util/err.h"
#include "util/htab.h"

static void test_err(void)
{
	struct vgpu_err e = VGPU_ERR_INIT;

	is_int(vgpu_err_set(&e, VGPU_E_NOMEM, "for %d", 3), -VGPU_E_NOMEM, "err_set returns the negative status");
	vgpu_err_wrap(&e, "load '%s'", "x");
	is_string(e.text, "load 'x': for 3", "wrap reads outer: inner");
	errno = ENOENT;
	vgpu_err_errno(&e, "open");
	is_int(e.status, VGPU_E_NOT_FOUND, "errno maps to a status");
	is_int(vgpu_status_to_errno(VGPU_E_NO_SPACE), ENOSPC, "status maps to errno");
	is_int(vgpu_status_to_cuda(VGPU_E_ILLEGAL_ADDRESS), 700, "status maps to CUresult");
	is_int(vgpu_status_to_nvml(VGPU_E_DEVICE_LOST), 15, "… and to nvmlReturn_t");
	is_string(vgpu_status_name(9999), "E_UNKNOWN", "a status outside the list has a name");
}

static void test_htab(void)
{
	struct vgpu_htab t;
	int vals[2000], good = 1;
	char key[16];

	vgpu_htab_init_int(&t);
	for (int i = 0; i < 2000; i++)
		good &= vgpu_htab_put(&t, (uint64_t)i * 4096, &vals[i]);
	for (int i = 0; i < 2000; i += 2)
		good &= vgpu_htab_del(&t, (uint64_t)i * 4096) == &vals[i];
	for (int i = 0; i < 2000; i++)
		good &= vgpu_htab_get(&t, (uint64_t)i * 4096) == (i % 2 ? &vals[i] : NULL);
	ok(good && t.n == 1000, "integer keys: put, delete, get");
	vgpu_htab_fini(&t);

	vgpu_htab_init_str(&t);
	good = 1;
	for (int round = 0; round < 50; round++)
		for (int i = 0; i < 100; i++) {
			snprintf(key, sizeof(key), "k%d", i);
			good &= vgpu_htab_put_str(&t, key, &vals[i]);
			if (round % 2)
				good &= vgpu_htab_del_str(&t, key) == &vals[i];
		}
	ok(good && t.n == 0, "string keys: churn leaves nothing");
	vgpu_htab_fini(&t);
}

/* MIG devices behind the others; who does not know them reads the same table. */
static void test_mig_table(struct vgpu_device *in, struct vgpu_device *out)
{
	struct vgpu_device migs[2];
	struct vgpu_buf b = VGPU_BUF_INIT;
	size_t n = 0, n_mig = 0;

	strcpy(in[0].pci, "0000:01:00.0");
	strcpy(in[1].pci, "0000:02:00.0");
	strcpy(in[1].mig_profiles, "A100-40GB");
	ok(!vgpu_mig_profile_at(&in[0], 0), "a device that can't be divided has no profiles");
	vgpu_mig_device(&in[1], vgpu_mig_profile_find(&in[1], 2), 1, 0, 3, "MIG-00112233-4455-6677-8899-aabbccddeeff", &migs[0]);
	vgpu_mig_device(&in[1], vgpu_mig_profile_find(&in[1], 2), 1, 1, 1, "MIG-00112233-4455-6677-8899-aabbccddee00", &migs[1]);
	is_string(migs[1].profile, "1c.3g.20gb", "an instance is named by its share");
	ok(migs[0].memory_total == in[1].memory_total / 2 && migs[0].index != migs[1].index, "has its memory and number");
	vgpu_devtab_print_all(&b, in, 2, migs, 2);
	ok(vgpu_devtab_parse_all(b.data, out, &n, &n_mig, NULL, NULL) == 0 && n == 2 && n_mig == 2, "the table has both kinds");
	ok(!memcmp(out, in, 2 * sizeof(*in)) && !memcmp(out + 2, migs, sizeof(migs)), "and they come back");
	ok(vgpu_devtab_parse(b.data, out, &n, NULL, NULL) == 0 && n == 2 && !memcmp(out, in, 2 * sizeof(*in)), "GPUs alone, too");
	vgpu_buf_reset(&b);
	vgpu_devtab_print(&b, in, 1);
	b.len -= 4;
	vgpu_buf_str(&b, "mig 7\nmig.uuid x\nmig\nmig.\nmig.uuid y\nend\n");
	ok(vgpu_devtab_parse_all(vgpu_buf_text(&b), out, &n, &n_mig, NULL, NULL) == 0 && n == 1 && n_mig == 1, "parts of no device are left out");
	vgpu_buf_free(&b);
}


static void test_device(void)
{
	struct vgpu_device in[2], out[VGPU_MAX_DEVICES];
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vgpu_err e = VGPU_ERR_INIT;
	char driver[32], *cut;
	uint8_t uuid[16];
	char text[48];
	size_t n = 0;

	vgpu_device_init(&in[0]);
	vgpu_device_init(&in[1]);
	ok(vgpu_prop_set(&in[1], vgpu_prop_find("memory_total"), "16GiB", NULL) == 0 &&
	   in[1].memory_total == 16ull << 30, "sizes take units");
	ok(vgpu_prop_set(&in[1], vgpu_prop_find("compute_cap"), "8.9", NULL) == 0 && in[1].compute_cap == 89,
	   "a compute capability reads as major.minor");
	ok(vgpu_prop_set(&in[1], vgpu_prop_find("memory_total"), "much", &e) == -VGPU_E_INVALID, "nonsense is refused");
	has_string(e.text, "'much' is not a number", "and the message says so");
	ok(vgpu_prop_set(&in[1], vgpu_prop_find("name"), "a\nb", NULL) < 0, "a newline in a text is refused");
	strcpy(in[1].name, "Test GPU");
	vgpu_devtab_print(&b, in, 2);
	ok(vgpu_devtab_parse(b.data, out, &n, driver, &e) == 0, "the table parses") || (diag("%s", e.text), 0);
	ok(n == 2 && memcmp(in, out, sizeof(in)) == 0, "and gives the same devices");
	cut = strdup(b.data);
	cut[strlen(cut) - 5] = 0;
	ok(vgpu_devtab_parse(cut, out, &n, NULL, &e) == -VGPU_E_PROTOCOL, "a cut table is refused");
	free(cut);
	ok(vgpu_devtab_parse("vgpufs 99\nend\n", out, &n, NULL, &e) == -VGPU_E_VERSION, "another version is refused");
	vgpu_buf_free(&b);
	test_mig_table(in, out);

	ok(vgpu_uuid_parse("GPU-00112233-4455-6677-8899-aabbccddeeff", uuid, NULL) == 0 && uuid[15] == 0xff, "UUID parses");
	vgpu_uuid_format(uuid, text);
	is_string(text, "GPU-00112233-4455-6677-8899-aabbccddeeff", "and prints");
	ok(vgpu_uuid_parse("GPU-0011", uuid, NULL) < 0, "a short UUID is refused");
	unsigned d, bus, dev, fn;
	ok(vgpu_pci_parse("0000:1b:00.0", &d, &bus, &dev, &fn, NULL) == 0 && bus == 0x1b, "PCI address parses");
	ok(vgpu_pci_parse("zz:00", &d, &bus, &dev, &fn, NULL) < 0, "nonsense PCI address is refused");
}

int main(void)
{
	plan_lazy();
	test_err();
	test_htab();
	test_device();
	return 0;
}
