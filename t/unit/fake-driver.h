#ifndef T_UNIT_FAKE_DRIVER_H
#define T_UNIT_FAKE_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/server/replica.h"
#include "replica/server/server.h"
#include "src/base/buf.h"

/*
 * The driver of a server in memory: what replica/io does with sockets and
 * SQLite. Appended transactions are durable at once, or when told; time stands
 * still until it is moved. After each event it takes all actions, and looks at
 * the server's invariants.
 *
 * Connections are the numbers below FAKE_CONNECTION_COUNT_MAX.
 */
enum { FAKE_CONNECTION_COUNT_MAX = 64 };

struct fake_connection {
	bool is_open;   /* the driver reported it, and not its end */
	bool is_closed; /* the server closed it */
	bool is_paused;
	struct buf received; /* frames from the server that the test didn't take */
	size_t taken;        /* of received */
	int32_t xid;         /* of the last request by fake_request */
};

/* Takes the actions that are none of a client's connection: of a leader, or a learner. */
typedef void fake_divert_fn(void *data, const struct server_action *action);

struct fake_driver {
	struct tree *tree;
	struct server *server;
	struct replica
		*replica; /* instead of these, with perform_all: clients of a whole replica */
	void (*perform_all)(struct fake_driver *driver);
	bool is_slow; /* nothing is durable until fake_commit */
	msec_t now_ms;
	msec_t wall_ms;
	fake_divert_fn *divert; /* NULL: a standalone, whose log is here */
	void *data;
	zxid_t committed;
	struct blob **log; /* every transaction, the first is of zxid 1 */
	size_t log_count;
	struct fake_connection connections[FAKE_CONNECTION_COUNT_MAX];
};

/* A server with an empty tree, started. */
void fake_driver_init(struct fake_driver *driver, const struct server_config *config);
/* In an ensemble, over a tree that the driver takes over. */
void fake_driver_init_as(struct fake_driver *driver, const struct server_config *config,
			 enum server_role role, uint32_t epoch, struct tree *tree,
			 fake_divert_fn *divert, void *data);
void fake_driver_release(struct fake_driver *driver);

/* The clients of a replica, whose actions perform_all takes. */
void fake_driver_init_for(struct fake_driver *driver, struct replica *replica,
			  void (*perform_all)(struct fake_driver *driver), void *data);
/* REPLICA_CLIENT */
void fake_perform(struct fake_driver *driver, const struct server_action *action);
/* After an event that the test reported by itself. */
void fake_perform_all(struct fake_driver *driver);

void fake_advance(struct fake_driver *driver, msec_t by_ms);
void fake_commit(struct fake_driver *driver, zxid_t zxid);
void fake_commit_all(struct fake_driver *driver);
void fake_intake(struct fake_driver *driver, bool allowed);

/* ---- bytes ---- */

void fake_open(struct fake_driver *driver, connection_id_t id, const char *address);
void fake_close(struct fake_driver *driver, connection_id_t id);
/* A frame with its length word. */
void fake_send_frame(struct fake_driver *driver, connection_id_t id, struct bytes frame);
/* A frame's body; the length word is not needed. */
void fake_send(struct fake_driver *driver, connection_id_t id, struct bytes body);
/* The next frame with its length word; null if there is none. Valid until the next event. */
struct bytes fake_take_frame(struct fake_driver *driver, connection_id_t id);

/* ---- a client ---- */

/* Opens, connects, and takes the response. */
session_id_t fake_connect(struct fake_driver *driver, connection_id_t id);
/* Opens and sends a connect request. */
void fake_send_connect(struct fake_driver *driver, connection_id_t id, session_id_t session_id,
		       struct bytes password, zxid_t last_zxid_seen);

/* An empty record, to write a request's body to. */
struct buf fake_record(void);
/* Sends a request with the next xid; record is its encoded body, which is reset. */
void fake_request(struct fake_driver *driver, connection_id_t id, int32_t opcode,
		  struct buf *record);
/* One without a body. */
void fake_request_bare(struct fake_driver *driver, connection_id_t id, int32_t opcode);
void fake_create(struct fake_driver *driver, connection_id_t id, const char *path, const char *data,
		 int32_t flags);
void fake_set_data(struct fake_driver *driver, connection_id_t id, const char *path,
		   const char *data, int32_t version);
void fake_delete(struct fake_driver *driver, connection_id_t id, const char *path, int32_t version);
void fake_read(struct fake_driver *driver, connection_id_t id, int32_t opcode, const char *path,
	       bool watch);

struct fake_reply {
	struct zk_reply_header header;
	struct bytes body;
	struct zk_watcher_event event; /* if xid is -1 */
};

/* False if nothing was received. */
bool fake_take_reply(struct fake_driver *driver, connection_id_t id, struct fake_reply *ret_reply);
/* The code of the next reply, which must be to xid of the last request; fails the test otherwise.
 */
int32_t fake_take_code(struct fake_driver *driver, connection_id_t id);
/* The next reply must be to xid, with this code. */
void fake_expect_reply(struct fake_driver *driver, connection_id_t id, int32_t xid, int32_t code);
/* Takes the connect response; the session's id, 0: it is not valid. */
session_id_t fake_take_session(struct fake_driver *driver, connection_id_t id);
/* The next frame must be this event. */
void fake_expect_event(struct fake_driver *driver, connection_id_t id, int32_t type,
		       const char *path);
void fake_expect_nothing(struct fake_driver *driver, connection_id_t id);
/* Whether the server has closed it. */
bool fake_is_closed(const struct fake_driver *driver, connection_id_t id);

#endif
