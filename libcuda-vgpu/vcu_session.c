/*
 * vcu_session.c: the session is opened by the first context and stays until
 * the library goes. If the worker dies, its contexts are lost for good (each
 * call in them says so); when all of them have been destroyed or reset, the next context
 * gets a new worker.
 */
#include <pthread.h>
#include <stddef.h>

#include "libcuda-vgpu/vcu.h"
#include "libcuda-vgpu/vcu_process.h"
#include "libcuda-vgpu/vcu_session.h"

static pthread_mutex_t session_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tr_session *session;  /* atomic */
static struct tr_node node;
static unsigned contexts;           /* that live in it */

void vcu_session_set_node(const struct tr_node *n)
{
	node = *n;
}

struct tr_session *vcu_session(void)
{
	return __atomic_load_n(&session, __ATOMIC_ACQUIRE);
}

int vcu_session_need(struct vgpu_err *err)
{
	struct tr_session *s = NULL;
	int r = 0;

	pthread_mutex_lock(&session_lock);
	if (session && !contexts && tr_dead(session)) {
		tr_close(session);
		__atomic_store_n(&session, NULL, __ATOMIC_RELEASE);
	}
	if (!session) {
		r = tr_open(&s, &node, 0, err);
		if (!r)
			__atomic_store_n(&session, s, __ATOMIC_RELEASE);
	}
	if (!r)
		contexts++;
	pthread_mutex_unlock(&session_lock);
	return r;
}

void vcu_session_admit(const struct vgpu_device *d)
{
	tr_admit(&node, d);
}

void vcu_session_release(void)
{
	pthread_mutex_lock(&session_lock);
	contexts--;
	pthread_mutex_unlock(&session_lock);
}

void vcu_session_close(void)
{
	if (session)
		tr_close(session);
	session = NULL;
	contexts = 0;
}

void vcu_session_abandon(void)
{
	if (session)
		tr_abandon(session);
	session = NULL;
}

CUresult vcu_call(struct vgp_cmd *cmd, const void *in, size_t in_len, struct vgp_reply *reply)
{
	struct tr_session *s = vcu_session();
	struct vgp_reply local;
	size_t out_len;

	if (!s)
		return CUDA_ERROR_INVALID_CONTEXT;
	return vcu_result(tr_call(s, cmd, in, in_len, reply ? reply : &local, NULL, 0, &out_len, NULL));
}

CUresult vcu_result(int status)
{
	return status ? (CUresult)vgpu_status_to_cuda(status < 0 ? -status : status) : CUDA_SUCCESS;
}
