#include "t/unit/cmocka.h"

#include "fs/change.h"
#include "fs/znode.h"
#include "t/unit/fake-mount.h"
#include "t/unit/fake-znodes.h"

static struct fs *fs;

static void ignore(void *data, int32_t code, int error, struct znode *znode)
{
}

static int set_up(void **state)
{
	fs = fake_mount_begin(false);
	return 0;
}

static int set_up_by_node(void **state)
{
	fs = fake_mount_begin(true);
	return 0;
}

static int tear_down(void **state)
{
	fake_mount_end(fs);
	return 0;
}

static void lose_connection(void)
{
	fs->session_live = false;
	znode_forget_all(fs);
	change_disconnected(fs);
}

/* The comparison is under way: it has asked, and isn't answered yet. */
static void reconnect(void)
{
	fs->session_live = true;
	change_compare_all(fs);
	assert_true(fake_znodes_asked() > 0);
}

static void begin_own(enum zk_event_type kind, const char *path)
{
	change_own_begin(fs, kind, bytes_of_text(path));
}

static void fail_own(enum zk_event_type kind, const char *path)
{
	change_own_end(fs, kind, bytes_of_text(path), false);
}

static void event(enum zk_event_type type, const char *path)
{
	change_event(fs, type, bytes_of_text(path), -1);
}

/* Own writes become txns, and their replies come. */

static void own_create(const char *path)
{
	struct zk_stat stat;

	begin_own(ZK_EVENT_NODE_CREATED, path);
	fake_znodes_create(path);
	stat = fake_znodes_stat(path);
	znode_created(fs, bytes_of_text(path), bytes_of("x", 1), &stat);
	change_own_end(fs, ZK_EVENT_NODE_CREATED, bytes_of_text(path), true);
}

static void own_set(const char *path)
{
	struct zk_stat stat;

	begin_own(ZK_EVENT_NODE_DATA_CHANGED, path);
	fake_znodes_set(path);
	stat = fake_znodes_stat(path);
	znode_set(fs, bytes_of_text(path), NULL, &stat);
	change_own_end(fs, ZK_EVENT_NODE_DATA_CHANGED, bytes_of_text(path), true);
}

static void own_delete(const char *path)
{
	struct node *node = node_of_path(fs, bytes_of_text(path));

	begin_own(ZK_EVENT_NODE_DELETED, path);
	fake_znodes_delete(path);
	znode_deleted(fs, bytes_of_text(path));
	if (node)
		node_detach(fs, node);
	change_own_end(fs, ZK_EVENT_NODE_DELETED, bytes_of_text(path), true);
}

/* ---- a comparison after a lost connection ---- */

static void what_changed_while_it_was_away_is_raised(void **state)
{
	lose_connection();
	fake_znodes_set("/d/f");
	fake_znodes_delete("/d/old");
	fake_znodes_create("/d/new");
	reconnect();
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f, DELETE /d/old, CREATE /d/new");
}

static void own_writes_in_the_midst_of_a_comparison_are_no_differences(void **state)
{
	lose_connection();
	reconnect();
	own_set("/d/f");
	own_delete("/d/old");
	own_create("/d/new");
	fake_znodes_answer_all();
	assert_raised("");
}

static void own_delete_of_what_is_held_is_no_difference(void **state)
{
	lose_connection();
	reconnect();
	own_delete("/d/f");
	fake_znodes_answer_all();
	assert_raised("");
}

static void what_others_set_after_an_own_set_is_raised(void **state)
{
	lose_connection();
	reconnect();
	own_set("/d/f");
	fake_znodes_set("/d/f");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f");
}

static void what_others_make_anew_after_an_own_create_is_raised(void **state)
{
	lose_connection();
	reconnect();
	own_delete("/d/f");
	own_create("/d/f");
	fake_znodes_delete("/d/f");
	fake_znodes_create("/d/f");
	fake_znodes_answer_all();
	assert_raised("DELETE /d/f, CREATE /d/f");
}

static void what_is_made_anew_after_an_own_delete_is_created(void **state)
{
	lose_connection();
	reconnect();
	own_delete("/d/f");
	fake_znodes_create("/d/f");
	fake_znodes_answer_all();
	assert_raised("CREATE /d/f");
}

static void own_file_made_anew_and_written_is_no_difference(void **state)
{
	lose_connection();
	reconnect();
	own_delete("/d/f");
	own_create("/d/f");
	own_set("/d/f");
	fake_znodes_answer_all();
	assert_raised("");
}

static void own_writes_are_remembered_for_one_comparison(void **state)
{
	lose_connection();
	reconnect();
	own_delete("/d/old");
	fake_znodes_answer_all();
	fake_znodes_create("/d/old");
	change_event(fs, ZK_EVENT_NODE_CREATED, bytes_of_text("/d/old"), -1);
	assert_raised("CREATE /d/old");
	znode_get(fs, bytes_of_text("/d"), ZNODE_CHILDREN, ignore, NULL);
	fake_znodes_answer_all();

	lose_connection();
	fake_znodes_delete("/d/old");
	reconnect();
	fake_znodes_answer_all();
	assert_raised("DELETE /d/old");
}

/* ---- events in the midst of a comparison ---- */

static void an_event_is_no_difference(void **state)
{
	lose_connection();
	reconnect();
	fake_znodes_delete("/d/f");
	event(ZK_EVENT_NODE_DELETED, "/d/f");
	fake_znodes_create("/d/new");
	event(ZK_EVENT_NODE_CREATED, "/d/new");
	fake_znodes_set("/d");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d");
	fake_znodes_answer_all();
	assert_raised("DELETE /d/f, CREATE /d/new, MODIFY /d");
}

static void what_events_tell_to_be_made_anew_is_no_difference(void **state)
{
	lose_connection();
	reconnect();
	fake_znodes_delete("/d/f");
	event(ZK_EVENT_NODE_DELETED, "/d/f");
	fake_znodes_create("/d/f");
	event(ZK_EVENT_NODE_CREATED, "/d/f");
	fake_znodes_answer_all();
	assert_raised("DELETE /d/f, CREATE /d/f");
}

/* Another event doesn't tell of its end, and what is there is told last. */
static void a_missed_end_is_a_difference_whatever_else_was_told(void **state)
{
	lose_connection();
	fake_znodes_delete("/d/f");
	reconnect();
	fake_znodes_create("/d/f");
	event(ZK_EVENT_NODE_CREATED, "/d/f");
	assert_raised("CREATE /d/f");
	fake_znodes_answer_all();
	assert_raised("DELETE /d/f, CREATE /d/f");
}

static void what_is_changed_behind_another_loss_is_a_difference(void **state)
{
	lose_connection();
	reconnect();
	fake_znodes_set("/d/f");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	lose_connection();
	fake_znodes_set("/d/f");
	reconnect();
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f, MODIFY /d/f");
}

static void an_event_is_remembered_for_one_comparison(void **state)
{
	lose_connection();
	reconnect();
	fake_znodes_set("/d/f");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f");
	lose_connection();
	fake_znodes_set("/d/f");
	reconnect();
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f");
}

/* ---- what the comparison shows while an own write is in flight ---- */

static void a_difference_is_raised_when_the_own_write_fails(void **state)
{
	lose_connection();
	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	begin_own(ZK_EVENT_NODE_CREATED, "/d/new");
	begin_own(ZK_EVENT_NODE_DELETED, "/d/old");
	fake_znodes_set("/d/f");
	fake_znodes_create("/d/new");
	fake_znodes_delete("/d/old");
	reconnect();
	fake_znodes_answer_all();
	assert_raised("");
	fail_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f");
	fail_own(ZK_EVENT_NODE_CREATED, "/d/new");
	assert_raised("CREATE /d/new");
	fail_own(ZK_EVENT_NODE_DELETED, "/d/old");
	assert_raised("DELETE /d/old");
}

static void what_is_made_anew_is_raised_when_the_own_write_fails(void **state)
{
	lose_connection();
	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_delete("/d/f");
	fake_znodes_create("/d/f");
	reconnect();
	fake_znodes_answer_all();
	fail_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	assert_raised("DELETE /d/f, CREATE /d/f");
}

/* Changed on the new connection, behind the watch and before the question. */
static void an_event_and_its_difference_are_raised_once(void **state)
{
	lose_connection();
	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	reconnect();
	fake_znodes_set("/d/f");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	fail_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f");
}

/* Its end came before the watch, its new beginning behind it. */
static void a_missed_end_comes_before_the_events(void **state)
{
	lose_connection();
	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_delete("/d/f");
	reconnect();
	fake_znodes_create("/d/f");
	event(ZK_EVENT_NODE_CREATED, "/d/f");
	fake_znodes_answer_all();
	fail_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	assert_raised("DELETE /d/f, CREATE /d/f");
}

/* What was in the value before is coalesced with it. */
static void an_own_write_that_succeeds_takes_the_differences_of_its_kind(void **state)
{
	struct zk_stat stat;

	lose_connection();
	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_set("/d/f");
	reconnect();
	fake_znodes_answer_all();
	fake_znodes_set("/d/f");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	stat = fake_znodes_stat("/d/f");
	znode_set(fs, bytes_of_text("/d/f"), NULL, &stat);
	change_own_end(fs, ZK_EVENT_NODE_DATA_CHANGED, bytes_of_text("/d/f"), true);
	fake_znodes_answer_all();
	assert_raised("");
}

/* Of the others' events none is lost so. */
static void an_own_write_that_succeeds_takes_one_event(void **state)
{
	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_set("/d/f");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_set("/d/f");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	change_own_end(fs, ZK_EVENT_NODE_DATA_CHANGED, bytes_of_text("/d/f"), true);
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f");
}

/* ---- by node: what an answer shows while an own write is in flight ---- */

static void a_value_seen_while_an_own_set_failed_is_raised(void **state)
{
	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_set("/d/f");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	assert_raised("");
	fail_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f");
}

static void a_name_seen_while_an_own_create_failed_is_raised(void **state)
{
	begin_own(ZK_EVENT_NODE_CREATED, "/d/new");
	fake_znodes_create("/d/new");
	event(ZK_EVENT_NODE_CHILDREN_CHANGED, "/d");
	fake_znodes_answer_all();
	assert_raised("");
	fail_own(ZK_EVENT_NODE_CREATED, "/d/new");
	fake_znodes_answer_all();
	assert_raised("CREATE /d/new");
}

static void an_end_seen_while_an_own_write_failed_is_raised(void **state)
{
	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	begin_own(ZK_EVENT_NODE_DELETED, "/d/old");
	fake_znodes_delete("/d/f");
	fake_znodes_delete("/d/old");
	event(ZK_EVENT_NODE_DELETED, "/d/f");
	event(ZK_EVENT_NODE_CHILDREN_CHANGED, "/d");
	fake_znodes_answer_all();
	assert_raised("");
	fail_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	assert_raised("DELETE /d/f");
	fail_own(ZK_EVENT_NODE_DELETED, "/d/old");
	fake_znodes_answer_all();
	assert_raised("DELETE /d/old");
}

static void what_was_made_anew_while_an_own_write_failed_is_raised(void **state)
{
	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_delete("/d/f");
	fake_znodes_create("/d/f");
	event(ZK_EVENT_NODE_DELETED, "/d/f");
	event(ZK_EVENT_NODE_CHILDREN_CHANGED, "/d");
	fake_znodes_answer_all();
	assert_raised("");
	fail_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	assert_raised("DELETE /d/f, CREATE /d/f");
}

static void the_last_of_several_own_writes_ends_the_wait(void **state)
{
	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_set("/d/f");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	fail_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	assert_raised("");
	fail_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f");
}

static void what_was_made_anew_before_an_own_set_is_raised(void **state)
{
	struct zk_stat stat;

	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_delete("/d/f");
	fake_znodes_create("/d/f");
	event(ZK_EVENT_NODE_DELETED, "/d/f");
	event(ZK_EVENT_NODE_CHILDREN_CHANGED, "/d");
	fake_znodes_answer_all();
	assert_raised("");
	fake_znodes_set("/d/f");
	stat = fake_znodes_stat("/d/f");
	znode_set(fs, bytes_of_text("/d/f"), NULL, &stat);
	change_own_end(fs, ZK_EVENT_NODE_DATA_CHANGED, bytes_of_text("/d/f"), true);
	assert_raised("DELETE /d/f, CREATE /d/f");
}

/* Its own reply has told what it is; the caller goes on with that. */
static void an_own_create_is_known_though_its_name_was_seen_before(void **state)
{
	struct zk_stat stat;

	begin_own(ZK_EVENT_NODE_CREATED, "/d/new");
	fake_znodes_create("/d/new");
	event(ZK_EVENT_NODE_CHILDREN_CHANGED, "/d");
	fake_znodes_answer_all();
	fake_znodes_delete("/d/new");
	event(ZK_EVENT_NODE_CHILDREN_CHANGED, "/d");
	fake_znodes_create("/d/new");
	stat = fake_znodes_stat("/d/new");
	znode_created(fs, bytes_of_text("/d/new"), bytes_of("x", 1), &stat);
	change_own_end(fs, ZK_EVENT_NODE_CREATED, bytes_of_text("/d/new"), true);
	assert_true(znode_peek(fs, bytes_of_text("/d/new"))->known & ZNODE_STAT);
	fake_znodes_answer_all();
	assert_raised("");
}

/* After a lost connection an answer may come before it is known that the write was done. */
static void an_own_write_seen_before_its_end_is_not_raised(void **state)
{
	struct zk_stat stat;

	begin_own(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	begin_own(ZK_EVENT_NODE_CREATED, "/d/new");
	begin_own(ZK_EVENT_NODE_DELETED, "/d/old");
	fake_znodes_set("/d/f");
	fake_znodes_create("/d/new");
	fake_znodes_delete("/d/old");
	lose_connection();
	reconnect();
	fake_znodes_answer_all();
	stat = fake_znodes_stat("/d/f");
	znode_set(fs, bytes_of_text("/d/f"), NULL, &stat);
	change_own_end(fs, ZK_EVENT_NODE_DATA_CHANGED, bytes_of_text("/d/f"), true);
	stat = fake_znodes_stat("/d/new");
	znode_created(fs, bytes_of_text("/d/new"), bytes_of("x", 1), &stat);
	change_own_end(fs, ZK_EVENT_NODE_CREATED, bytes_of_text("/d/new"), true);
	znode_deleted(fs, bytes_of_text("/d/old"));
	change_own_end(fs, ZK_EVENT_NODE_DELETED, bytes_of_text("/d/old"), true);
	fake_znodes_answer_all();
	assert_raised("");
}

/* ---- own writes whose replies bring no Stat ---- */

/* Done by a multi: the cache is told no Stat, but the txn is known. */
static void own_multi(enum zk_event_type kind, const char *path)
{
	bool creates = kind == ZK_EVENT_NODE_CREATED;
	zxid_t zxid;

	begin_own(kind, path);
	zxid = creates ? fake_znodes_create(path) : fake_znodes_set(path);
	znode_forget(fs, bytes_of_text(path), ZNODE_STAT | ZNODE_DATA);
	if (creates)
		node_get(fs, NODE_DIR, bytes_of_text(path), NULL, zxid)->lookup_count = 1;
	change_own_end_as(fs, kind, bytes_of_text(path), bytes_of_text(path), zxid);
}

static void what_others_set_right_after_it_is_raised(void **state)
{
	own_multi(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_set("/d/f");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f");
}

static void what_others_set_right_after_a_create_is_raised(void **state)
{
	own_multi(ZK_EVENT_NODE_CREATED, "/d/new");
	fake_znodes_set("/d/new");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/new");
}

static void what_others_create_in_it_before_its_first_list_is_raised(void **state)
{
	own_multi(ZK_EVENT_NODE_CREATED, "/d/new");
	fake_znodes_create("/d/new/x");
	fake_znodes_answer_all();
	assert_raised("CREATE /d/new/x");
}

static void it_is_not_raised_itself(void **state)
{
	own_multi(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	own_multi(ZK_EVENT_NODE_CREATED, "/d/new");
	own_multi(ZK_EVENT_NODE_CREATED, "/d/new/x");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	event(ZK_EVENT_NODE_CHILDREN_CHANGED, "/d");
	fake_znodes_answer_all();
	assert_raised("");
}

static void what_others_set_right_after_it_is_a_difference(void **state)
{
	lose_connection();
	reconnect();
	own_multi(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	fake_znodes_set("/d/f");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/f");
}

static void it_is_no_difference_itself(void **state)
{
	lose_connection();
	reconnect();
	own_multi(ZK_EVENT_NODE_DATA_CHANGED, "/d/f");
	own_multi(ZK_EVENT_NODE_CREATED, "/d/new");
	fake_znodes_answer_all();
	assert_raised("");
}

#define test(name)         cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define test_by_node(name) cmocka_unit_test_setup_teardown(name, set_up_by_node, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_changed_while_it_was_away_is_raised),
		test(own_writes_in_the_midst_of_a_comparison_are_no_differences),
		test(own_delete_of_what_is_held_is_no_difference),
		test(what_others_set_after_an_own_set_is_raised),
		test(what_others_make_anew_after_an_own_create_is_raised),
		test(what_is_made_anew_after_an_own_delete_is_created),
		test(own_file_made_anew_and_written_is_no_difference),
		test(own_writes_are_remembered_for_one_comparison),
		test(an_event_is_no_difference),
		test(what_events_tell_to_be_made_anew_is_no_difference),
		test(a_missed_end_is_a_difference_whatever_else_was_told),
		test(what_is_changed_behind_another_loss_is_a_difference),
		test(an_event_is_remembered_for_one_comparison),
		test(a_difference_is_raised_when_the_own_write_fails),
		test(what_is_made_anew_is_raised_when_the_own_write_fails),
		test(an_event_and_its_difference_are_raised_once),
		test(a_missed_end_comes_before_the_events),
		test(an_own_write_that_succeeds_takes_the_differences_of_its_kind),
		test(an_own_write_that_succeeds_takes_one_event),
		test_by_node(what_changed_while_it_was_away_is_raised),
		test_by_node(own_writes_in_the_midst_of_a_comparison_are_no_differences),
		test_by_node(own_delete_of_what_is_held_is_no_difference),
		test_by_node(a_value_seen_while_an_own_set_failed_is_raised),
		test_by_node(a_name_seen_while_an_own_create_failed_is_raised),
		test_by_node(an_end_seen_while_an_own_write_failed_is_raised),
		test_by_node(what_was_made_anew_while_an_own_write_failed_is_raised),
		test_by_node(the_last_of_several_own_writes_ends_the_wait),
		test_by_node(what_was_made_anew_before_an_own_set_is_raised),
		test_by_node(an_own_create_is_known_though_its_name_was_seen_before),
		test_by_node(an_own_write_seen_before_its_end_is_not_raised),
		test_by_node(what_others_set_right_after_it_is_raised),
		test_by_node(what_others_set_right_after_a_create_is_raised),
		test_by_node(what_others_create_in_it_before_its_first_list_is_raised),
		test_by_node(it_is_not_raised_itself),
		test(what_others_set_right_after_it_is_a_difference),
		test(it_is_no_difference_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
