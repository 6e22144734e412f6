#include "t/unit/cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/file.h"
#include "fs/fs.h"
#include "fs/inject.h"
#include "fs/inval.h"
#include "src/zk/code.h"

/*
 * Whose turn it is with the notifier, which the test plays: a command that was
 * sent is kept here, and answered when the story wants. The clock is the
 * test's too. The functions below stand for the modules around, and for libuv.
 */
static struct {
	struct fs_options options;
	struct loop loop;
	struct fs fs;
	struct node *a, *b; /* two directories */
	struct notifier notifier;
	msec_t now_ms;
	uv_timer_cb on_timer; /* NULL: it isn't set */
	uv_timer_t *timer;
	msec_t timer_ms;
	uv_poll_cb on_poll;
	uv_poll_t *poll;
	bool is_answered; /* the notifier has something to say */
	bool is_busy;
	char last[64]; /* the last command: dir/name */
	unsigned performed;
} world;

int notifier_send(struct notifier *notifier, const struct notifier_command *command)
{
	assert_false(world.is_busy);
	world.is_busy = true;
	if (command->op == NOTIFIER_ATTACH)
		return 0;
	snprintf(world.last, sizeof(world.last), "%s/%s", command->dir, command->name);
	world.performed++;
	return 0;
}

int notifier_receive(struct notifier *notifier, int *ret_result)
{
	if (!world.is_answered)
		return -EAGAIN;
	world.is_answered = false;
	*ret_result = 0;
	return 0;
}

msec_t loop_now_ms(const struct loop *loop)
{
	return world.now_ms;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb on_timer, uint64_t timeout, uint64_t repeat)
{
	world.timer = timer;
	world.on_timer = on_timer;
	world.timer_ms = world.now_ms + (msec_t)timeout;
	return 0;
}

int uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd)
{
	return 0;
}

int uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb on_poll)
{
	world.poll = poll;
	world.on_poll = on_poll;
	return 0;
}

int uv_poll_stop(uv_poll_t *poll)
{
	return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb on_close)
{
	on_close(handle);
}

struct znode *znode_use(struct fs *fs, struct bytes path)
{
	return NULL;
}

void znode_unuse(struct fs *fs, struct znode *znode)
{
}

msec_t znode_fresh_ms(const struct fs *fs, const struct znode *znode)
{
	return 0;
}

void znode_get(struct fs *fs, struct bytes path, unsigned want, znode_then_fn then, void *data)
{
	fail();
}

void znode_get_shown(struct fs *fs, struct bytes path, znode_then_fn then, void *data)
{
	struct znode znode = {.known = ZNODE_STAT, .exists = true};

	then(data, ZK_OK, 0, &znode);
}

bool znode_is_shown_as_dir(const struct znode *znode)
{
	return false;
}

bool file_is_unborn(const struct node *node)
{
	return false;
}

bool file_uncommitted_size(const struct node *node, uint64_t *ret_size)
{
	return false;
}

void inval_entry(struct fs *fs, uint64_t parent_nodeid, const char *shown)
{
}

/* ---- the story's words ---- */

static void notifier_is_ready(void)
{
	if (!world.is_busy)
		return;
	world.is_busy = false;
	world.is_answered = true;
	world.on_poll(world.poll, 0, UV_READABLE);
	assert_false(world.is_answered);
}

static void advance(msec_t ms)
{
	for (msec_t end_ms = world.now_ms + ms; world.now_ms < end_ms;) {
		world.now_ms++;
		if (world.on_timer && world.now_ms >= world.timer_ms) {
			uv_timer_cb on_timer = world.on_timer;

			world.on_timer = NULL;
			on_timer(world.timer);
		}
	}
}

static void create(struct node *dir, const char *path)
{
	inject_created(&world.fs, dir, bytes_of_text(path));
}

/* The last command of so many. */
static void performed(unsigned count, const char *last)
{
	assert_int_equal(world.performed, count);
	assert_string_equal(world.last, last);
}

static struct node *make(enum node_kind kind, const char *path)
{
	struct node *node = node_get(&world.fs, kind, bytes_of_text(path), NULL, 1);

	node_hold(node);
	return node;
}

static int set_up(void **state)
{
	memset(&world, 0, sizeof(world));
	world.now_ms = 1000;
	world.options.inotify = true;
	world.fs.options = &world.options;
	world.fs.loop = &world.loop;
	world.fs.root_path = "/root";
	world.fs.session_live = true;
	list_init(&world.fs.requests);
	node_table_init(&world.fs);
	world.a = make(NODE_DIR, "/root/a");
	world.b = make(NODE_DIR, "/root/b");
	world.fs.inject = inject_new(&world.fs);
	inject_attach(&world.fs, &world.notifier, "/mnt", NULL, NULL);
	assert_null(inject_off_reason(&world.fs));
	notifier_is_ready();
	return 0;
}

static int tear_down(void **state)
{
	world.fs.closing = true;
	inject_free(world.fs.inject);
	node_table_release(&world.fs);
	return 0;
}

static void locked_directory_is_passed_over_for_100_ms_while_events_flow(void **state)
{
	unsigned count = 0;
	msec_t end_ms = world.now_ms + INJECT_PASS_OVER_MS;

	world.a->locked_dir = 1;
	create(world.a, "/root/a/held-back");
	create(world.b, "/root/b/flows");
	performed(++count, "b/flows");
	while (true) {
		/* One always waits behind the one that the notifier is at. */
		create(world.b, "/root/b/flows");
		advance(1);
		if (world.now_ms == end_ms)
			break;
		notifier_is_ready();
		performed(++count, "b/flows");
	}
	notifier_is_ready();
	performed(++count, "a/held-back");
	notifier_is_ready();
	performed(++count, "b/flows");
}

static void locked_directory_is_served_after_100_ms_if_nothing_else_happens(void **state)
{
	world.a->locked_dir = 1;
	create(world.a, "/root/a/held-back");
	advance(INJECT_PASS_OVER_MS - 1);
	assert_int_equal(world.performed, 0);
	advance(1);
	performed(1, "a/held-back");
}

static void directory_that_is_unlocked_is_served_at_once_and_locked_again_waits_anew(void **state)
{
	world.a->locked_dir = 1;
	create(world.a, "/root/a/1");
	create(world.a, "/root/a/2");
	advance(INJECT_PASS_OVER_MS / 2);
	world.a->locked_dir = 0;
	inject_pump(&world.fs);
	performed(1, "a/1");
	world.a->locked_dir = 1;
	notifier_is_ready();
	advance(INJECT_PASS_OVER_MS - 1);
	performed(1, "a/1");
	advance(1);
	performed(2, "a/2");
}

/* Its lock is released by an answer of the server's, which doesn't come. */
static void locked_directory_is_passed_over_as_long_as_there_is_no_server(void **state)
{
	world.fs.session_live = false;
	world.a->locked_dir = 1;
	create(world.a, "/root/a/held-back");
	create(world.b, "/root/b/unlocked");
	performed(1, "b/unlocked");
	notifier_is_ready();
	advance(100 * INJECT_PASS_OVER_MS);
	performed(1, "b/unlocked");
	world.fs.session_live = true;
	inject_resume(&world.fs);
	performed(2, "a/held-back");
}

static void locked_inode_holds_back_its_own_change_alone(void **state)
{
	struct node *f = make(NODE_FILE, "/root/a/f");

	f->locked_inode = 1;
	inject_modified(&world.fs, f);
	create(world.b, "/root/b/flows");
	performed(1, "b/flows");
	notifier_is_ready();
	advance(INJECT_PASS_OVER_MS - 1);
	performed(1, "b/flows");
	advance(1);
	performed(2, "a/f");
	notifier_is_ready();
	node_drop(&world.fs, f);
}

static void one_directory_keeps_its_order_though_its_first_is_held_back(void **state)
{
	struct node *f = make(NODE_FILE, "/root/a/f");

	f->locked_inode = 1;
	inject_modified(&world.fs, f);
	create(world.a, "/root/a/later");
	assert_int_equal(world.performed, 0);
	f->locked_inode = 0;
	inject_pump(&world.fs);
	performed(1, "a/f");
	notifier_is_ready();
	performed(2, "a/later");
	node_drop(&world.fs, f);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(locked_directory_is_passed_over_for_100_ms_while_events_flow),
		TEST(locked_directory_is_served_after_100_ms_if_nothing_else_happens),
		TEST(directory_that_is_unlocked_is_served_at_once_and_locked_again_waits_anew),
		TEST(locked_directory_is_passed_over_as_long_as_there_is_no_server),
		TEST(locked_inode_holds_back_its_own_change_alone),
		TEST(one_directory_keeps_its_order_though_its_first_is_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
