#include "replica/io/node_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/log.h"

enum {
	/* Of one link. What a leader keeps for a learner's DIFF, what is proposed and not yet
	   committed, and room beside both. */
	LINK_OUTPUT_SIZE_MAX = 256 << 20,
	/* Of a packet, or of a field of a snapshot, that is not whole yet. */
	LINK_INPUT_EXTRA_SIZE = 4 << 20,
};

/* ---- events: the election ---- */

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
	replica_link_accepted(node->replica, link);
	node_pump(node);
}

static void on_link_connected(zab_link_t link, void *data)
{
	struct node *node = data;

	if (node_is_over(node))
		return;
	node->leader_link = link;
	node->is_leader_paused = false;
	node_enter(node);
	replica_connected(node->replica, link);
	node_pump(node);
}

static void on_link_closed(zab_link_t link, void *data)
{
	struct node *node = data;

	if (node_is_over(node))
		return;
	node_enter(node);
	replica_link_closed(node->replica, link);
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
		peers_links_listen(node->links);
		return true;
	case ZAB_UNLISTEN:
		peers_links_unlisten(node->links);
		return true;
	case ZAB_CONNECT:
		peers_links_connect(node->links, action->sid, action->deadline_ms);
		return true;
	case ZAB_DISCONNECT:
		peers_links_disconnect(node->links);
		return true;
	case ZAB_SEND:
		peers_links_send(node->links, action->link, action->bytes);
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
		log_info("node", "is server %" PRId64 " of an ensemble of %zu, %zu of them voters",
			 node->config->myid, node->config->server_count,
			 config_voter_count(node->config));
	return error;
}

void node_close_peers(struct node *node)
{
	peers_links_free(node->links);
	peers_election_close(node->election);
	node->links = NULL;
	node->election = NULL;
	node->leader_link = ZAB_LINK_NONE;
}
