#include "replica/server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replica/server/server_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

enum {
	TICK_MS_DEFAULT = 2000,
	OUTSTANDING_LIMIT_DEFAULT = 1000,
	SESSIONLESS_TIMEOUT_MS_DEFAULT = 10000,
};

void server_config_init(struct server_config *config)
{
	*config = (struct server_config){
		.server_id = 1,
		.tick_ms = TICK_MS_DEFAULT,
		.timeout_min_ms = 2 * TICK_MS_DEFAULT,
		.timeout_max_ms = 20 * TICK_MS_DEFAULT,
		.jute_maxbuffer = ZK_JUTE_MAXBUFFER_DEFAULT,
		.outstanding_limit = OUTSTANDING_LIMIT_DEFAULT,
		.sessionless_timeout_ms = SESSIONLESS_TIMEOUT_MS_DEFAULT,
		.digest_enabled = true,
	};
}

/* ---- life ---- */

struct server *server_new(const struct server_config *config, struct tree *tree)
{
	struct server *server = mem_zalloc(sizeof(*server));

	ASSERT(config->extended_types == tree_extended_types(tree));
	server->config = *config;
	server->tree = tree;
	server->intake = true;
	watches_init(&server->watches);
	map_init(&server->connections);
	map_init(&server->by_session);
	list_init(&server->unestablished);
	list_init(&server->outgoing);
	list_init(&server->proposals);
	list_init(&server->syncs);
	list_init(&server->asked_syncs);
	map_init(&server->touched);
	server->touch_round = 1;
	map_init(&server->learners);
	list_init(&server->learner_waits);
	buf_init(&server->txn, (size_t)config->jute_maxbuffer * 4);
	buf_init(&server->packets, SIZE_MAX);
	return server;
}

static void remove_connection(struct server *server, struct connection *connection)
{
	if (connection->state != CONNECTION_CLOSED)
		server_close_connection(server, connection);
	map_remove(&server->connections, &connection->by_id);
	list_remove(&connection->outgoing);
	connection_free(connection);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	map_for_each (&server->connections, at)
		remove_connection(server, map_item(at, struct connection, by_id));
	map_release(&server->connections);
	map_release(&server->by_session);
	proposal_forget_all(server);
	forward_forget_all(server);
	learners_forget_all(server);
	if (server->started) {
		prep_release(&server->prep);
		session_tracker_release(&server->tracker);
	}
	apply_release(&server->apply);
	watches_release(&server->watches);
	buf_release(&server->txn);
	buf_release(&server->packets);
	free(server->steps);
	free(server);
}

static void track_sessions(struct server *server)
{
	const struct tree_session *at = NULL;

	while ((at = tree_next_session(server->tree, at))) {
		struct session *session;

		if (!at->open)
			continue;
		session = session_track(&server->tracker, at->id, at->timeout_ms, server->now_ms);
		session->ephemeral_size = at->ephemeral_size;
	}
}

/* Ephemerals of no session, as a foreign snapshot can hold them, go by a transaction like any
 * other. */
static void close_orphans(struct server *server)
{
	const struct tree_session *at = NULL;

	while ((at = tree_next_session(server->tree, at)))
		if (!at->open)
			proposal_close_session(server, at->id);
}

static bool makes_transactions(const struct server *server)
{
	return server->role != SERVER_LEARNER;
}

static zxid_t max_zxid(zxid_t a, zxid_t b)
{
	return a > b ? a : b;
}

void server_start(struct server *server, enum server_role role, uint32_t epoch, msec_t now_ms,
		  msec_t wall_ms)
{
	const struct prep_config prep = {
		.jute_maxbuffer = server->config.jute_maxbuffer,
		.digest_enabled = server->config.digest_enabled,
		.skip_acl = server->config.skip_acl,
		.reconfig_enabled = server->config.reconfig_enabled,
	};
	session_id_t first_id = server->config.first_session_id;

	ASSERT(!server->started);
	server->started = true;
	server->role = role;
	server->now_ms = now_ms;
	server->wall_ms = wall_ms;
	server->epoch_zxid = zxid_make(epoch, 0);
	ASSERT(role != SERVER_LEADER || tree_zxid(server->tree) <= server->epoch_zxid);
	server->proposed = server_applied(server);
	server->committed = server->proposed;
	/* Java's clock is monotonic, but begins anew with the machine: the wall's doesn't. */
	if (first_id == 0)
		first_id = session_first_id(server->config.server_id, wall_ms);
	session_tracker_init(&server->tracker, server->config.tick_ms, first_id);
	if (makes_transactions(server))
		track_sessions(server);
	prep_init(&server->prep, &prep, server->tree, &server->tracker);
	apply_init(&server->apply, server->tree, &server->watches, watching_event, server);
	if (makes_transactions(server))
		close_orphans(server);
}

zxid_t server_applied(const struct server *server)
{
	return max_zxid(tree_zxid(server->tree), server->epoch_zxid);
}

void server_set_mutation(struct server *server, enum server_mutation mutation)
{
	server->mutation = mutation;
}

void server_set_digest_mismatches(struct server *server, uint64_t count)
{
	server->digest_mismatches = count;
}

uint64_t server_digest_mismatches(const struct server *server)
{
	return server->digest_mismatches;
}

/* ---- connections ---- */

struct connection *server_find_connection(const struct server *server, connection_id_t id)
{
	struct map_entry *entry = map_find(&server->connections, bytes_of(&id, sizeof(id)));

	return entry ? map_item(entry, struct connection, by_id) : NULL;
}

void server_close_connection(struct server *server, struct connection *connection)
{
	const struct server_action close = {.type = SERVER_CLOSE, .connection = connection->id};

	ASSERT(connection->state != CONNECTION_CLOSED);
	connection->state = CONNECTION_CLOSED;
	establish_set_session(server, connection, 0);
	list_remove(&connection->unestablished);
	watcher_release(&server->watches, &connection->watcher);
	server->outstanding -= connection->queue_count;
	while (connection->queue_count > 0)
		connection_dequeue(connection, connection_first(connection));
	/* An output that passed its maximum ends in the middle of a frame; what is whole may go. */
	if (connection->out.error)
		buf_truncate(&connection->out, connection->frame_at);
	server_emit(server, &close);
}

void server_pause(struct server *server, struct connection *connection, enum pause_reason reason)
{
	const struct server_action pause = {.type = SERVER_PAUSE, .connection = connection->id};

	if (connection->paused == 0)
		server_emit(server, &pause);
	connection->paused |= reason;
}

void server_resume(struct server *server, struct connection *connection, enum pause_reason reason)
{
	const struct server_action resume = {.type = SERVER_RESUME, .connection = connection->id};

	if (!(connection->paused & reason) || connection->state == CONNECTION_CLOSED)
		return;
	connection->paused &= ~(unsigned)reason;
	if (connection->paused != 0)
		return;
	server_emit(server, &resume);
	intake_held(server, connection);
}

/* ---- events ---- */

static msec_t sessionless_end_ms(const struct server *server, const struct connection *connection)
{
	return connection->stats.opened_ms + server->config.sessionless_timeout_ms;
}

bool server_touch(struct server *server, struct connection *connection)
{
	int32_t timeout_ms = connection->timeout_ms;

	if (server->mutation == SERVER_MUTATION_EXPIRE_EARLY)
		timeout_ms /= 2;
	if (makes_transactions(server))
		return session_touch(&server->tracker, connection->session_id, timeout_ms,
				     server->now_ms);
	if (connection->state != CONNECTION_ESTABLISHED || connection->is_closing)
		return false;
	forward_touch(server, connection);
	return true;
}

/* Not while new sessions are held back: it is we who let them wait. */
static void close_sessionless(struct server *server)
{
	struct list *first;

	while (server->intake && (first = list_first(&server->unestablished))) {
		struct connection *connection = list_item(first, struct connection, unestablished);

		if (sessionless_end_ms(server, connection) > server->now_ms)
			return;
		server_close_connection(server, connection);
	}
}

static void expire_sessions(struct server *server)
{
	struct session *session;

	while (server->intake && (session = session_next_expired(&server->tracker, server->now_ms)))
		proposal_close_session(server, session->id);
}

void server_tick(struct server *server, msec_t now_ms, msec_t wall_ms)
{
	server_begin_event(server);
	ASSERT(now_ms >= server->now_ms);
	server->now_ms = now_ms;
	server->wall_ms = wall_ms;
	close_sessionless(server);
	expire_sessions(server);
}

msec_t server_next_tick_ms(const struct server *server)
{
	struct list *first = list_first(&server->unestablished);
	msec_t expiry_ms = session_next_expiry_ms(&server->tracker);
	msec_t end_ms;

	if (!server->intake)
		return INT64_MAX;
	if (!first)
		return expiry_ms;
	end_ms = sessionless_end_ms(server, list_item(first, struct connection, unestablished));
	return end_ms < expiry_ms ? end_ms : expiry_ms;
}

void server_connection_opened(struct server *server, connection_id_t id, const char *address)
{
	struct connection *connection;

	server_begin_event(server);
	connection = connection_new(id, address, server->now_ms);
	map_insert(&server->connections, &connection->by_id,
		   bytes_of(&connection->id, sizeof(connection->id)));
	list_append(&server->unestablished, &connection->unestablished);
}

void server_frame(struct server *server, connection_id_t id, struct bytes frame)
{
	struct connection *connection = server_find_connection(server, id);

	server_begin_event(server);
	ASSERT(connection);
	intake_frame(server, connection, frame, server->now_ms);
}

/* The driver knows of the end: there is nothing to tell it. */
void server_connection_closed(struct server *server, connection_id_t id)
{
	struct connection *connection = server_find_connection(server, id);

	server_begin_event(server);
	ASSERT(connection);
	remove_connection(server, connection);
	server->step_count = 0;
}

/* Watchers that passed a maximum while events were delivered. */
static void close_full(struct server *server)
{
	list_for_each_safe (&server->outgoing, at) {
		struct connection *connection = list_item(at, struct connection, outgoing);

		if (connection->is_full && connection->state != CONNECTION_CLOSED)
			server_close_connection(server, connection);
	}
}

void server_committed(struct server *server, zxid_t zxid)
{
	server_begin_event(server);
	ASSERT(makes_transactions(server));
	ASSERT(zxid >= server->committed && zxid <= server->proposed);
	server->committed = zxid;
	proposal_apply(server);
	close_full(server);
}

static void begin_learner_event(struct server *server, zab_link_t link)
{
	server_begin_event(server);
	ASSERT(server->role == SERVER_LEADER);
	ASSERT(link != SESSION_OWNER_NONE && link != SESSION_OWNER_SELF);
}

void server_learner_request(struct server *server, zab_link_t link,
			    const struct zab_request *request, const struct auth_ids *ids)
{
	begin_learner_event(server, link);
	learners_take_request(server, link, request, ids);
}

void server_learner_revalidate(struct server *server, zab_link_t link,
			       const struct zab_session *session)
{
	begin_learner_event(server, link);
	learners_revalidate(server, link, session);
}

void server_learner_closed(struct server *server, zab_link_t link)
{
	begin_learner_event(server, link);
	learners_forget(server, link);
}

void server_deliver(struct server *server, zxid_t zxid, struct bytes bytes)
{
	struct txn txn;
	int error = txn_decode(bytes, &txn);

	server_begin_event(server);
	ASSERT(server->role == SERVER_LEARNER);
	ASSERT(!error && txn.header.zxid == zxid);
	server_note_proposed(server, zxid);
	server->committed = zxid;
	commit_apply(server, &txn);
	close_full(server);
}

bool server_synced(struct server *server)
{
	server_begin_event(server);
	ASSERT(server->role == SERVER_LEARNER);
	return forward_synced(server);
}

void server_revalidated(struct server *server, session_id_t session_id, bool is_valid)
{
	server_begin_event(server);
	ASSERT(server->role == SERVER_LEARNER);
	establish_revalidated(server, session_id, is_valid);
}

void server_note_proposed(struct server *server, zxid_t zxid)
{
	ASSERT(server->role == SERVER_LEARNER);
	server->proposed = max_zxid(server->proposed, zxid);
}

void server_set_intake(struct server *server, bool allowed)
{
	server_begin_event(server);
	if (server->intake == allowed)
		return;
	server->intake = allowed;
	if (!allowed)
		return;
	map_for_each (&server->connections, at)
		server_resume(server, map_item(at, struct connection, by_id), PAUSE_INTAKE);
	learners_take_held(server);
	expire_sessions(server);
}

/* ---- what an operator sees ---- */

void server_get_stats(const struct server *server, struct server_stats *ret_stats)
{
	*ret_stats = server->stats;
	ret_stats->outstanding = server->outstanding;
	ret_stats->digest_mismatches = server->digest_mismatches;
	ret_stats->digest_mismatch_zxid = server->digest_mismatch_zxid;
	ret_stats->connection_count = server->connections.count;
	ret_stats->session_count = tree_session_count(server->tree);
	ret_stats->znode_count = tree_znode_count(server->tree) + 1;
	ret_stats->ephemeral_count = tree_ephemeral_count(server->tree);
	ret_stats->watch_count = watches_count(&server->watches);
	ret_stats->data_size = tree_data_size(server->tree);
	ret_stats->zxid = tree_zxid(server->tree);
	ret_stats->proposed = server->proposed;
}

void server_reset_stats(struct server *server)
{
	server->stats = (struct server_stats){0};
}

bool server_get_connection_stats(const struct server *server, connection_id_t id,
				 struct server_connection_stats *ret_stats)
{
	struct connection *connection = server_find_connection(server, id);

	if (!connection)
		return false;
	*ret_stats = connection->stats;
	ret_stats->outstanding = connection->queue_count;
	ret_stats->watch_count = connection->watcher.watch_count;
	return true;
}

/* Who it is stays, what it did is forgotten. */
void server_reset_connection_stats(struct server *server)
{
	map_for_each (&server->connections, at) {
		struct server_connection_stats *stats =
			&map_item(at, struct connection, by_id)->stats;

		*stats = (struct server_connection_stats){
			.connection = stats->connection,
			.session_id = stats->session_id,
			.timeout_ms = stats->timeout_ms,
			.opened_ms = stats->opened_ms,
		};
	}
}

struct tree *server_tree(struct server *server)
{
	return server->tree;
}

session_id_t server_next_session_id(const struct server *server)
{
	return server->tracker.next_id;
}

const struct session_tracker *server_sessions(const struct server *server)
{
	return &server->tracker;
}

const struct watches *server_watches(const struct server *server)
{
	return &server->watches;
}

static const struct connection *connection_of(const struct watcher *watcher)
{
	const char *at = (const char *)watcher;

	return (const struct connection *)(const void *)(at - offsetof(struct connection, watcher));
}

connection_id_t server_watcher_connection(const struct watcher *watcher)
{
	return connection_of(watcher)->id;
}

session_id_t server_watcher_session(const struct watcher *watcher)
{
	return connection_of(watcher)->session_id;
}

/* ---- server_check ---- */

static void check_proposals(const struct server *server)
{
	zxid_t zxid = server_applied(server);

	list_for_each (&server->proposals, at)
		ASSERT(list_item(at, struct proposal, link)->zxid == ++zxid);
	ASSERT(zxid == server->proposed || !makes_transactions(server));
	ASSERT(zxid <= server->proposed);
	ASSERT(server->committed <= server->proposed);
}

/* A session that moved away took its connection with it. */
static void check_owner(const struct server *server, const struct connection *connection)
{
	const struct session *session;

	if (!makes_transactions(server) || connection->state != CONNECTION_ESTABLISHED)
		return;
	session = session_find(&server->tracker, connection->session_id);
	if (session)
		ASSERT(session->owner == SESSION_OWNER_SELF);
}

void server_check(const struct server *server)
{
	size_t outstanding = 0;
	size_t with_session = 0;

	tree_check(server->tree);
	watches_check(&server->watches);
	session_tracker_check(&server->tracker);
	check_proposals(server);
	if (server->role != SERVER_LEADER)
		ASSERT(server->learners.count == 0 && list_is_empty(&server->learner_waits));
	if (server->role != SERVER_LEARNER)
		ASSERT(server->touched.count == 0 && list_is_empty(&server->asked_syncs));
	map_for_each (&server->connections, at) {
		const struct connection *connection = map_item(at, struct connection, by_id);

		connection_check(connection);
		check_owner(server, connection);
		outstanding += connection->queue_count;
		with_session += connection->session_id != 0;
	}
	ASSERT(outstanding == server->outstanding);
	ASSERT(with_session == server->by_session.count);
}
