/*
 * tr_ring.c: calls and queued commands over the shared ring.
 *
 * The client alone moves hdr->tail and the data area; the worker alone moves
 * hdr->head, replies and timelines. Nothing that the worker writes can make
 * the client touch memory outside the ring: indices are taken modulo and
 * judged, and the places of the parts were checked once against what the
 * protocol fixes.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "transport/tr_priv.h"

#define SPIN_NS 20000
#define SPIN_SHORT_NS 3000         /* what a launch of nothing takes, and its answer */
#define SPIN_TRIES 16              /* one in so many waits is tried with all of SPIN_NS when luck is low */
#define SPIN_MOVING_NS 200000      /* what it takes to move to a CPU that sleeps, and more */
#define LUCK_LOW 4
#define LUCK_AGAIN 16              /* once it has paid again */

#define MASK (VGP_RING_SLOTS - 1)

static void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* ---- set-up ---- */

static bool part_fits(uint64_t off, uint64_t len, uint64_t size)
{
	return off % 64 == 0 && off >= sizeof(struct vgp_ring_hdr) && len <= size && off <= size - len;
}

static int check_header(const struct vgp_ring_hdr *h, uint64_t size, struct vgpu_err *err)
{
	if (h->magic != VGP_MAGIC || h->abi_major != VGP_ABI_MAJOR)
		return vgpu_err_set(err, VGPU_E_VERSION, "ring header is of another protocol");
	if (h->slots != VGP_RING_SLOTS || h->replies != VGP_RING_REPLIES || h->data_size != VGP_RING_DATA_SIZE || h->size != size ||
	    !part_fits(h->off_cmds, sizeof(struct vgp_cmd) * VGP_RING_SLOTS, size) ||
	    !part_fits(h->off_replies, sizeof(struct vgp_reply_slot) * VGP_RING_REPLIES, size) ||
	    !part_fits(h->off_data, VGP_RING_DATA_SIZE, size) ||
	    !part_fits(h->off_timelines, sizeof(struct vgp_timeline) * VGP_QUEUES, size) ||
	    !part_fits(h->off_contexts, sizeof(struct vgp_context_word) * VGP_CONTEXTS, size))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "ring header does not describe this protocol's ring");
	return 0;
}

int tr_ring_init(struct tr_session *s, int memfd, uint64_t size, struct vgpu_err *err)
{
	struct tr_ring *r = &s->ring;
	struct vgp_ring_hdr h;
	struct stat st;
	uint8_t *p;
	int rc;

	if (fstat(memfd, &st) < 0 || (uint64_t)st.st_size < size || size < sizeof(h) || size > 1u << 30)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "ring of %llu bytes is not what WELCOME says", (unsigned long long)size);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (p == MAP_FAILED)
		return vgpu_err_errno(err, "map the ring");
	madvise(p, size, MADV_DONTFORK);
	madvise(p, size, MADV_DONTDUMP);
	memcpy(&h, p, sizeof(h));
	rc = check_header(&h, size, err);
	if (rc) {
		munmap(p, size);
		return rc;
	}
	r->map = p;
	r->size = size;
	r->hdr = (struct vgp_ring_hdr *)p;
	r->cmds = (struct vgp_cmd *)(p + h.off_cmds);
	r->replies = (struct vgp_reply_slot *)(p + h.off_replies);
	r->data = p + h.off_data;
	r->timelines = (struct vgp_timeline *)(p + h.off_timelines);
	r->contexts = (struct vgp_context_word *)(p + h.off_contexts);
	r->spin_luck = 32;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->slot_free, NULL);
	return 0;
}

void tr_ring_fini(struct tr_session *s)
{
	struct tr_ring *r = &s->ring;

	if (!r->map)
		return;
	munmap(r->map, r->size);
	r->map = NULL;
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->slot_free);
}

/* ---- waiting on a shared word ---- */

/*
 * How long spinning makes sense: not at all beside the worker on one CPU, shortly when it did not pay lately. Who sleeps never
 * sees that an answer would have come soon, so it is tried again now and then.
 */
static uint64_t spin_budget(struct tr_session *s)
{
	struct tr_ring *r = &s->ring;
	/* relaxed: a hint */
	uint32_t worker = __atomic_load_n(&r->hdr->worker_cpu, __ATOMIC_RELAXED);
	int cpu = sched_getcpu();

	if (worker == VGP_CPU_MOVING)
		return SPIN_MOVING_NS;
	if (cpu >= 0 && (uint32_t)cpu == worker)
		return 0;
	if (__atomic_load_n(&r->spin_luck, __ATOMIC_RELAXED) >= LUCK_LOW)
		return SPIN_NS;
	return __atomic_add_fetch(&r->unlucky, 1, __ATOMIC_RELAXED) % SPIN_TRIES ? SPIN_SHORT_NS : SPIN_NS;
}

static void spin_result(struct tr_session *s, bool paid)
{
	int luck = __atomic_load_n(&s->ring.spin_luck, __ATOMIC_RELAXED);

	if (!paid)
		luck = luck * 7 / 8;
	else
		luck = luck < LUCK_LOW ? LUCK_AGAIN : MIN(luck + 2, 64);
	__atomic_store_n(&s->ring.spin_luck, luck, __ATOMIC_RELAXED);
}

/* A condition on shared words, and the word whose change may make it true. */
struct waiter {
	bool (*ready)(struct tr_session *s, const struct waiter *w);
	uint32_t *word, *sleeping;
	bool many;                 /* sleeping counts waiters; else it is a flag */
	uint32_t index, ctx;
	uint64_t value;
};

static bool spin(struct tr_session *s, const struct waiter *w)
{
	uint64_t budget = spin_budget(s), end;

	if (!budget)
		return false;
	end = vgpu_now_ns() + budget;
	do {
		for (int i = 0; i < 16; i++) {
			if (w->ready(s, w)) {
				spin_result(s, true);
				return true;
			}
			cpu_relax();
		}
	} while (vgpu_now_ns() < end);
	spin_result(s, false);
	return false;
}

static void announce_sleep(const struct waiter *w, bool on)
{
	/* relaxed: the fence of the caller orders it */
	if (w->many)
		__atomic_fetch_add(w->sleeping, on ? 1 : -1, __ATOMIC_RELAXED);
	else
		__atomic_store_n(w->sleeping, on, __ATOMIC_RELAXED);
}

/* 0: ready; -E_NOT_READY at the deadline; -status when the worker is gone. */
static int wait_for(struct tr_session *s, const struct waiter *w, uint64_t timeout_ns)
{
	uint64_t start, left;
	int r = 0;

	if (w->ready(s, w))
		return 0;
	if (timeout_ns == 0)
		return tr_check_alive(s) ? tr_check_alive(s) : -VGPU_E_NOT_READY;
	if (spin(s, w))
		return 0;
	start = vgpu_now_ns();
	announce_sleep(w, true);
	for (;;) {
		uint32_t seen;

		/* seq_cst: `sleeping` is out before the word is read again; pairs with the worker's fence */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		seen = __atomic_load_n(w->word, __ATOMIC_ACQUIRE);
		if (w->ready(s, w))
			break;
		left = TR_LIVENESS_NS;
		if (timeout_ns != UINT64_MAX) {
			uint64_t gone = vgpu_now_ns() - start;

			if (gone >= timeout_ns) {
				r = -VGPU_E_NOT_READY;
				break;
			}
			left = MIN(left, timeout_ns - gone);
		}
		if (vgpu_futex_wait(w->word, seen, (int64_t)left) == -ETIMEDOUT) {
			r = tr_check_alive(s);
			if (r && !w->ready(s, w))
				break;
			r = 0;
		}
	}
	announce_sleep(w, false);
	return r;
}

/* ---- sending ---- */

static bool ring_has_room(struct tr_session *s, const struct waiter *w)
{
	struct tr_ring *r = &s->ring;

	/* acquire: the worker has read a slot and its data before it moves head */
	return r->tail - __atomic_load_n(&r->hdr->head, __ATOMIC_ACQUIRE) < VGP_RING_SLOTS;
}

/* Takes back the data space of commands that the worker has taken. */
static int reclaim(struct tr_session *s)
{
	struct tr_ring *r = &s->ring;
	uint32_t head = __atomic_load_n(&r->hdr->head, __ATOMIC_ACQUIRE);

	if (head - r->reclaimed > r->tail - r->reclaimed)
		return tr_kill(s, VGPU_E_PROTOCOL);
	while (r->reclaimed != head)
		r->data_head = r->mark[r->reclaimed++ & MASK];
	return 0;
}

/* Place for len contiguous bytes: free running offset, or -1. */
static int64_t data_fit(const struct tr_ring *r, size_t len)
{
	uint64_t at = r->data_tail, pos = at % VGP_RING_DATA_SIZE;

	if (pos + len > VGP_RING_DATA_SIZE)
		at += VGP_RING_DATA_SIZE - pos;
	return at + len - r->data_head <= VGP_RING_DATA_SIZE ? (int64_t)at : -1;
}

static bool data_moved(struct tr_session *s, const struct waiter *w)
{
	return __atomic_load_n(&s->ring.hdr->head, __ATOMIC_ACQUIRE) != (uint32_t)w->value;
}

/* Called with the lock; waits until a slot and len bytes of data space are free. */
static int make_room(struct tr_session *s, size_t len, int64_t *at)
{
	struct tr_ring *r = &s->ring;
	struct waiter w = { .ready = ring_has_room, .word = &r->hdr->head, .sleeping = &r->hdr->client_sleeping };
	int rc = 0;

	if (unlikely(!ring_has_room(s, &w)))
		rc = wait_for(s, &w, UINT64_MAX);
	if (rc == 0)
		rc = reclaim(s);
	while (rc == 0 && len && (*at = data_fit(r, len)) < 0) {
		struct waiter d = { .ready = data_moved, .word = &r->hdr->head, .sleeping = &r->hdr->client_sleeping,
				    .value = r->reclaimed };

		if (r->reclaimed == r->tail) {
			/* nothing is under way: the whole area is free */
			r->data_head = r->data_tail = 0;
			continue;
		}
		rc = wait_for(s, &d, UINT64_MAX);
		if (rc == 0)
			rc = reclaim(s);
	}
	return rc;
}

/* Called with the lock. */
static int post(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len)
{
	struct tr_ring *r = &s->ring;
	int64_t at = 0;
	int rc;

	rc = make_room(s, in_len, &at);
	if (rc)
		return rc;
	cmd->data_off = 0;
	cmd->data_len = (uint32_t)in_len;
	if (in_len) {
		cmd->data_off = (uint32_t)((uint64_t)at % VGP_RING_DATA_SIZE);
		memcpy(r->data + cmd->data_off, in, in_len);
		r->data_tail = vgpu_align_up((uint64_t)at + in_len, 64);
	}
	r->mark[r->tail & MASK] = r->data_tail;
	memcpy(&r->cmds[r->tail & MASK], cmd, sizeof(*cmd));
	if (unlikely(tr_debug_on))
		tr_debug_cmd(cmd, in, in_len);
	__atomic_store_n(&r->hdr->client_cpu, (uint32_t)sched_getcpu(), __ATOMIC_RELAXED);
	/* release: slot and data are out before the worker sees tail */
	__atomic_store_n(&r->hdr->tail, ++r->tail, __ATOMIC_RELEASE);
	/* seq_cst: tail is out before worker_sleeping is read; pairs with the worker's fence */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&r->hdr->worker_sleeping, __ATOMIC_RELAXED))
		vgpu_futex_wake(&r->hdr->tail, 1);
	return 0;
}

static bool depth_ok(struct tr_session *s, const struct waiter *w)
{
	uint64_t sub = __atomic_load_n(&s->queues[w->index].submitted, __ATOMIC_RELAXED);

	return sub - __atomic_load_n(&s->ring.timelines[w->index].completed, __ATOMIC_ACQUIRE) < TR_QUEUE_DEPTH_RING;
}

static int wait_depth(struct tr_session *s, uint32_t queue)
{
	struct vgp_timeline *t = &s->ring.timelines[queue];
	struct waiter w = { .ready = depth_ok, .word = &t->futex, .sleeping = &t->sleeping, .many = true, .index = queue };

	return likely(depth_ok(s, &w)) ? 0 : wait_for(s, &w, UINT64_MAX);
}

int tr_ring_submit(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len, uint64_t *seq, struct vgpu_err *err)
{
	struct tr_queue *q = &s->queues[cmd->queue];
	int rc = wait_depth(s, cmd->queue);

	if (rc)
		return vgpu_err_set(err, -rc, "the engine worker is gone");
	pthread_mutex_lock(&s->ring.lock);
	cmd->seq = q->submitted + 1;
	rc = post(s, cmd, in, in_len);
	if (rc == 0)
		/* release: who reads it may look for its completion */
		__atomic_store_n(&q->submitted, cmd->seq, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&s->ring.lock);
	if (rc)
		return vgpu_err_set(err, -rc, "the engine worker is gone");
	if (seq)
		*seq = cmd->seq;
	return 0;
}

/* ---- calls ---- */

static bool reply_there(struct tr_session *s, const struct waiter *w)
{
	/* acquire: the reply was written before done */
	return __atomic_load_n(w->word, __ATOMIC_ACQUIRE) == (uint32_t)w->value;
}

static unsigned take_slot(struct tr_ring *r)
{
	unsigned i;

	while (r->slots_used == UINT64_MAX)
		pthread_cond_wait(&r->slot_free, &r->lock);
	i = (unsigned)__builtin_ctzll(~r->slots_used);
	r->slots_used |= 1ull << i;
	return i;
}

static void give_slot(struct tr_ring *r, unsigned i)
{
	pthread_mutex_lock(&r->lock);
	r->slots_used &= ~(1ull << i);
	pthread_cond_signal(&r->slot_free);
	pthread_mutex_unlock(&r->lock);
}

static int take_reply(struct tr_session *s, const struct vgp_reply_slot *slot, uint64_t seq, struct vgp_reply *reply,
		      void *out, size_t cap, size_t *len)
{
	memcpy(reply, &slot->reply, sizeof(*reply));
	if (reply->seq != seq || reply->data_len > VGP_RING_REPLY_DATA || reply->status < 0)
		return tr_kill(s, VGPU_E_PROTOCOL);
	cap = MIN(cap, (size_t)reply->data_len);
	if (cap)
		memcpy(out, slot->data, cap);
	if (len)
		*len = cap;
	return 0;
}

int tr_ring_call(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len,
		 struct vgp_reply *reply, void *out, size_t cap, size_t *len, struct vgpu_err *err)
{
	struct tr_ring *r = &s->ring;
	struct waiter w = { .ready = reply_there };
	struct vgp_reply_slot *slot;
	unsigned i;
	int rc;

	pthread_mutex_lock(&r->lock);
	i = take_slot(r);
	slot = &r->replies[i];
	do {
		cmd->seq = ++s->next_call;
	} while ((uint32_t)cmd->seq == 0);
	cmd->reply_slot = (uint16_t)i;
	w.value = (uint32_t)cmd->seq;
	w.word = &slot->done;
	w.sleeping = &slot->sleeping;
	__atomic_store_n(&slot->done, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->sleeping, 0, __ATOMIC_RELAXED);
	rc = post(s, cmd, in, in_len);
	pthread_mutex_unlock(&r->lock);
	if (rc == 0)
		rc = wait_for(s, &w, UINT64_MAX);
	if (rc == 0)
		rc = take_reply(s, slot, cmd->seq, reply, out, cap, len);
	give_slot(r, i);
	return rc ? vgpu_err_set(err, -rc, "the engine worker is gone") : 0;
}

/* ---- timelines ---- */

static bool timeline_there(struct tr_session *s, const struct waiter *w)
{
	/* acquire: what the command did is visible when its seq is */
	return __atomic_load_n(&s->ring.timelines[w->index].completed, __ATOMIC_ACQUIRE) >= w->value ||
	       __atomic_load_n(&s->ring.contexts[w->ctx].status, __ATOMIC_ACQUIRE);
}

int tr_ring_wait(struct tr_session *s, uint32_t ctx, uint32_t queue, uint64_t value, uint64_t timeout_ns)
{
	struct vgp_timeline *t = &s->ring.timelines[queue];
	struct waiter w = { .ready = timeline_there, .word = &t->futex, .sleeping = &t->sleeping, .many = true,
			    .index = queue, .ctx = ctx, .value = value };
	int r = wait_for(s, &w, timeout_ns);
	uint32_t status = __atomic_load_n(&s->ring.contexts[ctx].status, __ATOMIC_ACQUIRE);

	return status ? -(int)MIN(status, (uint32_t)VGPU_STATUS_COUNT - 1) : r;
}
