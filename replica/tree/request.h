#ifndef TREE_REQUEST_H
#define TREE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/bytes.h"
#include "src/zk/record.h"

/*
 * A write as a client sent it, decoded: alone, or as part of a multi, where
 * the flags of a create decide, too, what it is (MultiOperationRecord, Op).
 */
struct request_create {
	int32_t type; /* of the transaction: create, create2, createContainer or createTTL */
	struct bytes path;
	struct bytes data;
	struct zk_acls acls;
	int32_t flags;
	int64_t ttl_ms; /* createTTL only */
};

struct request {
	int32_t opcode;
	union {
		struct request_create create;
		struct zk_path_version_request path_version; /* delete, check */
		struct zk_set_data_request set_data;
		struct zk_set_acl_request set_acl;
		struct zk_path_watch_request read; /* in a multiRead: getData, getChildren */
	};
};

/* False if it does not decode, or has a null path where Java's processor ends in an exception. */
bool request_read(int32_t opcode, struct bytes body, struct request *ret_request);

/* The parts of a multi or multiRead. */
struct request_multi {
	struct jute_reader reader;
	bool done; /* the end mark was read */
};

void request_multi_init(struct request_multi *multi, struct bytes body);
/* False at the end: done, or reader.error for what isn't a multi. */
bool request_multi_next(struct request_multi *multi, struct request *ret_part);

/* Does the whole of it decode, with writes only, or reads only? An empty one is both. */
bool request_multi_is_write(struct bytes body);
bool request_multi_is_read(struct bytes body);

#endif
