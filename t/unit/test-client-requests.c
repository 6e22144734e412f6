/* Requests of the client session, their answers, and answers that are none. */
#include <errno.h>
#include <stdlib.h>

#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "t/unit/client-fixture.h"

/* ---- requests ---- */

static void replies_come_in_order_with_code_zxid_and_body(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_stat stat = {.version = 3};
	int32_t first_xid;

	submit_get(w, "/a", false, 1);
	submit_set(w, "/b", 7, 2);
	pump(w);
	take(w, ZK_OP_GET_DATA);
	first_xid = w->header.xid;
	assert_true(bytes_equal_text(taken_path(w), "/a"));
	answer_data(w, BASE + 1, text("value"), &stat);
	take(w, ZK_OP_SET_DATA);
	assert_int_equal(w->header.xid, first_xid + 1);
	answer(w, BASE + 2, ZK_BADVERSION);
	assert_int_equal(w->note_count, 2);
	assert_int_equal(w->notes[0].tag, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_REPLIED);
	assert_int_equal(w->notes[0].code, ZK_OK);
	assert_int_equal(w->notes[0].zxid, BASE + 1);
	assert_int_equal(w->notes[0].body_size, 4 + 5 + ZK_STAT_SIZE);
	assert_int_equal(w->notes[1].code, ZK_BADVERSION);
	assert_int_equal(zk_client_last_zxid(w->client), BASE + 2);
	assert_int_equal(zk_client_pending(w->client), 0);
	finish(w);
}

static void requests_wait_for_the_first_connection(void **state)
{
	struct world *w = begin(NULL);

	submit_get(w, "/a", false, 1);
	pump(w);
	assert_true(nothing_is_sent(w));
	establish(w, SESSION);
	take(w, ZK_OP_GET_DATA);
	answer(w, 1, ZK_NONODE);
	assert_int_equal(w->notes[0].code, ZK_NONODE);
	finish(w);
}

static void too_large_a_request_is_never_sent(void **state)
{
	const struct zk_client_options options = {
		.server_count = 1, .timeout_ms = TIMEOUT_MS, .frame_size_max = 1000};
	struct world *w = begin(&options);
	struct zk_request request;
	char data[1000] = {0};
	size_t overhead;

	zk_request_set_data(&request, text("/a"), bytes_of(data, 0), -1);
	overhead = zk_request_size(&request);
	zk_request_release(&request);
	establish(w, SESSION);
	zk_request_set_data(&request, text("/a"), bytes_of(data, 1000 - overhead + 1), -1);
	assert_int_equal(try_submit(w, &request, 1, NULL), -EFBIG);
	zk_request_set_data(&request, text("/a"), bytes_of(data, 1000 - overhead), -1);
	assert_int_equal(try_submit(w, &request, 1, NULL), 0);
	pump(w);
	assert_int_equal(endian_get_u32(w->wire.data), 1000);
	finish(w);
}

static void number_of_requests_is_bounded(void **state)
{
	struct world *w = begin(NULL);
	struct zk_request request;

	for (int i = 0; i < ZK_CLIENT_REQUESTS_MAX; i++)
		submit_get(w, "/a", false, 1);
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 1, NULL), -EAGAIN);
	assert_int_equal(zk_client_pending(w->client), ZK_CLIENT_REQUESTS_MAX);
	finish(w);
}

static void bytes_of_requests_are_bounded(void **state)
{
	struct world *w = begin(NULL);
	char *data = mem_zalloc(1 << 19);
	struct zk_request request;
	int accepted = 0;

	for (;; accepted++) {
		zk_request_set_data(&request, text("/a"), bytes_of(data, 1 << 19), -1);
		if (try_submit(w, &request, 1, NULL))
			break;
	}
	assert_int_equal(accepted, (ZK_CLIENT_BYTES_MAX >> 19) - 1);
	zk_request_set_data(&request, text("/a"), bytes_of(data, 1 << 19), -1);
	assert_int_equal(try_submit(w, &request, 1, NULL), -EAGAIN);
	free(data);
	finish(w);
}

static void no_more_than_a_window_is_in_flight(void **state)
{
	struct world *w = begin_established(NULL);

	for (int i = 0; i < ZK_CLIENT_FLIGHT_MAX + 10; i++)
		submit_get(w, "/a", false, 1);
	pump(w);
	for (int i = 0; i < ZK_CLIENT_FLIGHT_MAX; i++)
		take(w, ZK_OP_GET_DATA);
	assert_true(nothing_is_sent(w));
	assert_int_equal(zk_client_pending(w->client), ZK_CLIENT_FLIGHT_MAX + 10);
	finish(w);
}

static void abandoned_request_goes_on_without_its_caller(void **state)
{
	struct world *w = begin_established(NULL);
	uint64_t set = submit_set(w, "/a", -1, 1);
	uint64_t sent_set = submit_set(w, "/b", -1, 2);
	uint64_t get;

	zk_client_abandon(w->client, set);
	pump(w);
	zk_client_abandon(w->client, sent_set);
	get = submit_get(w, "/c", false, 3);
	zk_client_abandon(w->client, get);
	zk_client_abandon(w->client, 12345);
	submit_get(w, "/d", false, 4);
	pump(w);
	take(w, ZK_OP_SET_DATA);
	answer(w, BASE + 1, ZK_OK);
	take(w, ZK_OP_SET_DATA);
	answer(w, BASE + 2, ZK_OK);
	take(w, ZK_OP_GET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/d"));
	answer(w, BASE + 2, ZK_NONODE);
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].tag, 4);
	zk_client_abandon(w->client, set);
	finish(w);
}

static void callback_may_abandon_another_request(void **state)
{
	const struct zk_client_options options = {.server_count = 1, .timeout_ms = TIMEOUT_MS};
	struct world *w = begin(&options);

	submit_get(w, "/a", false, 1);
	w->abandon_in_callback = submit_get(w, "/b", false, 2);
	submit_get(w, "/c", false, 3);
	advance(w, TIMEOUT_MS);
	assert_int_equal(w->note_count, 2);
	assert_int_equal(w->notes[1].tag, 3);
	finish(w);
}

/* ---- malformed servers ---- */

static void reply_to_another_xid_is_a_loss(void **state)
{
	struct world *w = begin_established(NULL);

	submit_get(w, "/a", false, 1);
	pump(w);
	take(w, ZK_OP_GET_DATA);
	assert_int_equal(answer_xid(w, w->header.xid + 1, 1, ZK_OK, NULL), -EBADMSG);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	assert_int_equal(w->disconnects, 1);
	assert_int_equal(w->note_count, 0);
	come_back(w);
	take(w, ZK_OP_GET_DATA);
	finish(w);
}

static void reply_that_nobody_asked_for_is_a_loss(void **state)
{
	struct world *w = begin_established(NULL);

	assert_int_equal(answer_xid(w, 1, 1, ZK_OK, NULL), -EBADMSG);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	finish(w);
}

static void cut_frames_are_a_loss(void **state)
{
	static const uint8_t header[15] = {0};
	static const uint8_t event[20] = {0xff, 0xff, 0xff, 0xff};
	struct world *w = begin_established(NULL);

	assert_int_equal(zk_client_received(w->client, bytes_of(header, 15), w->now_ms), -EBADMSG);
	pump(w);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	establish(w, SESSION);
	assert_int_equal(zk_client_received(w->client, bytes_of(event, 20), w->now_ms), -EBADMSG);
	pump(w);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	establish(w, SESSION);
	assert_int_equal(zk_client_received(w->client, bytes_of("", 0), w->now_ms), -EBADMSG);
	pump(w);
	/* What came in the same read behind it is of no interest. */
	assert_int_equal(zk_client_received(w->client, bytes_of(event, 20), w->now_ms), 0);
	finish(w);
}

static void cut_handshake_is_another_try(void **state)
{
	struct world *w = begin(NULL);

	accept_connection(w);
	(void)take_handshake(w);
	assert_int_equal(zk_client_received(w->client, bytes_of("\0\0\0\0", 4), w->now_ms),
			 -EBADMSG);
	pump(w);
	assert_int_equal(w->disconnects, 1);
	assert_int_equal(w->state_changes, 0);
	establish(w, SESSION);
	finish(w);
}

/* A read-only server refuses the session with a bare reply frame. */
static void frame_of_a_read_only_server_is_another_try(void **state)
{
	struct world *w = begin(NULL);

	accept_connection(w);
	(void)take_handshake(w);
	assert_int_equal(answer_xid(w, 0, 0, ZK_NOTREADONLY, NULL), -EBADMSG);
	assert_int_equal(w->disconnects, 1);
	finish(w);
}

static void probe_answer_that_does_not_decode_leaves_it_unknown(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", 4, 1);
	pump(w);
	lose(w);
	come_back(w);
	take(w, ZK_OP_GET_DATA);
	answer(w, BASE + 50, ZK_OK);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_UNKNOWN);
	finish(w);
}

/* ---- multi ---- */

static void multi_reply_names_the_operation_that_failed(void **state)
{
	static const uint8_t failed[] = "\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0"
					"\xff\xff\xff\xff\0\xff\xff\xff\x9b\xff\xff\xff\x9b"
					"\xff\xff\xff\xff\0\xff\xff\xff\xfe\xff\xff\xff\xfe"
					"\xff\xff\xff\xff\1\xff\xff\xff\xff";
	static const uint8_t done[] = "\0\0\0\2\0\0\0\0\0\xff\xff\xff\xff\1\xff\xff\xff\xff";
	struct jute_reader reader;
	size_t at = 77;

	jute_reader_init(&reader, failed, sizeof(failed) - 1, sizeof(failed));
	assert_int_equal(zk_multi_reply_error(reader, &at), ZK_NONODE);
	assert_int_equal(at, 1);
	at = 77;
	jute_reader_init(&reader, done, sizeof(done) - 1, sizeof(done));
	assert_int_equal(zk_multi_reply_error(reader, &at), ZK_OK);
	assert_int_equal(at, 77);
	for (size_t cut = 0; cut < 9; cut++) {
		jute_reader_init(&reader, done, cut, sizeof(done));
		assert_int_equal(zk_multi_reply_error(reader, &at), ZK_MARSHALLINGERROR);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_come_in_order_with_code_zxid_and_body),
		cmocka_unit_test(requests_wait_for_the_first_connection),
		cmocka_unit_test(too_large_a_request_is_never_sent),
		cmocka_unit_test(number_of_requests_is_bounded),
		cmocka_unit_test(bytes_of_requests_are_bounded),
		cmocka_unit_test(no_more_than_a_window_is_in_flight),
		cmocka_unit_test(abandoned_request_goes_on_without_its_caller),
		cmocka_unit_test(callback_may_abandon_another_request),
		cmocka_unit_test(reply_to_another_xid_is_a_loss),
		cmocka_unit_test(reply_that_nobody_asked_for_is_a_loss),
		cmocka_unit_test(cut_frames_are_a_loss),
		cmocka_unit_test(cut_handshake_is_another_try),
		cmocka_unit_test(frame_of_a_read_only_server_is_another_try),
		cmocka_unit_test(probe_answer_that_does_not_decode_leaves_it_unknown),
		cmocka_unit_test(multi_reply_names_the_operation_that_failed),
	};

	return cmocka_run_group_tests_name("client requests", tests, NULL, NULL);
}
