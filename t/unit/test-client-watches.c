/* Watches of the client session: set again on each connection, used up, removed. */
#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "t/unit/client-fixture.h"

/* ---- watches ---- */

static void read_list(struct world *w, const char *expected)
{
	struct jute_strings strings = jute_read_strings(&w->record);
	struct buf joined;
	struct bytes path;

	assert_false(w->record.error);
	buf_init(&joined, 1 << 20);
	for (size_t at = 0; jute_strings_next(&strings, &at, &path);)
		buf_printf(&joined, "%.*s,", path.size, (const char *)path.data);
	assert_true(bytes_equal_text(buf_bytes(&joined), expected));
	buf_release(&joined);
}

static void add_watches(struct world *w)
{
	struct zk_stat stat = {0};
	struct zk_request request;

	submit_get(w, "/data", true, 1);
	submit_get(w, "/gone", true, 1);
	submit_get(w, "/unwatched", false, 1);
	zk_request_exists(&request, text("/exists"), true);
	submit(w, &request, 1);
	zk_request_exists(&request, text("/missing"), true);
	submit(w, &request, 1);
	zk_request_get_children2(&request, text("/dir"), true);
	submit(w, &request, 1);
	pump(w);
	take(w, ZK_OP_GET_DATA);
	answer_data(w, BASE, BYTES_NULL, &stat);
	take(w, ZK_OP_GET_DATA);
	answer(w, BASE, ZK_NONODE);
	take(w, ZK_OP_GET_DATA);
	answer_data(w, BASE, BYTES_NULL, &stat);
	take(w, ZK_OP_EXISTS);
	answer_stat(w, BASE, &stat);
	take(w, ZK_OP_EXISTS);
	answer(w, BASE, ZK_NONODE);
	take(w, ZK_OP_GET_CHILDREN2);
	answer(w, BASE, ZK_OK);
}

static void add_persistent_watches(struct world *w)
{
	struct zk_request request;

	zk_request_add_watch(&request, text("/persistent"), ZK_WATCH_PERSISTENT);
	submit(w, &request, 1);
	zk_request_add_watch(&request, text("/"), ZK_WATCH_PERSISTENT_RECURSIVE);
	submit(w, &request, 1);
	pump(w);
	take(w, ZK_OP_ADD_WATCH);
	answer(w, BASE, ZK_OK);
	take(w, ZK_OP_ADD_WATCH);
	answer(w, BASE, ZK_OK);
}

static void watches_are_set_again_before_other_requests(void **state)
{
	struct world *w = begin_established(NULL);

	add_watches(w);
	assert_int_equal(zk_client_watch_count(w->client), 4);
	lose(w);
	submit_get(w, "/a", false, 1);
	establish(w, SESSION);
	take(w, ZK_OP_SET_WATCHES);
	assert_int_equal(w->header.xid, ZK_XID_SET_WATCHES);
	assert_int_equal(jute_read_long(&w->record), BASE);
	read_list(w, "/data,/exists,");
	read_list(w, "/missing,");
	read_list(w, "/dir,");
	assert_int_equal(jute_left(&w->record), 0);
	answer(w, BASE + 1, ZK_OK);
	take(w, ZK_OP_GET_DATA);
	finish(w);
}

static void persistent_watches_take_set_watches2(void **state)
{
	struct world *w = begin_established(NULL);

	add_watches(w);
	add_persistent_watches(w);
	lose(w);
	establish(w, SESSION);
	take(w, ZK_OP_SET_WATCHES2);
	(void)jute_read_long(&w->record);
	read_list(w, "/data,/exists,");
	read_list(w, "/missing,");
	read_list(w, "/dir,");
	read_list(w, "/persistent,");
	read_list(w, "/,");
	finish(w);
}

static void events_use_up_one_shot_watches(void **state)
{
	struct world *w = begin_established(NULL);

	add_watches(w);
	add_persistent_watches(w);
	send_event(w, ZK_EVENT_NODE_DATA_CHANGED, "/data", BASE + 1);
	assert_int_equal(w->event_type, ZK_EVENT_NODE_DATA_CHANGED);
	assert_string_equal(w->event_path, "/data");
	assert_int_equal(w->event_zxid, BASE + 1);
	/* 3.9: it is handed on, but it is no state of the session's. */
	assert_int_equal(zk_client_last_zxid(w->client), BASE);
	send_event(w, ZK_EVENT_NODE_CREATED, "/missing", -1);
	send_event(w, ZK_EVENT_NODE_CHILDREN_CHANGED, "/dir", -1);
	send_event(w, ZK_EVENT_NODE_DELETED, "/exists", -1);
	send_event(w, ZK_EVENT_NODE_DELETED, "/persistent", -1);
	assert_int_equal(zk_client_watch_count(w->client), 2);
	assert_int_equal(w->event_count, 5);
	finish(w);
}

static void removed_watches_are_not_set_again(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	add_watches(w);
	zk_request_remove_watches(&request, text("/data"), ZK_WATCHER_DATA);
	submit(w, &request, 1);
	zk_request_remove_watches(&request, text("/dir"), ZK_WATCHER_ANY);
	submit(w, &request, 1);
	zk_request_remove_watches(&request, text("/exists"), ZK_WATCHER_DATA);
	submit(w, &request, 1);
	pump(w);
	take(w, ZK_OP_REMOVE_WATCHES);
	answer(w, BASE, ZK_OK);
	take(w, ZK_OP_REMOVE_WATCHES);
	answer(w, BASE, ZK_OK);
	take(w, ZK_OP_REMOVE_WATCHES);
	answer(w, BASE, ZK_NOWATCHER);
	assert_int_equal(zk_client_watch_count(w->client), 2);
	finish(w);
}

static void watches_go_over_to_a_new_session(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	zk_request_add_watch(&request, text("/"), ZK_WATCH_PERSISTENT_RECURSIVE);
	submit(w, &request, 1);
	pump(w);
	take(w, ZK_OP_ADD_WATCH);
	answer(w, BASE, ZK_OK);
	lose(w);
	expire(w);
	establish(w, SESSION + 1);
	take(w, ZK_OP_SET_WATCHES2);
	finish(w);
}

static void many_watches_are_set_in_batches(void **state)
{
	struct world *w = begin_established(NULL);
	char *path = mem_alloc(1001);
	struct zk_stat stat = {0};
	size_t paths = 0;
	size_t batches = 0;

	memset(path, 'x', 1000);
	path[0] = '/';
	path[1000] = '\0';
	for (int i = 0; i < 300; i++) {
		(void)memcpy(path + 1, (char[]){'a' + i / 26, 'a' + i % 26}, 2);
		submit_get(w, path, true, 1);
		pump(w);
		take(w, ZK_OP_GET_DATA);
		answer_data(w, BASE, BYTES_NULL, &stat);
		w->note_count = 0;
	}
	lose(w);
	establish(w, SESSION);
	while (!nothing_is_sent(w)) {
		struct jute_strings strings;

		take(w, ZK_OP_SET_WATCHES);
		assert_true(w->frame.size <= (128 << 10) + 2000);
		(void)jute_read_long(&w->record);
		strings = jute_read_strings(&w->record);
		paths += (size_t)strings.count;
		batches++;
		assert_int_equal(answer_xid(w, ZK_XID_SET_WATCHES, BASE, ZK_OK, NULL), 0);
	}
	assert_int_equal(paths, 300);
	assert_int_equal(batches, 3);
	free(path);
	finish(w);
}

static void server_before_add_watch_says_so(void **state)
{
	struct world *w = begin_established(NULL);
	struct zk_request request;

	zk_request_add_watch(&request, text("/"), ZK_WATCH_PERSISTENT_RECURSIVE);
	submit(w, &request, 1);
	pump(w);
	take(w, ZK_OP_ADD_WATCH);
	answer(w, -1, ZK_UNIMPLEMENTED);
	assert_int_equal(w->notes[0].outcome, ZK_OUTCOME_REPLIED);
	assert_int_equal(w->notes[0].code, ZK_UNIMPLEMENTED);
	assert_int_equal(zk_client_last_zxid(w->client), BASE);
	lose(w);
	establish(w, SESSION);
	assert_true(nothing_is_sent(w));
	finish(w);
}

/* An ensemble of several versions: the next server may be older than the last. */
static void older_server_after_a_move_ends_persistent_watches(void **state)
{
	struct world *w = begin_established(NULL);

	add_watches(w);
	add_persistent_watches(w);
	lose(w);
	establish(w, SESSION);
	take(w, ZK_OP_SET_WATCHES2);
	answer(w, -1, ZK_UNIMPLEMENTED);
	assert_int_equal(w->event_count, 2);
	assert_int_equal(w->event_type, ZK_EVENT_PERSISTENT_WATCH_REMOVED);
	assert_string_equal(w->event_path, "/");
	lose(w);
	establish(w, SESSION);
	take(w, ZK_OP_SET_WATCHES);
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(watches_are_set_again_before_other_requests),
		cmocka_unit_test(persistent_watches_take_set_watches2),
		cmocka_unit_test(events_use_up_one_shot_watches),
		cmocka_unit_test(removed_watches_are_not_set_again),
		cmocka_unit_test(watches_go_over_to_a_new_session),
		cmocka_unit_test(many_watches_are_set_in_batches),
		cmocka_unit_test(server_before_add_watch_says_so),
		cmocka_unit_test(older_server_after_a_move_ends_persistent_watches),
	};

	return cmocka_run_group_tests_name("client watches", tests, NULL, NULL);
}
