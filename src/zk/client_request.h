#ifndef ZK_CLIENT_REQUEST_H
#define ZK_CLIENT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/zk/acl.h"
#include "src/zk/jute.h"
#include "src/zk/record.h"

/*
 * A request as the client session takes it: the encoded record, and what to do
 * when the connection is lost before its answer has come.
 *
 *	struct zk_request request;
 *
 *	zk_request_get_data(&request, path, true);
 *	err = zk_client_submit(client, &request, now_ms, on_reply, data, &id);
 *
 * Each builder initialises the request; zk_client_submit takes it over, also
 * when it refuses it. One that is not submitted is released by its owner.
 * Paths are whole: the client session knows no chroot.
 */

/*
 * What is true of a request whose answer was lost, and so how the server's
 * state, read after a sync, tells its outcome. "Base" is the last zxid that
 * this session had seen when the request was sent.
 *
 *	intent      the server shows                     so
 *	---------   ----------------------------------   -------------------------
 *	NONE                                             UNKNOWN, at the loss
 *	AGAIN                                            sent again
 *	SET         the expected version                 sent again
 *	            one more, our bytes                  RESOLVED
 *	            one more, other bytes                sent again (BADVERSION)
 *	APPEND      as SET; any newer value that
 *	            begins with ours                     RESOLVED
 *	CREATE      absent                               sent again
 *	            not newer than base                  sent again (NODEEXISTS)
 *	            newer, version 0, our bytes          RESOLVED
 *	CREATE_TRUNCATE  as CREATE; else                 REPLIED with NODEEXISTS, for
 *	                                                 the caller to set it
 *	CREATE_EXCLUSIVE absent, or not newer than base  sent again
 *	CREATE_EPHEMERAL newer, owned by this session    RESOLVED
 *	            else                                 sent again
 *	DELETE      gone                                 RESOLVED
 *	            not newer than base                  sent again
 *	RENAME      source not newer than base           sent again
 *	            source gone, target newer, our bytes RESOLVED
 *	any         anything else                        UNKNOWN
 *
 * "Sent again (BADVERSION)" is certain: that request can't have been applied,
 * and the server says so itself.
 */
enum zk_intent {
	ZK_INTENT_NONE,  /* no rule: sequential creates, setACL with a version, other multis */
	ZK_INTENT_AGAIN, /* applied twice is as applied once: reads, sync, unconditional set */
	ZK_INTENT_SET,   /* setData with a version */
	ZK_INTENT_APPEND,
	ZK_INTENT_CREATE,           /* O_CREAT without O_EXCL */
	ZK_INTENT_CREATE_TRUNCATE,  /* the same, with O_TRUNC */
	ZK_INTENT_CREATE_EXCLUSIVE, /* mkdir, O_EXCL: of two makers one must lose */
	ZK_INTENT_CREATE_EPHEMERAL,
	ZK_INTENT_DELETE,
	ZK_INTENT_RENAME, /* a multi: its first create or setData is the target, its last delete the
			     source */
};

struct zk_request {
	int32_t opcode;
	enum zk_intent
		intent; /* builders choose one; the caller may choose another before submit */
	/*
	 * Belongs to the session in which it was submitted: when that expires it ends
	 * EXPIRED even if it was never sent. Otherwise a request without effect yet
	 * (never sent, or a read) is sent in the new session.
	 */
	bool session_bound;
	struct buf frame; /* room for length, xid and opcode, then the record */
};

enum { ZK_REQUEST_HEAD_SIZE = 12 };

/* Begin a request of any kind; the caller appends the record to request->frame. */
void zk_request_init(struct zk_request *request, int32_t opcode, enum zk_intent intent);
void zk_request_release(struct zk_request *request);

/* The record alone, as it goes out behind the header. */
struct bytes zk_request_body(const struct zk_request *request);

/* ---- reads: AGAIN ---- */

/* Replies: zk_get_data_response, zk_stat, zk_get_children2_response. */
void zk_request_get_data(struct zk_request *request, struct bytes path, bool watch);
void zk_request_exists(struct zk_request *request, struct bytes path, bool watch);
void zk_request_get_children2(struct zk_request *request, struct bytes path, bool watch);
/* Reply: zk_get_acl_response. */
void zk_request_get_acl(struct zk_request *request, struct bytes path);
/* Reply: zk_path_record. */
void zk_request_sync(struct zk_request *request, struct bytes path);
/* mode: ZK_WATCH_PERSISTENT or ..._RECURSIVE. A server before 3.6 answers UNIMPLEMENTED. */
void zk_request_add_watch(struct zk_request *request, struct bytes path, int32_t mode);
/* type: enum zk_watcher_type */
void zk_request_remove_watches(struct zk_request *request, struct bytes path, int32_t type);

/* ---- writes ---- */

/*
 * create2, createContainer or createTTL, as flags say (ttl_ms is looked at
 * for the TTL modes only). Intent: NONE for a sequential one, CREATE_EPHEMERAL
 * for an ephemeral one, else CREATE_EXCLUSIVE. Reply: zk_create2_response.
 */
void zk_request_create(struct zk_request *request, struct bytes path, struct bytes data,
		       const struct zk_acls *acls, int32_t flags, int64_t ttl_ms);
/* Version -1 is any: AGAIN; else SET. Reply: zk_stat. */
void zk_request_set_data(struct zk_request *request, struct bytes path, struct bytes data,
			 int32_t version);
/* DELETE. No reply record. */
void zk_request_delete(struct zk_request *request, struct bytes path, int32_t version);
/* Version -1 is any: AGAIN; else NONE. Reply: zk_stat. */
void zk_request_set_acl(struct zk_request *request, struct bytes path, const struct zk_acls *acls,
			int32_t version);

/*
 * multi: begin, add operations in order, end. Intent NONE; a caller that
 * renames says so itself. Reply: for each operation a zk_multi_header and its
 * record, or its error; zk_multi_reply_error finds the one that failed.
 */
void zk_request_multi_begin(struct zk_request *request);
void zk_request_multi_create(struct zk_request *request, struct bytes path, struct bytes data,
			     const struct zk_acls *acls, int32_t flags);
void zk_request_multi_set_data(struct zk_request *request, struct bytes path, struct bytes data,
			       int32_t version);
void zk_request_multi_delete(struct zk_request *request, struct bytes path, int32_t version);
void zk_request_multi_check(struct zk_request *request, struct bytes path, int32_t version);
void zk_request_multi_end(struct zk_request *request);

/* How many bytes the request takes as a frame: what jute.maxbuffer limits. */
size_t zk_request_size(const struct zk_request *request);

/*
 * The result of a multi, from its reply's body: ZK_OK, or the code of the
 * operation that failed with its position in ret_at (untouched on ZK_OK). A
 * body that does not decode is ZK_MARSHALLINGERROR at 0. The reader is passed
 * by value: the caller's cursor stays where it was.
 */
int32_t zk_multi_reply_error(struct jute_reader body, size_t *ret_at);

#endif
