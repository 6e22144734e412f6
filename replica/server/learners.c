/*
 * What a leader's learners send on behalf of their clients (LearnerHandler): REQUEST, REVALIDATE
 * and the sessions of a PING. A client anywhere in the ensemble is behind it, so whatever it says
 * must do no harm, and whoever is behind a write must hear of it: by a transaction.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replica/server/server_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/opcode.h"

/* REQUESTs of one learner that wait until transactions may be made again. */
enum { HELD_SIZE_MAX = 64 * 1024 * 1024 };

/* A REQUEST, with its body and ids behind it. */
struct held_request {
	struct list link;
	struct zab_request request;
	struct auth_ids ids;
	bool has_ids;
	size_t size; /* with the struct */
	uint8_t bytes[];
};

/* ---- answers, behind what was proposed before ---- */

static void emit_sync(struct server *server, zab_link_t link)
{
	const struct server_action sync = {
		.type = SERVER_TO_LEARNER,
		.link = link,
		.packet = {.type = ZAB_SYNC, .data = BYTES_NULL, .auth_count = -1},
	};

	server_emit(server, &sync);
}

static void send_answer(struct server *server, const struct learner_wait *wait)
{
	struct buf *data;

	if (wait->type == LEARNER_SYNC) {
		emit_sync(server, wait->learner);
		return;
	}
	data = server_packet_begin(server, SERVER_TO_LEARNER, wait->learner, ZAB_REVALIDATE);
	zab_revalidated_write(data, wait->session_id, wait->is_valid);
	server_packet_end(server, NULL);
}

static void answer_in_turn(struct server *server, const struct learner_wait *answer)
{
	struct learner_wait *wait;

	if (list_is_empty(&server->proposals)) {
		send_answer(server, answer);
		return;
	}
	wait = mem_alloc(sizeof(*wait));
	*wait = *answer;
	wait->zxid = server->proposed;
	list_append(&server->learner_waits, &wait->link);
}

static void forget_wait(struct learner_wait *wait)
{
	list_remove(&wait->link);
	free(wait);
}

void learners_answer(struct server *server)
{
	struct list *first;

	while ((first = list_first(&server->learner_waits))) {
		struct learner_wait *wait = list_item(first, struct learner_wait, link);

		if (wait->zxid > tree_zxid(server->tree))
			return;
		send_answer(server, wait);
		forget_wait(wait);
	}
}

static void take_sync(struct server *server, zab_link_t link)
{
	const struct learner_wait sync = {.type = LEARNER_SYNC, .learner = link};

	answer_in_turn(server, &sync);
}

/* ---- writes ---- */

/* It is the session of a client elsewhere from now on: who has it here has missed that. */
static void move_session(struct server *server, zab_link_t link, session_id_t session_id)
{
	struct connection *connection = establish_find(server, session_id);

	session_set_owner(&server->tracker, session_id, link);
	if (connection)
		server_close_connection(server, connection);
}

/* Neither 0 nor what an ephemeral's owner means besides a session. */
static bool is_session_id(const struct server *server, session_id_t id)
{
	return znode_kind_of(id, tree_extended_types(server->tree)) == ZNODE_EPHEMERAL;
}

/* The learner has chosen the id. Whoever proposes one that is there already tries to steal it. */
static void create_session(struct server *server, zab_link_t link,
			   const struct zab_request *request, struct prep_request *prep)
{
	struct jute_reader reader;
	int32_t timeout_ms;

	jute_reader_init(&reader, request->body.data, bytes_size(request->body),
			 bytes_size(request->body));
	timeout_ms = jute_read_int(&reader);
	if (reader.error)
		proposal_refuse(server, prep, ZK_MARSHALLINGERROR);
	else if (!is_session_id(server, request->session_id))
		proposal_refuse(server, prep, ZK_BADARGUMENTS);
	else if (session_find(&server->tracker, request->session_id))
		proposal_refuse(server, prep, ZK_SESSIONEXPIRED);
	else
		proposal_create_session(server, request->session_id, timeout_ms, link);
}

static bool is_session_known(const struct server *server, session_id_t id)
{
	const struct session *session = session_find(&server->tracker, id);

	return session && !session->closing;
}

/* Java's leader asks nothing of a closeSession; but the session may be another's by now. */
static void close_session(struct server *server, zab_link_t link, struct prep_request *prep)
{
	struct session *session = session_find(&server->tracker, prep->session_id);
	bool is_made;

	if (!is_session_known(server, prep->session_id)) {
		proposal_refuse(server, prep, ZK_SESSIONEXPIRED);
	} else if (!session_claim(session, link)) {
		proposal_refuse(server, prep, ZK_SESSIONMOVED);
	} else {
		is_made = proposal_make(server, prep);
		ASSERT(is_made);
	}
}

static void take_write(struct server *server, struct prep_request *prep, bool has_ids)
{
	if (!has_ids)
		proposal_refuse(server, prep, ZK_MARSHALLINGERROR);
	else if (!proposal_make(server, prep))
		proposal_refuse(server, prep, ZK_MARSHALLINGERROR);
}

static void take_request(struct server *server, zab_link_t link, const struct zab_request *request,
			 const struct auth_ids *ids)
{
	struct prep_request prep = {
		.session_id = request->session_id,
		.owner = server->mutation == SERVER_MUTATION_OLD_OWNER_WRITES ? SESSION_OWNER_NONE
									      : link,
		.cxid = request->cxid,
		.opcode = request->opcode,
		.body = request->body,
		.ids = ids ? *ids : AUTH_IDS_NONE,
	};

	switch (request->opcode) {
	case ZK_OP_CREATE_SESSION:
		create_session(server, link, request, &prep);
		break;
	case ZK_OP_CLOSE_SESSION:
		close_session(server, link, &prep);
		break;
	case ZK_OP_SYNC:
		take_sync(server, link);
		break;
	case ZK_OP_CHECK:
		proposal_refuse(server, &prep, ZK_UNIMPLEMENTED);
		break;
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
	case ZK_OP_DELETE:
	case ZK_OP_DELETE_CONTAINER:
	case ZK_OP_SET_DATA:
	case ZK_OP_SET_ACL:
	case ZK_OP_MULTI:
	case ZK_OP_RECONFIG:
		take_write(server, &prep, ids != NULL);
		break;
	default:
		break; /* a read, or nothing that is known: dropped, as Java has it */
	}
}

/* ---- what waits ---- */

static struct learner *find_learner(const struct server *server, zab_link_t link)
{
	struct map_entry *entry = map_find(&server->learners, bytes_of(&link, sizeof(link)));

	return entry ? map_item(entry, struct learner, entry) : NULL;
}

static struct learner *find_or_add(struct server *server, zab_link_t link)
{
	struct learner *learner = find_learner(server, link);

	if (learner)
		return learner;
	learner = mem_zalloc(sizeof(*learner));
	learner->link = link;
	list_init(&learner->held);
	map_insert(&server->learners, &learner->entry,
		   bytes_of(&learner->link, sizeof(learner->link)));
	return learner;
}

static void drop_first_held(struct learner *learner)
{
	struct held_request *held =
		list_item(list_first(&learner->held), struct held_request, link);

	learner->held_size -= held->size;
	list_remove(&held->link);
	free(held);
}

static void forget_learner(struct server *server, struct learner *learner)
{
	while (!list_is_empty(&learner->held))
		drop_first_held(learner);
	map_remove(&server->learners, &learner->entry);
	free(learner);
}

static void *put(void *at, struct bytes bytes)
{
	if (bytes_size(bytes) > 0)
		memcpy(at, bytes.data, bytes_size(bytes));
	return (uint8_t *)at + bytes_size(bytes);
}

static struct held_request *copy_request(const struct zab_request *request,
					 const struct auth_ids *ids)
{
	size_t ids_size = ids ? bytes_size(ids->encoded) : 0;
	size_t size = sizeof(struct held_request) + bytes_size(request->body) + ids_size;
	struct held_request *held = mem_zalloc(size);
	void *ids_at = put(held->bytes, request->body);

	held->size = size;
	held->request = *request;
	held->request.body = bytes_of(held->bytes, bytes_size(request->body));
	held->has_ids = ids != NULL;
	if (ids) {
		held->ids.count = ids->count;
		held->ids.encoded = bytes_of(ids_at, ids_size);
		(void)put(ids_at, ids->encoded); /* the end of it */
	}
	return held;
}

static void hold(struct server *server, zab_link_t link, const struct zab_request *request,
		 const struct auth_ids *ids)
{
	const struct server_action close = {.type = SERVER_CLOSE_LEARNER, .link = link};
	struct learner *learner = find_or_add(server, link);
	struct held_request *held = copy_request(request, ids);

	learner->held_size += held->size;
	list_append(&learner->held, &held->link);
	if (learner->held_size <= HELD_SIZE_MAX)
		return;
	forget_learner(server, learner);
	server_emit(server, &close);
}

static void take_held(struct server *server, struct learner *learner)
{
	while (!list_is_empty(&learner->held)) {
		const struct held_request *held =
			list_item(list_first(&learner->held), struct held_request, link);

		take_request(server, learner->link, &held->request,
			     held->has_ids ? &held->ids : NULL);
		drop_first_held(learner);
	}
	forget_learner(server, learner);
}

void learners_take_held(struct server *server)
{
	map_for_each (&server->learners, at)
		take_held(server, map_item(at, struct learner, entry));
}

void learners_take_request(struct server *server, zab_link_t link,
			   const struct zab_request *request, const struct auth_ids *ids)
{
	struct learner *learner = find_learner(server, link);

	if (server->mutation == SERVER_MUTATION_FORWARD_REORDERS && server->intake && !learner &&
	    request->opcode == ZK_OP_SET_DATA) {
		hold(server, link, request, ids);
		return;
	}
	if (server->mutation == SERVER_MUTATION_FORWARD_REORDERS && server->intake && learner) {
		take_request(server, link, request, ids);
		take_held(server, learner);
		return;
	}
	if (!server->intake || learner)
		hold(server, link, request, ids);
	else
		take_request(server, link, request, ids);
}

/* ---- sessions ---- */

/*
 * The answer waits for what the session asked for before, so that its client finds that done,
 * and the learner doesn't take it for what the client asks for next (forward.c).
 */
void learners_revalidate(struct server *server, zab_link_t link, const struct zab_session *session)
{
	const struct learner_wait answer = {
		.type = LEARNER_REVALIDATE,
		.learner = link,
		.session_id = session->id,
		.is_valid = session_touch(&server->tracker, session->id, session->timeout_ms,
					  server->now_ms),
	};

	if (answer.is_valid)
		move_session(server, link, session->id);
	answer_in_turn(server, &answer);
}

int server_learner_touched(struct server *server, struct bytes table)
{
	const uint8_t *at = table.data;
	size_t left = bytes_size(table);

	ASSERT(server->role == SERVER_LEADER);
	if (bytes_is_null(table) || left % ZAB_SESSION_SIZE != 0)
		return -EBADMSG;
	for (; left > 0; left -= ZAB_SESSION_SIZE, at += ZAB_SESSION_SIZE) {
		struct zab_session session;
		int error = zab_session_read(bytes_of(at, ZAB_SESSION_SIZE), &session);

		ASSERT(!error);
		/* One that is gone, or going, is not brought back by it. */
		(void)session_touch(&server->tracker, session.id, session.timeout_ms,
				    server->now_ms);
	}
	return 0;
}

/* ---- the end ---- */

void learners_forget(struct server *server, zab_link_t link)
{
	struct learner *learner = find_learner(server, link);

	if (learner)
		forget_learner(server, learner);
	list_for_each_safe (&server->learner_waits, at) {
		struct learner_wait *wait = list_item(at, struct learner_wait, link);

		if (wait->learner == link)
			forget_wait(wait);
	}
}

void learners_forget_all(struct server *server)
{
	map_for_each (&server->learners, at)
		forget_learner(server, map_item(at, struct learner, entry));
	map_release(&server->learners);
	list_for_each_safe (&server->learner_waits, at)
		forget_wait(list_item(at, struct learner_wait, link));
}
