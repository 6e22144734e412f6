#include "src/zk/record.h"

/* ---- frames' headers ---- */

void zk_connect_request_read(struct jute_reader *reader, struct zk_connect_request *ret_record)
{
	ret_record->protocol_version = jute_read_int(reader);
	ret_record->last_zxid_seen = jute_read_long(reader);
	ret_record->timeout_ms = jute_read_int(reader);
	ret_record->session_id = jute_read_long(reader);
	ret_record->password = jute_read_buffer(reader);
	ret_record->has_read_only = !reader->error && jute_left(reader) > 0;
	ret_record->read_only = ret_record->has_read_only && jute_read_boolean(reader);
}

void zk_connect_request_write(struct buf *buf, const struct zk_connect_request *record)
{
	jute_write_int(buf, record->protocol_version);
	jute_write_long(buf, record->last_zxid_seen);
	jute_write_int(buf, record->timeout_ms);
	jute_write_long(buf, record->session_id);
	jute_write_buffer(buf, record->password);
	if (record->has_read_only)
		jute_write_boolean(buf, record->read_only);
}

void zk_connect_response_read(struct jute_reader *reader, struct zk_connect_response *ret_record)
{
	ret_record->protocol_version = jute_read_int(reader);
	ret_record->timeout_ms = jute_read_int(reader);
	ret_record->session_id = jute_read_long(reader);
	ret_record->password = jute_read_buffer(reader);
	ret_record->has_read_only = !reader->error && jute_left(reader) > 0;
	ret_record->read_only = ret_record->has_read_only && jute_read_boolean(reader);
}

void zk_connect_response_write(struct buf *buf, const struct zk_connect_response *record)
{
	jute_write_int(buf, record->protocol_version);
	jute_write_int(buf, record->timeout_ms);
	jute_write_long(buf, record->session_id);
	jute_write_buffer(buf, record->password);
	if (record->has_read_only)
		jute_write_boolean(buf, record->read_only);
}

void zk_request_header_read(struct jute_reader *reader, struct zk_request_header *ret_record)
{
	ret_record->xid = jute_read_int(reader);
	ret_record->opcode = jute_read_int(reader);
}

void zk_request_header_write(struct buf *buf, const struct zk_request_header *record)
{
	jute_write_int(buf, record->xid);
	jute_write_int(buf, record->opcode);
}

void zk_reply_header_read(struct jute_reader *reader, struct zk_reply_header *ret_record)
{
	ret_record->xid = jute_read_int(reader);
	ret_record->zxid = jute_read_long(reader);
	ret_record->err = jute_read_int(reader);
}

void zk_reply_header_write(struct buf *buf, const struct zk_reply_header *record)
{
	jute_write_int(buf, record->xid);
	jute_write_long(buf, record->zxid);
	jute_write_int(buf, record->err);
}

/* ---- parts ---- */

void zk_stat_read(struct jute_reader *reader, struct zk_stat *ret_stat)
{
	ret_stat->czxid = jute_read_long(reader);
	ret_stat->mzxid = jute_read_long(reader);
	ret_stat->ctime = jute_read_long(reader);
	ret_stat->mtime = jute_read_long(reader);
	ret_stat->version = jute_read_int(reader);
	ret_stat->cversion = jute_read_int(reader);
	ret_stat->aversion = jute_read_int(reader);
	ret_stat->ephemeral_owner = jute_read_long(reader);
	ret_stat->data_length = jute_read_int(reader);
	ret_stat->num_children = jute_read_int(reader);
	ret_stat->pzxid = jute_read_long(reader);
}

void zk_stat_write(struct buf *buf, const struct zk_stat *stat)
{
	jute_write_long(buf, stat->czxid);
	jute_write_long(buf, stat->mzxid);
	jute_write_long(buf, stat->ctime);
	jute_write_long(buf, stat->mtime);
	jute_write_int(buf, stat->version);
	jute_write_int(buf, stat->cversion);
	jute_write_int(buf, stat->aversion);
	jute_write_long(buf, stat->ephemeral_owner);
	jute_write_int(buf, stat->data_length);
	jute_write_int(buf, stat->num_children);
	jute_write_long(buf, stat->pzxid);
}

/* ---- requests ---- */

void zk_create_request_read(struct jute_reader *reader, struct zk_create_request *ret_record)
{
	ret_record->path = jute_read_ustring(reader);
	ret_record->data = jute_read_buffer(reader);
	ret_record->acls = zk_acls_read(reader);
	ret_record->flags = jute_read_int(reader);
}

void zk_create_request_write(struct buf *buf, const struct zk_create_request *record)
{
	jute_write_ustring(buf, record->path);
	jute_write_buffer(buf, record->data);
	zk_acls_write(buf, &record->acls);
	jute_write_int(buf, record->flags);
}

void zk_create_ttl_request_read(struct jute_reader *reader,
				struct zk_create_ttl_request *ret_record)
{
	zk_create_request_read(reader, &ret_record->create);
	ret_record->ttl_ms = jute_read_long(reader);
}

void zk_create_ttl_request_write(struct buf *buf, const struct zk_create_ttl_request *record)
{
	zk_create_request_write(buf, &record->create);
	jute_write_long(buf, record->ttl_ms);
}

void zk_path_version_request_read(struct jute_reader *reader,
				  struct zk_path_version_request *ret_record)
{
	ret_record->path = jute_read_ustring(reader);
	ret_record->version = jute_read_int(reader);
}

void zk_path_version_request_write(struct buf *buf, const struct zk_path_version_request *record)
{
	jute_write_ustring(buf, record->path);
	jute_write_int(buf, record->version);
}

void zk_path_watch_request_read(struct jute_reader *reader,
				struct zk_path_watch_request *ret_record)
{
	ret_record->path = jute_read_ustring(reader);
	ret_record->watch = jute_read_boolean(reader);
}

void zk_path_watch_request_write(struct buf *buf, const struct zk_path_watch_request *record)
{
	jute_write_ustring(buf, record->path);
	jute_write_boolean(buf, record->watch);
}

void zk_set_data_request_read(struct jute_reader *reader, struct zk_set_data_request *ret_record)
{
	ret_record->path = jute_read_ustring(reader);
	ret_record->data = jute_read_buffer(reader);
	ret_record->version = jute_read_int(reader);
}

void zk_set_data_request_write(struct buf *buf, const struct zk_set_data_request *record)
{
	jute_write_ustring(buf, record->path);
	jute_write_buffer(buf, record->data);
	jute_write_int(buf, record->version);
}

void zk_set_acl_request_read(struct jute_reader *reader, struct zk_set_acl_request *ret_record)
{
	ret_record->path = jute_read_ustring(reader);
	ret_record->acls = zk_acls_read(reader);
	ret_record->version = jute_read_int(reader);
}

void zk_set_acl_request_write(struct buf *buf, const struct zk_set_acl_request *record)
{
	jute_write_ustring(buf, record->path);
	zk_acls_write(buf, &record->acls);
	jute_write_int(buf, record->version);
}

void zk_path_record_read(struct jute_reader *reader, struct zk_path_record *ret_record)
{
	ret_record->path = jute_read_ustring(reader);
}

void zk_path_record_write(struct buf *buf, const struct zk_path_record *record)
{
	jute_write_ustring(buf, record->path);
}

void zk_path_type_request_read(struct jute_reader *reader, struct zk_path_type_request *ret_record)
{
	ret_record->path = jute_read_ustring(reader);
	ret_record->type = jute_read_int(reader);
}

void zk_path_type_request_write(struct buf *buf, const struct zk_path_type_request *record)
{
	jute_write_ustring(buf, record->path);
	jute_write_int(buf, record->type);
}

void zk_set_watches_read(struct jute_reader *reader, struct zk_set_watches *ret_record)
{
	ret_record->relative_zxid = jute_read_long(reader);
	ret_record->data = jute_read_strings(reader);
	ret_record->exist = jute_read_strings(reader);
	ret_record->child = jute_read_strings(reader);
	ret_record->persistent = JUTE_STRINGS_NULL;
	ret_record->persistent_recursive = JUTE_STRINGS_NULL;
}

void zk_set_watches_write(struct buf *buf, const struct zk_set_watches *record)
{
	jute_write_long(buf, record->relative_zxid);
	jute_write_strings(buf, &record->data);
	jute_write_strings(buf, &record->exist);
	jute_write_strings(buf, &record->child);
}

void zk_set_watches2_read(struct jute_reader *reader, struct zk_set_watches *ret_record)
{
	zk_set_watches_read(reader, ret_record);
	ret_record->persistent = jute_read_strings(reader);
	ret_record->persistent_recursive = jute_read_strings(reader);
}

void zk_set_watches2_write(struct buf *buf, const struct zk_set_watches *record)
{
	zk_set_watches_write(buf, record);
	jute_write_strings(buf, &record->persistent);
	jute_write_strings(buf, &record->persistent_recursive);
}

void zk_auth_packet_read(struct jute_reader *reader, struct zk_auth_packet *ret_record)
{
	ret_record->type = jute_read_int(reader);
	ret_record->scheme = jute_read_ustring(reader);
	ret_record->auth = jute_read_buffer(reader);
}

void zk_auth_packet_write(struct buf *buf, const struct zk_auth_packet *record)
{
	jute_write_int(buf, record->type);
	jute_write_ustring(buf, record->scheme);
	jute_write_buffer(buf, record->auth);
}

void zk_reconfig_request_read(struct jute_reader *reader, struct zk_reconfig_request *ret_record)
{
	ret_record->joining_servers = jute_read_ustring(reader);
	ret_record->leaving_servers = jute_read_ustring(reader);
	ret_record->new_members = jute_read_ustring(reader);
	ret_record->current_config_id = jute_read_long(reader);
}

void zk_reconfig_request_write(struct buf *buf, const struct zk_reconfig_request *record)
{
	jute_write_ustring(buf, record->joining_servers);
	jute_write_ustring(buf, record->leaving_servers);
	jute_write_ustring(buf, record->new_members);
	jute_write_long(buf, record->current_config_id);
}

void zk_sasl_token_read(struct jute_reader *reader, struct zk_sasl_token *ret_record)
{
	ret_record->token = jute_read_buffer(reader);
}

void zk_sasl_token_write(struct buf *buf, const struct zk_sasl_token *record)
{
	jute_write_buffer(buf, record->token);
}

void zk_multi_header_read(struct jute_reader *reader, struct zk_multi_header *ret_record)
{
	ret_record->type = jute_read_int(reader);
	ret_record->done = jute_read_boolean(reader);
	ret_record->err = jute_read_int(reader);
}

void zk_multi_header_write(struct buf *buf, const struct zk_multi_header *record)
{
	jute_write_int(buf, record->type);
	jute_write_boolean(buf, record->done);
	jute_write_int(buf, record->err);
}

/* ---- responses ---- */

void zk_create2_response_read(struct jute_reader *reader, struct zk_create2_response *ret_record)
{
	ret_record->path = jute_read_ustring(reader);
	zk_stat_read(reader, &ret_record->stat);
}

void zk_create2_response_write(struct buf *buf, const struct zk_create2_response *record)
{
	jute_write_ustring(buf, record->path);
	zk_stat_write(buf, &record->stat);
}

void zk_get_data_response_read(struct jute_reader *reader, struct zk_get_data_response *ret_record)
{
	ret_record->data = jute_read_buffer(reader);
	zk_stat_read(reader, &ret_record->stat);
}

void zk_get_data_response_write(struct buf *buf, const struct zk_get_data_response *record)
{
	jute_write_buffer(buf, record->data);
	zk_stat_write(buf, &record->stat);
}

void zk_get_acl_response_read(struct jute_reader *reader, struct zk_get_acl_response *ret_record)
{
	ret_record->acls = zk_acls_read(reader);
	zk_stat_read(reader, &ret_record->stat);
}

void zk_get_acl_response_write(struct buf *buf, const struct zk_get_acl_response *record)
{
	zk_acls_write(buf, &record->acls);
	zk_stat_write(buf, &record->stat);
}

void zk_get_children2_response_read(struct jute_reader *reader,
				    struct zk_get_children2_response *ret_record)
{
	ret_record->children = jute_read_strings(reader);
	zk_stat_read(reader, &ret_record->stat);
}

void zk_get_children2_response_write(struct buf *buf,
				     const struct zk_get_children2_response *record)
{
	jute_write_strings(buf, &record->children);
	zk_stat_write(buf, &record->stat);
}

void zk_client_info_read(struct jute_reader *reader, struct zk_client_info *ret_record)
{
	ret_record->scheme = jute_read_ustring(reader);
	ret_record->user = jute_read_ustring(reader);
}

void zk_client_info_write(struct buf *buf, const struct zk_client_info *record)
{
	jute_write_ustring(buf, record->scheme);
	jute_write_ustring(buf, record->user);
}

void zk_watcher_event_read(struct jute_reader *reader, struct zk_watcher_event *ret_record)
{
	ret_record->type = jute_read_int(reader);
	ret_record->state = jute_read_int(reader);
	ret_record->path = jute_read_ustring(reader);
}

void zk_watcher_event_write(struct buf *buf, const struct zk_watcher_event *record)
{
	jute_write_int(buf, record->type);
	jute_write_int(buf, record->state);
	jute_write_ustring(buf, record->path);
}
