#include "t/unit/cmocka.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replica/tree/txn-text.h"
#include "replica/tree/txn.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/base/prng.h"
#include "src/zk/code.h"
#include "t/unit/vectors.h"

#define SPAN(literal) bytes_of(literal, sizeof(literal) - 1)

enum { SIZE_MAX_TEST = 1 << 20 };

/* ---- where captured transactions come from ---- */

typedef void (*txn_visitor)(struct bytes txn, const char *note);

/* A log's entry: checksum, length, transaction, 'B'. */
static void visit_log_entry(struct bytes entry, const char *note, txn_visitor visit)
{
	struct jute_reader reader;
	struct bytes txn;

	jute_reader_init(&reader, entry.data, bytes_size(entry), SIZE_MAX_TEST);
	(void)jute_read_long(&reader); /* the checksum is the log's affair */
	txn = jute_read_buffer(&reader);
	assert_int_equal(jute_read_byte(&reader), 'B');
	assert_int_equal(reader.error, 0);
	assert_int_equal(jute_left(&reader), 0);
	visit(txn, note);
}

enum { PACKET_PROPOSAL = 2, PACKET_INFORM = 8, PACKET_INFORMANDACTIVATE = 19 };

static void visit_packet(struct bytes packet, const char *note, txn_visitor visit)
{
	struct jute_reader reader;
	struct bytes data;
	int32_t type;

	jute_reader_init(&reader, packet.data, bytes_size(packet), SIZE_MAX_TEST);
	type = jute_read_int(&reader);
	(void)jute_read_long(&reader); /* the zxid, which the transaction has too */
	data = jute_read_buffer(&reader);
	if (type == PACKET_INFORMANDACTIVATE) /* the suggested leader goes before */
		data = bytes_of((const uint8_t *)data.data + 8, bytes_size(data) - 8);
	else if (type != PACKET_PROPOSAL && type != PACKET_INFORM)
		return;
	assert_int_equal(jute_read_int(&reader), -1);
	assert_int_equal(reader.error, 0);
	visit(data, note);
}

/*
 * Is it a packet at all? A snapshot's stream stands between them and its first
 * int can look like a packet's type.
 */
static bool is_snapshot(const struct vector *vector, const struct vector *before)
{
	return vector->direction == '<' && strcmp(before->note, "SNAP") == 0;
}

static size_t each_captured_txn(txn_visitor visit)
{
	struct vectors log;
	struct vectors quorum;
	size_t count = 0;

	vectors_load(&log, "vectors-log.txt");
	for (size_t i = 0; i < log.count; i++) {
		if (log.items[i].direction != '=' || strcmp(log.items[i].note, "file header") == 0)
			continue;
		visit_log_entry(log.items[i].bytes, log.items[i].note, visit);
		count++;
	}
	vectors_load(&quorum, "vectors-quorum.txt");
	for (size_t i = 1; i < quorum.count; i++) {
		const struct vector *vector = &quorum.items[i];

		if (vector->direction != '#' && !is_snapshot(vector, vector - 1))
			visit_packet(vector->bytes, vector->note, visit);
	}
	vectors_release(&log);
	vectors_release(&quorum);
	return count;
}

static struct bytes encode(const struct txn *txn, struct buf *buf)
{
	buf_init(buf, SIZE_MAX_TEST);
	txn_encode(buf, txn);
	assert_int_equal(buf->error, 0);
	return buf_bytes(buf);
}

/* A copy of the first size bytes in an allocation of exactly that size, for ASan to guard. */
static struct bytes cut(struct bytes bytes, size_t size)
{
	return bytes_of(memcpy(mem_alloc(size), bytes.data, size), size);
}

static void assert_bytes_equal(struct bytes got, struct bytes expected, const char *note)
{
	if (!bytes_equal(got, expected))
		fail_msg("%s: encoded otherwise (%d bytes, %d expected)", note, got.size,
			 expected.size);
}

/* ---- captured transactions ---- */

static int txns_seen;

/* The sub-transactions, taken out and appended again, are the same bytes. */
static void assert_multi_rebuilds(const struct txn_multi *multi, const char *note)
{
	struct txn_record record;
	struct buf buf;
	int32_t count = 0;

	buf_init(&buf, SIZE_MAX_TEST);
	for (size_t at = 0; txn_multi_next(multi, &at, &record); count++)
		txn_multi_append(&buf, &record);
	assert_int_equal(count, multi->count);
	assert_bytes_equal(buf_bytes(&buf), multi->encoded, note);
	buf_release(&buf);
}

static void round_trip(struct bytes bytes, const char *note)
{
	struct txn txn;
	struct buf buf;

	txns_seen++;
	if (txn_decode(bytes, &txn) != 0)
		fail_msg("%s: does not decode", note);
	assert_bytes_equal(encode(&txn, &buf), bytes, note);
	buf_release(&buf);
	assert_int_equal(txn.has_digest, txn.header.type != ZK_OP_ERROR);
	if (txn.has_digest)
		assert_int_equal(txn.digest.version, TXN_DIGEST_VERSION);
	if (txn.header.type == ZK_OP_MULTI)
		assert_multi_rebuilds(&txn.record.multi, note);
}

static void captured_transactions_encode_to_their_bytes(void **state)
{
	size_t log_count = each_captured_txn(round_trip);

	assert_int_equal(log_count, 37);
	assert_true(txns_seen > 50);
}

/*
 * What may be missing at the end without being an error: the digest, before it
 * a create's parentCVersion (the old form), or closeSession's record. Everything
 * else must be refused.
 */
static bool may_end_at(const struct txn *txn, size_t size, size_t left)
{
	if (txn->has_digest && left <= TXN_DIGEST_SIZE)
		return true;
	if (txn->header.type == ZK_OP_CREATE)
		return left == sizeof(int32_t) + TXN_DIGEST_SIZE;
	return txn->header.type == ZK_OP_CLOSE_SESSION && size == TXN_HEADER_SIZE;
}

static void refuse_each_cut(struct bytes bytes, const char *note)
{
	struct txn whole;
	struct txn txn;

	assert_int_equal(txn_decode(bytes, &whole), 0);
	for (size_t size = 0; size < bytes_size(bytes); size++) {
		struct bytes part = cut(bytes, size);
		int error = txn_decode(part, &txn);

		if (may_end_at(&whole, size, bytes_size(bytes) - size))
			assert_int_equal(error, 0);
		else if (error != -EBADMSG)
			fail_msg("%s: %zu of %d bytes decode", note, size, bytes.size);
		free((void *)part.data);
	}
}

static void a_transaction_cut_anywhere_is_refused(void **state)
{
	(void)each_captured_txn(refuse_each_cut);
}

static struct prng prng;

/* Whatever the bytes say, nothing is read beyond them; what decodes encodes to what decodes. */
static void survive_damage(struct bytes bytes, const char *note)
{
	for (int round = 0; round < 200; round++) {
		struct bytes damaged = cut(bytes, bytes_size(bytes));
		uint8_t *at = (uint8_t *)(uintptr_t)damaged.data;
		struct txn txn;
		struct buf line;

		for (uint64_t n = 1 + prng_below(&prng, 4); n > 0; n--) {
			static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
			size_t where = prng_below(&prng, bytes_size(bytes));

			at[where] = edges[prng_below(&prng, sizeof(edges))];
		}
		if (txn_decode(damaged, &txn) == 0) {
			buf_init(&line, SIZE_MAX_TEST);
			txn_format(&line, &txn);
			assert_null(memchr(line.data, '\n', line.size));
			buf_release(&line);
		}
		free(at);
	}
}

static void damaged_transactions_are_read_within_their_bytes(void **state)
{
	prng_init(&prng, 1);
	(void)each_captured_txn(survive_damage);
}

/* ---- single rules ---- */

static void decode(struct bytes bytes, struct txn *ret_txn)
{
	assert_int_equal(txn_decode(bytes, ret_txn), 0);
}

#define HEADER(type)                                                                               \
	"\0\0\0\0\0\0\0\1"                                                                         \
	"\0\0\0\2"                                                                                 \
	"\0\0\0\3\0\0\0\4"                                                                         \
	"\0\0\0\0\0\0\0\5" type
#define TYPE_CREATE "\0\0\0\1"
#define TYPE_CHECK  "\0\0\0\15"
#define TYPE_MULTI  "\0\0\0\16"
#define TYPE_CLOSE  "\377\377\377\365"
#define DIGEST      "\0\0\0\2\0\0\0\2\0\0\0\7"

static void a_create_without_parent_cversion_is_the_old_form(void **state)
{
	struct txn txn;

	decode(SPAN(HEADER(TYPE_CREATE) "\0\0\0\2/a\0\0\0\1x\0\0\0\0\1"), &txn);
	assert_true(bytes_equal_text(txn.record.create.path, "/a"));
	assert_true(txn.record.create.ephemeral);
	assert_int_equal(txn.record.create.parent_cversion, -1);
	assert_int_equal(txn.record.create.acls.count, 0);
	assert_false(txn.has_digest);
	/* Neither form: three bytes of the four of parentCVersion. */
	assert_int_equal(
		txn_decode(SPAN(HEADER(TYPE_CREATE) "\0\0\0\2/a\0\0\0\1x\0\0\0\0\1\0\0\0"), &txn),
		-EBADMSG);
}

static void close_session_may_have_no_record(void **state)
{
	struct txn txn;

	decode(SPAN(HEADER(TYPE_CLOSE)), &txn);
	assert_false(txn.record.close_session.has_paths);
	assert_false(txn.has_digest);
	decode(SPAN(HEADER(TYPE_CLOSE) DIGEST), &txn);
	assert_false(txn.record.close_session.has_paths);
	assert_true(txn.has_digest);
	assert_int_equal(txn.digest.tree_digest, 0x200000007);
	decode(SPAN(HEADER(TYPE_CLOSE) "\0\0\0\0"), &txn);
	assert_true(txn.record.close_session.has_paths);
	assert_int_equal(txn.record.close_session.paths.count, 0);
	decode(SPAN(HEADER(TYPE_CLOSE) "\0\0\0\1\0\0\0\4/eph"), &txn); /* 12 bytes, no digest */
	assert_true(txn.record.close_session.has_paths);
	assert_false(txn.has_digest);
}

static void close_session_of_both_forms_encodes_to_its_bytes(void **state)
{
	round_trip(SPAN(HEADER(TYPE_CLOSE) DIGEST), "no record");
	round_trip(SPAN(HEADER(TYPE_CLOSE) "\0\0\0\1\0\0\0\4/eph" DIGEST), "one path");
}

/* A leader sends a failed multi of its memory again with all types -1. */
static void a_failed_multi_sent_again_is_read(void **state)
{
	struct txn txn;
	struct txn_record record;
	size_t at = 0;

	decode(SPAN(HEADER(
		       TYPE_MULTI) "\0\0\0\2"
				   "\377\377\377\377\0\0\0\053\0\0\0\3/m3\0\0\0\0\0\0\0\1\0\0\0\037"
				   "\0\0\0\5world\0\0\0\6anyone\0\0\0\0\6"
				   "\377\377\377\377\0\0\0\4\377\377\377\233" DIGEST),
	       &txn);
	assert_int_equal(txn.record.multi.count, 2);
	assert_true(txn_multi_next(&txn.record.multi, &at, &record));
	assert_int_equal(record.type, ZK_OP_ERROR);
	assert_int_equal(record.error.err, 3); /* the path's length */
	assert_true(txn_multi_next(&txn.record.multi, &at, &record));
	assert_int_equal(record.error.err, ZK_NONODE);
	assert_false(txn_multi_next(&txn.record.multi, &at, &record));
	assert_true(txn.has_digest);
}

static void what_no_server_can_read_is_refused(void **state)
{
	static const int32_t types[] = {0, 3, 4, 6, 8, 9, 10, 11, 12, 17, 18, 22, 100, -2, 999};
	uint8_t bytes[TXN_HEADER_SIZE + 64] = {0};
	struct txn txn;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		bytes[28] = (uint8_t)((uint32_t)types[i] >> 24);
		bytes[29] = (uint8_t)((uint32_t)types[i] >> 16);
		bytes[30] = (uint8_t)((uint32_t)types[i] >> 8);
		bytes[31] = (uint8_t)types[i];
		assert_int_equal(txn_decode(bytes_of(bytes, sizeof(bytes)), &txn), -EBADMSG);
	}
	assert_int_equal(txn_decode(SPAN(HEADER(TYPE_CHECK) "\0\0\0\2/a\0\0\0\1" DIGEST), &txn),
			 -EBADMSG);
}

static void a_multi_of_other_than_its_own_types_is_refused(void **state)
{
	struct txn txn;

	/* A multi within a multi, setACL, and a type that nobody knows. */
	assert_int_equal(
		txn_decode(SPAN(HEADER(TYPE_MULTI) "\0\0\0\1\0\0\0\16\0\0\0\4\0\0\0\0"), &txn),
		-EBADMSG);
	assert_int_equal(txn_decode(SPAN(HEADER(TYPE_MULTI) "\0\0\0\1\0\0\0\7\0\0\0\16\0\0\0\2/a"
							    "\0\0\0\0\0\0\0\1"),
				    &txn),
			 -EBADMSG);
	assert_int_equal(txn_decode(SPAN(HEADER(TYPE_MULTI) "\0\0\0\1\0\0\0\144\0\0\0\0"), &txn),
			 -EBADMSG);
	/* A count that the bytes can't hold, and a null vector. */
	assert_int_equal(txn_decode(SPAN(HEADER(TYPE_MULTI) "\177\377\377\377"), &txn), -EBADMSG);
	assert_int_equal(txn_decode(SPAN(HEADER(TYPE_MULTI) "\377\377\377\377"), &txn), -EBADMSG);
}

static void the_header_is_read_alone(void **state)
{
	struct txn_header header;

	assert_int_equal(txn_decode_header(SPAN(HEADER(TYPE_CLOSE)), &header), 0);
	assert_int_equal(header.session_id, 1);
	assert_int_equal(header.cxid, 2);
	assert_int_equal(header.zxid, 0x300000004);
	assert_int_equal(header.time, 5);
	assert_int_equal(header.type, ZK_OP_CLOSE_SESSION);
	assert_int_equal(txn_decode_header(SPAN("\0\0\0\0"), &header), -EBADMSG);
}

/* ---- text ---- */

static void assert_line(struct txn *txn, const char *expected)
{
	struct buf line;

	buf_init(&line, SIZE_MAX_TEST);
	txn_format(&line, txn);
	buf_append(&line, "", 1);
	assert_int_equal(line.error, 0);
	assert_string_equal((const char *)line.data, expected);
	buf_release(&line);
}

static void a_line_says_what_a_transaction_does(void **state)
{
	struct txn txn = {
		.header = {.session_id = 0x10,
			   .cxid = 7,
			   .zxid = 0x100000002,
			   .type = ZK_OP_CREATE},
		.has_digest = true,
		.digest = {.version = TXN_DIGEST_VERSION, .tree_digest = 0xab},
	};

	txn.header.time = 1709251199999; /* the last millisecond of a leap day */
	txn.record = (struct txn_record){.type = ZK_OP_CREATE};
	txn.record.create = (struct txn_create){
		.path = SPAN("/a b\n"),
		.data = SPAN("x\"\0\xff"),
		.acls = zk_acls_open(),
		.ephemeral = true,
		.parent_cversion = 3,
	};
	assert_line(&txn, "0x100000002 2024-02-29T23:59:59.999Z session 0x10 cxid 7 create "
			  "\"/a b\\x0a\" 4 bytes \"x\\x22\\x00\\xff\" acl \"world:anyone:cdrwa\" "
			  "ephemeral parentCVersion 3 digest 0xab");

	txn.has_digest = false;
	txn.header.type = ZK_OP_ERROR;
	txn.header.time = -1;
	txn.record = (struct txn_record){.type = ZK_OP_ERROR, .error = {.err = ZK_NODEEXISTS}};
	assert_line(&txn, "0x100000002 1969-12-31T23:59:59.999Z session 0x10 cxid 7 error -110 "
			  "NODEEXISTS");
}

/* A leader's clock can say anything. */
static void a_line_has_a_date_for_each_time(void **state)
{
	struct txn txn = {.header = {.type = ZK_OP_ERROR}, .record = {.type = ZK_OP_ERROR}};

	txn.header.time = INT64_MIN;
	assert_line(&txn, "0x0 -292275055-05-16T16:47:04.192Z session 0x0 cxid 0 error 0 OK");
	txn.header.time = INT64_MAX;
	assert_line(&txn, "0x0 292278994-08-17T07:12:55.807Z session 0x0 cxid 0 error 0 OK");
	txn.header.time = 951782400000;
	assert_line(&txn, "0x0 2000-02-29T00:00:00.000Z session 0x0 cxid 0 error 0 OK");
}

static void a_line_shows_the_beginning_of_a_long_value(void **state)
{
	char data[TXN_TEXT_DATA_MAX + 2] = {0};
	struct txn txn = {.header = {.type = ZK_OP_SET_DATA}};
	struct buf line;

	memset(data, 'v', TXN_TEXT_DATA_MAX + 1);
	txn.record.type = ZK_OP_SET_DATA;
	txn.record.set_data.path = SPAN("/a");
	txn.record.set_data.data = bytes_of_text(data);
	buf_init(&line, SIZE_MAX_TEST);
	txn_format(&line, &txn);
	buf_append(&line, "", 1);
	assert_non_null(strstr((char *)line.data, " 65 bytes \"vvv"));
	assert_non_null(strstr((char *)line.data, "v\"... version 0"));
	assert_null(strstr((char *)line.data, data));
	buf_release(&line);
}

static void a_line_of_a_multi_holds_its_parts(void **state)
{
	struct txn txn = {.header = {.type = ZK_OP_MULTI}};
	struct txn_record check = {.type = ZK_OP_CHECK, .check = {SPAN("/a"), 5}};
	struct txn_record gone = {.type = ZK_OP_DELETE, .delete = {SPAN("/b")}};
	struct buf subs;

	buf_init(&subs, SIZE_MAX_TEST);
	txn_multi_append(&subs, &check);
	txn_multi_append(&subs, &gone);
	txn.record.type = ZK_OP_MULTI;
	txn.record.multi = (struct txn_multi){.count = 2, .encoded = buf_bytes(&subs)};
	assert_line(&txn, "0x0 1970-01-01T00:00:00.000Z session 0x0 cxid 0 multi of 2 "
			  "[check \"/a\" version 5] [delete \"/b\"]");
	buf_release(&subs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captured_transactions_encode_to_their_bytes),
		cmocka_unit_test(a_transaction_cut_anywhere_is_refused),
		cmocka_unit_test(damaged_transactions_are_read_within_their_bytes),
		cmocka_unit_test(a_create_without_parent_cversion_is_the_old_form),
		cmocka_unit_test(close_session_may_have_no_record),
		cmocka_unit_test(close_session_of_both_forms_encodes_to_its_bytes),
		cmocka_unit_test(a_failed_multi_sent_again_is_read),
		cmocka_unit_test(what_no_server_can_read_is_refused),
		cmocka_unit_test(a_multi_of_other_than_its_own_types_is_refused),
		cmocka_unit_test(the_header_is_read_alone),
		cmocka_unit_test(a_line_says_what_a_transaction_does),
		cmocka_unit_test(a_line_has_a_date_for_each_time),
		cmocka_unit_test(a_line_shows_the_beginning_of_a_long_value),
		cmocka_unit_test(a_line_of_a_multi_holds_its_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
