/*
 * vgp_wire.h: fixed layouts of the protocol between a client process and its
 * engine worker, and of the control calls on a node. Little endian, natural
 * alignment, explicit padding (zero), 64-bit sizes; rules in RULES.md.
 *
 * Three ways carry the same commands:
 *   ring    a shared memfd: struct vgp_ring_hdr, command slots, reply slots,
 *           data area, timelines, context words
 *   socket  AF_UNIX SOCK_SEQPACKET: one struct vgp_frame + command (+ data)
 *           per packet, answers as frames
 *   node    the same frames, one per write(2) on the node, answers by read(2)
 */
#ifndef VGPU_PROTOCOL_VGP_WIRE_H
#define VGPU_PROTOCOL_VGP_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "util/compiler.h"

#define VGP_MAGIC 0x55504756u      /* "VGPU" */
#define VGP_ABI_MAJOR 1            /* differs: no talk */
#define VGP_ABI_MINOR 4            /* both sides use the lower one */

typedef uint8_t vgp_u8;
typedef uint16_t vgp_u16;
typedef uint32_t vgp_u32;
typedef uint64_t vgp_u64;
typedef int32_t vgp_i32;

/* ---- control calls on an open node (ioctl; works on read-only opens) ---- */

enum vgp_transport {
	VGP_TRANSPORT_RING = 1,    /* the daemon pulls the client's socket; ring and window come over it */
	VGP_TRANSPORT_SOCKET = 2,  /* as RING, but only frames over the socket (tests; no shared memory) */
	VGP_TRANSPORT_NODE = 3,    /* frames by write and read on this open node; offsets mean nothing. Use pread and
	                              pwrite at 0: the kernel makes read(2) and write(2) of one open wait for each
	                              other, so a blocked read would hold up a write. A full relay answers EAGAIN
	                              (also without O_NONBLOCK): poll for POLLOUT. After the worker's end read
	                              gives 0, write ECONNRESET; a reader's buffer holds VGP_FRAME_MAX */
	VGP_TRANSPORT_MOUNTSOCK = 4, /* as RING, over a connection to VGP_MOUNTSOCK beside the node, for daemons that may
	                              pull no sockets: struct vgp_hello is the first packet, WELCOME the answer;
	                              the end of the connection: refused. Not for VGP_IOC_HELLO */
};

struct vgp_hello {
	uint32_t magic;            /* VGP_MAGIC */
	uint16_t abi_major, abi_minor;
	uint32_t transport;        /* enum vgp_transport asked for; out: granted */
	int32_t sock_fd;           /* RING, SOCKET: client's SEQPACKET end to pull; else -1 */
	uint64_t nonce;            /* comes back in the worker's WELCOME */
	uint64_t flags;            /* 0 */
	/* out */
	uint64_t session;          /* unique for this mount's life */
	uint32_t status;           /* enum vgpu_status; 0: a worker was started for this open */
	uint32_t pad0;
	uint64_t pad1[2];
};
_Static_assert(sizeof(struct vgp_hello) == 64, "vgp_hello");

struct vgp_node_info {
	uint32_t magic;
	uint16_t abi_major, abi_minor;
	uint64_t generation;       /* changes when the set of devices or a property changes */
	uint32_t n_devices;
	uint32_t daemon_pid;       /* in the caller's view it may mean nothing; for status */
	uint64_t pad[5];
};
_Static_assert(sizeof(struct vgp_node_info) == 64, "vgp_node_info");

#define VGP_IOC_HELLO _IOWR('V', 1, struct vgp_hello)
#define VGP_IOC_INFO _IOR('V', 2, struct vgp_node_info)
/* Root or the mount's owner: read the registry anew; answers when the tree shows it. */
#define VGP_IOC_RELOAD _IO('V', 3)

/* What a node reads as, in one request; a table that is too long for an attribute answers E2BIG: open and read. */
#define VGP_NODE_XATTR "user.vgpufs.table"

/* SEQPACKET socket in the nodes' directory; not listed there. */
#define VGP_MOUNTSOCK "vgpu.sock"

/* ---- messages ---- */

enum vgp_kind { VGP_KIND_CALL, VGP_KIND_QUEUED };

enum vgp_op {
#define M(name, num, kind, since, args, reply) VGP_OP_##name = num,
#include "protocol/vgp_msg.def"
#undef M
	VGP_OP_MAX = 128
};

#define ARGS(...) __VA_ARGS__
#define REPLY(...) __VA_ARGS__
#define F(type, name) vgp_##type name;
#define M(name, num, kind, since, args, reply)  \
	struct vgp_args_##name { args };        \
	struct vgp_reply_##name { reply };
#include "protocol/vgp_msg.def"
#undef M

#define VGP_ARGS_SIZE 40
#define VGP_CMD_SIZE 64

/* One command: a ring slot, or the body of a frame. */
struct vgp_cmd {
	uint16_t op;               /* enum vgp_op */
	uint16_t reply_slot;       /* ring, CALL: index of the reply slot */
	uint32_t queue;            /* QUEUED: timeline slot; CALL: 0 */
	uint64_t seq;              /* QUEUED: timeline value; CALL: call number, comes back */
	uint32_t data_off;         /* ring: offset of in data in the data area; frame: 0 */
	uint32_t data_len;         /* bytes of in data */
	union {
#define M(name, num, kind, since, args, reply) struct vgp_args_##name name;
#include "protocol/vgp_msg.def"
#undef M
		uint8_t raw[VGP_ARGS_SIZE];
	} a;
};
_Static_assert(sizeof(struct vgp_cmd) == VGP_CMD_SIZE, "vgp_cmd");

struct vgp_reply {
	uint64_t seq;              /* the call's */
	int32_t status;            /* enum vgpu_status, 0 or positive */
	uint32_t data_len;         /* bytes of out data */
	union {
#define M(name, num, kind, since, args, reply) struct vgp_reply_##name name;
#include "protocol/vgp_msg.def"
#undef M
		uint8_t raw[VGP_ARGS_SIZE];
	} r;
	uint64_t pad;
};
_Static_assert(sizeof(struct vgp_reply) == 64, "vgp_reply");

#define M(name, num, kind, since, args, reply)                                             \
	_Static_assert(sizeof(struct vgp_args_##name) <= VGP_ARGS_SIZE, #name " arguments"); \
	_Static_assert(sizeof(struct vgp_reply_##name) <= VGP_ARGS_SIZE, #name " reply");
#include "protocol/vgp_msg.def"
#undef M
#undef F
#undef ARGS
#undef REPLY

/* ---- frames (socket and node) ---- */

enum vgp_frame_type {
	VGP_FRAME_WELCOME = 1,     /* worker → client, first: struct vgp_welcome; RING: fds ring, window */
	VGP_FRAME_CMD = 2,         /* client → worker: struct vgp_cmd + data */
	VGP_FRAME_REPLY = 3,       /* worker → client: struct vgp_reply + data */
	VGP_FRAME_BYE = 4,         /* either: orderly end */
};

struct vgp_frame {
	uint32_t magic;
	uint16_t type;             /* enum vgp_frame_type */
	uint16_t flags;            /* 0 */
	uint32_t len;              /* bytes after this header */
	uint32_t pad;
};
_Static_assert(sizeof(struct vgp_frame) == 16, "vgp_frame");

/* No frame is longer, header included; larger data travel in several MEM_WRITE/MEM_READ/WRITE. */
#define VGP_FRAME_MAX (128u << 10)
#define VGP_FRAME_DATA_MAX (VGP_FRAME_MAX - sizeof(struct vgp_frame) - sizeof(struct vgp_cmd))

struct vgp_welcome {
	uint32_t magic;
	uint16_t abi_major, abi_minor;
	uint64_t nonce;            /* the client's */
	uint64_t window_size;      /* bytes of the window memfd */
	uint64_t ring_size;        /* bytes of the ring memfd, 0 without */
	uint32_t status;           /* not 0: the worker can't serve; reason follows as text */
	uint32_t worker_pid;
	uint64_t window_addr;      /* frames only: where the worker placed its window */
	uint64_t pad[2];
};
_Static_assert(sizeof(struct vgp_welcome) == 64, "vgp_welcome");

/* ---- the ring memfd ---- */

#define VGP_RING_SLOTS 4096u       /* commands; power of two */
#define VGP_RING_REPLIES 64u
#define VGP_RING_REPLY_DATA 4096u  /* out data that fits a reply slot; longer answers come in parts or by window */
#define VGP_RING_DATA_SIZE (4u << 20)
#define VGP_QUEUES 4096u           /* timelines */
#define VGP_CONTEXTS 256u

/* Sleep protocol of every waitable word: the waiter sets `sleeping`, fences (seq_cst), checks the
 * word again, then FUTEX_WAITs; the writer stores, fences, and wakes only if `sleeping` is set. */
struct vgp_ring_hdr {
	uint32_t magic;
	uint16_t abi_major, abi_minor;
	uint32_t slots, replies;
	uint32_t off_cmds, off_replies, off_data, off_timelines, off_contexts;
	uint32_t data_size;
	uint64_t size;             /* of the memfd */
	uint8_t pad0[80];
	/* client writes (release), worker reads (acquire): next slot to be filled, free running */
	_Alignas(128) uint32_t tail;
	uint32_t client_cpu;       /* where the client last ran, for the spin decision */
	/* worker writes (release), client reads (acquire): next slot to be taken, free running */
	_Alignas(128) uint32_t head;
	uint32_t worker_cpu;       /* VGP_CPU_MOVING: it is about to be on another one than the client */
#define VGP_CPU_MOVING UINT32_MAX
	uint32_t worker_sleeping;  /* worker FUTEX_WAITs on tail */
	uint32_t client_sleeping;  /* client FUTEX_WAITs on head (ring full) */
	uint32_t fatal;            /* enum vgpu_status: the worker gave up on this ring */
};
_Static_assert(sizeof(struct vgp_ring_hdr) % 128 == 0, "vgp_ring_hdr");

struct vgp_reply_slot {
	struct vgp_reply reply;
	/* worker writes (release) low 32 bits of the call's seq when the reply is there */
	uint32_t done;
	uint32_t sleeping;
	uint8_t pad[56];
	uint8_t data[VGP_RING_REPLY_DATA];
};

/* A queue's timeline: commands complete in order, so one number tells all. */
struct vgp_timeline {
	uint64_t completed;        /* worker writes (release): seq of the last command that ended */
	uint32_t futex;            /* low 32 bits of completed, written after it */
	uint32_t sleeping;         /* number of waiters */
	uint32_t worker_cpu;       /* where it completed */
	uint32_t pad[11];
};
_Static_assert(sizeof(struct vgp_timeline) == 64, "vgp_timeline");

struct vgp_context_word {
	uint32_t status;           /* worker writes (release): sticky enum vgpu_status, 0 = healthy */
	uint32_t printf_pending;   /* worker: not 0 when PRINTF_DRAIN has something */
	/* The client adds the bytes that its copies carry between host and device memory; only grow. The worker reports
	 * by how much: nothing else depends on them, so what a client writes here harms nobody. */
	uint64_t to_device, from_device;
	uint32_t pad[10];
};
_Static_assert(sizeof(struct vgp_context_word) == 64, "vgp_context_word");

/* ---- the window ---- */

/* Candidate places, tried in order by the client (see doc/architecture.md, Memory). */
#define VGP_WINDOW_ADDR 0x400000000000ull
#define VGP_WINDOW_SIZE (16ull << 40)

enum vgp_mem_kind {
	VGP_MEM_DEVICE = 0,        /* counted against the device's memory */
	VGP_MEM_HOST = 1,          /* pinned host memory that the device sees; not counted */
	VGP_MEM_MANAGED = 2,       /* both sides; counted */
	VGP_MEM_STAGING = 3,       /* the library's own transfer space; not counted */
};

/* ---- data of messages ---- */

enum vgp_ctx_flags {
	/* Since 3. Kernels run under the memory checker. The client then writes to device memory by commands (WRITE, COPY, FILL,
	 * MEM_WRITE) alone, not through its mapping: what the worker doesn't see written is reported as uninitialised when it is read */
	VGP_CTX_F_MEMCHECK = 1,
};

enum vgp_check_flags {
	VGP_CHECK_F_END = 1,       /* nothing will run any more: the text ends with the sum of errors */
	VGP_CHECK_F_LEAKS = 2,     /* … and what has not been freed */
};

enum vgp_limit {
	VGP_LIMIT_STACK_SIZE = 0,          /* per thread, bytes */
	VGP_LIMIT_PRINTF_FIFO_SIZE = 1,
	VGP_LIMIT_MALLOC_HEAP_SIZE = 2,
	VGP_LIMIT_COUNT
};

enum vgp_image_flags {
	VGP_IMAGE_F_LZ4 = 1,
	VGP_IMAGE_F_ZSTD = 2,
	VGP_IMAGE_F_LINEINFO = 4,
};

/* One PTX text that the client put into the window. */
struct vgp_image {
	uint64_t addr;             /* in the window */
	uint64_t size;             /* bytes there */
	uint64_t text_size;        /* bytes once decompressed; 0: as size */
	uint32_t flags;            /* enum vgp_image_flags */
	uint32_t pad;
};
_Static_assert(sizeof(struct vgp_image) == 32, "vgp_image");

enum vgp_module_flags {
	VGP_MODULE_F_VERBOSE = 1,  /* info log wanted */
	VGP_MODULE_F_STRICT_FP = 2,/* no contraction of mul and add */
};

struct vgp_module_log {
	uint32_t info_len, error_len;    /* bytes of text that follow, without NULs */
	uint32_t n_funcs, pad;
};

struct vgp_func_info {
	uint32_t n_params, param_bytes;
	uint32_t shared_static, const_bytes, local_bytes;
	uint32_t regs;
	uint32_t max_threads;      /* .maxntid product or the device's */
	uint32_t max_ntid[3], req_ntid[3];   /* 0: not given */
	uint32_t min_ctas_per_sm, cluster[3];
	uint32_t ptx_version;      /* 10*major + minor of the .target: 75, 90, 120 (CU_FUNC_ATTRIBUTE_PTX_VERSION) */
	uint32_t uses_barriers, pad[2];
};

struct vgp_func_param {
	uint32_t offset, size;
};

enum vgp_launch_flags {
	VGP_LAUNCH_F_COOPERATIVE = 1,
};

struct vgp_launch {
	uint32_t grid[3];
	uint32_t block[3];
	uint32_t cluster[3];       /* 0: from the kernel */
	uint32_t shared_dyn;       /* bytes */
	uint32_t param_len;
	uint32_t pad;
};
_Static_assert(sizeof(struct vgp_launch) == 48, "vgp_launch");

struct vgp_copy3d {
	uint64_t dst, src;             /* first byte */
	uint64_t dst_pitch, src_pitch; /* bytes from row to row */
	uint64_t dst_slice, src_slice; /* bytes from slice to slice */
	uint64_t width, height, depth; /* bytes, rows, slices */
};

enum vgp_global_flags {
	VGP_GLOBAL_F_MANAGED = 1,
	VGP_GLOBAL_F_CONST = 2,
	VGP_GLOBAL_F_TEXTURE = 4,  /* .texref: holds the handle of a texture */
	VGP_GLOBAL_F_SURFACE = 8,  /* .surfref */
};

enum vgp_tex_flags {
	VGP_TEX_F_SURFACE = 1,     /* may be loaded from and stored to */
	VGP_TEX_F_LAYERED = 2,     /* slices are layers */
	VGP_TEX_F_CUBE = 4,        /* slices are faces, of each layer six */
	VGP_TEX_F_BUFFER = 8,      /* plain memory, read by texel number */
	VGP_TEX_F_NORM = 16,       /* integers are read as floats of [0, 1] or [-1, 1] */
	VGP_TEX_F_LINEAR = 32, VGP_TEX_F_MIP_LINEAR = 64,
	VGP_TEX_F_NORMALIZED = 128,/* coordinates of [0, 1] */
	VGP_TEX_F_SRGB = 256,
	VGP_TEX_F_SEAMLESS = 512,
	VGP_TEX_F_ALL = 1023
};

enum vgp_tex_chan {                /* a texel's channels */
	VGP_TEX_U8, VGP_TEX_S8, VGP_TEX_U16, VGP_TEX_S16, VGP_TEX_U32, VGP_TEX_S32, VGP_TEX_F16, VGP_TEX_F32
};

#define VGP_TEX_LEVELS 18u

struct vgp_tex {
	uint32_t flags;            /* enum vgp_tex_flags */
	uint8_t dims;              /* 1, 2, 3 */
	uint8_t chan;              /* enum vgp_tex_chan */
	uint8_t channels;          /* 1, 2, 4 */
	uint8_t n_levels;          /* 1 … VGP_TEX_LEVELS */
	uint8_t addr[3];           /* numbers of CUaddress_mode */
	uint8_t pad;
	float lod_bias, lod_min, lod_max;
	uint32_t border[4];        /* as bits */
};
_Static_assert(sizeof(struct vgp_tex) == 40, "vgp_tex");

struct vgp_tex_level {
	uint64_t addr;             /* in the window */
	uint64_t pitch, slice;     /* bytes from row to row, and from slice to slice */
	uint32_t w, h, d;          /* texels, rows, slices; 1 where there is no such dimension */
	uint32_t pad;
};
_Static_assert(sizeof(struct vgp_tex_level) == 40, "vgp_tex_level");

enum vgp_value_op {                /* numbers of CUstreamWaitValue_flags */
	VGP_VALUE_GEQ = 0,         /* (int)(*addr - value) >= 0 */
	VGP_VALUE_EQ = 1,
	VGP_VALUE_AND = 2,
	VGP_VALUE_NOR = 3,
};

#endif
