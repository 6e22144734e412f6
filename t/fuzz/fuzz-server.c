#include "t/fuzz/fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "replica/server/server.h"
#include "replica/tree/replay.h"
#include "replica/tree/txn.h"
#include "src/base/assert.h"
#include "src/base/blob.h"
#include "src/base/endian.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"
#include "t/unit/roundtrip.h"

/*
 * Strangers at the door of a standalone server. The input is a run of events,
 * each a control byte and what belongs to it:
 *
 *	bits 0-1  the connection
 *	bits 4-5  0, 1: a frame, {u16 size, bytes}; the first one opens the connection
 *	          2: the peer closes; 3: time passes, {u16 of 10 ms}
 *	bit 6     what was appended isn't durable yet
 *
 * Claims, besides the server's own invariants: each answer belongs to the oldest
 * request of its connection that has none (auth and sasl may overtake) and
 * decodes as its opcode's; each transaction decodes; and a server that
 * recovers from the transactions has the same tree.
 */
enum {
	CONNECTION_COUNT = 4,
	SESSION_TIMEOUT_MAX_MS = 40000,
};

struct pending {
	struct list link;
	int32_t xid;
	int32_t opcode;
};

struct peer {
	connection_id_t id; /* 0: closed */
	bool is_connected;  /* its ConnectResponse came */
	bool has_sent;      /* the connect request */
	bool is_closing;    /* the server asked for it */
	struct list pending;
};

struct world {
	struct tree *tree;
	struct server *server;
	struct peer peers[CONNECTION_COUNT];
	connection_id_t last_id;
	struct blob **log;
	size_t log_count;
	size_t committed_count;
	msec_t now_ms;
};

/* ---- what comes out ---- */

static struct peer *peer_of(struct world *world, connection_id_t id)
{
	for (int i = 0; i < CONNECTION_COUNT; i++) {
		if (world->peers[i].id == id)
			return &world->peers[i];
	}
	ASSERT(!"an action for a connection that isn't open");
}

static bool may_overtake(const struct pending *pending)
{
	return pending->opcode == ZK_OP_AUTH || pending->opcode == ZK_OP_SASL;
}

static bool is_answered_by(const struct pending *pending, const struct zk_reply_header *header)
{
	return header->xid == pending->xid ||
	       (pending->opcode == ZK_OP_PING && header->xid == ZK_XID_PING);
}

/* Only auth and sasl are answered with zxid 0, and out of order. */
static struct pending *find_pending(struct peer *peer, const struct zk_reply_header *header)
{
	list_for_each (&peer->pending, at) {
		struct pending *pending = list_item(at, struct pending, link);

		if (header->zxid != 0)
			return is_answered_by(pending, header) ? pending : NULL;
		if (may_overtake(pending) && is_answered_by(pending, header))
			return pending;
	}
	return NULL;
}

static int32_t take_pending(struct peer *peer, const struct zk_reply_header *header)
{
	struct pending *pending = find_pending(peer, header);
	int32_t opcode;

	ASSERT(pending); /* an answer to nothing that was asked, or too early */
	opcode = pending->opcode;
	list_remove(&pending->link);
	free(pending);
	return opcode;
}

static void check_record(struct bytes frame, int32_t opcode)
{
	struct zk_reply_header header;
	struct jute_reader reader;
	struct buf buf;

	jute_reader_init(&reader, frame.data, bytes_size(frame), FUZZ_SIZE_MAX);
	zk_reply_header_read(&reader, &header);
	buf_init(&buf, 2 * FUZZ_SIZE_MAX);
	if (header.err == ZK_OK) {
		ASSERT(roundtrip_response(opcode, &reader, &buf));
		ASSERT(jute_left(&reader) == 0);
	}
	ASSERT(!reader.error);
	buf_release(&buf);
}

static void check_frame(struct peer *peer, struct bytes frame)
{
	struct zk_connect_response response;
	struct zk_reply_header header;
	struct jute_reader reader;

	jute_reader_init(&reader, frame.data, bytes_size(frame), FUZZ_SIZE_MAX);
	if (!peer->is_connected) {
		zk_connect_response_read(&reader, &response);
		ASSERT(!reader.error && jute_left(&reader) == 0);
		ASSERT(response.timeout_ms <= SESSION_TIMEOUT_MAX_MS);
		peer->is_connected = true;
		return;
	}
	zk_reply_header_read(&reader, &header);
	ASSERT(!reader.error);
	if (header.xid == ZK_XID_NOTIFICATION && bytes_size(frame) > ZK_REPLY_HEADER_SIZE)
		check_record(frame, ZK_OP_NOTIFICATION);
	else
		check_record(frame, take_pending(peer, &header));
}

static void check_sent(struct peer *peer, struct bytes bytes)
{
	struct jute_reader reader;

	jute_reader_init(&reader, bytes.data, bytes_size(bytes), FUZZ_SIZE_MAX);
	ASSERT(bytes_size(bytes) > 0);
	while (jute_left(&reader) > 0) {
		struct bytes frame = jute_read_buffer(&reader);

		ASSERT(!reader.error && !bytes_is_null(frame));
		check_frame(peer, frame);
	}
}

static void append(struct world *world, const struct server_action *action)
{
	struct txn txn;

	ASSERT(txn_decode(blob_bytes(action->txn), &txn) == 0);
	ASSERT(txn.header.zxid == action->zxid);
	ASSERT(action->zxid == (zxid_t)world->log_count + 1);
	world->log = mem_realloc(world->log, (world->log_count + 1) * sizeof(world->log[0]));
	world->log[world->log_count++] = blob_ref(action->txn);
}

static void forget(struct world *world, struct peer *peer)
{
	server_connection_closed(world->server, peer->id);
	list_for_each_safe (&peer->pending, at) {
		list_remove(at);
		free(list_item(at, struct pending, link));
	}
	*peer = (struct peer){0};
	list_init(&peer->pending);
}

static void perform(struct world *world, const struct server_action *action)
{
	switch (action->type) {
	case SERVER_SEND:
		check_sent(peer_of(world, action->connection), action->bytes);
		break;
	case SERVER_CLOSE:
		peer_of(world, action->connection)->is_closing = true;
		break;
	case SERVER_PAUSE:
	case SERVER_RESUME:
		(void)peer_of(world, action->connection);
		break;
	case SERVER_APPEND:
		append(world, action);
		break;
	default:
		ASSERT(!"an action of a standalone");
	}
}

static struct peer *find_closing(struct world *world)
{
	for (int i = 0; i < CONNECTION_COUNT; i++) {
		if (world->peers[i].is_closing)
			return &world->peers[i];
	}
	return NULL;
}

static void perform_all(struct world *world)
{
	struct server_action action;
	struct peer *closing;

	do {
		while (server_take_action(world->server, &action))
			perform(world, &action);
		closing = find_closing(world);
		if (closing)
			forget(world, closing);
	} while (closing);
}

/* ---- what goes in ---- */

/* A request with the xid of notifications would only confuse who sent it. */
static bool is_ambiguous(const struct peer *peer, struct bytes frame)
{
	return peer->has_sent && bytes_size(frame) >= 4 &&
	       endian_get_u32(frame.data) == (uint32_t)ZK_XID_NOTIFICATION;
}

static void note_request(struct peer *peer, struct bytes frame)
{
	struct zk_request_header header;
	struct jute_reader reader;
	struct pending *pending;

	if (!peer->has_sent) {
		peer->has_sent = true;
		return;
	}
	jute_reader_init(&reader, frame.data, bytes_size(frame), FUZZ_SIZE_MAX);
	zk_request_header_read(&reader, &header);
	if (reader.error)
		return; /* too short for a header: the server closes */
	pending = mem_zalloc(sizeof(*pending));
	pending->xid = header.xid;
	pending->opcode = header.opcode;
	list_append(&peer->pending, &pending->link);
}

static void send_frame(struct world *world, struct peer *peer, struct bytes frame)
{
	if (is_ambiguous(peer, frame))
		return;
	if (peer->id == 0) {
		peer->id = ++world->last_id;
		server_connection_opened(world->server, peer->id, "127.0.0.1");
		perform_all(world);
	}
	note_request(peer, frame);
	server_frame(world->server, peer->id, frame);
	perform_all(world);
}

static void pass_time(struct world *world, msec_t by_ms)
{
	world->now_ms += by_ms;
	server_tick(world->server, world->now_ms, world->now_ms);
	perform_all(world);
}

/* Applying can append: a container goes, a session expires. */
static void commit_all(struct world *world)
{
	while (world->committed_count < world->log_count) {
		world->committed_count = world->log_count;
		server_committed(world->server, (zxid_t)world->committed_count);
		perform_all(world);
	}
}

static uint16_t read_u16(struct jute_reader *reader)
{
	uint8_t high = (uint8_t)jute_read_byte(reader);

	return (uint16_t)(high << 8 | (uint8_t)jute_read_byte(reader));
}

static struct bytes read_frame(struct jute_reader *reader)
{
	size_t size = read_u16(reader);
	struct bytes frame;

	if (size > jute_left(reader))
		size = jute_left(reader);
	frame = bytes_of(reader->at, size);
	reader->at += size;
	return frame;
}

static void run_event(struct world *world, struct jute_reader *reader)
{
	uint8_t control = (uint8_t)jute_read_byte(reader);
	struct peer *peer = &world->peers[control & 3];

	switch (control >> 4 & 3) {
	case 2:
		if (peer->id != 0) {
			forget(world, peer);
			perform_all(world);
		}
		break;
	case 3:
		pass_time(world, 10 * (msec_t)read_u16(reader));
		break;
	default:
		send_frame(world, peer, read_frame(reader));
	}
	if (!(control & 0x40))
		commit_all(world);
}

/* ---- the whole ---- */

static struct server *new_server(struct tree *tree)
{
	struct server_config config;

	server_config_init(&config);
	config.timeout_max_ms = SESSION_TIMEOUT_MAX_MS;
	config.extended_types = true;
	config.first_session_id = 0x100000000000001;
	return server_new(&config, tree);
}

static void check_recovery(struct world *world)
{
	struct tree *again = tree_new(true);
	struct replay replay;

	replay_init(&replay, again);
	for (size_t i = 0; i < world->log_count; i++)
		ASSERT(replay_txn(&replay, (zxid_t)i + 1, blob_bytes(world->log[i])) == 0);
	replay_release(&replay);
	ASSERT(tree_digest(again) == tree_digest(world->tree));
	ASSERT(tree_zxid(again) == tree_zxid(world->tree));
	ASSERT(tree_session_count(again) == tree_session_count(world->tree));
	tree_check(again);
	tree_free(again);
}

static void world_release(struct world *world)
{
	for (int i = 0; i < CONNECTION_COUNT; i++) {
		if (world->peers[i].id != 0)
			forget(world, &world->peers[i]);
	}
	perform_all(world);
	server_free(world->server);
	tree_free(world->tree);
	for (size_t i = 0; i < world->log_count; i++)
		blob_unref(world->log[i]);
	free(world->log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {.tree = tree_new(true), .now_ms = 1000};
	struct jute_reader reader;

	world.server = new_server(world.tree);
	if (size > FUZZ_SIZE_MAX)
		size = FUZZ_SIZE_MAX;
	for (int i = 0; i < CONNECTION_COUNT; i++)
		list_init(&world.peers[i].pending);
	server_start(world.server, SERVER_STANDALONE, 0, world.now_ms, world.now_ms);
	jute_reader_init(&reader, data, size, FUZZ_SIZE_MAX);
	while (jute_left(&reader) > 0)
		run_event(&world, &reader);
	commit_all(&world);
	server_check(world.server);
	check_recovery(&world);
	world_release(&world);
	return 0;
}
