#ifndef TREE_SESSION_H
#define TREE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/heap.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/zk/record.h"
#include "src/zk/zxid.h"

/*
 * The session tracker of a leader or a standalone server (SessionTrackerImpl):
 * which sessions live, until when, and which are being closed. It runs ahead
 * of the tree: a session is here from the moment its createSession is
 * proposed, and closing from the moment its closeSession is.
 *
 * Expiry is bucketed: a session expires at ((now + timeout) / tick + 1) * tick,
 * so sessions expire tick by tick, and a touch is mostly a comparison.
 *
 * Invariants:
 *  1. a session that is not closing is in the heap; one that is closing is not
 *  2. ids are unique, and never 0 or INT64_MIN
 */

/*
 * Where the session's client is connected: here (SELF), or at a learner, whose link's number
 * it is. A session of the tree has none until the first request, or its client, comes
 * (SessionTrackerImpl.checkSession).
 */
typedef uint64_t session_owner_t;
#define SESSION_OWNER_NONE ((session_owner_t)0)
#define SESSION_OWNER_SELF UINT64_MAX

struct session {
	struct map_entry entry;
	struct heap_entry expiry; /* key: monotonic ms */
	session_id_t id;
	int32_t timeout_ms;
	session_owner_t owner;
	bool closing;
	/* What its ephemerals' paths take in a closeSession, proposed creates and deletes counted.
	 */
	size_t ephemeral_size;
	struct list proposed_ephemerals; /* what the overlay knows of them (tree/overlay.h) */
};

struct session_tracker {
	struct map sessions;
	struct heap expiry;
	int32_t tick_ms;
	session_id_t next_id;
};

/*
 * Ids: the server's in the top byte, below it the low 40 bits of a clock in
 * ms, then a 16 bit counter (SessionTrackerImpl.initializeNextSessionId).
 */
session_id_t session_first_id(uint8_t server_id, msec_t clock_ms);

void session_tracker_init(struct session_tracker *tracker, int32_t tick_ms, session_id_t first_id);
void session_tracker_release(struct session_tracker *tracker);

session_id_t session_tracker_next_id(struct session_tracker *tracker);

/* A session that is there already keeps its place and gets the timeout. */
struct session *session_track(struct session_tracker *tracker, session_id_t id, int32_t timeout_ms,
			      msec_t now_ms);
/* NULL if there is none. */
struct session *session_find(const struct session_tracker *tracker, session_id_t id);
/* It lives for timeout_ms (the connection's, which may differ) from now; false if unknown or
 * closing. */
bool session_touch(struct session_tracker *tracker, session_id_t id, int32_t timeout_ms,
		   msec_t now_ms);
/* Its client is there from now on; of an unknown session nothing is noted. */
void session_set_owner(struct session_tracker *tracker, session_id_t id, session_owner_t owner);
/* May a request that came by owner speak for it? The first to ask becomes the owner of one that
 * has none; NONE, the server itself, always may. */
bool session_claim(struct session *session, session_owner_t owner);
void session_set_closing(struct session_tracker *tracker, struct session *session);
void session_forget(struct session_tracker *tracker, session_id_t id);

/* The next session whose time is over, or NULL. The caller sets it closing. */
struct session *session_next_expired(const struct session_tracker *tracker, msec_t now_ms);
/* When session_next_expired will be worth asking: INT64_MAX for never. */
msec_t session_next_expiry_ms(const struct session_tracker *tracker);

/* A pure function of the id, the same as Java's, so that every server can check it. */
void session_password(session_id_t id, uint8_t ret_password[ZK_PASSWORD_SIZE]);

void session_tracker_check(const struct session_tracker *tracker);

#endif
