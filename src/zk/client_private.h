#ifndef ZK_CLIENT_PRIVATE_H
#define ZK_CLIENT_PRIVATE_H

#include "src/base/list.h"
#include "src/base/map.h"
#include "src/base/prng.h"
#include "src/zk/client.h"
#include "src/zk/client_outcome.h"
#include "src/zk/client_watches.h"

/*
 * What the files of the client session share. Nobody else includes this.
 *
 *	client.c          life, state, requests in and replies out, queries
 *	client_session.c  connecting, handshake, pings, expiry, closing; actions
 *	client_receive.c  frames: handshake's answer, events, replies
 *	client_loss.c     a loss, and what became of the requests in flight
 *	client_outcome.c  the rules of that, without state
 *	client_watches.c  watches that the server holds for us
 */

/* A loss is counted against what was in flight: twice, then alone; a third time is too much. */
enum { LOSSES_ALONE = 2, LOSSES_MAX = 3 };

enum call_kind {
	CALL_REQUEST, /* the user's; all others are the session's own */
	CALL_SET_WATCHES,
	CALL_SYNC,
	CALL_PROBE, /* about the first call in doubt */
	CALL_CLOSE,
};

/* Whatever is answered in order. The user's have an id; the others 0. */
struct call {
	struct list link;
	struct map_entry by_id;
	uint64_t id;
	enum call_kind kind;
	int32_t opcode;
	int32_t xid; /* of the last time it was sent */
	enum zk_intent intent;
	bool session_bound;
	bool sent;    /* at least once */
	bool late;    /* its caller has been told LATE */
	bool cleared; /* in doubt, and sure to have had no effect: only to be sent again */
	unsigned losses;
	zxid_t base;
	enum zk_probe_step probe_step;
	struct buf frame;
	zk_client_on_reply *on_reply;
	void *data;
};

/*
 *	         deadline          connected        valid answer
 *	WAITING ---------> CONNECTING ----> HANDSHAKE ----> ESTABLISHED
 *	   ^                   | failed         | lost            | lost
 *	   +-------------------+----------------+-----------------+      DEAD: for good
 */
enum phase { PHASE_WAITING, PHASE_CONNECTING, PHASE_HANDSHAKE, PHASE_ESTABLISHED, PHASE_DEAD };

struct auth {
	struct bytes scheme; /* both are the heap's */
	struct bytes payload;
};

/*
 * Invariants:
 *  1. a user's call is in exactly one of waiting, flight, doubt, and in by_id
 *  2. flight is empty unless ESTABLISHED
 *  3. calls of control, flight, doubt and waiting, one after the other, are in
 *     the order in which the server shall see them; nothing of waiting is sent
 *     while doubt holds a call
 *  4. a probe in flight is about the first call of doubt, and alone
 *  5. request_count and byte_count are those of the user's calls
 */
struct zk_client {
	struct zk_client_options options;
	struct zk_client_callbacks callbacks;
	struct prng prng;
	enum zk_client_state state;
	enum phase phase;
	int callback_depth;
	bool closing;
	bool disconnect_wanted; /* the owner has not pulled DISCONNECT yet: its news are of the past
				 */

	/* servers */
	size_t *order; /* shuffled indices */
	size_t order_at;
	size_t server;
	unsigned attempts; /* since a connection last answered something */

	/* time */
	msec_t now_ms;
	msec_t retry_at_ms;    /* WAITING */
	msec_t attempt_end_ms; /* CONNECTING, HANDSHAKE */
	msec_t last_heard_ms;
	msec_t last_sent_ms;
	msec_t last_ping_ms;
	msec_t patience_end_ms; /* soft: when those who wait for a server have waited enough */
	bool patience_is_over;

	/* session */
	session_id_t session_id;
	uint8_t password[ZK_PASSWORD_SIZE];
	msec_t timeout_ms;
	zxid_t last_zxid;
	bool handshake_sent;
	struct auth auths[ZK_CLIENT_AUTHS_MAX];
	size_t auth_count;
	size_t auths_sent; /* on this connection */
	struct zk_watches watches;

	/* requests */
	struct list control; /* the session's own, before everything else */
	struct list flight;
	struct list doubt;
	struct list waiting;
	size_t flight_count;
	struct map by_id;
	uint64_t last_id;
	int32_t last_xid;
	size_t request_count;
	size_t byte_count;

	struct buf output; /* of what is no call: handshake, ping, auth */
};

/* ---- client.c ---- */

void zk_client_set_state(struct zk_client *client, enum zk_client_state state, bool new_session);

/* Does nothing the server does for it change anything? Then it can be dropped, or done twice. */
bool zk_call_is_read(const struct call *call);
struct call *zk_call_new(enum call_kind kind, struct zk_request *request);
void zk_call_free(struct call *call);

/* A final reply: the call is gone. body may be NULL, code and zxid 0. */
void zk_client_end_call(struct zk_client *client, struct call *call, struct zk_reply *reply);
/* All of a list, in order, also those that callbacks remove meanwhile. */
void zk_client_end_list(struct zk_client *client, struct list *calls, enum zk_outcome outcome,
			int32_t code);
void zk_client_end_all(struct zk_client *client, enum zk_outcome outcome, int32_t code);

/* The owner's time; it never goes back. */
void zk_client_set_now(struct zk_client *client, msec_t now_ms);

/* ---- client_session.c ---- */

/* This try is over, without a session having been established by it. */
void zk_client_try_next(struct zk_client *client);
void zk_client_established(struct zk_client *client, const struct zk_connect_response *response);
void zk_client_expired(struct zk_client *client);
/* Nothing will be tried any more; the connection, if there is one, is closed. */
void zk_client_die(struct zk_client *client);
void zk_client_finish_close(struct zk_client *client);

/* ---- client_loss.c ---- */

/* The established connection is gone. */
void zk_client_lost(struct zk_client *client);
/* The call that is to be sent next among those in doubt; NULL: wait. May be a probe. */
struct call *zk_client_next_in_doubt(struct zk_client *client);
void zk_client_note_answered(struct zk_client *client, struct call *call, zxid_t zxid);
void zk_client_probe_answered(struct zk_client *client, struct call *probe,
			      const struct zk_reply_header *header, struct jute_reader *body);
void zk_client_expire_calls(struct zk_client *client);
/* Soft: no server for the timeout. */
void zk_client_end_patience(struct zk_client *client);

#endif
