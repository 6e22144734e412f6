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
	uint32_t order;
	uint32_t path_at; /* in bytes */
	int32_t path_size;
	uint32_t acl_at; /* the column acl */
	int32_t acl_size;
	struct blob *blob; /* the data; NULL: it is among bytes, or null */
	uint32_t data_at;
	int32_t data_size; /* -1 for null */
	int32_t timeout_ms;
	session_id_t session_id;
	struct znode_stat stat;
};

struct store_writeout {
	struct list link; /* on its way through the store */
	zxid_t zxid;
	uint64_t digest;
	struct store_change *changes;
	size_t count;
	size_t capacity;
	struct buf bytes; /* paths, ACLs and small data */
};

/* A change's row but for its ACLs, and those as the column has them; valid as long as the
 * write-out.
 */
struct tree_row store_change_row(const struct store_writeout *writeout,
				 const struct store_change *change);
struct bytes store_change_acl(const struct store_writeout *writeout,
			      const struct store_change *change);

/*
 * In order of the table's key (czxid, path), so that neighbours in the database
 * are written together; changes of one row stay in their order. Sessions come first.
 */
void store_writeout_sort(struct store_writeout *writeout);

#endif
