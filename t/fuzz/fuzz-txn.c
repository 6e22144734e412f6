#include "t/fuzz/fuzz.h"

#include <string.h>

#include "replica/tree/txn-text.h"
#include "replica/tree/txn.h"
#include "src/base/assert.h"

/*
 * What a server reads from its peers and from a log. Claims: what decodes
 * encodes to bytes that decode, and encode to themselves; a multi has as many
 * sub-transactions as it says; the text is one line.
 */
static void check_multi(const struct txn_multi *multi)
{
	struct txn_record record;
	int32_t count = 0;

	for (size_t at = 0; txn_multi_next(multi, &at, &record);)
		count++;
	ASSERT(count == multi->count);
}

static void check_text(const struct txn *txn)
{
	struct buf text;

	buf_init(&text, FUZZ_SIZE_MAX);
	txn_format(&text, txn);
	ASSERT(text.size > 0);
	for (size_t i = 0; i < text.size; i++)
		ASSERT(text.data[i] >= 0x20 && text.data[i] < 0x7f);
	buf_release(&text);
}

static void check_trip(const struct txn *txn)
{
	struct buf once;
	struct buf twice;
	struct txn again;

	buf_init(&once, 2 * FUZZ_SIZE_MAX);
	buf_init(&twice, 2 * FUZZ_SIZE_MAX);
	txn_encode(&once, txn);
	ASSERT(!once.error);
	ASSERT(txn_decode(buf_bytes(&once), &again) == 0);
	ASSERT(again.has_digest == txn->has_digest);
	txn_encode(&twice, &again);
	ASSERT(bytes_equal(buf_bytes(&once), buf_bytes(&twice)));
	buf_release(&once);
	buf_release(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct txn txn;

	if (size > FUZZ_SIZE_MAX || txn_decode(bytes_of(data, size), &txn) < 0)
		return 0;
	if (txn.header.type == ZK_OP_MULTI)
		check_multi(&txn.record.multi);
	check_text(&txn);
	check_trip(&txn);
	return 0;
}
