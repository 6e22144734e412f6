/*
 * What the parts want: of each other, done here; and of the driver, in the order in which they
 * wanted it. The server's wishes are heard first: it can't take an event before they are met,
 * while the core queues its own behind those that it has.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "replica/server/replica_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

enum { WISH_CAPACITY_MIN = 16, TEXT_SIZE_MAX = 256 };

/* DONE: within the replica, so look for the next. */
enum taken { TAKEN_NOTHING, TAKEN_DONE, TAKEN_ACTION };

/* ---- what the replica itself wants of the driver ---- */

static struct wish *add_wish(struct replica *replica)
{
	if (replica->wish_count == replica->wish_capacity) {
		replica->wish_capacity =
			replica->wish_capacity ? 2 * replica->wish_capacity : WISH_CAPACITY_MIN;
		replica->wishes = mem_realloc(replica->wishes,
					      replica->wish_capacity * sizeof(*replica->wishes));
	}
	return &replica->wishes[replica->wish_count++];
}

void replica_put(struct replica *replica, const struct replica_action *action)
{
	*add_wish(replica) = (struct wish){.action = *action};
}

void replica_forget_wishes(struct replica *replica)
{
	for (size_t at = 0; at < replica->wish_count; at++)
		blob_unref(replica->wishes[at].text);
	replica->wish_at = replica->wish_count = 0;
}

void replica_log(struct replica *replica, int level, const char *format, ...)
{
	struct wish *wish = add_wish(replica);
	char text[TEXT_SIZE_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments); /* a long one is cut */
	va_end(arguments);
	*wish = (struct wish){.text = blob_new(bytes_of(text, strlen(text) + 1))};
	wish->action.type = REPLICA_PEER;
	wish->action.zab.type = ZAB_LOG;
	wish->action.zab.level = level;
	wish->action.zab.text = (const char *)wish->text->bytes;
}

static enum taken take_wish(struct replica *replica, struct replica_action *ret_action)
{
	if (replica->wish_at == replica->wish_count) {
		replica_forget_wishes(replica);
		return TAKEN_NOTHING;
	}
	*ret_action = replica->wishes[replica->wish_at++].action;
	return TAKEN_ACTION;
}

static void put_close(struct replica *replica, zab_link_t link)
{
	const struct replica_action close = {.type = REPLICA_PEER,
					     .zab = {.type = ZAB_CLOSE, .link = link}};

	replica_put(replica, &close);
}

void replica_close_link(struct replica *replica, zab_link_t link)
{
	put_close(replica, link);
	replica_link_closed(replica, link);
}

/* ---- the server's ---- */

/* Its role may have ended while it spoke. */
static bool leads(const struct replica *replica)
{
	struct zab_status status;

	zab_get_status(replica->zab, &status);
	return status.state == ZAB_LEADING && status.is_serving;
}

/*
 * A counter that is used up is an epoch's end: what is proposed then is lost with it, as is what
 * a leader proposes that is none any more. The server counts on, over the end, for what does not
 * wait for room: sessions that expire together.
 */
static bool is_within_epoch(const struct replica *replica, zxid_t zxid)
{
	return zxid_epoch(zxid) == zxid_epoch(zab_next_zxid(replica->zab)) &&
	       zxid_counter(zxid) < UINT32_MAX;
}

static void propose(struct replica *replica, const struct server_action *action)
{
	if (leads(replica) && is_within_epoch(replica, action->zxid))
		zab_propose(replica->zab, action->zxid, action->txn);
}

static enum taken append(struct replica *replica, const struct server_action *action,
			 struct replica_action *ret_action)
{
	if (replica->zab) {
		propose(replica, action);
		return TAKEN_DONE;
	}
	*ret_action = (struct replica_action){
		.type = REPLICA_PEER,
		.zab = {.type = ZAB_APPEND,
			.zxid = action->zxid,
			.txn = action->txn,
			.committed = replica->committed},
	};
	return TAKEN_ACTION;
}

/* The server has forgotten it by itself. */
static void cut_learner(struct replica *replica, zab_link_t link)
{
	replica_log(replica, 2, "learner %lld: more of its requests wait than are kept",
		    (long long)zab_link_sid(replica->zab, link));
	put_close(replica, link);
	zab_link_closed(replica->zab, link);
}

static enum taken take_server(struct replica *replica, struct replica_action *ret_action)
{
	struct server_action action;

	if (!replica->server || !server_take_action(replica->server, &action))
		return TAKEN_NOTHING;
	switch (action.type) {
	case SERVER_APPEND:
		return append(replica, &action, ret_action);
	case SERVER_TO_LEARNER:
	case SERVER_TO_LEADER:
		zab_send(replica->zab, action.link, &action.packet);
		return TAKEN_DONE;
	case SERVER_CLOSE_LEARNER:
		cut_learner(replica, action.link);
		return TAKEN_DONE;
	case SERVER_CLOSE:
		replica_note_client_closed(replica, action.connection);
		break;
	default:
		break;
	}
	*ret_action = (struct replica_action){.type = REPLICA_CLIENT, .client = action};
	return TAKEN_ACTION;
}

/* ---- the core's ---- */

static void change_role(struct replica *replica, const struct zab_action *action)
{
	const struct replica_action role = {.type = REPLICA_ROLE, .zab = *action};

	if (action->state == ZAB_LOOKING)
		replica_drop_server(replica);
	replica->state = action->state;
	replica_put(replica, &role);
	if (action->is_serving)
		replica_begin_server(replica,
				     action->state == ZAB_LEADING ? SERVER_LEADER : SERVER_LEARNER,
				     action->epoch);
}

/* Each mismatch is counted; the first, and ever fewer of the next, are worth a line. */
static void tell_mismatch(struct replica *replica, zxid_t zxid)
{
	uint64_t count = server_digest_mismatches(replica->server);

	if ((count & (count - 1)) == 0)
		replica_log(replica, 2,
			    "the tree behind 0x%llx is not the one that the leader computed; "
			    "%llu so far; zkfsd(8), DIAGNOSTICS",
			    (unsigned long long)zxid, (unsigned long long)count);
}

static void deliver_to_learner(struct replica *replica, const struct zab_action *action)
{
	uint64_t mismatches = server_digest_mismatches(replica->server);

	server_deliver(replica->server, action->zxid, blob_bytes(action->txn));
	if (server_digest_mismatches(replica->server) != mismatches)
		tell_mismatch(replica, action->zxid);
}

static void deliver(struct replica *replica, const struct zab_action *action)
{
	int error;

	replica->committed = action->zxid;
	if (!replica->server) {
		error = replay_txn(&replica->replay, action->zxid, blob_bytes(action->txn));
		ASSERT(!error); /* it was looked at when it came */
	} else if (replica->state == ZAB_LEADING) {
		server_committed(replica->server, action->zxid);
	} else {
		deliver_to_learner(replica, action);
	}
}

static int take_request(struct replica *replica, zab_link_t link, const struct zab_packet *packet)
{
	const struct auth_ids ids = {.count = packet->auth_count, .encoded = packet->auth};
	struct zab_request request;
	int error = zab_request_read(packet->data, &request);

	if (error == 0)
		server_learner_request(replica->server, link, &request,
				       packet->auth_count < 0 ? NULL : &ids);
	return error;
}

static int take_revalidate(struct replica *replica, zab_link_t link,
			   const struct zab_packet *packet)
{
	struct zab_session session;
	int error = zab_session_read(packet->data, &session);

	if (error == 0)
		server_learner_revalidate(replica->server, link, &session);
	return error;
}

static int receive_from_learner(struct replica *replica, zab_link_t link,
				const struct zab_packet *packet)
{
	switch (packet->type) {
	case ZAB_REQUEST:
		return take_request(replica, link, packet);
	case ZAB_REVALIDATE:
		return take_revalidate(replica, link, packet);
	case ZAB_PING:
		return server_learner_touched(replica->server, packet->data);
	default:
		return 0;
	}
}

static int receive_from_leader(struct replica *replica, const struct zab_packet *packet)
{
	session_id_t id;
	bool is_valid;
	int error = 0;

	switch (packet->type) {
	case ZAB_SYNC:
		(void)server_synced(replica->server); /* one that nobody asked for is ignored */
		break;
	case ZAB_REVALIDATE:
		error = zab_revalidated_read(packet->data, &id, &is_valid);
		if (error == 0)
			server_revalidated(replica->server, id, is_valid);
		break;
	default:
		break;
	}
	return error;
}

static void receive(struct replica *replica, const struct zab_action *action)
{
	const struct zab_packet *packet = &action->packet;
	int error;

	if (!replica->server)
		return;
	if (replica->state == ZAB_LEADING)
		error = receive_from_learner(replica, action->link, packet);
	else
		error = receive_from_leader(replica, packet);
	if (error == 0)
		return;
	replica_log(replica, 2, "%s of server %lld is malformed: closes the connection",
		    zab_packet_name(packet->type), (long long)action->sid);
	replica_close_link(replica, action->link);
}

static void pong(struct replica *replica)
{
	buf_reset(&replica->table);
	if (replica->server && replica->state != ZAB_LEADING)
		server_take_touched(replica->server, &replica->table);
	zab_pong(replica->zab, buf_bytes(&replica->table));
}

static void note_appended(struct replica *replica, zxid_t zxid)
{
	replica->appended = zxid;
	if (replica->server && replica->state != ZAB_LEADING)
		server_note_proposed(replica->server, zxid);
}

/* What the driver is to do concerns the replica, too. */
static void follow(struct replica *replica, struct replica_action *action)
{
	switch (action->zab.type) {
	case ZAB_APPEND:
		note_appended(replica, action->zab.zxid);
		break;
	case ZAB_CLOSE:
		if (replica->server && replica->state == ZAB_LEADING)
			server_learner_closed(replica->server, action->zab.link);
		break;
	case ZAB_TRUNCATE:
		replica->appended = action->zab.zxid;
		break;
	case ZAB_RECEIVE_SNAPSHOT:
		replica_begin_snapshot(replica, action->zab.link, action->zab.zxid);
		break;
	case ZAB_INSTALL_SNAPSHOT:
		replica_install_snapshot(replica, action);
		break;
	case ZAB_ABORT_SNAPSHOT:
		replica_abort_snapshot(replica);
		break;
	default:
		break;
	}
}

static enum taken take_zab(struct replica *replica, struct replica_action *ret_action)
{
	struct zab_action *action = &ret_action->zab;

	if (!replica->zab || replica->is_reloading || !zab_take_action(replica->zab, action))
		return TAKEN_NOTHING;
	switch (action->type) {
	case ZAB_ROLE:
		change_role(replica, action);
		return TAKEN_DONE;
	case ZAB_DELIVER:
		deliver(replica, action);
		return TAKEN_DONE;
	case ZAB_RECEIVED:
		receive(replica, action);
		return TAKEN_DONE;
	case ZAB_PINGED:
		pong(replica);
		return TAKEN_DONE;
	default:
		ret_action->type = REPLICA_PEER;
		follow(replica, ret_action);
		return TAKEN_ACTION;
	}
}

/* ---- all of them ---- */

/* A leader makes transactions as long as store and core have room for them. */
static enum taken update_intake(struct replica *replica)
{
	bool wanted = replica->may_intake;

	if (!replica->server)
		return TAKEN_NOTHING;
	if (replica->zab && replica->state == ZAB_LEADING)
		wanted = wanted && zab_can_propose(replica->zab);
	if (wanted == replica->has_intake)
		return TAKEN_NOTHING;
	replica->has_intake = wanted;
	server_set_intake(replica->server, wanted);
	return TAKEN_DONE;
}

static enum taken serve_waiting(struct replica *replica)
{
	return replica->server && replica_serve_client(replica) ? TAKEN_DONE : TAKEN_NOTHING;
}

static enum taken take_staged(struct replica *replica, struct replica_action *ret_action)
{
	return replica_take_staged(replica, ret_action) ? TAKEN_ACTION : TAKEN_NOTHING;
}

static enum taken take(struct replica *replica, struct replica_action *ret_action)
{
	enum taken taken = take_server(replica, ret_action);

	if (taken == TAKEN_NOTHING)
		taken = take_wish(replica, ret_action);
	if (taken == TAKEN_NOTHING)
		taken = take_staged(replica, ret_action);
	if (taken == TAKEN_NOTHING)
		taken = serve_waiting(replica);
	if (taken == TAKEN_NOTHING)
		taken = take_zab(replica, ret_action);
	if (taken == TAKEN_NOTHING)
		taken = update_intake(replica);
	return taken;
}

bool replica_take_action(struct replica *replica, struct replica_action *ret_action)
{
	enum taken taken;

	do
		taken = take(replica, ret_action);
	while (taken == TAKEN_DONE);
	return taken == TAKEN_ACTION;
}
