/*
 * A wire is one TCP connection, and belongs to
 *
 *	nobody yet	accepted, on `half_open` until its initiation is there
 *	a peer's dial	being connected
 *	a peer's wire	the connection that notifications go over
 *
 * A wire that is not wanted any more is closed and freed at once; conn_close
 * promises that nothing comes from it after that.
 */
#include "replica/io/peers_election.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica/io/initiation.h"
#include "replica/io/sparse_log.h"
#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/base/list.h"
#include "src/base/log.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/io/conn.h"

enum {
	LENGTH_SIZE = 4,
	/* A frame that the kernel does not take, an initiation, and a frame begun behind it. */
	OUTPUT_SIZE_MAX = 2 * PEERS_FRAME_SIZE_MAX,
	ANONYMOUS_FIRST = -1,
};

struct wire {
	struct peers_election *peers;
	struct conn *conn;
	struct peer *peer;     /* NULL: it has not said who it is */
	struct list half_open; /* ... and is on the list until then */
	msec_t deadline_ms;
};

struct peer {
	struct map_entry by_sid;
	int64_t sid;
	struct peers_election *peers;
	const struct quorum_server *server; /* NULL: a stranger */
	struct wire *wire;
	struct wire *dial;
	/* Where it asked to be called back; a configured one's is forgotten after the call. */
	struct initiation_address called[INITIATION_ADDRESSES_MAX];
	size_t called_count;
	size_t address_at; /* of both lists, one behind the other: which is dialed next */
	bool is_called;    /* it is to be called back, whether there is a message or not */
	msec_t dial_at_ms; /* not before that */
	msec_t pause_ms;
	struct buf slot;
	bool is_full; /* the slot */
	struct buf last;
	bool has_last;
	enum election_reach reach;
};

struct peers_election {
	struct loop *loop;
	struct peers_election_options options;
	struct peers_election_events events;
	void *data;
	const struct quorum_server *self;
	struct peers_listen *listen;
	struct map peers; /* of struct peer, by sid */
	size_t stranger_count;
	struct list half_open; /* of struct wire, the oldest first */
	size_t half_open_count;
	int64_t anonymous_next; /* the number of the next observer that has none */
	struct loop_hook hook;
	bool is_clogged; /* a full slot waits for a peer to read */
	uv_timer_t timer;
	msec_t timer_ms; /* what it is set to; INT64_MAX: nothing */
	struct sparse_log refused;
	struct sparse_log strangers;
};

static void dial_if_wanted(struct peer *peer);

/* ---- time ---- */

static msec_t now_ms(const struct peers_election *peers)
{
	return loop_now_ms(peers->loop);
}

static void wake_at(struct peers_election *peers, msec_t at_ms);

static void expire_half_open(struct peers_election *peers);

static void on_timer(uv_timer_t *timer)
{
	struct peers_election *peers = timer->data;

	peers->timer_ms = INT64_MAX;
	expire_half_open(peers);
	map_for_each (&peers->peers, entry)
		dial_if_wanted(map_item(entry, struct peer, by_sid));
}

static void wake_at(struct peers_election *peers, msec_t at_ms)
{
	msec_t now = now_ms(peers);

	if (at_ms >= peers->timer_ms)
		return;
	peers->timer_ms = at_ms;
	/* Fails only for a handle that is closing. */
	(void)uv_timer_start(&peers->timer, on_timer, at_ms > now ? (uint64_t)(at_ms - now) : 0, 0);
}

/* ---- peers ---- */

static struct peer *find_peer(const struct peers_election *peers, int64_t sid)
{
	struct map_entry *entry = map_find(&peers->peers, bytes_of(&sid, sizeof(sid)));

	return entry ? map_item(entry, struct peer, by_sid) : NULL;
}

static struct peer *add_peer(struct peers_election *peers, int64_t sid,
			     const struct quorum_server *server)
{
	struct peer *peer = mem_zalloc(sizeof(*peer));

	peer->sid = sid;
	peer->peers = peers;
	peer->server = server;
	peer->pause_ms = PEERS_REDIAL_MS_MIN;
	buf_init(&peer->slot, PEERS_FRAME_SIZE_MAX);
	buf_init(&peer->last, PEERS_FRAME_SIZE_MAX);
	map_insert(&peers->peers, &peer->by_sid, bytes_of(&peer->sid, sizeof(peer->sid)));
	if (!server)
		peers->stranger_count++;
	return peer;
}

static void free_peer(struct peer *peer)
{
	ASSERT(!peer->wire && !peer->dial);
	map_remove(&peer->peers->peers, &peer->by_sid);
	if (!peer->server)
		peer->peers->stranger_count--;
	buf_release(&peer->slot);
	buf_release(&peer->last);
	free(peer);
}

/* A stranger is forgotten when nothing connects us any more. The peer may be gone then. */
static void forget_if_stranger(struct peer *peer)
{
	if (!peer->server && !peer->wire && !peer->dial)
		free_peer(peer);
}

static void tell_reach(struct peer *peer, enum election_reach reach)
{
	struct peers_election *peers = peer->peers;

	if (!peer->server || peer->reach == reach)
		return;
	peer->reach = reach;
	peers->events.reach(peer->sid, reach, peers->data);
}

/* ---- wires ---- */

static void leave_half_open(struct wire *wire)
{
	if (!list_is_linked(&wire->half_open))
		return;
	list_remove(&wire->half_open);
	wire->peers->half_open_count--;
}

static struct wire *new_wire(struct peers_election *peers, struct peer *peer)
{
	struct wire *wire = mem_zalloc(sizeof(*wire));

	wire->peers = peers;
	wire->peer = peer;
	list_init(&wire->half_open);
	return wire;
}

/* Its conn is gone, or somebody else's. */
static void free_wire(struct wire *wire)
{
	leave_half_open(wire);
	if (wire->peer && wire->peer->wire == wire)
		wire->peer->wire = NULL;
	if (wire->peer && wire->peer->dial == wire)
		wire->peer->dial = NULL;
	free(wire);
}

/* Takes NULL. */
static void drop_wire(struct wire *wire)
{
	if (!wire)
		return;
	conn_close(wire->conn);
	free_wire(wire);
}

__attribute__((format(printf, 2, 3))) static void refuse(struct wire *wire, const char *format, ...)
{
	unsigned left_out;
	char why[256];
	va_list args;

	if (sparse_log_is_due(&wire->peers->refused, now_ms(wire->peers), &left_out)) {
		va_start(args, format);
		(void)vsnprintf(why, sizeof(why), format, args); /* a sentence is short */
		va_end(args);
		log_warn("election", "%s: %s; closed (%u such before)", conn_peer(wire->conn), why,
			 left_out);
	}
	drop_wire(wire);
}

/* ---- sending ---- */

static void write_frame(struct wire *wire, const struct buf *message)
{
	size_t begin = conn_frame_begin(wire->conn);

	conn_write(wire->conn, buf_bytes(message));
	conn_frame_end(wire->conn, begin);
	conn_flush(wire->conn);
}

/* The slot's message, if the peer has taken the one before. */
static void send_slot(struct peer *peer)
{
	struct buf sent = peer->slot;

	if (!peer->is_full || !peer->wire)
		return;
	if (conn_output_size(peer->wire->conn) > 0) {
		peer->peers->is_clogged = true;
		return;
	}
	write_frame(peer->wire, &peer->slot);
	peer->slot = peer->last;
	peer->last = sent;
	peer->has_last = true;
	peer->is_full = false;
}

/* Once a turn: whoever has taken what was sent gets what waits. */
static void unclog(struct loop_hook *hook)
{
	struct peers_election *peers = list_item(hook, struct peers_election, hook);

	if (!peers->is_clogged)
		return;
	peers->is_clogged = false;
	map_for_each (&peers->peers, entry)
		send_slot(map_item(entry, struct peer, by_sid));
}

void peers_election_send(struct peers_election *peers, int64_t sid, struct bytes message)
{
	struct peer *peer = find_peer(peers, sid);

	ASSERT(sid != peers->options.myid);
	ASSERT(bytes_size(message) > 0 && bytes_size(message) <= PEERS_FRAME_SIZE_MAX);
	if (!peer)
		return;
	buf_reset(&peer->slot);
	buf_append(&peer->slot, message.data, bytes_size(message));
	peer->is_full = true;
	send_slot(peer);
	dial_if_wanted(peer);
}

/* This is the connection from now on. */
static void adopt(struct peer *peer, struct wire *wire)
{
	if (peer->wire != wire)
		drop_wire(peer->wire);
	if (peer->dial == wire)
		peer->dial = NULL;
	drop_wire(peer->dial);
	leave_half_open(wire);
	wire->peer = peer;
	peer->wire = wire;
	peer->pause_ms = PEERS_REDIAL_MS_MIN;
	peer->dial_at_ms = 0;
	peer->is_called = false;
	if (peer->server)
		log_info("election", "server %" PRId64 " is connected, %s", peer->sid,
			 conn_peer(wire->conn));
	if (peer->is_full)
		send_slot(peer);
	else if (peer->has_last)
		write_frame(wire, &peer->last);
	tell_reach(peer, ELECTION_REACHABLE);
}

/* ---- dialing ---- */

static const struct conn_callbacks wire_callbacks;

static const struct conn_options wire_options = {
	.frame_size_max = PEERS_FRAME_SIZE_MAX,
	.output_size_max = OUTPUT_SIZE_MAX,
	.callbacks = &wire_callbacks,
};

static size_t address_count(const struct peer *peer)
{
	return peer->called_count + (peer->server ? peer->server->address_count : 0);
}

static void dial(struct peer *peer)
{
	const char *host;
	uint16_t port;

	if (peer->address_at < peer->called_count) {
		host = peer->called[peer->address_at].host;
		port = peer->called[peer->address_at].port;
	} else {
		const struct quorum_address *at =
			&peer->server->addresses[peer->address_at - peer->called_count];

		host = at->host;
		port = (uint16_t)at->election_port;
	}
	peer->dial = new_wire(peer->peers, peer);
	peer->dial->conn = conn_connect(peer->peers->loop, host, port, PEERS_CONNECT_TIMEOUT_MS,
					&wire_options, peer->dial);
}

static void dial_if_wanted(struct peer *peer)
{
	if (peer->wire || peer->dial || !(peer->is_full || peer->is_called))
		return;
	if (address_count(peer) == 0)
		return;
	if (peer->dial_at_ms > now_ms(peer->peers))
		wake_at(peer->peers, peer->dial_at_ms);
	else
		dial(peer);
}

/* One round over all addresses is over, for good or not: the next comes after a pause. */
static void pause_dialing(struct peer *peer)
{
	peer->address_at = 0;
	peer->is_called = false;
	if (peer->server)
		peer->called_count = 0;
	peer->dial_at_ms = now_ms(peer->peers) + peer->pause_ms;
	peer->pause_ms *= 2;
	if (peer->pause_ms > PEERS_REDIAL_MS_MAX)
		peer->pause_ms = PEERS_REDIAL_MS_MAX;
	dial_if_wanted(peer);
}

static void note_failed_dial(struct peer *peer, int error)
{
	bool is_news = peer->reach != ELECTION_UNREACHABLE;

	if (++peer->address_at < address_count(peer)) {
		dial(peer);
		return;
	}
	if (!peer->server) {
		free_peer(peer);
		return;
	}
	if (is_news)
		log_info("election", "server %" PRId64 " can't be reached: %s", peer->sid,
			 strerror(-error));
	pause_dialing(peer);
	tell_reach(peer, ELECTION_UNREACHABLE);
}

static void on_connected(struct conn *conn, void *data)
{
	struct wire *wire = data;
	struct peer *peer = wire->peer;
	struct peers_election *peers = wire->peers;

	initiation_write(conn_output(conn), peers->self, peers->options.tells_all_addresses);
	conn_flush(conn);
	if (peer->sid < peers->options.myid) {
		peer->address_at = 0;
		if (peer->server)
			peer->called_count = 0;
		adopt(peer, wire);
		return;
	}
	/* The lost challenge: it calls back now. */
	conn_close_after_flush(conn);
	free_wire(wire);
	pause_dialing(peer);
	tell_reach(peer, ELECTION_REACHABLE);
}

/* ---- being called ---- */

static struct peer *admit_stranger(struct wire *wire, int64_t sid)
{
	struct peers_election *peers = wire->peers;
	unsigned left_out;

	if (peers->stranger_count >= PEERS_STRANGERS_MAX) {
		refuse(wire, "server %" PRId64 " is not configured, and neither are %d others", sid,
		       PEERS_STRANGERS_MAX);
		return NULL;
	}
	if (sparse_log_is_due(&peers->strangers, now_ms(peers), &left_out))
		log_info("election", "%s: server %" PRId64 " is not configured (%u such before)",
			 conn_peer(wire->conn), sid, left_out);
	return add_peer(peers, sid, NULL);
}

/* A smaller sid: only what we dial ourselves stays. */
static void call_back(struct wire *wire, struct peer *peer, const struct initiation *initiation)
{
	drop_wire(wire);
	drop_wire(peer->wire);
	if (peer->dial)
		return;
	memcpy(peer->called, initiation->addresses, sizeof(peer->called));
	peer->called_count = initiation->address_count;
	peer->address_at = 0;
	if (address_count(peer) == 0) {
		forget_if_stranger(peer);
		return;
	}
	peer->is_called = true;
	peer->dial_at_ms = 0;
	dial_if_wanted(peer);
}

/* False: the wire is gone, or the peer's now. */
static void welcome(struct wire *wire, const struct initiation *initiation)
{
	struct peers_election *peers = wire->peers;
	int64_t sid = initiation->sid;
	struct peer *peer;

	if (sid == INITIATION_ANONYMOUS)
		sid = peers->anonymous_next--;
	if (sid == peers->options.myid) {
		refuse(wire, "says that it is server %" PRId64 ", which this one is", sid);
		return;
	}
	peer = find_peer(peers, sid);
	if (!peer)
		peer = admit_stranger(wire, sid);
	if (!peer)
		return;
	if (sid > peers->options.myid)
		adopt(peer, wire);
	else
		call_back(wire, peer, initiation);
}

static size_t take_initiation(struct wire *wire, struct bytes bytes)
{
	struct initiation initiation;
	int used = initiation_read(bytes, &initiation);

	if (used == 0)
		return 0;
	if (used < 0) {
		refuse(wire, "what it begins with is no election message");
		return bytes_size(bytes);
	}
	welcome(wire, &initiation);
	return (size_t)used;
}

static bool is_notification(const struct peers_election *peers, struct bytes frame)
{
	return !peers->events.is_notification || peers->events.is_notification(frame);
}

static size_t take_frame(struct wire *wire, struct bytes bytes)
{
	struct peers_election *peers = wire->peers;
	struct peer *peer = wire->peer;
	const uint8_t *data = bytes.data;
	size_t size = bytes_size(bytes);
	uint32_t length;
	struct bytes frame;

	if (size < LENGTH_SIZE)
		return 0;
	length = endian_get_u32(data);
	if (length < 1 || length > PEERS_FRAME_SIZE_MAX) {
		refuse(wire, "server %" PRId64 " sent a length of %d", peer->sid, (int32_t)length);
		forget_if_stranger(peer);
		return size;
	}
	if (size - LENGTH_SIZE < length)
		return 0;
	frame = bytes_of(data + LENGTH_SIZE, length);
	if (!is_notification(peers, frame)) {
		refuse(wire, "server %" PRId64 " sent %u bytes that are no notification", peer->sid,
		       length);
		forget_if_stranger(peer);
		return size;
	}
	peers->events.notification(peer->sid, frame, peers->data);
	return LENGTH_SIZE + length;
}

static size_t on_bytes(struct conn *conn, struct bytes bytes, void *data)
{
	struct wire *wire = data;

	return wire->peer ? take_frame(wire, bytes) : take_initiation(wire, bytes);
}

/* Lost, not replaced: what replaces it has closed it by itself. */
static void lose(struct peer *peer, int error)
{
	if (!peer->server) {
		forget_if_stranger(peer);
		return;
	}
	log_info("election", "the connection to server %" PRId64 " is lost: %s", peer->sid,
		 strerror(-error));
	tell_reach(peer, ELECTION_UNREACHABLE);
	dial_if_wanted(peer);
}

static void on_closed(struct conn *conn, int error, void *data)
{
	struct wire *wire = data;
	struct peer *peer = wire->peer;
	bool was_dial = peer && peer->dial == wire;

	if (!peer)
		log_debug("election", "%s: closed before it said who it is: %s", conn_peer(conn),
			  strerror(-error));
	free_wire(wire);
	if (was_dial)
		note_failed_dial(peer, error);
	else if (peer)
		lose(peer, error);
}

static const struct conn_callbacks wire_callbacks = {
	.on_connected = on_connected,
	.on_bytes = on_bytes,
	.on_closed = on_closed,
};

static void expire_half_open(struct peers_election *peers)
{
	struct list *first;

	while ((first = list_first(&peers->half_open))) {
		struct wire *wire = list_item(first, struct wire, half_open);

		if (wire->deadline_ms > now_ms(peers)) {
			wake_at(peers, wire->deadline_ms);
			return;
		}
		refuse(wire, "did not say in time which server it is");
	}
}

static void on_accept(struct conn *conn, void *data)
{
	struct peers_election *peers = data;
	struct wire *wire = new_wire(peers, NULL);

	wire->conn = conn;
	wire->deadline_ms = now_ms(peers) + peers->options.initiation_timeout_ms;
	conn_set_data(conn, wire);
	list_append(&peers->half_open, &wire->half_open);
	if (++peers->half_open_count > PEERS_HALF_OPEN_MAX)
		refuse(list_item(list_first(&peers->half_open), struct wire, half_open),
		       "has not said which server it is, and neither have %d others",
		       PEERS_HALF_OPEN_MAX);
	wake_at(peers, wire->deadline_ms);
}

/* ---- life ---- */

static void add_members(struct peers_election *peers)
{
	for (size_t i = 0; i < peers->options.server_count; i++) {
		const struct quorum_server *server = &peers->options.servers[i];

		if (server->id == peers->options.myid)
			peers->self = server;
		else
			(void)add_peer(peers, server->id, server);
	}
	ASSERT(peers->self);
}

int peers_election_open(struct loop *loop, const struct peers_election_options *options,
			const struct peers_election_events *events, void *data,
			struct peers_election **ret_peers, char **ret_error)
{
	struct peers_election *peers = mem_zalloc(sizeof(*peers));
	int error;

	peers->loop = loop;
	peers->options = *options;
	peers->events = *events;
	peers->data = data;
	peers->anonymous_next = ANONYMOUS_FIRST;
	peers->timer_ms = INT64_MAX;
	map_init(&peers->peers);
	list_init(&peers->half_open);
	(void)uv_timer_init(&loop->uv, &peers->timer); /* always 0 */
	peers->timer.data = peers;
	loop_hook_add(loop, &peers->hook, unclog);
	add_members(peers);
	error = peers_listen_open(loop, options->places, PEERS_ELECTION_PORT, &wire_options,
				  on_accept, peers, &peers->listen, ret_error);
	if (error < 0) {
		peers_election_close(peers);
		return error;
	}
	*ret_peers = peers;
	return 0;
}

/* The memory holds the timer's handle, so it goes with that. */
static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void peers_election_close(struct peers_election *peers)
{
	struct list *first;

	if (!peers)
		return;
	peers_listen_close(peers->listen);
	while ((first = list_first(&peers->half_open)))
		drop_wire(list_item(first, struct wire, half_open));
	map_for_each (&peers->peers, entry) {
		struct peer *peer = map_item(entry, struct peer, by_sid);

		drop_wire(peer->wire);
		drop_wire(peer->dial);
		free_peer(peer);
	}
	map_release(&peers->peers);
	loop_hook_remove(&peers->hook);
	uv_close((uv_handle_t *)&peers->timer, on_timer_closed);
}

/* ---- looking at it ---- */

bool peers_election_is_connected(const struct peers_election *peers, int64_t sid)
{
	struct peer *peer = find_peer(peers, sid);

	return peer && peer->wire;
}

size_t peers_election_half_open_count(const struct peers_election *peers)
{
	return peers->half_open_count;
}

size_t peers_election_stranger_count(const struct peers_election *peers)
{
	return peers->stranger_count;
}

void peers_election_check(const struct peers_election *peers)
{
	size_t half_open_count = 0, stranger_count = 0;

	list_for_each (&peers->half_open, at) {
		ASSERT(!list_item(at, struct wire, half_open)->peer);
		half_open_count++;
	}
	ASSERT(half_open_count == peers->half_open_count);
	ASSERT(half_open_count <= PEERS_HALF_OPEN_MAX);
	map_for_each (&peers->peers, entry) {
		struct peer *peer = map_item(entry, struct peer, by_sid);

		ASSERT(peer->sid != peers->options.myid);
		ASSERT(!peer->wire || peer->wire->peer == peer);
		ASSERT(!peer->dial || peer->dial->peer == peer);
		ASSERT(!peer->wire || !peer->dial);
		ASSERT(peer->server || peer->wire || peer->dial);
		stranger_count += !peer->server;
	}
	ASSERT(stranger_count == peers->stranger_count);
	ASSERT(stranger_count <= PEERS_STRANGERS_MAX);
}
