#include "replica/io/store_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica/io/store_wal.h"
#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/base/mem.h"

/*
 * acl is a vector<ACL> as on the wire, or null; the Stat is as ZooKeeper's
 * StatPersisted has it. Numbers wrap into SQLite's signed ones.
 *
 * A znode's czxid never changes, and a new one's is above all others: rows in
 * its order are written one behind the other at the end of the table. In order
 * of paths each would go to a page of its own, or tear one apart in the middle.
 * The path tells apart what one transaction created.
 */
#define SCHEMA                                                                                     \
	"create table znode ("                                                                     \
	"path text not null, "                                                                     \
	"data blob, "                                                                              \
	"acl blob, "                                                                               \
	"czxid integer not null, "                                                                 \
	"mzxid integer not null, "                                                                 \
	"pzxid integer not null, "                                                                 \
	"ctime integer not null, "                                                                 \
	"mtime integer not null, "                                                                 \
	"version integer not null, "                                                               \
	"cversion integer not null, "                                                              \
	"aversion integer not null, "                                                              \
	"ephemeral_owner integer not null, "                                                       \
	"checksum integer not null, "                                                              \
	"primary key (czxid, path)) strict, without rowid; "                                       \
	"create table session ("                                                                   \
	"id integer primary key, "                                                                 \
	"timeout_ms integer not null, "                                                            \
	"checksum integer not null) strict; "                                                      \
	"create table tree ("                                                                      \
	"id integer primary key check (id = 1), "                                                  \
	"zxid integer not null, "                                                                  \
	"digest integer not null, "                                                                \
	"row_count integer not null, "                                                             \
	"checksum_sum integer not null, "                                                          \
	"checksum integer not null) strict; "

enum {
	/* Values of 1 KiB fit into a row with their key. */
	PAGE_SIZE = 8192,
	CHECKPOINT_FRAMES_MIN = 1000,
	CHECKPOINT_FRAMES_MAX = 4000,
};

enum statement {
	BEGIN,
	COMMIT,
	FIND_ZNODE,
	ADD_ZNODE,
	ADD_ZNODES,
	PUT_ZNODE,
	DELETE_ZNODE,
	FIND_SESSION,
	PUT_SESSION,
	DELETE_SESSION,
	PUT_HEAD,
};

/* New rows go in by so many: beginning and ending a statement takes as long as a row. */
enum { GROUP_SIZE = 16, ZNODE_COLUMNS = 13 };
#define ROW       "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define FOUR_ROWS ROW ", " ROW ", " ROW ", " ROW

/* A statement that fails ends the process, so SQLite needs no journal to take back a part of one.
 */
static const char *const statement_texts[STORE_TREE_STATEMENTS] = {
	[BEGIN] = "begin immediate",
	[COMMIT] = "commit",
	[FIND_ZNODE] = "select checksum from znode where czxid = ?2 and path = ?1",
	[ADD_ZNODE] = "insert into znode values " ROW,
	[ADD_ZNODES] = "insert or fail into znode values " FOUR_ROWS ", " FOUR_ROWS ", " FOUR_ROWS
		       ", " FOUR_ROWS,
	[PUT_ZNODE] = "insert or replace into znode values " ROW,
	[DELETE_ZNODE] = "delete from znode where czxid = ?2 and path = ?1",
	[FIND_SESSION] = "select checksum from session where id = ?1",
	[PUT_SESSION] = "insert or replace into session values (?1, ?2, ?3)",
	[DELETE_SESSION] = "delete from session where id = ?1",
	[PUT_HEAD] = "update tree set (zxid, digest, row_count, checksum_sum, checksum) = "
		     "(?1, ?2, ?3, ?4, ?5) where id = 1",
};

/* ---- checksums ---- */

/* One CRC over what was put together costs less than one over each column. */
struct packed {
	uint32_t crc;
	size_t size;
	uint8_t bytes[512];
};

static void pack(struct packed *packed, const void *data, size_t size)
{
	if (size > sizeof(packed->bytes) - packed->size) {
		packed->crc = libdeflate_crc32(packed->crc, packed->bytes, packed->size);
		packed->size = 0;
	}
	if (size > sizeof(packed->bytes)) {
		packed->crc = libdeflate_crc32(packed->crc, data, size);
	} else if (size > 0) {
		memcpy(packed->bytes + packed->size, data, size);
		packed->size += size;
	}
}

static void pack_number(struct packed *packed, int64_t number)
{
	uint8_t bytes[8];

	endian_put_u64(bytes, (uint64_t)number);
	pack(packed, bytes, sizeof(bytes));
}

/* As store_crc_bytes. */
static void pack_bytes(struct packed *packed, struct bytes bytes)
{
	pack_number(packed, bytes.size);
	pack(packed, bytes.data, bytes_size(bytes));
}

uint32_t store_row_checksum(const struct tree_row *row, struct bytes acl)
{
	const int64_t numbers[] = {
		row->stat.czxid,    row->stat.mzxid,    row->stat.pzxid,
		row->stat.ctime,    row->stat.mtime,    row->stat.version,
		row->stat.cversion, row->stat.aversion, row->stat.ephemeral_owner,
	};
	struct packed packed;

	packed.crc = 0;
	packed.size = 0;
	pack_bytes(&packed, row->path);
	pack_bytes(&packed, row->data);
	pack_bytes(&packed, acl);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		pack_number(&packed, numbers[i]);
	return libdeflate_crc32(packed.crc, packed.bytes, packed.size);
}

uint32_t store_session_checksum(session_id_t id, int32_t timeout_ms)
{
	return store_crc_number(store_crc_number(0, id), timeout_ms);
}

static uint32_t head_checksum(const struct store_tree_head *head)
{
	uint32_t crc = 0;

	crc = store_crc_number(crc, head->zxid);
	crc = store_crc_number(crc, (int64_t)head->digest);
	crc = store_crc_number(crc, head->row_count);
	return store_crc_number(crc, (int64_t)head->checksum_sum);
}

/* ---- opening ---- */

int store_tree_make(const struct store_dir *dir, uint32_t generation, zxid_t base_zxid,
		    struct store_refusal *ret_refusal)
{
	struct store_tree_head head = {.zxid = base_zxid};
	char *made = store_dir_new_tree(dir);
	char *path = store_dir_tree(dir, generation);
	char *schema =
		mem_printf(SCHEMA "insert into tree values (1, %" PRId64 ", 0, 0, 0, %" PRIu32 ")",
			   head.zxid, head_checksum(&head));
	int error;

	error = store_db_make(dir->vfs, made, PAGE_SIZE, schema, ret_refusal);
	if (!error)
		error = store_dir_rename(dir, made, path, ret_refusal);
	free(schema);
	free(made);
	free(path);
	return error;
}

static int read_head(struct store_tree_db *tree, struct store_refusal *ret_refusal)
{
	struct store_tree_head *head = &tree->head;
	sqlite3_stmt *statement;
	int error;

	error = store_db_prepare(&tree->db,
				 "select zxid, digest, row_count, checksum_sum, checksum "
				 "from tree where id = 1",
				 &statement, ret_refusal);
	if (error)
		return error;
	switch (sqlite3_step(statement)) {
	case SQLITE_ROW:
		head->zxid = sqlite3_column_int64(statement, 0);
		head->digest = (uint64_t)sqlite3_column_int64(statement, 1);
		head->row_count = sqlite3_column_int64(statement, 2);
		head->checksum_sum = (uint64_t)sqlite3_column_int64(statement, 3);
		if (sqlite3_column_int64(statement, 4) != head_checksum(head))
			error = store_db_damaged(&tree->db, ret_refusal,
						 "the checksum of the table tree is wrong");
		break;
	case SQLITE_DONE:
		error = store_db_damaged(&tree->db, ret_refusal, "the table tree is empty");
		break;
	default:
		error = store_db_refuse(&tree->db, ret_refusal);
	}
	(void)sqlite3_finalize(statement);
	return error;
}

static int note_commit(void *data, sqlite3 *sqlite, const char *name, int frame_count)
{
	struct store_tree_db *tree = data;

	tree->wal_frame_count = frame_count;
	return SQLITE_OK;
}

int store_tree_set_cache(struct store_tree_db *tree, int size_kib,
			 struct store_refusal *ret_refusal)
{
	char *pragma = mem_printf("pragma cache_size = -%d", size_kib);
	int error = store_db_run(&tree->db, pragma, ret_refusal);

	free(pragma);
	return error;
}

int store_tree_open(struct store_tree_db *tree, const struct store_dir *dir, uint32_t generation,
		    struct store_refusal *ret_refusal)
{
	char *path = store_dir_tree(dir, generation);
	int error;

	*tree = (struct store_tree_db){0};
	error = store_wal_sync(path, ret_refusal);
	if (!error)
		error = store_db_open(&tree->db, dir->vfs, path, ret_refusal);
	if (!error)
		error = store_tree_set_cache(tree, STORE_TREE_CACHE_KIB, ret_refusal);
	for (size_t i = 0; !error && i < STORE_TREE_STATEMENTS; i++)
		error = store_db_prepare(&tree->db, statement_texts[i], &tree->statements[i],
					 ret_refusal);
	if (!error)
		error = read_head(tree, ret_refusal);
	if (error)
		store_tree_close(tree);
	else
		/* The hook that was there before was none. */
		(void)sqlite3_wal_hook(tree->db.sqlite, note_commit, tree);
	free(path);
	return error;
}

int store_tree_open_to_read(struct store_tree_db *tree, const struct store_dir *dir,
			    uint32_t generation, struct store_refusal *ret_refusal)
{
	char *path = store_dir_tree(dir, generation);
	int error;

	*tree = (struct store_tree_db){0};
	error = store_db_open(&tree->db, dir->vfs, path, ret_refusal);
	if (!error)
		error = store_db_run(&tree->db, "begin", ret_refusal);
	if (!error)
		error = read_head(tree, ret_refusal);
	if (error)
		store_tree_close(tree);
	free(path);
	return error;
}

void store_tree_close(struct store_tree_db *tree)
{
	for (size_t i = 0; i < STORE_TREE_STATEMENTS; i++)
		(void)sqlite3_finalize(tree->statements[i]);
	if (tree->db.sqlite)
		store_db_close(&tree->db);
	*tree = (struct store_tree_db){0};
}

/* ---- writing ---- */

/* Take the row that the statement finds, if there is one, out of the head's sums. */
static int forget_old(struct store_tree_db *tree, struct store_tree_head *head,
		      enum statement which, struct store_refusal *ret_refusal)
{
	sqlite3_stmt *statement = tree->statements[which];
	int error = 0;

	switch (sqlite3_step(statement)) {
	case SQLITE_ROW:
		head->row_count--;
		head->checksum_sum -= (uint64_t)sqlite3_column_int64(statement, 0);
		break;
	case SQLITE_DONE:
		break;
	default:
		error = store_db_refuse(&tree->db, ret_refusal);
	}
	/* It repeats what step said. */
	(void)sqlite3_reset(statement);
	return error;
}

static int run(struct store_tree_db *tree, enum statement which, struct store_refusal *ret_refusal)
{
	return store_db_step(&tree->db, tree->statements[which], ret_refusal);
}

static void bind_path(struct store_tree_db *tree, enum statement which, int index,
		      struct bytes path)
{
	int code = sqlite3_bind_text(tree->statements[which], index, path.data, path.size,
				     SQLITE_STATIC);

	ASSERT(code == SQLITE_OK);
}

/* Binding a number to a parameter that is there can't fail. */
static void bind_number(struct store_tree_db *tree, enum statement which, int index, int64_t number)
{
	(void)sqlite3_bind_int64(tree->statements[which], index, number);
}

static void bind_key(struct store_tree_db *tree, enum statement which, const struct tree_row *row)
{
	bind_path(tree, which, 1, row->path);
	bind_number(tree, which, 2, row->stat.czxid);
}

/* As the statement's row of that number, and in the head's sums. */
static void bind_znode(struct store_tree_db *tree, struct store_tree_head *head,
		       enum statement which, int number, const struct tree_row *row,
		       struct bytes acl)
{
	const struct znode_stat *stat = &row->stat;
	uint32_t checksum = store_row_checksum(row, acl);
	int first = number * ZNODE_COLUMNS + 1;

	bind_path(tree, which, first, row->path);
	store_bind_bytes(tree->statements[which], first + 1, row->data);
	store_bind_bytes(tree->statements[which], first + 2, acl);
	bind_number(tree, which, first + 3, stat->czxid);
	bind_number(tree, which, first + 4, stat->mzxid);
	bind_number(tree, which, first + 5, stat->pzxid);
	bind_number(tree, which, first + 6, stat->ctime);
	bind_number(tree, which, first + 7, stat->mtime);
	bind_number(tree, which, first + 8, stat->version);
	bind_number(tree, which, first + 9, stat->cversion);
	bind_number(tree, which, first + 10, stat->aversion);
	bind_number(tree, which, first + 11, stat->ephemeral_owner);
	bind_number(tree, which, first + 12, checksum);
	head->row_count++;
	head->checksum_sum += checksum;
}

/* Looking for a row that can't be there would take as long as writing it. */
static int put_znode(struct store_tree_db *tree, struct store_tree_head *head,
		     const struct tree_row *row, struct bytes acl, bool is_new,
		     struct store_refusal *ret_refusal)
{
	enum statement put = is_new ? ADD_ZNODE : PUT_ZNODE;
	int error = 0;

	if (!is_new) {
		bind_key(tree, FIND_ZNODE, row);
		error = forget_old(tree, head, FIND_ZNODE, ret_refusal);
	}
	if (error)
		return error;
	bind_znode(tree, head, put, 0, row, acl);
	return run(tree, put, ret_refusal);
}

static int add_znodes(struct store_tree_db *tree, struct store_tree_head *head,
		      const struct store_writeout *writeout, size_t at,
		      struct store_refusal *ret_refusal)
{
	for (int i = 0; i < GROUP_SIZE; i++) {
		const struct store_change *change = &writeout->changes[at + (size_t)i];
		struct tree_row row = store_change_row(writeout, change);

		bind_znode(tree, head, ADD_ZNODES, i, &row, store_change_acl(writeout, change));
	}
	return run(tree, ADD_ZNODES, ret_refusal);
}

static int delete_znode(struct store_tree_db *tree, struct store_tree_head *head,
			const struct tree_row *row, struct store_refusal *ret_refusal)
{
	int error;

	bind_key(tree, FIND_ZNODE, row);
	bind_key(tree, DELETE_ZNODE, row);
	error = forget_old(tree, head, FIND_ZNODE, ret_refusal);
	return error ? error : run(tree, DELETE_ZNODE, ret_refusal);
}

static int put_session(struct store_tree_db *tree, struct store_tree_head *head, session_id_t id,
		       int32_t timeout_ms, struct store_refusal *ret_refusal)
{
	uint32_t checksum = store_session_checksum(id, timeout_ms);
	int error;

	bind_number(tree, FIND_SESSION, 1, id);
	error = forget_old(tree, head, FIND_SESSION, ret_refusal);
	if (error)
		return error;
	bind_number(tree, PUT_SESSION, 1, id);
	bind_number(tree, PUT_SESSION, 2, timeout_ms);
	bind_number(tree, PUT_SESSION, 3, checksum);
	head->row_count++;
	head->checksum_sum += checksum;
	return run(tree, PUT_SESSION, ret_refusal);
}

static int delete_session(struct store_tree_db *tree, struct store_tree_head *head, session_id_t id,
			  struct store_refusal *ret_refusal)
{
	int error;

	bind_number(tree, FIND_SESSION, 1, id);
	bind_number(tree, DELETE_SESSION, 1, id);
	error = forget_old(tree, head, FIND_SESSION, ret_refusal);
	return error ? error : run(tree, DELETE_SESSION, ret_refusal);
}

static int put_head(struct store_tree_db *tree, const struct store_tree_head *head,
		    struct store_refusal *ret_refusal)
{
	bind_number(tree, PUT_HEAD, 1, head->zxid);
	bind_number(tree, PUT_HEAD, 2, (int64_t)head->digest);
	bind_number(tree, PUT_HEAD, 3, head->row_count);
	bind_number(tree, PUT_HEAD, 4, (int64_t)head->checksum_sum);
	bind_number(tree, PUT_HEAD, 5, head_checksum(head));
	return run(tree, PUT_HEAD, ret_refusal);
}

static int write_change(struct store_tree_db *tree, struct store_tree_head *head,
			const struct store_writeout *writeout, const struct store_change *change,
			struct store_refusal *ret_refusal)
{
	struct tree_row row = store_change_row(writeout, change);

	switch (change->type) {
	case TREE_ZNODE_PUT:
		return put_znode(tree, head, &row, store_change_acl(writeout, change),
				 change->is_new, ret_refusal);
	case TREE_ZNODE_DELETED:
		return delete_znode(tree, head, &row, ret_refusal);
	case TREE_SESSION_PUT:
		return put_session(tree, head, change->session_id, change->timeout_ms, ret_refusal);
	default:
		ASSERT(change->type == TREE_SESSION_DELETED);
		return delete_session(tree, head, change->session_id, ret_refusal);
	}
}

static bool begins_group(const struct store_writeout *writeout, size_t at)
{
	if (writeout->count - at < GROUP_SIZE)
		return false;
	for (size_t i = at; i < at + GROUP_SIZE; i++)
		if (writeout->changes[i].type != TREE_ZNODE_PUT || !writeout->changes[i].is_new)
			return false;
	return true;
}

static int write_changes(struct store_tree_db *tree, struct store_tree_head *head,
			 const struct store_writeout *writeout, struct store_refusal *ret_refusal)
{
	int error = 0;

	for (size_t at = 0; !error && at < writeout->count;) {
		if (begins_group(writeout, at)) {
			error = add_znodes(tree, head, writeout, at, ret_refusal);
			at += GROUP_SIZE;
		} else {
			error = write_change(tree, head, writeout, &writeout->changes[at],
					     ret_refusal);
			at++;
		}
	}
	return error;
}

int store_tree_write(struct store_tree_db *tree, struct store_writeout *writeout,
		     struct store_refusal *ret_refusal)
{
	struct store_tree_head head = tree->head;
	int error;

	ASSERT(writeout->zxid >= head.zxid);
	head.zxid = writeout->zxid;
	head.digest = writeout->digest;
	store_writeout_sort(writeout);
	error = run(tree, BEGIN, ret_refusal);
	if (!error)
		error = write_changes(tree, &head, writeout, ret_refusal);
	if (!error)
		error = put_head(tree, &head, ret_refusal);
	if (!error)
		error = run(tree, COMMIT, ret_refusal);
	if (!error)
		tree->head = head;
	return error;
}

bool store_tree_wants_checkpoint(const struct store_tree_db *tree)
{
	return tree->wal_frame_count >= CHECKPOINT_FRAMES_MIN;
}

bool store_tree_needs_checkpoint(const struct store_tree_db *tree)
{
	return tree->wal_frame_count >= CHECKPOINT_FRAMES_MAX;
}

int store_tree_checkpoint(struct store_tree_db *tree, struct store_refusal *ret_refusal)
{
	tree->wal_frame_count = 0;
	return store_db_checkpoint(&tree->db, SQLITE_CHECKPOINT_PASSIVE, ret_refusal);
}
