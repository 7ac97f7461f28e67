/* 200-codec: layouts of the protocol, checks of commands and frames, and what the dumper prints. */
#include <string.h>

#include "protocol/vgp_codec.h"
#include "protocol/vgp_ctl.h"
#include "protocol/vgp_dump.h"
#include "t/lib/tap.h"

/* The wire's numbers, written down a second time: they must never change. */
static const struct {
	const char *name;
	unsigned op, kind, args, reply;
} golden[] = {
	{ "WINDOW_MAP", 1, 0, 16, 0 }, { "PING", 2, 0, 8, 8 },
	{ "CTX_CREATE", 10, 0, 8, 4 }, { "CTX_DESTROY", 11, 0, 4, 0 }, { "CTX_SET_LIMIT", 12, 0, 16, 0 },
	{ "CTX_GET_LIMIT", 13, 0, 8, 8 }, { "CTX_STATUS", 14, 0, 4, 16 }, { "PRINTF_DRAIN", 15, 0, 4, 8 }, { "CHECK_DRAIN", 16, 0, 8, 8 },
	{ "MEM_ALLOC", 20, 0, 24, 8 }, { "MEM_FREE", 21, 0, 8, 0 }, { "MEM_INFO", 22, 0, 4, 16 },
	{ "MEM_WRITE", 23, 0, 8, 0 }, { "MEM_READ", 24, 0, 16, 0 },
	{ "MODULE_LOAD", 30, 0, 16, 4 }, { "MODULE_UNLOAD", 31, 0, 4, 0 }, { "FUNC_GET", 32, 0, 4, 4 },
	{ "FUNC_AT", 33, 0, 8, 8 }, { "GLOBAL_GET", 34, 0, 4, 24 }, { "FUNC_CHECK", 35, 0, 4, 0 },
	{ "MODULE_LOG", 36, 0, 16, 8 }, { "FUNC_INFO", 37, 0, 16, 8 }, { "GLOBAL_AT", 38, 0, 8, 32 },
	{ "QUEUE_CREATE", 40, 0, 16, 0 }, { "QUEUE_DESTROY", 41, 0, 4, 0 }, { "QUEUE_WAIT", 42, 0, 24, 16 },
	{ "EVENT_TIME", 43, 0, 4, 8 }, { "HOST_DONE", 44, 0, 16, 0 },
	{ "TEX_CREATE", 50, 0, 4, 8 }, { "TEX_DESTROY", 51, 0, 8, 0 },
	{ "NOP", 64, 1, 0, 0 }, { "LAUNCH", 65, 1, 8, 0 }, { "COPY", 66, 1, 24, 0 }, { "COPY_3D", 67, 1, 0, 0 },
	{ "FILL", 68, 1, 40, 0 }, { "WRITE", 69, 1, 8, 0 }, { "EVENT_RECORD", 70, 1, 8, 0 }, { "QUEUE_WAIT_ON", 71, 1, 16, 0 },
	{ "HOST_WAIT", 72, 1, 0, 0 }, { "FREE", 73, 1, 8, 0 }, { "VALUE_WRITE", 74, 1, 24, 0 }, { "VALUE_WAIT", 75, 1, 24, 0 },
};

static void test_table(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
		const struct vgp_msg_info *m = vgp_msg_find(golden[i].op);

		ok(m && strcmp(m->name, golden[i].name) == 0 && m->kind == golden[i].kind && m->args_size == golden[i].args &&
		   m->reply_size == golden[i].reply, "message %u is %s as ever", golden[i].op, golden[i].name);
	}
	for (unsigned op = 0; op < 70000; op++)
		n += vgp_msg_find(op) != NULL;
	is_int(n, ARRAY_SIZE(golden), "and there are no others");
}

static void test_layout(void)
{
	is_int(sizeof(struct vgp_hello), 64, "hello");
	is_int(sizeof(struct vgp_node_info), 64, "node_info");
	is_int(sizeof(struct vgp_cmd), 64, "cmd");
	is_int(offsetof(struct vgp_cmd, a), 24, "its arguments");
	is_int(sizeof(struct vgp_reply), 64, "reply");
	is_int(offsetof(struct vgp_reply, r), 16, "its values");
	is_int(sizeof(struct vgp_frame), 16, "frame");
	is_int(sizeof(struct vgp_welcome), 64, "welcome");
	is_int(sizeof(struct vgp_timeline), 64, "timeline");
	is_int(sizeof(struct vgp_context_word), 64, "context word");
	is_int(sizeof(struct vgp_ring_hdr), 384, "ring header");
	is_int(offsetof(struct vgp_ring_hdr, tail), 128, "tail has a line of its own");
	is_int(offsetof(struct vgp_ring_hdr, head), 256, "and head");
	is_int(offsetof(struct vgp_reply_slot, data), 128, "reply slot's data");
	is_int(sizeof(struct vgp_image), 32, "image");
	is_int(sizeof(struct vgp_launch), 48, "launch");
	is_int(sizeof(struct vgp_copy3d), 72, "copy3d");
	is_int(sizeof(struct vgp_func_info), 84, "func_info");
	is_int(sizeof(struct vgp_module_log), 16, "module_log");
	is_int(sizeof(struct vgp_ctl), 64, "ctl");
	is_int(sizeof(struct vgp_ctl_start), 56, "ctl_start");
	is_hex(VGP_IOC_HELLO, 0xc0405601, "HELLO's ioctl number");
	is_hex(VGP_IOC_INFO, 0x80405602, "INFO's");
	is_hex(VGP_IOC_RELOAD, 0x5603, "RELOAD's");
}

static void test_cmd(void)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct vgp_cmd c = { .op = VGP_OP_PING };

	is_int(vgp_cmd_check(&c, 0, &err), 0, "a good call");
	c.a.raw[8] = 1;
	is_int(vgp_cmd_check(&c, 0, &err), -VGPU_E_PROTOCOL, "a byte behind the arguments");
	has_string(err.text, "byte 8", "is named");
	c = (struct vgp_cmd){ .op = 3 };
	is_int(vgp_cmd_check(&c, 0, &err), -VGPU_E_NOT_SUPPORTED, "an unknown message");
	c.op = 0xffff;
	is_int(vgp_cmd_check(&c, 0, &err), -VGPU_E_NOT_SUPPORTED, "a message beyond the table");
	c = (struct vgp_cmd){ .op = VGP_OP_PING, .reply_slot = VGP_RING_REPLIES };
	is_int(vgp_cmd_check(&c, 0, &err), -VGPU_E_PROTOCOL, "a reply slot that isn't there");
	c = (struct vgp_cmd){ .op = VGP_OP_NOP, .queue = VGP_QUEUES };
	is_int(vgp_cmd_check(&c, 0, &err), -VGPU_E_PROTOCOL, "a queue that isn't there");
	c = (struct vgp_cmd){ .op = VGP_OP_NOP, .data_off = VGP_RING_DATA_SIZE, .data_len = 1 };
	is_int(vgp_cmd_check(&c, 0, &err), -VGPU_E_PROTOCOL, "data outside the data area");
	c = (struct vgp_cmd){ .op = VGP_OP_NOP, .data_off = UINT32_MAX, .data_len = 2 };
	is_int(vgp_cmd_check(&c, 0, &err), -VGPU_E_PROTOCOL, "data that wraps");
	c = (struct vgp_cmd){ .op = VGP_OP_NOP, .data_len = UINT32_MAX };
	is_int(vgp_cmd_check(&c, 0, &err), -VGPU_E_PROTOCOL, "data of 4 GiB");
	c = (struct vgp_cmd){ .op = VGP_OP_NOP, .data_off = VGP_RING_DATA_SIZE - 1, .data_len = 1 };
	is_int(vgp_cmd_check(&c, 0, &err), 0, "the last byte of it is fine");
}

static void test_frames(void)
{
	struct {
		struct vgp_frame f;
		struct vgp_cmd c;
		char data[8];
	} m = { .f = { .magic = VGP_MAGIC, .type = VGP_FRAME_CMD, .len = sizeof(m.c) + 8 }, .c = { .op = VGP_OP_PING, .data_len = 8 }, .data = "abcdefg" };
	struct vgpu_err err = VGPU_ERR_INIT;
	static uint8_t big[VGP_FRAME_MAX + 1];
	const void *body, *data;
	struct vgp_reply r;
	struct vgp_frame f;
	struct vgp_cmd c;

	is_int(vgp_frame_parse(&m, sizeof(m), &f, &body, &err), 0, "a good frame");
	is_int(vgp_frame_cmd(&f, body, &c, &data, &err), 0, "holds a command");
	ok(data == m.data && c.op == VGP_OP_PING, "and its data");
	is_int(vgp_frame_reply(&f, body, &r, &data, &err), -VGPU_E_PROTOCOL, "but no reply");
	for (size_t n = 0; n < sizeof(m); n++)
		if (vgp_frame_parse(&m, n, &f, &body, &err) != -VGPU_E_PROTOCOL)
			bail("a frame that is cut at %zu passed", n);
	ok(1, "no frame that is cut passes");
	m.f.magic++;
	is_int(vgp_frame_parse(&m, sizeof(m), &f, &body, &err), -VGPU_E_PROTOCOL, "a wrong magic");
	m.f.magic--;
	m.f.flags = 1;
	is_int(vgp_frame_parse(&m, sizeof(m), &f, &body, &err), -VGPU_E_PROTOCOL, "flags that mean nothing");
	m.f.flags = 0;
	m.c.data_len = 9;
	vgp_frame_parse(&m, sizeof(m), &f, &body, &err);
	is_int(vgp_frame_cmd(&f, body, &c, &data, &err), -VGPU_E_PROTOCOL, "more data than the frame holds");
	m.c.data_len = 8;
	m.c.data_off = 1;
	is_int(vgp_frame_cmd(&f, body, &c, &data, &err), -VGPU_E_PROTOCOL, "an offset in a frame");
	memcpy(big, &(struct vgp_frame){ .magic = VGP_MAGIC, .type = VGP_FRAME_CMD, .len = sizeof(big) - sizeof(f) }, sizeof(f));
	is_int(vgp_frame_parse(big, sizeof(big), &f, &body, &err), -VGPU_E_PROTOCOL, "a frame that is too long");
	m.f = (struct vgp_frame){ .magic = VGP_MAGIC, .type = VGP_FRAME_REPLY, .len = sizeof(struct vgp_reply) - 1 };
	is_int(vgp_frame_reply(&m.f, &m.c, &r, &data, &err), -VGPU_E_PROTOCOL, "a reply that is cut");
}

static const char *dump(const struct vgp_cmd *c)
{
	static char text[512];
	struct vgpu_buf b = VGPU_BUF_INIT;

	vgp_dump_cmd(&b, c);
	strncpy(text, vgpu_buf_text(&b), sizeof(text) - 1);
	vgpu_buf_free(&b);
	return text;
}

static void test_dump(void)
{
	struct vgp_reply r = { .seq = 9, .status = VGPU_E_NOMEM, .data_len = 3, .r.MEM_ALLOC.addr = 0x400000000000 };
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vgp_cmd c = { .op = VGP_OP_LAUNCH, .queue = 3, .seq = 17, .data_off = 64, .data_len = 120, .a.LAUNCH = { .func = 1 } };

	is_string(dump(&c), "LAUNCH q=3 seq=17 func=1 flags=0 data=120@64", "a launch");
	c = (struct vgp_cmd){ .op = VGP_OP_COPY, .queue = 1, .seq = 1, .a.COPY = { 0x400000001000, 0x400000000000, 4096 } };
	is_string(dump(&c), "COPY q=1 seq=1 dst=0x400000001000 src=0x400000000000 len=0x1000", "a copy");
	c = (struct vgp_cmd){ .op = VGP_OP_QUEUE_CREATE, .seq = 2, .a.QUEUE_CREATE = { .ctx = 1, .queue = 5, .priority = -2 } };
	is_string(dump(&c), "QUEUE_CREATE seq=2 ctx=1 queue=5 priority=-2 flags=0", "a call");
	c = (struct vgp_cmd){ .op = 99 };
	is_string(dump(&c), "unknown message 99", "an unknown message");
	vgp_dump_reply(&b, VGP_OP_MEM_ALLOC, &r);
	is_string(vgpu_buf_text(&b), "MEM_ALLOC = E_NOMEM seq=9 addr=0x400000000000 data=3", "a reply");
	vgpu_buf_reset(&b);
	r.status = 12345;
	vgp_dump_reply(&b, 12345, &r);
	is_string(vgpu_buf_text(&b), "? = E_UNKNOWN seq=9 data=3", "a reply to nothing");
	vgpu_buf_free(&b);
	for (unsigned op = 0; op < 200; op++) {
		c = (struct vgp_cmd){ .op = (uint16_t)op };
		memset(c.a.raw, 0xff, sizeof(c.a.raw));
		if (!*dump(&c))
			bail("message %u prints nothing", op);
	}
}

int main(void)
{
	plan_lazy();
	test_table();
	test_layout();
	test_cmd();
	test_frames();
	test_dump();
	return 0;
}
