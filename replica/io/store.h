#ifndef IO_STORE_H
#define IO_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/tree/tree.h"
#include "src/base/bytes.h"
#include "src/zk/zxid.h"

/*
 * What a replica keeps on disk, in SQLite databases below dataDir/zkfs-1 (logs
 * below dataLogDir/zkfs-1 where that is another directory):
 *
 *	state.db			epochs, myid, and the generation that is valid
 *	tree.<generation>.db		znodes and sessions at one exact zxid
 *	log.<generation>.<zxid>.db	transactions from that zxid (16 hex digits) on
 *
 * All are readable with the sqlite3 shell while the replica runs.
 *
 * Two workers, each with databases of its own, do what waits for the disk. The
 * log worker appends transactions, as many as are waiting in one commit, and
 * switches state.db. The tree worker writes the tree behind the log, prepares
 * the next log segment, and unlinks segments that lie wholly below the tree.
 * The thread that opened the store (the loop thread) makes every call here, and
 * gets every event, but notify, from store_poll.
 *
 *	store_open(&options, &events, node, &store, &refusal)
 *	store_load(store, &loader, node, &refusal)
 *	store_start(store)
 *	...
 *	store_append(store, zxid, txn, committed)	-> log_durable(zxid)
 *	writeout = store_writeout_new(zxid, digest)
 *	tree_take_changes(tree, store_writeout_add, writeout)
 *	store_write_tree(store, writeout)		-> tree_durable(zxid)
 *	...
 *	store_close(store)
 *
 * A replica of an ensemble also drops the end of its log (store_truncate), takes
 * over another's tree as a new generation (store_begin_generation), and gives
 * its own to others (store_open_snapshot).
 *
 * Invariants:
 *  1. log_durable(z) is reported after everything up to z was synced, and once only for each z
 *     (of a generation, and if no truncation comes between)
 *  2. tree <= logged; a segment is unlinked only when its successor begins at or below tree + 1
 *  3. after failed() nothing is reported any more, and nothing more is written
 *  4. what was reported durable is there after any crash, or the next open or load is refused
 *
 * What 4 leaves out, because no disk tells: damage to the very last commit
 * before a crash looks like a commit that the crash tore. After store_close it
 * is told apart, too.
 */
struct store;

/* One sentence for the operator: what is wrong, with the name of the file. */
struct store_refusal {
	char text[512];
};

enum { STORE_FORMAT = 1 };

enum {
	/* Payload after which a new log segment begins. */
	STORE_SEGMENT_SIZE = 64 << 20,
	/* As much of it goes into one commit, if one transaction is not larger. */
	STORE_BATCH_SIZE_MAX = 4 << 20,
	/* Transactions that wait for the log worker; store_append refuses beyond it. */
	STORE_QUEUE_SIZE_MAX = 256 << 20,
	/* The largest transaction. */
	STORE_TXN_SIZE_MAX = 64 << 20,
	/* Write-outs that wait for the tree worker. */
	STORE_WRITEOUTS_MAX = 64,
	/* How far the tree may lag behind the log before intake has to slow. */
	STORE_LAG_SIZE_MAX = 64 << 20,
	STORE_LAG_COUNT_MAX = 200000,
	/* Staged rows that wait for the tree worker at which no more should come. */
	STORE_STAGE_SIZE_MAX = 8 << 20,
};

enum { STORE_MYID_NONE = -1 };

struct store_options {
	const char *data_dir; /* made if it isn't there; its parent must be */
	const char *log_dir;  /* NULL: data_dir */
	int64_t myid;         /* STORE_MYID_NONE for a standalone: compared with nothing */
	size_t segment_size;  /* 0: STORE_SEGMENT_SIZE */
	const char *vfs;      /* the SQLite VFS, for tests; NULL for the system's */
	bool gathers;         /* commits may wait: store_gather_due_us */
};

struct store_events {
	/* Called on a worker's thread when store_poll has something to tell. Must not block. */
	void (*notify)(void *data);
	/* Every transaction up to zxid is durable. */
	void (*log_durable)(zxid_t zxid, void *data);
	/*
	 * Once for each store_set_epochs and store_install_generation: it, and all that was
	 * appended before, is durable.
	 */
	void (*epochs_durable)(void *data);
	/* Once for each store_truncate, which is durable. */
	void (*truncated)(void *data);
	/* The tree on disk is that of zxid. */
	void (*tree_durable)(zxid_t zxid, void *data);
	/* Something could not be written. The process has to end: say the sentence and exit. */
	void (*failed)(const char *sentence, void *data);
};

/* What is durable, as far as store_poll has told. */
struct store_state {
	int64_t myid;
	int64_t accepted_epoch;
	int64_t current_epoch;
	uint32_t generation;
	zxid_t base_zxid; /* the generation's log begins behind it */
	zxid_t tree_zxid;
	uint64_t tree_digest;
	zxid_t logged_zxid; /* base_zxid while the log is empty */
	/*
	 * At load: known to be committed then, a lower bound; not below tree_zxid, not above
	 * logged_zxid. Not kept up to date afterwards.
	 */
	zxid_t committed_zxid;
	/*
	 * At load: it holds no transaction, and never acknowledged a NEWLEADER. So it does not
	 * know what an ensemble that it belongs to may have committed, and must not vote as if
	 * that were nothing (lessons R18). An accepted epoch alone does not change that: it is
	 * promised before anything is synchronized. Not kept up to date afterwards.
	 */
	bool is_empty;
};

/*
 * Lock the directories, and open or create what is in them. On failure a
 * negative errno and the sentence: -EBUSY (another process serves the
 * directory), -EBADMSG (damaged), -ENOTSUP (of a newer format), -EINVAL (another
 * myid), or what the system said. The program says the sentence and exits with
 * status 2. events and strings of options are copied.
 */
int store_open(const struct store_options *options, const struct store_events *events, void *data,
	       struct store **ret_store, struct store_refusal *ret_refusal);

/*
 * Read everything, once, before store_start: the sessions, the tree's rows
 * (parents before children), then tree_done once, then the log's transactions
 * above the tree's zxid in zxid order. A transaction up to the committed zxid
 * has committed set; a standalone takes the others as committed, too. A new
 * store has no row and no transaction: its tree is that of tree_new.
 *
 * A callback returns 0 or a negative errno, which ends the load. What tree_done
 * and txn return is passed on with the sentence that they wrote: tree_done
 * compares digest with what the rows gave. Spans are valid during the call.
 *
 * history, if it is not NULL, gets what the log still has at or below the tree's
 * zxid, before what is above it, oldest first and without a gap: the last
 * history_size_max bytes at most.
 *
 * Otherwise as store_open.
 */
struct store_loader {
	void (*begin)(size_t row_count, void *data); /* of the tree; may be NULL */
	int (*row)(const struct tree_row *row, void *data);
	int (*session)(session_id_t id, int32_t timeout_ms, void *data);
	int (*tree_done)(zxid_t zxid, uint64_t digest, struct store_refusal *refusal, void *data);
	int (*txn)(zxid_t zxid, struct bytes txn, bool committed, struct store_refusal *refusal,
		   void *data);
	int (*history)(zxid_t zxid, struct bytes txn, struct store_refusal *refusal, void *data);
	size_t history_size_max;
};
int store_load(struct store *store, const struct store_loader *loader, void *data,
	       struct store_refusal *ret_refusal);

/*
 * Read it all again, as store_load did, with what is known to be committed by
 * what is stored: for who gave the tree in memory up for one that was staged,
 * which was then aborted. store_is_idle must hold. It takes as long as a load,
 * on this thread.
 */
int store_reload(struct store *store, const struct store_loader *loader, void *data,
		 struct store_refusal *ret_refusal);

/*
 * Whether nothing is in hand, nothing is left to be told or removed, and no
 * generation is staged. notify comes when it may have become so.
 */
bool store_is_idle(struct store *store);

/* Begin to work in threads. Without it, store_step works on the caller's. */
void store_start(struct store *store);

/*
 * The simulator's and the tests' drive: do one thing that a worker has to do
 * (one commit of the log; one write-out, segment prepared or unlinked), on this
 * thread. False if there was nothing. Not after store_start.
 */
enum store_worker { STORE_LOG_WORKER, STORE_TREE_WORKER };
bool store_step(struct store *store, enum store_worker worker);

/* Report what the workers have done since the last call, by the events. */
void store_poll(struct store *store);

/*
 * Finish what was appended and handed over, and report nothing more; then
 * release everything. After a failure nothing is finished. A generation that is
 * staged and not being installed is aborted; snapshots must be closed. Takes
 * NULL, and a store that was not loaded or started.
 */
void store_close(struct store *store);

const struct store_state *store_state(const struct store *store);

/* ---- the log ---- */

/*
 * Queue a transaction, whose bytes are copied; zxid must be greater than every
 * one before. committed is the highest zxid known to be committed now: it is
 * stored with the row as a lower bound (what exceeds the row is cut). 0, or
 * -ENOBUFS if STORE_QUEUE_SIZE_MAX would be passed: who looks at
 * store_queue_size before it takes more in never sees it. -EMSGSIZE beyond
 * STORE_TXN_SIZE_MAX.
 */
int store_append(struct store *store, zxid_t zxid, struct bytes txn, zxid_t committed);

/*
 * Between the two calls the log worker is not woken: what is appended in one
 * turn of a loop goes in one commit, instead of the first transaction alone and
 * then the rest. They don't nest. The worker may take some of it all the same.
 *
 * After store_uncork a commit may still wait for more (gather.h), if options say
 * so: store_gather_due_us is the time of CLOCK_MONOTONIC, in microseconds, at
 * which the caller has to cork and uncork once more, or INT64_MAX. So it has to
 * after a store_poll.
 *
 * store_commit is a store_uncork that may make what was appended durable at once,
 * on this thread: if that is count_max transactions at most, the log worker has
 * nothing to do, and the disk has been quick. It saves two switches of threads,
 * and holds the caller up for a commit. True: store_poll has that to tell, of
 * which notify says nothing.
 */
void store_cork(struct store *store);
void store_uncork(struct store *store);
bool store_commit(struct store *store, size_t count_max);
int64_t store_gather_due_us(const struct store *store);

/* Bytes that are appended and not yet durable. */
size_t store_queue_size(struct store *store);

/* Make both epochs durable, after everything that was appended before. -> epochs_durable */
void store_set_epochs(struct store *store, int64_t accepted_epoch, int64_t current_epoch);

/*
 * Drop the log above zxid, which must be a transaction of the log or where it
 * begins, and not below a tree that was written or handed over. It comes behind
 * all that was appended before; what is appended afterwards follows zxid. A
 * crash leaves the whole of the old log, or of the new one. -> truncated
 */
void store_truncate(struct store *store, zxid_t zxid);

/* ---- the tree ---- */

/*
 * The log beyond the tree's zxid. At or above a maximum, take no new transactions
 * in; before, fewer (pace.h).
 */
struct store_lag {
	uint64_t count;
	uint64_t size;
};
struct store_lag store_lag(const struct store *store);

/*
 * The changes that lead from the tree on disk to the one at zxid. Data is
 * shared by reference, the rest is copied. All on the loop thread.
 */
struct store_writeout;
struct store_writeout *store_writeout_new(zxid_t zxid, uint64_t digest);
void store_writeout_free(struct store_writeout *writeout);

/* A tree_change_fn; later changes of a path or session override earlier ones. */
void store_writeout_add(void *writeout, const struct tree_change *change);

/*
 * Whether some that were handed over are not durable yet; whether another may be:
 * never while a generation is staged.
 */
bool store_is_writing_tree(const struct store *store);
bool store_can_write_tree(const struct store *store);

/*
 * Hand it to the tree worker, which writes it in one transaction, behind those
 * before; the store owns it from now on. store_can_write_tree must hold; zxid
 * must be durable in the log, and not below that of the one before.
 * -> tree_durable, for each
 */
void store_write_tree(struct store *store, struct store_writeout *writeout);

/* ---- generations ---- */

/*
 * Take over the tree of another replica, and what follows it, without touching
 * the own before it is whole:
 *
 *	store_begin_generation(store, base_zxid)
 *	store_stage_session, store_stage_row	while store_can_stage
 *	store_append				-> log_durable, of the staged log
 *	store_install_generation(...)		-> epochs_durable
 *
 * or store_abort_generation at any place before the last. The staged
 * generation's log begins behind base_zxid, the zxid of its tree. From the begin
 * on, whatever is appended goes there; store_set_epochs is still about the valid
 * one, as is store_state, and no tree can be written. A crash leaves the valid
 * generation as it was, or the new one as a whole (lessons R9, R12); what is left
 * of the other is removed at the next load.
 *
 * There can be one at a time. One can be begun right after another was aborted.
 */
void store_begin_generation(struct store *store, zxid_t base_zxid);

/* Copies. A row or session that comes again replaces the one before; any order of rows is good. */
void store_stage_row(struct store *store, const struct tree_row *row);
void store_stage_session(struct store *store, session_id_t id, int32_t timeout_ms);

/* Whether less than STORE_STAGE_SIZE_MAX waits. notify comes when there is more room. */
bool store_can_stage(struct store *store);

/*
 * Make durable all that is staged, its log included, and then, in one commit,
 * valid, with both epochs; the old generation is removed behind that. digest is
 * the tree's. After the call, appends go on in that log; nothing else of this
 * part may be called before it is told. -> epochs_durable; store_state is then
 * about the new generation
 */
void store_install_generation(struct store *store, uint64_t digest, int64_t accepted_epoch,
			      int64_t current_epoch);

/* The old generation goes on; nothing of the staged log is told any more. */
void store_abort_generation(struct store *store);

/* ---- snapshots for others ---- */

/*
 * The tree that is on disk, in the encoding that follows SNAP
 * (replica/tree/snapshot.h), at exactly the zxid that is given: not below
 * store_state's, and durable. A thread of its own reads it, in pieces of about
 * 1 MiB and two ahead at most, while trees are written as ever (the database's
 * WAL can't begin anew meanwhile, so it grows). There can be several.
 */
struct store_snapshot;
int store_open_snapshot(struct store *store, zxid_t *ret_zxid, struct store_snapshot **ret_snapshot,
			struct store_refusal *ret_refusal);

/*
 * The stream's next piece, valid until the next call. STORE_SNAPSHOT_WAIT: it
 * isn't there yet, notify will come. An error (of the database, which is checked
 * row by row and as a whole) comes before the stream is complete: who got it so
 * far can tell.
 */
enum { STORE_SNAPSHOT_WAIT, STORE_SNAPSHOT_PIECE, STORE_SNAPSHOT_END };
int store_snapshot_read(struct store_snapshot *snapshot, struct bytes *ret_piece,
			struct store_refusal *ret_refusal);

/* At any time. Takes NULL. */
void store_close_snapshot(struct store_snapshot *snapshot);

/* ---- zkfsd --log ---- */

/*
 * Read a log segment, of a running replica or not, without changing it: file is
 * its .db or the -wal beside it. A row is what one commit made durable. A
 * callback that returns other than 0 ends the reading with that.
 */
struct store_log_row {
	zxid_t first_zxid;
	zxid_t last_zxid;
	zxid_t committed_zxid; /* known when it was written */
	zxid_t previous_zxid;  /* of the transaction before the first */
};
struct store_log_reader {
	int (*row)(const struct store_log_row *row, void *data);
	int (*txn)(zxid_t zxid, struct bytes txn, void *data);
};
int store_read_log(const char *file, const struct store_log_reader *reader, void *data,
		   struct store_refusal *ret_refusal);

#endif
