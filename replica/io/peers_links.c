#include "replica/io/peers_links.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "replica/io/sparse_log.h"
#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/base/list.h"
#include "src/base/log.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/io/conn.h"

enum { LISTEN_RETRY_MS = 1000 };

struct link {
	struct map_entry by_id;
	zab_link_t id; /* ZAB_LINK_NONE: it is being connected, and in no map */
	struct peers_links *links;
	struct conn *conn;
	struct list fresh;  /* accepted, and nothing whole has come */
	msec_t deadline_ms; /* for the first whole thing; for the stream to move on */
	bool is_streaming;
	struct buf behind; /* what follows the stream */
};

/* What peers_links_connect is at. */
struct dial {
	const struct quorum_server *server; /* NULL: at nothing */
	size_t address_at;
	msec_t deadline_ms;
	msec_t retry_at_ms; /* while `link` is NULL */
	struct link *link;  /* the try that is on its way */
};

struct peers_links {
	struct loop *loop;
	struct peers_links_options options;
	struct peers_places places;
	struct peers_links_events events;
	void *data;
	struct conn_options conn_options;
	struct map links;
	zab_link_t last_id;
	struct list fresh; /* the oldest first */
	size_t fresh_count;
	size_t stream_count;
	struct dial dial;
	bool should_listen;
	struct peers_listen *listen;
	msec_t listen_at_ms;
	uv_timer_t timer;
	msec_t timer_ms; /* what it is set to; INT64_MAX: nothing */
	struct sparse_log refused;
};

/* ---- time ---- */

static msec_t now_ms(const struct peers_links *links)
{
	return loop_now_ms(links->loop);
}

static void act_on_time(struct peers_links *links);

static void on_timer(uv_timer_t *timer)
{
	struct peers_links *links = timer->data;

	links->timer_ms = INT64_MAX;
	act_on_time(links);
}

static void wake_at(struct peers_links *links, msec_t at_ms)
{
	msec_t now = now_ms(links);

	if (at_ms >= links->timer_ms)
		return;
	links->timer_ms = at_ms;
	/* Fails only for a handle that is closing. */
	(void)uv_timer_start(&links->timer, on_timer, at_ms > now ? (uint64_t)(at_ms - now) : 0, 0);
}

/* ---- links ---- */

static struct link *find_link(const struct peers_links *links, zab_link_t id)
{
	struct map_entry *entry = map_find(&links->links, bytes_of(&id, sizeof(id)));

	return entry ? map_item(entry, struct link, by_id) : NULL;
}

static struct link *new_link(struct peers_links *links)
{
	struct link *link = mem_zalloc(sizeof(*link));

	link->links = links;
	list_init(&link->fresh);
	buf_init(&link->behind, links->options.output_size_max);
	return link;
}

/* From now on it has a number, and events. */
static void register_link(struct link *link)
{
	struct peers_links *links = link->links;

	link->id = ++links->last_id;
	map_insert(&links->links, &link->by_id, bytes_of(&link->id, sizeof(link->id)));
}

static void leave_fresh(struct link *link)
{
	if (!list_is_linked(&link->fresh))
		return;
	list_remove(&link->fresh);
	link->links->fresh_count--;
}

static void set_streaming(struct link *link, bool is_streaming)
{
	if (link->is_streaming == is_streaming)
		return;
	link->is_streaming = is_streaming;
	link->links->stream_count += is_streaming ? 1 : (size_t)-1;
}

/* Its conn is gone already. */
static void free_link(struct link *link)
{
	leave_fresh(link);
	set_streaming(link, false);
	if (link->id != ZAB_LINK_NONE)
		map_remove(&link->links->links, &link->by_id);
	buf_release(&link->behind);
	free(link);
}

static void drop_link(struct link *link)
{
	conn_flush(link->conn);
	conn_close(link->conn);
	free_link(link);
}

void peers_links_end(struct peers_links *links, zab_link_t id)
{
	struct link *link = find_link(links, id);

	if (link)
		drop_link(link);
}

/* By us, for a reason that the replica doesn't know. */
static void refuse(struct link *link, const char *why)
{
	struct peers_links *links = link->links;
	zab_link_t id = link->id;
	unsigned left_out;

	if (sparse_log_is_due(&links->refused, now_ms(links), &left_out))
		log_warn("quorum", "%s: %s; closed (%u such before)", conn_peer(link->conn), why,
			 left_out);
	drop_link(link);
	links->events.closed(id, links->data);
}

/* ---- input ---- */

static size_t on_bytes(struct conn *conn, struct bytes bytes, void *data)
{
	struct link *link = data;
	struct peers_links *links = link->links;
	zab_link_t id = link->id;
	size_t used = links->events.bytes(id, bytes, links->data);

	link = find_link(links, id);
	if (link && used > 0)
		leave_fresh(link);
	return used;
}

void peers_links_set_paused(struct peers_links *links, zab_link_t id, bool is_paused)
{
	struct link *link = find_link(links, id);

	if (link && is_paused)
		conn_pause(link->conn);
	else if (link)
		conn_resume(link->conn);
}

/* ---- output ---- */

static bool is_ping(struct bytes packet)
{
	return bytes_size(packet) >= 4 && endian_get_u32(packet.data) == ZAB_PING;
}

void peers_links_send(struct peers_links *links, zab_link_t id, struct bytes packet)
{
	struct link *link = find_link(links, id);

	if (!link)
		return;
	if (!link->is_streaming)
		conn_write(link->conn, packet);
	else if (!is_ping(packet))
		buf_append(&link->behind, packet.data, bytes_size(packet));
}

/* Its peer has taken something of the stream. */
static void note_movement(struct link *link)
{
	link->deadline_ms = now_ms(link->links) + link->links->options.first_timeout_ms;
	wake_at(link->links, link->deadline_ms);
}

void peers_links_begin_stream(struct peers_links *links, zab_link_t id)
{
	struct link *link = find_link(links, id);

	if (!link)
		return;
	set_streaming(link, true);
	note_movement(link);
}

void peers_links_chunk(struct peers_links *links, zab_link_t id, struct bytes chunk)
{
	struct link *link = find_link(links, id);

	if (!link)
		return;
	ASSERT(link->is_streaming);
	conn_write(link->conn, chunk);
	conn_flush(link->conn);
}

void peers_links_end_stream(struct peers_links *links, zab_link_t id)
{
	struct link *link = find_link(links, id);

	if (!link)
		return;
	set_streaming(link, false);
	conn_write(link->conn, buf_bytes(&link->behind));
	buf_release(&link->behind);
}

static bool wants_chunk(const struct link *link)
{
	return link && link->is_streaming && conn_output_size(link->conn) < PEERS_LINKS_STREAM_SIZE;
}

/* As long as the kernel takes them and there are any: no event may come that asks again. */
static void send_chunks(struct peers_links *links, zab_link_t id)
{
	while (wants_chunk(find_link(links, id)))
		if (!links->events.wants_chunk(id, links->data))
			return;
}

/* What is to be done for a stream; the link may be gone then. */
static void feed_stream(struct link *link)
{
	struct peers_links *links = link->links;

	if (link->behind.error) {
		refuse(link, "more follows its snapshot than is kept");
	} else if (wants_chunk(link)) {
		note_movement(link);
		send_chunks(links, link->id);
	} else if (link->deadline_ms <= now_ms(links)) {
		refuse(link, "does not take its snapshot");
	} else {
		wake_at(links, link->deadline_ms);
	}
}

/* A callback may close any link, so the round goes on by number. */
void peers_links_feed_streams(struct peers_links *links)
{
	zab_link_t done = 0;

	if (links->stream_count == 0)
		return;
	for (struct map_entry *entry = map_first(&links->links); entry;) {
		struct link *link = map_item(entry, struct link, by_id);
		zab_link_t id = link->id;

		if (id > done && link->is_streaming) {
			done = id;
			feed_stream(link);
			entry = map_first(&links->links);
		} else {
			entry = map_next(&links->links, entry);
		}
	}
}

/* ---- ends ---- */

static void fail_dial(struct peers_links *links, int error);

static void on_closed(struct conn *conn, int error, void *data)
{
	struct link *link = data;
	struct peers_links *links = link->links;
	zab_link_t id = link->id;

	if (id != ZAB_LINK_NONE && error == -ENOBUFS)
		log_warn("quorum", "%s: did not read %zu bytes; closed", conn_peer(conn),
			 links->options.output_size_max);
	else if (id != ZAB_LINK_NONE)
		log_debug("quorum", "%s: closed: %s", conn_peer(conn), strerror(-error));
	free_link(link);
	if (id == ZAB_LINK_NONE)
		fail_dial(links, error);
	else
		links->events.closed(id, links->data);
}

/* ---- accepting ---- */

static void on_accept(struct conn *conn, void *data)
{
	struct peers_links *links = data;
	struct link *link = new_link(links);

	link->conn = conn;
	link->deadline_ms = now_ms(links) + links->options.first_timeout_ms;
	conn_set_data(conn, link);
	register_link(link);
	list_append(&links->fresh, &link->fresh);
	links->fresh_count++;
	wake_at(links, link->deadline_ms);
	links->events.accepted(link->id, links->data);
	if (links->fresh_count > PEERS_LINKS_FRESH_MAX)
		refuse(list_item(list_first(&links->fresh), struct link, fresh),
		       "has said nothing, and neither have too many others");
}

static void expire_fresh(struct peers_links *links)
{
	struct list *first;

	while ((first = list_first(&links->fresh))) {
		struct link *link = list_item(first, struct link, fresh);

		if (link->deadline_ms > now_ms(links)) {
			wake_at(links, link->deadline_ms);
			return;
		}
		refuse(link, "has said nothing in time");
	}
}

static void listen_if_wanted(struct peers_links *links)
{
	char *sentence;
	int error;

	if (!links->should_listen || links->listen)
		return;
	if (links->listen_at_ms > now_ms(links)) {
		wake_at(links, links->listen_at_ms);
		return;
	}
	error = peers_listen_open(links->loop, &links->places, PEERS_QUORUM_PORT,
				  &links->conn_options, on_accept, links, &links->listen,
				  &sentence);
	if (error == 0)
		return;
	log_error("quorum", "%s; tries again", sentence);
	free(sentence);
	links->listen_at_ms = now_ms(links) + LISTEN_RETRY_MS;
	wake_at(links, links->listen_at_ms);
}

int peers_links_try_to_listen(struct peers_links *links, char **ret_error)
{
	struct peers_listen *listen;
	int error = peers_listen_open(links->loop, &links->places, PEERS_QUORUM_PORT,
				      &links->conn_options, on_accept, links, &listen, ret_error);

	if (error == 0)
		peers_listen_close(listen);
	return error;
}

void peers_links_listen(struct peers_links *links)
{
	links->should_listen = true;
	listen_if_wanted(links);
}

void peers_links_unlisten(struct peers_links *links)
{
	links->should_listen = false;
	links->listen_at_ms = 0;
	peers_listen_close(links->listen);
	links->listen = NULL;
}

/* ---- connecting ---- */

static void try_to_connect(struct peers_links *links)
{
	struct dial *dial = &links->dial;
	const struct quorum_address *at = &dial->server->addresses[dial->address_at];
	msec_t left_ms = dial->deadline_ms - now_ms(links);
	msec_t timeout_ms = links->options.connect_timeout_ms;

	dial->address_at = (dial->address_at + 1) % dial->server->address_count;
	dial->link = new_link(links);
	dial->link->conn = conn_connect(links->loop, at->host, (uint16_t)at->quorum_port,
					(uint64_t)(left_ms < timeout_ms ? left_ms : timeout_ms),
					&links->conn_options, dial->link);
}

static void connect_if_due(struct peers_links *links)
{
	struct dial *dial = &links->dial;

	if (!dial->server || dial->link)
		return;
	if (now_ms(links) >= dial->deadline_ms) {
		dial->server = NULL;
		links->events.connected(ZAB_LINK_NONE, links->data);
	} else if (now_ms(links) >= dial->retry_at_ms) {
		try_to_connect(links);
	} else {
		wake_at(links, dial->retry_at_ms);
		wake_at(links, dial->deadline_ms);
	}
}

static void fail_dial(struct peers_links *links, int error)
{
	struct dial *dial = &links->dial;

	log_debug("quorum", "server %" PRId64 " can't be connected to yet: %s", dial->server->id,
		  strerror(-error));
	dial->link = NULL;
	dial->retry_at_ms = now_ms(links) + PEERS_LINKS_RETRY_MS;
	connect_if_due(links);
}

static void on_connected(struct conn *conn, void *data)
{
	struct link *link = data;
	struct peers_links *links = link->links;

	links->dial = (struct dial){0};
	register_link(link);
	links->events.connected(link->id, links->data);
}

void peers_links_connect(struct peers_links *links, int64_t sid, msec_t deadline_ms)
{
	const struct quorum_server *server = links->options.servers;

	while (server->id != sid) {
		server++;
		ASSERT(server < links->options.servers + links->options.server_count);
	}
	peers_links_disconnect(links);
	links->dial = (struct dial){.server = server, .deadline_ms = deadline_ms};
	/* Not from here: connected must not come before this returns. */
	wake_at(links, now_ms(links));
}

void peers_links_disconnect(struct peers_links *links)
{
	if (links->dial.link) {
		conn_close(links->dial.link->conn);
		free_link(links->dial.link);
	}
	links->dial = (struct dial){0};
}

static void act_on_time(struct peers_links *links)
{
	expire_fresh(links);
	listen_if_wanted(links);
	connect_if_due(links);
}

/* ---- life ---- */

static const struct conn_callbacks link_callbacks = {
	.on_connected = on_connected,
	.on_bytes = on_bytes,
	.on_closed = on_closed,
};

struct peers_links *peers_links_new(struct loop *loop, const struct peers_links_options *options,
				    const struct peers_links_events *events, void *data)
{
	struct peers_links *links = mem_zalloc(sizeof(*links));

	links->loop = loop;
	links->options = *options;
	links->places = *options->places;
	links->events = *events;
	links->data = data;
	links->conn_options = (struct conn_options){
		.frame_size_max = options->input_size_max,
		.output_size_max = options->output_size_max,
		.callbacks = &link_callbacks,
	};
	links->timer_ms = INT64_MAX;
	map_init(&links->links);
	list_init(&links->fresh);
	(void)uv_timer_init(&loop->uv, &links->timer); /* always 0 */
	links->timer.data = links;
	return links;
}

/* The memory holds the timer's handle, so it goes with that. */
static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void peers_links_free(struct peers_links *links)
{
	if (!links)
		return;
	peers_links_unlisten(links);
	peers_links_disconnect(links);
	map_for_each (&links->links, entry)
		drop_link(map_item(entry, struct link, by_id));
	map_release(&links->links);
	uv_close((uv_handle_t *)&links->timer, on_timer_closed);
}

/* ---- looking at it ---- */

bool peers_links_has(const struct peers_links *links, zab_link_t link)
{
	return find_link(links, link);
}

const char *peers_links_address(const struct peers_links *links, zab_link_t id)
{
	struct link *link = find_link(links, id);

	return link ? conn_peer(link->conn) : "";
}

size_t peers_links_count(const struct peers_links *links)
{
	return links->links.count;
}

void peers_links_check(const struct peers_links *links)
{
	size_t fresh_count = 0, stream_count = 0;

	map_for_each (&links->links, entry) {
		struct link *link = map_item(entry, struct link, by_id);

		ASSERT(link->id != ZAB_LINK_NONE && link->id <= links->last_id);
		ASSERT(link->is_streaming || link->behind.size == 0);
		fresh_count += list_is_linked(&link->fresh);
		stream_count += link->is_streaming;
	}
	ASSERT(fresh_count == links->fresh_count && fresh_count <= PEERS_LINKS_FRESH_MAX);
	ASSERT(stream_count == links->stream_count);
	ASSERT(!links->dial.link || links->dial.server);
}
