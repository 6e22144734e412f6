#include "fs/inval.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "src/base/assert.h"
#include "src/base/list.h"
#include "src/base/mem.h"

/*
 * What waits for the kernel is bounded by what the kernel can hold of us: an
 * entry that is queued already is not queued again by its callers more often
 * than events arrive. Beyond the maximum nothing is lost but time: the lifetimes
 * that the kernel was given end by themselves (node_cache_timeout).
 */
enum { INVAL_COUNT_MAX = 200000 };

struct job {
	struct list link;
	uint64_t nodeid;
	char *shown; /* NULL: the inode itself */
};

struct inval {
	struct fuse_session *fuse;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct list inodes;
	struct list entries;
	size_t count;
	bool stopping;
};

static void job_free(struct job *job)
{
	list_remove(&job->link);
	free(job->shown);
	free(job);
}

static void perform(struct inval *inval, const struct job *job)
{
	/*
	 * The results say whether the kernel held such a thing. offset -1: the
	 * attributes only; there are no pages, for files are FOPEN_DIRECT_IO.
	 */
	if (job->shown)
		(void)fuse_lowlevel_notify_inval_entry(inval->fuse, job->nodeid, job->shown,
						       strlen(job->shown));
	else
		(void)fuse_lowlevel_notify_inval_inode(inval->fuse, job->nodeid, -1, 0);
}

/* Inodes first: they take no lock and so delay nobody. */
static struct job *next_job(struct inval *inval)
{
	struct list *link = list_first(&inval->inodes);

	if (!link)
		link = list_first(&inval->entries);
	if (!link)
		return NULL;
	list_remove(link);
	inval->count--;
	return list_item(link, struct job, link);
}

static void *run(void *data)
{
	struct inval *inval = data;

	pthread_mutex_lock(&inval->mutex);
	while (!inval->stopping) {
		struct job *job = next_job(inval);

		if (!job) {
			pthread_cond_wait(&inval->changed, &inval->mutex);
			continue;
		}
		pthread_mutex_unlock(&inval->mutex);
		perform(inval, job);
		job_free(job);
		pthread_mutex_lock(&inval->mutex);
	}
	pthread_mutex_unlock(&inval->mutex);
	return NULL;
}

struct inval *inval_new(struct fs *fs)
{
	struct inval *inval = mem_zalloc(sizeof(*inval));

	inval->fuse = fs->fuse;
	list_init(&inval->inodes);
	list_init(&inval->entries);
	pthread_mutex_init(&inval->mutex, NULL);
	pthread_cond_init(&inval->changed, NULL);
	ASSERT(pthread_create(&inval->thread, NULL, run, inval) == 0);
	return inval;
}

void inval_free(struct inval *inval)
{
	struct job *job;

	if (!inval)
		return;
	pthread_mutex_lock(&inval->mutex);
	inval->stopping = true;
	pthread_cond_signal(&inval->changed);
	pthread_mutex_unlock(&inval->mutex);
	pthread_join(inval->thread, NULL);
	while ((job = next_job(inval)))
		job_free(job);
	pthread_cond_destroy(&inval->changed);
	pthread_mutex_destroy(&inval->mutex);
	free(inval);
}

static void queue(struct inval *inval, struct list *jobs, uint64_t nodeid, const char *shown)
{
	struct job *job;

	pthread_mutex_lock(&inval->mutex);
	if (inval->count < INVAL_COUNT_MAX) {
		job = mem_zalloc(sizeof(*job));
		list_init(&job->link);
		job->nodeid = nodeid;
		job->shown = shown ? mem_strdup(shown) : NULL;
		list_append(jobs, &job->link);
		inval->count++;
		pthread_cond_signal(&inval->changed);
	}
	pthread_mutex_unlock(&inval->mutex);
}

void inval_inode(struct fs *fs, uint64_t nodeid)
{
	if (fs->inval)
		queue(fs->inval, &fs->inval->inodes, nodeid, NULL);
}

void inval_entry(struct fs *fs, uint64_t parent_nodeid, const char *shown)
{
	if (fs->inval)
		queue(fs->inval, &fs->inval->entries, parent_nodeid, shown);
}
