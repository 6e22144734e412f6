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
#include <string.h>

#include "src/base/endian.h"

enum { DIGESTED_STAT_SIZE = 60 };

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

struct bytes znode_path(const struct znode *znode)
{
	return znode->path_size == 0 ? bytes_of("/", 1) : bytes_of(znode->path, znode->path_size);
}

struct bytes znode_name(const struct znode *znode)
{
	size_t at = znode->parent ? znode->parent->path_size + 1 : 0;

	return bytes_of(znode->path + at, znode->path_size - at);
}

struct bytes znode_data(const struct znode *znode)
{
	return blob_bytes(znode->data);
}

void znode_stat(const struct znode *znode, bool extended_types, struct zk_stat *ret_stat)
{
	const struct znode_stat *stat = &znode->stat;

	znode_stat_show(stat, (int32_t)znode->child_count,
			znode->data ? (int32_t)znode->data->size : 0, extended_types, ret_stat);
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
