#ifndef IO_STORE_TREE_H
#define IO_STORE_TREE_H

#include "replica/io/store_db.h"
#include "replica/io/store_dir.h"
#include "replica/io/store_writeout.h"

/*
 * tree.<generation>.db: the tree at one exact zxid. Every row has a checksum
 * over its columns; the one row of the table tree has their number and sum, so
 * that a row that was changed, lost or brought back is noticed at load.
 */
struct store_tree_head {
	zxid_t zxid;
	uint64_t digest;
	int64_t row_count;     /* znodes and sessions */
	uint64_t checksum_sum; /* of their checksums, mod 2^64 */
};

enum { STORE_TREE_STATEMENTS = 11 };

struct store_tree_db {
	struct store_db db;
	struct store_tree_head head; /* as it is on disk */
	sqlite3_stmt *statements[STORE_TREE_STATEMENTS];
	int wal_frame_count;
};

/* The zxid of a staged tree before its last row is in it. No load takes such a tree. */
enum { STORE_TREE_NOT_WHOLE = -1 };

/* Make a tree at base_zxid, without a row. */
int store_tree_make(const struct store_dir *dir, uint32_t generation, zxid_t base_zxid,
		    struct store_refusal *ret_refusal);

/* Opens it and reads the head. */
int store_tree_open(struct store_tree_db *tree, const struct store_dir *dir, uint32_t generation,
		    struct store_refusal *ret_refusal);
/*
 * To read it beside the one that writes: the connection is in a read
 * transaction, which the head is of. Nothing is synced, as that was.
 */
int store_tree_open_to_read(struct store_tree_db *tree, const struct store_dir *dir,
			    uint32_t generation, struct store_refusal *ret_refusal);
/* Takes one that is all zeros. */
void store_tree_close(struct store_tree_db *tree);

/*
 * The connection's cache of pages. A write-out is in order of rows: what it needs again is
 * the inner pages, less than 1 MiB for a million znodes.
 */
enum {
	STORE_TREE_CACHE_KIB = 4 << 10,
	/* A load looks at each page once. Its pages would stay among the znodes' memory. */
	STORE_TREE_LOAD_CACHE_KIB = 512,
};
int store_tree_set_cache(struct store_tree_db *tree, int size_kib,
			 struct store_refusal *ret_refusal);

/* The sessions, then row by row in order of czxid and path; then whether all of it was there. */
int store_tree_load(struct store_tree_db *tree, const struct store_loader *loader, void *data,
		    struct store_refusal *ret_refusal);

/* The column acl: null, or the count as on the wire and the elements. False for anything else. */
bool store_split_acl(struct bytes acl, struct zk_acls *ret_acls);

/* What a row's column checksum holds; acl is the column of that name. */
uint32_t store_row_checksum(const struct tree_row *row, struct bytes acl);
uint32_t store_session_checksum(session_id_t id, int32_t timeout_ms);

/* All of it in one transaction, durable when it returns. */
int store_tree_write(struct store_tree_db *tree, struct store_writeout *writeout,
		     struct store_refusal *ret_refusal);

/* Whether it is worth it, if nothing waits; whether it must be now, before more is written. */
bool store_tree_wants_checkpoint(const struct store_tree_db *tree);
bool store_tree_needs_checkpoint(const struct store_tree_db *tree);
int store_tree_checkpoint(struct store_tree_db *tree, struct store_refusal *ret_refusal);

#endif
