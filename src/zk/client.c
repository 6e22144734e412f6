#include "src/zk/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/client_private.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"

/* The session's own small frames, whatever jute.maxbuffer is. */
enum { OUTPUT_SPARE_SIZE = 1024 };

/* ---- life ---- */

static void shuffle(struct zk_client *client)
{
	size_t count = client->options.server_count;
	size_t first = client->options.begins_with_first ? 1 : 0;

	client->order = mem_alloc(count * sizeof(*client->order));
	for (size_t i = 0; i < count; i++)
		client->order[i] = i;
	for (size_t i = count; i > first + 1; i--) {
		size_t j = first + (size_t)prng_below(&client->prng, i - first);
		size_t moved = client->order[i - 1];

		client->order[i - 1] = client->order[j];
		client->order[j] = moved;
	}
	client->server = client->order[0];
	client->order_at = count - 1; /* the first try takes the next one */
}

struct zk_client *zk_client_new(const struct zk_client_options *options,
				const struct zk_client_callbacks *callbacks, msec_t now_ms)
{
	struct zk_client *client = mem_zalloc(sizeof(*client));

	ASSERT(options->server_count > 0);
	ASSERT(options->timeout_ms > 0 && options->timeout_ms <= INT32_MAX);
	client->options = *options;
	if (client->options.frame_size_max == 0)
		client->options.frame_size_max = ZK_JUTE_MAXBUFFER_DEFAULT;
	client->callbacks = *callbacks;
	client->state = ZK_CLIENT_CONNECTING;
	client->phase = PHASE_WAITING;
	client->now_ms = now_ms;
	client->retry_at_ms = now_ms;
	client->last_heard_ms = now_ms;
	client->patience_end_ms = now_ms + options->timeout_ms;
	client->timeout_ms = options->timeout_ms;
	prng_init(&client->prng, options->seed);
	shuffle(client);
	zk_watches_init(&client->watches);
	list_init(&client->control);
	list_init(&client->flight);
	list_init(&client->doubt);
	list_init(&client->waiting);
	map_init(&client->by_id);
	buf_init(&client->output, client->options.frame_size_max + OUTPUT_SPARE_SIZE);
	return client;
}

static void free_list(struct zk_client *client, struct list *calls)
{
	struct list *link;

	while ((link = list_first(calls))) {
		struct call *call = list_item(link, struct call, link);

		if (call->kind == CALL_REQUEST)
			map_remove(&client->by_id, &call->by_id);
		list_remove(link);
		zk_call_free(call);
	}
}

void zk_client_free(struct zk_client *client)
{
	if (!client)
		return;
	ASSERT(client->callback_depth == 0);
	free_list(client, &client->control);
	free_list(client, &client->flight);
	free_list(client, &client->doubt);
	free_list(client, &client->waiting);
	ASSERT(client->by_id.count == 0);
	map_release(&client->by_id);
	for (size_t i = 0; i < client->auth_count; i++) {
		free((void *)client->auths[i].scheme.data);
		free((void *)client->auths[i].payload.data);
	}
	zk_watches_release(&client->watches);
	buf_release(&client->output);
	free(client->order);
	free(client);
}

void zk_client_set_now(struct zk_client *client, msec_t now_ms)
{
	ASSERT(now_ms >= client->now_ms);
	client->now_ms = now_ms;
}

/* ---- state ---- */

static bool is_legal_move(enum zk_client_state from, enum zk_client_state to)
{
	switch (to) {
	case ZK_CLIENT_CONNECTING:
		return false;
	case ZK_CLIENT_CONNECTED:
		return from == ZK_CLIENT_CONNECTING || from == ZK_CLIENT_DISCONNECTED ||
		       from == ZK_CLIENT_EXPIRED;
	case ZK_CLIENT_DISCONNECTED:
		return from == ZK_CLIENT_CONNECTED;
	case ZK_CLIENT_EXPIRED:
		return from == ZK_CLIENT_DISCONNECTED;
	case ZK_CLIENT_AUTH_FAILED:
		return from == ZK_CLIENT_CONNECTED;
	case ZK_CLIENT_CLOSED:
		return from != ZK_CLIENT_CLOSED;
	}
	return false;
}

void zk_client_set_state(struct zk_client *client, enum zk_client_state state, bool new_session)
{
	ASSERT(is_legal_move(client->state, state));
	client->state = state;
	client->callback_depth++;
	client->callbacks.on_state(state, new_session, client->callbacks.data);
	client->callback_depth--;
}

const char *zk_client_state_name(enum zk_client_state state)
{
	switch (state) {
	case ZK_CLIENT_CONNECTING:
		return "CONNECTING";
	case ZK_CLIENT_CONNECTED:
		return "CONNECTED";
	case ZK_CLIENT_DISCONNECTED:
		return "DISCONNECTED";
	case ZK_CLIENT_EXPIRED:
		return "EXPIRED";
	case ZK_CLIENT_AUTH_FAILED:
		return "AUTH_FAILED";
	case ZK_CLIENT_CLOSED:
		return "CLOSED";
	}
	return "?";
}

/* ---- calls ---- */

struct call *zk_call_new(enum call_kind kind, struct zk_request *request)
{
	struct call *call = mem_zalloc(sizeof(*call));

	list_init(&call->link);
	call->kind = kind;
	call->opcode = request->opcode;
	call->intent = request->intent;
	call->session_bound = request->session_bound;
	call->frame = request->frame;
	buf_init(&request->frame, 0);
	return call;
}

void zk_call_free(struct call *call)
{
	ASSERT(!list_is_linked(&call->link));
	buf_release(&call->frame);
	free(call);
}

bool zk_call_is_read(const struct call *call)
{
	switch (call->opcode) {
	case ZK_OP_EXISTS:
	case ZK_OP_GET_DATA:
	case ZK_OP_GET_ACL:
	case ZK_OP_GET_CHILDREN:
	case ZK_OP_GET_CHILDREN2:
	case ZK_OP_SYNC:
	case ZK_OP_MULTI_READ:
	case ZK_OP_GET_EPHEMERALS:
	case ZK_OP_GET_ALL_CHILDREN_NUMBER:
	case ZK_OP_WHO_AM_I:
	case ZK_OP_CHECK_WATCHES:
	case ZK_OP_REMOVE_WATCHES:
	case ZK_OP_ADD_WATCH:
		return true;
	default:
		return false;
	}
}

/* The user has no more part in it. */
static void forget(struct zk_client *client, struct call *call)
{
	list_remove(&call->link);
	map_remove(&client->by_id, &call->by_id);
	client->request_count--;
	client->byte_count -= call->frame.size;
}

static void tell(struct zk_client *client, struct call *call, const struct zk_reply *reply)
{
	if (!call->on_reply)
		return;
	client->callback_depth++;
	call->on_reply(reply, call->data);
	client->callback_depth--;
}

void zk_client_end_call(struct zk_client *client, struct call *call, struct zk_reply *reply)
{
	ASSERT(call->kind == CALL_REQUEST);
	forget(client, call);
	reply->sent = call->sent;
	tell(client, call, reply);
	zk_call_free(call);
}

void zk_client_end_list(struct zk_client *client, struct list *calls, enum zk_outcome outcome,
			int32_t code)
{
	struct list *link;

	while ((link = list_first(calls))) {
		struct zk_reply reply = {.outcome = outcome, .code = code};

		zk_client_end_call(client, list_item(link, struct call, link), &reply);
	}
}

static void drop_own(struct list *calls)
{
	list_for_each_safe (calls, at) {
		struct call *call = list_item(at, struct call, link);

		if (call->kind == CALL_REQUEST)
			continue;
		list_remove(at);
		zk_call_free(call);
	}
}

void zk_client_end_all(struct zk_client *client, enum zk_outcome outcome, int32_t code)
{
	struct list ended;

	drop_own(&client->control);
	drop_own(&client->flight);
	client->flight_count = 0;
	list_init(&ended);
	list_splice(&ended, &client->flight);
	list_splice(&ended, &client->doubt);
	list_splice(&ended, &client->waiting);
	zk_client_end_list(client, &ended, outcome, code);
}

/* ---- requests ---- */

static int refusal(const struct zk_client *client, const struct zk_request *request)
{
	if (client->closing)
		return -ESHUTDOWN;
	if (client->phase == PHASE_DEAD)
		return -EIO;
	if (request->frame.error || zk_request_size(request) > client->options.frame_size_max)
		return -EFBIG;
	if (client->patience_is_over)
		return -ETIMEDOUT;
	if (client->request_count >= ZK_CLIENT_REQUESTS_MAX ||
	    client->byte_count + request->frame.size > ZK_CLIENT_BYTES_MAX)
		return -EAGAIN;
	if (client->watches.count >= ZK_CLIENT_WATCHES_MAX &&
	    zk_watches_request_sets(request->opcode, zk_request_body(request)))
		return -ENOSPC;
	return 0;
}

int zk_client_submit(struct zk_client *client, struct zk_request *request, msec_t now_ms,
		     zk_client_on_reply *on_reply, void *data, uint64_t *ret_id)
{
	struct call *call;
	int err;

	zk_client_set_now(client, now_ms);
	err = refusal(client, request);
	if (err) {
		zk_request_release(request);
		return err;
	}
	call = zk_call_new(CALL_REQUEST, request);
	call->on_reply = on_reply;
	call->data = data;
	call->id = ++client->last_id;
	map_insert(&client->by_id, &call->by_id, bytes_of(&call->id, sizeof(call->id)));
	list_append(&client->waiting, &call->link);
	client->request_count++;
	client->byte_count += call->frame.size;
	if (ret_id)
		*ret_id = call->id;
	return 0;
}

void zk_client_abandon(struct zk_client *client, uint64_t id)
{
	struct map_entry *entry = map_find(&client->by_id, bytes_of(&id, sizeof(id)));
	struct call *call;

	if (!entry)
		return;
	call = map_item(entry, struct call, by_id);
	call->on_reply = NULL;
	if (call->sent || !zk_call_is_read(call))
		return;
	forget(client, call);
	zk_call_free(call);
}

int zk_client_add_auth(struct zk_client *client, struct bytes scheme, struct bytes auth)
{
	struct auth *added = &client->auths[client->auth_count];

	if (client->auth_count == ZK_CLIENT_AUTHS_MAX)
		return -ENOSPC;
	if (bytes_size(scheme) + bytes_size(auth) > client->options.frame_size_max / 2)
		return -EFBIG;
	added->scheme = bytes_of(bytes_dup(scheme), bytes_size(scheme));
	added->payload = bytes_of(bytes_dup(auth), bytes_size(auth));
	client->auth_count++;
	return 0;
}

void zk_client_close(struct zk_client *client, msec_t now_ms)
{
	zk_client_set_now(client, now_ms);
	client->closing = true;
	/* Within a callback the lists are in somebody's hands: the next tick does it. */
	if (client->callback_depth == 0)
		zk_client_tick(client, now_ms);
}

/* ---- queries ---- */

enum zk_client_state zk_client_state(const struct zk_client *client)
{
	return client->state;
}

session_id_t zk_client_session_id(const struct zk_client *client)
{
	return client->session_id;
}

msec_t zk_client_timeout_ms(const struct zk_client *client)
{
	return client->timeout_ms;
}

zxid_t zk_client_last_zxid(const struct zk_client *client)
{
	return client->last_zxid;
}

size_t zk_client_server(const struct zk_client *client)
{
	return client->server;
}

msec_t zk_client_last_heard(const struct zk_client *client)
{
	return client->last_heard_ms;
}

size_t zk_client_pending(const struct zk_client *client)
{
	return client->request_count;
}

size_t zk_client_watch_count(const struct zk_client *client)
{
	return client->watches.count;
}

size_t zk_client_frame_size_max(const struct zk_client *client)
{
	return client->options.frame_size_max;
}

/* ---- invariants ---- */

struct tally {
	size_t calls;
	size_t requests;
	size_t bytes;
};

static void count_list(const struct zk_client *client, const struct list *calls,
		       struct tally *tally)
{
	list_for_each (calls, at) {
		const struct call *call = list_item(at, struct call, link);

		tally->calls++;
		if (call->kind != CALL_REQUEST)
			continue;
		ASSERT(map_find(&client->by_id, bytes_of(&call->id, sizeof(call->id))) ==
		       &call->by_id);
		tally->requests++;
		tally->bytes += call->frame.size;
	}
}

void zk_client_check(const struct zk_client *client)
{
	struct tally tally = {.calls = 0};

	count_list(client, &client->flight, &tally);
	ASSERT(tally.calls == client->flight_count);
	ASSERT(tally.calls == 0 || client->phase == PHASE_ESTABLISHED);
	count_list(client, &client->doubt, &tally);
	count_list(client, &client->waiting, &tally);
	ASSERT(tally.requests == client->request_count);
	ASSERT(tally.requests == client->by_id.count);
	ASSERT(tally.bytes == client->byte_count);
	ASSERT((client->state == ZK_CLIENT_CONNECTED) == (client->phase == PHASE_ESTABLISHED));
}
