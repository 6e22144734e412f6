/*
 * A conversation with Apache 3.9.5, held again with this server: the same
 * requests at the same times must bring the same bytes, answers and events,
 * and leave the same transactions in the log. Two differences are by intent:
 * a client's deleteContainer is refused, and an undecodable write is not
 * logged (replica/tree/prep.h).
 */
#include <string.h>

#include "replica/tree/txn.h"
#include "src/base/assert.h"
#include "src/base/endian.h"
#include "t/unit/cmocka.h"
#include "t/unit/fake-driver.h"
#include "t/unit/vectors.h"

enum {
	LOG_ENTRY_HEAD_SIZE = 12, /* checksum and length */
	LOG_ENTRY_SIZE_MIN = LOG_ENTRY_HEAD_SIZE + TXN_HEADER_SIZE + 1,
	ZXID_MAX = 64,
	/* The first transaction that is another one here. */
	ZXID_DELETE_CONTAINER = 0x1b,
};

struct replay {
	struct fake_driver driver;
	struct vectors exchange;
	struct vectors log;
	struct bytes txns[ZXID_MAX]; /* as Apache logged them */
	connection_id_t own;         /* the last of the connections that end by their request */
};

enum { CONNECTION_MAIN = 1, CONNECTION_WATCHER = 2, CONNECTION_THIRD = 3 };

static void load_log(struct replay *replay)
{
	for (size_t at = 0; at < replay->log.count; at++) {
		const struct vector *vector = &replay->log.items[at];
		const uint8_t *data = vector->bytes.data;
		struct txn_header header;
		struct bytes txn;

		if (vector->direction != '=' || bytes_size(vector->bytes) < LOG_ENTRY_SIZE_MIN)
			continue;
		txn = bytes_of(data + LOG_ENTRY_HEAD_SIZE,
			       bytes_size(vector->bytes) - LOG_ENTRY_HEAD_SIZE - 1);
		assert_int_equal(txn_decode_header(txn, &header), 0);
		/* 3.9.5 logs an undecodable write under the zxid of the entry before it. */
		if (header.zxid < ZXID_MAX && bytes_size(replay->txns[header.zxid]) == 0)
			replay->txns[header.zxid] = txn;
	}
}

/* The server's clock shows what Apache's showed when it made the next transaction. */
static void set_clock(struct replay *replay)
{
	struct txn_header header;
	size_t zxid = replay->driver.log_count + 1;

	if (zxid >= ZXID_MAX || bytes_size(replay->txns[zxid]) == 0)
		return;
	assert_int_equal(txn_decode_header(replay->txns[zxid], &header), 0);
	replay->driver.wall_ms = header.time;
	fake_advance(&replay->driver, 0);
}

static connection_id_t open_with_session(struct replay *replay, connection_id_t id)
{
	set_clock(replay);
	(void)fake_connect(&replay->driver, id); /* which session it is, the log says */
	set_clock(replay);
	return id;
}

static bool has_text(const struct vector *vector, const char *text)
{
	return strstr(vector->note, text) != NULL;
}

static connection_id_t sender_of(struct replay *replay, const struct vector *vector)
{
	if (has_text(vector, "(w)")) {
		return CONNECTION_WATCHER;
	} else if (has_text(vector, "(third connection)")) {
		if (!replay->driver.connections[CONNECTION_THIRD].is_open)
			open_with_session(replay, CONNECTION_THIRD);
		return CONNECTION_THIRD;
	} else if (has_text(vector, "(own connection)")) {
		replay->own = replay->own ? replay->own + 1 : CONNECTION_THIRD + 1;
		return open_with_session(replay, replay->own);
	}
	return CONNECTION_MAIN;
}

static connection_id_t receiver_of(const struct replay *replay, const struct vector *vector)
{
	if (has_text(vector, "(w)") || has_text(vector, "(event at watcher)"))
		return CONNECTION_WATCHER;
	if (has_text(vector, "(third connection)"))
		return CONNECTION_THIRD;
	return has_text(vector, "(own connection)") ? replay->own : CONNECTION_MAIN;
}

static void send_line(struct replay *replay, const struct vector *vector)
{
	set_clock(replay);
	if (strcmp(vector->note, "connect") == 0)
		fake_open(&replay->driver, CONNECTION_MAIN, "127.0.0.1");
	fake_send_frame(&replay->driver, sender_of(replay, vector), vector->bytes);
}

static void expect_refused_container(const struct vector *vector, struct bytes got)
{
	struct zk_reply_header header;
	struct jute_reader reader;

	jute_reader_init(&reader, (const uint8_t *)got.data + 4, bytes_size(got) - 4, 100);
	zk_reply_header_read(&reader, &header);
	assert_int_equal(header.zxid, ZXID_DELETE_CONTAINER);
	assert_int_equal(header.err, ZK_BADARGUMENTS);
}

static void expect_line(struct replay *replay, const struct vector *vector)
{
	struct bytes got = fake_take_frame(&replay->driver, receiver_of(replay, vector));

	if (bytes_is_null(got))
		fail_msg("line %d: nothing came for %s", vector->line, vector->note);
	if (has_text(vector, "deleteContainer")) {
		expect_refused_container(vector, got);
		return;
	}
	if (!bytes_equal(got, vector->bytes)) {
		for (int at = 0; at < got.size; at++)
			print_message("%02x", ((const uint8_t *)got.data)[at]);
		fail_msg(" line %d: other bytes came for %s", vector->line, vector->note);
	}
}

static int setup(void **state)
{
	struct replay *replay = test_calloc(1, sizeof(*replay));
	struct server_config config;

	server_config_init(&config);
	config.extended_types = true;
	config.first_session_id = 0x0100002816190000;
	vectors_load(&replay->exchange, "vectors-client.txt");
	vectors_load(&replay->log, "vectors-log.txt");
	load_log(replay);
	fake_driver_init(&replay->driver, &config);
	*state = replay;
	return 0;
}

static int teardown(void **state)
{
	struct replay *replay = *state;

	fake_driver_release(&replay->driver);
	vectors_release(&replay->exchange);
	vectors_release(&replay->log);
	test_free(replay);
	return 0;
}

/* The part of the file that 3.9.5 spoke ends where a '#' says "3.8.0". */
static bool ends_part(const struct vector *vector)
{
	return vector->direction == '#' && has_text(vector, "3.8.0");
}

static void hold_conversation(struct replay *replay)
{
	bool has_watcher = false;

	for (size_t at = 0; at < replay->exchange.count; at++) {
		const struct vector *vector = &replay->exchange.items[at];

		if (ends_part(vector))
			return;
		if (vector->direction == '>' && has_watcher == false &&
		    replay->driver.log_count == 1) {
			open_with_session(replay, CONNECTION_WATCHER);
			has_watcher = true;
		}
		if (vector->direction == '>')
			send_line(replay, vector);
		if (vector->direction == '<')
			expect_line(replay, vector);
	}
}

/* The events of the third connection's watches weren't written down. */
static void nothing_is_left(struct replay *replay)
{
	for (connection_id_t id = CONNECTION_MAIN; id <= replay->own; id++)
		if (id != CONNECTION_THIRD)
			fake_expect_nothing(&replay->driver, id);
	assert_true(replay->driver.connections[CONNECTION_MAIN].is_closed);
	for (connection_id_t id = CONNECTION_THIRD + 1; id <= replay->own; id++)
		assert_true(replay->driver.connections[id].is_closed);
}

static void test_same_answers_and_transactions(void **state)
{
	struct replay *replay = *state;

	hold_conversation(replay);
	nothing_is_left(replay);
	assert_int_equal(replay->driver.log_count, 0x21);
	for (size_t zxid = 1; zxid < ZXID_DELETE_CONTAINER; zxid++) {
		struct bytes own = blob_bytes(replay->driver.log[zxid - 1]);

		if (!bytes_equal(own, replay->txns[zxid]))
			fail_msg("transaction 0x%zx is another one", zxid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_answers_and_transactions, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("server-vectors", tests, NULL, NULL);
}
