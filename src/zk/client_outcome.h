#ifndef ZK_CLIENT_OUTCOME_H
#define ZK_CLIENT_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/bytes.h"
#include "src/zk/client_request.h"
#include "src/zk/record.h"
#include "src/zk/zxid.h"

/*
 * The table of zk/client_request.h as functions: what became of a request
 * whose answer was lost. No state, no session: the session asks what to look
 * at, reads it, and asks again with what it found.
 */

/* The parts of a request that its outcome hangs on. Spans point into the request. */
struct zk_subject {
	enum zk_intent intent; /* NONE if the record is not what its intent needs */
	struct bytes path;     /* of a RENAME: the target */
	struct bytes source;   /* of a RENAME */
	struct bytes data;
	int32_t version;
	zxid_t base; /* the last zxid seen when it was sent */
	session_id_t session_id;
};

void zk_subject_read(int32_t opcode, enum zk_intent intent, struct bytes record,
		     struct zk_subject *ret_subject);

/* Does nothing but a read of the server's state tell? */
bool zk_intent_needs_probe(enum zk_intent intent);

/* What to read: a getData or an exists. RENAME looks at its source first, then at its target. */
enum zk_probe_step { ZK_PROBE_FIRST, ZK_PROBE_TARGET };
void zk_subject_probe(const struct zk_subject *subject, enum zk_probe_step step,
		      struct zk_request *ret_request);

struct zk_finding {
	bool absent;
	struct zk_stat stat;
	struct bytes data; /* null after an exists */
};

enum zk_verdict {
	ZK_VERDICT_AGAIN, /* it had no effect, or the server will say so: send it again */
	ZK_VERDICT_DONE,
	ZK_VERDICT_EXISTS, /* CREATE_TRUNCATE: somebody's node is there, to be set */
	ZK_VERDICT_LOOK_AT_TARGET,
	ZK_VERDICT_UNKNOWN,
};
enum zk_verdict zk_subject_judge(const struct zk_subject *subject, enum zk_probe_step step,
				 const struct zk_finding *finding);

/* Decode the answer to a probe. False if it does not decode. */
bool zk_finding_read(int32_t opcode, struct jute_reader *body, struct zk_finding *ret_finding);

/*
 * The zxid of the request's own transaction, where what was found names it; 0
 * otherwise. Requests sent behind it can only have come later.
 */
zxid_t zk_subject_own_zxid(const struct zk_subject *subject, const struct zk_finding *finding);

#endif
