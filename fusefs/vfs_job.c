/* vfs_job.c: the helper thread's queue; see vfs.h. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fusefs/vfs.h"

static void append(struct vfs_job **first, struct vfs_job **last, struct vfs_job *j)
{
	j->next = NULL;
	if (*first)
		(*last)->next = j;
	else
		*first = j;
	*last = j;
}

static void *helper(void *arg)
{
	struct vfs *v = arg;
	struct vfs_jobs *q = &v->jobs;

	pthread_mutex_lock(&q->lock);
	for (;;) {
		struct vfs_job *j = q->todo;
		uint64_t one = 1;

		if (q->stop)
			break;
		if (!j) {
			pthread_cond_wait(&q->more, &q->lock);
			continue;
		}
		q->todo = j->next;
		pthread_mutex_unlock(&q->lock);
		j->work(v, j);
		pthread_mutex_lock(&q->lock);
		append(&q->finished, &q->finished_last, j);
		if (write(v->jobs_watch.fd, &one, sizeof(one)) < 0)
			continue; /* only a full counter: then it is readable anyway */
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static void on_done(struct vfs *v, struct vfs_watch *w, uint32_t events)
{
	struct vfs_job *j;
	uint64_t n;

	if (read(w->fd, &n, sizeof(n)) != sizeof(n))
		return;
	pthread_mutex_lock(&v->jobs.lock);
	j = v->jobs.finished;
	v->jobs.finished = NULL;
	pthread_mutex_unlock(&v->jobs.lock);
	while (j) {
		struct vfs_job *next = j->next;

		j->done(v, j);
		j = next;
	}
}

int vfs_jobs_start(struct vfs *v, struct vgpu_err *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0 || vfs_watch_add(v, &v->jobs_watch, fd, EPOLLIN, on_done) < 0)
		return vgpu_err_errno(err, "eventfd");
	pthread_mutex_init(&v->jobs.lock, NULL);
	pthread_cond_init(&v->jobs.more, NULL);
	errno = pthread_create(&v->jobs.thread, NULL, helper, v);
	return errno ? vgpu_err_errno(err, "helper thread") : 0;
}

/* What is still to be done has nobody left who waits for it. */
void vfs_jobs_stop(struct vfs *v)
{
	pthread_mutex_lock(&v->jobs.lock);
	v->jobs.stop = true;
	pthread_cond_signal(&v->jobs.more);
	pthread_mutex_unlock(&v->jobs.lock);
	pthread_join(v->jobs.thread, NULL);
}

void vfs_job_add(struct vfs *v, struct vfs_job *j)
{
	pthread_mutex_lock(&v->jobs.lock);
	append(&v->jobs.todo, &v->jobs.todo_last, j);
	pthread_cond_signal(&v->jobs.more);
	pthread_mutex_unlock(&v->jobs.lock);
}
