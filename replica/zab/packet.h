#ifndef ZAB_PACKET_H
#define ZAB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/zk/zxid.h"

/*
 * QuorumPacket, what leader and learners say to each other on the quorum port
 * (spec/quorum-protocol.md 6): an unframed stream of
 *
 *	int type | long zxid | buffer data | vector<Id> authinfo
 *
 * in both directions. Its length is known from its own fields alone.
 */
enum zab_packet_type {
	ZAB_REQUEST = 1,
	ZAB_PROPOSAL = 2,
	ZAB_ACK = 3,
	ZAB_COMMIT = 4,
	ZAB_PING = 5,
	ZAB_REVALIDATE = 6,
	ZAB_SYNC = 7,
	ZAB_INFORM = 8,
	ZAB_COMMITANDACTIVATE = 9,
	ZAB_NEWLEADER = 10,
	ZAB_FOLLOWERINFO = 11,
	ZAB_UPTODATE = 12,
	ZAB_DIFF = 13,
	ZAB_TRUNC = 14,
	ZAB_SNAP = 15,
	ZAB_OBSERVERINFO = 16,
	ZAB_LEADERINFO = 17,
	ZAB_ACKEPOCH = 18,
	ZAB_INFORMANDACTIVATE = 19,
};

/* "PROPOSAL"; of a type that is none, "unknown". */
const char *zab_packet_name(int32_t type);

struct zab_packet {
	int32_t type;
	zxid_t zxid;
	struct bytes data; /* may be null */
	/* vector<Id>: the count, -1 for null, and the elements as they are encoded. */
	int32_t auth_count;
	struct bytes auth;
};

enum {
	ZAB_PACKET_SIZE_MIN = 20,
	/* Of one vector<Id>, encoded; a connection's ids are below 64 KiB (tree/auth.h). */
	ZAB_AUTH_SIZE_MAX = 128 * 1024,
	ZAB_PROTOCOL_VERSION = 0x10000,
};

/*
 * The packet that bytes begin with. Its size in bytes; 0: it is not whole yet;
 * -EBADMSG: a length that is negative (but -1) or beyond data_size_max or
 * ZAB_AUTH_SIZE_MAX, or a vector whose elements aren't ids. Spans of ret_packet
 * point into bytes. Checks a length as soon as its four bytes are there, so what
 * a caller buffers for one packet is bounded by its maxima.
 */
int64_t zab_packet_read(struct bytes bytes, size_t data_size_max, struct zab_packet *ret_packet);
void zab_packet_write(struct buf *buf, const struct zab_packet *packet);

/* ---- data of FOLLOWERINFO and OBSERVERINFO ---- */

struct zab_learner_info {
	int64_t sid;
	int32_t protocol_version;
	zxid_t config_version; /* 0 where a 3.4 peer sends none */
};
/* 0 or -EBADMSG: less than 12 bytes; peers before 3.4 are not spoken to. */
int zab_learner_info_read(struct bytes data, struct zab_learner_info *ret_info);
void zab_learner_info_write(struct buf *buf, const struct zab_learner_info *info);

/* ---- data of REVALIDATE, and an element of PING's table ---- */

struct zab_session {
	session_id_t id;
	int32_t timeout_ms;
};
enum { ZAB_SESSION_SIZE = 12 };
int zab_session_read(struct bytes data, struct zab_session *ret_session);
void zab_session_write(struct buf *buf, const struct zab_session *session);

/* REVALIDATE's answer: long id, byte valid. */
int zab_revalidated_read(struct bytes data, session_id_t *ret_id, bool *ret_valid);
void zab_revalidated_write(struct buf *buf, session_id_t id, bool valid);

/* ---- data of REQUEST ---- */

struct zab_request {
	session_id_t session_id;
	int32_t cxid;
	int32_t opcode;
	struct bytes body; /* the client's record, unchanged */
};
/* 0 or -EBADMSG: null, or less than 16 bytes. */
int zab_request_read(struct bytes data, struct zab_request *ret_request);
void zab_request_write(struct buf *buf, const struct zab_request *request);

#endif
