#include <inttypes.h>
#include <stdio.h>

#include "replica/io/store_tree.h"
#include "src/base/endian.h"

/* What the rows add up to must be what the head says. */
struct load {
	struct store_tree_db *tree;
	const struct store_loader *loader;
	void *data;
	struct store_refusal *ret_refusal;
	int64_t row_count;
	uint64_t checksum_sum;
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

static int load_znode(struct load *load, sqlite3_stmt *statement)
{
	struct tree_row row = {
		.path = store_column_bytes(statement, 0),
		.data = store_column_bytes(statement, 1),
		.stat =
			{
				.czxid = sqlite3_column_int64(statement, 3),
				.mzxid = sqlite3_column_int64(statement, 4),
				.pzxid = sqlite3_column_int64(statement, 5),
				.ctime = sqlite3_column_int64(statement, 6),
				.mtime = sqlite3_column_int64(statement, 7),
				.version = sqlite3_column_int(statement, 8),
				.cversion = sqlite3_column_int(statement, 9),
				.aversion = sqlite3_column_int(statement, 10),
				.ephemeral_owner = sqlite3_column_int64(statement, 11),
			},
	};
	struct bytes acl = store_column_bytes(statement, 2);
	int error;

	error = check_row(load, sqlite3_column_int64(statement, 12), store_row_checksum(&row, acl),
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
	if (!error && code != SQLITE_DONE)
		error = store_db_refuse(db, load->ret_refusal);
	(void)sqlite3_finalize(statement);
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
	error = each_row(&load, "select * from session order by id", load_session);
	if (!error)
		error = each_row(&load, "select * from znode order by czxid, path", load_znode);
	if (error)
		return error;
	if (load.row_count != head->row_count || load.checksum_sum != head->checksum_sum)
		return store_db_damaged(&tree->db, ret_refusal,
					"it has %" PRId64
					" rows; not those that were written, %" PRId64,
					load.row_count, head->row_count);
	return loader->tree_done(head->zxid, head->digest, ret_refusal, data);
}
