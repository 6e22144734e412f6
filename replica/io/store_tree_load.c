#include <inttypes.h>
#include <stdio.h>

#include "replica/io/store_tree.h"
#include "src/base/assert.h"
#include "src/base/endian.h"

/* What the rows add up to must be what the head says. */
struct load {
	struct store_tree_db *tree;
	const struct store_loader *loader;
	void *data;
	struct store_refusal *ret_refusal;
	int64_t row_count;
	uint64_t checksum_sum;
	int error; /* of the znode that ended the statement */
};

static int check_row(struct load *load, int64_t stored, uint32_t computed, const char *table,
		     struct bytes name)
{
	if (stored != computed)
		return store_db_damaged(&load->tree->db, load->ret_refusal,
					"the checksum of %s %.*s is wrong", table, name.size,
					(const char *)name.data);
	load->row_count++;
	load->checksum_sum += computed;
	return 0;
}

bool store_split_acl(struct bytes acl, struct zk_acls *ret_acls)
{
	if (bytes_is_null(acl)) {
		*ret_acls = (struct zk_acls){.count = -1, .encoded = {.data = "", .size = 0}};
		return true;
	}
	if (acl.size < 4)
		return false;
	ret_acls->count = (int32_t)endian_get_u32(acl.data);
	ret_acls->encoded = bytes_of((const uint8_t *)acl.data + 4, (size_t)acl.size - 4);
	return ret_acls->count >= 0;
}

static struct bytes value_bytes(sqlite3_value *value)
{
	const void *data = sqlite3_value_blob(value);

	if (data)
		return bytes_of(data, (size_t)sqlite3_value_bytes(value));
	return sqlite3_value_type(value) == SQLITE_NULL ? BYTES_NULL : bytes_of("", 0);
}

static int load_znode(struct load *load, sqlite3_value **values)
{
	struct tree_row row = {
		.path = value_bytes(values[0]),
		.data = value_bytes(values[1]),
		.stat =
			{
				.czxid = sqlite3_value_int64(values[3]),
				.mzxid = sqlite3_value_int64(values[4]),
				.pzxid = sqlite3_value_int64(values[5]),
				.ctime = sqlite3_value_int64(values[6]),
				.mtime = sqlite3_value_int64(values[7]),
				.version = sqlite3_value_int(values[8]),
				.cversion = sqlite3_value_int(values[9]),
				.aversion = sqlite3_value_int(values[10]),
				.ephemeral_owner = sqlite3_value_int64(values[11]),
			},
	};
	struct bytes acl = value_bytes(values[2]);
	int error;

	error = check_row(load, sqlite3_value_int64(values[12]), store_row_checksum(&row, acl),
			  "znode", row.path);
	if (!error && !store_split_acl(acl, &row.acls))
		error = store_db_damaged(&load->tree->db, load->ret_refusal, "the ACL of %.*s",
					 row.path.size, (const char *)row.path.data);
	if (!error && load->loader->row(&row, load->data) != 0)
		error = store_db_damaged(&load->tree->db, load->ret_refusal,
					 "znode %.*s has no place in the tree", row.path.size,
					 (const char *)row.path.data);
	return error;
}

static int load_session(struct load *load, sqlite3_stmt *statement)
{
	session_id_t id = sqlite3_column_int64(statement, 0);
	int32_t timeout_ms = sqlite3_column_int(statement, 1);
	char name[32];
	int error;

	snprintf(name, sizeof(name), "0x%" PRIx64, (uint64_t)id);
	error = check_row(load, sqlite3_column_int64(statement, 2),
			  store_session_checksum(id, timeout_ms), "session", bytes_of_text(name));
	if (!error && load->loader->session(id, timeout_ms, load->data) != 0)
		error = store_db_damaged(&load->tree->db, load->ret_refusal,
					 "session %s has no place in the tree", name);
	return error;
}

static int each_row(struct load *load, const char *sql,
		    int (*load_row)(struct load *load, sqlite3_stmt *statement))
{
	struct store_db *db = &load->tree->db;
	sqlite3_stmt *statement;
	int error;
	int code;

	error = store_db_prepare(db, sql, &statement, load->ret_refusal);
	if (error)
		return error;
	while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW)
		error = load_row(load, statement);
	if (!error)
		error = load->error;
	if (!error && code != SQLITE_DONE)
		error = store_db_refuse(db, load->ret_refusal);
	(void)sqlite3_finalize(statement);
	return error;
}

/*
 * The statement hands each znode to a function of ours, as arguments, and has null for its
 * result: an argument costs half of what a column of the result does, and there are millions.
 */
#define LOAD_ZNODE                                                                                 \
	"select load_znode(path, data, acl, czxid, mzxid, pzxid, ctime, mtime, version, "          \
	"cversion, aversion, ephemeral_owner, checksum) from "

enum { ZNODE_COLUMN_COUNT = 13 };

static void take_znode(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct load *load = sqlite3_user_data(context);

	ASSERT(count == ZNODE_COLUMN_COUNT);
	load->error = load_znode(load, values);
	if (load->error)
		sqlite3_result_error(context, "refused", -1);
}

static int skip_result(struct load *load, sqlite3_stmt *statement)
{
	return 0;
}

/*
 * In files of before the key is the path, so they have to be sorted, and before the function
 * is called: an offset keeps SQLite from making one query of the two.
 */
static int choose_query(struct load *load, const char **ret_sql)
{
	int64_t place;
	int error;

	error = store_db_query_number(&load->tree->db,
				      "select pk from pragma_table_info('znode') "
				      "where name = 'czxid'",
				      &place, load->ret_refusal);
	if (!error)
		*ret_sql = place > 0 ? LOAD_ZNODE "znode order by czxid, path"
				     : LOAD_ZNODE "(select * from znode order by czxid, path "
						  "limit -1 offset 0)";
	return error;
}

static int each_znode(struct load *load)
{
	sqlite3 *sqlite = load->tree->db.sqlite;
	const char *sql;
	int error;
	int code;

	error = choose_query(load, &sql);
	if (error)
		return error;
	code = sqlite3_create_function(sqlite, "load_znode", ZNODE_COLUMN_COUNT, SQLITE_UTF8, load,
				       take_znode, NULL, NULL);
	if (code != SQLITE_OK)
		return store_db_refuse(&load->tree->db, load->ret_refusal);
	error = each_row(load, sql, skip_result);
	/* Without a function it takes one away, which can't fail as no statement is left. */
	code = sqlite3_create_function(sqlite, "load_znode", ZNODE_COLUMN_COUNT, SQLITE_UTF8, NULL,
				       NULL, NULL, NULL);
	ASSERT(code == SQLITE_OK);
	return error;
}

int store_tree_load(struct store_tree_db *tree, const struct store_loader *loader, void *data,
		    struct store_refusal *ret_refusal)
{
	struct load load = {
		.tree = tree,
		.loader = loader,
		.data = data,
		.ret_refusal = ret_refusal,
	};
	const struct store_tree_head *head = &tree->head;
	int error;

	if (loader->begin && head->row_count > 0)
		loader->begin((size_t)head->row_count, data);
	error = store_tree_set_cache(tree, STORE_TREE_LOAD_CACHE_KIB, ret_refusal);
	if (!error)
		error = each_row(&load, "select * from session order by id", load_session);
	if (!error)
		error = each_znode(&load);
	if (!error)
		error = store_tree_set_cache(tree, STORE_TREE_CACHE_KIB, ret_refusal);
	if (error)
		return error;
	if (load.row_count != head->row_count || load.checksum_sum != head->checksum_sum)
		return store_db_damaged(&tree->db, ret_refusal,
					"it has %" PRId64
					" rows; not those that were written, %" PRId64,
					load.row_count, head->row_count);
	return loader->tree_done(head->zxid, head->digest, ret_refusal, data);
}
