#include "t/unit/cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/announced.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/overflow.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

/* ---- the neighbours: a server with one directory, and a queue of a few events ---- */

static struct znode the_znode;
static znode_then_fn then;
static void *then_data;
static int asked_count;

struct znode *znode_use(struct fs *fs, struct bytes path)
{
	return &the_znode;
}

void znode_unuse(struct fs *fs, struct znode *znode)
{
}

msec_t znode_fresh_ms(const struct fs *fs, const struct znode *znode)
{
	return 0;
}

void znode_get(struct fs *fs, struct bytes path, unsigned want, znode_then_fn on_answer, void *data)
{
	assert_true(bytes_equal_text(path, "/root"));
	assert_null(then);
	then = on_answer;
	then_data = data;
	asked_count++;
}

bool file_is_unborn(const struct node *node)
{
	return false;
}

bool file_uncommitted_size(const struct node *node, uint64_t *ret_size)
{
	return false;
}

static struct fs fs;
static struct overflow *overflow;
static struct node *dir;
static char raised[1000];
static int room;
static bool drained;

static bool raise_one(void *data, struct node *of, struct bytes path, bool is_there)
{
	struct bytes name = zk_path_name(path);

	assert_ptr_equal(of, dir);
	if (room == 0)
		return false;
	room--;
	snprintf(raised + strlen(raised), sizeof(raised) - strlen(raised), "%s%c%.*s",
		 *raised ? " " : "", is_there ? '+' : '-', (int)name.size, (const char *)name.data);
	return true;
}

static bool is_drained(void *data, const struct node *of)
{
	return drained;
}

/* The server answers: these are the names. */
static void answer(const char *names)
{
	znode_then_fn on_answer = then;
	struct znode znode = {.exists = true, .stat = {.czxid = 1}};
	char *copy = mem_strdup(names);
	struct buf buf;

	assert_non_null(then);
	then = NULL;
	buf_init(&buf, 10000);
	for (char *name = strtok(copy, " "); name; name = strtok(NULL, " ")) {
		jute_write_ustring(&buf, bytes_of_text(name));
		znode.children.count++;
	}
	znode.children.encoded = buf_bytes(&buf);
	on_answer(then_data, ZK_OK, 0, &znode);
	buf_release(&buf);
	free(copy);
}

static void answer_error(int32_t code, int error)
{
	znode_then_fn on_answer = then;

	assert_non_null(then);
	then = NULL;
	on_answer(then_data, code, error, NULL);
}

static int set_up(void **state)
{
	memset(&fs, 0, sizeof(fs));
	fs.root_path = "/root";
	node_table_init(&fs);
	dir = node_of_path(&fs, bytes_of_text("/root"));
	overflow = overflow_new(&fs, raise_one, is_drained, NULL);
	raised[0] = '\0';
	then = NULL;
	asked_count = 0;
	room = 100;
	drained = false;
	return 0;
}

static int tear_down(void **state)
{
	overflow_free(overflow);
	node_table_release(&fs);
	return 0;
}

static void begin(void)
{
	overflow_begin(overflow, dir);
	overflow_pump(overflow);
}

static void what_is_left_out_before_the_list_has_come_is_told(void **state)
{
	overflow_begin(overflow, dir);
	overflow_begin(overflow, dir);
	assert_true(overflow_is_marked(overflow, dir));
	overflow_left_out(overflow, dir, bytes_of_text("new"), true);
	overflow_left_out(overflow, dir, bytes_of_text("gone"), false);
	overflow_left_out(overflow, dir, bytes_of_text("brief"), true);
	overflow_left_out(overflow, dir, bytes_of_text("brief"), false);
	assert_false(overflow_knows(overflow, dir, bytes_of_text("new")));
	overflow_pump(overflow);
	overflow_pump(overflow);
	assert_int_equal(asked_count, 1);
	answer("a new");
	drained = true;
	overflow_pump(overflow);
	answer("a new");
	assert_string_equal(raised, "-gone +new");
}

static void what_was_left_out_is_told_when_all_before_it_was_raised(void **state)
{
	begin();
	answer("a b");
	overflow_pump(overflow);
	assert_int_equal(asked_count, 1);
	drained = true;
	overflow_pump(overflow);
	overflow_pump(overflow);
	assert_int_equal(asked_count, 2);
	answer("b c d");
	assert_string_equal(raised, "-a +c +d");
	assert_false(overflow_is_marked(overflow, dir));
	overflow_pump(overflow);
	assert_int_equal(asked_count, 2);
}

static void what_there_is_no_room_for_is_told_next_time(void **state)
{
	begin();
	answer("a b");
	drained = true;
	overflow_pump(overflow);
	room = 2;
	answer("b c d e");
	assert_string_equal(raised, "-a +c");
	assert_true(overflow_is_marked(overflow, dir));
	room = 100;
	overflow_pump(overflow);
	answer("b c e f");
	assert_string_equal(raised, "-a +c +e +f");
	assert_false(overflow_is_marked(overflow, dir));
}

static void what_has_been_told_otherwise_is_not_told_again(void **state)
{
	begin();
	answer("a b");
	overflow_told(overflow, dir, bytes_of_text("own"), true);
	overflow_told(overflow, dir, bytes_of_text("a"), false);
	assert_false(overflow_knows(overflow, dir, bytes_of_text("a")));
	assert_true(overflow_knows(overflow, dir, bytes_of_text("b")));
	assert_false(overflow_knows(overflow, dir, bytes_of_text("c")));
	drained = true;
	overflow_pump(overflow);
	answer("b c own");
	assert_string_equal(raised, "+c");
}

static void a_lost_connection_costs_another_question(void **state)
{
	begin();
	answer_error(ZK_CONNECTIONLOSS, ETIMEDOUT);
	overflow_pump(overflow);
	answer("a");
	drained = true;
	overflow_pump(overflow);
	answer_error(ZK_CONNECTIONLOSS, ETIMEDOUT);
	assert_true(overflow_is_marked(overflow, dir));
	overflow_pump(overflow);
	answer("b");
	assert_string_equal(raised, "-a +b");
}

static void the_end_of_the_directory_ends_it(void **state)
{
	begin();
	answer("a");
	drained = true;
	overflow_pump(overflow);
	answer_error(ZK_NONODE, ENOENT);
	assert_string_equal(raised, "");
	assert_false(overflow_is_marked(overflow, dir));
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(what_is_left_out_before_the_list_has_come_is_told),
		test(what_was_left_out_is_told_when_all_before_it_was_raised),
		test(what_there_is_no_room_for_is_told_next_time),
		test(what_has_been_told_otherwise_is_not_told_again),
		test(a_lost_connection_costs_another_question),
		test(the_end_of_the_directory_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
