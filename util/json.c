/* json.c: see json.h. */
#include "util/json.h"

#include <assert.h>
#include <string.h>

void vgpu_json_init(struct vgpu_json *j, struct vgpu_buf *out)
{
	memset(j, 0, sizeof(*j));
	j->out = out;
}

/* Bytes of the well-formed UTF-8 character at s, 0 when it is none. */
static size_t utf8_len(const unsigned char *s)
{
	unsigned char c = s[0];
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void quote(struct vgpu_buf *b, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	vgpu_buf_str(b, "\"");
	while (*s) {
		size_t n = utf8_len(s);

		if (n == 0) {
			vgpu_buf_str(b, "\\ufffd");
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			vgpu_buf_printf(b, "\\%c", *s);
		} else if (*s == '\n') {
			vgpu_buf_str(b, "\\n");
		} else if (*s == '\t') {
			vgpu_buf_str(b, "\\t");
		} else if (*s < ' ' || *s == 127) {
			vgpu_buf_printf(b, "\\u%04x", *s);
		} else {
			vgpu_buf_add(b, s, n);
		}
		s += n;
	}
	vgpu_buf_str(b, "\"");
}

static void indent(struct vgpu_json *j)
{
	vgpu_buf_str(j->out, "\n");
	for (unsigned i = 0; i < j->depth; i++)
		vgpu_buf_str(j->out, "  ");
}

static void item(struct vgpu_json *j, const char *key)
{
	if (j->depth) {
		if (j->some[j->depth - 1])
			vgpu_buf_str(j->out, ",");
		j->some[j->depth - 1] = true;
		indent(j);
	}
	if (key) {
		quote(j->out, key);
		vgpu_buf_str(j->out, ": ");
	}
}

static void open_level(struct vgpu_json *j, const char *key, const char *open, char close)
{
	assert(j->depth < VGPU_JSON_DEPTH);
	item(j, key);
	vgpu_buf_str(j->out, open);
	j->some[j->depth] = false;
	j->close[j->depth++] = close;
}

void vgpu_json_object(struct vgpu_json *j, const char *key)
{
	open_level(j, key, "{", '}');
}

void vgpu_json_array(struct vgpu_json *j, const char *key)
{
	open_level(j, key, "[", ']');
}

void vgpu_json_end(struct vgpu_json *j)
{
	assert(j->depth > 0);
	j->depth--;
	if (j->some[j->depth])
		indent(j);
	vgpu_buf_printf(j->out, "%c%s", j->close[j->depth], j->depth ? "" : "\n");
}

void vgpu_json_str(struct vgpu_json *j, const char *key, const char *text)
{
	item(j, key);
	if (text)
		quote(j->out, text);
	else
		vgpu_buf_str(j->out, "null");
}

void vgpu_json_u64(struct vgpu_json *j, const char *key, uint64_t v)
{
	item(j, key);
	vgpu_buf_printf(j->out, "%llu", (unsigned long long)v);
}

void vgpu_json_bool(struct vgpu_json *j, const char *key, bool v)
{
	item(j, key);
	vgpu_buf_str(j->out, v ? "true" : "false");
}
