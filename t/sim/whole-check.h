#ifndef T_SIM_WHOLE_CHECK_H
#define T_SIM_WHOLE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/tree/tree.h"
#include "src/base/blob.h"
#include "src/base/msec.h"
#include "src/zk/record.h"
#include "t/sim/sim-net.h"

/*
 * What must hold for whole replicas, checked at everything that they and their clients do. It
 * has a model: one tree, to which every transaction is applied when the first replica has it,
 * and every version that a path ever had.
 *
 *  1. One history: every replica applies a prefix of it, the same bytes; at every zxid that is
 *     seen its tree has the model's digest, and now and then the same sum over data, ACLs,
 *     Stats and sessions. The leaders' own digests agree with the model, too.
 *  2. What is acknowledged is in the history, as that session's request, at that zxid.
 *  3. A session's writes are in the history in the order in which they were sent, each once;
 *     none of a connection is left out between two.
 *  4. Numbers of sequential znodes grow, for each parent.
 *  5. An ephemeral has an open session; nothing of a session outlives its closeSession.
 *  6. A session expires only when its timeout has passed on the leader's own clock since the
 *     leader was told of it last, or began to lead.
 *  7. No server welcomes a session whose closeSession it has applied.
 *  8. At the end all trees are the model, Stat for Stat, and so are the sessions.
 *
 * What clients see (whole-client.h) is compared with the model at the zxid of the reply.
 */
struct whole_check;

struct whole_check *whole_check_new(struct sim_world *world);
void whole_check_free(struct whole_check *check);

/* ---- replicas ---- */

/* It has applied that transaction; the ones before are known. */
void whole_check_delivered(struct whole_check *check, int64_t sid, zxid_t zxid, struct blob *txn);
/* Its tree, at the tree's zxid. */
void whole_check_tree(struct whole_check *check, int64_t sid, const struct tree *tree);
/* The same, Stat for Stat, at the end of the history. */
void whole_check_final(struct whole_check *check, int64_t sid, const struct tree *tree);
zxid_t whole_check_last(const struct whole_check *check);
size_t whole_check_count(const struct whole_check *check);

/* ---- a leader's sessions, in the time of its clock ---- */

void whole_check_leads(struct whole_check *check, int64_t sid, msec_t now_ms);
void whole_check_touched(struct whole_check *check, int64_t sid, session_id_t id, msec_t now_ms);
void whole_check_proposed(struct whole_check *check, int64_t sid, struct bytes txn, msec_t now_ms);
/* It welcomes a session, new or not, with its tree at that zxid. */
void whole_check_welcomed(struct whole_check *check, int64_t sid, session_id_t id, zxid_t zxid);
/* At the end of the history. */
bool whole_check_is_open(const struct whole_check *check, session_id_t id);
/* How many sessions have expired, not closed by their clients. */
size_t whole_check_expired(const struct whole_check *check);

/* ---- clients ---- */

/* A write went out on a connection: a number that is never used twice. */
void whole_check_sent(struct whole_check *check, session_id_t id, uint64_t connection, int32_t xid);
/* ... and was answered. */
void whole_check_answered(struct whole_check *check, session_id_t id, int32_t xid, int32_t opcode,
			  zxid_t zxid, int32_t err);
/* The highest zxid that any client was told of a write of its own. */
zxid_t whole_check_acknowledged(const struct whole_check *check);

struct whole_version {
	zxid_t zxid; /* since when */
	bool exists;
	struct zk_stat stat;
	uint64_t data_hash;
};
/* What a path was at zxid; NULL: it was never there. */
const struct whole_version *whole_check_at(const struct whole_check *check, struct bytes path,
					   zxid_t zxid);
/* How often it was created as an ephemeral of that session. */
size_t whole_check_ephemerals(const struct whole_check *check, struct bytes path, session_id_t id);
/* Did it ever have data of that hash? */
bool whole_check_had(const struct whole_check *check, struct bytes path, uint64_t data_hash);
uint64_t whole_check_hash(struct bytes data);

#endif
