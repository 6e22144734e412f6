/*
 * What a server says: one answer to the handshake, then replies in the order
 * of the requests, with events, pings and answers to auth packets in between.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/zk/client_private.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"

static int receive_handshake(struct zk_client *client, struct jute_reader *reader)
{
	struct zk_connect_response response;

	zk_connect_response_read(reader, &response);
	/* A server in read-only mode, which we never ask for, may answer with an error instead. */
	if (reader->error || response.read_only || !client->handshake_sent)
		return -EBADMSG;
	if (response.timeout_ms <= 0) {
		/* For a session that was never there it says nothing but "not here". */
		if (client->session_id == 0)
			return -EBADMSG;
		zk_client_expired(client);
		return 0;
	}
	if (response.session_id == 0 || bytes_size(response.password) != ZK_PASSWORD_SIZE)
		return -EBADMSG;
	zk_client_established(client, &response);
	return 0;
}

static int receive_event(struct zk_client *client, const struct zk_reply_header *header,
			 struct jute_reader *reader)
{
	struct zk_watcher_event record;
	struct zk_client_event event;

	zk_watcher_event_read(reader, &record);
	if (reader->error)
		return -EBADMSG;
	zk_watches_note_event(&client->watches, record.type, record.path);
	event = (struct zk_client_event){
		.type = record.type, .path = record.path, .zxid = header->zxid};
	client->callback_depth++;
	client->callbacks.on_event(&event, client->callbacks.data);
	client->callback_depth--;
	return 0;
}

static int receive_auth(struct zk_client *client, const struct zk_reply_header *header)
{
	if (header->err == ZK_OK)
		return 0;
	zk_client_die(client);
	zk_client_set_state(client, ZK_CLIENT_AUTH_FAILED, false);
	zk_client_end_all(client, ZK_OUTCOME_CLOSED, ZK_AUTHFAILED);
	return 0;
}

/* The server is older than addWatch: its caller has to watch by other means. */
static void drop_persistent_watches(struct zk_client *client, enum zk_watch_table table)
{
	struct bytes path;

	while (!bytes_is_null(path = zk_watches_first(&client->watches, table))) {
		char *copy = bytes_dup(path);
		struct zk_client_event event = {.type = ZK_EVENT_PERSISTENT_WATCH_REMOVED,
						.path = bytes_of(copy, bytes_size(path)),
						.zxid = -1};

		zk_watches_remove(&client->watches, table, path);
		client->callback_depth++;
		client->callbacks.on_event(&event, client->callbacks.data);
		client->callback_depth--;
		free(copy);
	}
}

static void set_watches_answered(struct zk_client *client, const struct call *call, int32_t err)
{
	if (err == ZK_OK || call->opcode != ZK_OP_SET_WATCHES2)
		return;
	drop_persistent_watches(client, ZK_WATCHES_PERSISTENT);
	drop_persistent_watches(client, ZK_WATCHES_RECURSIVE);
}

static void request_answered(struct zk_client *client, struct call *call,
			     const struct zk_reply_header *header, const struct jute_reader *body)
{
	struct zk_reply reply = {
		.outcome = ZK_OUTCOME_REPLIED,
		.code = header->err,
		.zxid = header->zxid,
		.body = *body,
	};
	struct bytes record = bytes_of(call->frame.data + ZK_REQUEST_HEAD_SIZE,
				       call->frame.size - ZK_REQUEST_HEAD_SIZE);

	zk_watches_note_reply(&client->watches, call->opcode, record, header->err);
	if (header->err == ZK_OK)
		zk_client_note_answered(client, call, header->zxid);
	zk_client_end_call(client, call, &reply);
}

/* The session's own calls end here. An error ends the connection. */
static int own_answered(struct zk_client *client, struct call *call,
			const struct zk_reply_header *header, struct jute_reader *body)
{
	int err = 0;

	if (call->kind == CALL_SET_WATCHES)
		set_watches_answered(client, call, header->err);
	else if (call->kind == CALL_PROBE)
		zk_client_probe_answered(client, call, header, body);
	else if (call->kind == CALL_CLOSE)
		zk_client_finish_close(client);
	else if (header->err != ZK_OK)
		err = -EBADMSG; /* without the sync nothing that is read here tells anything */
	zk_call_free(call);
	return err;
}

static int receive_reply(struct zk_client *client, const struct zk_reply_header *header,
			 struct jute_reader *body)
{
	struct list *first = list_first(&client->flight);
	struct call *call = first ? list_item(first, struct call, link) : NULL;

	if (!call || call->xid != header->xid)
		return -EBADMSG;
	list_remove(&call->link);
	client->flight_count--;
	if (header->zxid > client->last_zxid)
		client->last_zxid = header->zxid;
	if (call->kind != CALL_REQUEST)
		return own_answered(client, call, header, body);
	client->attempts = 0;
	request_answered(client, call, header, body);
	return 0;
}

static int receive_frame(struct zk_client *client, struct jute_reader *reader)
{
	struct zk_reply_header header;

	if (client->phase == PHASE_HANDSHAKE)
		return receive_handshake(client, reader);
	zk_reply_header_read(reader, &header);
	if (reader->error)
		return -EBADMSG;
	switch (header.xid) {
	case ZK_XID_NOTIFICATION:
		return receive_event(client, &header, reader);
	case ZK_XID_PING:
		client->attempts = 0;
		return 0;
	case ZK_XID_AUTH:
		return receive_auth(client, &header);
	default:
		return receive_reply(client, &header, reader);
	}
}

int zk_client_received(struct zk_client *client, struct bytes frame, msec_t now_ms)
{
	struct jute_reader reader;
	int err;

	zk_client_set_now(client, now_ms);
	if (client->disconnect_wanted ||
	    (client->phase != PHASE_HANDSHAKE && client->phase != PHASE_ESTABLISHED))
		return 0;
	client->last_heard_ms = now_ms;
	jute_reader_init(&reader, frame.data, bytes_size(frame), bytes_size(frame));
	err = receive_frame(client, &reader);
	if (!err)
		return 0;
	client->disconnect_wanted = true;
	if (client->phase == PHASE_ESTABLISHED)
		zk_client_lost(client);
	else
		zk_client_try_next(client);
	return err;
}
