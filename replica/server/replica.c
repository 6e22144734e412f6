#include "replica/server/replica.h"

#include <errno.h>
#include <stdlib.h>

#include "replica/server/replica_impl.h"
#include "replica/tree/txn.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

/* ---- life ---- */

struct replica *replica_new(const struct replica_config *config, const struct zab_durable *durable,
			    struct tree *tree)
{
	struct replica *replica = mem_zalloc(sizeof(*replica));

	ASSERT(tree_zxid(tree) == durable->tree_zxid);
	replica->config = *config;
	replica->tree = tree;
	replica->state = ZAB_LOOKING;
	replica->may_intake = true;
	replica->committed = config->is_standalone ? INT64_MAX : durable->committed_zxid;
	replica->appended = tree_zxid(tree);
	replay_init(&replica->replay, tree);
	map_init(&replica->clients);
	list_init(&replica->waiting);
	buf_init(&replica->packet, SIZE_MAX);
	buf_init(&replica->table, SIZE_MAX);
	buf_init(&replica->staged_path, SIZE_MAX);
	if (!config->is_standalone)
		replica->zab = zab_new(&config->zab, durable);
	/* The core has its own copy, and the caller's may go. */
	replica->config.zab.members = (struct members){0};
	return replica;
}

void replica_free(struct replica *replica)
{
	if (!replica)
		return;
	replica_end_stream(replica);
	server_free(replica->server);
	zab_free(replica->zab);
	replica_free_clients(replica);
	replay_release(&replica->replay);
	if (replica->tree)
		tree_free(replica->tree);
	buf_release(&replica->packet);
	buf_release(&replica->table);
	replica_forget_wishes(replica);
	free(replica->wishes);
	free(replica->staged);
	buf_release(&replica->staged_path);
	free(replica);
}

static int recover_history(struct replica *replica, zxid_t zxid, struct bytes txn)
{
	struct blob *blob;
	int error;

	if (!replica->zab)
		return 0;
	blob = blob_new(txn);
	error = zab_recover(replica->zab, zxid, blob);
	blob_unref(blob);
	return error;
}

int replica_recover(struct replica *replica, zxid_t zxid, struct bytes txn)
{
	int error = recover_history(replica, zxid, txn);
	struct txn decoded;

	ASSERT(!replica->is_started);
	if (error < 0)
		return error;
	if (zxid > replica->appended)
		replica->appended = zxid;
	if (zxid <= tree_zxid(replica->tree))
		return 0;
	/* The tail waits for an epoch; but what is in it must be of use then. */
	if (zxid > replica->committed)
		return txn_decode(txn, &decoded) == 0 && decoded.header.zxid == zxid ? 0 : -EBADMSG;
	return replay_txn(&replica->replay, zxid, txn);
}

/*
 * The configuration as clients read it. That is no transaction: each server says what it was
 * configured with, from when on, to its own tree, which is why the znode is in no digest
 * (ZKDatabase.initConfigInZKDatabase). The store gets it with the next write-out.
 */
void replica_set_config(struct replica *replica)
{
	const struct members *members = replica->zab ? zab_members(replica->zab) : NULL;

	if (!members)
		return;
	/* If an old leader's transactions have deleted it, it stays so. */
	(void)tree_set_data(replica->tree, bytes_of_text(TREE_CONFIG_PATH),
			    bytes_of(members->text, members->text_size), -1, members->version,
			    replica->wall_ms);
}

void replica_start(struct replica *replica, msec_t now_ms, msec_t wall_ms)
{
	ASSERT(!replica->is_started);
	replica->is_started = true;
	replica->now_ms = now_ms;
	replica->wall_ms = wall_ms;
	ASSERT(tree_zxid(replica->tree) <= replica->committed);
	replica->committed = tree_zxid(replica->tree);
	replica_set_config(replica);
	if (replica->zab)
		zab_start(replica->zab, now_ms);
	else
		replica_begin_server(replica, SERVER_STANDALONE, 0);
}

/* ---- the tree, and who serves it ---- */

void replica_set_tree(struct replica *replica, struct tree *tree)
{
	ASSERT(!replica->server);
	/* What was not settled has gone with its tree, which nobody has seen. */
	if (replica->replay.is_settled)
		replica->digest_mismatches += replay_mismatches(&replica->replay);
	replay_release(&replica->replay);
	if (replica->tree)
		tree_free(replica->tree);
	replica->tree = tree;
	replay_init(&replica->replay, tree);
}

void replica_drop_server(struct replica *replica)
{
	struct server_stats stats;

	if (!replica->server)
		return;
	server_get_stats(replica->server, &stats);
	replica->digest_mismatches = stats.digest_mismatches;
	replica->next_session_id = server_next_session_id(replica->server);
	server_free(replica->server);
	replica->server = NULL;
	replica_close_clients(replica);
}

/* From now on each is one. */
static void count_mismatches(struct replica *replica)
{
	size_t count = replay_mismatches(&replica->replay);

	if (count > 0)
		replica_log(replica, 2,
			    "%zu transactions have not led to the tree that the leader computed; "
			    "zkfsd(8), DIAGNOSTICS",
			    count);
	else if (replica->replay.unsettled > 0)
		replica_log(replica, 1, "the snapshot held part of %zu transactions behind it",
			    replica->replay.unsettled);
	replica->digest_mismatches += count;
	replica->replay.is_settled = true;
	replica->replay.unsettled = 0;
	replica->replay.mismatches = 0;
}

void replica_begin_server(struct replica *replica, enum server_role role, uint32_t epoch)
{
	struct server_config config = replica->config.server;

	ASSERT(!replica->server && replica->tree);
	/* An id is given once in the life of the process, whatever the clock says. */
	if (replica->next_session_id != 0)
		config.first_session_id = replica->next_session_id;
	replica->server = server_new(&config, replica->tree);
	count_mismatches(replica);
	server_set_digest_mismatches(replica->server, replica->digest_mismatches);
	server_set_mutation(replica->server, replica->mutation);
	server_start(replica->server, role, epoch, replica->now_ms, replica->wall_ms);
	if (role == SERVER_LEARNER)
		server_note_proposed(replica->server, replica->appended);
	replica->has_intake = true;
}

/* ---- events: time ---- */

void replica_tick(struct replica *replica, msec_t now_ms, msec_t wall_ms)
{
	ASSERT(replica->is_started && now_ms >= replica->now_ms);
	replica->now_ms = now_ms;
	replica->wall_ms = wall_ms;
	if (replica->server)
		server_tick(replica->server, now_ms, wall_ms);
	if (replica->zab)
		zab_tick(replica->zab, now_ms);
}

msec_t replica_next_tick_ms(const struct replica *replica)
{
	msec_t server_ms = replica->server ? server_next_tick_ms(replica->server) : INT64_MAX;
	msec_t zab_ms = replica->zab ? zab_next_tick_ms(replica->zab) : INT64_MAX;

	return server_ms < zab_ms ? server_ms : zab_ms;
}

void replica_set_mutation(struct replica *replica, enum server_mutation mutation)
{
	replica->mutation = mutation;
}

void replica_set_intake(struct replica *replica, bool allowed)
{
	replica->may_intake = allowed; /* the server is told with the actions */
}

/* ---- events: peers ---- */

void replica_notification(struct replica *replica, int64_t sid, struct bytes bytes)
{
	zab_notification(replica->zab, sid, bytes);
}

void replica_set_reachable(struct replica *replica, int64_t sid, enum election_reach reach)
{
	zab_set_reachable(replica->zab, sid, reach);
}

void replica_link_accepted(struct replica *replica, zab_link_t link)
{
	zab_link_accepted(replica->zab, link);
}

void replica_connected(struct replica *replica, zab_link_t link)
{
	zab_connected(replica->zab, link);
}

void replica_link_closed(struct replica *replica, zab_link_t link)
{
	if (replica->server && replica->state == ZAB_LEADING)
		server_learner_closed(replica->server, link);
	if (link == replica->receiving)
		replica_end_stream(replica);
	zab_link_closed(replica->zab, link);
}

/* ---- events: the store ---- */

void replica_logged(struct replica *replica, zxid_t zxid)
{
	if (replica->zab) {
		zab_logged(replica->zab, zxid);
		return;
	}
	if (zxid <= replica->committed)
		return;
	replica->committed = zxid;
	server_committed(replica->server, zxid);
}

void replica_epochs_durable(struct replica *replica)
{
	/* Nothing else is on its way when a snapshot is installed. */
	replica->is_installing = false;
	zab_epochs_durable(replica->zab);
}

void replica_truncated(struct replica *replica)
{
	zab_truncated(replica->zab);
}

void replica_tree_durable(struct replica *replica, zxid_t zxid)
{
	if (replica->zab && !replica->is_installing)
		zab_tree_durable(replica->zab, zxid);
}

void replica_snapshot_opened(struct replica *replica, zab_link_t link, zxid_t zxid)
{
	zab_snapshot_opened(replica->zab, link, zxid);
}

void replica_snapshot_sent(struct replica *replica, zab_link_t link)
{
	zab_snapshot_sent(replica->zab, link);
}

void replica_reloaded(struct replica *replica, struct tree *tree)
{
	ASSERT(replica->is_reloading && !replica->tree);
	ASSERT(tree_zxid(tree) == replica->committed);
	replica_set_tree(replica, tree);
	replica_set_config(replica);
	replica->is_reloading = false;
}

/* ---- what an operator sees ---- */

bool replica_is_serving(const struct replica *replica)
{
	return replica->server != NULL;
}

struct server *replica_server(struct replica *replica)
{
	return replica->server;
}

const struct zab *replica_zab(const struct replica *replica)
{
	return replica->zab;
}

zxid_t replica_committed(const struct replica *replica)
{
	return replica->committed;
}

struct tree *replica_tree(struct replica *replica)
{
	return replica->is_staging ? NULL : replica->tree;
}

const char *replica_mode(const struct replica *replica)
{
	if (!replica->server)
		return NULL;
	if (!replica->zab)
		return "standalone";
	switch (replica->state) {
	case ZAB_LEADING:
		return "leader";
	case ZAB_OBSERVING:
		return "observer";
	default:
		return "follower";
	}
}

static void check_clients(const struct replica *replica)
{
	map_for_each (&replica->clients, at) {
		const struct replica_client *client = map_item(at, struct replica_client, by_id);

		ASSERT(list_is_linked(&client->waiting) == (client->state == CLIENT_WAITING));
		ASSERT(client->state != CLIENT_SERVED || client->is_known);
		ASSERT(!client->is_known || replica->server);
	}
}

void replica_check(const struct replica *replica)
{
	struct zab_status status;

	check_clients(replica);
	if (replica->server)
		server_check(replica->server);
	if (!replica->zab)
		return;
	zab_check(replica->zab);
	ASSERT(!replica->server || (!replica->is_staging && !replica->is_reloading));
	zab_get_status(replica->zab, &status);
	if (!replica->is_staging && !replica->is_installing && !replica->is_reloading)
		ASSERT(tree_zxid(replica->tree) == replica->committed &&
		       replica->committed <= status.delivered);
}
