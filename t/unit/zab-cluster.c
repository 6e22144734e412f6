#include "t/unit/zab-cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "t/unit/cmocka.h"

/* What is on its way: a packet, or the stream of a snapshot. */
struct chunk {
	struct list link;
	struct blob *packet;
	struct cluster_txns *tree;
	zxid_t zxid;
};

struct cluster_link {
	struct list link;
	zab_link_t id;
	struct cluster_node *ends[2]; /* learner, leader */
	bool is_open[2];              /* to the core of that end */
	struct list chunks[2];        /* towards that end */
	bool is_streaming;            /* the learner expects a stream */
};

enum write_type {
	WRITE_APPEND,
	WRITE_EPOCHS,
	WRITE_TRUNCATE,
	WRITE_STAGE,
	WRITE_INSTALL,
	WRITE_ABORT
};

struct cluster_write {
	struct list link;
	enum write_type type;
	struct cluster_txn txn;
	zxid_t zxid;
	uint32_t accepted_epoch;
	uint32_t current_epoch;
	bool is_empty;
	struct cluster_txns *tree;
};

/* ---- lists of transactions ---- */

static void txns_add(struct cluster_txns *txns, const struct cluster_txn *txn)
{
	assert_true(txns->count < CLUSTER_TXNS_MAX);
	txns->items[txns->count] = *txn;
	blob_ref(txn->txn);
	txns->count++;
}

static void txns_cut(struct cluster_txns *txns, zxid_t zxid)
{
	while (txns->count > 0 && txns->items[txns->count - 1].zxid > zxid)
		blob_unref(txns->items[--txns->count].txn);
}

static void txns_clear(struct cluster_txns *txns)
{
	txns_cut(txns, INT64_MIN);
}

static void txns_copy(struct cluster_txns *txns, const struct cluster_txns *from)
{
	txns_clear(txns);
	for (size_t i = 0; i < from->count; i++)
		txns_add(txns, &from->items[i]);
}

/* ---- links ---- */

static void free_chunk(struct chunk *chunk)
{
	list_remove(&chunk->link);
	blob_unref(chunk->packet);
	if (chunk->tree)
		txns_clear(chunk->tree);
	free(chunk->tree);
	free(chunk);
}

static void free_link(struct cluster_link *link)
{
	for (int end = 0; end < 2; end++)
		while (!list_is_empty(&link->chunks[end]))
			free_chunk(list_item(list_first(&link->chunks[end]), struct chunk, link));
	list_remove(&link->link);
	free(link);
}

static struct cluster_link *find_link(struct cluster *cluster, zab_link_t id)
{
	list_for_each (&cluster->links, at) {
		struct cluster_link *link = list_item(at, struct cluster_link, link);

		if (link->id == id)
			return link;
	}
	return NULL;
}

static struct chunk *push(struct cluster_node *node, zab_link_t id)
{
	struct cluster_link *link = find_link(node->cluster, id);
	struct chunk *chunk;
	int to;

	if (!link)
		return NULL;
	to = link->ends[0] == node ? 1 : 0;
	if (!link->is_open[1 - to])
		return NULL;
	chunk = mem_zalloc(sizeof(*chunk));
	list_append(&link->chunks[to], &chunk->link);
	return chunk;
}

static void close_end(struct cluster_node *node, zab_link_t id)
{
	struct cluster_link *link = find_link(node->cluster, id);

	if (link)
		link->is_open[link->ends[0] == node ? 0 : 1] = false;
}

/* ---- the disk ---- */

static struct cluster_write *add_write(struct cluster_node *node, enum write_type type)
{
	struct cluster_write *write = mem_zalloc(sizeof(*write));

	write->type = type;
	list_append(&node->writes, &write->link);
	return write;
}

static void free_write(struct cluster_write *write)
{
	list_remove(&write->link);
	blob_unref(write->txn.txn);
	if (write->tree)
		txns_clear(write->tree);
	free(write->tree);
	free(write);
}

static void append(struct cluster_disk *disk, const struct cluster_write *write)
{
	struct cluster_txns *log = disk->is_staged ? &disk->staged_log : &disk->log;

	if (log->count > 0)
		assert_true(write->txn.zxid > log->items[log->count - 1].zxid);
	txns_add(log, &write->txn);
	if (!disk->is_staged && write->txn.committed > disk->committed)
		disk->committed = write->txn.committed;
}

static void set_epochs(struct cluster_disk *disk, const struct cluster_write *write)
{
	assert_true(write->accepted_epoch >= disk->accepted_epoch);
	assert_true(write->current_epoch >= disk->current_epoch);
	disk->accepted_epoch = write->accepted_epoch;
	disk->current_epoch = write->current_epoch;
	disk->is_empty = write->is_empty;
}

static void install(struct cluster_node *node, const struct cluster_write *write)
{
	struct cluster_disk *disk = &node->disk;

	assert_true(disk->is_staged);
	set_epochs(disk, write);
	txns_copy(&disk->base_tree, &disk->staged_tree);
	txns_copy(&disk->log, &disk->staged_log);
	txns_copy(&node->applied, &disk->staged_tree);
	txns_clear(&disk->staged_tree);
	txns_clear(&disk->staged_log);
	disk->is_staged = false;
	disk->base = disk->tree = disk->committed = node->applied_zxid = disk->staged_base;
}

static void stage(struct cluster_disk *disk, const struct cluster_write *write)
{
	disk->is_staged = true;
	disk->staged_base = write->zxid;
	txns_copy(&disk->staged_tree, write->tree);
	txns_clear(&disk->staged_log);
}

static void perform(struct cluster_node *node);

static void write_out(struct cluster_node *node, struct cluster_write *write)
{
	struct cluster_disk *disk = &node->disk;

	switch (write->type) {
	case WRITE_APPEND:
		append(disk, write);
		if (!disk->is_staged)
			zab_logged(node->zab, write->txn.zxid);
		break;
	case WRITE_EPOCHS:
		set_epochs(disk, write);
		zab_epochs_durable(node->zab);
		break;
	case WRITE_TRUNCATE:
		assert_true(write->zxid >= disk->committed);
		txns_cut(&disk->log, write->zxid);
		zab_truncated(node->zab);
		break;
	case WRITE_STAGE:
		stage(disk, write);
		break;
	case WRITE_INSTALL:
		install(node, write);
		zab_epochs_durable(node->zab);
		break;
	case WRITE_ABORT:
		disk->is_staged = false;
		txns_clear(&disk->staged_log);
		txns_clear(&disk->staged_tree);
		break;
	}
}

void cluster_sync(struct cluster *cluster, int64_t sid, size_t count)
{
	struct cluster_node *node = cluster_node(cluster, sid);

	while (count > 0 && !list_is_empty(&node->writes)) {
		struct cluster_write *write =
			list_item(list_first(&node->writes), struct cluster_write, link);

		list_remove(&write->link);
		write_out(node, write);
		free_write(write);
		perform(node);
		count--;
	}
}

void cluster_write_tree(struct cluster *cluster, int64_t sid)
{
	struct cluster_node *node = cluster_node(cluster, sid);

	node->disk.tree = node->applied_zxid;
	if (node->disk.tree > node->disk.committed)
		node->disk.committed = node->disk.tree;
	zab_tree_durable(node->zab, node->applied_zxid);
	perform(node);
}

/* ---- actions ---- */

static void send_snapshot(struct cluster_node *node, zab_link_t id)
{
	struct chunk *chunk;

	zab_snapshot_opened(node->zab, id, node->applied_zxid);
	perform(node);
	chunk = push(node, id);
	if (!chunk)
		return;
	chunk->tree = mem_zalloc(sizeof(*chunk->tree));
	txns_copy(chunk->tree, &node->applied);
	chunk->zxid = node->applied_zxid;
	zab_snapshot_sent(node->zab, id);
	perform(node);
}

static void take_role(struct cluster_node *node, const struct zab_action *action)
{
	node->state = action->state;
	node->is_serving = action->is_serving;
	node->epoch = action->epoch;
}

static void deliver(struct cluster_node *node, const struct zab_action *action)
{
	struct cluster_txn txn = {.zxid = action->zxid, .txn = action->txn};
	struct cluster_txns *log = &node->disk.log;
	bool is_logged = false;

	for (size_t i = 0; i < log->count; i++)
		is_logged = is_logged || log->items[i].zxid == action->zxid;
	assert_true(is_logged);
	assert_true(action->zxid > node->applied_zxid);
	txns_add(&node->applied, &txn);
	node->applied_zxid = action->zxid;
}

static void log_line(const struct cluster_node *node, const struct zab_action *action)
{
	if (node->cluster->is_logged)
		print_message("%lld %lld: %s\n", (long long)node->cluster->now_ms,
			      (long long)node->config.myid, action->text);
}

static void store(struct cluster_node *node, const struct zab_action *action)
{
	static const enum write_type types[] = {
		[ZAB_APPEND] = WRITE_APPEND,        [ZAB_SET_EPOCHS] = WRITE_EPOCHS,
		[ZAB_TRUNCATE] = WRITE_TRUNCATE,    [ZAB_INSTALL_SNAPSHOT] = WRITE_INSTALL,
		[ZAB_ABORT_SNAPSHOT] = WRITE_ABORT,
	};
	struct cluster_write *write = add_write(node, types[action->type]);

	write->txn = (struct cluster_txn){action->zxid, action->committed, blob_ref(action->txn)};
	write->zxid = action->zxid;
	write->accepted_epoch = action->accepted_epoch;
	write->current_epoch = action->current_epoch;
	write->is_empty = action->is_empty;
}

static void act(struct cluster_node *node, const struct zab_action *action)
{
	struct chunk *chunk;

	switch (action->type) {
	case ZAB_NOTIFY:
		blob_unref(node->notes[action->sid - 1]);
		node->notes[action->sid - 1] = blob_new(action->bytes);
		break;
	case ZAB_LISTEN:
	case ZAB_UNLISTEN:
		node->is_listening = action->type == ZAB_LISTEN;
		break;
	case ZAB_CONNECT:
		node->connecting = action->sid;
		break;
	case ZAB_DISCONNECT:
		node->connecting = -1;
		break;
	case ZAB_SEND:
		chunk = push(node, action->link);
		if (chunk)
			chunk->packet = blob_new(action->bytes);
		break;
	case ZAB_CLOSE:
		close_end(node, action->link);
		break;
	case ZAB_APPEND:
	case ZAB_SET_EPOCHS:
	case ZAB_TRUNCATE:
	case ZAB_INSTALL_SNAPSHOT:
	case ZAB_ABORT_SNAPSHOT:
		store(node, action);
		break;
	case ZAB_SEND_SNAPSHOT:
		send_snapshot(node, action->link);
		break;
	case ZAB_RECEIVE_SNAPSHOT:
		find_link(node->cluster, action->link)->is_streaming = true;
		break;
	case ZAB_ROLE:
		take_role(node, action);
		break;
	case ZAB_DELIVER:
		deliver(node, action);
		break;
	case ZAB_RECEIVED:
		break;
	case ZAB_PINGED:
		zab_pong(node->zab, bytes_of("", 0));
		break;
	case ZAB_LOG:
		node->warnings += action->level >= 2;
		log_line(node, action);
		break;
	case ZAB_FATAL:
		(void)snprintf(node->fatal, sizeof(node->fatal), "%s", action->text);
		log_line(node, action);
		break;
	}
}

static void perform(struct cluster_node *node)
{
	struct zab_action action;

	while (node->zab && zab_take_action(node->zab, &action))
		act(node, &action);
	if (node->zab)
		zab_check(node->zab);
}

/* ---- life ---- */

struct cluster_node *cluster_node(struct cluster *cluster, int64_t sid)
{
	ASSERT(sid >= 1 && sid <= (int64_t)cluster->count);
	return &cluster->nodes[sid - 1];
}

void cluster_init(struct cluster *cluster, size_t count, size_t observer_count)
{
	struct members members = {0};
	struct buf text;

	memset(cluster, 0, sizeof(*cluster));
	cluster->count = count;
	cluster->now_ms = 1000;
	list_init(&cluster->links);
	buf_init(&text, MEMBERS_TEXT_SIZE_MAX);
	for (size_t i = 0; i < count; i++)
		buf_printf(&text, "server.%zu=127.0.0.1:%zu:%zu:%s\n", i + 1, 2000 + i, 3000 + i,
			   i + observer_count < count ? "participant" : "observer");
	buf_append_text(&text, "version=0");
	assert_int_equal(members_parse(buf_bytes(&text), &members), 0);
	for (size_t i = 0; i < count; i++) {
		struct cluster_node *node = &cluster->nodes[i];

		node->cluster = cluster;
		zab_config_init(&node->config);
		node->config.myid = (int64_t)i + 1;
		node->config.tick_ms = 200;
		members_copy(&node->config.members, &members);
		node->disk.is_empty = true;
		node->connecting = -1;
		list_init(&node->writes);
	}
	members_release(&members);
	buf_release(&text);
}

static void tell_reach(struct cluster *cluster, struct cluster_node *node)
{
	for (size_t i = 0; i < cluster->count; i++) {
		struct cluster_node *other = &cluster->nodes[i];

		if (other == node)
			continue;
		if (other->zab) {
			zab_set_reachable(other->zab, node->config.myid,
					  node->zab ? ELECTION_REACHABLE : ELECTION_UNREACHABLE);
			perform(other);
		}
		if (node->zab) {
			zab_set_reachable(node->zab, other->config.myid,
					  other->zab ? ELECTION_REACHABLE : ELECTION_UNREACHABLE);
			perform(node);
		}
	}
}

void cluster_start(struct cluster *cluster, int64_t sid)
{
	struct cluster_node *node = cluster_node(cluster, sid);
	struct cluster_disk *disk = &node->disk;
	struct zab_durable durable = {
		.is_empty = disk->is_empty,
		.accepted_epoch = disk->accepted_epoch,
		.current_epoch = disk->current_epoch,
		.base_zxid = disk->base,
		.tree_zxid = disk->tree,
		.committed_zxid = disk->committed,
	};

	assert_null(node->zab);
	node->zab = zab_new(&node->config, &durable);
	txns_copy(&node->applied, &disk->base_tree);
	for (size_t i = 0; i < disk->log.count; i++) {
		const struct cluster_txn *txn = &disk->log.items[i];

		assert_int_equal(zab_recover(node->zab, txn->zxid, txn->txn), 0);
		if (txn->zxid <= disk->committed)
			txns_add(&node->applied, txn);
	}
	node->applied_zxid = disk->committed;
	node->state = ZAB_LOOKING;
	node->is_serving = false;
	zab_start(node->zab, cluster->now_ms);
	perform(node);
	tell_reach(cluster, node);
}

static void lose_writes(struct cluster_node *node)
{
	while (!list_is_empty(&node->writes))
		free_write(list_item(list_first(&node->writes), struct cluster_write, link));
	node->disk.is_staged = false;
	txns_clear(&node->disk.staged_log);
	txns_clear(&node->disk.staged_tree);
}

void cluster_crash(struct cluster *cluster, int64_t sid)
{
	struct cluster_node *node = cluster_node(cluster, sid);

	zab_free(node->zab);
	node->zab = NULL;
	node->is_listening = false;
	node->is_serving = false;
	node->connecting = -1;
	node->state = ZAB_LOOKING;
	lose_writes(node);
	for (size_t i = 0; i < CLUSTER_NODES_MAX; i++) {
		blob_unref(node->notes[i]);
		node->notes[i] = NULL;
	}
	list_for_each (&cluster->links, at) {
		struct cluster_link *link = list_item(at, struct cluster_link, link);

		for (int end = 0; end < 2; end++)
			if (link->ends[end] == node)
				link->is_open[end] = false;
	}
	tell_reach(cluster, node);
}

void cluster_release(struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->count; i++) {
		struct cluster_node *node = &cluster->nodes[i];

		cluster_crash(cluster, (int64_t)i + 1);
		txns_clear(&node->applied);
		txns_clear(&node->disk.log);
		txns_clear(&node->disk.base_tree);
		members_release(&node->config.members);
	}
	while (!list_is_empty(&cluster->links))
		free_link(list_item(list_first(&cluster->links), struct cluster_link, link));
}

void cluster_cut(struct cluster *cluster, int64_t a, int64_t b)
{
	list_for_each (&cluster->links, at) {
		struct cluster_link *link = list_item(at, struct cluster_link, link);
		int64_t learner = link->ends[0]->config.myid;
		int64_t leader = link->ends[1]->config.myid;

		if (!((learner == a && leader == b) || (learner == b && leader == a)))
			continue;
		for (int end = 0; end < 2; end++)
			if (link->is_open[end] && link->ends[end]->zab) {
				link->is_open[end] = false;
				zab_link_closed(link->ends[end]->zab, link->id);
				perform(link->ends[end]);
			}
	}
}

/* ---- the turns ---- */

static bool move_notes(struct cluster *cluster, struct cluster_node *node)
{
	bool moved = false;

	for (size_t i = 0; i < cluster->count; i++) {
		struct blob *note = node->notes[i];
		struct cluster_node *to = &cluster->nodes[i];

		node->notes[i] = NULL;
		if (note && to->zab) {
			zab_notification(to->zab, node->config.myid, blob_bytes(note));
			perform(to);
			moved = true;
		}
		blob_unref(note);
	}
	return moved;
}

static bool connect_node(struct cluster *cluster, struct cluster_node *node)
{
	struct cluster_node *leader;
	struct cluster_link *link;

	if (node->connecting < 0)
		return false;
	leader = cluster_node(cluster, node->connecting);
	if (!leader->zab || !leader->is_listening)
		return false;
	link = mem_zalloc(sizeof(*link));
	link->id = ++cluster->last_link;
	link->ends[0] = node;
	link->ends[1] = leader;
	link->is_open[0] = link->is_open[1] = true;
	list_init(&link->chunks[0]);
	list_init(&link->chunks[1]);
	list_append(&cluster->links, &link->link);
	node->connecting = -1;
	zab_link_accepted(leader->zab, link->id);
	perform(leader);
	zab_connected(node->zab, link->id);
	perform(node);
	return true;
}

static void receive_snapshot(struct cluster_node *node, struct cluster_link *link,
			     struct chunk *chunk)
{
	struct cluster_write *write = add_write(node, WRITE_STAGE);

	assert_true(link->is_streaming);
	link->is_streaming = false;
	write->zxid = chunk->zxid;
	write->tree = chunk->tree;
	chunk->tree = NULL;
	node->snapshots_received++;
	zab_snapshot_received(node->zab, link->id, true);
}

static void receive_packet(struct cluster_node *node, struct cluster_link *link,
			   struct chunk *chunk)
{
	struct bytes bytes = blob_bytes(chunk->packet);
	struct zab_packet packet;

	assert_false(link->is_streaming && link->ends[0] == node);
	assert_int_equal(zab_packet_read(bytes, node->config.data_size_max, &packet), bytes.size);
	node->received[packet.type]++;
	zab_packet(node->zab, link->id, &packet);
}

static bool move_chunk(struct cluster_link *link, int end)
{
	struct cluster_node *node = link->ends[end];
	struct chunk *chunk;

	if (list_is_empty(&link->chunks[end]) || !link->is_open[end] || !node->zab)
		return false;
	chunk = list_item(list_first(&link->chunks[end]), struct chunk, link);
	if (chunk->packet)
		receive_packet(node, link, chunk);
	else
		receive_snapshot(node, link, chunk);
	perform(node);
	free_chunk(chunk);
	return true;
}

/* The one end is closed: the other one hears of it when all before is read. */
static bool move_close(struct cluster_link *link)
{
	for (int end = 0; end < 2; end++) {
		struct cluster_node *node = link->ends[end];

		if (link->is_open[1 - end] || !link->is_open[end] || !node->zab)
			continue;
		if (!list_is_empty(&link->chunks[end]))
			continue;
		link->is_open[end] = false;
		zab_link_closed(node->zab, link->id);
		perform(node);
		return true;
	}
	return false;
}

static bool move_link(struct cluster_link *link)
{
	bool moved = move_chunk(link, 0);

	moved |= move_chunk(link, 1);
	moved |= move_close(link);
	return moved;
}

static bool turn(struct cluster *cluster)
{
	bool moved = false;

	for (size_t i = 0; i < cluster->count; i++) {
		struct cluster_node *node = &cluster->nodes[i];

		if (!node->zab)
			continue;
		moved |= move_notes(cluster, node);
		moved |= connect_node(cluster, node);
		if (!node->is_disk_held && !list_is_empty(&node->writes)) {
			cluster_sync(cluster, (int64_t)i + 1, SIZE_MAX);
			moved = true;
		}
	}
	list_for_each (&cluster->links, at)
		moved |= move_link(list_item(at, struct cluster_link, link));
	list_for_each_safe (&cluster->links, at) {
		struct cluster_link *link = list_item(at, struct cluster_link, link);

		if (!link->is_open[0] && !link->is_open[1])
			free_link(link);
	}
	return moved;
}

void cluster_settle(struct cluster *cluster)
{
	for (size_t i = 0; turn(cluster); i++)
		assert_true(i < 100000);
}

static void next_tick(struct cluster *cluster)
{
	msec_t next = cluster->now_ms + 1000;

	for (size_t i = 0; i < cluster->count; i++) {
		struct cluster_node *node = &cluster->nodes[i];

		if (node->zab && zab_next_tick_ms(node->zab) < next)
			next = zab_next_tick_ms(node->zab);
	}
	cluster->now_ms = next > cluster->now_ms ? next : cluster->now_ms + 1;
	for (size_t i = 0; i < cluster->count; i++) {
		struct cluster_node *node = &cluster->nodes[i];

		if (!node->zab)
			continue;
		zab_tick(node->zab, cluster->now_ms);
		perform(node);
	}
}

bool cluster_run(struct cluster *cluster, msec_t limit_ms, cluster_condition *condition,
		 const void *data)
{
	msec_t until_ms = cluster->now_ms + limit_ms;

	for (;;) {
		cluster_settle(cluster);
		if (condition && condition(cluster, data))
			return true;
		if (cluster->now_ms >= until_ms)
			return condition == NULL;
		next_tick(cluster);
	}
}

int64_t cluster_leader(struct cluster *cluster, size_t count)
{
	int64_t leader = 0;
	size_t serving = 0;

	for (size_t i = 0; i < cluster->count; i++) {
		struct cluster_node *node = &cluster->nodes[i];

		if (!node->zab || !node->is_serving)
			continue;
		serving++;
		if (node->state == ZAB_LEADING)
			leader = node->config.myid;
	}
	return serving >= count ? leader : 0;
}

static bool has_leader(struct cluster *cluster, const void *data)
{
	return cluster_leader(cluster, *(const size_t *)data) != 0;
}

int64_t cluster_await(struct cluster *cluster, size_t count)
{
	assert_true(cluster_run(cluster, 20000, has_leader, &count));
	return cluster_leader(cluster, count);
}

zxid_t cluster_propose(struct cluster *cluster, int64_t sid, const char *text)
{
	struct cluster_node *node = cluster_node(cluster, sid);
	struct blob *txn = blob_new(bytes_of_text(text));
	zxid_t zxid;

	assert_true(zab_can_propose(node->zab));
	zxid = zab_next_zxid(node->zab);
	zab_propose(node->zab, zxid, txn);
	blob_unref(txn);
	perform(node);
	return zxid;
}

const char *cluster_applied(struct cluster *cluster, int64_t sid)
{
	static char text[4096];
	struct cluster_node *node = cluster_node(cluster, sid);
	size_t size = 0;

	text[0] = '\0';
	for (size_t i = 0; i < node->applied.count && size < sizeof(text) - 64; i++) {
		struct blob *txn = node->applied.items[i].txn;

		size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%.*s",
					 i > 0 ? " " : "", (int)txn->size,
					 (const char *)txn->bytes);
	}
	return text;
}
