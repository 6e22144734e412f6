#ifndef IO_STORE_DB_H
#define IO_STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "replica/io/store.h"
#include "src/base/bytes.h"

/*
 * One SQLite database of the store, and what all of them have in common: WAL,
 * synchronous=FULL, no checkpoint that nobody asked for, the marks that say
 * whose file it is, and errors as one sentence.
 *
 * A connection is used by one thread at a time. Functions return 0, or a
 * negative errno with the sentence in ret_refusal (store.h lists them).
 */
struct store_db {
	sqlite3 *sqlite; /* NULL while it is closed */
	char *path;
};

/* For messages: PRAGMA application_id of every file, "zkfs". */
enum { STORE_APPLICATION_ID = 0x7a6b6673 };

/* Say why; returns error. */
int store_refuse(struct store_refusal *ret_refusal, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Make a database with that schema at path, complete and synced, and close it.
 * Remains at path of an attempt that a crash ended are removed first. The
 * directory is not synced: the caller renames it to its name and does.
 */
int store_db_make(const char *vfs, const char *path, int page_size, const char *schema,
		  struct store_refusal *ret_refusal);

/* Open one that is there. What it is and its format are checked. */
int store_db_open(struct store_db *db, const char *vfs, const char *path,
		  struct store_refusal *ret_refusal);
int store_db_open_read_only(struct store_db *db, const char *path,
			    struct store_refusal *ret_refusal);
/* Its statements must be finalized. The WAL stays as it is. */
void store_db_close(struct store_db *db);

/* What SQLite just returned, as a sentence; never 0. */
int store_db_refuse(const struct store_db *db, struct store_refusal *ret_refusal);
/* What is in it can't be; -EBADMSG. */
int store_db_damaged(const struct store_db *db, struct store_refusal *ret_refusal,
		     const char *format, ...) __attribute__((format(printf, 3, 4)));

int store_db_run(struct store_db *db, const char *sql, struct store_refusal *ret_refusal);
int store_db_prepare(struct store_db *db, const char *sql, sqlite3_stmt **ret_statement,
		     struct store_refusal *ret_refusal);

/* The first column of the first row. */
int store_db_query_number(struct store_db *db, const char *sql, int64_t *ret_number,
			  struct store_refusal *ret_refusal);

/* The structure of all pages (PRAGMA integrity_check): lost rows leave traces in it. */
int store_db_check(struct store_db *db, struct store_refusal *ret_refusal);

/* Copy the WAL into the database, so that the next commit begins the WAL anew. */
int store_db_checkpoint(struct store_db *db, int mode, struct store_refusal *ret_refusal);

/* Run a statement that gives no row, and reset it. */
int store_db_step(struct store_db *db, sqlite3_stmt *statement, struct store_refusal *ret_refusal);

/* Null stays null, empty stays empty. Valid until the statement moves on. */
void store_bind_bytes(sqlite3_stmt *statement, int index, struct bytes bytes);
struct bytes store_column_bytes(sqlite3_stmt *statement, int column);

/* CRC-32 of columns: a number as 8 bytes, bytes with their size (-1: null) before them. */
uint32_t store_crc_number(uint32_t crc, int64_t number);
uint32_t store_crc_bytes(uint32_t crc, struct bytes bytes);

#endif
