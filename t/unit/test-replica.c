/* Whole replicas: what clients see of an ensemble, whatever becomes of its servers. */
#include <stdio.h>
#include <string.h>

#include "src/zk/opcode.h"
#include "t/unit/cmocka.h"
#include "t/unit/replica-cluster.h"

static int setup(void **state)
{
	struct cluster *cluster = test_calloc(1, sizeof(*cluster));

	cluster_init(cluster, 1);
	*state = cluster;
	return 0;
}

static int teardown(void **state)
{
	cluster_release(*state);
	test_free(*state);
	return 0;
}

/* All three, from nothing; who leads. */
static int64_t begin(struct cluster *cluster)
{
	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++)
		cluster_start(cluster, sid);
	return cluster_await(cluster, CLUSTER_NODE_COUNT);
}

static int64_t other_than(int64_t sid)
{
	return sid % CLUSTER_NODE_COUNT + 1;
}

static bool exists(struct cluster *cluster, int64_t sid, const char *path)
{
	return tree_find(replica_tree(cluster_driver(cluster, sid)->replica),
			 bytes_of_text(path)) != NULL;
}

static void create(struct cluster *cluster, int64_t sid, connection_id_t id, const char *path,
		   int32_t flags)
{
	fake_create(cluster_driver(cluster, sid), id, path, "x", flags);
	assert_int_equal(cluster_code(cluster, sid, id), ZK_OK);
}

static bool is_closed(struct cluster *cluster, int64_t sid, connection_id_t id)
{
	return cluster_driver(cluster, sid)->connections[id].is_closed;
}

static void ping(struct cluster *cluster, int64_t sid, connection_id_t id)
{
	struct fake_driver *driver = cluster_driver(cluster, sid);
	struct fake_reply reply;
	struct buf nothing;

	buf_init(&nothing, SIZE_MAX);
	fake_request(driver, id, ZK_OP_PING, &nothing);
	assert_true(fake_take_reply(driver, id, &reply));
	assert_int_equal(reply.header.xid, ZK_XID_PING);
}

/* ---- serving ---- */

static void test_three_empty_servers_come_to_serve(void **state)
{
	struct cluster *cluster = *state;
	int64_t leader = begin(cluster);

	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++)
		assert_string_equal(replica_mode(cluster_driver(cluster, sid)->replica),
				    sid == leader ? "leader" : "follower");
	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++) {
		session_id_t id = cluster_connect(cluster, sid, 1, 0);

		assert_int_equal((uint64_t)id >> 56, sid);
	}
	assert_true(cluster_agrees(cluster));
}

static void test_what_one_writes_all_read(void **state)
{
	static const char *const paths[] = {"/1", "/2", "/3"};
	struct cluster *cluster = *state;

	(void)begin(cluster);
	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++) {
		assert_int_not_equal(cluster_connect(cluster, sid, 1, 0), 0);
		create(cluster, sid, 1, paths[sid - 1], 0);
	}
	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++) {
		struct fake_driver *driver = cluster_driver(cluster, sid);

		fake_read(driver, 1, ZK_OP_SYNC, "/", false);
		assert_int_equal(cluster_code(cluster, sid, 1), ZK_OK);
		for (size_t at = 0; at < 3; at++) {
			fake_read(driver, 1, ZK_OP_EXISTS, paths[at], false);
			assert_int_equal(cluster_code(cluster, sid, 1), ZK_OK);
		}
	}
	assert_true(cluster_agrees(cluster));
}

static void test_client_that_comes_too_early_is_sent_away(void **state)
{
	struct cluster *cluster = *state;
	struct fake_driver *driver;

	cluster_start(cluster, 1);
	driver = cluster_driver(cluster, 1);
	fake_send_connect(driver, 1, 0, BYTES_NULL, 0);
	assert_true(is_closed(cluster, 1, 1));
	fake_expect_nothing(driver, 1);
	/* One that has not asked for anything yet can wait. */
	fake_open(driver, 2, "127.0.0.1");
	cluster_start(cluster, 2);
	cluster_start(cluster, 3);
	(void)cluster_await(cluster, 3);
	assert_false(is_closed(cluster, 1, 2));
	fake_close(driver, 1);
	assert_int_not_equal(cluster_connect(cluster, 1, 1, 0), 0);
}

static void test_write_needs_a_majority(void **state)
{
	struct cluster *cluster = *state;
	int64_t leader = begin(cluster);
	int64_t a = other_than(leader);
	int64_t b = other_than(a);

	assert_int_not_equal(cluster_connect(cluster, a, 1, 0), 0);
	cluster_node(cluster, leader)->is_disk_stuck = true;
	create(cluster, a, 1, "/on-two-disks", 0);
	/* The leader's own disk has nothing of it, so its clients see nothing of it. */
	assert_false(exists(cluster, leader, "/on-two-disks"));
	assert_true(exists(cluster, b, "/on-two-disks"));
	cluster_node(cluster, b)->is_disk_stuck = true;
	fake_create(cluster_driver(cluster, a), 1, "/on-one", "x", 0);
	cluster_settle(cluster);
	fake_expect_nothing(cluster_driver(cluster, a), 1);
	cluster_node(cluster, b)->is_disk_stuck = false;
	assert_int_equal(cluster_code(cluster, a, 1), ZK_OK);
	cluster_node(cluster, leader)->is_disk_stuck = false;
	cluster_settle(cluster);
	assert_true(cluster_agrees(cluster));
}

/* ---- sessions ---- */

static void test_session_lives_wherever_its_client_is_heard_of(void **state)
{
	struct cluster *cluster = *state;
	int64_t leader = begin(cluster);
	int64_t follower = other_than(leader);
	session_id_t id = cluster_connect(cluster, follower, 1, 0);

	create(cluster, follower, 1, "/e", ZK_EPHEMERAL);
	for (int at = 0; at < 15; at++) {
		cluster_advance(cluster, 2000);
		ping(cluster, follower, 1);
	}
	assert_true(exists(cluster, leader, "/e"));
	/* Moves on, and back. */
	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++)
		assert_int_equal(cluster_connect(cluster, sid, 2, id), id);
	assert_int_equal(cluster_connect(cluster, follower, 1, id), id);
	assert_true(exists(cluster, leader, "/e"));
	/* And ends where nobody speaks for it. */
	cluster_advance(cluster, 15000);
	assert_false(exists(cluster, leader, "/e"));
	assert_false(exists(cluster, follower, "/e"));
	assert_true(is_closed(cluster, follower, 1));
	assert_int_equal(cluster_connect(cluster, leader, 3, id), 0);
}

static void test_moved_session_is_not_the_old_connections(void **state)
{
	struct cluster *cluster = *state;
	int64_t leader = begin(cluster);
	int64_t a = other_than(leader);
	int64_t b = other_than(a);
	session_id_t id = cluster_connect(cluster, a, 1, 0);

	create(cluster, a, 1, "/e", ZK_EPHEMERAL);
	assert_int_equal(cluster_connect(cluster, b, 1, id), id);
	fake_delete(cluster_driver(cluster, a), 1, "/e", -1);
	cluster_settle(cluster);
	fake_expect_nothing(cluster_driver(cluster, a), 1);
	assert_true(is_closed(cluster, a, 1));
	assert_true(exists(cluster, b, "/e"));
}

/* ---- servers that come and go ---- */

static void test_leader_changes_and_sessions_go_on(void **state)
{
	struct cluster *cluster = *state;
	int64_t first = begin(cluster);
	int64_t follower = other_than(first);
	session_id_t at_leader = cluster_connect(cluster, first, 1, 0);
	session_id_t at_follower = cluster_connect(cluster, follower, 1, 0);
	int64_t second;

	create(cluster, first, 1, "/of-the-leaders", ZK_EPHEMERAL);
	create(cluster, follower, 1, "/of-the-followers", ZK_EPHEMERAL);
	cluster_stop(cluster, first);
	/* Its client hears of it by the end of the connection. */
	cluster_advance(cluster, 200);
	assert_true(is_closed(cluster, follower, 1));
	second = cluster_await(cluster, 2);
	assert_int_not_equal(first, second);
	assert_int_equal(cluster_connect(cluster, follower, 1, at_follower), at_follower);
	assert_int_equal(cluster_connect(cluster, second, 2, at_leader), at_leader);
	assert_true(exists(cluster, follower, "/of-the-leaders"));
	assert_true(exists(cluster, follower, "/of-the-followers"));
	create(cluster, follower, 1, "/in-the-new-epoch", 0);
	assert_int_equal(
		zxid_epoch(tree_zxid(replica_tree(cluster_driver(cluster, follower)->replica))), 2);
	cluster_start(cluster, first);
	assert_int_equal(cluster_await(cluster, 3), second);
	assert_true(exists(cluster, first, "/in-the-new-epoch"));
	assert_int_equal(cluster_node(cluster, first)->snapshot_count, 0);
	assert_true(cluster_agrees(cluster));
}

static void test_session_ids_are_never_given_twice(void **state)
{
	struct cluster *cluster = *state;
	session_id_t ids[8];
	size_t count = 0;

	(void)begin(cluster);
	for (int round = 0; round < 4; round++) {
		int64_t leader = cluster_await(cluster, 3);

		ids[count++] = cluster_connect(cluster, 1, 1, 0);
		ids[count++] = cluster_connect(cluster, 2, 1, 0);
		cluster_cut(cluster, leader);
	}
	for (size_t a = 0; a < count; a++)
		for (size_t b = a + 1; b < count; b++)
			assert_int_not_equal(ids[a], ids[b]);
}

static void test_server_restarts_with_what_it_had(void **state)
{
	struct cluster *cluster = *state;
	int64_t leader = begin(cluster);
	session_id_t id = cluster_connect(cluster, leader, 1, 0);

	create(cluster, leader, 1, "/a", 0);
	create(cluster, leader, 1, "/e", ZK_EPHEMERAL);
	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++)
		cluster_stop(cluster, sid);
	leader = begin(cluster);
	assert_true(exists(cluster, leader, "/a"));
	assert_int_equal(cluster_connect(cluster, leader, 1, id), id);
	create(cluster, leader, 1, "/b", 0);
	assert_true(exists(cluster, other_than(leader), "/e"));
	assert_true(cluster_agrees(cluster));
}

/* ---- snapshots ---- */

static void test_empty_server_gets_a_snapshot(void **state)
{
	struct cluster *cluster = *state;
	session_id_t id;
	int64_t leader;
	int64_t empty;

	/* No DIFF can lead there from nothing. */
	cluster->history_count_max = 2;
	leader = begin(cluster);
	empty = other_than(leader);

	assert_int_not_equal(cluster_connect(cluster, leader, 1, 0), 0);
	create(cluster, leader, 1, "/a", 0);
	create(cluster, leader, 1, "/a/e", ZK_EPHEMERAL);
	create(cluster, leader, 1, "/a/c", ZK_CONTAINER);
	cluster_write_tree(cluster, leader);
	cluster_stop(cluster, empty);
	cluster_wipe(cluster, empty);
	cluster_start(cluster, empty);
	(void)cluster_await(cluster, 3);
	assert_int_equal(cluster_node(cluster, empty)->snapshot_count, 1);
	assert_int_equal(cluster_node(cluster, empty)->reload_count, 0);
	assert_true(exists(cluster, empty, "/a/e"));
	id = cluster_connect(cluster, empty, 1, 0);
	assert_int_not_equal(id, 0);
	create(cluster, empty, 1, "/a/b", 0);
	assert_true(cluster_agrees(cluster));
	/* It is on its disk now. */
	cluster_stop(cluster, empty);
	cluster_start(cluster, empty);
	(void)cluster_await(cluster, 3);
	assert_int_equal(cluster_node(cluster, empty)->snapshot_count, 1);
	assert_int_equal(cluster_connect(cluster, empty, 1, id), id);
}

/* A server with a tree of its own that is so far behind that only a snapshot will do. */
static int64_t fall_behind(struct cluster *cluster)
{
	int64_t leader;
	int64_t late;
	char path[16];

	cluster->history_count_max = 2;
	leader = begin(cluster);
	late = other_than(leader);
	assert_int_not_equal(cluster_connect(cluster, leader, 1, 0), 0);
	create(cluster, leader, 1, "/old", 0);
	cluster_write_tree(cluster, late);
	cluster_stop(cluster, late);
	for (int at = 0; at < 40; at++) {
		(void)snprintf(path, sizeof(path), "/new%d", at);
		create(cluster, leader, 1, path, 0);
	}
	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++)
		if (sid != late)
			cluster_write_tree(cluster, sid);
	create(cluster, leader, 1, "/last", 0);
	cluster_start(cluster, late);
	return late;
}

static void test_late_server_gets_a_snapshot_over_what_it_has(void **state)
{
	struct cluster *cluster = *state;
	int64_t late = fall_behind(cluster);

	(void)cluster_await(cluster, 3);
	assert_int_equal(cluster_node(cluster, late)->snapshot_count, 1);
	assert_true(exists(cluster, late, "/last"));
	assert_true(cluster_agrees(cluster));
}

static void test_broken_snapshot_brings_the_old_tree_back(void **state)
{
	struct cluster *cluster = *state;
	int64_t late = fall_behind(cluster);
	struct cluster_node *node = cluster_node(cluster, late);
	struct replica *replica = cluster_driver(cluster, late)->replica;
	struct tree *tree;

	while (!node->is_staged || tree_znode_count(node->staged.tree) < 10)
		if (!cluster_step(cluster))
			cluster_advance(cluster, 20);
	assert_null(replica_tree(replica));
	cluster_cut(cluster, late);
	assert_null(replica_tree(replica));
	while (node->reload_count == 0 || node->is_reloading)
		assert_true(cluster_step(cluster));
	tree = replica_tree(replica);
	assert_non_null(tree);
	assert_non_null(tree_find(tree, bytes_of_text("/old")));
	assert_null(tree_find(tree, bytes_of_text("/new0")));
	assert_int_not_equal(
		bytes_size(znode_data(tree_find(tree, bytes_of_text(TREE_CONFIG_PATH)))), 0);
	(void)cluster_await(cluster, 3);
	assert_true(node->snapshot_count >= 2);
	assert_true(exists(cluster, late, "/last"));
	assert_true(cluster_agrees(cluster));
}

/* ---- the configuration ---- */

static const char config_text[] = "server.1=127.0.0.1:2001:3001:participant\n"
				  "server.2=127.0.0.1:2002:3002:participant\n"
				  "server.3=127.0.0.1:2003:3003:participant\n"
				  "version=0";

/* It is in the tree of sid; when it was written there. */
static msec_t expect_config(struct cluster *cluster, int64_t sid)
{
	struct tree *tree = replica_tree(cluster_driver(cluster, sid)->replica);
	const struct znode *znode = tree_find(tree, bytes_of_text(TREE_CONFIG_PATH));

	assert_true(bytes_equal_text(znode_data(znode), config_text));
	assert_int_equal(znode_stored_stat(znode).version, -1);
	assert_int_equal(znode_stored_stat(znode).aversion, -1);
	assert_int_equal(znode_stored_stat(znode).cversion, 0);
	assert_int_equal(znode_stored_stat(znode).czxid, 0);
	assert_int_equal(znode_stored_stat(znode).mzxid, 0);
	assert_int_equal(znode_stored_stat(znode).ctime, 0);
	tree_check(tree);
	return znode_stored_stat(znode).mtime;
}

static void test_every_server_tells_its_configuration(void **state)
{
	struct cluster *cluster = *state;
	int64_t leader = begin(cluster);
	int64_t other = other_than(leader);
	msec_t begun_ms = expect_config(cluster, leader);

	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++)
		(void)expect_config(cluster, sid);
	assert_int_equal(begun_ms, 1700000000000 + 1000);
	/* It is in the store from the first write-out on, and written anew at each start. */
	assert_int_not_equal(cluster_connect(cluster, leader, 1, 0), 0);
	create(cluster, leader, 1, "/a", 0);
	cluster_write_tree(cluster, other);
	cluster_stop(cluster, other);
	cluster_advance(cluster, 5000);
	cluster_start(cluster, other);
	(void)cluster_await(cluster, 3);
	assert_true(expect_config(cluster, other) >= begun_ms + 5000);
	assert_true(cluster_agrees(cluster));
}

/* What the znode has in the store of a server: mtime tells who wrote it. */
static const struct znode *stored_config(struct cluster *cluster, int64_t sid)
{
	return tree_find(cluster_node(cluster, sid)->store.tree, bytes_of_text(TREE_CONFIG_PATH));
}

static void test_snapshot_does_not_bring_the_leaders_configuration(void **state)
{
	struct cluster *cluster = *state;
	int64_t late = fall_behind(cluster);
	msec_t staged_ms;

	cluster_advance(cluster, 20);
	(void)cluster_await(cluster, 3);
	assert_int_equal(cluster_node(cluster, late)->snapshot_count, 1);
	staged_ms = znode_stored_stat(stored_config(cluster, late)).mtime;
	/* The one in memory is written behind the snapshot, and goes to the store when it is
	 * written next. */
	assert_true(expect_config(cluster, late) > staged_ms);
	assert_int_not_equal(cluster_connect(cluster, late, 1, 0), 0);
	create(cluster, late, 1, "/b", 0);
	cluster_write_tree(cluster, late);
	assert_int_equal(znode_stored_stat(stored_config(cluster, late)).mtime,
			 expect_config(cluster, late));
}

/* ---- what a peer may not send ---- */

static void expect_link_is_closed(struct cluster *cluster, int64_t sid, struct bytes bytes,
				  const char *why)
{
	struct buf *said = &cluster_node(cluster, sid)->said;

	buf_reset(said);
	cluster_inject(cluster, sid, bytes);
	cluster_settle(cluster);
	buf_append(said, "", 1);
	assert_non_null(strstr((const char *)said->data, why));
	assert_non_null(strstr((const char *)said->data, "the leader, server"));
	(void)cluster_await(cluster, 3);
	assert_true(cluster_agrees(cluster));
}

static void test_proposal_that_is_no_transaction_ends_the_link(void **state)
{
	static const int32_t types[] = {ZAB_PROPOSAL, ZAB_INFORM, ZAB_INFORMANDACTIVATE};
	struct cluster *cluster = *state;
	int64_t follower = other_than(begin(cluster));

	for (size_t at = 0; at < sizeof(types) / sizeof(types[0]); at++) {
		struct zab_packet packet = {.type = types[at],
					    .zxid = zxid_make(1, 1),
					    .data = bytes_of_text("no transaction"),
					    .auth_count = -1};
		struct buf bytes;

		buf_init(&bytes, SIZE_MAX);
		zab_packet_write(&bytes, &packet);
		expect_link_is_closed(cluster, follower, buf_bytes(&bytes), "holds no transaction");
		follower = other_than(cluster_await(cluster, 3));
		buf_release(&bytes);
	}
}

static void test_bytes_that_are_no_packet_end_the_link(void **state)
{
	struct cluster *cluster = *state;
	int64_t follower = other_than(begin(cluster));

	expect_link_is_closed(cluster, follower,
			      bytes_of("\0\0\0\5\0\0\0\0\0\0\0\0\xff\xff\xff\xfe", 16),
			      "is no packet");
}

/* ---- all at once ---- */

enum { CLIENT_COUNT = 6, STEP_COUNT = 3000, SEED_COUNT = 12 };

struct client {
	int64_t sid; /* where it is connected; 0: nowhere */
	session_id_t session_id;
	int32_t version; /* of its znode, as acknowledged */
	bool has_znode;
	int32_t asked; /* opcode that waits for its answer; 0: none */
};

struct chaos {
	struct cluster cluster;
	struct client clients[CLIENT_COUNT];
	size_t write_count;
	size_t move_count;
};

static connection_id_t connection_of(const struct chaos *chaos, const struct client *client)
{
	return (connection_id_t)(client - chaos->clients) + 1;
}

static const char *path_of(const struct chaos *chaos, const struct client *client)
{
	static const char *const paths[CLIENT_COUNT] = {"/0", "/1", "/2", "/3", "/4", "/5"};

	return paths[client - chaos->clients];
}

static void lose(struct chaos *chaos, struct client *client)
{
	connection_id_t id = connection_of(chaos, client);
	struct fake_driver *driver = cluster_driver(&chaos->cluster, client->sid);

	if (driver->replica && driver->connections[id].is_open)
		fake_close(driver, id);
	client->sid = 0;
	client->asked = 0;
}

/* What was asked may have been done: then the znode is further than what was acknowledged. */
static void take_answers(struct chaos *chaos, struct client *client)
{
	connection_id_t id = connection_of(chaos, client);
	struct fake_driver *driver = cluster_driver(&chaos->cluster, client->sid);
	struct fake_reply reply;
	struct jute_reader reader;
	struct zk_stat stat;

	if (!driver->replica || driver->connections[id].is_closed) {
		lose(chaos, client);
		return;
	}
	while (fake_take_reply(driver, id, &reply)) {
		int32_t asked = client->asked;

		assert_int_equal(reply.header.xid, driver->connections[id].xid);
		client->asked = 0;
		if (asked == ZK_OP_CREATE) {
			assert_true(reply.header.err == ZK_OK || reply.header.err == ZK_NODEEXISTS);
			client->has_znode = true;
			continue;
		}
		assert_int_equal(reply.header.err, ZK_OK);
		jute_reader_init(&reader, reply.body.data, bytes_size(reply.body), SIZE_MAX);
		zk_stat_read(&reader, &stat);
		assert_int_equal(reader.error, 0);
		/* Own writes are seen, wherever it is connected, and time does not go back. */
		assert_true(stat.version >= client->version);
		chaos->write_count += asked == ZK_OP_SET_DATA;
		client->version = stat.version;
	}
}

static void come(struct chaos *chaos, struct client *client)
{
	struct cluster *cluster = &chaos->cluster;
	connection_id_t id = connection_of(chaos, client);
	int64_t sid = 1 + (int64_t)prng_below(&cluster->prng, CLUSTER_NODE_COUNT);
	struct fake_driver *driver = cluster_driver(cluster, sid);
	uint8_t password[ZK_PASSWORD_SIZE];
	session_id_t session_id;
	struct bytes frame;

	if (!cluster_node(cluster, sid)->is_serving)
		return;
	if (driver->connections[id].is_open)
		fake_close(driver, id);
	session_password(client->session_id, password);
	fake_send_connect(driver, id, client->session_id, bytes_of(password, sizeof(password)), 0);
	cluster_settle(cluster);
	if (!driver->replica || driver->connections[id].is_closed)
		return;
	frame = fake_take_frame(driver, id);
	if (bytes_is_null(frame))
		return; /* there is no majority now */
	driver->connections[id].taken -= bytes_size(frame);
	session_id = fake_take_session(driver, id);
	if (session_id != client->session_id)
		*client = (struct client){.session_id = session_id};
	if (session_id == 0)
		return;
	client->sid = sid;
	chaos->move_count++;
	/* Who moves sees what it saw: by sync, as lastZxidSeen is not sent here. */
	fake_read(driver, id, ZK_OP_SYNC, "/", false);
	cluster_settle(cluster);
	if (!driver->replica || driver->connections[id].is_closed ||
	    bytes_is_null(fake_take_frame(driver, id)))
		lose(chaos, client);
}

static void ask(struct chaos *chaos, struct client *client)
{
	struct fake_driver *driver = cluster_driver(&chaos->cluster, client->sid);
	connection_id_t id = connection_of(chaos, client);
	const char *path = path_of(chaos, client);

	if (!client->has_znode) {
		client->asked = ZK_OP_CREATE;
		fake_create(driver, id, path, "x", ZK_EPHEMERAL);
	} else if (prng_below(&chaos->cluster.prng, 3) == 0) {
		client->asked = ZK_OP_EXISTS;
		fake_read(driver, id, ZK_OP_EXISTS, path, false);
	} else {
		client->asked = ZK_OP_SET_DATA;
		fake_set_data(driver, id, path, "y", -1);
	}
}

static void act(struct chaos *chaos, struct client *client)
{
	if (client->sid != 0)
		take_answers(chaos, client);
	if (client->sid == 0)
		come(chaos, client);
	else if (client->asked == 0)
		ask(chaos, client);
	else if (prng_below(&chaos->cluster.prng, 20) == 0)
		lose(chaos, client);
}

static void disturb(struct chaos *chaos)
{
	struct cluster *cluster = &chaos->cluster;
	int64_t sid = 1 + (int64_t)prng_below(&cluster->prng, CLUSTER_NODE_COUNT);
	struct cluster_node *node = cluster_node(cluster, sid);

	switch (prng_below(&cluster->prng, 5)) {
	case 0:
		if (node->driver.replica)
			cluster_stop(cluster, sid);
		break;
	case 1:
		if (node->driver.replica)
			cluster_cut(cluster, sid);
		break;
	case 2:
		node->is_disk_stuck = !node->is_disk_stuck;
		break;
	case 3:
		if (node->is_serving && !node->is_disk_stuck && list_is_empty(&node->writes))
			cluster_write_tree(cluster, sid);
		break;
	default:
		if (!node->driver.replica)
			cluster_start(cluster, sid);
	}
}

static void run(uint64_t seed)
{
	struct chaos *chaos = test_calloc(1, sizeof(*chaos));
	struct cluster *cluster = &chaos->cluster;

	cluster_init(cluster, seed);
	cluster->history_count_max = 20;
	(void)begin(cluster);
	for (int step = 0; step < STEP_COUNT; step++) {
		struct client *client = &chaos->clients[prng_below(&cluster->prng, CLIENT_COUNT)];

		act(chaos, client);
		for (uint64_t at = prng_below(&cluster->prng, 20); at > 0; at--)
			(void)cluster_step(cluster);
		if (prng_below(&cluster->prng, 60) == 0)
			disturb(chaos);
		if (prng_below(&cluster->prng, 10) == 0)
			cluster_advance(cluster, 40);
	}
	for (int64_t sid = 1; sid <= CLUSTER_NODE_COUNT; sid++) {
		cluster_node(cluster, sid)->is_disk_stuck = false;
		if (!cluster_driver(cluster, sid)->replica)
			cluster_start(cluster, sid);
	}
	(void)cluster_await(cluster, CLUSTER_NODE_COUNT);
	cluster_settle(cluster);
	assert_true(cluster_agrees(cluster));
	/* It was about something. */
	assert_true(chaos->write_count > 10);
	assert_true(chaos->move_count > CLIENT_COUNT);
	cluster_release(cluster);
	test_free(chaos);
}

static void test_servers_and_clients_come_and_go(void **state)
{
	for (uint64_t seed = 1; seed <= SEED_COUNT; seed++)
		run(seed);
}

/* ---- alone ---- */

static void take_standalones(struct fake_driver *driver)
{
	struct replica_action action;

	while (replica_take_action(driver->replica, &action)) {
		if (action.type == REPLICA_CLIENT) {
			fake_perform(driver, &action.client);
			continue;
		}
		assert_int_equal(action.type, REPLICA_PEER);
		assert_int_equal(action.zab.type, ZAB_APPEND);
		assert_int_equal(action.zab.zxid, ++driver->committed);
		driver->is_slow = true; /* there is something to commit */
	}
	replica_check(driver->replica);
	if (!driver->is_slow)
		return;
	driver->is_slow = false;
	replica_logged(driver->replica, driver->committed);
	take_standalones(driver);
}

static void test_standalone_serves_at_once(void **state)
{
	struct fake_driver *driver = test_calloc(1, sizeof(*driver));
	struct replica_config config = {.is_standalone = true};
	struct zab_durable durable = {0};
	struct replica *replica;

	server_config_init(&config.server);
	replica = replica_new(&config, &durable, tree_new(false));
	assert_false(replica_is_serving(replica));
	assert_null(replica_mode(replica));
	fake_driver_init_for(driver, replica, take_standalones, NULL);
	replica_start(replica, 1000, 2000);
	take_standalones(driver);
	assert_string_equal(replica_mode(replica), "standalone");
	assert_null(replica_zab(replica));
	(void)fake_connect(driver, 1);
	fake_create(driver, 1, "/a", "x", 0);
	assert_int_equal(fake_take_code(driver, 1), ZK_OK);
	assert_int_equal(tree_zxid(replica_tree(replica)), 2);
	assert_int_equal(replica_committed(replica), 2);
	replica_free(replica);
	fake_driver_release(driver);
	test_free(driver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CLUSTER(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CLUSTER(test_three_empty_servers_come_to_serve),
		CLUSTER(test_what_one_writes_all_read),
		CLUSTER(test_client_that_comes_too_early_is_sent_away),
		CLUSTER(test_write_needs_a_majority),
		CLUSTER(test_session_lives_wherever_its_client_is_heard_of),
		CLUSTER(test_moved_session_is_not_the_old_connections),
		CLUSTER(test_leader_changes_and_sessions_go_on),
		CLUSTER(test_session_ids_are_never_given_twice),
		CLUSTER(test_server_restarts_with_what_it_had),
		CLUSTER(test_empty_server_gets_a_snapshot),
		CLUSTER(test_late_server_gets_a_snapshot_over_what_it_has),
		CLUSTER(test_broken_snapshot_brings_the_old_tree_back),
		CLUSTER(test_every_server_tells_its_configuration),
		CLUSTER(test_snapshot_does_not_bring_the_leaders_configuration),
		CLUSTER(test_proposal_that_is_no_transaction_ends_the_link),
		CLUSTER(test_bytes_that_are_no_packet_end_the_link),
		cmocka_unit_test(test_servers_and_clients_come_and_go),
		cmocka_unit_test(test_standalone_serves_at_once),
	};

	return cmocka_run_group_tests_name("replica", tests, NULL, NULL);
}
