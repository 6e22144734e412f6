/* The client session: its connections, its end, and what becomes of requests meanwhile. */
#include <errno.h>

#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "t/unit/client-fixture.h"

/* ---- connections ---- */

static void first_handshake_asks_for_a_new_session(void **state)
{
	struct world *w = begin(NULL);
	struct zk_connect_request request;

	accept_connection(w);
	request = take_handshake(w);
	assert_int_equal(request.session_id, 0);
	assert_int_equal(request.timeout_ms, TIMEOUT_MS);
	assert_int_equal(request.last_zxid_seen, 0);
	assert_int_equal(answer_handshake(w, SESSION, 4000), 0);
	assert_int_equal(w->state, ZK_CLIENT_CONNECTED);
	assert_true(w->new_session);
	assert_int_equal(zk_client_session_id(w->client), SESSION);
	assert_int_equal(zk_client_timeout_ms(w->client), 4000);
	assert_true(nothing_is_sent(w));
	finish(w);
}

static void reconnect_offers_the_session_and_what_it_has_seen(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_connect_request request;

	lose(w);
	accept_connection(w);
	request = take_handshake(w);
	assert_int_equal(request.session_id, SESSION);
	assert_int_equal(request.last_zxid_seen, BASE);
	assert_memory_equal(request.password.data, "sixteen bytes pw", ZK_PASSWORD_SIZE);
	assert_int_equal(answer_handshake(w, SESSION, TIMEOUT_MS), 0);
	assert_false(w->new_session);
	assert_true(nothing_is_sent(w));
	finish(w);
}

static void all_servers_are_tried_in_turn_with_growing_delays(void **state)
{
	struct world *w = begin(NULL);
	bool seen[3] = {false};
	msec_t begin_ms = w->now_ms;

	for (int i = 0; i < 3; i++) {
		assert_true(w->is_connecting);
		seen[w->server] = true;
		w->is_connecting = false;
		zk_client_failed(w->client, w->now_ms);
		pump(w);
		if (i < 2)
			advance(w, 20);
	}
	assert_true(seen[0] && seen[1] && seen[2]);
	/* From the second round on they are real delays, and bounded ones. */
	for (int i = 0; i < 30; i++) {
		begin_ms = w->now_ms;
		while (!w->is_connecting)
			advance(w, 1);
		assert_true(w->now_ms - begin_ms >= 24);
		assert_true(w->now_ms - begin_ms <= 1001);
		w->is_connecting = false;
		zk_client_failed(w->client, w->now_ms);
		pump(w);
	}
	assert_true(w->now_ms - begin_ms >= 500);
	finish(w);
}

static void the_nearest_server_is_tried_before_all_others(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct zk_client_options options = {.server_count = 5,
						    .timeout_ms = TIMEOUT_MS,
						    .seed = seed,
						    .begins_with_first = true};
		struct world *w = begin(&options);

		assert_true(w->is_connecting);
		assert_int_equal(w->server, 0);
		finish(w);
	}
}

static void silent_server_is_left_for_the_next(void **state)
{
	struct world *w = begin(NULL);
	size_t first = w->server;

	advance(w, TIMEOUT_MS / 3 + 20);
	assert_int_equal(w->disconnects, 1);
	assert_true(w->is_connecting);
	assert_int_not_equal(w->server, first);
	/* And one that accepts, but doesn't answer the handshake. */
	accept_connection(w);
	(void)take_handshake(w);
	advance(w, TIMEOUT_MS / 3 + 20);
	assert_int_equal(w->disconnects, 2);
	finish(w);
}

/* One that hangs must leave time for others, also where it is the only address. */
static void a_try_that_hangs_leaves_patience_for_more(void **state)
{
	const struct zk_client_options options = {.server_count = 1, .timeout_ms = TIMEOUT_MS};
	struct world *w = begin(&options);

	submit_get(w, "/a", false, 1);
	accept_connection(w);
	(void)take_handshake(w);
	advance(w, TIMEOUT_MS / 3 + 50);
	assert_int_equal(w->disconnects, 1);
	establish(w, SESSION);
	take(w, ZK_OP_GET_DATA);
	assert_int_equal(w->note_count, 0);
	finish(w);
}

static void pings_keep_an_idle_session(void **state)
{
	struct world *w = begin_established(NULL);
	msec_t heard_ms = w->now_ms;

	for (int i = 0; i < 100; i++) {
		advance(w, TIMEOUT_MS / 6 + 1);
		assert_true(w->now_ms - heard_ms <= TIMEOUT_MS / 3);
		take(w, ZK_OP_PING);
		assert_int_equal(w->header.xid, ZK_XID_PING);
		assert_true(nothing_is_sent(w));
		answer(w, BASE, ZK_OK);
		heard_ms = w->now_ms;
		assert_int_equal(zk_client_last_heard(w->client), heard_ms);
	}
	assert_int_equal(w->state, ZK_CLIENT_CONNECTED);
	finish(w);
}

/* A stream of events must not make the server believe that we are gone. */
static void pings_are_sent_also_while_only_listening(void **state)
{
	struct world *w = begin_established(NULL);

	for (int i = 0; i < 10; i++) {
		advance(w, TIMEOUT_MS / 30);
		send_event(w, ZK_EVENT_NODE_CREATED, "/x", 1);
	}
	take(w, ZK_OP_PING);
	finish(w);
}

static void silence_of_two_thirds_ends_the_connection(void **state)
{
	struct world *w = begin_established(NULL);

	advance(w, TIMEOUT_MS * 2 / 3 - 1);
	assert_int_equal(w->state, ZK_CLIENT_CONNECTED);
	advance(w, 1);
	assert_int_equal(w->state, ZK_CLIENT_DISCONNECTED);
	assert_int_equal(w->disconnects, 1);
	finish(w);
}

static void auth_goes_out_first_on_every_connection(void **state)
{
	struct world *w = begin(NULL);
	struct zk_auth_packet packet;

	assert_int_equal(zk_client_add_auth(w->client, text("digest"), text("u:p")), 0);
	submit_get(w, "/a", true, 1);
	for (int i = 0; i < 2; i++) {
		establish(w, SESSION);
		take(w, ZK_OP_AUTH);
		assert_int_equal(w->header.xid, ZK_XID_AUTH);
		zk_auth_packet_read(&w->record, &packet);
		assert_true(bytes_equal_text(packet.scheme, "digest"));
		assert_true(bytes_equal_text(packet.auth, "u:p"));
		answer(w, 0, ZK_OK);
		if (i == 0)
			lose(w);
	}
	finish(w);
}

static void refused_auth_ends_the_session_for_good(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	submit_get(w, "/a", false, 1);
	assert_int_equal(zk_client_add_auth(w->client, text("digest"), text("u:p")), 0);
	pump(w);
	take(w, ZK_OP_AUTH);
	answer(w, 0, ZK_AUTHFAILED);
	assert_int_equal(w->state, ZK_CLIENT_AUTH_FAILED);
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_CLOSED);
	assert_int_equal(w->notes[0].code, ZK_AUTHFAILED);
	assert_int_equal(zk_client_deadline(w->client), INT64_MAX);
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 2, NULL), -EIO);
	finish(w);
}

static void close_answers_everything_then_ends_the_session(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	submit_set(w, "/a", -1, 1);
	zk_client_close(w->client, w->now_ms);
	pump(w);
	take(w, ZK_OP_SET_DATA);
	assert_true(nothing_is_sent(w));
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 2, NULL), -ESHUTDOWN);
	answer(w, BASE + 1, ZK_OK);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_REPLIED);
	take(w, ZK_OP_CLOSE_SESSION);
	assert_int_equal(w->state, ZK_CLIENT_CONNECTED);
	answer(w, BASE + 2, ZK_OK);
	assert_int_equal(w->state, ZK_CLIENT_CLOSED);
	assert_int_equal(w->disconnects, 1);
	assert_int_equal(zk_client_deadline(w->client), INT64_MAX);
	finish(w);
}

static void close_without_a_connection_ends_at_once(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", -1, 1);
	pump(w);
	lose(w);
	submit_get(w, "/b", false, 2);
	zk_client_close(w->client, w->now_ms);
	pump(w);
	assert_int_equal(w->state, ZK_CLIENT_CLOSED);
	assert_int_equal(w->note_count, 2);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_CLOSED);
	assert_true(w->notes[0].sent);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_CLOSED);
	assert_false(w->notes[1].sent);
	finish(w);
}

static void loss_while_closing_ends_it(void **state)
{
	struct world *w = begin_established(NULL);

	zk_client_close(w->client, w->now_ms);
	pump(w);
	take(w, ZK_OP_CLOSE_SESSION);
	w->is_connected = false;
	zk_client_disconnected(w->client, w->now_ms);
	assert_int_equal(w->state, ZK_CLIENT_CLOSED);
	finish(w);
}

static void close_in_callback(const struct zk_reply *reply, void *data)
{
	struct world *w = data;

	zk_client_close(w->client, w->now_ms);
}

static void close_within_a_callback_comes_with_the_next_tick(void **state)
{
	const struct zk_client_options options = {.server_count = 1, .timeout_ms = TIMEOUT_MS};
	struct world *w = begin(&options);
	struct zk_request request;

	zk_request_sync(&request, text("/"));
	assert_int_equal(
		zk_client_submit(w->client, &request, w->now_ms, close_in_callback, w, NULL), 0);
	advance(w, TIMEOUT_MS);
	assert_int_equal(w->state, ZK_CLIENT_CLOSED);
	finish(w);
}

/* ---- soft and hard ---- */

static void soft_requests_end_together_when_no_server_is_found(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	submit_set(w, "/sent", -1, 1);
	submit_get(w, "/sent", false, 2);
	pump(w);
	lose(w);
	advance(w, TIMEOUT_MS / 2);
	submit_set(w, "/waiting", -1, 3);
	advance(w, TIMEOUT_MS / 2 - 1);
	assert_int_equal(w->note_count, 0);
	advance(w, 1);
	assert_int_equal(w->note_count, 3);
	assert_int_equal(w->notes[0].tag, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_LATE);
	assert_int_equal(w->notes[1].tag, 2);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_TIMED_OUT);
	assert_int_equal(w->notes[2].tag, 3);
	assert_int_equal(w->notes[2].outcome, ZK_OUTCOME_TIMED_OUT);
	assert_false(w->notes[2].sent);
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 4, NULL), -ETIMEDOUT);
	/* The late one is told its outcome after all; the dropped ones are not sent. */
	w->is_connecting = false;
	zk_client_failed(w->client, w->now_ms);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/sent"));
	answer(w, BASE + 51, ZK_OK);
	assert_true(nothing_is_sent(w));
	assert_int_equal(w->note_count, 4);
	assert_int_equal(w->notes[3].tag, 1);
	assert_int_equal(w->notes[3].outcome, ZK_OUTCOME_REPLIED);
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 5, NULL), 0);
	finish(w);
}

static void late_is_told_once_a_disconnection(void **state)
{
	struct world *w = begin_established(NULL);

	submit_set(w, "/a", 1, 1);
	pump(w);
	lose(w);
	advance(w, TIMEOUT_MS * 5);
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_LATE);
	finish(w);
}

static void soft_timeout_holds_for_the_first_connection(void **state)
{
	struct world *w = begin(NULL);

	submit_get(w, "/a", false, 1);
	advance(w, TIMEOUT_MS);
	assert_int_equal(w->note_count, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_TIMED_OUT);
	finish(w);
}

static void hard_requests_wait_on(void **state)
{
	const struct zk_client_options options = {
		.server_count = 1, .timeout_ms = TIMEOUT_MS, .hard = true};
	struct world *w = begin_established(&options);

	submit_set(w, "/sent", -1, 1);
	pump(w);
	lose(w);
	submit_get(w, "/waiting", false, 2);
	advance(w, TIMEOUT_MS * 100);
	submit_get(w, "/later", false, 3);
	assert_int_equal(w->note_count, 0);
	w->is_connecting = false;
	zk_client_failed(w->client, w->now_ms);
	come_back(w);
	take(w, ZK_OP_SET_DATA);
	take(w, ZK_OP_GET_DATA);
	take(w, ZK_OP_GET_DATA);
	finish(w);
}

/* ---- expiry ---- */

static void expiry_ends_writes_in_flight_and_recovers(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;
	struct zk_connect_request handshake;

	submit_set(w, "/sent", -1, 1);
	submit_get(w, "/sent", false, 2);
	pump(w);
	lose(w);
	submit_set(w, "/waiting", -1, 3);
	zk_request_set_data(&request, text("/bound"), text("x"), -1);
	request.session_bound = true;
	submit(w, &request, 4);
	expire(w);
	assert_int_equal(w->note_count, 2);
	assert_int_equal(w->notes[0].tag, 1);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_EXPIRED);
	assert_true(w->notes[0].sent);
	assert_int_equal(w->notes[1].tag, 4);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_EXPIRED);
	assert_false(w->notes[1].sent);
	accept_connection(w);
	handshake = take_handshake(w);
	assert_int_equal(handshake.session_id, 0);
	assert_int_equal(handshake.last_zxid_seen, BASE);
	assert_int_equal(answer_handshake(w, SESSION + 1, TIMEOUT_MS), 0);
	assert_true(w->new_session);
	take(w, ZK_OP_SYNC);
	answer(w, BASE + 50, ZK_OK);
	take(w, ZK_OP_GET_DATA);
	take(w, ZK_OP_SET_DATA);
	assert_true(bytes_equal_text(taken_path(w), "/waiting"));
	finish(w);
}

static void expiry_with_fail_ends_everything(void **state)
{
	const struct zk_client_options options = {
		.server_count = 1, .timeout_ms = TIMEOUT_MS, .onexpire = ZK_ONEXPIRE_FAIL};
	struct world *w = begin_established(&options);
	struct zk_request request;

	submit_set(w, "/sent", -1, 1);
	pump(w);
	lose(w);
	submit_get(w, "/waiting", false, 2);
	expire(w);
	assert_int_equal(w->note_count, 2);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_EXPIRED);
	assert_int_equal(w->notes[1].outcome, ZK_OUTCOME_EXPIRED);
	zk_request_sync(&request, text("/"));
	assert_int_equal(try_submit(w, &request, 3, NULL), -EIO);
	assert_int_equal(zk_client_deadline(w->client), INT64_MAX);
	assert_false(w->is_connecting || w->is_connected);
	zk_client_close(w->client, w->now_ms);
	assert_int_equal(w->state, ZK_CLIENT_CLOSED);
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_handshake_asks_for_a_new_session),
		cmocka_unit_test(reconnect_offers_the_session_and_what_it_has_seen),
		cmocka_unit_test(all_servers_are_tried_in_turn_with_growing_delays),
		cmocka_unit_test(the_nearest_server_is_tried_before_all_others),
		cmocka_unit_test(silent_server_is_left_for_the_next),
		cmocka_unit_test(a_try_that_hangs_leaves_patience_for_more),
		cmocka_unit_test(pings_keep_an_idle_session),
		cmocka_unit_test(pings_are_sent_also_while_only_listening),
		cmocka_unit_test(silence_of_two_thirds_ends_the_connection),
		cmocka_unit_test(auth_goes_out_first_on_every_connection),
		cmocka_unit_test(refused_auth_ends_the_session_for_good),
		cmocka_unit_test(close_answers_everything_then_ends_the_session),
		cmocka_unit_test(close_without_a_connection_ends_at_once),
		cmocka_unit_test(loss_while_closing_ends_it),
		cmocka_unit_test(close_within_a_callback_comes_with_the_next_tick),
		cmocka_unit_test(soft_requests_end_together_when_no_server_is_found),
		cmocka_unit_test(late_is_told_once_a_disconnection),
		cmocka_unit_test(soft_timeout_holds_for_the_first_connection),
		cmocka_unit_test(hard_requests_wait_on),
		cmocka_unit_test(expiry_ends_writes_in_flight_and_recovers),
		cmocka_unit_test(expiry_with_fail_ends_everything),
	};

	return cmocka_run_group_tests_name("client session", tests, NULL, NULL);
}
