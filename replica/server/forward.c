/*
 * What a learner can't decide: its clients' writes and syncs go to the leader as REQUEST, new
 * sessions as createSession, those that come back as REVALIDATE (FollowerRequestProcessor,
 * Learner; spec/quorum-protocol.md 10, 11).
 *
 * The link to the leader keeps their order, and so does the leader: a connection's transactions
 * come back in the order of its requests, each known by its session and cxid. Since xids can
 * begin anew with each connection, a transaction is a request's only if it was proposed after
 * that was sent: all that the session asked for over an earlier connection has to be known by
 * then. A leader of ours answers REVALIDATE behind that, but Apache's at once, when the session
 * has moved and what it asked for elsewhere may still be on its way through the request queue.
 * So a sync of the learner's own goes behind each REVALIDATE. Its SYNC comes behind everything
 * that was in that queue, proposed and committed (PrepRequestProcessor, Leader.processSync); the
 * INFORMs of it, too, which are all that an observer hears. The client is welcomed when both
 * answers are here and all that is known by then is applied. What its last server sends later is
 * refused with SESSIONMOVED, which ends the connection if it is taken for the client's.
 */
#include <stdlib.h>

#include "replica/server/server_impl.h"
#include "replica/tree/request.h"
#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"

/* ---- packets ---- */

static void send_request(struct server *server, session_id_t session_id, int32_t cxid,
			 int32_t opcode, struct bytes body, const struct auth_ids *ids)
{
	const struct zab_request request = {
		.session_id = session_id, .cxid = cxid, .opcode = opcode, .body = body};

	zab_request_write(server_packet_begin(server, SERVER_TO_LEADER, ZAB_LINK_NONE, ZAB_REQUEST),
			  &request);
	server_packet_end(server, ids);
}

static void send_for(struct server *server, const struct connection *connection, int32_t xid,
		     int32_t opcode, struct bytes body)
{
	const struct auth_ids ids = auth_get_ids(&connection->auth);

	send_request(server, connection->session_id, xid, opcode, body, &ids);
}

void forward_create_session(struct server *server, const struct connection *connection)
{
	uint8_t timeout[sizeof(uint32_t)];

	endian_put_u32(timeout, (uint32_t)connection->timeout_ms);
	send_request(server, connection->session_id, 0, ZK_OP_CREATE_SESSION,
		     bytes_of(timeout, sizeof(timeout)), NULL);
}

/* ---- writes ---- */

static bool is_ttl(int32_t flags)
{
	return flags == ZK_PERSISTENT_WITH_TTL || flags == ZK_PERSISTENT_SEQUENTIAL_WITH_TTL;
}

static bool is_ephemeral(int32_t flags)
{
	return flags == ZK_EPHEMERAL || flags == ZK_EPHEMERAL_SEQUENTIAL;
}

/*
 * Would the session's closeSession stay readable (R24)? Creates that are on their way are not
 * counted: servers read twice as much, and a leader of ours counts exactly.
 */
static bool has_room(const struct server *server, const struct connection *connection,
		     const struct request_create *create)
{
	const struct tree_session *session =
		tree_find_session(server->tree, connection->session_id);

	return !is_ephemeral(create->flags) || !session ||
	       session->ephemeral_size + bytes_size(create->path) <= server->config.jute_maxbuffer;
}

static bool is_create(int32_t opcode)
{
	return opcode == ZK_OP_CREATE || opcode == ZK_OP_CREATE2 ||
	       opcode == ZK_OP_CREATE_CONTAINER || opcode == ZK_OP_CREATE_TTL;
}

static enum zk_code judge_multi(const struct server *server, const struct connection *connection,
				struct bytes body)
{
	struct request_multi multi;
	struct request part;

	if (!request_multi_is_write(body))
		return ZK_MARSHALLINGERROR;
	request_multi_init(&multi, body);
	while (request_multi_next(&multi, &part))
		if (is_create(part.opcode) && !has_room(server, connection, &part.create))
			return ZK_QUOTAEXCEEDED;
	return ZK_OK;
}

/*
 * Would a Java leader survive it? It hangs at what does not decode, and every server ends at a
 * createTTL that has no ttl, and at a closeSession that is too large (client-protocol.md 5.4).
 * deleteContainer is no client's to ask for.
 */
static enum zk_code judge(const struct server *server, const struct connection *connection,
			  int32_t opcode, struct bytes body)
{
	struct request request;

	if (opcode == ZK_OP_DELETE_CONTAINER)
		return ZK_BADARGUMENTS;
	if (opcode == ZK_OP_MULTI)
		return judge_multi(server, connection, body);
	if (!request_read(opcode, body, &request))
		return ZK_MARSHALLINGERROR;
	if (!is_create(opcode))
		return ZK_OK;
	if (opcode == ZK_OP_CREATE_TTL &&
	    (!is_ttl(request.create.flags) || request.create.ttl_ms <= 0 ||
	     request.create.ttl_ms > ZNODE_TTL_MS_MAX))
		return ZK_BADARGUMENTS;
	return has_room(server, connection, &request.create) ? ZK_OK : ZK_QUOTAEXCEEDED;
}

static void send_write(struct server *server, struct connection *connection, int32_t xid,
		       int32_t opcode, struct bytes body)
{
	/* Java drops what comes behind it, and so do we. */
	connection->is_closing = opcode == ZK_OP_CLOSE_SESSION;
	if (connection->is_closing)
		body = bytes_of("", 0);
	send_for(server, connection, xid, opcode, body);
}

void forward_write(struct server *server, struct connection *connection, int32_t xid,
		   int32_t opcode, struct bytes body, msec_t received_ms)
{
	enum zk_code code = judge(server, connection, opcode, body);
	struct queued *queued =
		connection_enqueue(connection, xid, opcode, received_ms, bytes_of("", 0));

	server->outstanding++;
	if (code == ZK_OK) {
		queued->kind = QUEUED_FORWARDED;
		queued->zxid = server->proposed;
		send_write(server, connection, xid, opcode, body);
		if (server->mutation == SERVER_MUTATION_ANSWER_EARLY && opcode == ZK_OP_DELETE) {
			queued->kind = QUEUED_FAILED;
			queued->err = ZK_OK;
			intake_drain(server, connection);
		}
	} else {
		queued->kind = QUEUED_FAILED;
		queued->err = code;
		intake_drain(server, connection);
	}
}

bool forward_is_answer(const struct queued *queued, const struct txn_header *header)
{
	/* A session that expires is closed with cxid 0, which can be a client's xid, too. */
	if (header->type == ZK_OP_CLOSE_SESSION && queued->opcode != ZK_OP_CLOSE_SESSION)
		return false;
	return header->cxid == queued->xid && header->zxid > queued->zxid;
}

/* ---- sync ---- */

static bool is_sync(struct bytes body)
{
	struct zk_path_record record;
	struct jute_reader reader;

	jute_reader_init(&reader, body.data, bytes_size(body), bytes_size(body));
	zk_path_record_read(&reader, &record);
	return !reader.error;
}

static void ask_sync(struct server *server, struct queued *queued, struct bytes body)
{
	struct asked_sync *asked = mem_zalloc(sizeof(*asked));

	asked->queued = queued;
	list_append(&server->asked_syncs, &asked->link);
	queued->kind = QUEUED_ASKED;
	queued->asked = asked;
	send_for(server, queued->connection, queued->xid, ZK_OP_SYNC, body);
}

void forward_sync(struct server *server, struct connection *connection, int32_t xid,
		  struct bytes body, msec_t received_ms)
{
	struct queued *queued = connection_enqueue(connection, xid, ZK_OP_SYNC, received_ms, body);

	server->outstanding++;
	if (is_sync(body)) {
		ask_sync(server, queued, body);
		return;
	}
	/* It fails in its turn. */
	queued->kind = QUEUED_READ;
	intake_drain(server, connection);
}

static void send_revalidate(struct server *server, const struct connection *connection)
{
	const struct zab_session session = {.id = connection->session_id,
					    .timeout_ms = connection->timeout_ms};

	zab_session_write(
		server_packet_begin(server, SERVER_TO_LEADER, ZAB_LINK_NONE, ZAB_REVALIDATE),
		&session);
	server_packet_end(server, NULL);
}

void forward_revalidate(struct server *server, struct connection *connection)
{
	static const uint8_t root[] = {0, 0, 0, 1, '/'}; /* a sync's body: a path */
	struct queued *queued = connection_enqueue(connection, 0, ZK_OP_CREATE_SESSION,
						   server->now_ms, bytes_of("", 0));

	server->outstanding++;
	send_revalidate(server, connection);
	ask_sync(server, queued, bytes_of(root, sizeof(root)));
}

static void forget_sync(struct asked_sync *asked)
{
	list_remove(&asked->link);
	free(asked);
}

/*
 * The leader's commits came before it on the link, but not all may be logged here yet. What is
 * proposed now includes them.
 */
bool forward_synced(struct server *server)
{
	struct list *first = list_first(&server->asked_syncs);
	struct asked_sync *asked = first ? list_item(first, struct asked_sync, link) : NULL;
	struct queued *queued;

	if (!asked)
		return false;
	queued = asked->queued;
	forget_sync(asked);
	if (!queued)
		return true;
	queued->asked = NULL;
	queued->kind = QUEUED_ZXID;
	queued->zxid = server->proposed;
	if (queued->zxid > server_applied(server))
		list_append(&server->syncs, &queued->sync);
	else
		intake_drain(server, queued->connection);
	return true;
}

static struct queued *first_forwarded(const struct connection *connection)
{
	list_for_each (&connection->queue, at) {
		struct queued *queued = list_item(at, struct queued, link);

		if (queued->kind == QUEUED_FORWARDED)
			return queued;
	}
	return NULL;
}

/* A sync needs to wait no more. */
static void settle(struct queued *queued)
{
	if (queued->kind != QUEUED_ASKED && queued->kind != QUEUED_ZXID)
		return;
	if (queued->asked)
		queued->asked->queued = NULL;
	queued->asked = NULL;
	list_remove(&queued->sync);
	queued->kind = QUEUED_READ;
}

/*
 * The leader had the sync before the write behind it, so what the sync is to wait for was
 * proposed before the write, and is applied: the answer needs no SYNC, which can come later
 * than the COMMIT. Nor may it wait: the write's turn is now.
 */
void forward_settle_syncs(struct server *server, const struct txn_header *header)
{
	struct connection *connection = establish_find(server, header->session_id);
	struct queued *write = connection ? first_forwarded(connection) : NULL;

	if (!write || !forward_is_answer(write, header))
		return;
	list_for_each (&connection->queue, at) {
		if (at == &write->link)
			break;
		settle(list_item(at, struct queued, link));
	}
	intake_drain(server, connection);
}

/* ---- sessions that are alive ---- */

static void forget_touched(struct server *server, struct touched *touched)
{
	map_remove(&server->touched, &touched->entry);
	free(touched);
}

void forward_touch(struct server *server, struct connection *connection)
{
	struct bytes key = bytes_of(&connection->session_id, sizeof(connection->session_id));
	struct map_entry *entry;
	struct touched *touched;

	if (connection->touch_round == server->touch_round ||
	    server->mutation == SERVER_MUTATION_NO_TOUCH)
		return;
	connection->touch_round = server->touch_round;
	entry = map_find(&server->touched, key);
	if (entry) {
		map_item(entry, struct touched, entry)->timeout_ms = connection->timeout_ms;
		return;
	}
	touched = mem_zalloc(sizeof(*touched));
	touched->id = connection->session_id;
	touched->timeout_ms = connection->timeout_ms;
	map_insert(&server->touched, &touched->entry, bytes_of(&touched->id, sizeof(touched->id)));
}

/* A table that is longer than a packet may be goes on in the next. */
void server_take_touched(struct server *server, struct buf *table)
{
	size_t count_max = server->config.jute_maxbuffer / ZAB_SESSION_SIZE;

	ASSERT(server->role == SERVER_LEARNER);
	map_for_each (&server->touched, at) {
		struct touched *touched = map_item(at, struct touched, entry);
		const struct zab_session session = {.id = touched->id,
						    .timeout_ms = touched->timeout_ms};

		if (count_max-- == 0)
			break;
		zab_session_write(table, &session);
		forget_touched(server, touched);
	}
	server->touch_round++;
}

void forward_forget_all(struct server *server)
{
	list_for_each_safe (&server->asked_syncs, at)
		forget_sync(list_item(at, struct asked_sync, link));
	map_for_each (&server->touched, at)
		forget_touched(server, map_item(at, struct touched, entry));
	map_release(&server->touched);
}
