#ifndef TREE_TXN_H
#define TREE_TXN_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/zk/acl.h"
#include "src/zk/jute.h"
#include "src/zk/opcode.h"
#include "src/zk/zxid.h"

/*
 * A transaction, as PROPOSAL and INFORM carry it and logs hold it:
 *
 *	TxnHeader | record (closeSession's may be absent) | TxnDigest (may be absent)
 *
 * with no lengths between the three (SerializeUtils.deserializeTxn, TxnHeader,
 * package txn of zookeeper.jute). A struct holds the fields in their order in
 * the bytes; spans point into the bytes that were decoded, or to the caller's
 * memory for what is encoded.
 *
 *	struct txn txn;
 *
 *	if (txn_decode(bytes, &txn) == 0)
 *		apply(tree, &txn);
 *
 * Two servers can hold different bytes for one zxid (a failed multi that a
 * leader sends again has other sub-types), so transactions are never compared
 * by their bytes.
 */
struct txn_header {
	session_id_t session_id; /* TxnHeader.clientId; 0 for the leader's own deletes */
	int32_t cxid;            /* 0 for createSession and what a server began */
	zxid_t zxid;
	msec_t time;  /* the leader's wall clock */
	int32_t type; /* enum zk_opcode; ZK_OP_ERROR for a request that failed */
};
enum { TXN_HEADER_SIZE = 32 };

/* create, create2, createContainer, createTTL */
struct txn_create {
	struct bytes path; /* final: with the sequence number */
	struct bytes data;
	struct zk_acls acls;     /* as stored: after the fix-up */
	bool ephemeral;          /* create and create2 only */
	int32_t parent_cversion; /* the parent's stored one after this; -1: one more than it has */
	int64_t ttl_ms;          /* createTTL only */
};

/* delete, deleteContainer */
struct txn_delete {
	struct bytes path;
};

/* setData; reconfig, where path is /zookeeper/config and version -1 */
struct txn_set_data {
	struct bytes path;
	struct bytes data;
	int32_t version; /* the new one */
};

struct txn_set_acl {
	struct bytes path;
	struct zk_acls acls;
	int32_t version; /* the new aversion */
};

/* Within a multi only: no server can read a log that has one outside. */
struct txn_check {
	struct bytes path;
	int32_t version;
};

struct txn_create_session {
	int32_t timeout_ms;
};

struct txn_close_session {
	/* False: the leader leaves the ephemerals to each server (closeSessionTxn.enabled). */
	bool has_paths;
	struct jute_strings paths; /* null where there are none; in no order */
};

struct txn_error {
	int32_t err; /* enum zk_code */
};

/*
 * The sub-transactions in their encoded form, each {int type, buffer record};
 * txn_decode has checked every one. In a multi that failed, those before the
 * one that did are what they would have been, it is {-1, its code} and the rest
 * {-1, RUNTIMEINCONSISTENCY}; nothing of it is applied. One that a Java leader
 * sent again is -1 throughout, and the records of the first kind are left as
 * they were: their first int stands for the code, whatever it is.
 */
struct txn_multi {
	int32_t count;
	struct bytes encoded;
};

struct txn_record {
	int32_t type; /* selects the member; a transaction's is its header's */
	union {
		struct txn_create create;
		struct txn_delete delete;
		struct txn_set_data set_data;
		struct txn_set_acl set_acl;
		struct txn_check check;
		struct txn_create_session create_session;
		struct txn_close_session close_session;
		struct txn_error error;
		struct txn_multi multi;
	};
};

/* What the leader says the tree digest is behind this transaction. */
struct txn_digest {
	int32_t version; /* TXN_DIGEST_VERSION in all that 3.6 and later write */
	int64_t tree_digest;
};
enum { TXN_DIGEST_SIZE = 12, TXN_DIGEST_VERSION = 2 };

struct txn {
	struct txn_header header;
	struct txn_record record;
	bool has_digest;
	struct txn_digest digest;
};

/*
 * 0, or -EBADMSG for bytes that aren't a transaction, a type that servers don't
 * know, a top-level check, or a multi with a sub-transaction of these kinds.
 * Fewer than TXN_DIGEST_SIZE bytes behind the record are no digest, as Java has
 * it. A create without parentCVersion (CreateTxnV0, before 3.4) reads as -1.
 */
int txn_decode(struct bytes bytes, struct txn *ret_txn);

/* Does its digest say that the tree behind it is another than one of that digest, or that one? */
bool txn_contradicts_digest(const struct txn *txn, uint64_t tree_digest);
bool txn_confirms_digest(const struct txn *txn, uint64_t tree_digest);

/* The header alone, for who forwards or files a transaction. 0 or -EBADMSG. */
int txn_decode_header(struct bytes bytes, struct txn_header *ret_header);

/* Append it; record.type and header.type must be the same. */
void txn_encode(struct buf *buf, const struct txn *txn);

/*
 * The sub-transactions of a decoded multi, in order; false at the end. *at is 0
 * before the first.
 */
bool txn_multi_next(const struct txn_multi *multi, size_t *at, struct txn_record *ret_record);

/*
 * Append one sub-transaction to buf, whose bytes are txn_multi.encoded in the
 * end; the caller counts them.
 */
void txn_multi_append(struct buf *buf, const struct txn_record *record);

#endif
