#ifndef ZK_CLIENT_H
#define ZK_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/bytes.h"
#include "src/zk/client_request.h"
#include "src/zk/jute.h"
#include "src/zk/record.h"
#include "src/zk/zxid.h"

/*
 * A client's session with a ZooKeeper ensemble, as a step machine: no socket,
 * no clock, no thread. Its owner tells it what happened (connected, a frame
 * came, the time), pulls what is to be done (connect, send, disconnect), and
 * gets replies, watch events and changes of state by callback. src/client runs
 * one over a real loop.
 *
 * What it does for its user:
 *  - finds a server, keeps the session by pings, moves it to another server
 *    when the connection is lost, begins a new one after an expiry;
 *  - sends requests in the order of submission, and hands out their replies in
 *    that order;
 *  - after a loss registers all watches again (setWatches2), authenticates
 *    again, and finds out what became of each request in flight (the table in
 *    zk/client_request.h). A request in flight at two losses in a row is then
 *    sent alone; a third loss makes its outcome UNKNOWN;
 *  - ends waiting requests when no server has been found for the timeout
 *    (soft), or lets them wait (hard).
 *
 * Invariants:
 *  1. each submitted request gets exactly one final reply, unless abandoned;
 *     a LATE one may come before it
 *  2. a request is never sent while an earlier one is in doubt
 *  3. callbacks are called only from within zk_client_connected, _failed,
 *     _disconnected, _received, _tick and _close, never from submit or abandon
 *
 * Callbacks may call submit, abandon, add_auth, close (its CLOSED then comes
 * at the next tick) and every query; not the other inputs, and not free.
 *
 * Time is a monotonic clock in milliseconds, given with each input; it never
 * goes back.
 */
struct zk_client;

/* ---- what it is made of ---- */

enum zk_onexpire { ZK_ONEXPIRE_RECOVER, ZK_ONEXPIRE_FAIL };

enum {
	/* Waiting and in flight together; beyond it submit refuses with -EAGAIN. */
	ZK_CLIENT_REQUESTS_MAX = 16384,
	ZK_CLIENT_BYTES_MAX = 64 << 20,
	/* Sent and not answered; the rest waits here, where a loss can't put it in doubt. */
	ZK_CLIENT_FLIGHT_MAX = 1024,
	ZK_CLIENT_WATCHES_MAX = 1 << 20,
	ZK_CLIENT_AUTHS_MAX = 64,
	ZK_CLIENT_TIMEOUT_DEFAULT_MS = 10000,
};

struct zk_client_options {
	size_t server_count;    /* 1 or more; the machine knows servers by index */
	msec_t timeout_ms;      /* session timeout asked for, and patience of soft requests */
	size_t frame_size_max;  /* jute.maxbuffer; 0: the default */
	uint64_t seed;          /* order of servers, jitter */
	bool begins_with_first; /* server 0 is nearest: it is tried before all others */
	enum zk_onexpire onexpire;
	bool hard;
};

/*
 *	CONNECTING -> CONNECTED <-> DISCONNECTED -> EXPIRED -> CONNECTED ... -> CLOSED
 */
enum zk_client_state {
	ZK_CLIENT_CONNECTING, /* never had a session */
	ZK_CLIENT_CONNECTED,
	ZK_CLIENT_DISCONNECTED,
	ZK_CLIENT_EXPIRED,     /* RECOVER: a new session is being asked for; FAIL: final */
	ZK_CLIENT_AUTH_FAILED, /* final: the server refused an add_auth */
	ZK_CLIENT_CLOSED,      /* final, and the last callback */
};

const char *zk_client_state_name(enum zk_client_state state);

/* ---- what it tells ---- */

enum zk_outcome {
	ZK_OUTCOME_REPLIED,   /* answered: code, zxid and, if code is ZK_OK, body */
	ZK_OUTCOME_RESOLVED,  /* the answer was lost; the server shows that it was done. code ZK_OK,
				 no body; has_stat where a read told (never for DELETE) */
	ZK_OUTCOME_UNKNOWN,   /* the answer was lost, and nothing tells. code: what was found, or
				 ZK_CONNECTIONLOSS */
	ZK_OUTCOME_TIMED_OUT, /* soft, final: no server for the timeout. It has had no effect and
				 never will */
	ZK_OUTCOME_LATE,      /* soft, not final: no server for the timeout, but it was sent before
				 and may have been applied. The caller's wait ends; the request
				 goes on, and on_reply is called again with its outcome */
	ZK_OUTCOME_EXPIRED, /* the session is gone; `sent` tells whether it may have been applied */
	ZK_OUTCOME_CLOSED,  /* zk_client_close, or AUTH_FAILED; `sent` as above */
};

struct zk_reply {
	enum zk_outcome outcome;
	int32_t code;            /* enum zk_code */
	zxid_t zxid;             /* the reply header's, or of the state that was found; 0: none */
	bool sent;               /* it went out at least once */
	struct jute_reader body; /* valid during the callback */
	bool has_stat;
	struct zk_stat stat;
};

typedef void zk_client_on_reply(const struct zk_reply *reply, void *data);

/* Client-local, as in the Java client: a server that can't hold it has let go of the watch. */
enum { ZK_EVENT_PERSISTENT_WATCH_REMOVED = 7 };

struct zk_client_event {
	int32_t type;      /* enum zk_event_type, or ZK_EVENT_PERSISTENT_WATCH_REMOVED */
	struct bytes path; /* valid during the callback */
	zxid_t zxid;       /* the transaction's (3.9 and later), or -1 */
};

struct zk_client_callbacks {
	/*
	 * CONNECTED: new_session is false if the session that was there before goes on
	 * (its watches are kept; missed events follow). In a new session, too, the
	 * watches of the one before are registered again, and missed events follow;
	 * ephemerals are gone.
	 * DISCONNECTED and EXPIRED come before the replies that they cause.
	 */
	void (*on_state)(enum zk_client_state state, bool new_session, void *data);
	void (*on_event)(const struct zk_client_event *event, void *data);
	void *data;
};

struct zk_client *zk_client_new(const struct zk_client_options *options,
				const struct zk_client_callbacks *callbacks, msec_t now_ms);
void zk_client_free(struct zk_client *client); /* calls nothing */

/* ---- requests ---- */

/*
 * Take the request over (it is empty afterwards, also if it is refused).
 *  -EFBIG      longer than jute.maxbuffer: never sent
 *  -EAGAIN     ZK_CLIENT_REQUESTS_MAX or ZK_CLIENT_BYTES_MAX reached: the caller
 *              queues it, or gives up
 *  -ENOSPC     ZK_CLIENT_WATCHES_MAX reached, for one that would set a watch
 *  -ETIMEDOUT  soft, and no server for longer than the timeout
 *  -EIO        the session has expired (FAIL), or its auth was refused
 *  -ESHUTDOWN  closing or closed
 * on_reply and ret_id may be NULL. An id is never used twice and never 0.
 */
int zk_client_submit(struct zk_client *client, struct zk_request *request, msec_t now_ms,
		     zk_client_on_reply *on_reply, void *data, uint64_t *ret_id);

/*
 * Nobody waits any longer: on_reply is not called again. The request itself
 * goes on, also one that was not sent yet; only an unsent read is dropped.
 * An id whose final reply has come is ignored.
 */
void zk_client_abandon(struct zk_client *client, uint64_t id);

/*
 * Authenticate now and on every later connection, before all requests.
 * -ENOSPC: ZK_CLIENT_AUTHS_MAX reached.
 */
int zk_client_add_auth(struct zk_client *client, struct bytes scheme, struct bytes auth);

/*
 * No more requests. What is waiting or in flight is still sent and answered,
 * then the session is closed on the server; without a connection all of it
 * ends CLOSED at once. CLOSED is the last callback.
 */
void zk_client_close(struct zk_client *client, msec_t now_ms);

/* ---- the owner's side: what happened ---- */

/* The CONNECT that was asked for has succeeded, or not. */
void zk_client_connected(struct zk_client *client, msec_t now_ms);
void zk_client_failed(struct zk_client *client, msec_t now_ms);
/* The connection has ended by itself; never told of one that DISCONNECT ended. */
void zk_client_disconnected(struct zk_client *client, msec_t now_ms);

/*
 * A frame has come, without its length word. 0, or -EBADMSG if it is not what
 * the protocol allows here: the machine has then asked for DISCONNECT, and
 * treats it as a loss.
 */
int zk_client_received(struct zk_client *client, struct bytes frame, msec_t now_ms);

/* The time that zk_client_deadline named has come (earlier does no harm). */
void zk_client_tick(struct zk_client *client, msec_t now_ms);

/* ---- the owner's side: what to do ---- */

enum zk_client_action_type {
	ZK_CLIENT_CONNECT,    /* to servers[server]; answer with connected or failed */
	ZK_CLIENT_SEND,       /* bytes, frames with their length words */
	ZK_CLIENT_DISCONNECT, /* close it, or stop connecting; what still comes from it is not told
			       */
};

struct zk_client_action {
	enum zk_client_action_type type;
	size_t server;
	struct bytes bytes; /* valid until the next call with this client */
};

/*
 * The next thing to do; false if there is none. To be called until false after
 * every input and submit, before the loop blocks; an owner whose output is
 * full may stop in between, and go on later.
 */
bool zk_client_next_action(struct zk_client *client, msec_t now_ms,
			   struct zk_client_action *ret_action);

/* When zk_client_tick is due next; INT64_MAX: never. */
msec_t zk_client_deadline(const struct zk_client *client);

/* ---- queries ---- */

enum zk_client_state zk_client_state(const struct zk_client *client);
session_id_t zk_client_session_id(const struct zk_client *client); /* 0: none yet */
msec_t zk_client_timeout_ms(const struct zk_client *client);       /* negotiated, or asked for */
zxid_t zk_client_last_zxid(const struct zk_client *client);
size_t zk_client_server(const struct zk_client *client); /* the one connected to, or tried last */
/* When the last byte of the session came; pings keep it fresher than a third of the timeout. */
msec_t zk_client_last_heard(const struct zk_client *client);
/* Requests without their final reply. */
size_t zk_client_pending(const struct zk_client *client);
size_t zk_client_watch_count(const struct zk_client *client);
size_t zk_client_frame_size_max(const struct zk_client *client);

/* Assert the invariants of the lists and counts. */
void zk_client_check(const struct zk_client *client);

#endif
