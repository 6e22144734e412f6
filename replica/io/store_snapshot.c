/*
 * A thread for each snapshot goes over the tree's database in one read
 * transaction, which sees what the database was when it began, and encodes what
 * it reads. It is ahead of who takes the pieces by two of them at most:
 *
 *	filling		the thread's, until it is full
 *	ready		one that waits to be taken
 *	taken		the loop thread's, until it asks for the next
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "replica/io/store_tree.h"
#include "replica/io/store_work.h"
#include "replica/tree/snapshot.h"
#include "src/base/mem.h"

enum {
	PIECE_SIZE = 1 << 20,
	/* A full piece, and a node: what came in one transaction, and its Stat. */
	BUF_SIZE_MAX = 2 * PIECE_SIZE + STORE_TXN_SIZE_MAX,
	/* SQLite's instructions between two looks at whether it was cancelled. */
	PROGRESS_COUNT = 10000,
};

struct store_snapshot {
	struct store *store;
	struct store_tree_db tree;
	pthread_t thread;

	/* the thread's */
	struct snapshot_writer writer;
	struct buf filling;
	bool has_acls; /* they were written */

	/* the loop thread's */
	struct buf taken;

	pthread_mutex_t mutex;
	pthread_cond_t wake; /* the thread waits for room */
	/* under the mutex */
	struct buf ready;
	bool is_ready;
	bool is_cancelled;
	bool is_over;
	int error;
	struct store_refusal refusal;
};

static void lock(struct store_snapshot *snapshot)
{
	ASSERT(pthread_mutex_lock(&snapshot->mutex) == 0);
}

static void unlock(struct store_snapshot *snapshot)
{
	ASSERT(pthread_mutex_unlock(&snapshot->mutex) == 0);
}

static void swap(struct buf *a, struct buf *b)
{
	struct buf of_a = *a;

	*a = *b;
	*b = of_a;
}

/* ---- the thread ---- */

/* Wait until the piece before was taken. -ECANCELED if nobody will. */
static int put_piece(struct store_snapshot *snapshot)
{
	int error = 0;

	ASSERT(!snapshot->filling.error);
	lock(snapshot);
	while (snapshot->is_ready && !snapshot->is_cancelled)
		ASSERT(pthread_cond_wait(&snapshot->wake, &snapshot->mutex) == 0);
	if (snapshot->is_cancelled) {
		error = -ECANCELED;
	} else {
		swap(&snapshot->ready, &snapshot->filling);
		snapshot->is_ready = true;
	}
	unlock(snapshot);
	buf_reset(&snapshot->filling);
	if (!error)
		snapshot->store->events.notify(snapshot->store->data);
	return error;
}

static int put_if_full(struct store_snapshot *snapshot)
{
	return snapshot->filling.size >= PIECE_SIZE ? put_piece(snapshot) : 0;
}

static int write_session(session_id_t id, int32_t timeout_ms, void *data)
{
	struct store_snapshot *snapshot = data;

	snapshot_writer_session(&snapshot->writer, &snapshot->filling, id, timeout_ms);
	return put_if_full(snapshot);
}

/* Behind the last session. */
static int write_acls(struct store_snapshot *snapshot)
{
	int error = 0;

	if (snapshot->has_acls)
		return 0;
	snapshot->has_acls = true;
	while (!error && snapshot_writer_acls(&snapshot->writer, &snapshot->filling))
		error = put_if_full(snapshot);
	return error;
}

static int write_row(const struct tree_row *row, void *data)
{
	struct store_snapshot *snapshot = data;
	int error = write_acls(snapshot);

	if (error)
		return error;
	snapshot_writer_row(&snapshot->writer, &snapshot->filling, row);
	return put_if_full(snapshot);
}

/* What was read is what had been written: only now is the stream good. */
static int write_end(zxid_t zxid, uint64_t digest, struct store_refusal *refusal, void *data)
{
	struct store_snapshot *snapshot = data;
	int error = write_acls(snapshot);

	if (error)
		return error;
	snapshot_writer_end(&snapshot->writer, &snapshot->filling);
	return put_piece(snapshot);
}

static int note_acls(struct store_snapshot *snapshot, struct store_refusal *ret_refusal)
{
	struct store_db *db = &snapshot->tree.db;
	sqlite3_stmt *statement;
	struct zk_acls acls;
	int error;
	int code;

	error = store_db_prepare(db, "select distinct acl from znode", &statement, ret_refusal);
	if (error)
		return error;
	while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		if (store_split_acl(store_column_bytes(statement, 0), &acls))
			snapshot_writer_note_acls(&snapshot->writer, &acls);
		else
			error = store_db_damaged(db, ret_refusal, "an ACL is");
	}
	if (!error && code != SQLITE_DONE)
		error = store_db_refuse(db, ret_refusal);
	(void)sqlite3_finalize(statement);
	return error;
}

static int write_stream(struct store_snapshot *snapshot, struct store_refusal *ret_refusal)
{
	static const struct store_loader loader = {
		.row = write_row, .session = write_session, .tree_done = write_end};
	int64_t session_count;
	int error;

	error = note_acls(snapshot, ret_refusal);
	if (!error)
		error = store_db_query_number(&snapshot->tree.db, "select count(*) from session",
					      &session_count, ret_refusal);
	if (error)
		return error;
	snapshot_writer_begin(&snapshot->writer, &snapshot->filling, (int32_t)session_count);
	return store_tree_load(&snapshot->tree, &loader, snapshot, ret_refusal);
}

/* Other than 0 interrupts a statement. */
static int look_for_cancel(void *data)
{
	struct store_snapshot *snapshot = data;
	int is_cancelled;

	lock(snapshot);
	is_cancelled = snapshot->is_cancelled;
	unlock(snapshot);
	return is_cancelled;
}

static void *run(void *data)
{
	struct store_snapshot *snapshot = data;
	struct store_refusal refusal = {0};
	int error;

	sqlite3_progress_handler(snapshot->tree.db.sqlite, PROGRESS_COUNT, look_for_cancel,
				 snapshot);
	error = write_stream(snapshot, &refusal);

	lock(snapshot);
	snapshot->is_over = true;
	snapshot->error = error;
	snapshot->refusal = refusal;
	unlock(snapshot);
	snapshot->store->events.notify(snapshot->store->data);
	return NULL;
}

/* ---- the loop thread ---- */

/* Signals are the loop thread's. */
static int start_thread(struct store_snapshot *snapshot, struct store_refusal *ret_refusal)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	error = pthread_create(&snapshot->thread, NULL, run, snapshot);
	ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	if (error)
		return store_refuse(ret_refusal, -error, "no thread to read %s: %s",
				    snapshot->tree.db.path, strerror(error));
	return 0;
}

static void release(struct store_snapshot *snapshot)
{
	store_tree_close(&snapshot->tree);
	snapshot_writer_release(&snapshot->writer);
	buf_release(&snapshot->filling);
	buf_release(&snapshot->ready);
	buf_release(&snapshot->taken);
	ASSERT(pthread_cond_destroy(&snapshot->wake) == 0);
	ASSERT(pthread_mutex_destroy(&snapshot->mutex) == 0);
	free(snapshot);
}

static struct store_snapshot *new_snapshot(struct store *store)
{
	struct store_snapshot *snapshot = mem_zalloc(sizeof(*snapshot));

	snapshot->store = store;
	snapshot_writer_init(&snapshot->writer);
	buf_init(&snapshot->filling, BUF_SIZE_MAX);
	buf_init(&snapshot->ready, BUF_SIZE_MAX);
	buf_init(&snapshot->taken, BUF_SIZE_MAX);
	ASSERT(pthread_cond_init(&snapshot->wake, NULL) == 0);
	ASSERT(pthread_mutex_init(&snapshot->mutex, NULL) == 0);
	return snapshot;
}

int store_open_snapshot(struct store *store, zxid_t *ret_zxid, struct store_snapshot **ret_snapshot,
			struct store_refusal *ret_refusal)
{
	struct store_snapshot *snapshot = new_snapshot(store);
	int error;

	ASSERT(store->is_loaded);
	error = store_tree_open_to_read(&snapshot->tree, &store->dir, store->state.generation,
					ret_refusal);
	if (!error)
		error = start_thread(snapshot, ret_refusal);
	if (error) {
		release(snapshot);
		return error;
	}
	store->snapshot_count++;
	*ret_zxid = snapshot->tree.head.zxid;
	*ret_snapshot = snapshot;
	return 0;
}

int store_snapshot_read(struct store_snapshot *snapshot, struct bytes *ret_piece,
			struct store_refusal *ret_refusal)
{
	int result = STORE_SNAPSHOT_WAIT;

	lock(snapshot);
	if (snapshot->is_ready) {
		swap(&snapshot->ready, &snapshot->taken);
		snapshot->is_ready = false;
		ASSERT(pthread_cond_signal(&snapshot->wake) == 0);
		result = STORE_SNAPSHOT_PIECE;
	} else if (snapshot->is_over) {
		result = snapshot->error ? snapshot->error : STORE_SNAPSHOT_END;
		if (snapshot->error)
			*ret_refusal = snapshot->refusal;
	}
	unlock(snapshot);
	if (result == STORE_SNAPSHOT_PIECE)
		*ret_piece = buf_bytes(&snapshot->taken);
	return result;
}

void store_close_snapshot(struct store_snapshot *snapshot)
{
	if (!snapshot)
		return;
	lock(snapshot);
	snapshot->is_cancelled = true;
	ASSERT(pthread_cond_signal(&snapshot->wake) == 0);
	unlock(snapshot);
	ASSERT(pthread_join(snapshot->thread, NULL) == 0);
	snapshot->store->snapshot_count--;
	release(snapshot);
}
