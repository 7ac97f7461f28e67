/* 604-visible.c: CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER. */
#include <stdio.h>
#include <string.h>

#include "libcuda-vgpu/vcu_visible.h"
#include "t/lib/tap.h"
#include "util/mig.h"

static struct vgpu_device devs[5];

#define U0 "GPU-aaaa0000-0000-0000-0000-000000000000"
#define U1 "GPU-aaaa1111-0000-0000-0000-000000000000"
#define U2 "GPU-bbbb2222-0000-0000-0000-000000000000"

static void check(const char *visible, const char *order, const char *want)
{
	unsigned out[VGPU_MAX_DEVICES];
	char got[128] = "";
	size_t n = vcu_visible_select(visible, order, devs, 3, out);

	for (size_t i = 0; i < n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%u", i ? "," : "", out[i]);
	is_string(got, want, "%s%s%s", visible ? visible : "(not set)", order ? " " : "", order ? order : "");
}

static void numbers(void)
{
	check(NULL, NULL, "0,1,2");
	check("", NULL, "");
	check("0", NULL, "0");
	check("2,0", NULL, "2,0");
	check("0,1,2", NULL, "0,1,2");
	check("1,-1,0", NULL, "1");
	check("-1", NULL, "");
	check("-1,0", NULL, "");
	check("1,3,0", NULL, "1");
	check("3", NULL, "");
	check("99999999999999999999999", NULL, "");
	check("4294967296", NULL, "");
	check("0,0", NULL, "");
	check("0,1,0", NULL, "");
	check("0,7,0", NULL, "");
	check("1gpu2,2x", NULL, "1,2");
	check("x1", NULL, "");
	check("0,x,1", NULL, "0");
	check("0,,1", NULL, "0");
	check(",0", NULL, "");
	check("0,", NULL, "0");
	check(" 1, 2", NULL, "1,2");
	check("+1", NULL, "1");
	check("none", NULL, "");
	check("NoDevFiles", NULL, "");
	check("all", NULL, "");
}

static void migs(void)
{
	static struct vgpu_device d[4];

	strcpy(d[0].uuid, U0);
	d[0].minor = 3;
	strcpy(d[1].uuid, "MIG-aaaa1111-0000-0000-0000-000000000000");
	strcpy(d[2].uuid, "MIG-aaaa2222-0000-0000-0000-000000000000");
	d[2].index = VGPU_MIG_INDEX + 3 * 128 + 2 * VGPU_MIG_MAX_CI + 1;
	is_int(vcu_visible_mig("MIG-aaaa2222-0000-0000-0000-000000000000", d, 1, 2), 1, "a MIG device by its UUID");
	is_int(vcu_visible_mig("MIG-aaaa1,MIG-aaaa2", d, 1, 2), 0, "by a beginning of it; the first of a list");
	is_int(vcu_visible_mig("MIG-aaaa", d, 1, 2), -1, "a beginning of two is none");
	is_int(vcu_visible_mig("MIG-b", d, 1, 2), -1, "nor is one of nothing");
	is_int(vcu_visible_mig("MIG-", d, 1, 2), -1, "nor an empty one");
	is_int(vcu_visible_mig("MIG-" U0 "/2/1", d, 1, 2), 1, "the old form");
	is_int(vcu_visible_mig("MIG-" U0 "/2/0", d, 1, 2), -1, "of an instance that there isn't");
	is_int(vcu_visible_mig("MIG-" U0 "/2", d, 1, 2), -1, "cut");
	is_int(vcu_visible_mig("MIG-" U0 "/2/1x", d, 1, 2), -1, "with more behind it");
}

static void uuids(void)
{
	check(U1, NULL, "1");
	check(U2 "," U0, NULL, "2,0");
	check("GPU-b", NULL, "2");
	check("GPU-aaaa1", NULL, "1");
	check("GPU-aaaa", NULL, "");
	check("GPU-", NULL, "");
	check("GPU-b,GPU-aaaa", NULL, "2");
	check("GPU-b,GPU-cccc,GPU-aaaa0", NULL, "2");
	check("GPU-b,GPU-bb", NULL, "");
	check("GPU-b,GPU-b", NULL, "");
	check("GPU-b,GPU-c,GPU-b", NULL, "");
	check("GPU-b,0", NULL, "2");
	check("0,GPU-b", NULL, "0");
	check("gpu-b", NULL, "");
	check("GPU-b,", NULL, "2");
	check(U1 "0", NULL, "");
	check("MIG-GPU-aaaa0000-0000-0000-0000-000000000000/1/0", NULL, "");
	check("MIG-aaaa0000-0000-0000-0000-000000000000", NULL, "");
	check("GPU-b,MIG-x", NULL, "2");
}

static void orders(void)
{
	check(NULL, "PCI_BUS_ID", "0,1,2");
	check(NULL, "FASTEST_FIRST", "0,1,2");
	devs[1].sm_count *= 4;
	check(NULL, NULL, "1,0,2");
	check(NULL, "FASTEST_FIRST", "1,0,2");
	check(NULL, "nonsense", "1,0,2");
	check(NULL, "PCI_BUS_ID", "0,1,2");
	check("0", NULL, "1");
	check("0", "PCI_BUS_ID", "0");
	check("GPU-b," U0, NULL, "2,0");
	devs[1].sm_count /= 4;
	devs[0].index = 2;
	devs[2].index = 0;
	check(NULL, "PCI_BUS_ID", "2,1,0");
	check(NULL, NULL, "2,1,0");
	devs[0].index = 0;
	devs[2].index = 2;
}

int main(void)
{
	static const char *const ids[] = { U0, U1, U2 };

	plan_lazy();
	for (unsigned i = 0; i < 3; i++) {
		vgpu_device_init(&devs[i]);
		snprintf(devs[i].uuid, sizeof(devs[i].uuid), "%s", ids[i]);
		devs[i].index = i;
	}
	numbers();
	migs();
	uuids();
	orders();
	return 0;
}
