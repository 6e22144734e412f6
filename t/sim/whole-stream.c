/* Snapshots behind SNAP, in pieces that a broken link can end anywhere. */
#include <inttypes.h>
#include <stdlib.h>

#include "src/base/mem.h"
#include "t/sim/whole-host-impl.h"

enum {
	OPEN_US_MAX = 20 * 1000,
	PIECE_US_MAX = 8 * 1000,
	PIECE_SIZE_MAX = 3000,
	FAILS_ONE_IN = 200,  /* the reading of a piece */
	DAMAGED_ONE_IN = 40, /* the whole of it */
};

struct stream {
	struct list list;
	struct whole_host *host;
	uint64_t link;
	struct sim_timer timer;
	struct blob *blob; /* NULL: it is not opened yet */
	size_t sent;
};

static void stream_free(struct stream *stream)
{
	sim_timer_stop(stream->host->world, &stream->timer);
	list_remove(&stream->list);
	blob_unref(stream->blob);
	free(stream);
}

void whole_streams_cancel(struct whole_host *host, uint64_t link)
{
	list_for_each_safe (&host->streams, at) {
		struct stream *stream = list_item(at, struct stream, list);

		if (link == 0 || stream->link == link)
			stream_free(stream);
	}
}

/* An empty store has the system nodes, and no bytes yet. */
static struct blob *stream_of(const struct sim_generation *valid)
{
	struct whole_rows rows;
	struct blob *blob;

	if (valid->tree)
		return blob_ref(valid->tree);
	whole_rows_init(&rows);
	(void)whole_rows_decode(&rows, NULL); /* nothing to read */
	blob = whole_rows_encode(&rows);
	whole_rows_release(&rows);
	return blob;
}

/* A count that no stream can have. */
static struct blob *damage(struct blob *blob)
{
	struct blob *damaged = blob_new(blob_bytes(blob));

	damaged->bytes[0] = 0x80;
	blob_unref(blob);
	return damaged;
}

static void stream_open(struct stream *stream)
{
	struct whole_host *host = stream->host;

	stream->blob = stream_of(&host->disk.valid);
	if (sim_one_in(&host->chance, DAMAGED_ONE_IN))
		stream->blob = damage(stream->blob);
	host->counts.snapshots++;
	sim_timer_set(host->world, &stream->timer,
		      host->world->now_us + sim_between(&host->chance, 0, PIECE_US_MAX));
	replica_snapshot_opened(host->replica, stream->link, host->disk.valid.tree_zxid);
}

static void stream_fails(struct whole_host *host, uint64_t number)
{
	struct whole_link *link = whole_link_find(host, number);

	whole_streams_cancel(host, number);
	if (!link)
		return;
	whole_link_forget(host, link);
	sim_net_close(host->net, number);
	replica_link_closed(host->replica, number);
}

static void stream_piece(struct stream *stream)
{
	struct whole_host *host = stream->host;
	struct whole_link *link = whole_link_find(host, stream->link);
	size_t left = stream->blob->size - stream->sent;
	size_t size = (size_t)sim_between(&host->chance, 1, PIECE_SIZE_MAX);

	if (sim_one_in(&host->chance, FAILS_ONE_IN)) {
		stream_fails(host, stream->link);
		return;
	}
	if (size > left)
		size = left;
	sim_net_send(host->net, stream->link, bytes_of(stream->blob->bytes + stream->sent, size));
	stream->sent += size;
	if (size < left) {
		sim_timer_set(host->world, &stream->timer,
			      host->world->now_us + sim_between(&host->chance, 0, PIECE_US_MAX));
		return;
	}
	link->is_streaming = false;
	stream_free(stream);
	replica_snapshot_sent(host->replica, link->number);
}

static struct stream *find(struct whole_host *host, uint64_t link)
{
	list_for_each (&host->streams, at) {
		struct stream *stream = list_item(at, struct stream, list);

		if (stream->link == link)
			return stream;
	}
	return NULL;
}

static void stream_turn(void *data)
{
	struct stream *stream = data;
	struct whole_host *host = stream->host;
	uint64_t link = stream->link;

	if (whole_is_paused(host, &stream->timer))
		return;
	/* The tick may end the link, and the stream with it. */
	if (!whole_turn_begin(host))
		return;
	stream = find(host, link);
	if (stream && stream->blob)
		stream_piece(stream);
	else if (stream)
		stream_open(stream);
	whole_turn_end(host);
}

void whole_stream_send(struct whole_host *host, uint64_t link)
{
	struct stream *stream = mem_zalloc(sizeof(*stream));

	stream->host = host;
	stream->link = link;
	sim_timer_init(&stream->timer, stream_turn, stream);
	list_append(&host->streams, &stream->list);
	sim_timer_set(host->world, &stream->timer,
		      host->world->now_us + sim_between(&host->chance, 0, OPEN_US_MAX));
}

/* ---- one that is received ---- */

/* The stream's time is the driver's: nothing has come for initLimit. */
static void receive_fails(void *data)
{
	struct whole_host *host = data;
	struct whole_link *link;

	if (whole_is_paused(host, &host->receive))
		return;
	if (!whole_turn_begin(host))
		return;
	link = host->receiving ? whole_link_find(host, host->receiving) : NULL;
	if (link) {
		uint64_t number = link->number;

		sim_trace(host->world, host->sid, "the stream stands", (int64_t)number, 0, 0);
		whole_link_forget(host, link);
		sim_net_close(host->net, number);
		replica_link_closed(host->replica, number);
	}
	whole_turn_end(host);
}

void whole_stream_receive_init(struct whole_host *host)
{
	sim_timer_init(&host->receive, receive_fails, host);
}

void whole_stream_moves(struct whole_host *host)
{
	sim_timer_set(host->world, &host->receive,
		      host->world->now_us +
			      host->config.zab.init_limit * host->config.zab.tick_ms * 1000);
}

void whole_stream_received(struct whole_host *host)
{
	host->receiving = 0;
	sim_timer_stop(host->world, &host->receive);
}
