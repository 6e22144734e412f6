#include "replica/io/node_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "replica/io/data_dir.h"
#include "src/base/assert.h"
#include "src/base/log.h"
#include "src/base/mem.h"

enum {
	/* Of one link. What a leader keeps for a learner's DIFF, what is proposed and not yet
	   committed, and room beside both. */
	LINK_OUTPUT_SIZE_MAX = 256 << 20,
	/* Of a packet, or of a field of a snapshot, that is not whole yet. */
	LINK_INPUT_EXTRA_SIZE = 4 << 20,
	/* Snapshots on their way at once; each has a thread that reads the database. */
	STREAMS_MAX = 4,
};

/* ---- snapshots for learners ---- */

struct stream {
	struct list link; /* on node->streams, the oldest first */
	zab_link_t to;
	struct store_snapshot *snapshot; /* NULL: it waits until fewer are on their way */
};

static struct stream *find_stream(const struct node *node, zab_link_t to)
{
	list_for_each (&node->streams, at) {
		struct stream *stream = list_item(at, struct stream, link);

		if (stream->to == to)
			return stream;
	}
	return NULL;
}

static void free_stream(struct stream *stream)
{
	list_remove(&stream->link);
	store_close_snapshot(stream->snapshot);
	free(stream);
}

/* The link has gone, and what was on its way. */
static void drop_stream(struct node *node, zab_link_t to)
{
	struct stream *stream = find_stream(node, to);

	if (stream)
		free_stream(stream);
}

/* It can't be sent: its learner comes again. */
static void fail_stream(struct node *node, struct stream *stream, const char *why)
{
	zab_link_t to = stream->to;

	log_error("store", "a snapshot can't be read for %s: %s",
		  peers_links_address(node->links, to), why);
	free_stream(stream);
	peers_links_end(node->links, to);
	replica_link_closed(node->replica, to);
	node_pump(node);
}

static void begin_stream(struct node *node, struct stream *stream)
{
	struct store_refusal refusal = {0};
	zab_link_t to = stream->to;
	zxid_t zxid;

	if (store_open_snapshot(node->store, &zxid, &stream->snapshot, &refusal) < 0) {
		fail_stream(node, stream, refusal.text);
		return;
	}
	log_info("quorum", "%s: is sent a snapshot of 0x%" PRIx64,
		 peers_links_address(node->links, to), (uint64_t)zxid);
	/* The core sends SNAP; what is sent from then on has to wait. */
	replica_snapshot_opened(node->replica, to, zxid);
	node_pump(node);
	peers_links_begin_stream(node->links, to);
}

static void begin_waiting_streams(struct node *node)
{
	struct stream *waiting = NULL;
	int count = 0;

	list_for_each (&node->streams, at) {
		struct stream *stream = list_item(at, struct stream, link);

		count += stream->snapshot != NULL;
		if (!waiting && !stream->snapshot)
			waiting = stream;
	}
	if (waiting && count < STREAMS_MAX)
		begin_stream(node, waiting);
}

static void send_snapshot(struct node *node, zab_link_t to)
{
	struct stream *stream = mem_zalloc(sizeof(*stream));

	ASSERT(!find_stream(node, to));
	stream->to = to;
	list_append(&node->streams, &stream->link);
	/* Not from here: an action is not the place for an event. */
}

static void end_stream(struct node *node, struct stream *stream)
{
	zab_link_t to = stream->to;

	free_stream(stream);
	peers_links_end_stream(node->links, to);
	replica_snapshot_sent(node->replica, to);
	node_pump(node);
}

static bool on_wants_chunk(zab_link_t link, void *data)
{
	struct node *node = data;
	struct stream *stream = find_stream(node, link);
	struct store_refusal refusal = {0};
	struct bytes piece;
	int state;

	if (!stream || node_is_over(node))
		return false;
	state = store_snapshot_read(stream->snapshot, &piece, &refusal);
	if (state == STORE_SNAPSHOT_PIECE)
		peers_links_chunk(node->links, link, piece);
	else if (state == STORE_SNAPSHOT_END)
		end_stream(node, stream);
	else if (state < 0)
		fail_stream(node, stream, refusal.text);
	return state != STORE_SNAPSHOT_WAIT;
}

/* ---- events: the election ---- */

/* Apache's server drops the message alone, but what comes behind it is no better. */
static bool is_notification(struct bytes frame)
{
	struct notification notification;

	return notification_read(frame, &notification) == 0;
}

static void on_notification(int64_t sid, struct bytes frame, void *data)
{
	struct node *node = data;

	if (node_is_over(node))
		return;
	node_enter(node);
	replica_notification(node->replica, sid, frame);
	node_pump(node);
}

static void on_reach(int64_t sid, enum election_reach reach, void *data)
{
	struct node *node = data;

	if (node_is_over(node))
		return;
	node_enter(node);
	replica_set_reachable(node->replica, sid, reach);
	node_pump(node);
}

/* ---- events: links ---- */

static void on_link_accepted(zab_link_t link, void *data)
{
	struct node *node = data;

	if (node_is_over(node))
		return;
	node_enter(node);
	if (!node->is_listening) {
		peers_links_end(node->links, link);
		return;
	}
	replica_link_accepted(node->replica, link);
	node_pump(node);
}

static void on_link_connected(zab_link_t link, void *data)
{
	struct node *node = data;
	uint64_t connect_count = node->connect_count;

	if (node_is_over(node))
		return;
	node_enter(node);
	/* It has given that up in this very turn. */
	if (node->connect_count != connect_count) {
		peers_links_end(node->links, link);
		return;
	}
	node->leader_link = link;
	node->is_leader_paused = false;
	replica_connected(node->replica, link);
	node_pump(node);
}

static void on_link_closed(zab_link_t link, void *data)
{
	struct node *node = data;

	drop_stream(node, link);
	if (node_is_over(node))
		return;
	node->lost_link = link;
	node_enter(node);
	if (node->lost_link != ZAB_LINK_NONE)
		replica_link_closed(node->replica, link);
	node->lost_link = ZAB_LINK_NONE;
	node_pump(node);
}

/* The disk is behind what the leader sends: it has to wait. */
static void pause_leader(struct node *node)
{
	if (node->leader_link == ZAB_LINK_NONE || node->is_leader_paused ||
	    node_store_has_room(node))
		return;
	node->is_leader_paused = true;
	peers_links_set_paused(node->links, node->leader_link, true);
}

static void resume_leader(struct node *node)
{
	if (!node->is_leader_paused || !node_store_has_room(node))
		return;
	node->is_leader_paused = false;
	peers_links_set_paused(node->links, node->leader_link, false);
}

static size_t on_link_bytes(zab_link_t link, struct bytes bytes, void *data)
{
	struct node *node = data;
	size_t used;

	if (node_is_over(node))
		return bytes_size(bytes);
	node_enter(node);
	if (!peers_links_has(node->links, link))
		return bytes_size(bytes);
	used = replica_link_bytes(node->replica, link, bytes);
	node_pump(node);
	if (link == node->leader_link)
		pause_leader(node);
	return used;
}

/* ---- actions ---- */

static void end_link(struct node *node, zab_link_t link)
{
	if (link == node->leader_link)
		node->leader_link = ZAB_LINK_NONE;
	if (link == node->lost_link)
		node->lost_link = ZAB_LINK_NONE;
	drop_stream(node, link);
	peers_links_end(node->links, link);
}

bool node_perform_peer(struct node *node, const struct zab_action *action)
{
	/* Leaving the others, it may still want something of them. */
	if (!node->links || !node->election)
		return true;
	switch (action->type) {
	case ZAB_NOTIFY:
		peers_election_send(node->election, action->sid, action->bytes);
		return true;
	case ZAB_LISTEN:
		node->is_listening = true;
		peers_links_listen(node->links);
		return true;
	case ZAB_UNLISTEN:
		node->is_listening = false;
		peers_links_unlisten(node->links);
		return true;
	case ZAB_CONNECT:
		node->connect_count++;
		peers_links_connect(node->links, action->sid, action->deadline_ms);
		return true;
	case ZAB_DISCONNECT:
		node->connect_count++;
		peers_links_disconnect(node->links);
		return true;
	case ZAB_SEND:
		peers_links_send(node->links, action->link, action->bytes);
		return true;
	case ZAB_SEND_SNAPSHOT:
		send_snapshot(node, action->link);
		return true;
	case ZAB_CLOSE:
		end_link(node, action->link);
		return true;
	default:
		return false;
	}
}

void node_update_peers(struct node *node)
{
	if (!node->links)
		return;
	resume_leader(node);
	begin_waiting_streams(node);
	peers_links_feed_streams(node->links);
}

/* ---- life ---- */

static void open_links(struct node *node, const struct peers_places *places)
{
	static const struct peers_links_events events = {
		.accepted = on_link_accepted,
		.connected = on_link_connected,
		.bytes = on_link_bytes,
		.closed = on_link_closed,
		.wants_chunk = on_wants_chunk,
	};
	const struct config *config = node->config;
	const struct peers_links_options options = {
		.servers = config->servers,
		.server_count = config->server_count,
		.places = places,
		.input_size_max = 2 * (size_t)config->jute_maxbuffer_size + LINK_INPUT_EXTRA_SIZE,
		.output_size_max = LINK_OUTPUT_SIZE_MAX,
		.first_timeout_ms = (msec_t)config->tick_time_ms * config->init_limit_ticks,
		.connect_timeout_ms = (msec_t)config->tick_time_ms * config->sync_limit_ticks,
	};

	node->links = peers_links_new(node->loop, &options, &events, node);
}

static int open_election(struct node *node, const struct peers_places *places, char **ret_error)
{
	static const struct peers_election_events events = {
		.is_notification = is_notification,
		.notification = on_notification,
		.reach = on_reach,
	};
	const struct config *config = node->config;
	const struct peers_election_options options = {
		.servers = config->servers,
		.server_count = config->server_count,
		.myid = config->myid,
		.places = places,
		.tells_all_addresses = config->multi_address,
		.initiation_timeout_ms = (msec_t)config->tick_time_ms * config->sync_limit_ticks,
	};

	return peers_election_open(node->loop, &options, &events, node, &node->election, ret_error);
}

static void say_who_it_is(const struct node *node)
{
	const struct config *config = node->config;

	log_info("node", "is server %" PRId64 " of an ensemble of %zu, %zu of them voters",
		 config->myid, config->server_count, config_voter_count(config));
	/* Whoever starts two of three new servers, and waits, reads this. */
	if (store_state(node->store)->is_empty && !data_dir_may_bootstrap(config->data_dir))
		log_info("node",
			 "has no data: it votes when all voters are there and have none either, or "
			 "when a leader has given it theirs; a new ensemble of fewer begins with "
			 "an empty file %s/initialize",
			 config->data_dir);
}

int node_open_peers(struct node *node, char **ret_error)
{
	struct peers_places places;
	int error;

	if (!config_is_ensemble(node->config))
		return 0;
	peers_places_find(&places, config_self(node->config),
			  node->config->quorum_listen_on_all_ips);
	open_links(node, &places);
	error = peers_links_try_to_listen(node->links, ret_error);
	if (error == 0)
		error = open_election(node, &places, ret_error);
	if (error == 0)
		say_who_it_is(node);
	return error;
}

void node_close_peers(struct node *node)
{
	struct list *first;

	while ((first = list_first(&node->streams)))
		free_stream(list_item(first, struct stream, link));
	peers_links_free(node->links);
	peers_election_close(node->election);
	node->links = NULL;
	node->election = NULL;
	node->leader_link = ZAB_LINK_NONE;
}
