#include <stdlib.h>
#include <string.h>

#include "replica/tree/snapshot.h"
#include "replica/tree/snapshot_acls.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/jute.h"

/* ---- ACL lists with their ids ---- */

struct snapshot_acls *snapshot_acls_new(int64_t id, const struct zk_acls *acls)
{
	size_t size = bytes_size(acls->encoded);
	struct snapshot_acls *kept = mem_alloc(sizeof(*kept) + size);

	kept->id = id;
	kept->count = acls->count;
	kept->size = (uint32_t)size;
	if (size > 0)
		memcpy(kept->encoded, acls->encoded.data, size);
	return kept;
}

struct zk_acls snapshot_acls_value(const struct snapshot_acls *acls)
{
	return (struct zk_acls){.count = acls->count,
				.encoded = bytes_of(acls->encoded, acls->size)};
}

void snapshot_acls_release_map(struct map *map)
{
	map_for_each (map, at) {
		map_remove(map, at);
		free(map_item(at, struct snapshot_acls, entry));
	}
	map_release(map);
}

/* ---- the writer ---- */

void snapshot_writer_init(struct snapshot_writer *writer)
{
	*writer = (struct snapshot_writer){.state = SNAPSHOT_WRITER_NOTING};
	map_init(&writer->acls);
}

void snapshot_writer_release(struct snapshot_writer *writer)
{
	snapshot_acls_release_map(&writer->acls);
}

/* The elements say how many they are, so their bytes are the whole key. */
static struct map_entry *find_acls(const struct snapshot_writer *writer, const struct zk_acls *acls)
{
	return map_find(&writer->acls, bytes_of(acls->encoded.data, bytes_size(acls->encoded)));
}

void snapshot_writer_note_acls(struct snapshot_writer *writer, const struct zk_acls *acls)
{
	struct snapshot_acls *kept;

	ASSERT(writer->state == SNAPSHOT_WRITER_NOTING);
	if (acls->count < 0 || find_acls(writer, acls))
		return;
	ASSERT(writer->acls.count < INT32_MAX);
	/* Java begins with 1, too. */
	kept = snapshot_acls_new((int64_t)writer->acls.count + 1, acls);
	map_insert(&writer->acls, &kept->entry, bytes_of(kept->encoded, kept->size));
}

void snapshot_writer_begin(struct snapshot_writer *writer, struct buf *buf, int32_t session_count)
{
	ASSERT(writer->state == SNAPSHOT_WRITER_NOTING && session_count >= 0);
	writer->state = SNAPSHOT_WRITER_SESSIONS;
	writer->sessions_left = session_count;
	jute_write_int(buf, session_count);
}

void snapshot_writer_session(struct snapshot_writer *writer, struct buf *buf, session_id_t id,
			     int32_t timeout_ms)
{
	ASSERT(writer->state == SNAPSHOT_WRITER_SESSIONS && writer->sessions_left > 0);
	writer->sessions_left--;
	jute_write_long(buf, id);
	jute_write_int(buf, timeout_ms);
}

static void write_acls(const struct map_entry *entry, struct buf *buf)
{
	const struct snapshot_acls *kept = map_item(entry, const struct snapshot_acls, entry);
	struct zk_acls acls = snapshot_acls_value(kept);

	jute_write_long(buf, kept->id);
	zk_acls_write(buf, &acls);
}

bool snapshot_writer_acls(struct snapshot_writer *writer, struct buf *buf)
{
	if (writer->state == SNAPSHOT_WRITER_SESSIONS) {
		ASSERT(writer->sessions_left == 0);
		writer->state = SNAPSHOT_WRITER_ACLS;
		writer->acls_at = map_first(&writer->acls);
		jute_write_int(buf, (int32_t)writer->acls.count);
	}
	ASSERT(writer->state == SNAPSHOT_WRITER_ACLS);
	if (!writer->acls_at) {
		writer->state = SNAPSHOT_WRITER_NODES;
		return false;
	}
	write_acls(writer->acls_at, buf);
	writer->acls_at = map_next(&writer->acls, writer->acls_at);
	return true;
}

static int64_t acl_id_of(const struct snapshot_writer *writer, const struct zk_acls *acls)
{
	const struct map_entry *entry;

	if (acls->count < 0)
		return SNAPSHOT_ACLS_OPEN_ID;
	entry = find_acls(writer, acls);
	ASSERT(entry);
	return map_item(entry, const struct snapshot_acls, entry)->id;
}

static struct bytes streamed_path(struct bytes path)
{
	return bytes_equal_text(path, "/") ? bytes_of("", 0) : path;
}

void snapshot_writer_row(struct snapshot_writer *writer, struct buf *buf,
			 const struct tree_row *row)
{
	const struct znode_stat *stat = &row->stat;

	ASSERT(writer->state == SNAPSHOT_WRITER_NODES && !bytes_is_null(row->path));
	jute_write_ustring(buf, streamed_path(row->path));
	jute_write_buffer(buf, row->data);
	jute_write_long(buf, acl_id_of(writer, &row->acls));
	jute_write_long(buf, stat->czxid);
	jute_write_long(buf, stat->mzxid);
	jute_write_long(buf, stat->ctime);
	jute_write_long(buf, stat->mtime);
	jute_write_int(buf, stat->version);
	jute_write_int(buf, stat->cversion);
	jute_write_int(buf, stat->aversion);
	jute_write_long(buf, stat->ephemeral_owner);
	jute_write_long(buf, stat->pzxid);
}

void snapshot_writer_end(struct snapshot_writer *writer, struct buf *buf)
{
	ASSERT(writer->state == SNAPSHOT_WRITER_NODES);
	writer->state = SNAPSHOT_WRITER_DONE;
	jute_write_ustring(buf, bytes_of_text(SNAPSHOT_TERMINATOR));
	jute_write_ustring(buf, bytes_of_text(SNAPSHOT_SIGNATURE));
}
