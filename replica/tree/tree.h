#ifndef TREE_TREE_H
#define TREE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/tree/znode.h"
#include "src/base/blob.h"
#include "src/base/bytes.h"
#include "src/base/map.h"
#include "src/zk/acl.h"
#include "src/zk/code.h"
#include "src/zk/record.h"
#include "src/zk/zxid.h"

/*
 * The replicated state at one zxid: znodes, and sessions with their ephemerals.
 *
 * Everything here is a function of the transactions applied: no clock, no
 * chance, iteration in insertion order. Whoever applies in zxid order
 * (replica/tree/apply.h) gets the same tree on every replica.
 *
 * Paths are full paths; the root is "/" (or "", as Java stores it) in every
 * argument, and "/" in what comes back. The functions that change something
 * follow DataTree's rules for the Stat (spec/client-protocol.md 7), the
 * tolerant ones for a replay over a newer tree included.
 *
 * What changed since the last write-out is remembered: tree_take_changes hands
 * it over, so that a store on disk follows at exact zxids.
 *
 * Invariants:
 *  1. a znode but the root has a parent in the tree, and is on its children's list once
 *  2. digest is the sum over znode_digest of all znodes outside /zookeeper/
 *  3. a normal ephemeral is in its session's map of ephemerals, nothing else is
 *  4. a znode's dirty index names the entry of changes that names the znode
 *  5. a znode's czxid is not below its parent's, and never changes: in the order of (czxid,
 *     path), which is the store's, parents come first
 * tree_check proves them all.
 */

/* A session that was created and not closed, or that still owns ephemerals. */
struct tree_session {
	struct map_entry entry;
	session_id_t id;
	int32_t timeout_ms;
	bool open;
	bool stored; /* this and the next as in struct znode */
	uint32_t dirty;
	struct map ephemerals; /* struct tree_ephemeral by path */
	size_t ephemeral_size; /* bytes of their paths, with 4 for each length */
};

struct tree_ephemeral {
	struct map_entry entry;
	struct znode *znode;
	char path[]; /* the key */
};

struct tree;

/* The system node that tells the members of an ensemble; a standalone's is empty. */
#define TREE_CONFIG_PATH "/zookeeper/config"

/* A tree with the system nodes of an empty database (spec/client-protocol.md 20), zxid 0. */
struct tree *tree_new(bool extended_types);
void tree_free(struct tree *tree);

zxid_t tree_zxid(const struct tree *tree); /* of the last transaction applied */
void tree_set_zxid(struct tree *tree, zxid_t zxid);
uint64_t tree_digest(const struct tree *tree);
bool tree_extended_types(const struct tree *tree);

size_t tree_znode_count(const struct tree *tree);
size_t tree_ephemeral_count(const struct tree *tree);
uint64_t tree_data_size(const struct tree *tree); /* bytes of all paths and data */

/* NULL if it isn't there. Valid until the next change. */
const struct znode *tree_find(const struct tree *tree, struct bytes path);

/* The znodes below path, itself not counted; O(them). */
size_t tree_descendant_count(const struct tree *tree, const struct znode *znode);

/*
 * All znodes, beginning with the root behind NULL: a parent before its
 * children, those in the order of their creation; NULL at the end.
 */
const struct znode *tree_walk_next(const struct tree *tree, const struct znode *znode);

/* ---- changes: the effects of one transaction's parts ---- */

struct tree_create {
	struct bytes path;
	struct bytes data;
	struct zk_acls acls;
	session_id_t ephemeral_owner;
	int32_t parent_cversion; /* -1: the present one plus one */
	zxid_t zxid;
	msec_t time_ms;
};

/*
 * ZK_OK, ZK_NONODE (no parent, or only one that is created later), or
 * ZK_NODEEXISTS, which gives the existing znode the new ACL. The path must be valid.
 */
enum zk_code tree_create(struct tree *tree, const struct tree_create *create);

/* ZK_OK, or ZK_NONODE, with the parent's pzxid raised all the same. */
enum zk_code tree_delete(struct tree *tree, struct bytes path, zxid_t zxid);

enum zk_code tree_set_data(struct tree *tree, struct bytes path, struct bytes data, int32_t version,
			   zxid_t zxid, msec_t time_ms);
enum zk_code tree_set_acls(struct tree *tree, struct bytes path, const struct zk_acls *acls,
			   int32_t aversion);

/* A create found its znode there already: raise the parent's cversion and pzxid if they are lower.
 */
void tree_raise_parent(struct tree *tree, struct bytes path, int32_t cversion, zxid_t zxid);

/* The tree's own list of that content, with a reference that tree_put_acls gives back. */
struct acl_list *tree_get_acls(struct tree *tree, const struct zk_acls *acls);
void tree_put_acls(struct tree *tree, struct acl_list *list);

/* ---- sessions ---- */

void tree_open_session(struct tree *tree, session_id_t id, int32_t timeout_ms);
/* Its ephemerals, if any are left, stay. */
void tree_close_session(struct tree *tree, session_id_t id);
const struct tree_session *tree_find_session(const struct tree *tree, session_id_t id);
/* In order of creation; NULL at the end. Sessions that are closed but own ephemerals included. */
const struct tree_session *tree_next_session(const struct tree *tree,
					     const struct tree_session *session);
size_t tree_session_count(const struct tree *tree); /* the open ones */

/* ---- write-out and load ---- */

/* A znode as a row of the store. */
struct tree_row {
	struct bytes path; /* "/" for the root */
	struct bytes data;
	struct zk_acls acls;
	struct znode_stat stat;
};

struct tree_change {
	enum {
		TREE_ZNODE_PUT,       /* new or changed: all of row */
		TREE_ZNODE_DELETED,   /* row.path and row.stat.czxid, which it was stored with */
		TREE_SESSION_PUT,     /* session_id and timeout_ms */
		TREE_SESSION_DELETED, /* session_id only */
	} type;
	bool is_new; /* of a PUT: the store has no row of that path, once it has the changes before
		      */
	struct tree_row row;
	/* row.data's, for the visitor to take a reference if it keeps it; NULL where the data is
	 * null or small enough to copy */
	struct blob *blob;
	session_id_t session_id;
	int32_t timeout_ms;
};

typedef void tree_change_fn(void *data, const struct tree_change *change);

/* How many changes there are to take, and about how many bytes they carry. */
size_t tree_change_count(const struct tree *tree);
uint64_t tree_change_size(const struct tree *tree);

/*
 * Visit what changed since the last call (or the load) in an order in which a
 * later change of a path overrides an earlier one, and forget it. The state
 * that they lead to is exactly the tree's at tree_zxid. Spans are valid during
 * the visit.
 */
void tree_take_changes(struct tree *tree, tree_change_fn *visit, void *data);

/*
 * Put a row of the store into a new tree, parents before children; a row for a
 * system node replaces it. Nothing of it is a change. 0, or -EBADMSG: a path
 * that is not valid, whose parent isn't there or is younger, or that was loaded before; a
 * system node that was created.
 * tree_load_session: -EBADMSG for an id that was loaded before.
 */
int tree_load_row(struct tree *tree, const struct tree_row *row);
/*
 * The same for about count rows in ascending order of (czxid, path), and nothing else in
 * between; -EBADMSG for one that is out of order, too. None is looked for before it is put
 * into an index that is larger than the CPU's caches.
 */
void tree_begin_load(struct tree *tree, size_t count);
int tree_load_next(struct tree *tree, const struct tree_row *row);
int tree_load_session(struct tree *tree, session_id_t id, int32_t timeout_ms);

/* Recompute every invariant; O(everything). */
void tree_check(const struct tree *tree);

#endif
