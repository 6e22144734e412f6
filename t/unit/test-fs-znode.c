#include "t/unit/cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "fs/request.h"
#include "fs/znode.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"

/* ---- a server that answers when the test says so ---- */

struct asked {
	struct list link;
	int32_t opcode;
	char *path;
	zk_client_on_reply *on_reply;
	void *data;
	uint64_t id;
};

static struct list asked;
static uint64_t id_last, abandoned_id;
static int refusal;
static msec_t now_ms, last_heard_ms;

int client_submit(struct client *client, struct zk_request *request, zk_client_on_reply *on_reply,
		  void *data, uint64_t *ret_id)
{
	struct bytes body = zk_request_body(request);
	struct jute_reader reader;
	struct asked *question;

	if (refusal) {
		zk_request_release(request);
		return refusal;
	}
	question = mem_zalloc(sizeof(*question));
	jute_reader_init(&reader, body.data, (size_t)body.size, 1 << 20);
	question->opcode = request->opcode;
	question->path = bytes_dup(jute_read_ustring(&reader));
	question->on_reply = on_reply;
	question->data = data;
	question->id = ++id_last;
	*ret_id = question->id;
	list_append(&asked, &question->link);
	zk_request_release(request);
	return 0;
}

void client_abandon(struct client *client, uint64_t id)
{
	abandoned_id = id;
}

const struct zk_client *client_session(const struct client *client)
{
	return NULL;
}

msec_t zk_client_timeout_ms(const struct zk_client *client)
{
	return 9000;
}

msec_t zk_client_last_heard(const struct zk_client *client)
{
	return last_heard_ms;
}

msec_t loop_now_ms(const struct loop *loop)
{
	return now_ms;
}

int request_errno(const struct zk_reply *reply)
{
	if (reply->outcome == ZK_OUTCOME_REPLIED)
		return zk_code_errno(reply->code);
	return reply->outcome == ZK_OUTCOME_TIMED_OUT ? ETIMEDOUT : EIO;
}

/* ---- questions ---- */

static struct fs_options options = {.acl = "world:anyone:cdrwa"};
static struct fs fs;

struct answer {
	int count;
	int32_t code;
	int error;
	unsigned known;
	struct zk_stat stat;
	char text[64]; /* of the value */
	bool is_dir;
};

static void take(void *data, int32_t code, int error, struct znode *znode)
{
	struct answer *answer = data;

	answer->count++;
	answer->code = code;
	answer->error = error;
	if (error)
		return;
	answer->known = znode->known;
	answer->stat = znode->stat;
	answer->is_dir = znode_is_shown_as_dir(znode);
	if (znode->known & ZNODE_DATA)
		memcpy(answer->text, znode->value->data, znode->value->size);
}

static struct answer get(const char *path, unsigned want)
{
	static struct answer answers[1000];
	static size_t next;
	struct answer *answer = &answers[next++ % 1000];

	memset(answer, 0, sizeof(*answer));
	znode_get(&fs, bytes_of_text(path), want, take, answer);
	return *answer;
}

static void ask(struct answer *answer, const char *path, unsigned want)
{
	memset(answer, 0, sizeof(*answer));
	znode_get(&fs, bytes_of_text(path), want, take, answer);
}

static void ask_shown(struct answer *answer, const char *path)
{
	memset(answer, 0, sizeof(*answer));
	znode_get_shown(&fs, bytes_of_text(path), take, answer);
}

static size_t asked_count(void)
{
	size_t count = 0;

	list_for_each (&asked, at)
		count++;
	return count;
}

/* The oldest question must be this one; it is answered with body. */
static void reply(int32_t opcode, const char *path, enum zk_outcome outcome, int32_t code,
		  const struct buf *body)
{
	struct list *at = list_first(&asked);
	struct zk_reply zk_reply = {.outcome = outcome, .code = code, .sent = true};
	struct asked *question;

	assert_non_null(at);
	question = list_item(at, struct asked, link);
	assert_int_equal(question->opcode, opcode);
	assert_string_equal(question->path, path);
	list_remove(at);
	jute_reader_init(&zk_reply.body, body ? body->data : NULL, body ? body->size : 0, 1 << 20);
	question->on_reply(&zk_reply, question->data);
	free(question->path);
	free(question);
}

static struct zk_stat stat_of(zxid_t mzxid, int32_t length, int32_t children)
{
	return (struct zk_stat){
		.czxid = 1,
		.mzxid = mzxid,
		.pzxid = 1,
		.data_length = length,
		.num_children = children,
	};
}

static void reply_error(int32_t opcode, const char *path, int32_t code)
{
	reply(opcode, path, ZK_OUTCOME_REPLIED, code, NULL);
}

static void reply_exists(const char *path, struct zk_stat stat)
{
	struct buf buf;

	buf_init(&buf, 1000);
	zk_stat_write(&buf, &stat);
	reply(ZK_OP_EXISTS, path, ZK_OUTCOME_REPLIED, ZK_OK, &buf);
	buf_release(&buf);
}

static void reply_data(const char *path, struct bytes data, zxid_t mzxid, int32_t children)
{
	struct zk_get_data_response response = {
		.data = data, .stat = stat_of(mzxid, (int32_t)bytes_size(data), children)};
	struct buf buf;

	buf_init(&buf, 2 << 20);
	zk_get_data_response_write(&buf, &response);
	reply(ZK_OP_GET_DATA, path, ZK_OUTCOME_REPLIED, ZK_OK, &buf);
	buf_release(&buf);
}

/* names: separated by spaces */
static void reply_children(const char *path, const char *names, int32_t length)
{
	struct zk_get_children2_response response = {0};
	struct buf list, buf;
	int32_t count = 0;

	buf_init(&list, 1 << 20);
	for (const char *at = names; *at; count++) {
		size_t size = strcspn(at, " ");

		jute_write_ustring(&list, bytes_of(at, size));
		at += size + (at[size] == ' ');
	}
	response.children.count = count;
	response.children.encoded = bytes_of(list.data ? (const void *)list.data : "", list.size);
	response.stat = stat_of(1, length, count);
	buf_init(&buf, 1 << 20);
	zk_get_children2_response_write(&buf, &response);
	reply(ZK_OP_GET_CHILDREN2, path, ZK_OUTCOME_REPLIED, ZK_OK, &buf);
	buf_release(&buf);
	buf_release(&list);
}

static int set_up(void **state)
{
	list_init(&asked);
	refusal = 0;
	abandoned_id = 0;
	now_ms = 1000000;
	last_heard_ms = now_ms;
	memset(&fs, 0, sizeof(fs));
	fs.options = &options;
	fs.session_live = true;
	znode_cache_init(&fs.znodes);
	fs.znodes.watched = true;
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(asked_count(), 0);
	znode_cache_release(&fs.znodes);
	return 0;
}

/* ---- */

static void what_is_known_is_asked_once(void **state)
{
	struct answer first, second;

	ask(&first, "/a", ZNODE_DATA);
	ask(&second, "/a", ZNODE_DATA);
	assert_int_equal(asked_count(), 1);
	reply_data("/a", bytes_of_text("value"), 3, 0);
	assert_int_equal(first.count, 1);
	assert_int_equal(second.count, 1);
	assert_string_equal(second.text, "value");

	assert_string_equal(get("/a", ZNODE_DATA).text, "value");
	assert_int_equal(asked_count(), 0);
}

static void first_stat_comes_with_the_list_for_that_needs_the_same_right_as_events(void **state)
{
	struct answer answer;

	ask(&answer, "/a", ZNODE_STAT);
	reply_children("/a", "x y", 0);
	assert_int_equal(answer.stat.num_children, 2);
	assert_int_equal(get("/a", ZNODE_CHILDREN).count, 1);

	/* Once that is known, the Stat alone is asked for. */
	znode_forget(&fs, bytes_of_text("/a"), ZNODE_STAT);
	ask(&answer, "/a", ZNODE_STAT);
	reply_exists("/a", stat_of(2, 0, 2));
	assert_int_equal(answer.count, 1);
}

static void a_stat_tells_what_of_before_still_holds(void **state)
{
	struct answer answer;

	ask(&answer, "/a", ZNODE_DATA);
	reply_data("/a", bytes_of_text("old"), 3, 0);
	znode_forget(&fs, bytes_of_text("/a"), ZNODE_STAT | ZNODE_DATA);
	ask(&answer, "/a", ZNODE_STAT);
	reply_exists("/a", stat_of(3, 3, 0));
	assert_string_equal(get("/a", ZNODE_DATA).text, "old");

	znode_forget(&fs, bytes_of_text("/a"), ZNODE_STAT | ZNODE_DATA);
	ask(&answer, "/a", ZNODE_STAT);
	reply_exists("/a", stat_of(4, 3, 0));
	ask(&answer, "/a", ZNODE_DATA);
	reply_data("/a", bytes_of_text("new"), 4, 0);
	assert_string_equal(answer.text, "new");
}

static void without_a_watch_nothing_is_kept(void **state)
{
	struct answer answer;

	fs.znodes.watched = false;
	for (int i = 0; i < 2; i++) {
		ask(&answer, "/a", ZNODE_DATA);
		reply_data("/a", bytes_of_text("value"), 3, 0);
		assert_string_equal(answer.text, "value");
	}
	assert_int_equal(fs.znodes.by_path.count, 0);
}

static void silence_for_a_third_of_the_timeout_ends_trust(void **state)
{
	struct answer answer;

	ask(&answer, "/a", ZNODE_DATA);
	reply_data("/a", bytes_of_text("value"), 3, 0);
	now_ms = last_heard_ms + 2999;
	assert_true(znode_is_fresh(&fs, znode_peek(&fs, bytes_of_text("/a"))));
	assert_int_equal(znode_fresh_ms(&fs, znode_peek(&fs, bytes_of_text("/a"))), 1);
	now_ms = last_heard_ms + 3000;
	assert_false(znode_is_fresh(&fs, znode_peek(&fs, bytes_of_text("/a"))));

	/* Heard, but not asked about for a whole timeout: its ACL may have been closed. */
	now_ms += 7000;
	last_heard_ms = now_ms;
	assert_false(znode_is_fresh(&fs, znode_peek(&fs, bytes_of_text("/a"))));
	ask(&answer, "/a", ZNODE_DATA);
	reply_data("/a", bytes_of_text("value"), 3, 0);
	assert_int_equal(answer.count, 1);
}

static void what_is_not_there_is_asked_again(void **state)
{
	struct answer answer;

	for (int i = 0; i < 2; i++) {
		ask(&answer, "/a", ZNODE_STAT);
		reply_error(ZK_OP_GET_CHILDREN2, "/a", ZK_NONODE);
		assert_int_equal(answer.code, ZK_NONODE);
		assert_int_equal(answer.error, ENOENT);
	}
	assert_int_equal(fs.znodes.by_path.count, 0);
}

static void without_read_the_stat_comes_from_exists_and_is_not_kept(void **state)
{
	struct answer stat, data;

	for (int i = 0; i < 2; i++) {
		ask(&stat, "/a", ZNODE_STAT);
		ask(&data, "/a", ZNODE_CHILDREN);
		reply_error(ZK_OP_GET_CHILDREN2, "/a", ZK_NOAUTH);
		assert_int_equal(data.error, EACCES);
		assert_int_equal(stat.count, 0);
		reply_exists("/a", stat_of(3, 7, 0));
		assert_int_equal(stat.error, 0);
		assert_int_equal(stat.stat.data_length, 7);
	}
}

static void an_event_between_question_and_use_makes_it_unknown(void **state)
{
	struct answer answer;

	ask(&answer, "/a", ZNODE_DATA);
	reply_data("/a", bytes_of_text("value"), 3, 0);
	znode_forget(&fs, bytes_of_text("/a"), ZNODE_STAT | ZNODE_DATA);
	ask(&answer, "/a", ZNODE_DATA);
	assert_int_equal(answer.count, 0);
	reply_data("/a", bytes_of_text("newer"), 4, 0);
	assert_string_equal(answer.text, "newer");
}

static void no_server_ends_the_wait_and_the_read(void **state)
{
	struct answer answer;

	ask(&answer, "/a", ZNODE_DATA);
	reply(ZK_OP_GET_DATA, "/a", ZK_OUTCOME_LATE, ZK_OK, NULL);
	assert_int_equal(answer.error, ETIMEDOUT);
	assert_int_not_equal(answer.code, ZK_OK);
	assert_int_equal(abandoned_id, id_last);

	refusal = -ETIMEDOUT;
	assert_int_equal(get("/a", ZNODE_DATA).error, ETIMEDOUT);
	assert_int_equal(fs.znodes.by_path.count, 0);
}

static void a_reply_that_does_not_decode_is_an_error(void **state)
{
	struct answer answer;

	ask(&answer, "/a", ZNODE_DATA);
	reply(ZK_OP_GET_DATA, "/a", ZK_OUTCOME_REPLIED, ZK_OK, NULL);
	assert_int_equal(answer.error, EIO);
	assert_int_not_equal(answer.code, ZK_OK);
}

static void own_create_is_known_and_its_parent_is_not(void **state)
{
	struct zk_stat stat = stat_of(5, 4, 0);
	struct answer answer;

	ask(&answer, "/", ZNODE_CHILDREN);
	reply_children("/", "", 0);
	znode_created(&fs, bytes_of_text("/a"), bytes_of_text("mine"), &stat);
	assert_string_equal(get("/a", ZNODE_DATA | ZNODE_CHILDREN).text, "mine");
	ask(&answer, "/", ZNODE_CHILDREN);
	reply_children("/", "a", 0);
	assert_int_equal(answer.count, 1);

	znode_deleted(&fs, bytes_of_text("/a"));
	ask(&answer, "/a", ZNODE_STAT);
	reply_error(ZK_OP_GET_CHILDREN2, "/a", ZK_NONODE);
	assert_int_equal(answer.error, ENOENT);
}

static void own_set_is_known(void **state)
{
	struct zk_stat stat = stat_of(6, 3, 0);
	struct answer answer;
	struct value *value;

	ask(&answer, "/a", ZNODE_DATA);
	reply_data("/a", bytes_of_text("before"), 3, 0);
	value = value_new(bytes_of_text("set"), &stat);
	znode_set(&fs, bytes_of_text("/a"), value, &stat);
	value_drop(value);
	assert_string_equal(get("/a", ZNODE_DATA).text, "set");
}

static void a_type_is_told_by_children_and_null(void **state)
{
	struct answer answer;

	ask_shown(&answer, "/file");
	reply_children("/file", "", 5);
	assert_int_equal(answer.count, 1);
	assert_false(answer.is_dir);

	ask_shown(&answer, "/dir");
	reply_children("/dir", "child", 5);
	assert_true(answer.is_dir);

	ask_shown(&answer, "/null");
	reply_children("/null", "", 0);
	assert_int_equal(answer.count, 0);
	reply_data("/null", BYTES_NULL, 1, 0);
	assert_true(answer.is_dir);

	ask_shown(&answer, "/empty");
	reply_children("/empty", "", 0);
	reply_data("/empty", bytes_of("", 0), 1, 0);
	assert_int_equal(answer.count, 1);
	assert_false(answer.is_dir);
}

#define CONTENDER "0123456789abcdef0123456789abcdef__lock__0000000001"

static void contenders_make_no_directory(void **state)
{
	struct answer answer;

	ask_shown(&answer, "/locked");
	reply_children("/locked", CONTENDER, 5);
	assert_false(answer.is_dir);

	ask_shown(&answer, "/locked-dir");
	reply_children("/locked-dir", CONTENDER " child", 5);
	assert_true(answer.is_dir);

	ask_shown(&answer, "/locked-empty");
	reply_children("/locked-empty", CONTENDER, 0);
	reply_data("/locked-empty", bytes_of("", 0), 1, 1);
	assert_int_equal(answer.count, 1);
	assert_false(answer.is_dir);
}

static void what_can_not_be_read_is_shown_all_the_same(void **state)
{
	struct answer answer;

	ask_shown(&answer, "/a");
	reply_error(ZK_OP_GET_CHILDREN2, "/a", ZK_NOAUTH);
	reply_exists("/a", stat_of(3, 0, 0));
	assert_int_equal(answer.error, 0);
	assert_false(answer.is_dir);

	ask_shown(&answer, "/b");
	reply_error(ZK_OP_GET_CHILDREN2, "/b", ZK_NOAUTH);
	reply_exists("/b", stat_of(3, 0, 2));
	assert_true(answer.is_dir);
}

static void memory_is_bounded_and_the_latest_stays(void **state)
{
	size_t size = 1 << 20;
	char *data = mem_zalloc(size);
	struct answer answer;
	char path[32];

	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/big-%d", i);
		memset(&answer, 0, sizeof(answer));
		ask(&answer, path, ZNODE_STAT);
		reply_children(path, "", (int32_t)size);
		znode_set(&fs, bytes_of_text(path), NULL, &(struct zk_stat){.czxid = 1});
		znode_created(&fs, bytes_of_text(path), bytes_of(data, size),
			      &(struct zk_stat){.czxid = 1, .data_length = (int32_t)size});
		assert_true(fs.znodes.size <= ZNODE_CACHE_SIZE_MAX);
	}
	assert_null(znode_peek(&fs, bytes_of_text("/big-0")));
	assert_true(znode_peek(&fs, bytes_of_text("/big-99"))->known & ZNODE_DATA);
	free(data);
}

static void a_loss_of_the_connection_forgets_all(void **state)
{
	struct znode *znode = znode_use(&fs, bytes_of_text("/a"));
	struct answer answer;

	ask(&answer, "/a", ZNODE_DATA);
	reply_data("/a", bytes_of_text("value"), 3, 0);
	fs.session_live = false;
	znode_forget_all(&fs);
	assert_int_equal(znode->known, 0);
	ask(&answer, "/a", ZNODE_DATA);
	reply_data("/a", bytes_of_text("value"), 3, 0);
	assert_string_equal(answer.text, "value");
	assert_int_equal(znode->known, 0);
	znode_unuse(&fs, znode);
	assert_int_equal(fs.znodes.by_path.count, 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_is_known_is_asked_once),
		test(first_stat_comes_with_the_list_for_that_needs_the_same_right_as_events),
		test(a_stat_tells_what_of_before_still_holds),
		test(without_a_watch_nothing_is_kept),
		test(silence_for_a_third_of_the_timeout_ends_trust),
		test(what_is_not_there_is_asked_again),
		test(without_read_the_stat_comes_from_exists_and_is_not_kept),
		test(an_event_between_question_and_use_makes_it_unknown),
		test(no_server_ends_the_wait_and_the_read),
		test(a_reply_that_does_not_decode_is_an_error),
		test(own_create_is_known_and_its_parent_is_not),
		test(own_set_is_known),
		test(a_type_is_told_by_children_and_null),
		test(contenders_make_no_directory),
		test(what_can_not_be_read_is_shown_all_the_same),
		test(memory_is_bounded_and_the_latest_stays),
		test(a_loss_of_the_connection_forgets_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
