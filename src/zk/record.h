#ifndef ZK_RECORD_H
#define ZK_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/zk/acl.h"
#include "src/zk/jute.h"
#include "src/zk/zxid.h"

/*
 * Every record of the client protocol (zookeeper.jute, package proto), both
 * directions side by side. A struct holds the fields in their order on the
 * wire; spans point into the frame that was read, or to the caller's memory
 * for one that is written.
 *
 * X_read reads from the cursor and leaves the error in it (see zk/jute.h);
 * a record that was cut short has undefined fields. X_write appends to buf.
 * Neither checks meaning: a null path or a wild flag reads well, because
 * ZooKeeper answers those with results of their own.
 */

/* ---- frames' headers ---- */

struct zk_connect_request {
	int32_t protocol_version;
	zxid_t last_zxid_seen;
	int32_t timeout_ms;
	session_id_t session_id; /* 0 asks for a new session */
	struct bytes password;
	/* The byte is optional: 3.4 and later send it, and get one back. */
	bool has_read_only;
	bool read_only;
};
void zk_connect_request_read(struct jute_reader *reader, struct zk_connect_request *ret_record);
void zk_connect_request_write(struct buf *buf, const struct zk_connect_request *record);

enum { ZK_PASSWORD_SIZE = 16 };

struct zk_connect_response {
	int32_t protocol_version;
	int32_t timeout_ms; /* 0: the session is not valid */
	session_id_t session_id;
	struct bytes password;
	bool has_read_only;
	bool read_only;
};
void zk_connect_response_read(struct jute_reader *reader, struct zk_connect_response *ret_record);
void zk_connect_response_write(struct buf *buf, const struct zk_connect_response *record);

struct zk_request_header {
	int32_t xid;
	int32_t opcode;
};
void zk_request_header_read(struct jute_reader *reader, struct zk_request_header *ret_record);
void zk_request_header_write(struct buf *buf, const struct zk_request_header *record);

struct zk_reply_header {
	int32_t xid;
	zxid_t zxid;
	int32_t err; /* enum zk_code */
};
enum { ZK_REPLY_HEADER_SIZE = 16 };
void zk_reply_header_read(struct jute_reader *reader, struct zk_reply_header *ret_record);
void zk_reply_header_write(struct buf *buf, const struct zk_reply_header *record);

/* ---- parts ---- */

/* Stat as clients see it: cversion counts creates and deletes of children. */
struct zk_stat {
	zxid_t czxid;
	zxid_t mzxid;
	msec_t ctime; /* wall clock */
	msec_t mtime;
	int32_t version;
	int32_t cversion;
	int32_t aversion;
	session_id_t ephemeral_owner;
	int32_t data_length; /* 0 for null too */
	int32_t num_children;
	zxid_t pzxid;
};
enum { ZK_STAT_SIZE = 68 };
void zk_stat_read(struct jute_reader *reader, struct zk_stat *ret_stat);
void zk_stat_write(struct buf *buf, const struct zk_stat *stat);

/* ---- requests ---- */

/* create, create2, createContainer */
struct zk_create_request {
	struct bytes path;
	struct bytes data;
	struct zk_acls acls;
	int32_t flags; /* enum zk_create_flags */
};
void zk_create_request_read(struct jute_reader *reader, struct zk_create_request *ret_record);
void zk_create_request_write(struct buf *buf, const struct zk_create_request *record);

struct zk_create_ttl_request {
	struct zk_create_request create;
	int64_t ttl_ms;
};
void zk_create_ttl_request_read(struct jute_reader *reader,
				struct zk_create_ttl_request *ret_record);
void zk_create_ttl_request_write(struct buf *buf, const struct zk_create_ttl_request *record);

/* delete, check */
struct zk_path_version_request {
	struct bytes path;
	int32_t version; /* -1: any */
};
void zk_path_version_request_read(struct jute_reader *reader,
				  struct zk_path_version_request *ret_record);
void zk_path_version_request_write(struct buf *buf, const struct zk_path_version_request *record);

/* exists, getData, getChildren, getChildren2 */
struct zk_path_watch_request {
	struct bytes path;
	bool watch;
};
void zk_path_watch_request_read(struct jute_reader *reader,
				struct zk_path_watch_request *ret_record);
void zk_path_watch_request_write(struct buf *buf, const struct zk_path_watch_request *record);

struct zk_set_data_request {
	struct bytes path;
	struct bytes data;
	int32_t version;
};
void zk_set_data_request_read(struct jute_reader *reader, struct zk_set_data_request *ret_record);
void zk_set_data_request_write(struct buf *buf, const struct zk_set_data_request *record);

struct zk_set_acl_request {
	struct bytes path;
	struct zk_acls acls;
	int32_t version; /* of the ACL: aversion */
};
void zk_set_acl_request_read(struct jute_reader *reader, struct zk_set_acl_request *ret_record);
void zk_set_acl_request_write(struct buf *buf, const struct zk_set_acl_request *record);

/* getACL, sync (and its response), getEphemerals, getAllChildrenNumber, and create's response */
struct zk_path_record {
	struct bytes path;
};
void zk_path_record_read(struct jute_reader *reader, struct zk_path_record *ret_record);
void zk_path_record_write(struct buf *buf, const struct zk_path_record *record);

/* checkWatches, removeWatches (type: enum zk_watcher_type); addWatch (type: the mode) */
struct zk_path_type_request {
	struct bytes path;
	int32_t type;
};
void zk_path_type_request_read(struct jute_reader *reader, struct zk_path_type_request *ret_record);
void zk_path_type_request_write(struct buf *buf, const struct zk_path_type_request *record);

/* setWatches, and setWatches2, which has the last two lists besides */
struct zk_set_watches {
	zxid_t relative_zxid;
	struct jute_strings data;
	struct jute_strings exist;
	struct jute_strings child;
	struct jute_strings persistent;
	struct jute_strings persistent_recursive;
};
void zk_set_watches_read(struct jute_reader *reader, struct zk_set_watches *ret_record);
void zk_set_watches_write(struct buf *buf, const struct zk_set_watches *record);
void zk_set_watches2_read(struct jute_reader *reader, struct zk_set_watches *ret_record);
void zk_set_watches2_write(struct buf *buf, const struct zk_set_watches *record);

struct zk_auth_packet {
	int32_t type;
	struct bytes scheme;
	struct bytes auth;
};
void zk_auth_packet_read(struct jute_reader *reader, struct zk_auth_packet *ret_record);
void zk_auth_packet_write(struct buf *buf, const struct zk_auth_packet *record);

struct zk_reconfig_request {
	struct bytes joining_servers;
	struct bytes leaving_servers;
	struct bytes new_members;
	int64_t current_config_id;
};
void zk_reconfig_request_read(struct jute_reader *reader, struct zk_reconfig_request *ret_record);
void zk_reconfig_request_write(struct buf *buf, const struct zk_reconfig_request *record);

/* sasl, both ways */
struct zk_sasl_token {
	struct bytes token;
};
void zk_sasl_token_read(struct jute_reader *reader, struct zk_sasl_token *ret_record);
void zk_sasl_token_write(struct buf *buf, const struct zk_sasl_token *record);

/* Between the operations of a multi and of its response; {-1, true, -1} ends them. */
struct zk_multi_header {
	int32_t type;
	bool done;
	int32_t err;
};
enum { ZK_MULTI_HEADER_SIZE = 9 };
void zk_multi_header_read(struct jute_reader *reader, struct zk_multi_header *ret_record);
void zk_multi_header_write(struct buf *buf, const struct zk_multi_header *record);

/* ---- responses ---- */

/* create2, createContainer, createTTL */
struct zk_create2_response {
	struct bytes path;
	struct zk_stat stat;
};
void zk_create2_response_read(struct jute_reader *reader, struct zk_create2_response *ret_record);
void zk_create2_response_write(struct buf *buf, const struct zk_create2_response *record);

struct zk_get_data_response {
	struct bytes data;
	struct zk_stat stat;
};
void zk_get_data_response_read(struct jute_reader *reader, struct zk_get_data_response *ret_record);
void zk_get_data_response_write(struct buf *buf, const struct zk_get_data_response *record);

struct zk_get_acl_response {
	struct zk_acls acls;
	struct zk_stat stat;
};
void zk_get_acl_response_read(struct jute_reader *reader, struct zk_get_acl_response *ret_record);
void zk_get_acl_response_write(struct buf *buf, const struct zk_get_acl_response *record);

/* getChildren, getEphemerals: the list alone. getChildren2: with the Stat. */
struct zk_get_children2_response {
	struct jute_strings children;
	struct zk_stat stat;
};
void zk_get_children2_response_read(struct jute_reader *reader,
				    struct zk_get_children2_response *ret_record);
void zk_get_children2_response_write(struct buf *buf,
				     const struct zk_get_children2_response *record);

/* whoAmI's response is a vector of these: jute_read_count with their least size, then each. */
struct zk_client_info {
	struct bytes scheme;
	struct bytes user;
};
enum { ZK_CLIENT_INFO_SIZE_MIN = 8 };
void zk_client_info_read(struct jute_reader *reader, struct zk_client_info *ret_record);
void zk_client_info_write(struct buf *buf, const struct zk_client_info *record);

/* {xid -1} + this is a notification. */
struct zk_watcher_event {
	int32_t type;  /* enum zk_event_type */
	int32_t state; /* a server always sends SyncConnected */
	struct bytes path;
};
void zk_watcher_event_read(struct jute_reader *reader, struct zk_watcher_event *ret_record);
void zk_watcher_event_write(struct buf *buf, const struct zk_watcher_event *record);

#endif
