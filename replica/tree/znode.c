/*
 * The digest of a znode (DigestCalculator, version 2) is a CRC-32 over
 *
 *	path      its bytes; none for the root
 *	data      raw; none if null
 *	stat      60 bytes: czxid mzxid pzxid ctime mtime (8 each),
 *	          version cversion aversion (4 each), ephemeralOwner (8)
 *
 * A CRC can be taken up where it was left, so content_crc is kept for path and
 * data, and a new Stat costs 60 bytes however large the data.
 */
#include "replica/tree/znode.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/zk/path.h"

enum { DIGESTED_STAT_SIZE = 60 };

/* A million znodes are as many megabytes as this is bytes. */
_Static_assert(offsetof(struct znode, name) <= 92, "a znode has grown");

enum znode_kind znode_kind_of(session_id_t ephemeral_owner, bool extended_types)
{
	if (ephemeral_owner == 0)
		return ZNODE_PERSISTENT;
	if (ephemeral_owner == ZNODE_OWNER_CONTAINER)
		return ZNODE_CONTAINER;
	if (extended_types && (ephemeral_owner & ZNODE_OWNER_TTL_BITS) == ZNODE_OWNER_TTL_BITS)
		return ZNODE_TTL;
	return ZNODE_EPHEMERAL;
}

/* ---- memory ---- */

struct znode *znode_new(struct znode *parent, struct bytes path, struct bytes data, zxid_t czxid,
			msec_t ctime)
{
	struct bytes name = parent ? zk_path_name(path) : path;
	size_t room = bytes_size(data);
	struct znode *znode;

	if (room < sizeof(struct blob *) || room > ZNODE_INLINE_SIZE_MAX)
		room = sizeof(struct blob *);
	znode = mem_alloc(offsetof(struct znode, name) + bytes_size(name) + room);
	*znode = (struct znode){
		.name_size = (uint32_t)bytes_size(name),
		.parent = parent,
		.czxid = czxid,
		.ctime = ctime,
		.room = (uint16_t)room,
		.digested = znode_is_digested(path),
	};
	list_init(&znode->sibling);
	memcpy(znode->name, name.data, bytes_size(name));
	znode_set_data(znode, path, data);
	return znode;
}

void znode_free(struct znode *znode)
{
	blob_unref(znode_blob(znode));
	free(znode->rest);
	free(znode);
}

/* ---- path and data ---- */

struct bytes znode_name(const struct znode *znode)
{
	return bytes_of(znode->name, znode->name_size);
}

size_t znode_path_size(const struct znode *znode)
{
	size_t size = 0;

	for (; znode->parent; znode = znode->parent)
		size += znode->name_size + 1;
	return size;
}

struct bytes znode_path(const struct znode *znode, struct buf *buf)
{
	size_t size = znode_path_size(znode);
	char *end;

	if (size == 0)
		return bytes_of("/", 1);
	buf_reset(buf);
	end = buf_extend(buf, size);
	ASSERT(end);
	end += size;
	for (; znode->parent; znode = znode->parent) {
		end -= znode->name_size;
		memcpy(end, znode->name, znode->name_size);
		*--end = '/';
	}
	return buf_bytes(buf);
}

/* Of no alignment. */
static const char *room_of(const struct znode *znode)
{
	return znode->name + znode->name_size;
}

struct blob *znode_blob(const struct znode *znode)
{
	struct blob *blob = NULL;

	if (znode->data == ZNODE_DATA_BLOB)
		memcpy(&blob, room_of(znode), sizeof(blob));
	return blob;
}

struct bytes znode_data(const struct znode *znode)
{
	switch ((enum znode_data)znode->data) {
	case ZNODE_DATA_NULL:
		return BYTES_NULL;
	case ZNODE_DATA_INLINE:
		return bytes_of(room_of(znode), znode->data_size);
	case ZNODE_DATA_BLOB:
		return blob_bytes(znode_blob(znode));
	}
	ASSERT(!"a kind of data");
	return BYTES_NULL;
}

void znode_set_data(struct znode *znode, struct bytes path, struct bytes data)
{
	char *room = znode->name + znode->name_size;
	struct blob *old = znode_blob(znode);
	struct blob *blob;

	znode->content_crc = znode_content_crc(path, data);
	znode->data_size = (uint32_t)bytes_size(data);
	if (bytes_is_null(data)) {
		znode->data = ZNODE_DATA_NULL;
	} else if (znode->data_size <= znode->room) {
		znode->data = ZNODE_DATA_INLINE;
		memmove(room, data.data, znode->data_size);
	} else {
		blob = blob_new(data);
		znode->data = ZNODE_DATA_BLOB;
		memcpy(room, &blob, sizeof(blob));
	}
	blob_unref(old);
}

/* ---- Stat ---- */

struct znode_rest *znode_get_rest(struct znode *znode)
{
	if (znode->rest)
		return znode->rest;
	znode->rest = mem_alloc(sizeof(*znode->rest));
	*znode->rest = (struct znode_rest){
		.mzxid = znode->czxid,
		.pzxid = znode->czxid,
		.mtime = znode->ctime,
	};
	list_init(&znode->rest->children);
	return znode->rest;
}

struct znode_stat znode_stored_stat(const struct znode *znode)
{
	const struct znode_rest *rest = znode->rest;
	struct znode_stat stat = {
		.czxid = znode->czxid,
		.mzxid = znode->czxid,
		.pzxid = znode->czxid,
		.ctime = znode->ctime,
		.mtime = znode->ctime,
	};

	if (!rest)
		return stat;
	stat.mzxid = rest->mzxid;
	stat.pzxid = rest->pzxid;
	stat.mtime = rest->mtime;
	stat.version = rest->version;
	stat.cversion = rest->cversion;
	stat.aversion = rest->aversion;
	stat.ephemeral_owner = rest->ephemeral_owner;
	return stat;
}

static bool is_as_created(const struct znode_stat *stat)
{
	return stat->mzxid == stat->czxid && stat->pzxid == stat->czxid &&
	       stat->mtime == stat->ctime && stat->version == 0 && stat->cversion == 0 &&
	       stat->aversion == 0 && stat->ephemeral_owner == 0;
}

void znode_set_stat(struct znode *znode, const struct znode_stat *stat)
{
	struct znode_rest *rest;

	znode->czxid = stat->czxid;
	znode->ctime = stat->ctime;
	if (!znode->rest && is_as_created(stat))
		return;
	rest = znode_get_rest(znode);
	rest->mzxid = stat->mzxid;
	rest->pzxid = stat->pzxid;
	rest->mtime = stat->mtime;
	rest->version = stat->version;
	rest->cversion = stat->cversion;
	rest->aversion = stat->aversion;
	rest->ephemeral_owner = stat->ephemeral_owner;
}

void znode_stat(const struct znode *znode, bool extended_types, struct zk_stat *ret_stat)
{
	struct znode_stat stat = znode_stored_stat(znode);

	znode_stat_show(&stat, (int32_t)znode_child_count(znode), (int32_t)znode->data_size,
			extended_types, ret_stat);
}

void znode_stat_show(const struct znode_stat *stat, int32_t child_count, int32_t data_size,
		     bool extended_types, struct zk_stat *ret_stat)
{
	bool ephemeral = znode_kind_of(stat->ephemeral_owner, extended_types) == ZNODE_EPHEMERAL;

	*ret_stat = (struct zk_stat){
		.czxid = stat->czxid,
		.mzxid = stat->mzxid,
		.ctime = stat->ctime,
		.mtime = stat->mtime,
		.version = stat->version,
		/* Stored are the creates; every delete of a child makes this one more, too. */
		.cversion = (int32_t)((uint32_t)stat->cversion * 2 - (uint32_t)child_count),
		.aversion = stat->aversion,
		.ephemeral_owner = ephemeral ? stat->ephemeral_owner : 0,
		.data_length = data_size,
		.num_children = child_count,
		.pzxid = stat->pzxid,
	};
}

/* ---- children ---- */

uint32_t znode_child_count(const struct znode *znode)
{
	return znode->rest ? znode->rest->child_count : 0;
}

const struct znode *znode_next_child(const struct znode *znode, const struct znode *child)
{
	const struct list *children = znode->rest ? &znode->rest->children : NULL;
	const struct list *next;

	if (!children)
		return NULL;
	next = child ? child->sibling.next : children->next;
	return next == children ? NULL : list_item(next, struct znode, sibling);
}

void znode_add_child(struct znode *child)
{
	struct znode_rest *rest = znode_get_rest(child->parent);

	list_append(&rest->children, &child->sibling);
	rest->child_count++;
}

void znode_remove_child(struct znode *child)
{
	list_remove(&child->sibling);
	child->parent->rest->child_count--;
}

/* ---- digest ---- */

uint32_t znode_content_crc(struct bytes path, struct bytes data)
{
	uint32_t crc = 0;

	if (!bytes_equal_text(path, "/"))
		crc = libdeflate_crc32(crc, path.data, bytes_size(path));
	if (bytes_size(data) > 0)
		crc = libdeflate_crc32(crc, data.data, bytes_size(data));
	return crc;
}

uint32_t znode_digest(uint32_t content_crc, const struct znode_stat *stat)
{
	uint8_t encoded[DIGESTED_STAT_SIZE];

	endian_put_u64(encoded, (uint64_t)stat->czxid);
	endian_put_u64(encoded + 8, (uint64_t)stat->mzxid);
	endian_put_u64(encoded + 16, (uint64_t)stat->pzxid);
	endian_put_u64(encoded + 24, (uint64_t)stat->ctime);
	endian_put_u64(encoded + 32, (uint64_t)stat->mtime);
	endian_put_u32(encoded + 40, (uint32_t)stat->version);
	endian_put_u32(encoded + 44, (uint32_t)stat->cversion);
	endian_put_u32(encoded + 48, (uint32_t)stat->aversion);
	endian_put_u64(encoded + 52, (uint64_t)stat->ephemeral_owner);
	return libdeflate_crc32(content_crc, encoded, sizeof(encoded));
}

bool znode_is_digested(struct bytes path)
{
	static const char prefix[] = "/zookeeper/";
	size_t size = sizeof(prefix) - 1;

	return bytes_size(path) < size || memcmp(path.data, prefix, size) != 0;
}
