/*
 * What is committed: the tree changes, watches fire, and whoever waited for it is answered
 * (FinalRequestProcessor).
 */
#include "replica/server/server_impl.h"
#include "src/base/assert.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"

/* ---- answers ---- */

static void write_create2(struct buf *out, const struct apply_outcome *outcome)
{
	const struct zk_create2_response response = {.path = outcome->path, .stat = outcome->stat};

	zk_create2_response_write(out, &response);
}

/* reconfig is answered like getData: with the configuration as it is now. */
static struct bytes outcome_data(const struct server *server, const struct apply_outcome *outcome)
{
	const struct znode *znode = tree_find(server->tree, outcome->path);

	return znode ? znode_data(znode) : BYTES_NULL;
}

static void write_outcome(const struct server *server, struct buf *out,
			  const struct apply_outcome *outcome)
{
	const struct zk_path_record path = {.path = outcome->path};

	switch (outcome->type) {
	case ZK_OP_CREATE:
		zk_path_record_write(out, &path);
		break;
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
		write_create2(out, outcome);
		break;
	case ZK_OP_RECONFIG:
		jute_write_buffer(out, outcome_data(server, outcome));
		zk_stat_write(out, &outcome->stat);
		break;
	case ZK_OP_SET_DATA:
	case ZK_OP_SET_ACL:
		zk_stat_write(out, &outcome->stat);
		break;
	default:
		break; /* delete, check, closeSession: the header says it all */
	}
}

static int32_t result_type(const struct apply_outcome *outcome)
{
	if (outcome->type == ZK_OP_CREATE_CONTAINER || outcome->type == ZK_OP_CREATE_TTL)
		return ZK_OP_CREATE2;
	return outcome->type;
}

static void write_part(const struct server *server, struct buf *out,
		       const struct apply_outcome *outcome)
{
	const struct zk_multi_header header = {.type = result_type(outcome),
					       .err = outcome->type == ZK_OP_ERROR ? outcome->err
										   : ZK_OK};

	zk_multi_header_write(out, &header);
	if (outcome->type == ZK_OP_ERROR)
		jute_write_int(out, outcome->err);
	else
		write_outcome(server, out, outcome);
}

static void write_multi(struct server *server, struct buf *out)
{
	const struct zk_multi_header end = {.type = -1, .done = true, .err = -1};

	for (size_t at = 0; at < server->apply.outcome_count; at++)
		write_part(server, out, &server->apply.outcomes[at]);
	zk_multi_header_write(out, &end);
}

static void answer(struct server *server, struct connection *connection,
		   const struct txn_header *header, const struct queued *queued)
{
	enum zk_code err = header->type == ZK_OP_MULTI ? ZK_OK : server->apply.outcomes[0].err;
	struct buf *out = reply_begin(server, connection, queued->xid, err);

	if (header->type == ZK_OP_MULTI)
		write_multi(server, out);
	else if (err == ZK_OK)
		write_outcome(server, out, &server->apply.outcomes[0]);
	reply_count(server, connection, queued->xid, queued->opcode, queued->received_ms);
	reply_end(server, connection);
}

/* The session has moved away, and the client has not noticed: it is told by the end of this
 * connection alone. */
static bool has_moved(const struct server *server)
{
	for (size_t at = 0; at < server->apply.outcome_count; at++)
		if (server->apply.outcomes[at].err == ZK_SESSIONMOVED)
			return true;
	return false;
}

static bool is_answer(const struct queued *queued, const struct txn_header *header)
{
	if (queued->kind == QUEUED_FORWARDED)
		return forward_is_answer(queued, header);
	return queued->kind == QUEUED_COMMIT && queued->zxid == header->zxid;
}

/* The request that made this transaction stands at the head of its queue, if its client is still
 * here. */
static void answer_origin(struct server *server, const struct txn_header *header)
{
	struct connection *connection = establish_find(server, header->session_id);
	struct queued *first = connection ? connection_first(connection) : NULL;
	bool is_end;

	if (!first || !is_answer(first, header))
		return;
	if (has_moved(server)) {
		server_close_connection(server, connection);
		return;
	}
	is_end = first->opcode == ZK_OP_CLOSE_SESSION;
	answer(server, connection, header, first);
	if (is_end && connection->state != CONNECTION_CLOSED)
		server_close_connection(server, connection);
	if (connection->state == CONNECTION_CLOSED)
		return;
	connection_dequeue(connection, first);
	server->outstanding--;
	intake_drain(server, connection);
}

static void answer_syncs(struct server *server)
{
	struct list *first;

	while ((first = list_first(&server->syncs))) {
		struct queued *queued = list_item(first, struct queued, sync);

		if (queued->zxid > server_applied(server))
			return;
		list_remove(&queued->sync);
		intake_drain(server, queued->connection);
	}
}

/* ---- applying ---- */

static void end_session(struct server *server, session_id_t session_id)
{
	struct connection *connection = establish_find(server, session_id);

	session_forget(&server->tracker, session_id);
	if (connection)
		server_close_connection(server, connection);
}

/* An own proposal leads to the tree that was predicted; what others proposed may be wrong about
 * it, and is counted. */
static void check_digest(struct server *server, const struct txn *txn)
{
	bool differs = txn_contradicts_digest(txn, tree_digest(server->tree));

	if (server->role != SERVER_LEARNER) {
		ASSERT(!differs);
		return;
	}
	if (!differs || !server->config.digest_enabled)
		return;
	server->digest_mismatches++;
	server->digest_mismatch_zxid = txn->header.zxid;
}

static void follow_session(struct server *server, const struct txn_header *header)
{
	switch (header->type) {
	case ZK_OP_CREATE_SESSION:
		establish_finish(server, header->session_id, true);
		break;
	case ZK_OP_CLOSE_SESSION:
		end_session(server, header->session_id);
		break;
	case ZK_OP_ERROR:
		/* Until it is there a session asks for nothing but itself. */
		establish_finish(server, header->session_id, false);
		break;
	default:
		break;
	}
}

void commit_apply(struct server *server, const struct txn *txn)
{
	if (server->role == SERVER_LEARNER)
		forward_settle_syncs(server, &txn->header);
	if (server->mutation == SERVER_MUTATION_CLOSE_UNAPPLIED && server->role == SERVER_LEARNER &&
	    txn->header.type == ZK_OP_CLOSE_SESSION &&
	    !establish_find(server, txn->header.session_id)) {
		tree_set_zxid(server->tree, txn->header.zxid);
		return;
	}
	apply_txn(&server->apply, txn);
	check_digest(server, txn);
	prep_applied(&server->prep, txn->header.zxid);
	answer_origin(server, &txn->header);
	follow_session(server, &txn->header);
	answer_syncs(server);
	learners_answer(server);
}
