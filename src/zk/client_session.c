/*
 * The session's life on the wire: which server to try, the handshake, what to
 * send next, pings, expiry and the end. Times follow the Java client: a server
 * that said nothing for two thirds of the timeout is given up, and all servers
 * get a share of the timeout to answer a try (ClientCnxn.SendThread).
 */
#include <string.h>

#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/zk/client_private.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"

enum {
	ATTEMPT_MIN_MS = 1000,
	ATTEMPT_SHARES_MIN = 3,
	/* The first round over the servers: only so much that many clients don't come as one. */
	FIRST_JITTER_MS = 20,
	BACKOFF_MIN_MS = 50,
	BACKOFF_MAX_MS = 1000,
};

/* ---- which server, and when ---- */

/* Doubled with each round over all servers; from half of it on by chance. */
static msec_t backoff(struct zk_client *client)
{
	size_t round = client->attempts / client->options.server_count;
	msec_t delay_ms = BACKOFF_MIN_MS;

	if (round == 0)
		return (msec_t)prng_below(&client->prng, FIRST_JITTER_MS);
	while (--round > 0 && delay_ms < BACKOFF_MAX_MS)
		delay_ms *= 2;
	if (delay_ms > BACKOFF_MAX_MS)
		delay_ms = BACKOFF_MAX_MS;
	return delay_ms / 2 + (msec_t)prng_below(&client->prng, (uint64_t)delay_ms / 2 + 1);
}

void zk_client_try_next(struct zk_client *client)
{
	client->phase = PHASE_WAITING;
	client->retry_at_ms = client->now_ms + backoff(client);
}

/*
 * Java's is the timeout over the number of servers. With few of them a try that hangs would take
 * all the patience there is, and some do: an Apache server that is just starting can accept a
 * connection and never look at it again (seen on 3.8.0).
 */
static msec_t attempt_ms(const struct zk_client *client)
{
	size_t shares = client->options.server_count > ATTEMPT_SHARES_MIN
				? client->options.server_count
				: ATTEMPT_SHARES_MIN;
	msec_t share_ms = client->options.timeout_ms / (msec_t)shares;

	return share_ms > ATTEMPT_MIN_MS ? share_ms : ATTEMPT_MIN_MS;
}

static void begin_attempt(struct zk_client *client, struct zk_client_action *ret_action)
{
	client->order_at = (client->order_at + 1) % client->options.server_count;
	client->server = client->order[client->order_at];
	client->attempts++;
	client->phase = PHASE_CONNECTING;
	client->attempt_end_ms = client->now_ms + attempt_ms(client);
	*ret_action =
		(struct zk_client_action){.type = ZK_CLIENT_CONNECT, .server = client->server};
}

void zk_client_connected(struct zk_client *client, msec_t now_ms)
{
	zk_client_set_now(client, now_ms);
	if (client->disconnect_wanted || client->phase != PHASE_CONNECTING)
		return;
	client->phase = PHASE_HANDSHAKE;
	client->handshake_sent = false;
}

void zk_client_failed(struct zk_client *client, msec_t now_ms)
{
	zk_client_disconnected(client, now_ms);
}

void zk_client_disconnected(struct zk_client *client, msec_t now_ms)
{
	zk_client_set_now(client, now_ms);
	/* It is the one that we wanted to close: done. */
	if (client->disconnect_wanted) {
		client->disconnect_wanted = false;
		return;
	}
	if (client->phase == PHASE_ESTABLISHED)
		zk_client_lost(client);
	else if (client->phase == PHASE_CONNECTING || client->phase == PHASE_HANDSHAKE)
		zk_client_try_next(client);
}

/* ---- the session begins, goes on, ends ---- */

static void queue_set_watches(struct zk_client *client)
{
	size_t half = client->options.frame_size_max / 2;
	size_t batch_size = half < ZK_WATCHES_BATCH_SIZE ? half : ZK_WATCHES_BATCH_SIZE;
	struct zk_watches_cursor at = {.entry = NULL};
	struct zk_request request;

	for (;;) {
		zk_request_init(&request, 0, ZK_INTENT_AGAIN);
		request.opcode = zk_watches_encode(&client->watches, &at, batch_size,
						   client->last_zxid, &request.frame);
		if (!request.opcode)
			break;
		list_append(&client->control, &zk_call_new(CALL_SET_WATCHES, &request)->link);
	}
	zk_request_release(&request);
}

/* What was committed before the loss must be seen by the reads that judge it. */
static void queue_sync(struct zk_client *client)
{
	struct zk_request request;

	zk_request_sync(&request, bytes_of_text("/"));
	list_append(&client->control, &zk_call_new(CALL_SYNC, &request)->link);
}

void zk_client_established(struct zk_client *client, const struct zk_connect_response *response)
{
	bool new_session = response->session_id != client->session_id;

	client->phase = PHASE_ESTABLISHED;
	client->session_id = response->session_id;
	client->timeout_ms = response->timeout_ms;
	memcpy(client->password, response->password.data, ZK_PASSWORD_SIZE);
	client->last_ping_ms = client->now_ms;
	client->patience_is_over = false;
	client->auths_sent = 0;
	queue_set_watches(client);
	if (!list_is_empty(&client->doubt))
		queue_sync(client);
	zk_client_set_state(client, ZK_CLIENT_CONNECTED, new_session);
}

void zk_client_expired(struct zk_client *client)
{
	client->session_id = 0;
	memset(client->password, 0, sizeof(client->password));
	client->disconnect_wanted = true;
	if (client->options.onexpire == ZK_ONEXPIRE_FAIL)
		client->phase = PHASE_DEAD;
	else
		zk_client_try_next(client);
	zk_client_set_state(client, ZK_CLIENT_EXPIRED, false);
	if (client->options.onexpire == ZK_ONEXPIRE_FAIL)
		zk_client_end_all(client, ZK_OUTCOME_EXPIRED, ZK_SESSIONEXPIRED);
	else
		zk_client_expire_calls(client);
}

void zk_client_die(struct zk_client *client)
{
	if (client->phase != PHASE_WAITING && client->phase != PHASE_DEAD)
		client->disconnect_wanted = true;
	client->phase = PHASE_DEAD;
}

void zk_client_finish_close(struct zk_client *client)
{
	zk_client_die(client);
	zk_client_end_all(client, ZK_OUTCOME_CLOSED, ZK_CLOSING);
	zk_client_set_state(client, ZK_CLIENT_CLOSED, false);
}

/* ---- time ---- */

/* Idle means that one of the two ends has said nothing; one ping at a time. */
static msec_t ping_at(const struct zk_client *client)
{
	msec_t idle_since = client->last_heard_ms < client->last_sent_ms ? client->last_heard_ms
									 : client->last_sent_ms;

	if (idle_since < client->last_ping_ms)
		idle_since = client->last_ping_ms;
	return idle_since + client->timeout_ms / 6 + 1;
}

static msec_t silence_end(const struct zk_client *client)
{
	return client->last_heard_ms + client->timeout_ms * 2 / 3;
}

static bool has_patience_to_end(const struct zk_client *client)
{
	return !client->options.hard && !client->patience_is_over &&
	       client->phase != PHASE_ESTABLISHED && client->phase != PHASE_DEAD;
}

static bool must_finish_close(const struct zk_client *client)
{
	return client->closing && client->state != ZK_CLIENT_CLOSED &&
	       client->phase != PHASE_ESTABLISHED;
}

static msec_t phase_deadline(const struct zk_client *client)
{
	msec_t ping_ms;
	msec_t silence_ms;

	switch (client->phase) {
	case PHASE_WAITING:
		return client->retry_at_ms;
	case PHASE_CONNECTING:
	case PHASE_HANDSHAKE:
		return client->attempt_end_ms;
	case PHASE_ESTABLISHED:
		ping_ms = ping_at(client);
		silence_ms = silence_end(client);
		return ping_ms < silence_ms ? ping_ms : silence_ms;
	case PHASE_DEAD:
		break;
	}
	return INT64_MAX;
}

msec_t zk_client_deadline(const struct zk_client *client)
{
	msec_t deadline_ms = phase_deadline(client);

	if (must_finish_close(client))
		return client->now_ms;
	if (has_patience_to_end(client) && client->patience_end_ms < deadline_ms)
		return client->patience_end_ms;
	return deadline_ms;
}

void zk_client_tick(struct zk_client *client, msec_t now_ms)
{
	zk_client_set_now(client, now_ms);
	if (client->phase == PHASE_ESTABLISHED && now_ms >= silence_end(client)) {
		client->disconnect_wanted = true;
		zk_client_lost(client);
	} else if ((client->phase == PHASE_CONNECTING || client->phase == PHASE_HANDSHAKE) &&
		   now_ms >= client->attempt_end_ms) {
		client->disconnect_wanted = true;
		zk_client_try_next(client);
	}
	if (has_patience_to_end(client) && now_ms >= client->patience_end_ms)
		zk_client_end_patience(client);
	if (must_finish_close(client))
		zk_client_finish_close(client);
}

/* ---- what to send ---- */

static size_t begin_frame(struct zk_client *client)
{
	buf_reset(&client->output);
	(void)buf_extend(&client->output, 4);
	return client->output.size;
}

static void end_frame(struct zk_client *client, struct zk_client_action *ret_action)
{
	ASSERT(!client->output.error); /* all that is built here has a small maximum */
	endian_put_u32(client->output.data, (uint32_t)(client->output.size - 4));
	client->last_sent_ms = client->now_ms;
	*ret_action = (struct zk_client_action){.type = ZK_CLIENT_SEND,
						.bytes = buf_bytes(&client->output)};
}

static bool send_handshake(struct zk_client *client, struct zk_client_action *ret_action)
{
	struct zk_connect_request record = {
		.last_zxid_seen = client->last_zxid,
		.timeout_ms = (int32_t)client->options.timeout_ms,
		.session_id = client->session_id,
		.password = bytes_of(client->password, ZK_PASSWORD_SIZE),
		.has_read_only = true,
	};

	if (client->handshake_sent)
		return false;
	client->handshake_sent = true;
	(void)begin_frame(client);
	zk_connect_request_write(&client->output, &record);
	end_frame(client, ret_action);
	return true;
}

static void send_auth(struct zk_client *client, struct zk_client_action *ret_action)
{
	const struct auth *auth = &client->auths[client->auths_sent++];
	struct zk_request_header header = {.xid = ZK_XID_AUTH, .opcode = ZK_OP_AUTH};
	struct zk_auth_packet packet = {.scheme = auth->scheme, .auth = auth->payload};

	(void)begin_frame(client);
	zk_request_header_write(&client->output, &header);
	zk_auth_packet_write(&client->output, &packet);
	end_frame(client, ret_action);
}

static void send_ping(struct zk_client *client, struct zk_client_action *ret_action)
{
	struct zk_request_header header = {.xid = ZK_XID_PING, .opcode = ZK_OP_PING};

	client->last_ping_ms = client->now_ms;
	(void)begin_frame(client);
	zk_request_header_write(&client->output, &header);
	end_frame(client, ret_action);
}

static int32_t next_xid(struct zk_client *client)
{
	client->last_xid = client->last_xid == INT32_MAX ? 1 : client->last_xid + 1;
	return client->last_xid;
}

/* On its way: from here on a loss puts it in doubt. */
static void send_call(struct zk_client *client, struct call *call,
		      struct zk_client_action *ret_action)
{
	struct buf *frame = &call->frame;

	list_remove(&call->link);
	list_append(&client->flight, &call->link);
	client->flight_count++;
	call->base = client->last_zxid;
	call->sent = true;
	call->cleared = false;
	call->xid = call->kind == CALL_SET_WATCHES ? ZK_XID_SET_WATCHES : next_xid(client);
	endian_put_u32(frame->data, (uint32_t)(frame->size - 4));
	endian_put_u32(frame->data + 4, (uint32_t)call->xid);
	endian_put_u32(frame->data + 8, (uint32_t)call->opcode);
	client->last_sent_ms = client->now_ms;
	*ret_action = (struct zk_client_action){.type = ZK_CLIENT_SEND, .bytes = buf_bytes(frame)};
}

static bool everything_is_answered(const struct zk_client *client)
{
	return list_is_empty(&client->control) && list_is_empty(&client->flight) &&
	       list_is_empty(&client->doubt) && list_is_empty(&client->waiting);
}

static struct call *make_close(struct zk_client *client)
{
	struct zk_request request;
	struct call *call;

	zk_request_init(&request, ZK_OP_CLOSE_SESSION, ZK_INTENT_AGAIN);
	call = zk_call_new(CALL_CLOSE, &request);
	list_append(&client->control, &call->link);
	return call;
}

static struct call *first_call(const struct list *calls)
{
	struct list *link = list_first(calls);

	return link ? list_item(link, struct call, link) : NULL;
}

/* Nothing goes out beside a call that is tried alone. */
static bool is_trying_alone(const struct zk_client *client)
{
	const struct call *first = first_call(&client->flight);

	return first && first->losses >= LOSSES_ALONE;
}

static struct call *next_call(struct zk_client *client)
{
	if (!list_is_empty(&client->control))
		return first_call(&client->control);
	if (is_trying_alone(client))
		return NULL;
	if (!list_is_empty(&client->doubt))
		return zk_client_next_in_doubt(client);
	if (!list_is_empty(&client->waiting))
		return client->flight_count < ZK_CLIENT_FLIGHT_MAX ? first_call(&client->waiting)
								   : NULL;
	return client->closing && everything_is_answered(client) ? make_close(client) : NULL;
}

static bool next_send(struct zk_client *client, struct zk_client_action *ret_action)
{
	struct call *call;

	if (client->auths_sent < client->auth_count) {
		send_auth(client, ret_action);
		return true;
	}
	call = next_call(client);
	if (call) {
		send_call(client, call, ret_action);
		return true;
	}
	if (client->now_ms < ping_at(client))
		return false;
	send_ping(client, ret_action);
	return true;
}

bool zk_client_next_action(struct zk_client *client, msec_t now_ms,
			   struct zk_client_action *ret_action)
{
	zk_client_set_now(client, now_ms);
	if (client->disconnect_wanted) {
		client->disconnect_wanted = false;
		*ret_action = (struct zk_client_action){.type = ZK_CLIENT_DISCONNECT};
		return true;
	}
	switch (client->phase) {
	case PHASE_WAITING:
		if (now_ms < client->retry_at_ms)
			return false;
		begin_attempt(client, ret_action);
		return true;
	case PHASE_HANDSHAKE:
		return send_handshake(client, ret_action);
	case PHASE_ESTABLISHED:
		return next_send(client, ret_action);
	case PHASE_CONNECTING:
	case PHASE_DEAD:
		break;
	}
	return false;
}
