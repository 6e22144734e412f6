#include "t/sim/whole-rows.h"

#include <errno.h>
#include <stdlib.h>

#include "replica/tree/snapshot.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

enum { STREAM_SIZE_MAX = 1 << 30, FIELD_SIZE_MAX = 4 << 20 };

struct row {
	struct map_entry entry;
	char *path;
	struct blob *data;
	int32_t acl_count;
	struct blob *acls;
	struct znode_stat stat;
};

struct session {
	struct map_entry entry;
	session_id_t id;
	int32_t timeout_ms;
};

void whole_rows_init(struct whole_rows *rows)
{
	map_init(&rows->rows);
	map_init(&rows->sessions);
}

static void row_clear(struct row *row)
{
	blob_unref(row->data);
	blob_unref(row->acls);
}

static void row_free(struct whole_rows *rows, struct row *row)
{
	map_remove(&rows->rows, &row->entry);
	row_clear(row);
	free(row->path);
	free(row);
}

static void session_free(struct whole_rows *rows, struct session *session)
{
	map_remove(&rows->sessions, &session->entry);
	free(session);
}

void whole_rows_release(struct whole_rows *rows)
{
	map_for_each (&rows->rows, at)
		row_free(rows, map_item(at, struct row, entry));
	map_for_each (&rows->sessions, at)
		session_free(rows, map_item(at, struct session, entry));
	map_release(&rows->rows);
	map_release(&rows->sessions);
}

static struct row *find(const struct whole_rows *rows, struct bytes path)
{
	struct map_entry *entry = map_find(&rows->rows, path);

	return entry ? map_item(entry, struct row, entry) : NULL;
}

static struct session *find_session(const struct whole_rows *rows, session_id_t id)
{
	struct map_entry *entry = map_find(&rows->sessions, bytes_of(&id, sizeof(id)));

	return entry ? map_item(entry, struct session, entry) : NULL;
}

void whole_rows_put(struct whole_rows *rows, const struct tree_row *from)
{
	struct row *row = find(rows, from->path);

	if (row) {
		row_clear(row);
	} else {
		row = mem_zalloc(sizeof(*row));
		row->path = bytes_dup(from->path);
		map_insert(&rows->rows, &row->entry, bytes_of(row->path, bytes_size(from->path)));
	}
	row->data = blob_new(from->data);
	row->acl_count = from->acls.count;
	row->acls = blob_new(from->acls.encoded);
	row->stat = from->stat;
}

void whole_rows_put_session(struct whole_rows *rows, session_id_t id, int32_t timeout_ms)
{
	struct session *session = find_session(rows, id);

	if (!session) {
		session = mem_zalloc(sizeof(*session));
		session->id = id;
		map_insert(&rows->sessions, &session->entry,
			   bytes_of(&session->id, sizeof(session->id)));
	}
	session->timeout_ms = timeout_ms;
}

void whole_rows_change(void *data, const struct tree_change *change)
{
	struct whole_rows *rows = data;
	struct session *session;
	struct row *row;

	switch (change->type) {
	case TREE_ZNODE_PUT:
		whole_rows_put(rows, &change->row);
		break;
	case TREE_ZNODE_DELETED:
		row = find(rows, change->row.path);
		if (row)
			row_free(rows, row);
		break;
	case TREE_SESSION_PUT:
		whole_rows_put_session(rows, change->session_id, change->timeout_ms);
		break;
	case TREE_SESSION_DELETED:
		session = find_session(rows, change->session_id);
		if (session)
			session_free(rows, session);
		break;
	}
}

/* ---- as bytes ---- */

static void row_show(const struct row *row, struct tree_row *ret_row)
{
	*ret_row = (struct tree_row){
		.path = map_entry_key(&row->entry),
		.data = blob_bytes(row->data),
		.acls = {.count = row->acl_count, .encoded = blob_bytes(row->acls)},
		.stat = row->stat,
	};
}

struct blob *whole_rows_encode(const struct whole_rows *rows)
{
	struct snapshot_writer writer;
	struct tree_row row;
	struct blob *blob;
	struct buf buf;

	buf_init(&buf, STREAM_SIZE_MAX);
	snapshot_writer_init(&writer);
	map_for_each (&rows->rows, at) {
		row_show(map_item(at, struct row, entry), &row);
		snapshot_writer_note_acls(&writer, &row.acls);
	}
	snapshot_writer_begin(&writer, &buf, (int32_t)rows->sessions.count);
	map_for_each (&rows->sessions, at) {
		const struct session *session = map_item(at, struct session, entry);

		snapshot_writer_session(&writer, &buf, session->id, session->timeout_ms);
	}
	while (snapshot_writer_acls(&writer, &buf))
		;
	map_for_each (&rows->rows, at) {
		row_show(map_item(at, struct row, entry), &row);
		snapshot_writer_row(&writer, &buf, &row);
	}
	snapshot_writer_end(&writer, &buf);
	snapshot_writer_release(&writer);
	ASSERT(!buf.error);
	blob = blob_new(buf_bytes(&buf));
	buf_release(&buf);
	return blob;
}

static int take_session(session_id_t id, int32_t timeout_ms, void *data)
{
	whole_rows_put_session(data, id, timeout_ms);
	return 0;
}

static int take_row(const struct tree_row *row, void *data)
{
	whole_rows_put(data, row);
	return 0;
}

/* What a new store has. */
static void put_system_nodes(struct whole_rows *rows)
{
	struct tree *tree = tree_new(false);
	const struct znode *znode = NULL;
	struct buf path;

	buf_init(&path, INT32_MAX);
	while ((znode = tree_walk_next(tree, znode))) {
		const struct tree_row row = {
			.path = znode_path(znode, &path),
			.data = znode_data(znode),
			.acls = acl_list_acls(znode->acls),
			.stat = znode_stored_stat(znode),
		};

		whole_rows_put(rows, &row);
	}
	buf_release(&path);
	tree_free(tree);
}

int whole_rows_decode(struct whole_rows *rows, const struct blob *blob)
{
	static const struct snapshot_handler handler = {.session = take_session, .row = take_row};
	struct snapshot_reader reader;
	struct bytes rest;
	size_t consumed;
	int error;

	whole_rows_release(rows);
	whole_rows_init(rows);
	if (!blob) {
		put_system_nodes(rows);
		return 0;
	}
	rest = blob_bytes(blob);
	snapshot_reader_init(&reader, FIELD_SIZE_MAX, &handler, rows);
	error = snapshot_reader_feed(&reader, rest, &consumed);
	if (!error && !snapshot_reader_is_done(&reader))
		error = -EBADMSG;
	snapshot_reader_release(&reader);
	return error;
}

struct tree *whole_rows_load(const struct whole_rows *rows, zxid_t zxid)
{
	struct tree *tree = tree_new(false);
	int error = 0;

	map_for_each (&rows->sessions, at) {
		const struct session *session = map_item(at, struct session, entry);

		if (!error)
			error = tree_load_session(tree, session->id, session->timeout_ms);
	}
	map_for_each (&rows->rows, at) {
		struct tree_row row;

		row_show(map_item(at, struct row, entry), &row);
		if (!error)
			error = tree_load_row(tree, &row);
	}
	if (error) {
		tree_free(tree);
		return NULL;
	}
	tree_set_zxid(tree, zxid);
	return tree;
}
