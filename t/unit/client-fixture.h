#ifndef T_UNIT_CLIENT_FIXTURE_H
#define T_UNIT_CLIENT_FIXTURE_H

#include "src/base/buf.h"
#include "src/zk/client.h"
#include "src/zk/record.h"
#include "t/unit/cmocka.h"

/*
 * The client session against a server that is written down in each test: the
 * test takes the frames that the session sends, one by one, and answers them.
 * Time is a number.
 */
enum {
	TIMEOUT_MS = 6000,
	SESSION = 0x1234,
	BASE = 100, /* the last zxid that the session has seen when a test begins */
	NOTES_MAX = 64,
};

struct note {
	enum zk_outcome outcome;
	int32_t code;
	zxid_t zxid;
	bool sent;
	bool has_stat;
	struct zk_stat stat;
	size_t body_size;
	uint64_t tag;
};

struct world {
	struct zk_client *client;
	msec_t now_ms;

	/* what the session has asked for */
	bool is_connecting;
	bool is_connected;
	size_t server;
	unsigned connects;
	unsigned disconnects;
	struct buf wire; /* sent, and not yet taken by the test */

	/* the frame taken last */
	struct buf frame;
	struct zk_request_header header;
	struct jute_reader record;

	/* what the user was told */
	struct note notes[NOTES_MAX];
	size_t note_count;
	enum zk_client_state state;
	bool new_session;
	unsigned state_changes;
	int32_t event_type;
	char *event_path;
	zxid_t event_zxid;
	unsigned event_count;
	uint64_t abandon_in_callback;
};

/* A session without a connection; options: NULL for three servers and TIMEOUT_MS. */
struct world *begin(const struct zk_client_options *options);
/* A session that has seen BASE. */
struct world *begin_established(const struct zk_client_options *options);
void finish(struct world *w);

/* ---- the user ---- */

static inline struct bytes text(const char *value)
{
	return bytes_of_text(value);
}

int try_submit(struct world *w, struct zk_request *request, uint64_t tag, uint64_t *ret_id);
/* These are accepted; the request's id. */
uint64_t submit(struct world *w, struct zk_request *request, uint64_t tag);
uint64_t submit_get(struct world *w, const char *path, bool watch, uint64_t tag);
uint64_t submit_set(struct world *w, const char *path, int32_t version, uint64_t tag);
uint64_t submit_create(struct world *w, const char *path, int32_t flags, uint64_t tag);

/* ---- the owner ---- */

/* Do what the session asks for. */
void pump(struct world *w);
/* Ticks at each deadline on the way. */
void advance(struct world *w, msec_t by_ms);

/* ---- the server ---- */

/* Take the next frame the session has sent; the record's cursor stands behind its header. */
void take_frame(struct world *w);
/* The same; it must be a request with this opcode. */
void take(struct world *w, int32_t opcode);
struct bytes taken_path(struct world *w);
bool nothing_is_sent(const struct world *w);

int answer_xid(struct world *w, int32_t xid, zxid_t zxid, int32_t err, const struct buf *body);
/* To the request taken last. */
void answer(struct world *w, zxid_t zxid, int32_t err);
void answer_data(struct world *w, zxid_t zxid, struct bytes data, const struct zk_stat *stat);
void answer_stat(struct world *w, zxid_t zxid, const struct zk_stat *stat);
void send_event(struct world *w, int32_t type, const char *path, zxid_t zxid);
struct zk_connect_request take_handshake(struct world *w);
int answer_handshake(struct world *w, session_id_t session_id, int32_t timeout_ms);

/* ---- both together ---- */

/* Advances until the session asks for a connection, which it gets. */
void accept_connection(struct world *w);
/* And the server takes it as this session. */
void establish(struct world *w, session_id_t session_id);
void lose(struct world *w);
/* The same session on a new connection, its sync answered. */
void come_back(struct world *w);
/* A new connection, and the server knows the session no more. */
void expire(struct world *w);

/* ---- a write whose answer was lost ---- */

/* zxids of before and after what the session has seen; and the version that its writes name. */
enum { OLD = BASE - 10, NEW = BASE + 10, EXPECTED = 4 };

/* What the server has at a path. */
struct node {
	bool present;
	zxid_t czxid;
	zxid_t mzxid;
	int32_t version;
	session_id_t owner;
	const char *data; /* NULL: null */
};

/* The request of this intent, with "ours" as its data. */
void build_write(struct zk_request *request, enum zk_intent intent);
/* The session asks whether a write to path was done, and is shown this. */
void take_probe(struct world *w, const char *path);
void show_node(struct world *w, const struct node *node);

#endif
