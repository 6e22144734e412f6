#ifndef T_SIM_APP_H
#define T_SIM_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/blob.h"
#include "src/base/bytes.h"
#include "src/zk/zxid.h"

/*
 * The small application that a simulated ensemble replicates: registers,
 * sessions, what is ephemeral, and a sequence, so that a lost, repeated,
 * reordered or half transaction shows in its digest or in an answer.
 *
 * A transaction is the client's request with the leader's name behind it; it is
 * checked where it is applied, so it needs no state at the leader. Its result is the same
 * everywhere.
 *
 * A session attaches to a server by SIM_OPEN with a higher attachment number than
 * before; from then on what it asked for through an earlier one is refused (SESSIONMOVED).
 */
enum {
	SIM_SESSIONS_MAX = 8,
	SIM_KEYS_MAX = 16,
	SIM_EPHEMERALS_MAX = 32,
	SIM_REQUEST_SIZE_MIN = 32,
	SIM_REQUEST_SIZE_MAX = 512,
};

enum sim_opcode {
	SIM_OPEN = 1,  /* attach the session; makes it, with nothing, where it was closed */
	SIM_CLOSE,     /* and delete what is ephemeral of it */
	SIM_SET,       /* key = value */
	SIM_SEQUENCE,  /* the next number */
	SIM_EPHEMERAL, /* an ephemeral of the session, with the next number */
};

struct sim_request {
	int64_t session; /* 1 to SIM_SESSIONS_MAX - 1 */
	int32_t cxid;    /* 1, 2, 3, ... over all attachments */
	int32_t opcode;
	uint32_t attachment;
	uint32_t key;
	int64_t value;
	uint32_t padding; /* so many bytes more */
};

struct blob *sim_request_encode(const struct sim_request *request);
bool sim_request_decode(struct bytes bytes, struct sim_request *ret_request);

/* What a leader proposes. */
struct blob *sim_txn_encode(struct bytes request, int64_t leader, zxid_t zxid);
bool sim_txn_decode(struct bytes bytes, struct sim_request *ret_request, int64_t *ret_leader,
		    zxid_t *ret_zxid);

enum sim_code { SIM_OK, SIM_MOVED, SIM_NO_SESSION, SIM_FULL };

struct sim_result {
	enum sim_code code;
	int64_t number; /* of SIM_SEQUENCE and SIM_EPHEMERAL */
};

struct sim_register {
	int64_t value;
	zxid_t mzxid;
	int64_t version;
};

struct sim_app;

struct sim_app *sim_app_new(void);
void sim_app_free(struct sim_app *app);

/* txn follows what was applied last. */
struct sim_result sim_app_apply(struct sim_app *app, zxid_t zxid, struct bytes txn);
zxid_t sim_app_zxid(const struct sim_app *app);
uint64_t sim_app_digest(const struct sim_app *app);
struct blob *sim_app_snapshot(const struct sim_app *app);
/* NULL is the state before anything. False: it is no snapshot; nothing changed. */
bool sim_app_restore(struct sim_app *app, const struct blob *snapshot);

struct sim_register sim_app_read(const struct sim_app *app, uint32_t key);
/* How many ephemerals there are of sessions that are not open: none, or it is wrong. */
int sim_app_orphans(const struct sim_app *app);

#endif
