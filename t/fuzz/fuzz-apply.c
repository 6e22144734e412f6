#include "t/fuzz/fuzz.h"

#include <stdlib.h>

#include "replica/tree/apply.h"
#include "replica/tree/txn.h"
#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/base/mem.h"

/*
 * What a leader proposes, or a log holds, against a tree: the input is a run of
 * transactions, {u16 size, bytes}; their zxids are overwritten, for those that
 * do not rise never come here. Claims: the tree keeps its invariants, and a
 * second one that applies the same is the same.
 */
enum { TXN_ZXID_AT = 12 };

static struct bytes read_part(struct jute_reader *reader)
{
	size_t size = (uint8_t)jute_read_byte(reader);
	struct bytes part;

	size = size << 8 | (uint8_t)jute_read_byte(reader);
	if (size > jute_left(reader))
		size = jute_left(reader);
	part = bytes_of(reader->at, size);
	reader->at += size;
	return part;
}

static void apply_one(struct apply *apply, struct bytes bytes)
{
	uint8_t *copy;
	struct txn txn;

	if (bytes_size(bytes) < TXN_HEADER_SIZE)
		return;
	copy = mem_dup(bytes.data, bytes_size(bytes));
	endian_put_u64(copy + TXN_ZXID_AT, (uint64_t)tree_zxid(apply->tree) + 1);
	if (txn_decode(bytes_of(copy, bytes_size(bytes)), &txn) == 0) {
		apply_txn(apply, &txn);
		ASSERT(tree_zxid(apply->tree) == txn.header.zxid);
	}
	free(copy);
}

static struct tree *apply_all(const uint8_t *data, size_t size)
{
	struct tree *tree = tree_new(true);
	struct jute_reader reader;
	struct apply apply;

	apply_init(&apply, tree, NULL, NULL, NULL);
	jute_reader_init(&reader, data, size, FUZZ_SIZE_MAX);
	while (jute_left(&reader) > 0)
		apply_one(&apply, read_part(&reader));
	apply_release(&apply);
	tree_check(tree);
	return tree;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree *tree;
	struct tree *again;

	if (size > FUZZ_SIZE_MAX)
		return 0;
	tree = apply_all(data, size);
	again = apply_all(data, size);
	ASSERT(tree_zxid(tree) == tree_zxid(again));
	ASSERT(tree_digest(tree) == tree_digest(again));
	ASSERT(tree_znode_count(tree) == tree_znode_count(again));
	ASSERT(tree_ephemeral_count(tree) == tree_ephemeral_count(again));
	tree_free(tree);
	tree_free(again);
	return 0;
}
