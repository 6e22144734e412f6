#ifndef TREE_PREP_H
#define TREE_PREP_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/tree/auth.h"
#include "replica/tree/overlay.h"
#include "replica/tree/session.h"
#include "replica/tree/tree.h"
#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/zk/code.h"
#include "src/zk/zxid.h"

/*
 * Requests become transactions (PrepRequestProcessor): a leader, or a
 * standalone server, decides each write against the tree with everything that
 * is proposed already, in the order of the requests. A write that fails
 * becomes a transaction, too (type error), so that every replica counts alike.
 *
 * Differences to 3.9.5, all of them where it would harm an ensemble:
 *  - a request that does not decode makes no transaction and takes no zxid (3.9 proposes
 *    the last zxid again, and nothing is committed any more); but for multi, where 3.9
 *    takes a new one, and so do we
 *  - createTTL with another flag than a TTL one is BADARGUMENTS, whatever its ttl
 *  - deleteContainer of a client is BADARGUMENTS, as in 3.8
 *  - a create whose path would make the session's closeSession larger than jute.maxbuffer
 *    is QUOTAEXCEEDED: no server could read that closeSession
 *  - a transaction that other servers could not read for its size is BADARGUMENTS
 */
struct prep_config {
	uint32_t jute_maxbuffer;
	bool digest_enabled;
	bool skip_acl;
	bool reconfig_enabled;
};

struct prep {
	struct prep_config config;
	struct tree *tree;
	struct session_tracker *tracker;
	struct overlay overlay;
	/* Of the transaction at hand; kept for their memory. */
	struct buf path;
	struct buf acls;
	struct buf parts;
};

/* Both must outlive it. The tracker must know the tree's sessions. */
void prep_init(struct prep *prep, const struct prep_config *config, struct tree *tree,
	       struct session_tracker *tracker);
void prep_release(struct prep *prep);

struct prep_request {
	session_id_t session_id;
	session_owner_t
		owner; /* by whom it came; NONE: the server's own, whosever the session is */
	int32_t cxid;
	int32_t opcode;
	struct bytes body; /* behind the request's header */
	struct auth_ids ids;
	zxid_t zxid;    /* that the transaction is to have */
	msec_t time_ms; /* wall clock */
};

/*
 * Append the transaction to ret_txn, which is empty. 0, or -EBADMSG: the
 * request does not decode, and there is no transaction. The result that the
 * client gets comes out when it is applied.
 *
 * opcode is a write's, or closeSession's; never a check alone. createSession is
 * prep_create_session.
 */
int prep_request(struct prep *prep, const struct prep_request *request, struct buf *ret_txn);

/* An error transaction for a request that isn't looked at: who forwarded it waits for one. */
void prep_refuse(struct prep *prep, const struct prep_request *request, enum zk_code code,
		 struct buf *ret_txn);

/* Track the session from now_ms on and propose it. */
void prep_create_session(struct prep *prep, session_id_t session_id, int32_t timeout_ms,
			 zxid_t zxid, msec_t now_ms, msec_t time_ms, struct buf *ret_txn);

/* The tree is at zxid now. */
void prep_applied(struct prep *prep, zxid_t zxid);

#endif
