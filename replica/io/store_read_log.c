#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replica/io/store_segment.h"
#include "src/base/mem.h"

struct reading {
	const struct store_log_reader *reader;
	void *data;
};

static int read_row(const struct store_log_row *row, void *data, struct store_refusal *ret_refusal)
{
	struct reading *reading = data;

	return reading->reader->row(row, reading->data);
}

static int read_txn(zxid_t zxid, struct bytes txn, void *data, struct store_refusal *ret_refusal)
{
	struct reading *reading = data;

	return reading->reader->txn(zxid, txn, reading->data);
}

int store_read_log(const char *file, const struct store_log_reader *reader, void *data,
		   struct store_refusal *ret_refusal)
{
	struct reading reading = {.reader = reader, .data = data};
	char *path = mem_strdup(file);
	size_t size = strlen(path);
	struct store_db db;
	int error;

	if (size > 4 && strcmp(path + size - 4, "-wal") == 0)
		path[size - 4] = '\0';
	error = store_db_open_read_only(&db, path, ret_refusal);
	if (!error) {
		error = store_segment_read(&db, read_row, read_txn, &reading, ret_refusal);
		store_db_close(&db);
	}
	free(path);
	return error;
}
