#ifndef REPLICA_IO_PEERS_LINKS_H
#define REPLICA_IO_PEERS_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/io/peers_listen.h"
#include "replica/zab/quorum_server.h"
#include "replica/zab/zab.h"
#include "src/base/bytes.h"
#include "src/base/msec.h"
#include "src/io/loop.h"

/*
 * The connections of the quorum port: those of learners, while this server
 * leads, and the one to its leader, while it learns (zab.h: links). They carry
 * bytes; what these mean is the replica's business.
 *
 * A link is a number, never used twice. Whoever closes one (peers_links_end)
 * hears nothing of it any more; of one that its peer or a limit ended, `closed`
 * tells, once.
 *
 * Output is bounded: a peer that does not read is closed when output_size_max
 * has gathered for it, and delays nobody until then. Accepted links that have
 * not said one whole thing are few: the oldest goes when there are too many,
 * and each after a time.
 *
 * A snapshot is streamed in chunks, each put on the link when the ones before
 * it have left. Nothing may come between them: what else is sent meanwhile is
 * held back until the stream is through, but pings, which are dropped, since
 * the learner neither answers nor expects any before NEWLEADER
 * (spec/quorum-protocol.md 9.5, 16.8).
 */
enum {
	PEERS_LINKS_FRESH_MAX = 64,
	/* Between two tries to connect to the leader. */
	PEERS_LINKS_RETRY_MS = 100,
	/* A stream wants its next chunk when less than that waits to leave. */
	PEERS_LINKS_STREAM_SIZE = 256 << 10,
};

struct peers_links;

struct peers_links_options {
	/* The members; they must outlive it. */
	const struct quorum_server *servers;
	size_t server_count;
	const struct peers_places *places; /* where it listens; copied */
	size_t input_size_max;             /* of what is not whole yet */
	size_t output_size_max;
	/* For the first whole thing, and for a stream to move on: tickTime * initLimit. */
	msec_t first_timeout_ms;
	msec_t connect_timeout_ms; /* of one try: tickTime * syncLimit */
};

/* All may call what stands below, and close the link that they are about. */
struct peers_links_events {
	void (*accepted)(zab_link_t link, void *data);
	/* The end of peers_links_connect; ZAB_LINK_NONE: its deadline is over. */
	void (*connected)(zab_link_t link, void *data);
	/* As replica_link_bytes: one step of them; how many were used up. */
	size_t (*bytes)(zab_link_t link, struct bytes bytes, void *data);
	void (*closed)(zab_link_t link, void *data);
	/* The link's stream wants its next chunk. False: there is none yet, ask in another turn. */
	bool (*wants_chunk)(zab_link_t link, void *data);
};

struct peers_links *peers_links_new(struct loop *loop, const struct peers_links_options *options,
				    const struct peers_links_events *events, void *data);
/* Takes NULL. What was sent is offered to the kernel; no event comes any more. */
void peers_links_free(struct peers_links *links);

/* 0, or what the system said with a sentence that the caller frees: can it listen at all? */
int peers_links_try_to_listen(struct peers_links *links, char **ret_error);

/* A port that is taken meanwhile is logged, and tried again until it is free. */
void peers_links_listen(struct peers_links *links);
void peers_links_unlisten(struct peers_links *links);

/*
 * To a member's quorum port, trying all its addresses again and again until
 * deadline_ms -> connected. One at a time. peers_links_disconnect ends the
 * tries, and nothing is told; it does not end a link that was told.
 */
void peers_links_connect(struct peers_links *links, int64_t sid, msec_t deadline_ms);
void peers_links_disconnect(struct peers_links *links);

/* One whole packet. Ignored where the link is gone. */
void peers_links_send(struct peers_links *links, zab_link_t link, struct bytes packet);
void peers_links_end(struct peers_links *links, zab_link_t link);
/* Read from it, or not; the peer has to wait then. */
void peers_links_set_paused(struct peers_links *links, zab_link_t link, bool is_paused);

/* ---- a stream ---- */

void peers_links_begin_stream(struct peers_links *links, zab_link_t link);
void peers_links_chunk(struct peers_links *links, zab_link_t link, struct bytes chunk);
/* What was held back follows. */
void peers_links_end_stream(struct peers_links *links, zab_link_t link);
/* Once a turn: wants_chunk for each stream whose chunks have left. */
void peers_links_feed_streams(struct peers_links *links);

/* ---- looking at it ---- */

bool peers_links_has(const struct peers_links *links, zab_link_t link);
/* "/127.0.0.1:40000"; "" if it is gone. */
const char *peers_links_address(const struct peers_links *links, zab_link_t link);
size_t peers_links_count(const struct peers_links *links);
void peers_links_check(const struct peers_links *links);

#endif
