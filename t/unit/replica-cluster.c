#include "t/unit/replica-cluster.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "t/unit/cmocka.h"
#include "t/unit/tree-copy.h"

enum { TICK_MS = 200, CHUNK_SIZE_MAX = 600, STREAM_PIECE_SIZE = 4096 };

struct cluster_link {
	struct list link;
	zab_link_t id;
	struct cluster_node *ends[2];
	bool is_open[2];       /* to the replica of that end */
	struct buf towards[2]; /* that end */
	bool is_accepted;      /* both ends have been told of it */
};

struct cluster_write {
	struct list link;
	struct replica_action action;
	struct blob *txn;
};

struct cluster_node *cluster_node(struct cluster *cluster, int64_t sid)
{
	ASSERT(sid >= 1 && sid <= CLUSTER_NODE_COUNT);
	return &cluster->nodes[sid - 1];
}

struct fake_driver *cluster_driver(struct cluster *cluster, int64_t sid)
{
	return &cluster_node(cluster, sid)->driver;
}

/* ---- links ---- */

static struct cluster_link *find_link(struct cluster *cluster, zab_link_t id)
{
	list_for_each (&cluster->links, at) {
		struct cluster_link *link = list_item(at, struct cluster_link, link);

		if (link->id == id)
			return link;
	}
	return NULL;
}

static int end_of(const struct cluster_link *link, const struct cluster_node *node)
{
	return link->ends[0] == node ? 0 : 1;
}

static void free_link(struct cluster_link *link)
{
	list_remove(&link->link);
	buf_release(&link->towards[0]);
	buf_release(&link->towards[1]);
	free(link);
}

static void send(struct cluster_node *node, zab_link_t id, struct bytes bytes)
{
	struct cluster_link *link = find_link(node->cluster, id);

	if (link && link->is_open[end_of(link, node)])
		buf_append(&link->towards[1 - end_of(link, node)], bytes.data, bytes_size(bytes));
}

static void close_end(struct cluster_node *node, zab_link_t id)
{
	struct cluster_link *link = find_link(node->cluster, id);

	if (link)
		link->is_open[end_of(link, node)] = false;
}

/* ---- snapshots out ---- */

static void perform_all(struct fake_driver *driver);

static void send_snapshot(struct cluster_node *node, zab_link_t link)
{
	struct tree *tree = tree_copy(replica_tree(node->driver.replica), false);
	struct buf stream;

	buf_init(&stream, SIZE_MAX);
	cluster_store_stream(tree, &stream);
	replica_snapshot_opened(node->driver.replica, link, tree_zxid(tree));
	perform_all(&node->driver);
	send(node, link, buf_bytes(&stream));
	replica_snapshot_sent(node->driver.replica, link);
	perform_all(&node->driver);
	buf_release(&stream);
	tree_free(tree);
}

/* ---- actions ---- */

static void queue_write(struct cluster_node *node, const struct replica_action *action)
{
	struct cluster_write *write = mem_zalloc(sizeof(*write));

	write->action = *action;
	write->txn = blob_ref(action->zab.txn);
	list_append(&node->writes, &write->link);
}

/* Rows come in order behind RECEIVE_SNAPSHOT; that they wait for nothing changes nothing. */
static void stage_session(struct cluster_node *node, const struct zab_session *session)
{
	assert_int_equal(tree_load_session(node->staged.tree, session->id, session->timeout_ms), 0);
}

static void stage_row(struct cluster_node *node, const struct tree_row *row)
{
	assert_int_equal(tree_load_row(node->staged.tree, row), 0);
}

static void begin_staged(struct cluster_node *node, zxid_t zxid)
{
	cluster_store_clear(&node->staged);
	node->staged.tree = tree_new(false);
	node->staged.base = zxid;
	tree_set_zxid(node->staged.tree, zxid);
	node->is_staged = true;
	node->snapshot_count++;
}

static void take_role(struct cluster_node *node, const struct zab_action *action)
{
	node->is_serving = action->is_serving;
	node->is_leading = action->state == ZAB_LEADING;
	node->epoch = action->epoch;
	assert_int_equal(replica_is_serving(node->driver.replica), action->is_serving);
}

static void note(struct cluster_node *node, int64_t sid, struct bytes bytes)
{
	blob_unref(node->notes[sid - 1]);
	node->notes[sid - 1] = blob_new(bytes);
}

static void act_as_peer(struct cluster_node *node, const struct replica_action *action)
{
	const struct zab_action *zab = &action->zab;

	switch (zab->type) {
	case ZAB_NOTIFY:
		note(node, zab->sid, zab->bytes);
		break;
	case ZAB_LISTEN:
	case ZAB_UNLISTEN:
		node->is_listening = zab->type == ZAB_LISTEN;
		break;
	case ZAB_CONNECT:
		node->connecting = zab->sid;
		break;
	case ZAB_DISCONNECT:
		node->connecting = 0;
		break;
	case ZAB_SEND:
		send(node, zab->link, zab->bytes);
		break;
	case ZAB_CLOSE:
		close_end(node, zab->link);
		break;
	case ZAB_SEND_SNAPSHOT:
		send_snapshot(node, zab->link);
		break;
	case ZAB_RECEIVE_SNAPSHOT:
		begin_staged(node, zab->zxid);
		break;
	case ZAB_LOG:
		buf_printf(&node->said, "%s\n", zab->text);
		if (getenv("CLUSTER_LOG"))
			print_message("%lld %lld: %s\n", (long long)node->cluster->now_ms,
				      (long long)node->sid, zab->text);
		break;
	case ZAB_FATAL:
		fail_msg("server %lld: %s", (long long)node->sid, zab->text);
		break;
	default:
		queue_write(node, action);
	}
}

static void act(struct cluster_node *node, const struct replica_action *action)
{
	switch (action->type) {
	case REPLICA_CLIENT:
		fake_perform(&node->driver, &action->client);
		break;
	case REPLICA_PEER:
		act_as_peer(node, action);
		break;
	case REPLICA_STAGE_SESSION:
		stage_session(node, &action->session);
		break;
	case REPLICA_STAGE_ROW:
		stage_row(node, &action->row);
		break;
	case REPLICA_RELOAD:
		node->is_reloading = true;
		node->reload_count++;
		break;
	case REPLICA_ROLE:
		take_role(node, &action->zab);
		break;
	}
}

static void perform_all(struct fake_driver *driver)
{
	struct replica_action action;

	while (replica_take_action(driver->replica, &action))
		act(driver->data, &action);
	replica_check(driver->replica);
}

static void perform(struct cluster_node *node)
{
	perform_all(&node->driver);
}

/* ---- the disk's turn ---- */

static void set_epochs(struct cluster_node *node, const struct zab_action *zab)
{
	assert_true(zab->accepted_epoch >= node->accepted_epoch);
	assert_true(zab->current_epoch >= node->current_epoch);
	node->accepted_epoch = zab->accepted_epoch;
	node->current_epoch = zab->current_epoch;
	node->is_empty = zab->is_empty;
}

static void install(struct cluster_node *node, const struct replica_action *action)
{
	assert_true(node->is_staged);
	assert_int_equal(tree_digest(node->staged.tree), action->digest);
	assert_int_equal(node->staged.base, action->zab.zxid);
	cluster_store_clear(&node->store);
	node->store = node->staged;
	node->staged = (struct cluster_store){0};
	node->is_staged = false;
	node->committed = action->zab.zxid;
	set_epochs(node, &action->zab);
}

static void append(struct cluster_node *node, const struct cluster_write *write)
{
	const struct zab_action *zab = &write->action.zab;

	if (node->is_staged) {
		cluster_store_append(&node->staged, zab->zxid, write->txn);
		return;
	}
	cluster_store_append(&node->store, zab->zxid, write->txn);
	if (zab->committed > node->committed)
		node->committed = zab->committed;
	replica_logged(node->driver.replica, zab->zxid);
}

static void write_out(struct cluster_node *node, const struct cluster_write *write)
{
	struct replica *replica = node->driver.replica;

	switch (write->action.zab.type) {
	case ZAB_APPEND:
		append(node, write);
		break;
	case ZAB_SET_EPOCHS:
		set_epochs(node, &write->action.zab);
		replica_epochs_durable(replica);
		break;
	case ZAB_TRUNCATE:
		cluster_store_cut(&node->store, write->action.zab.zxid);
		replica_truncated(replica);
		break;
	case ZAB_INSTALL_SNAPSHOT:
		install(node, &write->action);
		replica_epochs_durable(replica);
		break;
	default:
		assert_int_equal(write->action.zab.type, ZAB_ABORT_SNAPSHOT);
		cluster_store_clear(&node->staged);
		node->is_staged = false;
	}
}

static void free_write(struct cluster_write *write)
{
	list_remove(&write->link);
	blob_unref(write->txn);
	free(write);
}

static bool move_disk(struct cluster_node *node)
{
	struct list *first = list_first(&node->writes);
	struct cluster_write *write;

	if (!node->driver.replica || node->is_disk_stuck || !first)
		return false;
	write = list_item(first, struct cluster_write, link);
	list_remove(&write->link);
	write_out(node, write);
	free_write(write);
	perform(node);
	return true;
}

static bool move_reload(struct cluster_node *node)
{
	if (!node->driver.replica || !node->is_reloading || !list_is_empty(&node->writes))
		return false;
	node->is_reloading = false;
	replica_reloaded(node->driver.replica,
			 cluster_store_load(&node->store, replica_committed(node->driver.replica)));
	perform(node);
	return true;
}

/* ---- the network's turn ---- */

static bool move_notes(struct cluster_node *node)
{
	for (int at = 0; at < CLUSTER_NODE_COUNT; at++) {
		struct cluster_node *to = &node->cluster->nodes[at];
		struct blob *bytes = node->notes[at];

		if (!bytes || !to->driver.replica)
			continue;
		node->notes[at] = NULL;
		replica_notification(to->driver.replica, node->sid, blob_bytes(bytes));
		blob_unref(bytes);
		perform(to);
		return true;
	}
	return false;
}

static bool move_connect(struct cluster_node *node)
{
	struct cluster_node *to =
		node->connecting ? cluster_node(node->cluster, node->connecting) : NULL;
	struct cluster_link *link;

	if (!node->driver.replica || !to || !to->driver.replica || !to->is_listening)
		return false;
	node->connecting = 0;
	link = mem_zalloc(sizeof(*link));
	link->id = ++node->cluster->last_link;
	link->ends[0] = node;
	link->ends[1] = to;
	link->is_open[0] = link->is_open[1] = true;
	buf_init(&link->towards[0], SIZE_MAX);
	buf_init(&link->towards[1], SIZE_MAX);
	list_append(&node->cluster->links, &link->link);
	replica_link_accepted(to->driver.replica, link->id);
	perform(to);
	replica_connected(node->driver.replica, link->id);
	perform(node);
	return true;
}

/* Some of the bytes that are there, as a socket gives them. */
static bool move_bytes(struct cluster_link *link, int end, size_t some)
{
	struct cluster_node *node = link->ends[end];
	struct buf *buf = &link->towards[end];
	size_t size = buf->size < some ? buf->size : some;
	bool moved = false;
	size_t used;
	void *copy;

	/* Bytes that come in pieces are given again, with more behind them. */
	do {
		if (!link->is_open[end] || size == 0)
			return moved;
		copy = malloc(size);
		ASSERT(copy);
		memcpy(copy, buf->data, size);
		used = replica_link_bytes(node->driver.replica, link->id, bytes_of(copy, size));
		free(copy);
		ASSERT(used <= size);
		buf_consume(buf, used);
		size -= used;
		perform(node);
		moved |= used > 0;
	} while (used > 0);
	return moved;
}

static bool move_end(struct cluster_link *link, int end)
{
	struct cluster_node *node = link->ends[end];

	if (!link->is_open[end])
		return false;
	if (link->towards[end].size > 0) {
		size_t some = 1 + prng_below(&node->cluster->prng, CHUNK_SIZE_MAX);

		/* What is no whole item yet needs more of them. */
		for (;; some *= 2) {
			if (move_bytes(link, end, some))
				return true;
			if (some >= link->towards[end].size)
				break;
		}
	}
	if (link->is_open[1 - end])
		return false;
	/* The other end has closed it, and all that it sent was read. */
	link->is_open[end] = false;
	replica_link_closed(node->driver.replica, link->id);
	perform(node);
	return true;
}

static bool move_link(struct cluster_link *link)
{
	int first = (int)prng_below(&link->ends[0]->cluster->prng, 2);

	if (move_end(link, first) || move_end(link, 1 - first))
		return true;
	if (!link->is_open[0] && !link->is_open[1])
		free_link(link);
	return false;
}

static bool move_links(struct cluster *cluster)
{
	size_t count = 0;
	size_t skip;

	list_for_each (&cluster->links, at)
		count++;
	if (count == 0)
		return false;
	skip = prng_below(&cluster->prng, (uint32_t)count);
	for (int round = 0; round < 2; round++) {
		list_for_each_safe (&cluster->links, at) {
			if (round == 0 && skip > 0) {
				skip--;
				continue;
			}
			if (move_link(list_item(at, struct cluster_link, link)))
				return true;
		}
	}
	return false;
}

/* ---- turns ---- */

static void check_trees(struct cluster *cluster)
{
	for (int a = 0; a < CLUSTER_NODE_COUNT; a++) {
		for (int b = a + 1; b < CLUSTER_NODE_COUNT; b++) {
			struct replica *one = cluster->nodes[a].driver.replica;
			struct replica *other = cluster->nodes[b].driver.replica;
			struct tree *tree = one ? replica_tree(one) : NULL;
			struct tree *same = other ? replica_tree(other) : NULL;

			if (!tree || !same || tree_zxid(tree) != tree_zxid(same))
				continue;
			assert_int_equal(tree_digest(tree), tree_digest(same));
			assert_int_equal(tree_session_count(tree), tree_session_count(same));
			assert_int_equal(tree_ephemeral_count(tree), tree_ephemeral_count(same));
		}
	}
}

static bool move_node(struct cluster_node *node)
{
	return move_disk(node) || move_reload(node) || move_notes(node) || move_connect(node);
}

bool cluster_step(struct cluster *cluster)
{
	uint32_t first = prng_below(&cluster->prng, CLUSTER_NODE_COUNT + 1);
	bool moved = false;

	for (uint32_t at = 0; !moved && at <= CLUSTER_NODE_COUNT; at++) {
		uint32_t turn = (first + at) % (CLUSTER_NODE_COUNT + 1);

		moved = turn == CLUSTER_NODE_COUNT ? move_links(cluster)
						   : move_node(&cluster->nodes[turn]);
	}
	check_trees(cluster);
	return moved;
}

void cluster_settle(struct cluster *cluster)
{
	while (cluster_step(cluster))
		;
}

void cluster_advance(struct cluster *cluster, msec_t by_ms)
{
	enum { STEP_MS = 20 };
	msec_t until_ms = cluster->now_ms + by_ms;

	while (cluster->now_ms < until_ms) {
		cluster->now_ms += STEP_MS;
		for (int at = 0; at < CLUSTER_NODE_COUNT; at++) {
			struct cluster_node *node = &cluster->nodes[at];

			if (!node->driver.replica)
				continue;
			replica_tick(node->driver.replica, cluster->now_ms,
				     1700000000000 + cluster->now_ms);
			perform(node);
		}
		cluster_settle(cluster);
	}
}

static int64_t leader_of(struct cluster *cluster, size_t count)
{
	int64_t leader = 0;
	uint32_t epoch = 0;

	for (int at = 0; at < CLUSTER_NODE_COUNT; at++) {
		const struct cluster_node *node = &cluster->nodes[at];

		if (node->is_serving && node->is_leading && node->epoch > epoch) {
			leader = node->sid;
			epoch = node->epoch;
		}
	}
	for (int at = 0; at < CLUSTER_NODE_COUNT; at++)
		count -= cluster->nodes[at].is_serving && cluster->nodes[at].epoch == epoch;
	return count == 0 ? leader : 0;
}

int64_t cluster_await(struct cluster *cluster, size_t count)
{
	enum { LIMIT_MS = 60000 };
	msec_t until_ms = cluster->now_ms + LIMIT_MS;
	int64_t leader;

	cluster_settle(cluster);
	while (!(leader = leader_of(cluster, count))) {
		if (cluster->now_ms >= until_ms)
			fail_msg("%zu servers do not come to serve", count);
		cluster_advance(cluster, TICK_MS);
	}
	return leader;
}

bool cluster_agrees(struct cluster *cluster)
{
	zxid_t zxid = 0;

	for (int at = 0; at < CLUSTER_NODE_COUNT; at++) {
		const struct cluster_node *node = &cluster->nodes[at];

		if (!node->is_serving)
			continue;
		if (zxid != 0 && tree_zxid(replica_tree(node->driver.replica)) != zxid)
			return false;
		zxid = tree_zxid(replica_tree(node->driver.replica));
	}
	return true;
}

/* ---- life ---- */

static void tell_reach(struct cluster *cluster)
{
	for (int a = 0; a < CLUSTER_NODE_COUNT; a++) {
		for (int b = 0; b < CLUSTER_NODE_COUNT; b++) {
			struct cluster_node *node = &cluster->nodes[a];

			if (a == b || !node->driver.replica)
				continue;
			replica_set_reachable(node->driver.replica, cluster->nodes[b].sid,
					      cluster->nodes[b].driver.replica
						      ? ELECTION_REACHABLE
						      : ELECTION_UNREACHABLE);
			perform(node);
		}
	}
}

static void configure(const struct cluster_node *node, struct replica_config *config)
{
	struct buf text;

	*config = (struct replica_config){0};
	server_config_init(&config->server);
	zab_config_init(&config->zab);
	config->server.server_id = (uint8_t)node->sid;
	config->server.tick_ms = TICK_MS;
	config->zab.myid = node->sid;
	config->zab.tick_ms = TICK_MS;
	config->zab.may_bootstrap = node->may_bootstrap;
	if (node->cluster->history_count_max > 0)
		config->zab.history_count_max = node->cluster->history_count_max;
	buf_init(&text, MEMBERS_TEXT_SIZE_MAX);
	for (int at = 1; at <= CLUSTER_NODE_COUNT; at++)
		buf_printf(&text, "server.%d=127.0.0.1:%d:%d:participant\n", at, 2000 + at,
			   3000 + at);
	buf_append_text(&text, "version=0");
	assert_int_equal(members_parse(buf_bytes(&text), &config->zab.members), 0);
	buf_release(&text);
}

void cluster_start(struct cluster *cluster, int64_t sid)
{
	struct cluster_node *node = cluster_node(cluster, sid);
	zxid_t tree_at = node->store.tree ? tree_zxid(node->store.tree) : 0;
	const struct zab_durable durable = {
		.is_empty = node->is_empty,
		.accepted_epoch = node->accepted_epoch,
		.current_epoch = node->current_epoch,
		.base_zxid = node->store.base,
		.tree_zxid = tree_at,
		.committed_zxid = node->committed > tree_at ? node->committed : tree_at,
	};
	struct replica_config config;
	struct replica *replica;

	configure(node, &config);
	replica = replica_new(&config, &durable, tree_copy(node->store.tree, false));
	members_release(&config.zab.members);
	for (size_t at = 0; at < node->store.log_count; at++)
		assert_int_equal(replica_recover(replica, node->store.log[at].zxid,
						 blob_bytes(node->store.log[at].txn)),
				 0);
	fake_driver_init_for(&node->driver, replica, perform_all, node);
	replica_start(replica, cluster->now_ms, 1700000000000 + cluster->now_ms);
	perform(node);
	tell_reach(cluster);
}

void cluster_stop(struct cluster *cluster, int64_t sid)
{
	struct cluster_node *node = cluster_node(cluster, sid);

	if (!node->driver.replica)
		return;
	replica_free(node->driver.replica);
	fake_driver_release(&node->driver);
	node->driver.replica = NULL;
	node->is_serving = node->is_leading = node->is_listening = node->is_reloading = false;
	node->connecting = 0;
	while (!list_is_empty(&node->writes))
		free_write(list_item(list_first(&node->writes), struct cluster_write, link));
	cluster_store_clear(&node->staged);
	node->is_staged = false;
	for (int at = 0; at < CLUSTER_NODE_COUNT; at++) {
		blob_unref(node->notes[at]);
		node->notes[at] = NULL;
	}
	list_for_each (&cluster->links, at) {
		struct cluster_link *link = list_item(at, struct cluster_link, link);

		if (link->ends[0] == node || link->ends[1] == node)
			link->is_open[end_of(link, node)] = false;
	}
	tell_reach(cluster);
}

void cluster_wipe(struct cluster *cluster, int64_t sid)
{
	struct cluster_node *node = cluster_node(cluster, sid);

	ASSERT(!node->driver.replica);
	cluster_store_clear(&node->store);
	node->is_empty = true;
	node->may_bootstrap = false;
	node->accepted_epoch = node->current_epoch = 0;
	node->committed = 0;
}

void cluster_write_tree(struct cluster *cluster, int64_t sid)
{
	struct cluster_node *node = cluster_node(cluster, sid);
	struct tree *tree = tree_copy(replica_tree(node->driver.replica), false);

	if (node->store.tree)
		tree_free(node->store.tree);
	node->store.tree = tree;
	replica_tree_durable(node->driver.replica, tree_zxid(tree));
	perform(node);
}

void cluster_inject(struct cluster *cluster, int64_t sid, struct bytes bytes)
{
	struct cluster_node *node = cluster_node(cluster, sid);

	list_for_each (&cluster->links, at) {
		struct cluster_link *link = list_item(at, struct cluster_link, link);

		if (link->ends[0] == node && link->is_open[0])
			buf_append(&link->towards[0], bytes.data, bytes_size(bytes));
	}
}

void cluster_cut(struct cluster *cluster, int64_t sid)
{
	struct cluster_node *node = cluster_node(cluster, sid);

	list_for_each_safe (&cluster->links, at) {
		struct cluster_link *link = list_item(at, struct cluster_link, link);

		if (link->ends[0] != node && link->ends[1] != node)
			continue;
		for (int end = 0; end < 2; end++) {
			struct cluster_node *told = link->ends[end];

			if (!link->is_open[end])
				continue;
			link->is_open[end] = false;
			replica_link_closed(told->driver.replica, link->id);
			perform(told);
		}
	}
}

void cluster_init(struct cluster *cluster, uint64_t seed)
{
	memset(cluster, 0, sizeof(*cluster));
	list_init(&cluster->links);
	prng_init(&cluster->prng, seed);
	cluster->now_ms = 1000;
	for (int at = 0; at < CLUSTER_NODE_COUNT; at++) {
		struct cluster_node *node = &cluster->nodes[at];

		node->cluster = cluster;
		node->sid = at + 1;
		node->is_empty = node->may_bootstrap = true;
		list_init(&node->writes);
		buf_init(&node->said, SIZE_MAX);
	}
}

void cluster_release(struct cluster *cluster)
{
	for (int at = 0; at < CLUSTER_NODE_COUNT; at++) {
		cluster_stop(cluster, at + 1);
		cluster_store_clear(&cluster->nodes[at].store);
		buf_release(&cluster->nodes[at].said);
	}
	while (!list_is_empty(&cluster->links))
		free_link(list_item(list_first(&cluster->links), struct cluster_link, link));
}

/* ---- clients ---- */

session_id_t cluster_connect(struct cluster *cluster, int64_t sid, connection_id_t id,
			     session_id_t session_id)
{
	struct fake_driver *driver = cluster_driver(cluster, sid);
	uint8_t password[ZK_PASSWORD_SIZE];

	session_password(session_id, password);
	if (driver->connections[id].is_open)
		fake_close(driver, id);
	fake_send_connect(driver, id, session_id, bytes_of(password, sizeof(password)), 0);
	cluster_settle(cluster);
	return fake_take_session(driver, id);
}

int32_t cluster_code(struct cluster *cluster, int64_t sid, connection_id_t id)
{
	cluster_settle(cluster);
	return fake_take_code(cluster_driver(cluster, sid), id);
}
