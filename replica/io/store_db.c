#include "replica/io/store_db.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/base/mem.h"

enum {
	/* A shell that looks in holds a lock for moments; one that recovers a WAL, longer. */
	BUSY_TIMEOUT_MS = 10000,
};

int store_refuse(struct store_refusal *ret_refusal, int error, const char *format, ...)
{
	va_list args;

	ASSERT(error < 0);
	va_start(args, format);
	vsnprintf(ret_refusal->text, sizeof(ret_refusal->text), format, args);
	va_end(args);
	return error;
}

static int errno_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	default:
		return -EIO;
	}
}

int store_db_refuse(const struct store_db *db, struct store_refusal *ret_refusal)
{
	int error = errno_of(sqlite3_errcode(db->sqlite));
	int cause = sqlite3_system_errno(db->sqlite);
	const char *message = sqlite3_errmsg(db->sqlite);

	if (error == -EBADMSG)
		return store_refuse(ret_refusal, error, "%s is damaged: %s", db->path, message);
	if (error == -EBUSY)
		return store_refuse(ret_refusal, error, "%s is in use by another program",
				    db->path);
	if (error == -ENOSPC || cause == ENOSPC || cause == EDQUOT)
		return store_refuse(ret_refusal, -ENOSPC, "%s: no space left on the disk",
				    db->path);
	if (cause)
		return store_refuse(ret_refusal, error, "%s: %s (%s)", db->path, message,
				    strerror(cause));
	return store_refuse(ret_refusal, error, "%s: %s", db->path, message);
}

int store_db_damaged(const struct store_db *db, struct store_refusal *ret_refusal,
		     const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return store_refuse(ret_refusal, -EBADMSG, "%s is damaged: %s", db->path, what);
}

int store_db_run(struct store_db *db, const char *sql, struct store_refusal *ret_refusal)
{
	if (sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) != SQLITE_OK)
		return store_db_refuse(db, ret_refusal);
	return 0;
}

int store_db_prepare(struct store_db *db, const char *sql, sqlite3_stmt **ret_statement,
		     struct store_refusal *ret_refusal)
{
	sqlite3_stmt *statement;
	int code;

	code = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
	/* Our own statements are right: a table or column that isn't there is damage. */
	if (code == SQLITE_ERROR)
		return store_db_damaged(db, ret_refusal, "%s", sqlite3_errmsg(db->sqlite));
	if (code != SQLITE_OK)
		return store_db_refuse(db, ret_refusal);
	*ret_statement = statement;
	return 0;
}

int store_db_step(struct store_db *db, sqlite3_stmt *statement, struct store_refusal *ret_refusal)
{
	int error = 0;

	if (sqlite3_step(statement) != SQLITE_DONE)
		error = store_db_refuse(db, ret_refusal);
	/* It repeats what step said. */
	(void)sqlite3_reset(statement);
	return error;
}

int store_db_query_number(struct store_db *db, const char *sql, int64_t *ret_number,
			  struct store_refusal *ret_refusal)
{
	sqlite3_stmt *statement;
	int error;

	error = store_db_prepare(db, sql, &statement, ret_refusal);
	if (error)
		return error;
	if (sqlite3_step(statement) == SQLITE_ROW)
		*ret_number = sqlite3_column_int64(statement, 0);
	else
		error = store_db_refuse(db, ret_refusal);
	(void)sqlite3_finalize(statement);
	return error;
}

/* What a pragma answers must be this text. */
static int expect_text(struct store_db *db, const char *sql, const char *expected,
		       struct store_refusal *ret_refusal)
{
	sqlite3_stmt *statement;
	const char *text;
	int error;

	error = store_db_prepare(db, sql, &statement, ret_refusal);
	if (error)
		return error;
	if (sqlite3_step(statement) != SQLITE_ROW) {
		error = store_db_refuse(db, ret_refusal);
	} else {
		text = (const char *)sqlite3_column_text(statement, 0);
		if (!text || strcmp(text, expected) != 0)
			error = store_db_damaged(db, ret_refusal, "%s", text ? text : "no memory");
	}
	/* journal_mode answers first, and fails at its end. */
	if (!error && sqlite3_step(statement) != SQLITE_DONE)
		error = store_db_refuse(db, ret_refusal);
	/* It repeats what step said. */
	(void)sqlite3_finalize(statement);
	return error;
}

int store_db_check(struct store_db *db, struct store_refusal *ret_refusal)
{
	return expect_text(db, "pragma integrity_check(1)", "ok", ret_refusal);
}

static int check_marks(struct store_db *db, struct store_refusal *ret_refusal)
{
	int64_t id, format;
	int error;

	error = store_db_query_number(db, "pragma application_id", &id, ret_refusal);
	if (!error && id != STORE_APPLICATION_ID)
		error = store_db_damaged(db, ret_refusal, "it is no file of zkfsd");
	if (!error)
		error = store_db_query_number(db, "pragma user_version", &format, ret_refusal);
	if (!error && format > STORE_FORMAT)
		error = store_refuse(ret_refusal, -ENOTSUP,
				     "%s is of format %lld, this zkfsd knows %d only: "
				     "it was written by a newer one",
				     db->path, (long long)format, STORE_FORMAT);
	if (!error && format < STORE_FORMAT)
		error = store_db_damaged(db, ret_refusal, "it has no format");
	return error;
}

static int connect_to(struct store_db *db, const char *vfs, const char *path, int flags,
		      struct store_refusal *ret_refusal)
{
	db->path = mem_strdup(path);
	flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	if (sqlite3_open_v2(path, &db->sqlite, flags, vfs) != SQLITE_OK)
		return store_db_refuse(db, ret_refusal);
	/* It can't fail on a connection that is open; nor can the next. */
	(void)sqlite3_busy_timeout(db->sqlite, BUSY_TIMEOUT_MS);
	return 0;
}

static int open_with(struct store_db *db, const char *vfs, const char *path, int flags,
		     struct store_refusal *ret_refusal)
{
	int error;
	int on;

	*db = (struct store_db){0};
	error = connect_to(db, vfs, path, flags, ret_refusal);
	if (!error)
		(void)sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &on);
	if (!error)
		error = store_db_run(db, "pragma synchronous = full; pragma wal_autocheckpoint = 0",
				     ret_refusal);
	if (!error)
		error = check_marks(db, ret_refusal);
	if (!error)
		error = expect_text(db, "pragma journal_mode", "wal", ret_refusal);
	if (error)
		store_db_close(db);
	return error;
}

int store_db_open(struct store_db *db, const char *vfs, const char *path,
		  struct store_refusal *ret_refusal)
{
	return open_with(db, vfs, path, SQLITE_OPEN_READWRITE, ret_refusal);
}

int store_db_open_read_only(struct store_db *db, const char *path,
			    struct store_refusal *ret_refusal)
{
	return open_with(db, NULL, path, SQLITE_OPEN_READONLY, ret_refusal);
}

void store_db_close(struct store_db *db)
{
	/* It fails only when statements are left, which is a bug. */
	if (db->sqlite)
		ASSERT(sqlite3_close(db->sqlite) == SQLITE_OK);
	free(db->path);
	*db = (struct store_db){0};
}

/* A journal that stayed beside a new database would be rolled back into it. */
static int remove_remains(const char *vfs, const char *path, struct store_refusal *ret_refusal)
{
	static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
	sqlite3_vfs *files = sqlite3_vfs_find(vfs);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *name = mem_printf("%s%s", path, suffixes[i]);
		int code = files->xDelete(files, name, 0);

		free(name);
		if (code != SQLITE_OK && code != SQLITE_IOERR_DELETE_NOENT)
			return store_refuse(ret_refusal, -EIO, "%s%s can't be removed", path,
					    suffixes[i]);
	}
	return 0;
}

int store_db_make(const char *vfs, const char *path, int page_size, const char *schema,
		  struct store_refusal *ret_refusal)
{
	struct store_db db = {0};
	char *marks;
	int error;

	error = remove_remains(vfs, path, ret_refusal);
	if (error)
		return error;
	marks = mem_printf("pragma page_size = %d; pragma synchronous = full; begin; "
			   "pragma application_id = %d; pragma user_version = %d; %s; commit",
			   page_size, STORE_APPLICATION_ID, STORE_FORMAT, schema);
	error = connect_to(&db, vfs, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, ret_refusal);
	if (!error)
		error = store_db_run(&db, marks, ret_refusal);
	if (!error)
		error = expect_text(&db, "pragma journal_mode = wal", "wal", ret_refusal);
	store_db_close(&db);
	free(marks);
	return error;
}

int store_db_checkpoint(struct store_db *db, int mode, struct store_refusal *ret_refusal)
{
	if (sqlite3_wal_checkpoint_v2(db->sqlite, NULL, mode, NULL, NULL) != SQLITE_OK)
		return store_db_refuse(db, ret_refusal);
	return 0;
}

void store_bind_bytes(sqlite3_stmt *statement, int index, struct bytes bytes)
{
	int code;

	/* SQLite takes a NULL pointer for null, whatever the size. */
	if (bytes_is_null(bytes))
		code = sqlite3_bind_null(statement, index);
	else
		code = sqlite3_bind_blob(statement, index, bytes.size > 0 ? bytes.data : "",
					 bytes.size, SQLITE_STATIC);
	ASSERT(code == SQLITE_OK);
}

struct bytes store_column_bytes(sqlite3_stmt *statement, int column)
{
	const void *data = sqlite3_column_blob(statement, column);

	if (data)
		return bytes_of(data, (size_t)sqlite3_column_bytes(statement, column));
	return sqlite3_column_type(statement, column) == SQLITE_NULL ? BYTES_NULL : bytes_of("", 0);
}

uint32_t store_crc_number(uint32_t crc, int64_t number)
{
	uint8_t bytes[8];

	endian_put_u64(bytes, (uint64_t)number);
	return libdeflate_crc32(crc, bytes, sizeof(bytes));
}

uint32_t store_crc_bytes(uint32_t crc, struct bytes bytes)
{
	crc = store_crc_number(crc, bytes.size);
	if (bytes.size > 0)
		crc = libdeflate_crc32(crc, bytes.data, (size_t)bytes.size);
	return crc;
}
