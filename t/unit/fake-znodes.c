#include "t/unit/fake-znodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/request.h"
#include "src/base/buf.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/client/client.h"
#include "src/io/loop.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "src/zk/path.h"
#include "t/unit/cmocka.h"

enum { ZNODES_MAX = 32, BODY_SIZE_MAX = 1 << 16 };

/* All values are "x". */
struct fake_znode {
	char *path; /* owned; NULL: a free place */
	struct zk_stat stat;
};

struct asked {
	struct list link;
	int32_t opcode;
	char *path;
	zk_client_on_reply *on_reply;
	void *data;
};

static struct fake_znode znodes[ZNODES_MAX];
static struct list asked;
static zxid_t zxid_last;
static bool in_multi;
static uint64_t id_last;

/* ---- what is there ---- */

static struct fake_znode *find(struct bytes path)
{
	for (int i = 0; i < ZNODES_MAX; i++)
		if (znodes[i].path && bytes_equal_text(path, znodes[i].path))
			return &znodes[i];
	return NULL;
}

static struct fake_znode *get(const char *path)
{
	struct fake_znode *znode = find(bytes_of_text(path));

	assert_non_null(znode);
	return znode;
}

static struct fake_znode *add(const char *path, zxid_t zxid)
{
	for (int i = 0; i < ZNODES_MAX; i++) {
		if (znodes[i].path)
			continue;
		znodes[i].path = mem_strdup(path);
		znodes[i].stat = (struct zk_stat){
			.czxid = zxid, .mzxid = zxid, .pzxid = zxid, .data_length = 1};
		return &znodes[i];
	}
	fail_msg("more znodes than there is room for");
	return NULL;
}

static zxid_t zxid_next(void)
{
	if (!in_multi)
		zxid_last++;
	return zxid_last;
}

void fake_znodes_begin_multi(void)
{
	assert_false(in_multi);
	zxid_last++;
	in_multi = true;
}

void fake_znodes_end_multi(void)
{
	assert_true(in_multi);
	in_multi = false;
}

static void note_child(const char *path, int32_t difference)
{
	struct fake_znode *parent = find(zk_path_parent(bytes_of_text(path)));

	assert_non_null(parent);
	parent->stat.pzxid = zxid_last;
	parent->stat.cversion++;
	parent->stat.num_children += difference;
}

zxid_t fake_znodes_create(const char *path)
{
	assert_null(find(bytes_of_text(path)));
	add(path, zxid_next());
	note_child(path, 1);
	return zxid_last;
}

zxid_t fake_znodes_set(const char *path)
{
	struct fake_znode *znode = get(path);

	znode->stat.mzxid = zxid_next();
	znode->stat.version++;
	return zxid_last;
}

zxid_t fake_znodes_delete(const char *path)
{
	struct fake_znode *znode = get(path);

	(void)zxid_next();
	note_child(path, -1);
	free(znode->path);
	znode->path = NULL;
	return zxid_last;
}

struct zk_stat fake_znodes_stat(const char *path)
{
	return get(path)->stat;
}

void fake_znodes_init(void)
{
	list_init(&asked);
	zxid_last = 0;
	in_multi = false;
	add("/", 0);
}

void fake_znodes_release(void)
{
	assert_int_equal(fake_znodes_asked(), 0);
	for (int i = 0; i < ZNODES_MAX; i++) {
		free(znodes[i].path);
		znodes[i].path = NULL;
	}
}

/* ---- questions ---- */

size_t fake_znodes_asked(void)
{
	size_t count = 0;

	list_for_each (&asked, at)
		count++;
	return count;
}

static void write_children(struct buf *buf, const struct fake_znode *znode)
{
	struct zk_get_children2_response response = {.stat = znode->stat};
	struct buf list;

	buf_init(&list, BODY_SIZE_MAX);
	for (int i = 0; i < ZNODES_MAX; i++) {
		struct bytes path = znodes[i].path ? bytes_of_text(znodes[i].path) : BYTES_NULL;

		if (bytes_is_null(path) || bytes_equal_text(path, "/") ||
		    !bytes_equal_text(zk_path_parent(path), znode->path))
			continue;
		jute_write_ustring(&list, zk_path_name(path));
		response.children.count++;
	}
	response.children.encoded = bytes_of(list.data ? (const void *)list.data : "", list.size);
	zk_get_children2_response_write(buf, &response);
	buf_release(&list);
}

static void write_answer(struct buf *buf, int32_t opcode, const struct fake_znode *znode)
{
	struct zk_get_data_response data = {.data = bytes_of("x", 1), .stat = znode->stat};

	if (opcode == ZK_OP_GET_CHILDREN2) {
		write_children(buf, znode);
	} else if (opcode == ZK_OP_GET_DATA) {
		zk_get_data_response_write(buf, &data);
	} else {
		assert_int_equal(opcode, ZK_OP_EXISTS);
		zk_stat_write(buf, &znode->stat);
	}
}

void fake_znodes_answer(void)
{
	struct zk_reply reply = {.outcome = ZK_OUTCOME_REPLIED, .zxid = zxid_last, .sent = true};
	struct list *at = list_first(&asked);
	const struct fake_znode *znode;
	struct asked *question;
	struct buf buf;

	assert_non_null(at);
	question = list_item(at, struct asked, link);
	list_remove(at);
	znode = find(bytes_of_text(question->path));
	buf_init(&buf, BODY_SIZE_MAX);
	if (znode)
		write_answer(&buf, question->opcode, znode);
	else
		reply.code = ZK_NONODE;
	jute_reader_init(&reply.body, buf.data, buf.size, BODY_SIZE_MAX);
	question->on_reply(&reply, question->data);
	buf_release(&buf);
	free(question->path);
	free(question);
}

void fake_znodes_answer_all(void)
{
	while (fake_znodes_asked() > 0)
		fake_znodes_answer();
}

/* ---- what fs/znode.c needs besides ---- */

int client_submit(struct client *client, struct zk_request *request, zk_client_on_reply *on_reply,
		  void *data, uint64_t *ret_id)
{
	struct bytes body = zk_request_body(request);
	struct asked *question = mem_zalloc(sizeof(*question));
	struct jute_reader reader;

	jute_reader_init(&reader, body.data, bytes_size(body), BODY_SIZE_MAX);
	question->opcode = request->opcode;
	question->path = bytes_dup(jute_read_ustring(&reader));
	question->on_reply = on_reply;
	question->data = data;
	*ret_id = ++id_last;
	list_append(&asked, &question->link);
	zk_request_release(request);
	return 0;
}

void client_abandon(struct client *client, uint64_t id)
{
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
	return 0;
}

zxid_t zk_client_last_zxid(const struct zk_client *client)
{
	return zxid_last;
}

msec_t loop_now_ms(const struct loop *loop)
{
	return 0;
}

int request_errno(const struct zk_reply *reply)
{
	return reply->outcome == ZK_OUTCOME_REPLIED ? zk_code_errno(reply->code) : EIO;
}
