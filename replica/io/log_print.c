#include "replica/io/log_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "replica/io/store.h"
#include "replica/tree/txn-text.h"
#include "src/base/buf.h"

enum { EXIT_UNREADABLE = 2, LINE_SIZE_MAX = 1 << 20 };

/* Which transactions share a commit says nothing to who reads what happened. */
static int print_row(const struct store_log_row *row, void *data)
{
	return 0;
}

static int print_txn(zxid_t zxid, struct bytes bytes, void *data)
{
	struct buf *line = data;
	struct txn txn;

	buf_reset(line);
	if (txn_decode(bytes, &txn) == 0)
		txn_format(line, &txn);
	else
		buf_printf(line, "0x%" PRIx64 " %zu bytes that are no transaction", (uint64_t)zxid,
			   bytes_size(bytes));
	(void)fwrite(line->data, 1, line->size, stdout); /* ferror tells, at the end */
	return putchar('\n') == EOF ? -EIO : 0;
}

static const struct store_log_reader printer = {.row = print_row, .txn = print_txn};

int log_print(char *const *files)
{
	struct store_refusal refusal = {0};
	struct buf line;
	int status = 0;

	buf_init(&line, LINE_SIZE_MAX);
	for (; *files && status == 0; files++)
		if (store_read_log(*files, &printer, &line, &refusal) < 0) {
			fprintf(stderr, "zkfsd: %s\n", refusal.text[0] ? refusal.text : *files);
			status = EXIT_UNREADABLE;
		}
	buf_release(&line);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("zkfsd: standard output");
		status = EXIT_UNREADABLE;
	}
	return status;
}
