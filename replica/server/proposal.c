/*
 * Writes. A request becomes a transaction when it comes in, against everything
 * proposed before; the transaction goes to the log; committed, it is applied,
 * and only then its client is answered.
 *
 * For now this server makes and commits alone. With other replicas the leader's
 * zab stands between propose and proposal_apply, and what a follower submits
 * goes to the leader: the queues here stay as they are.
 */
#include <stdlib.h>

#include "replica/server/server_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"

enum { TXN_BUFFER_SIZE_KEPT = 64 * 1024 };

/* ---- making transactions ---- */

static void forget(struct proposal *proposal)
{
	list_remove(&proposal->link);
	blob_unref(proposal->txn);
	free(proposal);
}

void proposal_forget_all(struct server *server)
{
	list_for_each_safe (&server->proposals, at)
		forget(list_item(at, struct proposal, link));
}

/* server->txn holds the transaction of the next zxid. */
static void propose(struct server *server)
{
	struct proposal *proposal = mem_zalloc(sizeof(*proposal));
	struct server_action append = {.type = SERVER_APPEND};

	ASSERT(!server->txn.error);
	proposal->zxid = ++server->proposed;
	proposal->txn = blob_new(buf_bytes(&server->txn));
	list_append(&server->proposals, &proposal->link);
	append.zxid = proposal->zxid;
	append.txn = proposal->txn;
	server_emit(server, &append);
	if (server->txn.capacity > TXN_BUFFER_SIZE_KEPT)
		buf_release(&server->txn);
	buf_reset(&server->txn);
}

/* False: the request makes no transaction. */
static bool prepare(struct server *server, struct prep_request *request)
{
	request->zxid = server->proposed + 1;
	request->time_ms = server->wall_ms;
	if (prep_request(&server->prep, request, &server->txn))
		return false;
	propose(server);
	return true;
}

void proposal_submit(struct server *server, struct connection *connection, int32_t xid,
		     int32_t opcode, struct bytes body, msec_t received_ms)
{
	struct prep_request request = {
		.session_id = connection->session_id,
		.cxid = xid,
		.opcode = opcode,
		.body = body,
		.ids = auth_get_ids(&connection->auth),
	};
	bool is_proposed = prepare(server, &request);
	struct queued *queued =
		connection_enqueue(connection, xid, opcode, received_ms, bytes_of("", 0));

	server->outstanding++;
	if (is_proposed) {
		queued->kind = QUEUED_COMMIT;
		queued->zxid = server->proposed;
	} else {
		queued->kind = QUEUED_FAILED;
		queued->err = ZK_MARSHALLINGERROR;
		intake_drain(server, connection);
	}
}

void proposal_create_session(struct server *server, session_id_t session_id, int32_t timeout_ms)
{
	prep_create_session(&server->prep, session_id, timeout_ms, server->proposed + 1,
			    server->now_ms, server->wall_ms, &server->txn);
	propose(server);
}

void proposal_close_session(struct server *server, session_id_t session_id)
{
	struct prep_request request = {
		.session_id = session_id,
		.opcode = ZK_OP_CLOSE_SESSION,
		.body = bytes_of("", 0),
		.ids = AUTH_IDS_NONE,
	};
	bool is_proposed = prepare(server, &request);

	ASSERT(is_proposed);
}

/* ---- answers ---- */

static void write_create2(struct buf *out, const struct apply_outcome *outcome)
{
	const struct zk_create2_response response = {.path = outcome->path, .stat = outcome->stat};

	zk_create2_response_write(out, &response);
}

static void write_outcome(struct buf *out, const struct apply_outcome *outcome)
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

static void write_part(struct buf *out, const struct apply_outcome *outcome)
{
	const struct zk_multi_header header = {.type = result_type(outcome),
					       .err = outcome->type == ZK_OP_ERROR ? outcome->err
										   : ZK_OK};

	zk_multi_header_write(out, &header);
	if (outcome->type == ZK_OP_ERROR)
		jute_write_int(out, outcome->err);
	else
		write_outcome(out, outcome);
}

static void write_multi(struct server *server, struct buf *out)
{
	const struct zk_multi_header end = {.type = -1, .done = true, .err = -1};

	for (size_t at = 0; at < server->apply.outcome_count; at++)
		write_part(out, &server->apply.outcomes[at]);
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
		write_outcome(out, &server->apply.outcomes[0]);
	reply_count(server, connection, queued->xid, queued->opcode, queued->received_ms);
	reply_end(server, connection);
}

/* The request that made this transaction stands at the head of its queue, if its client is still
 * here. */
static void answer_origin(struct server *server, const struct txn_header *header)
{
	struct connection *connection = establish_find(server, header->session_id);
	struct queued *first = connection ? connection_first(connection) : NULL;

	if (!first || first->kind != QUEUED_COMMIT || first->zxid != header->zxid)
		return;
	answer(server, connection, header, first);
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

		if (queued->zxid > tree_zxid(server->tree))
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

static void apply_proposal(struct server *server, const struct proposal *proposal)
{
	struct txn txn;
	int error = txn_decode(blob_bytes(proposal->txn), &txn);

	ASSERT(!error && txn.header.zxid == proposal->zxid);
	apply_txn(&server->apply, &txn);
	/* What was predicted when it was proposed is what came out. */
	if (txn.has_digest)
		ASSERT((uint64_t)txn.digest.tree_digest == tree_digest(server->tree));
	prep_applied(&server->prep, txn.header.zxid);
	answer_origin(server, &txn.header);
	if (txn.header.type == ZK_OP_CREATE_SESSION)
		establish_finish(server, txn.header.session_id);
	if (txn.header.type == ZK_OP_CLOSE_SESSION)
		end_session(server, txn.header.session_id);
	answer_syncs(server);
}

void proposal_apply(struct server *server)
{
	struct list *first;

	while ((first = list_first(&server->proposals))) {
		struct proposal *proposal = list_item(first, struct proposal, link);

		if (proposal->zxid > server->committed)
			return;
		apply_proposal(server, proposal);
		forget(proposal);
	}
}
