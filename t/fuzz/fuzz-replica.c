#include "t/fuzz/fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "replica/server/replica.h"
#include "replica/tree/replay.h"
#include "src/base/assert.h"
#include "src/base/blob.h"
#include "src/base/endian.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "t/unit/tree-copy.h"

/*
 * Strange peers of a replica. The first byte says whether it leads (0: alone among observers) or
 * follows; the shakings of hands are ours, and then the input is a run of events, each a control
 * byte and what belongs to it:
 *
 *	bits 0-1  the link, or the client's connection
 *	bits 4-5  0: bytes on the link, {u16 size, bytes}; 1: a frame of the client, {u16 size,
 *bytes}; 2: the link ends, and there is another (a leader's second one goes no further than
 *LEADERINFO); 3: time passes, {u16 of 10 ms} bit 6     the disk takes its time
 *
 * Claims, besides the replica's own invariants: what it sends to peers are packets, what it sends
 * to clients are frames; what it logs decodes and has no gap; and its tree is that of its store
 * with what is committed applied.
 */
enum { LINK_COUNT = 2, CLIENT_COUNT = 2, TICK_MS = 200, DATA_SIZE_MAX = 1 << 20 };

/* Who belongs to the ensemble: the replica is server 1. */
static const char leader[] = "server.1=a:1:2:participant\nserver.2=b:1:2:observer\n"
			     "server.3=c:1:2:observer\nversion=0";
static const char follower[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=0";

struct write {
	struct list link;
	struct zab_action action;
	struct blob *txn;
};

struct store {
	struct tree *tree;
	zxid_t base;
	struct blob **log;
	zxid_t *zxids;
	size_t log_count;
};

struct end {
	zab_link_t link; /* 0: none */
	struct buf bytes;
};

struct world {
	struct replica *replica;
	bool follows;
	bool is_over; /* it can't go on, and said so */
	struct store store;
	struct store staged;
	bool is_staged;
	bool must_reload;
	bool must_connect;
	struct list writes;
	bool is_slow;
	struct end ends[LINK_COUNT];
	zab_link_t last_link;
	connection_id_t clients[CLIENT_COUNT];
	bool is_closing[CLIENT_COUNT];
	connection_id_t last_client;
	int64_t vote_count;
	msec_t now_ms;
};

/* ---- the store ---- */

static void store_clear(struct store *store)
{
	for (size_t at = 0; at < store->log_count; at++)
		blob_unref(store->log[at]);
	free(store->log);
	free(store->zxids);
	if (store->tree)
		tree_free(store->tree);
	*store = (struct store){0};
}

static zxid_t store_last(const struct store *store)
{
	return store->log_count > 0 ? store->zxids[store->log_count - 1] : store->base;
}

static void store_append(struct store *store, zxid_t zxid, struct blob *txn)
{
	zxid_t last = store_last(store);
	size_t count = store->log_count + 1;

	ASSERT(zxid == last + 1 ||
	       (zxid_epoch(zxid) > zxid_epoch(last) && zxid_counter(zxid) == 1));
	store->log = mem_realloc(store->log, count * sizeof(store->log[0]));
	store->zxids = mem_realloc(store->zxids, count * sizeof(store->zxids[0]));
	store->log[store->log_count] = blob_ref(txn);
	store->zxids[store->log_count++] = zxid;
}

/* Its tree, with what is committed applied. */
static struct tree *load(const struct world *world)
{
	struct tree *tree = tree_copy(world->store.tree, false);
	struct replay replay;

	replay_init(&replay, tree);
	for (size_t at = 0; at < world->store.log_count; at++)
		if (world->store.zxids[at] <= replica_committed(world->replica))
			ASSERT(replay_txn(&replay, world->store.zxids[at],
					  blob_bytes(world->store.log[at])) == 0);
	replay_release(&replay);
	return tree;
}

static void append(struct world *world, const struct write *write)
{
	store_append(world->is_staged ? &world->staged : &world->store, write->action.zxid,
		     write->txn);
	replica_logged(world->replica, write->action.zxid);
}

static void install(struct world *world)
{
	ASSERT(world->is_staged);
	store_clear(&world->store);
	world->store = world->staged;
	world->staged = (struct store){0};
	world->is_staged = false;
	replica_epochs_durable(world->replica);
}

static void truncate(struct world *world, zxid_t zxid)
{
	struct store *store = &world->store;

	while (store_last(store) > zxid)
		blob_unref(store->log[--store->log_count]);
	replica_truncated(world->replica);
}

static void write_out(struct world *world, const struct write *write)
{
	switch (write->action.type) {
	case ZAB_APPEND:
		append(world, write);
		break;
	case ZAB_SET_EPOCHS:
		replica_epochs_durable(world->replica);
		break;
	case ZAB_TRUNCATE:
		truncate(world, write->action.zxid);
		break;
	case ZAB_INSTALL_SNAPSHOT:
		install(world);
		break;
	default:
		ASSERT(write->action.type == ZAB_ABORT_SNAPSHOT);
		store_clear(&world->staged);
		world->is_staged = false;
	}
}

static void free_write(struct write *write)
{
	list_remove(&write->link);
	blob_unref(write->txn);
	free(write);
}

/* ---- what it wants ---- */

static void check_packet(struct bytes bytes)
{
	struct zab_packet packet;

	ASSERT(zab_packet_read(bytes, 2 * DATA_SIZE_MAX, &packet) == bytes.size);
}

static void check_frames(struct bytes bytes)
{
	struct jute_reader reader;

	ASSERT(bytes_size(bytes) > 0);
	jute_reader_init(&reader, bytes.data, bytes_size(bytes), SIZE_MAX);
	while (jute_left(&reader) > 0)
		ASSERT(!bytes_is_null(jute_read_buffer(&reader)) && !reader.error);
}

static void queue_write(struct world *world, const struct zab_action *action)
{
	struct write *write = mem_zalloc(sizeof(*write));

	write->action = *action;
	write->txn = blob_ref(action->txn);
	list_append(&world->writes, &write->link);
}

static void begin_staged(struct world *world, zxid_t zxid)
{
	store_clear(&world->staged);
	world->staged.tree = tree_new(false);
	world->staged.base = zxid;
	tree_set_zxid(world->staged.tree, zxid);
	world->is_staged = true;
}

static void end_link(struct world *world, zab_link_t link)
{
	for (int at = 0; at < LINK_COUNT; at++) {
		if (world->ends[at].link != link)
			continue;
		world->ends[at].link = 0;
		buf_reset(&world->ends[at].bytes);
	}
}

static void perform_peer(struct world *world, const struct zab_action *action)
{
	switch (action->type) {
	case ZAB_SEND:
		check_packet(action->bytes);
		break;
	case ZAB_CLOSE:
		end_link(world, action->link);
		break;
	case ZAB_CONNECT:
		world->must_connect = true;
		break;
	case ZAB_DISCONNECT:
		world->must_connect = false;
		break;
	case ZAB_RECEIVE_SNAPSHOT:
		begin_staged(world, action->zxid);
		break;
	case ZAB_FATAL:
		world->is_over = true;
		break;
	case ZAB_APPEND:
	case ZAB_SET_EPOCHS:
	case ZAB_TRUNCATE:
	case ZAB_INSTALL_SNAPSHOT:
	case ZAB_ABORT_SNAPSHOT:
		queue_write(world, action);
		break;
	default:
		break;
	}
}

static void perform_client(struct world *world, const struct server_action *action)
{
	int at = 0;

	while (at < CLIENT_COUNT && world->clients[at] != action->connection)
		at++;
	ASSERT(at < CLIENT_COUNT && !world->is_closing[at]);
	if (action->type == SERVER_SEND)
		check_frames(action->bytes);
	world->is_closing[at] = action->type == SERVER_CLOSE;
}

static void perform(struct world *world, const struct replica_action *action)
{
	switch (action->type) {
	case REPLICA_CLIENT:
		perform_client(world, &action->client);
		break;
	case REPLICA_PEER:
		perform_peer(world, &action->zab);
		break;
	case REPLICA_STAGE_SESSION:
		ASSERT(tree_load_session(world->staged.tree, action->session.id,
					 action->session.timeout_ms) == 0);
		break;
	case REPLICA_STAGE_ROW:
		ASSERT(tree_load_row(world->staged.tree, &action->row) == 0);
		break;
	case REPLICA_RELOAD:
		world->must_reload = true;
		break;
	case REPLICA_ROLE:
		break;
	}
}

static void perform_all(struct world *world)
{
	struct replica_action action;

	while (replica_take_action(world->replica, &action))
		perform(world, &action);
	replica_check(world->replica);
}

static bool forget_client(struct world *world)
{
	for (int at = 0; at < CLIENT_COUNT; at++) {
		if (!world->is_closing[at])
			continue;
		replica_client_closed(world->replica, world->clients[at]);
		world->clients[at] = 0;
		world->is_closing[at] = false;
		return true;
	}
	return false;
}

static bool write_one(struct world *world)
{
	struct list *first = list_first(&world->writes);
	struct write *write = first ? list_item(first, struct write, link) : NULL;

	if (!write || world->is_slow)
		return false;
	list_remove(&write->link);
	write_out(world, write);
	free_write(write);
	return true;
}

static bool reload(struct world *world)
{
	if (!world->must_reload || !list_is_empty(&world->writes))
		return false;
	world->must_reload = false;
	replica_reloaded(world->replica, load(world));
	return true;
}

static void settle(struct world *world)
{
	do
		perform_all(world);
	while (forget_client(world) || write_one(world) || reload(world));
}

/* ---- bytes of a peer ---- */

static void feed(struct world *world, struct end *end, struct bytes bytes)
{
	zab_link_t link = end->link;
	size_t used = 1;

	if (link == 0)
		return;
	buf_append(&end->bytes, bytes.data, bytes_size(bytes));
	while (end->link == link && end->bytes.size > 0 && used > 0 && !world->is_over) {
		/* Of exactly this size, so that a sanitizer sees who reads beyond. */
		struct blob *copy = blob_new(buf_bytes(&end->bytes));

		used = replica_link_bytes(world->replica, link, blob_bytes(copy));
		ASSERT(used <= end->bytes.size);
		blob_unref(copy);
		if (used > 0 && end->link == link)
			buf_consume(&end->bytes, used);
		settle(world);
	}
}

static void feed_packet(struct world *world, struct end *end, enum zab_packet_type type,
			zxid_t zxid, struct bytes data)
{
	const struct zab_packet packet = {
		.type = type, .zxid = zxid, .data = data, .auth_count = -1};
	struct buf bytes;

	buf_init(&bytes, DATA_SIZE_MAX);
	zab_packet_write(&bytes, &packet);
	feed(world, end, buf_bytes(&bytes));
	buf_release(&bytes);
}

static uint32_t epoch_of(const struct world *world)
{
	struct zab_status status;

	zab_get_status(replica_zab(world->replica), &status);
	return status.accepted_epoch;
}

static bool leads(const struct world *world)
{
	struct zab_status status;

	zab_get_status(replica_zab(world->replica), &status);
	return status.state == ZAB_LEADING;
}

/* An observer, up to its ACK of NEWLEADER. */
static void observe(struct world *world, struct end *end, int64_t sid)
{
	const struct zab_learner_info info = {.sid = sid, .protocol_version = ZAB_PROTOCOL_VERSION};
	struct buf data;

	end->link = ++world->last_link;
	replica_link_accepted(world->replica, end->link);
	settle(world);
	buf_init(&data, DATA_SIZE_MAX);
	zab_learner_info_write(&data, &info);
	feed_packet(world, end, ZAB_OBSERVERINFO, 0, buf_bytes(&data));
	buf_release(&data);
	feed_packet(world, end, ZAB_ACKEPOCH, 0, bytes_of("\0\0\0\0", 4));
	feed_packet(world, end, ZAB_ACK, zxid_make(epoch_of(world), 0), BYTES_NULL);
}

static void vote(struct world *world)
{
	const struct notification notification = {
		.state = ZAB_LOOKING,
		.vote = {.leader = 2, .zxid = INT64_MAX, .peer_epoch = INT32_MAX},
		.election_epoch = INT32_MAX + ++world->vote_count,
		.version = NOTIFICATION_VERSION,
		.config = bytes_of_text(follower),
	};
	struct buf bytes;

	buf_init(&bytes, NOTIFICATION_SIZE_MAX);
	notification_write(&bytes, &notification);
	replica_notification(world->replica, 2, buf_bytes(&bytes));
	settle(world);
	buf_release(&bytes);
}

/* A leader, up to LEADERINFO; and with a DIFF to UPTODATE. */
static void lead(struct world *world, struct end *end, bool with_diff)
{
	zxid_t epoch_zxid = zxid_make(epoch_of(world) + 1, 0);

	vote(world);
	if (!world->must_connect)
		return;
	world->must_connect = false;
	end->link = ++world->last_link;
	replica_connected(world->replica, end->link);
	settle(world);
	feed_packet(world, end, ZAB_LEADERINFO, epoch_zxid, bytes_of("\0\1\0\0", 4));
	if (!with_diff)
		return;
	feed_packet(world, end, ZAB_DIFF, replica_committed(world->replica), BYTES_NULL);
	feed_packet(world, end, ZAB_NEWLEADER, epoch_zxid, BYTES_NULL);
	feed_packet(world, end, ZAB_UPTODATE, -1, BYTES_NULL);
}

static void change_link(struct world *world, int at)
{
	struct end *end = &world->ends[world->follows ? 0 : at];
	zab_link_t link = end->link;

	end_link(world, link);
	if (link != 0) {
		replica_link_closed(world->replica, link);
		settle(world);
	}
	if (world->follows)
		lead(world, end, at == 0);
	else if (leads(world))
		observe(world, end, 2 + at);
}

/* ---- what goes in ---- */

static void send_frame(struct world *world, int at, struct bytes frame)
{
	if (world->clients[at] == 0) {
		world->clients[at] = ++world->last_client;
		replica_client_opened(world->replica, world->clients[at], "127.0.0.1");
		settle(world);
	}
	replica_client_frame(world->replica, world->clients[at], frame);
	settle(world);
}

static void pass_time(struct world *world, msec_t by_ms)
{
	world->now_ms += by_ms;
	replica_tick(world->replica, world->now_ms, world->now_ms);
	settle(world);
}

static uint16_t read_u16(struct jute_reader *reader)
{
	uint8_t high = (uint8_t)jute_read_byte(reader);

	return (uint16_t)(high << 8 | (uint8_t)jute_read_byte(reader));
}

static struct bytes read_bytes(struct jute_reader *reader)
{
	size_t size = read_u16(reader);
	struct bytes bytes;

	if (size > jute_left(reader))
		size = jute_left(reader);
	bytes = bytes_of(reader->at, size);
	reader->at += size;
	return bytes;
}

static void run_event(struct world *world, struct jute_reader *reader)
{
	uint8_t control = (uint8_t)jute_read_byte(reader);
	int at = control & 1;

	world->is_slow = control & 0x40;
	switch (control >> 4 & 3) {
	case 0:
		feed(world, &world->ends[at], read_bytes(reader));
		break;
	case 1:
		send_frame(world, at, read_bytes(reader));
		break;
	case 2:
		change_link(world, at);
		break;
	default:
		pass_time(world, 10 * (msec_t)read_u16(reader));
	}
}

/* ---- the whole ---- */

static void world_init(struct world *world, bool follows)
{
	const char *members = follows ? follower : leader;
	const struct zab_durable durable = {.is_empty = true};
	struct replica_config config = {0};

	*world = (struct world){.follows = follows, .now_ms = 1000};
	list_init(&world->writes);
	for (int at = 0; at < LINK_COUNT; at++)
		buf_init(&world->ends[at].bytes, SIZE_MAX);
	server_config_init(&config.server);
	config.server.first_session_id = 0x100000000000001;
	zab_config_init(&config.zab);
	config.zab.myid = 1;
	config.zab.tick_ms = TICK_MS;
	config.zab.may_bootstrap = true;
	ASSERT(members_parse(bytes_of_text(members), &config.zab.members) == 0);
	world->replica = replica_new(&config, &durable, tree_new(false));
	members_release(&config.zab.members);
	replica_start(world->replica, world->now_ms, world->now_ms);
	settle(world);
	for (int at = 0; at < (follows ? 1 : LINK_COUNT); at++)
		change_link(world, at);
}

static void check_tree(struct world *world)
{
	struct tree *tree;
	struct tree *again;

	world->is_slow = false;
	settle(world);
	tree = replica_tree(world->replica);
	if (world->is_over || !tree)
		return;
	again = load(world);
	ASSERT(tree_zxid(again) == tree_zxid(tree));
	ASSERT(tree_digest(again) == tree_digest(tree));
	ASSERT(tree_session_count(again) == tree_session_count(tree));
	tree_free(again);
}

static void world_release(struct world *world)
{
	replica_free(world->replica);
	while (!list_is_empty(&world->writes))
		free_write(list_item(list_first(&world->writes), struct write, link));
	store_clear(&world->store);
	store_clear(&world->staged);
	for (int at = 0; at < LINK_COUNT; at++)
		buf_release(&world->ends[at].bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jute_reader reader;
	struct world world;

	if (size > FUZZ_SIZE_MAX)
		size = FUZZ_SIZE_MAX;
	jute_reader_init(&reader, data, size, FUZZ_SIZE_MAX);
	world_init(&world, jute_left(&reader) > 0 && (jute_read_byte(&reader) & 1));
	ASSERT(replica_is_serving(world.replica)); /* what follows is about something */
	while (jute_left(&reader) > 0 && !world.is_over)
		run_event(&world, &reader);
	check_tree(&world);
	world_release(&world);
	return 0;
}
