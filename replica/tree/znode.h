#ifndef TREE_ZNODE_H
#define TREE_ZNODE_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/tree/acl_cache.h"
#include "src/base/blob.h"
#include "src/base/bytes.h"
#include "src/base/list.h"
#include "src/zk/record.h"
#include "src/zk/zxid.h"

/* One znode in memory: its Stat as it is stored and as clients see it, and its digest. */

/* StatPersisted: what is stored. cversion counts creates of children only. */
struct znode_stat {
	zxid_t czxid;
	zxid_t mzxid;
	zxid_t pzxid;
	msec_t ctime; /* wall clock */
	msec_t mtime;
	int32_t version;
	int32_t cversion;
	int32_t aversion;
	session_id_t ephemeral_owner; /* see znode_kind */
};

enum znode_kind { ZNODE_PERSISTENT, ZNODE_EPHEMERAL, ZNODE_CONTAINER, ZNODE_TTL };

/* EphemeralType: what an owner that is no session id means. */
#define ZNODE_OWNER_CONTAINER INT64_MIN
#define ZNODE_OWNER_TTL_BITS  ((int64_t)0xff00000000000000)
#define ZNODE_TTL_MS_MAX      INT64_C(0xffffffffff)
enum znode_kind znode_kind_of(session_id_t ephemeral_owner, bool extended_types);

/* Read freely; only tree.c writes. About 150 bytes, path and data besides. */
struct znode {
	struct znode *chain;  /* of the hash bucket */
	struct znode *parent; /* NULL for the root */
	struct list sibling;  /* on parent->children */
	struct list children; /* in order of insertion */
	struct blob *data;    /* NULL: null */
	struct acl_list *acls;
	struct znode_stat stat;
	uint32_t child_count;
	uint32_t hash;
	uint32_t content_crc; /* over path and data: where the digest's CRC goes on with the Stat */
	uint32_t digest;
	uint32_t dirty; /* index into the tree's changes plus one, 0 for clean */
	uint32_t path_size : 31;
	uint32_t stored : 1; /* the last write-out, or the load, had it */
	char path[];         /* the root's is empty */
};

struct bytes znode_path(const struct znode *znode); /* "/" for the root */
struct bytes znode_name(const struct znode *znode); /* the last component */
struct bytes znode_data(const struct znode *znode);
void znode_stat(const struct znode *znode, bool extended_types, struct zk_stat *ret_stat);
/* The Stat that clients see, of a znode with that many children and bytes of data. */
void znode_stat_show(const struct znode_stat *stat, int32_t child_count, int32_t data_size,
		     bool extended_types, struct zk_stat *ret_stat);

/* The digest's two halves, for who predicts it (prep): of path and data, then over the Stat. */
uint32_t znode_content_crc(struct bytes path, struct bytes data);
uint32_t znode_digest(uint32_t content_crc, const struct znode_stat *stat);
/* Everything below /zookeeper/ is left out of the tree digest. */
bool znode_is_digested(struct bytes path);

#endif
