#ifndef ZAB_NOTIFICATION_H
#define ZAB_NOTIFICATION_H

#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/zk/zxid.h"

/*
 * The one message of leader election (spec/quorum-protocol.md 3), inside the
 * length frame of an election connection:
 *
 *	int state | long leader | long zxid | long electionEpoch | long peerEpoch |
 *	int version | int size, config text
 *
 * 28 bytes (without peerEpoch and what follows) and 40 bytes (3.4) are read too.
 */
enum zab_state {
	ZAB_LOOKING = 0,
	ZAB_FOLLOWING = 1,
	ZAB_LEADING = 2,
	ZAB_OBSERVING = 3,
};
const char *zab_state_name(enum zab_state state); /* "looking", "following", ... */

struct zab_vote {
	int64_t leader;
	zxid_t zxid;
	int64_t peer_epoch;
};

enum { NOTIFICATION_VERSION = 2, NOTIFICATION_SIZE_MAX = 512 * 1024 };

struct notification {
	enum zab_state state;
	struct zab_vote vote;
	int64_t election_epoch;
	int32_t version;
	struct bytes config; /* null where the message has none */
};

/* 0, or -EBADMSG: it is to be dropped. */
int notification_read(struct bytes bytes, struct notification *ret_notification);
void notification_write(struct buf *buf, const struct notification *notification);

#endif
