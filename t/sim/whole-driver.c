/* A whole replica's network: its actions there, and what comes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "t/sim/sim-mail.h"
#include "t/sim/whole-host-impl.h"

enum { INPUT_SIZE_MAX = 16 << 20, LENGTH_SIZE = 4 };

/* ---- links ---- */

struct whole_link *whole_link_find(const struct whole_host *host, uint64_t number)
{
	list_for_each (&host->links, at) {
		struct whole_link *link = list_item(at, struct whole_link, list);

		if (link->number == number)
			return link;
	}
	return NULL;
}

static void link_add(struct whole_host *host, uint64_t number)
{
	struct whole_link *link = mem_zalloc(sizeof(*link));

	link->number = number;
	link->peer = sim_net_peer(host->net, number);
	buf_init(&link->input, INPUT_SIZE_MAX);
	list_append(&host->links, &link->list);
}

void whole_link_forget(struct whole_host *host, struct whole_link *link)
{
	whole_streams_cancel(host, link->number);
	list_remove(&link->list);
	buf_release(&link->input);
	free(link);
}

/* ---- actions ---- */

static void send_packet(struct whole_host *host, const struct zab_action *action)
{
	struct whole_link *link = whole_link_find(host, action->link);
	struct zab_packet packet;

	if (!link) {
		sim_fail(host->world, "server %" PRId64 " sends on a link that it has not",
			 host->sid);
		return;
	}
	if (zab_packet_read(action->bytes, host->config.zab.data_size_max, &packet) !=
	    action->bytes.size) {
		sim_fail(host->world, "server %" PRId64 " sends what is not one packet", host->sid);
		return;
	}
	if (link->is_streaming)
		sim_fail(host->world, "server %" PRId64 " sends %s into a snapshot", host->sid,
			 zab_packet_name(packet.type));
	if (packet.type == ZAB_SNAP)
		link->is_streaming = true;
	sim_trace(host->world, host->sid, zab_packet_name(packet.type), packet.zxid, link->peer,
		  (int64_t)link->number);
	sim_trace_bytes(host->world, action->bytes);
	sim_net_send(host->net, action->link, action->bytes);
}

static void close_link(struct whole_host *host, uint64_t number)
{
	struct whole_link *link = whole_link_find(host, number);

	if (link)
		whole_link_forget(host, link);
	sim_net_close(host->net, number);
}

static void perform_peer(struct whole_host *host, const struct zab_action *action)
{
	switch (action->type) {
	case ZAB_NOTIFY:
		sim_trace(host->world, host->sid, "notify", action->sid, 0, 0);
		sim_trace_bytes(host->world, action->bytes);
		sim_mail_send(host->net->mail, host->sid, action->sid, action->bytes);
		break;
	case ZAB_LISTEN:
	case ZAB_UNLISTEN:
		host->is_listening = action->type == ZAB_LISTEN;
		sim_net_listen(host->net, host->sid, host->is_listening);
		break;
	case ZAB_CONNECT:
		sim_net_connect(host->net, host->sid, action->sid,
				sim_clock_us(&host->clock, action->deadline_ms));
		break;
	case ZAB_DISCONNECT:
		sim_net_disconnect(host->net, host->sid);
		break;
	case ZAB_SEND:
		send_packet(host, action);
		break;
	case ZAB_CLOSE:
		close_link(host, action->link);
		break;
	case ZAB_SEND_SNAPSHOT:
		whole_stream_send(host, action->link);
		break;
	case ZAB_LOG:
		if (host->world->is_tracing)
			printf("%10.3f %" PRId64 " (%s)\n", (double)host->world->now_us / 1000,
			       host->sid, action->text);
		break;
	case ZAB_FATAL:
		sim_fail(host->world, "server %" PRId64 " gives up: %s", host->sid, action->text);
		break;
	default:
		sim_fail(host->world, "server %" PRId64 ": action %d is none", host->sid,
			 (int)action->type);
	}
}

/* The first that a client is told: a connect response. */
static void note_greeting(struct whole_host *host, struct whole_link *link, struct bytes bytes)
{
	struct zk_connect_response response;
	struct jute_reader reader;

	if (link->is_greeted)
		return;
	link->is_greeted = true;
	jute_reader_init(&reader, (const uint8_t *)bytes.data + LENGTH_SIZE,
			 bytes_size(bytes) - LENGTH_SIZE, bytes_size(bytes));
	zk_connect_response_read(&reader, &response);
	if (!reader.error && response.timeout_ms > 0)
		whole_check_welcomed(host->check, host->sid, response.session_id,
				     tree_zxid(replica_tree(host->replica)));
}

static void perform_client(struct whole_host *host, const struct server_action *action)
{
	struct whole_link *link = whole_link_find(host, action->connection);

	if (!link || link->is_closing)
		return;
	switch (action->type) {
	case SERVER_SEND:
		sim_trace(host->world, host->sid, "reply", link->peer, action->bytes.size, 0);
		sim_trace_bytes(host->world, action->bytes);
		note_greeting(host, link, action->bytes);
		sim_net_send(host->net, link->number, action->bytes);
		break;
	case SERVER_CLOSE:
		sim_trace(host->world, host->sid, "close client", link->peer, 0, 0);
		link->is_closing = true;
		sim_net_close(host->net, link->number);
		break;
	case SERVER_PAUSE:
	case SERVER_RESUME:
		sim_net_hold(host->net, link->number, action->type == SERVER_PAUSE);
		break;
	default:
		sim_fail(host->world, "server %" PRId64 ": action %d of a client is none",
			 host->sid, (int)action->type);
	}
}

static void change_role(struct whole_host *host, const struct zab_action *action)
{
	host->state = action->state;
	host->epoch = action->epoch;
	host->is_serving = action->is_serving;
	sim_trace(host->world, host->sid, "role", action->state, action->epoch, action->is_serving);
	if (!whole_host_leads(host))
		return;
	host->counts.leaderships++;
	whole_check_leads(host->check, host->sid, whole_local_ms(host));
}

static void perform(struct whole_host *host, const struct replica_action *action)
{
	if (action->type == REPLICA_CLIENT)
		perform_client(host, &action->client);
	else if (action->type == REPLICA_ROLE)
		change_role(host, &action->zab);
	else if (!whole_store_perform(host, action))
		perform_peer(host, &action->zab);
}

/* False: none was closed. */
static bool report_closed(struct whole_host *host)
{
	list_for_each (&host->links, at) {
		struct whole_link *link = list_item(at, struct whole_link, list);
		uint64_t number = link->number;

		if (!link->is_closing)
			continue;
		whole_link_forget(host, link);
		replica_client_closed(host->replica, number);
		return true;
	}
	return false;
}

void whole_perform_all(struct whole_host *host)
{
	struct replica_action action;

	do {
		while (host->replica && !host->world->has_failed &&
		       replica_take_action(host->replica, &action)) {
			whole_store_look(host);
			perform(host, &action);
			if (host->actions_left > 0 && --host->actions_left == 0)
				whole_host_crash(host, false);
		}
		if (host->replica)
			whole_store_look(host);
	} while (host->replica && !host->world->has_failed && report_closed(host));
}

/* ---- what comes: peers ---- */

static void on_notification(void *data, int64_t from, struct bytes bytes)
{
	struct whole_host *host = data;

	if (!whole_turn_begin(host))
		return;
	sim_trace(host->world, host->sid, "heard", from, 0, 0);
	replica_notification(host->replica, from, bytes);
	whole_turn_end(host);
}

static void on_reachable(void *data, int64_t sid, bool is_reachable)
{
	struct whole_host *host = data;

	if (!whole_turn_begin(host))
		return;
	sim_trace(host->world, host->sid, "reachable", sid, is_reachable, 0);
	replica_set_reachable(host->replica, sid,
			      is_reachable ? ELECTION_REACHABLE : ELECTION_UNREACHABLE);
	whole_turn_end(host);
}

static void on_accepted(void *data, uint64_t number)
{
	struct whole_host *host = data;

	if (!whole_turn_begin(host))
		return;
	sim_trace(host->world, host->sid, "accepted", (int64_t)number, 0, 0);
	if (sim_net_is_client(sim_net_peer(host->net, number))) {
		link_add(host, number);
		replica_client_opened(host->replica, number, "127.0.0.1");
	} else if (host->is_listening) {
		link_add(host, number);
		replica_link_accepted(host->replica, number);
	} else { /* the tick has ended that */
		sim_net_close(host->net, number);
	}
	whole_turn_end(host);
}

static void on_connected(void *data, uint64_t number)
{
	struct whole_host *host = data;

	if (!whole_turn_begin(host))
		return;
	sim_trace(host->world, host->sid, "connected", (int64_t)number, 0, 0);
	if (number != ZAB_LINK_NONE)
		link_add(host, number);
	replica_connected(host->replica, number);
	whole_turn_end(host);
}

static void on_closed(void *data, uint64_t number)
{
	struct whole_host *host = data;
	struct whole_link *link;

	if (!whole_turn_begin(host))
		return;
	link = whole_link_find(host, number);
	if (link) { /* or the tick has closed it */
		bool is_client = sim_net_is_client(link->peer);

		sim_trace(host->world, host->sid, "closed", (int64_t)number, 0, 0);
		whole_link_forget(host, link);
		if (is_client)
			replica_client_closed(host->replica, number);
		else
			replica_link_closed(host->replica, number);
	}
	whole_turn_end(host);
}

/* A leader is told of sessions: what expiry has to respect. */
static void note_sessions(struct whole_host *host, struct bytes bytes)
{
	struct zab_session session;
	struct zab_packet packet;

	if (!whole_host_leads(host) ||
	    zab_packet_read(bytes, host->config.zab.data_size_max, &packet) <= 0 ||
	    (packet.type != ZAB_PING && packet.type != ZAB_REVALIDATE))
		return;
	for (size_t at = 0; at + ZAB_SESSION_SIZE <= bytes_size(packet.data);
	     at += ZAB_SESSION_SIZE)
		if (!zab_session_read(
			    bytes_of((const uint8_t *)packet.data.data + at, ZAB_SESSION_SIZE),
			    &session))
			whole_check_touched(host->check, host->sid, session.id,
					    whole_local_ms(host));
}

static size_t peer_step(struct whole_host *host, struct whole_link *link)
{
	struct bytes bytes = buf_bytes(&link->input);

	if (link->number == host->receiving)
		whole_stream_moves(host);
	else
		note_sessions(host, bytes);
	return replica_link_bytes(host->replica, link->number, bytes);
}

/* ---- what comes: clients ---- */

static void note_client(struct whole_host *host, uint64_t number)
{
	struct server_connection_stats stats;

	if (whole_host_leads(host) && replica_is_serving(host->replica) &&
	    server_get_connection_stats(replica_server(host->replica), number, &stats) &&
	    stats.session_id != 0 && stats.timeout_ms != 0)
		whole_check_touched(host->check, host->sid, stats.session_id, whole_local_ms(host));
}

static size_t client_step(struct whole_host *host, struct whole_link *link)
{
	struct bytes bytes = buf_bytes(&link->input);
	uint32_t size;

	if (bytes_size(bytes) < LENGTH_SIZE)
		return 0;
	size = endian_get_u32(bytes.data);
	if (bytes_size(bytes) - LENGTH_SIZE < size)
		return 0;
	note_client(host, link->number);
	replica_client_frame(host->replica, link->number,
			     bytes_of((const uint8_t *)bytes.data + LENGTH_SIZE, size));
	return LENGTH_SIZE + size;
}

/* One step, and what it asks for. False: nothing is whole, or the link or the process is gone. */
static bool step(struct whole_host *host, uint64_t number)
{
	struct whole_link *link = whole_link_find(host, number);
	size_t consumed;

	if (!link || link->is_closing || link->input.size == 0)
		return false;
	consumed = sim_net_is_client(link->peer) ? client_step(host, link) : peer_step(host, link);
	whole_perform_all(host);
	if (!host->replica || host->world->has_failed)
		return false;
	link = whole_link_find(host, number);
	if (!link || consumed == 0)
		return false;
	buf_consume(&link->input, consumed);
	return true;
}

static void on_bytes(void *data, uint64_t number, struct bytes bytes)
{
	struct whole_host *host = data;
	struct whole_link *link;

	if (!whole_turn_begin(host))
		return;
	link = whole_link_find(host, number);
	if (link)
		buf_append(&link->input, bytes.data, bytes_size(bytes));
	while (step(host, number))
		;
	if (host->replica && !host->world->has_failed)
		whole_turn_end(host);
}

static void on_stream(void *data, uint64_t number, struct blob *stream)
{
	on_bytes(data, number, blob_bytes(stream));
}

struct sim_endpoint whole_endpoint_of(struct whole_host *host)
{
	return (struct sim_endpoint){
		.data = host,
		.notification = on_notification,
		.reachable = on_reachable,
		.accepted = on_accepted,
		.connected = on_connected,
		.closed = on_closed,
		.packet = on_bytes,
		.stream = on_stream,
	};
}
