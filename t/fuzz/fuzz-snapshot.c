#include "t/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "replica/tree/snapshot.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

/*
 * What a learner reads behind SNAP. The input's first byte says in what pieces
 * the rest comes. Claims: the pieces make no difference; what is taken is never
 * more than was given, and what is kept never more than the reader says; a tree
 * of what was read is whole; written, it is read as the same tree.
 */
enum { FIELD_SIZE_MAX = 1 << 16 };

struct taken {
	struct tree *tree;
	uint64_t row_count;
	uint64_t session_count;
	bool is_refused; /* what is no tree is no concern of the reader */
};

static int take_session(session_id_t id, int32_t timeout_ms, void *data)
{
	struct taken *taken = data;

	taken->session_count++;
	taken->is_refused |= tree_load_session(taken->tree, id, timeout_ms) != 0;
	return 0;
}

static int take_row(const struct tree_row *row, void *data)
{
	struct taken *taken = data;

	taken->row_count++;
	taken->is_refused |= tree_load_row(taken->tree, row) != 0;
	return 0;
}

static const struct snapshot_handler handler = {take_session, take_row};

/* The reader's error; whether it was done, and what it took. */
static int read_stream(struct bytes stream, size_t piece_size, struct taken *taken, bool *ret_done,
		       size_t *ret_consumed)
{
	struct snapshot_reader reader;
	const uint8_t *data = stream.data;
	size_t size = bytes_size(stream);
	size_t begin = 0;
	int error = 0;

	snapshot_reader_init(&reader, FIELD_SIZE_MAX, &handler, taken);
	for (size_t end = 0; !error && end < size;) {
		size_t consumed;

		end = piece_size < size - end ? end + piece_size : size;
		error = snapshot_reader_feed(&reader, bytes_of(data + begin, end - begin),
					     &consumed);
		ASSERT(consumed <= end - begin);
		begin += consumed;
		if (!error && !snapshot_reader_is_done(&reader))
			ASSERT(end - begin < snapshot_reader_rest_size_max(&reader));
	}
	*ret_done = snapshot_reader_is_done(&reader);
	*ret_consumed = begin;
	snapshot_reader_release(&reader);
	return error;
}

static struct tree_row row_of(const struct znode *znode, struct buf *path)
{
	return (struct tree_row){
		.path = znode_path(znode, path),
		.data = znode_data(znode),
		.acls = acl_list_acls(znode->acls),
		.stat = znode_stored_stat(znode),
	};
}

static void write_tree(const struct tree *tree, struct buf *stream)
{
	struct snapshot_writer writer;
	struct tree_row row;
	struct buf path;

	buf_init(&path, INT32_MAX);
	snapshot_writer_init(&writer);
	for (const struct znode *at = tree_walk_next(tree, NULL); at;
	     at = tree_walk_next(tree, at)) {
		row = row_of(at, &path);
		snapshot_writer_note_acls(&writer, &row.acls);
	}
	snapshot_writer_begin(&writer, stream, (int32_t)tree_session_count(tree));
	for (const struct tree_session *at = tree_next_session(tree, NULL); at;
	     at = tree_next_session(tree, at))
		if (at->open)
			snapshot_writer_session(&writer, stream, at->id, at->timeout_ms);
	while (snapshot_writer_acls(&writer, stream))
		;
	for (const struct znode *at = tree_walk_next(tree, NULL); at;
	     at = tree_walk_next(tree, at)) {
		row = row_of(at, &path);
		snapshot_writer_row(&writer, stream, &row);
	}
	snapshot_writer_end(&writer, stream);
	snapshot_writer_release(&writer);
	buf_release(&path);
	ASSERT(!stream->error);
}

static void check_trip(const struct tree *tree)
{
	struct taken taken = {.tree = tree_new(true)};
	struct buf stream;
	size_t consumed;
	bool done;

	buf_init(&stream, 4 * FUZZ_SIZE_MAX);
	write_tree(tree, &stream);
	ASSERT(read_stream(buf_bytes(&stream), stream.size, &taken, &done, &consumed) == 0);
	ASSERT(done && consumed == stream.size && !taken.is_refused);
	ASSERT(tree_digest(taken.tree) == tree_digest(tree));
	ASSERT(tree_znode_count(taken.tree) == tree_znode_count(tree));
	tree_check(taken.tree);
	buf_release(&stream);
	tree_free(taken.tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct taken whole = {.tree = tree_new(true)};
	struct taken pieces = {.tree = tree_new(true)};
	struct bytes stream = size > 0 ? bytes_of(data + 1, size - 1) : bytes_of("", 0);
	size_t piece_size = size > 0 ? (size_t)data[0] * data[0] + 1 : 1;
	size_t consumed_whole, consumed_pieces;
	bool done_whole, done_pieces;
	int error;

	if (size <= FUZZ_SIZE_MAX) {
		error = read_stream(stream, bytes_size(stream) + 1, &whole, &done_whole,
				    &consumed_whole);
		ASSERT(read_stream(stream, piece_size, &pieces, &done_pieces, &consumed_pieces) ==
		       error);
		ASSERT(done_whole == done_pieces && consumed_whole == consumed_pieces);
		ASSERT(whole.row_count == pieces.row_count);
		ASSERT(whole.session_count == pieces.session_count);
		tree_check(whole.tree);
		if (done_whole && !whole.is_refused)
			check_trip(whole.tree);
	}
	tree_free(whole.tree);
	tree_free(pieces.tree);
	return 0;
}
