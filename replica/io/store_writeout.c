#include "replica/io/store_writeout.h"

#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

enum {
	CHANGES_MIN = 64,
	/* Paths, ACLs and small data only. STORE_LAG_COUNT_MAX keeps far below it what one
	 * write-out carries.
	 */
	BYTES_SIZE_MAX = INT32_MAX,
};

struct store_writeout *store_writeout_new(zxid_t zxid, uint64_t digest)
{
	struct store_writeout *writeout = mem_zalloc(sizeof(*writeout));

	writeout->zxid = zxid;
	writeout->digest = digest;
	buf_init(&writeout->bytes, BYTES_SIZE_MAX);
	return writeout;
}

void store_writeout_free(struct store_writeout *writeout)
{
	if (!writeout)
		return;
	for (size_t i = 0; i < writeout->count; i++)
		blob_unref(writeout->changes[i].blob);
	free(writeout->changes);
	buf_release(&writeout->bytes);
	free(writeout);
}

static struct store_change *new_change(struct store_writeout *writeout)
{
	if (writeout->count == writeout->capacity) {
		writeout->capacity = writeout->capacity ? writeout->capacity * 2 : CHANGES_MIN;
		writeout->changes = mem_realloc(writeout->changes,
						writeout->capacity * sizeof(*writeout->changes));
	}
	return &writeout->changes[writeout->count++];
}

static uint32_t keep(struct store_writeout *writeout, struct bytes bytes)
{
	size_t at = writeout->bytes.size;

	buf_append(&writeout->bytes, bytes.data, bytes_size(bytes));
	ASSERT(!writeout->bytes.error);
	return (uint32_t)at;
}

static void keep_acl(struct store_writeout *writeout, struct store_change *kept,
		     const struct zk_acls *acls)
{
	kept->acl_at = (uint32_t)writeout->bytes.size;
	kept->acl_size = -1;
	if (acls->count < 0)
		return;
	zk_acls_write(&writeout->bytes, acls);
	ASSERT(!writeout->bytes.error);
	kept->acl_size = (int32_t)(writeout->bytes.size - kept->acl_at);
}

void store_writeout_add(void *data, const struct tree_change *change)
{
	struct store_writeout *writeout = data;
	struct store_change *kept = new_change(writeout);

	*kept = (struct store_change){
		.type = (int)change->type,
		.is_new = change->is_new,
		.order = (uint32_t)writeout->count,
		.session_id = change->session_id,
		.timeout_ms = change->timeout_ms,
	};
	if (change->type == TREE_SESSION_PUT || change->type == TREE_SESSION_DELETED)
		return;
	kept->path_at = keep(writeout, change->row.path);
	kept->path_size = change->row.path.size;
	kept->stat = change->row.stat;
	if (change->type == TREE_ZNODE_DELETED)
		return;
	keep_acl(writeout, kept, &change->row.acls);
	kept->blob = blob_ref(change->blob);
	kept->data_size = change->row.data.size;
	if (!kept->blob)
		kept->data_at = keep(writeout, change->row.data);
}

static struct bytes bytes_at(const struct store_writeout *writeout, uint32_t at, int32_t size)
{
	return size > 0 ? bytes_of(writeout->bytes.data + at, (size_t)size)
			: (struct bytes){.data = "", .size = size};
}

static struct bytes path_of(const struct store_writeout *writeout,
			    const struct store_change *change)
{
	return bytes_at(writeout, change->path_at, change->path_size);
}

static struct bytes data_of(const struct store_writeout *writeout,
			    const struct store_change *change)
{
	if (change->blob)
		return blob_bytes(change->blob);
	if (change->data_size < 0)
		return BYTES_NULL;
	return bytes_at(writeout, change->data_at, change->data_size);
}

struct tree_row store_change_row(const struct store_writeout *writeout,
				 const struct store_change *change)
{
	return (struct tree_row){
		.path = path_of(writeout, change),
		.data = data_of(writeout, change),
		.stat = change->stat,
	};
}

struct bytes store_change_acl(const struct store_writeout *writeout,
			      const struct store_change *change)
{
	if (change->acl_size < 0)
		return BYTES_NULL;
	return bytes_at(writeout, change->acl_at, change->acl_size);
}

/* Sessions have czxid 0 and the empty path. */
static int compare_changes(const void *a, const void *b, void *data)
{
	const struct store_change *of_a = a;
	const struct store_change *of_b = b;
	int order;

	if (of_a->stat.czxid != of_b->stat.czxid)
		return of_a->stat.czxid < of_b->stat.czxid ? -1 : 1;
	order = bytes_compare(path_of(data, of_a), path_of(data, of_b));
	if (order != 0)
		return order;
	return (of_a->order > of_b->order) - (of_a->order < of_b->order);
}

void store_writeout_sort(struct store_writeout *writeout)
{
	if (writeout->count > 0)
		qsort_r(writeout->changes, writeout->count, sizeof(*writeout->changes),
			compare_changes, writeout);
}
