/* 603-handshake.c: MD2 against the vectors of RFC 1319; the digest against a vector of its own. */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "libcuda-vgpu/md2.h"
#include "t/lib/tap.h"
#ifdef VGPU_CUDART_HANDSHAKE
#include "libcuda-vgpu/handshake.h"
#endif

static const char *hex(const uint8_t *p, size_t n)
{
	static char text[65];

	for (size_t i = 0; i < n && i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", p[i]);
	return text;
}

static void md2_vectors(void)
{
	static const struct {
		const char *text, *digest;
	} v[] = {
		{ "", "8350e5a3e24c153df2275c9f80692773" },
		{ "a", "32ec01ec4a6dac72c0ab96fb34c0b5d1" },
		{ "abc", "da853b0d3f88d99b30283a69e6ded6bb" },
		{ "message digest", "ab4f496bfb2a530b219ff33031fe06b0" },
		{ "abcdefghijklmnopqrstuvwxyz", "4e8ddff3650292ab5a4108c3aa47940b" },
		{ "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
		  "da33def2a42df13975352846c30338cd" },
		{ "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		  "d5976f79d83d3a0dc9806c3c66f3efd8" },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		uint8_t out[MD2_SIZE];
		struct md2 m;

		md2_init(&m);
		md2_add(&m, v[i].text, strlen(v[i].text));
		md2_final(&m, out);
		is_string(hex(out, sizeof(out)), v[i].digest, "MD2 of \"%s\"", v[i].text);
	}
}

#ifdef VGPU_CUDART_HANDSHAKE
static void digest_vector(void)
{
	static const uint32_t uuid[4] = { 0x8a2bfe9a, 0x382d25ac, 0xc5ae37ea, 0x5f32716d };
	struct handshake_in in = {
		.driver_version = 12080, .version = 12082, .pid = 0x002fa423, .thread = 0xf79c1000,
		.cudart_table = 0x7ffff6958240, .integrity_table = 0x7ffff6958220,
		.function = 0x7ffff2aaf4a0, .seconds = 0x682b9cee,
	};
	struct handshake_device dev = { .domain = 0, .bus = 2, .dev = 0 };
	uint8_t out[16];

	memcpy(dev.uuid, uuid, sizeof(uuid));
	handshake_digest(&in, &dev, 1, out);
	is_string(hex(out, 16), "4448a171b026cef76c8c3e39051b02dd", "digest of one call and one device");
	in.seconds++;
	handshake_digest(&in, &dev, 1, out);
	ok(strcmp(hex(out, 16), "4448a171b026cef76c8c3e39051b02dd") != 0, "… depends on the call");
}

static void fixed_answers(void)
{
	uint64_t r[2] = { 0, 0 };

	is_int(handshake_answer(13000, 1, r), 0, "the first question is answered");
	is_hex(r[0], 0x3341181c03cb675cull, "… with its constant");
	is_hex(r[1], 0x8ed383aa1f4cd1e8ull, "… of two words");
	handshake_answer(13001, 1, r);
	is_hex(r[0], 0x1841181c03cb675cull, "the second one has another");
	is_int(handshake_answer(13002, 1, NULL), 1, "no place for the answer");
}
#endif

int main(void)
{
	plan_lazy();
	md2_vectors();
#ifdef VGPU_CUDART_HANDSHAKE
	digest_vector();
	fixed_answers();
#else
	skip("built without the handshake");
#endif
	return 0;
}
