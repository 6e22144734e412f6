#include "replica/tree/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"
#include "src/base/prng.h"
#include "src/zk/jute.h"
#include "t/unit/cmocka.h"
#include "t/unit/vectors.h"

#define BEN_WAS_HERE "\0\0\0\012BenWasHere"
#define SPAN(text)   bytes_of(text, sizeof(text) - 1)

enum {
	FIELD_SIZE_MAX = 1 << 20,
	STREAM_SIZE_MAX = 16 << 20,
	FILE_HEADER_SIZE = 16,
	/* Of a file behind its terminator: two seals with the digest between, three in 3.9. */
	TAIL_SIZE_38 = 13 + 20 + 13,
};

/* ---- what a reader gives ---- */

/* A tree, and a text of all that was called back, to compare. */
struct taken {
	struct tree *tree;
	struct buf calls;
	unsigned session_count;
	unsigned row_count;
	struct zk_acls last_acls;
	int answer; /* of the callbacks */
};

static int take_session(session_id_t id, int32_t timeout_ms, void *data)
{
	struct taken *taken = data;

	buf_printf(&taken->calls, "session %" PRId64 " %d\n", id, timeout_ms);
	taken->session_count++;
	return taken->answer ? taken->answer : tree_load_session(taken->tree, id, timeout_ms);
}

static int take_row(const struct tree_row *row, void *data)
{
	struct taken *taken = data;
	const struct znode_stat *stat = &row->stat;

	jute_write_ustring(&taken->calls, row->path);
	jute_write_buffer(&taken->calls, row->data);
	zk_acls_write(&taken->calls, &row->acls);
	buf_printf(&taken->calls, " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
		   stat->czxid, stat->mzxid, stat->pzxid, stat->ctime, stat->mtime);
	buf_printf(&taken->calls, " %d %d %d %" PRId64 "\n", stat->version, stat->cversion,
		   stat->aversion, stat->ephemeral_owner);
	taken->row_count++;
	taken->last_acls = row->acls;
	return taken->answer ? taken->answer : tree_load_row(taken->tree, row);
}

static const struct snapshot_handler handler = {take_session, take_row};

static void taken_init(struct taken *taken)
{
	*taken = (struct taken){.tree = tree_new(true)};
	buf_init(&taken->calls, STREAM_SIZE_MAX);
}

static void taken_release(struct taken *taken)
{
	tree_free(taken->tree);
	buf_release(&taken->calls);
}

static struct bytes part(struct bytes bytes, size_t begin, size_t end)
{
	assert_true(begin <= end && end <= bytes_size(bytes));
	return bytes_of((const uint8_t *)bytes.data + begin, end - begin);
}

/* In one go. The bytes are copied, so that a sanitizer sees their end. */
static int read_all(struct bytes stream, struct taken *taken, size_t *ret_consumed, bool *ret_done)
{
	struct snapshot_reader reader;
	void *copy = mem_alloc(bytes_size(stream));
	int error;

	if (stream.size > 0)
		memcpy(copy, stream.data, bytes_size(stream));
	snapshot_reader_init(&reader, FIELD_SIZE_MAX, &handler, taken);
	error = snapshot_reader_feed(&reader, bytes_of(copy, bytes_size(stream)), ret_consumed);
	*ret_done = snapshot_reader_is_done(&reader);
	snapshot_reader_release(&reader);
	free(copy);
	return error;
}

static void must_read(struct bytes stream, struct taken *taken)
{
	size_t consumed;
	bool done;

	assert_int_equal(read_all(stream, taken, &consumed, &done), 0);
	assert_true(done);
	assert_int_equal(consumed, stream.size);
}

static void must_refuse(struct bytes stream)
{
	struct taken taken;
	size_t consumed;
	bool done;

	taken_init(&taken);
	assert_int_equal(read_all(stream, &taken, &consumed, &done), -EBADMSG);
	assert_false(done);
	assert_true(consumed <= bytes_size(stream));
	taken_release(&taken);
}

/* ---- the captured ones ---- */

static const struct vector *find_vector(const struct vectors *vectors, const char *note)
{
	for (size_t i = 0; i < vectors->count; i++)
		if (vectors->items[i].bytes.size > 0 && strcmp(vectors->items[i].note, note) == 0)
			return &vectors->items[i];
	fail_msg("no vector '%s'", note);
	return NULL;
}

/* snapshot.21 of 3.9.5, its header and seals replaced by the signature. */
static void append_captured(struct buf *stream)
{
	struct vectors vectors;
	const struct vector *at;

	vectors_load(&vectors, "vectors-snapshot.txt");
	at = find_vector(&vectors, "file header ZKSN, version 2, dbid -1");
	do {
		at++;
		buf_append(stream, at->bytes.data, bytes_size(at->bytes));
	} while (strcmp(at->note, "terminator") != 0);
	buf_append(stream, BEN_WAS_HERE, sizeof(BEN_WAS_HERE) - 1);
	vectors_release(&vectors);
}

static void test_captured_snapshot_has_its_digest(void **state)
{
	struct taken taken;
	struct buf stream;
	const struct znode *znode;

	buf_init(&stream, STREAM_SIZE_MAX);
	append_captured(&stream);
	taken_init(&taken);
	must_read(buf_bytes(&stream), &taken);
	assert_int_equal(taken.session_count, 5);
	assert_int_equal(taken.row_count, 11);
	assert_int_equal(tree_digest(taken.tree), 0x4ac6fc046);
	assert_int_equal(tree_session_count(taken.tree), 5);
	assert_int_equal(tree_find_session(taken.tree, 0x0100002816190003)->timeout_ms, 10000);
	znode = tree_find(taken.tree, bytes_of_text("/a/b"));
	assert_true(bytes_is_null(znode_data(znode)));
	assert_int_equal(znode_stored_stat(znode).pzxid, 22);
	znode = tree_find(taken.tree, bytes_of_text("/t"));
	assert_int_equal(znode_stored_stat(znode).ephemeral_owner,
			 (session_id_t)0xff0000000000ea60);
	tree_check(taken.tree);
	taken_release(&taken);
	buf_release(&stream);
}

static void test_captured_empty_database_is_ours(void **state)
{
	struct vectors vectors;
	struct tree *empty = tree_new(true);
	struct taken taken;
	struct buf stream;
	struct bytes file;

	vectors_load(&vectors, "vectors-snapshot.txt");
	file = find_vector(&vectors, "3.8.0")->bytes;
	assert_int_equal(file.size, 457);
	file = part(file, FILE_HEADER_SIZE, bytes_size(file) - TAIL_SIZE_38);
	buf_init(&stream, STREAM_SIZE_MAX);
	buf_append(&stream, file.data, bytes_size(file));
	buf_append(&stream, BEN_WAS_HERE, sizeof(BEN_WAS_HERE) - 1);
	taken_init(&taken);
	must_read(buf_bytes(&stream), &taken);
	assert_int_equal(taken.row_count, 4);
	assert_int_equal(tree_znode_count(taken.tree), 4);
	assert_int_equal(tree_digest(taken.tree), tree_digest(empty));
	taken_release(&taken);
	buf_release(&stream);
	tree_free(empty);
	vectors_release(&vectors);
}

static void test_captured_streams_end_where_they_say(void **state)
{
	struct vectors vectors;
	unsigned count = 0;

	vectors_load(&vectors, "vectors-quorum.txt");
	for (size_t i = 0; i < vectors.count; i++) {
		struct bytes bytes = vectors.items[i].bytes;
		struct taken taken;

		if (!strstr(vectors.items[i].note, "raw snapshot stream"))
			continue;
		taken_init(&taken);
		must_read(bytes, &taken);
		assert_int_equal(taken.row_count, count == 0 ? 4 : 7);
		assert_int_equal(taken.session_count, count == 0 ? 0 : 2);
		tree_check(taken.tree);
		taken_release(&taken);
		count++;
	}
	assert_int_equal(count, 2);
	vectors_release(&vectors);
}

static void test_what_follows_is_left(void **state)
{
	struct taken taken;
	struct buf stream;
	size_t size, consumed;
	bool done;

	buf_init(&stream, STREAM_SIZE_MAX);
	append_captured(&stream);
	size = stream.size;
	append_captured(&stream);
	taken_init(&taken);
	assert_int_equal(read_all(buf_bytes(&stream), &taken, &consumed, &done), 0);
	assert_true(done);
	assert_int_equal(consumed, size);
	taken_release(&taken);
	buf_release(&stream);
}

/* ---- piece by piece ---- */

/* What lies at end is not there yet; what is behind it comes with the second call. */
static void read_in_two(struct bytes stream, size_t end, const struct buf *expected)
{
	struct snapshot_reader reader;
	struct taken taken;
	size_t first, second;

	taken_init(&taken);
	snapshot_reader_init(&reader, FIELD_SIZE_MAX, &handler, &taken);
	assert_int_equal(snapshot_reader_feed(&reader, part(stream, 0, end), &first), 0);
	assert_int_equal(snapshot_reader_is_done(&reader), end == bytes_size(stream));
	assert_true(first <= end);
	stream = part(stream, first, bytes_size(stream));
	assert_int_equal(snapshot_reader_feed(&reader, stream, &second), 0);
	assert_true(snapshot_reader_is_done(&reader));
	assert_int_equal(second, stream.size);
	assert_true(bytes_equal(buf_bytes(&taken.calls), buf_bytes(expected)));
	snapshot_reader_release(&reader);
	taken_release(&taken);
}

static void test_every_place_of_a_cut(void **state)
{
	struct taken whole;
	struct buf stream;

	buf_init(&stream, STREAM_SIZE_MAX);
	append_captured(&stream);
	taken_init(&whole);
	must_read(buf_bytes(&stream), &whole);
	for (size_t end = 0; end <= stream.size; end++)
		read_in_two(buf_bytes(&stream), end, &whole.calls);
	taken_release(&whole);
	buf_release(&stream);
}

/* Bytes as a connection brings them: never more is kept than what isn't whole. */
static void read_in_pieces(struct bytes stream, size_t piece_size, struct taken *taken)
{
	struct snapshot_reader reader;
	struct buf kept;
	size_t consumed;

	buf_init(&kept, STREAM_SIZE_MAX);
	snapshot_reader_init(&reader, FIELD_SIZE_MAX, &handler, taken);
	for (size_t at = 0; at < bytes_size(stream); at += piece_size) {
		size_t end = at + piece_size;
		struct bytes piece =
			part(stream, at, end < bytes_size(stream) ? end : bytes_size(stream));

		assert_false(snapshot_reader_is_done(&reader));
		buf_append(&kept, piece.data, bytes_size(piece));
		assert_int_equal(snapshot_reader_feed(&reader, buf_bytes(&kept), &consumed), 0);
		buf_consume(&kept, consumed);
		assert_true(kept.size < snapshot_reader_rest_size_max(&reader));
	}
	assert_true(snapshot_reader_is_done(&reader));
	assert_int_equal(kept.size, 0);
	snapshot_reader_release(&reader);
	buf_release(&kept);
}

static void test_bytes_one_by_one(void **state)
{
	struct taken whole, pieces;
	struct buf stream;

	buf_init(&stream, STREAM_SIZE_MAX);
	append_captured(&stream);
	taken_init(&whole);
	taken_init(&pieces);
	must_read(buf_bytes(&stream), &whole);
	read_in_pieces(buf_bytes(&stream), 1, &pieces);
	assert_true(bytes_equal(buf_bytes(&whole.calls), buf_bytes(&pieces.calls)));
	taken_release(&whole);
	taken_release(&pieces);
	buf_release(&stream);
}

/* ---- writing ---- */

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
	assert_int_equal(stream->error, 0);
}

static void test_a_captured_tree_is_written_as_it_was_read(void **state)
{
	struct taken first, second;
	struct buf stream, again;

	buf_init(&stream, STREAM_SIZE_MAX);
	buf_init(&again, STREAM_SIZE_MAX);
	append_captured(&stream);
	taken_init(&first);
	taken_init(&second);
	must_read(buf_bytes(&stream), &first);
	write_tree(first.tree, &again);
	must_read(buf_bytes(&again), &second);
	assert_int_equal(tree_digest(second.tree), 0x4ac6fc046);
	assert_int_equal(second.row_count, 11);
	assert_int_equal(second.session_count, 5);
	buf_reset(&stream);
	write_tree(second.tree, &stream);
	assert_true(bytes_equal(buf_bytes(&stream), buf_bytes(&again)));
	taken_release(&first);
	taken_release(&second);
	buf_release(&stream);
	buf_release(&again);
}

/* Null, -1 on the wire, stays null; equal lists have one entry, the empty one too. */
static void test_lists_are_written_once(void **state)
{
	static const struct zk_acls null = {.count = -1, .encoded = {.data = "", .size = 0}};
	static const struct zk_acls empty = {.count = 0, .encoded = {.data = "", .size = 0}};
	struct zk_acls open = zk_acls_open();
	const struct zk_acls *const lists[] = {&null, &open, &empty, &open, &null, &empty};
	struct snapshot_writer writer;
	struct taken taken;
	struct buf stream;
	unsigned count = 0;

	buf_init(&stream, STREAM_SIZE_MAX);
	snapshot_writer_init(&writer);
	for (size_t i = 0; i < 6; i++)
		snapshot_writer_note_acls(&writer, lists[i]);
	snapshot_writer_begin(&writer, &stream, 0);
	while (snapshot_writer_acls(&writer, &stream))
		count++;
	assert_int_equal(count, 2);
	for (size_t i = 0; i < 6; i++) {
		struct tree_row row = {.acls = *lists[i], .data = BYTES_NULL};
		char *path = i == 0 ? mem_strdup("/") : mem_printf("/n%zu", i);

		row.path = bytes_of_text(path);
		snapshot_writer_row(&writer, &stream, &row);
		free(path);
	}
	snapshot_writer_end(&writer, &stream);
	snapshot_writer_release(&writer);
	taken_init(&taken);
	must_read(buf_bytes(&stream), &taken);
	assert_int_equal(taken.row_count, 6);
	assert_int_equal(taken.last_acls.count, 0);
	taken_release(&taken);
	buf_release(&stream);
}

static void grow_tree(struct tree *tree, struct prng *prng, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned parent = (unsigned)prng_below(prng, i + 1);
		char *name =
			parent > 0 ? mem_printf("/n%u/m%u", parent - 1, i) : mem_printf("/n%u", i);
		char *data = mem_printf("%0*u", 1 + (int)prng_below(prng, 300), i);
		struct zk_acls acls = prng_below(prng, 2) ? zk_acls_open() : zk_acls_read_only();
		struct tree_create create = {
			.path = bytes_of_text(name),
			.data = prng_below(prng, 5) ? bytes_of_text(data) : BYTES_NULL,
			.acls = acls,
			.ephemeral_owner = prng_below(prng, 4) ? 0 : 1 + i % 7,
			.parent_cversion = -1,
			.zxid = i + 1,
			.time_ms = i,
		};

		if (i % 3 == 0)
			tree_open_session(tree, 1 + i % 7, 1000 + (int32_t)i);
		/* A parent that isn't there is not of interest. */
		(void)tree_create(tree, &create);
		free(name);
		free(data);
	}
}

static void test_any_tree_makes_the_round_trip(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct tree *tree = tree_new(true);
		struct taken taken;
		struct buf stream;
		struct prng prng;

		prng_init(&prng, seed);
		grow_tree(tree, &prng, 200);
		buf_init(&stream, STREAM_SIZE_MAX);
		write_tree(tree, &stream);
		taken_init(&taken);
		read_in_pieces(buf_bytes(&stream), 1 + prng_below(&prng, 2000), &taken);
		assert_int_equal(tree_digest(taken.tree), tree_digest(tree));
		assert_int_equal(tree_znode_count(taken.tree), tree_znode_count(tree));
		assert_int_equal(tree_ephemeral_count(taken.tree), tree_ephemeral_count(tree));
		assert_int_equal(tree_session_count(taken.tree), tree_session_count(tree));
		tree_check(taken.tree);
		taken_release(&taken);
		buf_release(&stream);
		tree_free(tree);
	}
}

/* ---- as tolerant as Java ---- */

#define NO_SESSION "\0\0\0\0"
#define NO_LIST    "\0\0\0\0"
#define OPEN_ID    "\377\377\377\377\377\377\377\377"
#define ID(n)      "\0\0\0\0\0\0\0" n
#define ZEROS_20   "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define STAT       ZEROS_20 ZEROS_20 ZEROS_20
#define ROOT                                                                                       \
	"\0\0\0\0"                                                                                 \
	"\0\0\0\0" OPEN_ID STAT
#define END         "\0\0\0\001/" BEN_WAS_HERE
#define WORLD       "\0\0\0\005world\0\0\0\006anyone"
#define LIST(perms) "\0\0\0\001\0\0\0" perms WORLD

static void test_the_smallest_stream(void **state)
{
	struct taken taken;

	taken_init(&taken);
	must_read(SPAN(NO_SESSION NO_LIST ROOT END), &taken);
	assert_int_equal(taken.row_count, 1);
	assert_int_equal(taken.last_acls.count, -1);
	taken_release(&taken);
}

static void test_negative_counts_are_none(void **state)
{
	struct taken taken;

	taken_init(&taken);
	must_read(SPAN("\377\377\377\377"
		       "\200\0\0\0" ROOT END),
		  &taken);
	assert_int_equal(taken.row_count, 1);
	taken_release(&taken);
}

static void test_the_later_list_of_an_id_counts(void **state)
{
	struct taken taken;

	taken_init(&taken);
	must_read(SPAN(NO_SESSION "\0\0\0\003" ID("\007") LIST("\001") ID("\010") LIST("\002")
			       ID("\007") LIST("\037") "\0\0\0\0\0\0\0\0" ID("\007") STAT END),
		  &taken);
	assert_true(zk_acls_equal(
		&(struct zk_acls){.count = 1, .encoded = zk_acls_open().encoded},
		&(struct zk_acls){
			.count = 1,
			.encoded = acl_list_acls(tree_find(taken.tree, SPAN("/"))->acls).encoded}));
	taken_release(&taken);
}

/* ZOOKEEPER-3306: until the transaction that created it is replayed, nobody may touch it. */
static void test_a_missing_list_allows_nothing(void **state)
{
	struct taken taken;
	struct zk_acls acls;
	struct zk_acl acl;
	size_t at = 0;

	taken_init(&taken);
	must_read(SPAN(NO_SESSION NO_LIST "\0\0\0\0\0\0\0\0" ID("\011") STAT END), &taken);
	acls = acl_list_acls(tree_find(taken.tree, SPAN("/"))->acls);
	assert_int_equal(acls.count, 1);
	assert_true(zk_acls_next(&acls, &at, &acl));
	assert_int_equal(acl.perms, 0);
	taken_release(&taken);
}

static void test_ephemerals_of_unknown_sessions_are_taken(void **state)
{
	struct taken taken;

	taken_init(&taken);
	must_read(SPAN(NO_SESSION NO_LIST ROOT
		       "\0\0\0\002/e\377\377\377\377" OPEN_ID ZEROS_20 ZEROS_20
		       "\0\0\0\0" ID("\003") "\0\0\0\0\0\0\0\0" END),
		  &taken);
	assert_int_equal(tree_ephemeral_count(taken.tree), 1);
	assert_false(tree_find_session(taken.tree, 3)->open);
	taken_release(&taken);
}

/* ---- what is no stream ---- */

static void test_malformed_streams_are_refused(void **state)
{
	/* More sessions than any. */
	must_refuse(SPAN("\001\0\0\001"));
	/* A null list, one with a null scheme, one with too many entries, one that is too long. */
	must_refuse(SPAN(NO_SESSION "\0\0\0\001" ID("\001") "\377\377\377\377"));
	must_refuse(SPAN(NO_SESSION "\0\0\0\001" ID("\001") "\0\0\0\001\0\0\0\0\377\377\377\377"));
	must_refuse(SPAN(NO_SESSION "\0\0\0\001" ID("\001") "\0\177\0\0"));
	must_refuse(SPAN(NO_SESSION "\0\0\0\001" ID("\001") "\0\0\0\001\0\0\0\0\0\020\0\001"));
	/* A path that is null, below null, or too long; data below null, or too long. */
	must_refuse(SPAN(NO_SESSION NO_LIST "\377\377\377\377"));
	must_refuse(SPAN(NO_SESSION NO_LIST ROOT "\377\377\377\376"));
	must_refuse(SPAN(NO_SESSION NO_LIST ROOT "\0\020\0\001"));
	must_refuse(SPAN(NO_SESSION NO_LIST "\0\0\0\0\377\377\377\376"));
	must_refuse(SPAN(NO_SESSION NO_LIST "\0\0\0\0\0\020\0\001"));
	/* Another signature, a longer one, none. */
	must_refuse(SPAN(NO_SESSION NO_LIST ROOT "\0\0\0\001/\0\0\0\012BenWasHerE"));
	must_refuse(SPAN(NO_SESSION NO_LIST ROOT "\0\0\0\001/\0\0\0\013"));
	must_refuse(SPAN(NO_SESSION NO_LIST ROOT "\0\0\0\001/\377\377\377\377"));
	/* What has no place in a tree: no parent, a node twice. */
	must_refuse(SPAN(NO_SESSION NO_LIST ROOT "\0\0\0\004/x/y\0\0\0\0" OPEN_ID STAT END));
	must_refuse(SPAN(NO_SESSION NO_LIST ROOT ROOT END));
}

/* Each byte of a stream changed: it is read or refused, and a reader that failed stays so. */
static void test_damage_never_confuses_the_reader(void **state)
{
	struct buf stream;

	buf_init(&stream, STREAM_SIZE_MAX);
	append_captured(&stream);
	for (size_t at = 0; at < stream.size; at++) {
		struct snapshot_reader reader;
		struct taken taken;
		size_t consumed, more;
		int error;

		stream.data[at] ^= 0xff;
		taken_init(&taken);
		snapshot_reader_init(&reader, FIELD_SIZE_MAX, &handler, &taken);
		error = snapshot_reader_feed(&reader, buf_bytes(&stream), &consumed);
		assert_true(error == 0 || error == -EBADMSG);
		assert_true(consumed <= stream.size);
		if (error) {
			assert_int_equal(snapshot_reader_feed(&reader, SPAN("\0\0\0\0"), &more),
					 -EBADMSG);
			assert_int_equal(more, 0);
			assert_false(snapshot_reader_is_done(&reader));
		}
		snapshot_reader_release(&reader);
		taken_release(&taken);
		stream.data[at] ^= 0xff;
	}
	buf_release(&stream);
}

static void test_a_callback_ends_it(void **state)
{
	struct snapshot_reader reader;
	struct taken taken;
	struct buf stream;
	size_t consumed;

	buf_init(&stream, STREAM_SIZE_MAX);
	append_captured(&stream);
	taken_init(&taken);
	taken.answer = -ENOSPC;
	snapshot_reader_init(&reader, FIELD_SIZE_MAX, &handler, &taken);
	assert_int_equal(snapshot_reader_feed(&reader, buf_bytes(&stream), &consumed), -ENOSPC);
	assert_int_equal(taken.session_count, 1);
	assert_int_equal(snapshot_reader_feed(&reader, buf_bytes(&stream), &consumed), -EBADMSG);
	assert_int_equal(taken.session_count, 1);
	snapshot_reader_release(&reader);
	taken_release(&taken);
	buf_release(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_captured_snapshot_has_its_digest),
		cmocka_unit_test(test_captured_empty_database_is_ours),
		cmocka_unit_test(test_captured_streams_end_where_they_say),
		cmocka_unit_test(test_what_follows_is_left),
		cmocka_unit_test(test_every_place_of_a_cut),
		cmocka_unit_test(test_bytes_one_by_one),
		cmocka_unit_test(test_a_captured_tree_is_written_as_it_was_read),
		cmocka_unit_test(test_lists_are_written_once),
		cmocka_unit_test(test_any_tree_makes_the_round_trip),
		cmocka_unit_test(test_the_smallest_stream),
		cmocka_unit_test(test_negative_counts_are_none),
		cmocka_unit_test(test_the_later_list_of_an_id_counts),
		cmocka_unit_test(test_a_missing_list_allows_nothing),
		cmocka_unit_test(test_ephemerals_of_unknown_sessions_are_taken),
		cmocka_unit_test(test_malformed_streams_are_refused),
		cmocka_unit_test(test_damage_never_confuses_the_reader),
		cmocka_unit_test(test_a_callback_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
