#ifndef IO_STORE_WRITEOUT_H
#define IO_STORE_WRITEOUT_H

#include "replica/io/store.h"
#include "src/base/buf.h"
#include "src/base/list.h"

/*
 * The changes between two trees (store.h), as the loop thread collects them
 * and the tree worker reads them. Blobs are referenced and released by the loop
 * thread alone; the worker only looks at them meanwhile.
 */
struct store_change {
	int type;    /* as in struct tree_change, */
	bool is_new; /* and this */
	size_t order;
	size_t path_at;
	int32_t path_size;
	size_t acls_at;
	int32_t acls_size;
	int32_t acl_count;
	struct blob *data;
	struct znode_stat stat;
	session_id_t session_id;
	int32_t timeout_ms;
};

struct store_writeout {
	struct list link; /* on its way through the store */
	zxid_t zxid;
	uint64_t digest;
	struct store_change *changes;
	size_t count;
	size_t capacity;
	struct buf bytes; /* paths and ACLs */
};

/* A change's row; valid as long as the write-out. */
struct tree_row store_change_row(const struct store_writeout *writeout,
				 const struct store_change *change);

/*
 * In order of the table's key (czxid, path), so that neighbours in the database
 * are written together; changes of one row stay in their order. Sessions come first.
 */
void store_writeout_sort(struct store_writeout *writeout);

#endif
