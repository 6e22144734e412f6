#ifndef TREE_ZNODE_H
#define TREE_ZNODE_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/tree/acl_cache.h"
#include "src/base/blob.h"
#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/base/list.h"
#include "src/zk/record.h"
#include "src/zk/zxid.h"

/* One znode in memory: its data, its Stat as it is stored and as clients see it, its digest. */

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

/* What data is: small data is in the znode's own memory. */
enum znode_data { ZNODE_DATA_NULL, ZNODE_DATA_INLINE, ZNODE_DATA_BLOB };

enum {
	/* Larger data is a blob: the allocation that saves would be little beside it. */
	ZNODE_INLINE_SIZE_MAX = 256,
};

/*
 * Read freely; only tree.c and its parts write. A tree is as large as its
 * znodes, and most of them are persistent leaves that nobody changed: 92 bytes,
 * name and data besides, in one allocation. What the others need more is apart.
 */
struct znode {
	/* What a look into the index reads is together. */
	struct znode *chain; /* of the hash bucket */
	uint32_t hash;
	uint32_t name_size; /* 0 for the root */

	struct znode *parent; /* NULL for the root */
	struct list sibling;  /* among parent's children */
	struct znode_rest *rest;
	struct acl_list *acls;
	zxid_t czxid;
	msec_t ctime;         /* wall clock */
	uint32_t content_crc; /* znode_content_crc: where the digest's CRC goes on with the Stat */
	uint32_t digest;      /* of its content and Stat, as they were last summed up */
	uint32_t dirty;       /* index into the tree's changes plus one, 0 for clean */
	uint32_t data_size;   /* 0 for null */
	uint16_t room;        /* what can be inline */
	uint8_t data;         /* enum znode_data */
	bool stored : 1;      /* the last write-out, or the load, had it */
	bool digested : 1;    /* znode_is_digested */
	char name[];          /* and room bytes: the data, or the pointer to its blob */
};

/*
 * The rest of a znode's Stat, and its children. NULL says that there are and were no
 * children, that it is persistent, and that it is as it was created: mzxid and pzxid are
 * czxid, mtime is ctime, the versions are 0.
 */
struct znode_rest {
	struct list children; /* in order of insertion */
	zxid_t mzxid;
	zxid_t pzxid;
	msec_t mtime;
	session_id_t ephemeral_owner;
	int32_t version;
	int32_t cversion;
	int32_t aversion;
	uint32_t child_count;
};

/*
 * A leaf that is as it was created, below parent, whose children it is not among yet. path is
 * its full path as it is stored: "" for the root.
 */
struct znode *znode_new(struct znode *parent, struct bytes path, struct bytes data, zxid_t czxid,
			msec_t ctime);
void znode_free(struct znode *znode); /* before its parent */

struct bytes znode_name(const struct znode *znode); /* the last component */
/* The full path, "/" for the root, put together from the names above it; in buf. */
struct bytes znode_path(const struct znode *znode, struct buf *buf);
size_t znode_path_size(const struct znode *znode); /* of the path as it is stored */

/* Valid until it is set anew. A blob is what can be shared: NULL if the data is inline or null. */
struct bytes znode_data(const struct znode *znode);
struct blob *znode_blob(const struct znode *znode);
/* path: the znode's. */
void znode_set_data(struct znode *znode, struct bytes path, struct bytes data);

struct znode_stat znode_stored_stat(const struct znode *znode);
void znode_set_stat(struct znode *znode, const struct znode_stat *stat);
/* To change what is in it. */
struct znode_rest *znode_get_rest(struct znode *znode);

uint32_t znode_child_count(const struct znode *znode);
/* The first behind NULL; NULL at the end. */
const struct znode *znode_next_child(const struct znode *znode, const struct znode *child);
/* It becomes the last of its parent's, or is none of them any more. */
void znode_add_child(struct znode *child);
void znode_remove_child(struct znode *child);

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
