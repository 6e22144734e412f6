/*
 * Whom a commit on the loop thread waits for: those, too, whose requests came
 * while the one before was under way. A node on a real loop, and two
 * clients, one request each. A turn may be late for what it is to show,
 * so each is tried until it shows it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replica/io/config.h"
#include "replica/io/node.h"
#include "replica/io/store.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"
#include "t/sim/store-rig.h"
#include "t/unit/cmocka.h"
#include "t/unit/raw-socket.h"

enum { TRIES_MAX = 300, SESSION_TIMEOUT_MS = 30000 };

struct world {
	char *directory;
	struct config config;
	struct loop loop;
	struct node *node;
	int clients[2];
};

/* ---- commits, seen from where the node asks for them ---- */

static struct {
	unsigned count; /* on this thread */
	int sender;     /* who sends a request during the next one; -1: nobody */
} commits = {.sender = -1};

bool __real_store_commit(struct store *store, size_t count_max);
bool __wrap_store_commit(struct store *store, size_t count_max);

static void send_set(int fd);

bool __wrap_store_commit(struct store *store, size_t count_max)
{
	int sender = commits.sender;

	if (!__real_store_commit(store, count_max))
		return false;
	commits.count++;
	commits.sender = -1;
	if (sender >= 0)
		send_set(sender);
	return true;
}

/* ---- clients ---- */

/* At once: the kernel would keep the rest of what it began to send. */
static void send_frame(int fd, struct buf *frame)
{
	endian_put_u32(frame->data, (uint32_t)(frame->size - 4));
	raw_send(fd, frame->data, frame->size);
	buf_release(frame);
}

static void begin_frame(struct buf *ret_frame)
{
	buf_init(ret_frame, 1024);
	(void)buf_extend(ret_frame, 4); /* there is room */
}

static void send_set(int fd)
{
	struct buf frame;

	begin_frame(&frame);
	zk_request_header_write(&frame,
				&(struct zk_request_header){.xid = 1, .opcode = ZK_OP_SET_DATA});
	zk_set_data_request_write(&frame, &(struct zk_set_data_request){.path = bytes_of("/", 1),
									.data = bytes_of("x", 1),
									.version = -1});
	send_frame(fd, &frame);
}

static void send_connect(int fd)
{
	static const uint8_t password[ZK_PASSWORD_SIZE];
	struct buf frame;

	begin_frame(&frame);
	zk_connect_request_write(&frame, &(struct zk_connect_request){
						 .timeout_ms = SESSION_TIMEOUT_MS,
						 .password = bytes_of(password, sizeof(password))});
	send_frame(fd, &frame);
}

static bool has_reply(int fd)
{
	uint8_t reply[4096];
	ssize_t size = recv(fd, reply, sizeof(reply), 0);

	assert_true(size > 0 || (size < 0 && errno == EAGAIN));
	return size > 0;
}

static void wait_for_reply(struct world *world, int fd)
{
	while (!has_reply(fd))
		loop_turn(&world->loop, false);
}

static void wait_for_replies(struct world *world)
{
	for (int i = 0; i < 2; i++)
		wait_for_reply(world, world->clients[i]);
}

/* ---- the world ---- */

static int setup(void **state)
{
	struct world *world = mem_zalloc(sizeof(*world));
	uint16_t port = raw_free_port();
	char *error;
	char *text;

	world->directory = rig_make_dir();
	text = mem_printf("dataDir=%s\nclientPort=%u\nclientPortAddress=127.0.0.1\n",
			  world->directory, port);
	config_init(&world->config);
	assert_int_equal(config_parse(&world->config, "zoo.cfg", text, strlen(text)), 0);
	assert_int_equal(config_check(&world->config), 0);
	free(text);
	assert_int_equal(loop_init(&world->loop), 0);
	if (node_open(&world->loop, &world->config, &world->node, &error) != 0)
		fail_msg("%s", error);
	for (int i = 0; i < 2; i++) {
		world->clients[i] = raw_connect(port);
		send_connect(world->clients[i]);
		wait_for_reply(world, world->clients[i]);
	}
	commits.count = 0;
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	for (int i = 0; i < 2; i++)
		close(world->clients[i]);
	node_stop(world->node);
	loop_run(&world->loop);
	assert_int_equal(node_close(world->node), 0);
	assert_int_equal(loop_release(&world->loop), 0);
	config_release(&world->config);
	rig_remove_dir(world->directory);
	free(world->directory);
	free(world);
	return 0;
}

/* Whether the second client's request was committed together with the first one's next. */
static bool share_a_commit(struct world *world)
{
	unsigned before = commits.count;
	unsigned count;

	commits.sender = world->clients[1];
	send_set(world->clients[0]);
	wait_for_reply(world, world->clients[0]);
	/* The log worker did it. */
	if (commits.sender >= 0)
		send_set(world->clients[1]);
	commits.sender = -1;
	/* If it did not wait, it would be on its way. */
	loop_turn(&world->loop, false);
	loop_turn(&world->loop, false);
	count = commits.count;
	send_set(world->clients[0]);
	wait_for_replies(world);
	return count == before + 1 && commits.count == count + 1;
}

static void test_who_came_during_a_commit_waits_for_its_clients(void **state)
{
	for (int try = 0; try < TRIES_MAX; try++)
		if (share_a_commit(*state))
			return;
	/* A disk that takes its time is left to the log worker. */
	if (commits.count == 0)
		skip();
	fail_msg("not in any of %d tries", TRIES_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_came_during_a_commit_waits_for_its_clients),
	};

	/* Memory is a quick disk. */
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
