/* vgp_dump.c: see vgp_dump.h. One printer per message, expanded from vgp_msg.def. */
#include "protocol/vgp_dump.h"

#include "protocol/vgp_codec.h"

#define ARGS(...) __VA_ARGS__
#define REPLY(...) __VA_ARGS__
#define FMT_u32(b, n, v) vgpu_buf_printf(b, " %s=%u", n, v)
#define FMT_i32(b, n, v) vgpu_buf_printf(b, " %s=%d", n, v)
#define FMT_u64(b, n, v) vgpu_buf_printf(b, " %s=0x%llx", n, (unsigned long long)(v))
#define F(type, name) FMT_##type(b, #name, m->name);
#define M(name, num, kind, since, args, reply)                                           \
	static void args_##name(struct vgpu_buf *b, const struct vgp_args_##name *m)     \
	{ (void)b; (void)m; args }                                                       \
	static void reply_##name(struct vgpu_buf *b, const struct vgp_reply_##name *m)   \
	{ (void)b; (void)m; reply }
#include "protocol/vgp_msg.def"
#undef M
#undef F
#undef ARGS
#undef REPLY

void vgp_dump_cmd(struct vgpu_buf *b, const struct vgp_cmd *c)
{
	const struct vgp_msg_info *m = vgp_msg_find(c->op);

	if (!m) {
		vgpu_buf_printf(b, "unknown message %u", c->op);
		return;
	}
	vgpu_buf_str(b, m->name);
	if (m->kind == VGP_KIND_QUEUED)
		vgpu_buf_printf(b, " q=%u", c->queue);
	vgpu_buf_printf(b, " seq=%llu", (unsigned long long)c->seq);
	switch (c->op) {
#define M(name, num, kind, since, args, reply) case num: args_##name(b, &c->a.name); break;
#include "protocol/vgp_msg.def"
#undef M
	}
	if (c->data_len)
		vgpu_buf_printf(b, " data=%u@%u", c->data_len, c->data_off);
}

void vgp_dump_reply(struct vgpu_buf *b, unsigned op, const struct vgp_reply *r)
{
	const struct vgp_msg_info *m = vgp_msg_find(op);

	vgpu_buf_printf(b, "%s = %s seq=%llu", m ? m->name : "?", vgpu_status_name(r->status), (unsigned long long)r->seq);
	switch (op) {
#define M(name, num, kind, since, args, reply) case num: reply_##name(b, &r->r.name); break;
#include "protocol/vgp_msg.def"
#undef M
	}
	if (r->data_len)
		vgpu_buf_printf(b, " data=%u", r->data_len);
}
