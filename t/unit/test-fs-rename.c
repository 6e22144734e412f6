#include "t/unit/cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "fs/change.h"
#include "fs/file.h"
#include "fs/namespace.h"
#include "fs/place.h"
#include "fs/subtree.h"
#include "fs/znode.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "src/zk/path.h"
#include "t/unit/fake-mount.h"
#include "t/unit/fake-znodes.h"

enum { BODY_SIZE_MAX = 1 << 16 };

static struct fs *fs;

/* ---- what a rename asks of its neighbours ---- */

static struct request request;
static int answer; /* -1: none yet */
static struct {
	int32_t opcode; /* 0: nothing was sent */
	request_then_fn then;
	void *data;
} sent;

void request_hold(struct request *held)
{
}

void request_drop(struct request *dropped)
{
}

void request_reply_error(struct request *answered, int error)
{
	assert_int_equal(answer, -1);
	answer = error;
}

void request_submit(struct request *sender, struct zk_request *zk_request, request_then_fn then,
		    void *data)
{
	assert_int_equal(sent.opcode, 0);
	sent.opcode = zk_request->opcode;
	sent.then = then;
	sent.data = data;
	zk_request_release(zk_request);
}

session_id_t zk_client_session_id(const struct zk_client *client)
{
	return 1;
}

void place_find(struct fs *of, struct node *dir, const char *shown, place_then_fn then, void *data)
{
	struct place place = {.kind = PLACE_ZNODE};

	place.path = zk_path_join(bytes_of_text(dir->path), bytes_of_text(shown));
	then(data, 0, &place);
	free(place.path);
}

void file_settle(struct fs *of, struct node *node, file_then_fn then, void *data)
{
	then(data, 0);
}

void namespace_unlinked(struct fs *of, struct node *node)
{
	if (node)
		node_detach(of, node);
}

struct node *namespace_node(struct fs *of, const struct znode *znode)
{
	struct bytes path = map_entry_key(&znode->by_path);

	return node_get(of, znode_is_shown_as_dir(znode) ? NODE_DIR : NODE_FILE, path, NULL,
			znode->stat.czxid);
}

bool subtree_acls_are_masked(const struct zk_acls *acls)
{
	return false;
}

struct node *file_unborn_first(const struct node *dir)
{
	return NULL;
}

/* A directory with /x in it. */
void subtree_read(struct request *reader, struct bytes path, size_t size_max,
		  void (*then)(void *data, int error, struct subtree *subtree), void *data)
{
	struct subtree *subtree = mem_zalloc(sizeof(*subtree));
	char *root = bytes_dup(path);
	char *paths[] = {root, mem_printf("%s/x", root)};

	list_init(&subtree->items);
	for (int i = 0; i < 2; i++) {
		struct subtree_item *item = mem_zalloc(sizeof(*item));

		item->path = paths[i];
		item->stat = fake_znodes_stat(item->path);
		item->value = value_new(BYTES_NULL, &item->stat);
		list_append(&subtree->items, &item->link);
	}
	then(data, 0, subtree);
}

void subtree_free(struct subtree *subtree)
{
	if (!subtree)
		return;
	list_for_each_safe (&subtree->items, at) {
		struct subtree_item *item = list_item(at, struct subtree_item, link);

		value_drop(item->value);
		free(item->path);
		free(item);
	}
	free(subtree);
}

/* ---- renaming ---- */

static int set_up(void **state)
{
	fs = fake_mount_begin(false);
	request.fs = fs;
	answer = -1;
	sent.opcode = 0;
	return 0;
}

static int set_up_by_node(void **state)
{
	fs = fake_mount_begin(true);
	request.fs = fs;
	answer = -1;
	sent.opcode = 0;
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(answer, 0);
	fake_mount_end(fs);
	return 0;
}

static void event(enum zk_event_type type, const char *path)
{
	change_event(fs, type, bytes_of_text(path), -1);
}

/* What the server sends of its txn before the reply. */
static void own_events(const char *from, enum zk_event_type type, const char *to)
{
	event(ZK_EVENT_NODE_DELETED, from);
	if (type != ZK_EVENT_NODE_CREATED || !fs->znodes.by_node)
		event(type, to);
	if (fs->znodes.by_node)
		event(ZK_EVENT_NODE_CHILDREN_CHANGED, "/d");
}

static void reply(int32_t opcode, const struct zk_reply *zk_reply)
{
	assert_int_equal(sent.opcode, opcode);
	sent.opcode = 0;
	sent.then(&request, zk_reply, sent.data);
}

static void write_result(struct buf *buf, int32_t type)
{
	const struct zk_multi_header header = {.type = type};

	zk_multi_header_write(buf, &header);
}

static void reply_multi(struct buf *buf, zxid_t zxid)
{
	const struct zk_multi_header end = {.type = -1, .done = true, .err = -1};
	struct zk_reply zk_reply = {.outcome = ZK_OUTCOME_REPLIED, .zxid = zxid};

	zk_multi_header_write(buf, &end);
	jute_reader_init(&zk_reply.body, buf->data, buf->size, BODY_SIZE_MAX);
	reply(ZK_OP_MULTI, &zk_reply);
	buf_release(buf);
}

/* The reply has come; what is asked from now on isn't answered yet. */
static void rename_onto(const char *target)
{
	struct node *dir = node_of_path(fs, bytes_of_text("/d"));
	char *path = mem_printf("/d/%s", target);
	struct zk_stat stat;
	struct buf buf;

	namespace_rename(&request, dir, "f", dir, target, 0);
	fake_znodes_answer_all();
	fake_znodes_begin_multi();
	fake_znodes_delete("/d/f");
	fake_znodes_set(path);
	fake_znodes_end_multi();
	own_events("/d/f", ZK_EVENT_NODE_DATA_CHANGED, path);
	buf_init(&buf, BODY_SIZE_MAX);
	write_result(&buf, ZK_OP_SET_DATA);
	stat = fake_znodes_stat(path);
	zk_stat_write(&buf, &stat);
	write_result(&buf, ZK_OP_DELETE);
	reply_multi(&buf, stat.mzxid);
	free(path);
}

static void reply_acl(void)
{
	struct zk_get_acl_response response = {0};
	struct zk_reply zk_reply = {.outcome = ZK_OUTCOME_REPLIED};
	struct buf buf;

	response.acls.encoded = bytes_of("", 0);
	buf_init(&buf, BODY_SIZE_MAX);
	zk_get_acl_response_write(&buf, &response);
	jute_reader_init(&zk_reply.body, buf.data, buf.size, BODY_SIZE_MAX);
	reply(ZK_OP_GET_ACL, &zk_reply);
	buf_release(&buf);
}

static void write_created(struct buf *buf, const char *path)
{
	struct zk_path_record record = {.path = bytes_of_text(path)};

	write_result(buf, ZK_OP_CREATE);
	zk_path_record_write(buf, &record);
}

static void rename_to_new(void)
{
	struct node *dir = node_of_path(fs, bytes_of_text("/d"));
	struct buf buf;
	zxid_t zxid;

	namespace_rename(&request, dir, "f", dir, "new", 0);
	fake_znodes_answer_all();
	reply_acl();
	fake_znodes_begin_multi();
	fake_znodes_delete("/d/f");
	zxid = fake_znodes_create("/d/new");
	fake_znodes_end_multi();
	own_events("/d/f", ZK_EVENT_NODE_CREATED, "/d/new");
	buf_init(&buf, BODY_SIZE_MAX);
	write_created(&buf, "/d/new");
	write_result(&buf, ZK_OP_DELETE);
	reply_multi(&buf, zxid);
}

static void what_others_set_right_after_a_rename_onto_a_file_is_raised(void **state)
{
	struct node *source = node_of_path(fs, bytes_of_text("/d/f"));

	fake_mount_hold(fs, "/d/old", NODE_FILE);
	rename_onto("old");
	fake_znodes_set("/d/old");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/old");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/old");
	assert_ptr_equal(node_of_path(fs, bytes_of_text("/d/old")), source);
	assert_int_equal(source->czxid, fake_znodes_stat("/d/old").czxid);
}

static void what_others_set_right_after_a_rename_is_raised(void **state)
{
	struct node *source = node_of_path(fs, bytes_of_text("/d/f"));

	rename_to_new();
	fake_znodes_set("/d/new");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/new");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/new");
	assert_ptr_equal(node_of_path(fs, bytes_of_text("/d/new")), source);
	assert_int_equal(source->czxid, fake_znodes_stat("/d/new").czxid);
}

static void what_others_set_right_after_a_rename_of_a_directory_is_raised(void **state)
{
	struct node *source, *dir = node_of_path(fs, bytes_of_text("/d"));
	struct buf buf;
	zxid_t zxid;

	fake_znodes_create("/d/sub");
	fake_znodes_create("/d/sub/x");
	event(ZK_EVENT_NODE_CHILDREN_CHANGED, "/d");
	fake_mount_hold(fs, "/d/sub", NODE_DIR);
	source = fake_mount_hold(fs, "/d/sub/x", NODE_FILE);
	assert_raised(fs->znodes.by_node ? "CREATE /d/sub" : "");
	namespace_rename(&request, dir, "sub", dir, "new", 0);
	fake_znodes_answer_all();
	fake_znodes_begin_multi();
	fake_znodes_delete("/d/sub/x");
	fake_znodes_delete("/d/sub");
	zxid = fake_znodes_create("/d/new");
	fake_znodes_create("/d/new/x");
	fake_znodes_end_multi();
	own_events("/d/sub", ZK_EVENT_NODE_CREATED, "/d/new");
	own_events("/d/sub/x", ZK_EVENT_NODE_CREATED, "/d/new/x");
	buf_init(&buf, BODY_SIZE_MAX);
	write_created(&buf, "/d/new");
	write_created(&buf, "/d/new/x");
	write_result(&buf, ZK_OP_DELETE);
	write_result(&buf, ZK_OP_DELETE);
	reply_multi(&buf, zxid);
	fake_znodes_set("/d/new/x");
	event(ZK_EVENT_NODE_DATA_CHANGED, "/d/new/x");
	fake_znodes_answer_all();
	assert_raised("MODIFY /d/new/x");
	assert_ptr_equal(node_of_path(fs, bytes_of_text("/d/new/x")), source);
	assert_int_equal(source->czxid, zxid);
}

static void a_rename_alone_raises_nothing(void **state)
{
	fake_mount_hold(fs, "/d/old", NODE_FILE);
	rename_onto("old");
	fake_znodes_answer_all();
	assert_raised("");
}

static void a_rename_to_a_new_name_alone_raises_nothing(void **state)
{
	rename_to_new();
	fake_znodes_answer_all();
	assert_raised("");
}

#define test(name)         cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define test_by_node(name) cmocka_unit_test_setup_teardown(name, set_up_by_node, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_others_set_right_after_a_rename_onto_a_file_is_raised),
		test(what_others_set_right_after_a_rename_is_raised),
		test(what_others_set_right_after_a_rename_of_a_directory_is_raised),
		test(a_rename_alone_raises_nothing),
		test(a_rename_to_a_new_name_alone_raises_nothing),
		test_by_node(what_others_set_right_after_a_rename_onto_a_file_is_raised),
		test_by_node(what_others_set_right_after_a_rename_is_raised),
		test_by_node(what_others_set_right_after_a_rename_of_a_directory_is_raised),
		test_by_node(a_rename_alone_raises_nothing),
		test_by_node(a_rename_to_a_new_name_alone_raises_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
