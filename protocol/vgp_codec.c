/* vgp_codec.c: see vgp_codec.h. Nothing here touches shared memory: callers copy first. */
#include "protocol/vgp_codec.h"

#include <string.h>

static const struct vgp_msg_info infos[VGP_OP_MAX] = {
#define ARGS(...) __VA_ARGS__
#define REPLY(...) __VA_ARGS__
#define F(type, name)
#define M(name_, num, kind_, since_, args, reply) [num] = {   \
	.name = #name_, .op = num, .kind = VGP_KIND_##kind_,  \
	.since = since_,                                      \
	.args_size = sizeof(struct vgp_args_##name_),         \
	.reply_size = sizeof(struct vgp_reply_##name_) },
#include "protocol/vgp_msg.def"
#undef M
#undef F
#undef ARGS
#undef REPLY
};

const struct vgp_msg_info *vgp_msg_find(unsigned op)
{
	if (op >= ARRAY_SIZE(infos) || !infos[op].name)
		return NULL;
	return &infos[op];
}

int vgp_cmd_check(const struct vgp_cmd *c, unsigned minor, struct vgpu_err *err)
{
	const struct vgp_msg_info *m = vgp_msg_find(c->op);

	if (!m || m->since > minor)
		return vgpu_err_set(err, VGPU_E_NOT_SUPPORTED, "message %u is not known in protocol %d.%u",
				    c->op, VGP_ABI_MAJOR, minor);
	for (size_t i = m->args_size; i < VGP_ARGS_SIZE; i++)
		if (c->a.raw[i])
			return vgpu_err_set(err, VGPU_E_PROTOCOL, "%s: byte %zu after its arguments is not zero", m->name, i);
	if (m->kind == VGP_KIND_QUEUED && c->queue >= VGP_QUEUES)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "%s: queue %u is out of range", m->name, c->queue);
	if (m->kind == VGP_KIND_CALL && c->reply_slot >= VGP_RING_REPLIES)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "%s: reply slot %u is out of range", m->name, c->reply_slot);
	if (c->data_len > VGP_RING_DATA_SIZE || c->data_off > VGP_RING_DATA_SIZE - c->data_len)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "%s: data [%u, +%u) is outside the data area",
				    m->name, c->data_off, c->data_len);
	return 0;
}

int vgp_frame_parse(const void *buf, size_t len, struct vgp_frame *hdr, const void **body, struct vgpu_err *err)
{
	struct vgp_frame h;

	if (len < sizeof(h))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "frame of %zu bytes is shorter than its header", len);
	memcpy(&h, buf, sizeof(h));
	if (h.magic != VGP_MAGIC)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "frame magic is 0x%08x, not 0x%08x", h.magic, VGP_MAGIC);
	if (h.len != len - sizeof(h))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "frame says %u bytes, %zu came", h.len, len - sizeof(h));
	if (len > VGP_FRAME_MAX)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "frame of %zu bytes is longer than %u", len, VGP_FRAME_MAX);
	if (h.flags || h.pad)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "frame flags are not zero");
	*hdr = h;
	*body = (const char *)buf + sizeof(h);
	return 0;
}

int vgp_frame_cmd(const struct vgp_frame *hdr, const void *body, struct vgp_cmd *cmd, const void **data, struct vgpu_err *err)
{
	struct vgp_cmd c;

	if (hdr->type != VGP_FRAME_CMD || hdr->len < sizeof(c))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "frame type %u of %u bytes is not a command", hdr->type, hdr->len);
	memcpy(&c, body, sizeof(c));
	if (c.data_off || c.data_len != hdr->len - sizeof(c))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "command says %u bytes of data at %u, frame holds %zu",
				    c.data_len, c.data_off, hdr->len - sizeof(c));
	*cmd = c;
	*data = (const char *)body + sizeof(c);
	return 0;
}

int vgp_frame_reply(const struct vgp_frame *hdr, const void *body, struct vgp_reply *reply, const void **data, struct vgpu_err *err)
{
	struct vgp_reply r;

	if (hdr->type != VGP_FRAME_REPLY || hdr->len < sizeof(r))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "frame type %u of %u bytes is not a reply", hdr->type, hdr->len);
	memcpy(&r, body, sizeof(r));
	if (r.data_len != hdr->len - sizeof(r))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "reply says %u bytes of data, frame holds %zu",
				    r.data_len, hdr->len - sizeof(r));
	*reply = r;
	*data = (const char *)body + sizeof(r);
	return 0;
}
