/*
 * Writes of a standalone or a leader. A request becomes a transaction when it comes in, against
 * everything proposed before; the transaction goes to the log (a leader's zab stands between);
 * committed, it is applied, and only then its client is answered.
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

static void place(const struct server *server, struct prep_request *request)
{
	request->zxid = server->proposed + 1;
	request->time_ms = server->wall_ms;
}

void proposal_refuse(struct server *server, struct prep_request *request, enum zk_code code)
{
	place(server, request);
	prep_refuse(&server->prep, request, code, &server->txn);
	propose(server);
}

bool proposal_make(struct server *server, struct prep_request *request)
{
	place(server, request);
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
		.owner = SESSION_OWNER_SELF,
		.cxid = xid,
		.opcode = opcode,
		.body = body,
		.ids = auth_get_ids(&connection->auth),
	};
	bool is_proposed = proposal_make(server, &request);
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

void proposal_create_session(struct server *server, session_id_t session_id, int32_t timeout_ms,
			     session_owner_t owner)
{
	prep_create_session(&server->prep, session_id, timeout_ms, server->proposed + 1,
			    server->now_ms, server->wall_ms, &server->txn);
	session_set_owner(&server->tracker, session_id, owner);
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
	bool is_proposed = proposal_make(server, &request);

	ASSERT(is_proposed);
}

/* ---- commits come in ---- */

static void apply_proposal(struct server *server, const struct proposal *proposal)
{
	struct txn txn;
	int error = txn_decode(blob_bytes(proposal->txn), &txn);

	ASSERT(!error && txn.header.zxid == proposal->zxid);
	commit_apply(server, &txn);
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
