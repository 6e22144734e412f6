#include "fs/request.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/inject.h"
#include "fs/node.h"
#include "src/base/assert.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"

/*
 * Any signal interrupts a caller that waits for FUSE, SIGCHLD too, and a
 * program that never saw EINTR from a local file system doesn't expect it. So
 * an answer that is under way gets this long to arrive before the wait ends.
 */
enum { INTERRUPT_GRACE_MS = 100 };

/* The wait has an end of its own; it lives until its timer has been closed. */
struct deadline {
	uv_timer_t timer;
	struct request *request; /* NULL: answered meanwhile */
	int error;               /* what the caller gets then */
};

static void free_if_done(struct request *request)
{
	if (request->answered && request->in_flight == 0)
		free(request);
}

/* The caller's locks are free from now on. */
static void unlock(struct request *request)
{
	struct fs *fs = request->fs;

	for (int i = 0; i < 2; i++) {
		if (!request->dirs[i])
			continue;
		ASSERT(request->dirs[i]->locked_dir > 0);
		request->dirs[i]->locked_dir--;
		node_drop(fs, request->dirs[i]);
	}
	if (request->inode) {
		ASSERT(request->inode->locked_inode > 0);
		request->inode->locked_inode--;
		node_drop(fs, request->inode);
	}
	if (request->dirs[0] || request->inode)
		inject_pump(fs);
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void end_deadline(struct request *request)
{
	if (!request->deadline)
		return;
	request->deadline->request = NULL;
	uv_close((uv_handle_t *)&request->deadline->timer, on_timer_closed);
	request->deadline = NULL;
}

/*
 * Every answer goes this way, and once: NULL if it has been given already, else
 * what to give libfuse its answer with, to be followed by end_answer.
 */
static fuse_req_t begin_answer(struct request *request)
{
	fuse_req_t fuse = request->fuse;

	if (request->answered)
		return NULL;
	request->answered = true;
	request->fuse = NULL;
	list_remove(&request->link);
	end_deadline(request);
	return fuse;
}

static void end_answer(struct request *request)
{
	unlock(request);
	free_if_done(request);
}

static void withdraw(struct request *request, int error)
{
	if (request->answered)
		return;
	request_hold(request);
	if (request->on_withdraw)
		request->on_withdraw(request, error);
	request_reply_error(request, error);
	request_drop(request);
}

static void on_deadline(uv_timer_t *timer)
{
	struct deadline *deadline = timer->data;

	if (deadline->request)
		withdraw(deadline->request, deadline->error);
}

/* The last one that is set holds. */
static void set_deadline(struct request *request, uint64_t ms, int error)
{
	struct deadline *deadline = request->deadline;

	if (!deadline) {
		deadline = request->deadline = mem_zalloc(sizeof(*deadline));
		deadline->request = request;
		/* These fail only for a closed handle or no callback. */
		(void)uv_timer_init(&request->fs->loop->uv, &deadline->timer);
		deadline->timer.data = deadline;
	}
	deadline->error = error;
	(void)uv_timer_start(&deadline->timer, on_deadline, ms, 0);
}

static void on_interrupt(fuse_req_t fuse, void *data)
{
	struct request *request = data;

	(void)fuse;
	if (request->answered || request->interrupted)
		return;
	request->interrupted = true;
	set_deadline(request, request->fs->session_live ? INTERRUPT_GRACE_MS : 0, EINTR);
}

struct request *request_begin(struct fs *fs, fuse_req_t fuse)
{
	struct request *request = mem_zalloc(sizeof(*request));

	request->fs = fs;
	request->fuse = fuse;
	request->begun_ms = loop_now_ms(fs->loop);
	list_append(&fs->requests, &request->link);
	/* on_interrupt may come from within. */
	fuse_req_interrupt_func(fuse, on_interrupt, request);
	return request;
}

void request_locks_dir(struct request *request, struct node *dir)
{
	struct node **free_slot = request->dirs[0] ? &request->dirs[1] : &request->dirs[0];

	ASSERT(!request->answered && !*free_slot);
	*free_slot = dir;
	dir->locked_dir++;
	node_hold(dir);
}

void request_locks_inode(struct request *request, struct node *node)
{
	ASSERT(!request->answered && !request->inode);
	request->inode = node;
	node->locked_inode++;
	node_hold(node);
}

void request_wait_at_most(struct request *request, uint64_t ms)
{
	if (!request->answered && !request->interrupted)
		set_deadline(request, ms, ETIMEDOUT);
}

void request_hold(struct request *request)
{
	request->in_flight++;
}

void request_drop(struct request *request)
{
	ASSERT(request->in_flight > 0);
	request->in_flight--;
	free_if_done(request);
}

/* ---- the server ---- */

struct submission {
	struct request *request;
	request_then_fn then;
	void *data;
	int32_t opcode;
};

int request_errno(const struct zk_reply *reply)
{
	switch (reply->outcome) {
	case ZK_OUTCOME_REPLIED:
	case ZK_OUTCOME_RESOLVED:
		return zk_code_errno(reply->code);
	case ZK_OUTCOME_TIMED_OUT:
	case ZK_OUTCOME_LATE:
		return ETIMEDOUT;
	case ZK_OUTCOME_UNKNOWN:
	case ZK_OUTCOME_EXPIRED:
	case ZK_OUTCOME_CLOSED:
		break;
	}
	return EIO;
}

static void on_reply(const struct zk_reply *reply, void *data)
{
	struct submission *submission = data;
	struct request *request = submission->request;

	if (reply->outcome == ZK_OUTCOME_LATE) {
		withdraw(request, ETIMEDOUT);
		return;
	}
	if (reply->outcome == ZK_OUTCOME_UNKNOWN)
		log_warn("fs", "outcome unknown: the connection was lost during a %s",
			 zk_opcode_name(submission->opcode));
	submission->then(request, reply, submission->data);
	free(submission);
	request_drop(request);
}

void request_submit(struct request *request, struct zk_request *zk_request, request_then_fn then,
		    void *data)
{
	struct zk_reply refused = {.outcome = ZK_OUTCOME_TIMED_OUT, .code = ZK_CONNECTIONLOSS};
	struct submission *submission = mem_alloc(sizeof(*submission));
	uint64_t id;
	int error;

	*submission = (struct submission){
		.request = request, .then = then, .data = data, .opcode = zk_request->opcode};
	request_hold(request);
	error = client_submit(request->fs->client, zk_request, on_reply, submission, &id);
	if (!error)
		return;
	request_reply_error(request, -error);
	then(request, &refused, data);
	free(submission);
	request_drop(request);
}

/*
 * ---- answers ----
 *
 * libfuse's reply functions fail (ENOENT) where the caller is gone. Nobody is
 * left to be told then, so it matters only where a reference or a handle would
 * have gone with the answer.
 */

void request_reply_error(struct request *request, int error)
{
	fuse_req_t fuse = begin_answer(request);

	if (!fuse)
		return;
	(void)fuse_reply_err(fuse, error);
	end_answer(request);
}

/* The kernel gets a reference. */
static void take(struct fs *fs, struct node *node)
{
	if (node->lookup_count++ == 0)
		znode_held(fs, node->znode);
}

/* A node that nobody took a reference to goes. */
static void untake(struct fs *fs, struct node *node, bool taken)
{
	node_forget(fs, node, node_is_root(node) || taken ? 0 : 1);
}

/*
 * What stands in a mode directory is there for who made it alone: the next one
 * who names it makes another, or is told that it is there. And what has an
 * earlier thing of its name before it that the notifier is still to delete
 * must not be deleted in its stead: the notifier has to ask what it deletes.
 */
static void fill_entry(struct request *request, struct node *node,
		       struct fuse_entry_param *ret_entry)
{
	const struct node *dir = request->dirs[0];

	node_entry(request->fs, node, ret_entry);
	if (dir && (dir->kind == NODE_MODE || inject_is_behind(request->fs, dir)))
		ret_entry->entry_timeout = 0;
}

void request_reply_entry(struct request *request, struct node *node)
{
	struct fs *fs = request->fs;
	fuse_req_t fuse = begin_answer(request);
	struct fuse_entry_param entry;

	if (!fuse) {
		node_forget(fs, node, 0);
		return;
	}
	fill_entry(request, node, &entry);
	take(fs, node);
	untake(fs, node, fuse_reply_entry(fuse, &entry) == 0);
	end_answer(request);
}

bool request_reply_create(struct request *request, struct node *node, struct fuse_file_info *fi)
{
	struct fs *fs = request->fs;
	fuse_req_t fuse = begin_answer(request);
	struct fuse_entry_param entry;
	bool taken;

	if (!fuse) {
		node_forget(fs, node, 0);
		return false;
	}
	fill_entry(request, node, &entry);
	take(fs, node);
	taken = fuse_reply_create(fuse, &entry, fi) == 0;
	untake(fs, node, taken);
	end_answer(request);
	return taken;
}

bool request_reply_open(struct request *request, struct fuse_file_info *fi)
{
	fuse_req_t fuse = begin_answer(request);
	bool taken;

	if (!fuse)
		return false;
	taken = fuse_reply_open(fuse, fi) == 0;
	end_answer(request);
	return taken;
}

void request_reply_attr(struct request *request, struct node *node)
{
	fuse_req_t fuse = begin_answer(request);
	struct stat stat;

	if (!fuse)
		return;
	node_stat(request->fs, node, &stat);
	(void)fuse_reply_attr(fuse, &stat, node_cache_timeout(request->fs, node));
	end_answer(request);
}

void request_reply_write(struct request *request, size_t size)
{
	fuse_req_t fuse = begin_answer(request);

	if (!fuse)
		return;
	(void)fuse_reply_write(fuse, size);
	end_answer(request);
}

void request_reply_data(struct request *request, const void *data, size_t size)
{
	fuse_req_t fuse = begin_answer(request);

	if (!fuse)
		return;
	(void)fuse_reply_buf(fuse, data, size);
	end_answer(request);
}

void request_reply_xattr_size(struct request *request, size_t size)
{
	fuse_req_t fuse = begin_answer(request);

	if (!fuse)
		return;
	(void)fuse_reply_xattr(fuse, size);
	end_answer(request);
}

void request_reply_statfs(struct request *request, const struct statvfs *statfs)
{
	fuse_req_t fuse = begin_answer(request);

	if (!fuse)
		return;
	(void)fuse_reply_statfs(fuse, statfs);
	end_answer(request);
}

void request_reply_offset(struct request *request, off_t offset)
{
	fuse_req_t fuse = begin_answer(request);

	if (!fuse)
		return;
	(void)fuse_reply_lseek(fuse, offset);
	end_answer(request);
}

void request_fail_all(struct fs *fs, int error)
{
	for (struct list *at; (at = list_first(&fs->requests));)
		withdraw(list_item(at, struct request, link), error);
}
