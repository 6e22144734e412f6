#include "t/unit/cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fs/change.h"
#include "fs/commit.h"
#include "fs/handle.h"
#include "fs/inval.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"

/*
 * Commits against a server that the test plays: what is submitted is kept here,
 * and answered when and as the story wants. The functions below stand for the
 * modules around: the client, the cache of znodes, the nodes, the kernel.
 */

enum { SUBMITTED_MAX = 8 };

struct submitted {
	int32_t opcode;
	enum zk_intent intent;
	bool session_bound;
	char data[64];
	int32_t version;
	zk_client_on_reply *on_reply;
	void *on_reply_data;
};

static struct {
	struct loop loop;
	struct fs_options options;
	struct fs fs;
	struct node dir;
	struct node node;
	struct submitted submitted[SUBMITTED_MAX];
	size_t count;    /* submitted */
	size_t answered; /* the first so many of them */
	int refuse;      /* what client_submit answers */
	/* The znode as znode_get tells of it. */
	int32_t znode_code;
	char znode_data[64];
	struct zk_stat znode_stat;
	size_t reads;
	size_t own_begun, own_ended, own_succeeded;
} world;

static struct jute_reader reader_of(struct bytes bytes)
{
	struct jute_reader reader;

	jute_reader_init(&reader, bytes.data, bytes_size(bytes), 4096);
	return reader;
}

int client_submit(struct client *client, struct zk_request *request, zk_client_on_reply *on_reply,
		  void *data, uint64_t *ret_id)
{
	struct submitted *submitted = &world.submitted[world.count];
	struct jute_reader reader = reader_of(zk_request_body(request));
	struct zk_create_request create = {.data = BYTES_NULL};
	struct zk_set_data_request set = {.data = BYTES_NULL};
	struct bytes sent;

	assert_true(world.count < SUBMITTED_MAX);
	if (world.refuse) {
		zk_request_release(request);
		return world.refuse;
	}
	if (request->opcode == ZK_OP_SET_DATA)
		zk_set_data_request_read(&reader, &set);
	else if (request->opcode == ZK_OP_CREATE2)
		zk_create_request_read(&reader, &create);
	sent = request->opcode == ZK_OP_SET_DATA ? set.data : create.data;
	*submitted = (struct submitted){
		.opcode = request->opcode,
		.intent = request->intent,
		.session_bound = request->session_bound,
		.version = set.version,
		.on_reply = on_reply,
		.on_reply_data = data,
	};
	assert_true(bytes_size(sent) < sizeof(submitted->data));
	if (bytes_size(sent) > 0)
		memcpy(submitted->data, sent.data, bytes_size(sent));
	zk_request_release(request);
	*ret_id = ++world.count;
	return 0;
}

void client_abandon(struct client *client, uint64_t id)
{
}

void znode_get(struct fs *fs, struct bytes path, unsigned want, znode_then_fn then, void *data)
{
	struct znode znode = {.known = want | ZNODE_STAT, .exists = true};

	world.reads++;
	if (world.znode_code != ZK_OK) {
		then(data, world.znode_code, zk_code_errno(world.znode_code), NULL);
		return;
	}
	znode.stat = world.znode_stat;
	znode.value = value_new(bytes_of_text(world.znode_data), &znode.stat);
	then(data, ZK_OK, 0, &znode);
	value_drop(znode.value);
}

struct znode *znode_peek(const struct fs *fs, struct bytes path)
{
	return NULL;
}

void znode_set(struct fs *fs, struct bytes path, struct value *value, const struct zk_stat *stat)
{
}

void znode_created(struct fs *fs, struct bytes path, struct bytes data, const struct zk_stat *stat)
{
}

void znode_deleted(struct fs *fs, struct bytes path)
{
}

void znode_forget(struct fs *fs, struct bytes path, unsigned parts)
{
}

bool znode_is_shown_as_dir(const struct znode *znode)
{
	return znode->stat.num_children > 0;
}

void node_hold(struct node *node)
{
	node->hold_count++;
}

void node_drop(struct fs *fs, struct node *node)
{
	assert_true(node->hold_count > 0);
	node->hold_count--;
}

void node_detach(struct fs *fs, struct node *node)
{
	node->attached = false;
}

void inval_inode(struct fs *fs, uint64_t nodeid)
{
}

void inval_entry(struct fs *fs, uint64_t parent_nodeid, const char *shown)
{
}

void change_own_begin(struct fs *fs, enum zk_event_type kind, struct bytes path)
{
	world.own_begun++;
}

void change_own_end(struct fs *fs, enum zk_event_type kind, struct bytes path, bool succeeded)
{
	world.own_ended++;
	world.own_succeeded += succeeded;
}

int request_errno(const struct zk_reply *reply)
{
	if (reply->outcome == ZK_OUTCOME_TIMED_OUT)
		return ETIMEDOUT;
	return reply->outcome == ZK_OUTCOME_REPLIED ? zk_code_errno(reply->code) : EIO;
}

/* ---- the story's words ---- */

static int set_up(void **state)
{
	memset(&world, 0, sizeof(world));
	assert_int_equal(loop_init(&world.loop), 0);
	world.options = (struct fs_options){
		.timeout_ms = 10000, .acl = "world:anyone:cdrwa", .jute_maxbuffer = 4096};
	world.fs =
		(struct fs){.options = &world.options, .loop = &world.loop, .session_live = true};
	world.fs.files = files_new(&world.fs);
	list_init(&world.dir.unborn);
	world.dir = (struct node){.kind = NODE_DIR, .path = "/", .attached = true};
	list_init(&world.dir.unborn);
	world.node = (struct node){.kind = NODE_FILE, .path = "/f", .czxid = 5, .attached = true};
	world.znode_stat = (struct zk_stat){.czxid = 5, .mzxid = 6, .version = 3};
	return 0;
}

static int tear_down(void **state)
{
	files_free(world.fs.files);
	loop_turn(&world.loop, false);
	assert_int_equal(loop_release(&world.loop), 0);
	assert_int_equal(world.node.hold_count, 0);
	assert_int_equal(world.dir.hold_count, 0);
	assert_int_equal(world.own_begun, world.own_ended);
	return 0;
}

static void znode_is(const char *data, int32_t version)
{
	(void)strcpy(world.znode_data, data);
	world.znode_stat.version = version;
}

static struct handle *opened(int flags, const char *data, int32_t version)
{
	struct handle *handle = handle_new(file_of(&world.fs, &world.node), flags, 0);
	struct value *value;

	znode_is(data, version);
	if (!(flags & O_TRUNC)) {
		value = value_new(bytes_of_text(data), &world.znode_stat);
		content_take(&handle->content, value);
		value_drop(value);
	}
	return handle;
}

static struct handle *created(int flags)
{
	struct handle *handle = handle_new(file_of(&world.fs, &world.node), flags, 0);
	struct file *file = handle->file;

	world.node.czxid = 0;
	file->unborn = true;
	file->dir = &world.dir;
	node_hold(&world.dir);
	file->shown = mem_strdup("f");
	list_append(&world.dir.unborn, &file->unborn_link);
	return handle;
}

static void writes(struct handle *handle, const char *text)
{
	struct content *content = &handle->content;
	int error = content->append
			    ? content_append(content, bytes_of_text(text))
			    : content_write(content, content_size(content), bytes_of_text(text));

	assert_int_equal(error, 0);
	handle_changed(handle);
}

static void remember(void *data, int error)
{
	*(int *)data = error;
}

enum { WAITING = -1 };

#define assert_sent(nth, text, of_version)                                                         \
	do {                                                                                       \
		assert_int_equal(world.count, nth);                                                \
		assert_string_equal(world.submitted[(nth)-1].data, text);                          \
		assert_int_equal(world.submitted[(nth)-1].version, of_version);                    \
		assert_true(world.submitted[(nth)-1].session_bound);                               \
	} while (0)

/* The oldest request that has no final answer gets this one. */
static void answer(const struct zk_reply *reply)
{
	struct submitted *submitted = &world.submitted[world.answered];

	assert_true(world.answered < world.count);
	if (reply->outcome != ZK_OUTCOME_LATE)
		world.answered++;
	if (submitted->on_reply)
		submitted->on_reply(reply, submitted->on_reply_data);
}

static void answer_code(int32_t code)
{
	answer(&(struct zk_reply){.outcome = ZK_OUTCOME_REPLIED, .code = code});
}

static void answer_outcome(enum zk_outcome outcome)
{
	answer(&(struct zk_reply){.outcome = outcome, .code = ZK_CONNECTIONLOSS, .sent = true});
}

static void answer_ok(int32_t version)
{
	struct zk_stat stat = {.czxid = 5, .mzxid = 7, .version = version};
	struct zk_create2_response response = {.path = bytes_of_text("/f"), .stat = stat};
	struct buf buf;

	buf_init(&buf, 4096);
	if (world.submitted[world.answered].opcode == ZK_OP_CREATE2)
		zk_create2_response_write(&buf, &response);
	else
		zk_stat_write(&buf, &stat);
	answer(&(struct zk_reply){.outcome = ZK_OUTCOME_REPLIED,
				  .code = ZK_OK,
				  .sent = true,
				  .body = reader_of(buf_bytes(&buf))});
	buf_release(&buf);
}

/* ---- the stories ---- */

static void a_truncating_writer_sends_its_value_once(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_TRUNC, "old", 3);
	int error = WAITING;

	writes(handle, "a");
	writes(handle, "b");
	handle_commit(handle, remember, &error);
	assert_sent(1, "ab", -1);
	assert_int_equal(world.reads, 0);
	assert_int_equal(error, WAITING);
	answer_ok(4);
	assert_int_equal(error, 0);
	error = WAITING;
	handle_commit(handle, remember, &error); /* nothing is left */
	assert_int_equal(error, 0);
	assert_int_equal(world.count, 1);
	handle_release(handle);
	assert_int_equal(world.count, 1);
	assert_null(world.node.file);
}

static void an_append_is_laid_over_whatever_was_faster(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_APPEND, "1\n", 3);
	int error = WAITING;

	writes(handle, "mine\n");
	handle_commit(handle, remember, &error);
	assert_sent(1, "1\nmine\n", 3);
	assert_int_equal(world.submitted[0].intent, ZK_INTENT_APPEND);
	znode_is("1\n2\n", 4);
	answer_code(ZK_BADVERSION);
	assert_sent(2, "1\n2\nmine\n", 4);
	assert_int_equal(error, WAITING);
	answer_ok(5);
	assert_int_equal(error, 0);
	assert_int_equal(handle->content.base->version, 5);
	handle_release(handle);
}

static void what_was_read_and_changed_elsewhere_is_stale_and_sticks(void **state)
{
	struct handle *handle = opened(O_RDWR, "41", 3);
	struct buf scratch;
	int error = WAITING;

	buf_init(&scratch, 64);
	(void)content_read(&handle->content, 0, 10, &scratch);
	buf_release(&scratch);
	writes(handle, "!");
	handle_commit(handle, remember, &error);
	assert_sent(1, "41!", 3);
	assert_int_equal(world.submitted[0].intent, ZK_INTENT_SET);
	answer_code(ZK_BADVERSION);
	assert_int_equal(error, ESTALE);
	assert_int_equal(world.count, 1);
	handle_release(handle);
	/* The file remembers it without any handle, and tells it once. */
	assert_non_null(world.node.file);
	assert_int_equal(file_take_error(world.node.file), ESTALE);
	assert_int_equal(file_take_error(world.node.file), 0);
}

static void a_new_file_appears_with_its_value(void **state)
{
	struct handle *handle = created(O_WRONLY);
	int error = WAITING;

	writes(handle, "value");
	handle_commit(handle, remember, &error);
	assert_int_equal(world.submitted[0].opcode, ZK_OP_CREATE2);
	assert_int_equal(world.submitted[0].intent, ZK_INTENT_CREATE);
	assert_sent(1, "value", 0);
	assert_true(file_is_unborn(&world.node));
	answer_ok(0);
	assert_int_equal(error, 0);
	assert_false(file_is_unborn(&world.node));
	assert_int_equal(world.node.czxid, 5);
	assert_true(list_is_empty(&world.dir.unborn));
	handle_release(handle);
}

static void a_file_that_nothing_was_written_to_is_made_at_release(void **state)
{
	struct handle *handle = created(O_WRONLY | O_TRUNC);

	handle_release(handle);
	assert_int_equal(world.submitted[0].intent, ZK_INTENT_CREATE_TRUNCATE);
	assert_sent(1, "", 0);
	answer_ok(0);
	assert_null(world.node.file);
}

static void a_file_that_is_created_to_be_read_is_made_too(void **state)
{
	struct handle *handle = created(O_RDONLY);

	handle_release(handle);
	assert_sent(1, "", 0);
	answer_ok(0);
	assert_null(world.node.file);
}

static void a_name_that_came_into_being_is_an_existing_file(void **state)
{
	static const struct {
		int flags;
		const char *sent;
		int32_t version;
	} rows[] = {
		{O_WRONLY, "MEre", 7},
		{O_WRONLY | O_TRUNC, "ME", -1},
		{O_WRONLY | O_APPEND, "thereME", 7},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct handle *handle = created(rows[i].flags);
		int error = WAITING;

		world.count = world.answered = 0;
		znode_is(i == 0 ? "here" : "there", 7);
		writes(handle, "ME");
		handle_commit(handle, remember, &error);
		answer_code(ZK_NODEEXISTS);
		assert_sent(2, rows[i].sent, rows[i].version);
		assert_false(file_is_unborn(&world.node));
		answer_ok(8);
		assert_int_equal(error, 0);
		handle_release(handle);
	}
}

static void a_name_that_became_a_directory_is_eisdir(void **state)
{
	struct handle *handle = created(O_WRONLY);
	int error = WAITING;

	world.znode_stat.num_children = 1;
	writes(handle, "x");
	handle_commit(handle, remember, &error);
	answer_code(ZK_NODEEXISTS);
	assert_int_equal(error, EISDIR);
	assert_int_equal(world.count, 1);
	handle_release(handle);
}

static void a_birth_that_is_refused_leaves_no_name(void **state)
{
	struct handle *handle = created(O_WRONLY);
	int error = WAITING;

	writes(handle, "x");
	handle_commit(handle, remember, &error);
	answer_code(ZK_NOAUTH);
	assert_int_equal(error, EACCES);
	assert_false(world.node.attached);
	assert_true(list_is_empty(&world.dir.unborn));
	handle_release(handle);
	assert_int_equal(world.count, 1);
}

static void a_late_commit_ends_the_waits_and_is_sent_once(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_TRUNC, "", 0);
	int first = WAITING;
	int second = WAITING;

	writes(handle, "x");
	handle_commit(handle, remember, &first);
	answer_outcome(ZK_OUTCOME_LATE);
	assert_int_equal(first, ETIMEDOUT);
	handle_commit(handle, remember, &second); /* the FLUSH of close(2) */
	assert_int_equal(second, ETIMEDOUT);
	handle_release(handle);
	assert_int_equal(world.count, 1);
	assert_non_null(world.node.file); /* until it is known */
	answer_ok(1);
	assert_int_equal(world.count, 1);
	assert_null(world.node.file); /* it succeeded: nothing sticks */
}

static void an_unknown_outcome_is_eio_and_never_sent_again(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_APPEND, "", 0);
	int error = WAITING;

	writes(handle, "x");
	handle_commit(handle, remember, &error);
	answer_outcome(ZK_OUTCOME_UNKNOWN);
	assert_int_equal(error, EIO);
	handle_commit(handle, remember, &error);
	handle_release(handle);
	assert_int_equal(world.count, 1);
	assert_int_equal(file_take_error(world.node.file), EIO);
}

static void a_resolved_outcome_is_success(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_APPEND, "1", 3);
	int error = WAITING;

	writes(handle, "2");
	handle_commit(handle, remember, &error);
	answer(&(struct zk_reply){.outcome = ZK_OUTCOME_RESOLVED,
				  .has_stat = true,
				  .stat = {.czxid = 5, .version = 4}});
	assert_int_equal(error, 0);
	assert_int_equal(handle->content.base->version, 4);
	/* By a newer value that begins with ours: what that is has to be read. */
	writes(handle, "3");
	handle_commit(handle, remember, &error);
	answer(&(struct zk_reply){.outcome = ZK_OUTCOME_RESOLVED,
				  .has_stat = true,
				  .stat = {.czxid = 5, .version = 9}});
	assert_int_equal(error, 0);
	assert_null(handle->content.base);
	handle_release(handle);
	assert_int_equal(world.count, 2);
}

static void what_the_client_refuses_is_dropped(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_TRUNC, "", 0);
	int error = WAITING;

	writes(handle, "x");
	world.refuse = -ETIMEDOUT;
	handle_commit(handle, remember, &error);
	assert_int_equal(error, ETIMEDOUT);
	world.refuse = 0;
	handle_release(handle);
	assert_int_equal(world.count, 0);
}

static void what_the_client_has_no_room_for_is_tried_again(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_TRUNC, "", 0);
	int error = WAITING;

	writes(handle, "x");
	world.refuse = -EAGAIN;
	handle_commit(handle, remember, &error);
	assert_int_equal(error, WAITING);
	world.refuse = 0;
	while (world.count == 0)
		loop_turn(&world.loop, true);
	assert_sent(1, "x", -1);
	answer_ok(1);
	assert_int_equal(error, 0);
	handle_release(handle);
}

static void what_is_written_meanwhile_waits_for_the_next_commit(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_TRUNC, "", 0);
	int first = WAITING;
	int second = WAITING;

	writes(handle, "a");
	handle_commit(handle, remember, &first);
	writes(handle, "b");
	handle_commit(handle, remember, &second);
	assert_sent(1, "a", -1);
	answer_ok(1);
	assert_int_equal(first, 0);
	assert_int_equal(second, WAITING);
	assert_sent(2, "ab", -1);
	answer_ok(2);
	assert_int_equal(second, 0);
	handle_release(handle);
}

static void a_failure_takes_what_was_written_meanwhile_along(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_TRUNC, "", 0);
	int first = WAITING;
	int second = WAITING;

	writes(handle, "a");
	handle_commit(handle, remember, &first);
	writes(handle, "b");
	handle_commit(handle, remember, &second);
	answer_code(ZK_QUOTAEXCEEDED);
	assert_int_equal(first, EDQUOT);
	assert_int_equal(second, EDQUOT);
	handle_release(handle);
	assert_int_equal(world.count, 1);
}

static void handles_of_one_file_commit_one_after_another(void **state)
{
	struct handle *one = opened(O_WRONLY | O_APPEND, "", 0);
	struct handle *other = opened(O_WRONLY | O_APPEND, "", 0);
	int error = WAITING;

	writes(one, "1");
	writes(other, "2");
	handle_commit(one, NULL, NULL);
	handle_commit(other, NULL, NULL);
	file_settle(&world.fs, &world.node, remember, &error);
	assert_sent(1, "1", 0);
	znode_is("1", 1);
	answer_ok(1);
	assert_sent(2, "12", 1);
	assert_int_equal(error, WAITING);
	answer_ok(2);
	assert_int_equal(error, 0);
	handle_release(one);
	handle_release(other);
}

static void a_timeout_of_one_drops_what_waits_behind_it(void **state)
{
	struct handle *one = opened(O_WRONLY | O_APPEND, "", 0);
	struct handle *other = opened(O_WRONLY | O_APPEND, "", 0);
	int error = WAITING;

	writes(one, "1");
	writes(other, "2");
	handle_commit(one, NULL, NULL);
	handle_commit(other, remember, &error);
	answer_outcome(ZK_OUTCOME_LATE);
	assert_int_equal(error, ETIMEDOUT);
	answer_ok(1);
	handle_release(one);
	handle_release(other);
	assert_int_equal(world.count, 1);
	assert_int_equal(file_take_error(world.node.file), ETIMEDOUT);
}

static void what_was_unlinked_is_discarded_silently(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_TRUNC, "", 0);
	int error = WAITING;

	writes(handle, "x");
	file_unlinked(&world.fs, &world.node);
	writes(handle, "y");
	handle_commit(handle, remember, &error);
	assert_int_equal(error, 0);
	handle_release(handle);
	assert_int_equal(world.count, 0);
	assert_null(world.node.file);
}

static void what_was_unlinked_while_it_was_born_is_deleted_again(void **state)
{
	struct handle *handle = created(O_WRONLY);

	writes(handle, "x");
	handle_commit(handle, NULL, NULL);
	file_unlinked(&world.fs, &world.node);
	answer_ok(0);
	assert_int_equal(world.count, 2);
	assert_int_equal(world.submitted[1].opcode, ZK_OP_DELETE);
	answer_code(ZK_OK);
	handle_release(handle);
}

static void what_was_removed_elsewhere_is_stale(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_TRUNC, "", 0);
	int error = WAITING;

	writes(handle, "x");
	handle_commit(handle, remember, &error);
	answer_code(ZK_NONODE);
	assert_int_equal(error, ESTALE);
	handle_release(handle);
	world.node.file->error = 0;

	/* Made anew: the newest is another znode's. */
	handle = opened(O_WRONLY | O_APPEND, "", 0);
	handle->file->gone = false;
	world.znode_stat.czxid = 99;
	writes(handle, "x");
	handle_commit(handle, remember, &error);
	assert_int_equal(error, ESTALE);
	assert_int_equal(world.count, 1);
	handle_release(handle);
}

static void a_handle_of_an_expired_session_writes_no_more(void **state)
{
	struct handle *handle = opened(O_WRONLY | O_TRUNC, "", 0);
	int error = WAITING;

	writes(handle, "x");
	file_session_lost(&world.fs);
	assert_int_equal(handle->content.broken, EIO);
	handle_commit(handle, remember, &error);
	handle_release(handle);
	assert_int_equal(world.count, 0);
	assert_int_equal(file_take_error(world.node.file), EIO);
}

static void all_that_is_open_is_committed_at_the_end(void **state)
{
	struct handle *written = opened(O_WRONLY | O_TRUNC, "", 0);
	struct handle *truncated = opened(O_WRONLY | O_TRUNC, "", 0);
	struct handle *clean = opened(O_RDONLY, "", 0);
	int error = WAITING;

	(void)clean; /* these are never released: umount drops their RELEASE */
	(void)truncated;
	writes(written, "x");
	file_commit_all(&world.fs, remember, &error);
	answer_ok(1);
	assert_int_equal(error, WAITING);
	answer_ok(2);
	assert_int_equal(error, 0);
	assert_int_equal(world.count, 2);
}

#define story(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		story(a_truncating_writer_sends_its_value_once),
		story(an_append_is_laid_over_whatever_was_faster),
		story(what_was_read_and_changed_elsewhere_is_stale_and_sticks),
		story(a_new_file_appears_with_its_value),
		story(a_file_that_nothing_was_written_to_is_made_at_release),
		story(a_file_that_is_created_to_be_read_is_made_too),
		story(a_name_that_came_into_being_is_an_existing_file),
		story(a_name_that_became_a_directory_is_eisdir),
		story(a_birth_that_is_refused_leaves_no_name),
		story(a_late_commit_ends_the_waits_and_is_sent_once),
		story(an_unknown_outcome_is_eio_and_never_sent_again),
		story(a_resolved_outcome_is_success),
		story(what_the_client_refuses_is_dropped),
		story(what_the_client_has_no_room_for_is_tried_again),
		story(what_is_written_meanwhile_waits_for_the_next_commit),
		story(a_failure_takes_what_was_written_meanwhile_along),
		story(handles_of_one_file_commit_one_after_another),
		story(a_timeout_of_one_drops_what_waits_behind_it),
		story(what_was_unlinked_is_discarded_silently),
		story(what_was_unlinked_while_it_was_born_is_deleted_again),
		story(what_was_removed_elsewhere_is_stale),
		story(a_handle_of_an_expired_session_writes_no_more),
		story(all_that_is_open_is_committed_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
