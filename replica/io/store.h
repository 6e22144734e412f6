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
 * Invariants:
 *  1. log_durable(z) is reported after everything up to z was synced, and once only for each z
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
};

enum { STORE_MYID_NONE = -1 };

struct store_options {
	const char *data_dir; /* made if it isn't there; its parent must be */
	const char *log_dir;  /* NULL: data_dir */
	int64_t myid;         /* STORE_MYID_NONE for a standalone: compared with nothing */
	size_t segment_size;  /* 0: STORE_SEGMENT_SIZE */
	const char *vfs;      /* the SQLite VFS, for tests; NULL for the system's */
};

struct store_events {
	/* Called on a worker's thread when store_poll has something to tell. Must not block. */
	void (*notify)(void *data);
	/* Every transaction up to zxid is durable. */
	void (*log_durable)(zxid_t zxid, void *data);
	/* Once for each store_set_epochs: it, and all that was appended before, is durable. */
	void (*epochs_durable)(void *data);
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
 * Read everything, once, before store_start: the tree's rows (parents before
 * children), the sessions, then tree_done once, then the log's transactions
 * above the tree's zxid in zxid order. A transaction up to the committed zxid
 * has committed set; a standalone takes the others as committed, too. A new
 * store has no row and no transaction: its tree is that of tree_new.
 *
 * A callback returns 0 or a negative errno, which ends the load. What tree_done
 * and txn return is passed on with the sentence that they wrote: tree_done
 * compares digest with what the rows gave. Spans are valid during the call.
 * Otherwise as store_open.
 */
struct store_loader {
	int (*row)(const struct tree_row *row, void *data);
	int (*session)(session_id_t id, int32_t timeout_ms, void *data);
	int (*tree_done)(zxid_t zxid, uint64_t digest, struct store_refusal *refusal, void *data);
	int (*txn)(zxid_t zxid, struct bytes txn, bool committed, struct store_refusal *refusal,
		   void *data);
};
int store_load(struct store *store, const struct store_loader *loader, void *data,
	       struct store_refusal *ret_refusal);

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
 * release everything. After a failure nothing is finished. Takes NULL, and a
 * store that was not loaded or started.
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
 */
void store_cork(struct store *store);
void store_uncork(struct store *store);

/* Bytes that are appended and not yet durable. */
size_t store_queue_size(struct store *store);

/* Make both epochs durable, after everything that was appended before. -> epochs_durable */
void store_set_epochs(struct store *store, int64_t accepted_epoch, int64_t current_epoch);

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

/* Whether some that were handed over are not durable yet; whether another may be. */
bool store_is_writing_tree(const struct store *store);
bool store_can_write_tree(const struct store *store);

/*
 * Hand it to the tree worker, which writes it in one transaction, behind those
 * before; the store owns it from now on. store_can_write_tree must hold; zxid
 * must be durable in the log, and not below that of the one before.
 * -> tree_durable, for each
 */
void store_write_tree(struct store *store, struct store_writeout *writeout);

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
