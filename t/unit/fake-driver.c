#include "t/unit/fake-driver.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/zk/opcode.h"
#include "t/unit/cmocka.h"

static struct fake_connection *connection_of(struct fake_driver *driver, connection_id_t id)
{
	ASSERT(id < FAKE_CONNECTION_COUNT_MAX);
	return &driver->connections[id];
}

/* ---- actions ---- */

static void append(struct fake_driver *driver, const struct server_action *action)
{
	assert_int_equal(action->zxid, driver->log_count + 1);
	driver->log = mem_realloc(driver->log, (driver->log_count + 1) * sizeof(*driver->log));
	driver->log[driver->log_count++] = blob_ref(action->txn);
}

void fake_perform(struct fake_driver *driver, const struct server_action *action)
{
	struct fake_connection *connection;

	if (driver->divert && action->connection == 0) {
		driver->divert(driver->data, action);
		return;
	}
	if (action->type == SERVER_APPEND) {
		append(driver, action);
		return;
	}
	connection = connection_of(driver, action->connection);
	assert_true(connection->is_open);
	assert_false(connection->is_closed);
	switch (action->type) {
	case SERVER_SEND:
		assert_true(bytes_size(action->bytes) > 0);
		buf_append(&connection->received, action->bytes.data, bytes_size(action->bytes));
		break;
	case SERVER_CLOSE:
		connection->is_closed = true;
		break;
	default:
		connection->is_paused = action->type == SERVER_PAUSE;
	}
}

void fake_perform_all(struct fake_driver *driver)
{
	struct server_action action;

	if (driver->replica) {
		driver->perform_all(driver);
		return;
	}
	while (server_take_action(driver->server, &action))
		fake_perform(driver, &action);
	server_check(driver->server);
	if (!driver->divert && !driver->is_slow && driver->committed < (zxid_t)driver->log_count)
		fake_commit(driver, (zxid_t)driver->log_count);
}

void fake_driver_init(struct fake_driver *driver, const struct server_config *config)
{
	fake_driver_init_as(driver, config, SERVER_STANDALONE, 0, tree_new(config->extended_types),
			    NULL, NULL);
}

static void init_connections(struct fake_driver *driver)
{
	for (int at = 0; at < FAKE_CONNECTION_COUNT_MAX; at++)
		buf_init(&driver->connections[at].received, SIZE_MAX);
}

void fake_driver_init_for(struct fake_driver *driver, struct replica *replica,
			  void (*perform_all)(struct fake_driver *driver), void *data)
{
	*driver =
		(struct fake_driver){.replica = replica, .perform_all = perform_all, .data = data};
	init_connections(driver);
}

void fake_driver_init_as(struct fake_driver *driver, const struct server_config *config,
			 enum server_role role, uint32_t epoch, struct tree *tree,
			 fake_divert_fn *divert, void *data)
{
	*driver = (struct fake_driver){.now_ms = 1000000,
				       .wall_ms = 1700000000000,
				       .tree = tree,
				       .divert = divert,
				       .data = data};
	init_connections(driver);
	driver->server = server_new(config, driver->tree);
	server_start(driver->server, role, epoch, driver->now_ms, driver->wall_ms);
	fake_perform_all(driver);
}

void fake_driver_release(struct fake_driver *driver)
{
	for (int at = 0; at < FAKE_CONNECTION_COUNT_MAX; at++)
		buf_release(&driver->connections[at].received);
	for (size_t at = 0; at < driver->log_count; at++)
		blob_unref(driver->log[at]);
	free(driver->log);
	server_free(driver->server);
	if (driver->tree)
		tree_free(driver->tree);
}

/* ---- events ---- */

void fake_advance(struct fake_driver *driver, msec_t by_ms)
{
	driver->now_ms += by_ms;
	driver->wall_ms += by_ms;
	server_tick(driver->server, driver->now_ms, driver->wall_ms);
	fake_perform_all(driver);
}

void fake_commit(struct fake_driver *driver, zxid_t zxid)
{
	driver->committed = zxid;
	server_committed(driver->server, zxid);
	fake_perform_all(driver);
}

void fake_commit_all(struct fake_driver *driver)
{
	while (driver->committed < (zxid_t)driver->log_count)
		fake_commit(driver, (zxid_t)driver->log_count);
}

void fake_intake(struct fake_driver *driver, bool allowed)
{
	server_set_intake(driver->server, allowed);
	fake_perform_all(driver);
}

void fake_open(struct fake_driver *driver, connection_id_t id, const char *address)
{
	struct fake_connection *connection = connection_of(driver, id);

	ASSERT(!connection->is_open);
	connection->is_open = true;
	connection->is_closed = false;
	connection->is_paused = false;
	connection->taken = 0;
	connection->xid = 0;
	buf_reset(&connection->received);
	if (driver->replica)
		replica_client_opened(driver->replica, id, address);
	else
		server_connection_opened(driver->server, id, address);
	fake_perform_all(driver);
}

void fake_close(struct fake_driver *driver, connection_id_t id)
{
	connection_of(driver, id)->is_open = false;
	if (driver->replica)
		replica_client_closed(driver->replica, id);
	else
		server_connection_closed(driver->server, id);
	fake_perform_all(driver);
}

void fake_send(struct fake_driver *driver, connection_id_t id, struct bytes body)
{
	/* Bytes of exactly this size, so that a sanitizer sees who reads beyond them. */
	void *copy = malloc(bytes_size(body));

	ASSERT(copy || bytes_size(body) == 0);
	if (bytes_size(body) > 0)
		memcpy(copy, body.data, bytes_size(body));
	if (driver->replica)
		replica_client_frame(driver->replica, id, bytes_of(copy, bytes_size(body)));
	else
		server_frame(driver->server, id, bytes_of(copy, bytes_size(body)));
	free(copy);
	fake_perform_all(driver);
}

void fake_send_frame(struct fake_driver *driver, connection_id_t id, struct bytes frame)
{
	const uint8_t *data = frame.data;

	ASSERT(bytes_size(frame) >= 4 && endian_get_u32(data) == bytes_size(frame) - 4);
	fake_send(driver, id, bytes_of(data + 4, bytes_size(frame) - 4));
}

struct bytes fake_take_frame(struct fake_driver *driver, connection_id_t id)
{
	struct fake_connection *connection = connection_of(driver, id);
	const uint8_t *at = connection->received.data + connection->taken;
	size_t left = connection->received.size - connection->taken;
	size_t size;

	if (left == 0)
		return BYTES_NULL;
	ASSERT(left >= 4);
	size = 4 + endian_get_u32(at);
	ASSERT(left >= size);
	connection->taken += size;
	return bytes_of(at, size);
}

/* ---- a client ---- */

void fake_send_connect(struct fake_driver *driver, connection_id_t id, session_id_t session_id,
		       struct bytes password, zxid_t last_zxid_seen)
{
	const struct zk_connect_request request = {
		.last_zxid_seen = last_zxid_seen,
		.timeout_ms = 10000,
		.session_id = session_id,
		.password = password,
		.has_read_only = true,
	};
	struct buf buf;

	buf_init(&buf, SIZE_MAX);
	zk_connect_request_write(&buf, &request);
	fake_open(driver, id, "127.0.0.1");
	fake_send(driver, id, buf_bytes(&buf));
	buf_release(&buf);
}

session_id_t fake_take_session(struct fake_driver *driver, connection_id_t id)
{
	struct bytes frame = fake_take_frame(driver, id);
	struct zk_connect_response response;
	struct jute_reader reader;

	assert_false(bytes_is_null(frame));
	jute_reader_init(&reader, (const uint8_t *)frame.data + 4, bytes_size(frame) - 4, 1000);
	zk_connect_response_read(&reader, &response);
	assert_int_equal(reader.error, 0);
	return response.session_id;
}

session_id_t fake_connect(struct fake_driver *driver, connection_id_t id)
{
	session_id_t session_id;

	fake_send_connect(driver, id, 0, bytes_of("0123456789abcdef", 16), 0);
	session_id = fake_take_session(driver, id);
	assert_int_not_equal(session_id, 0);
	return session_id;
}

void fake_request(struct fake_driver *driver, connection_id_t id, int32_t opcode,
		  struct buf *record)
{
	struct zk_request_header header = {.xid = ++connection_of(driver, id)->xid,
					   .opcode = opcode};
	struct buf frame;

	buf_init(&frame, SIZE_MAX);
	zk_request_header_write(&frame, &header);
	buf_append(&frame, record->data, record->size);
	fake_send(driver, id, buf_bytes(&frame));
	buf_release(&frame);
	buf_release(record);
}

void fake_create(struct fake_driver *driver, connection_id_t id, const char *path, const char *data,
		 int32_t flags)
{
	const struct zk_create_request request = {
		.path = bytes_of_text(path),
		.data = bytes_of_text(data),
		.acls = zk_acls_open(),
		.flags = flags,
	};
	struct buf record;

	buf_init(&record, SIZE_MAX);
	zk_create_request_write(&record, &request);
	fake_request(driver, id, ZK_OP_CREATE, &record);
}

void fake_set_data(struct fake_driver *driver, connection_id_t id, const char *path,
		   const char *data, int32_t version)
{
	const struct zk_set_data_request request = {
		.path = bytes_of_text(path), .data = bytes_of_text(data), .version = version};
	struct buf record;

	buf_init(&record, SIZE_MAX);
	zk_set_data_request_write(&record, &request);
	fake_request(driver, id, ZK_OP_SET_DATA, &record);
}

void fake_delete(struct fake_driver *driver, connection_id_t id, const char *path, int32_t version)
{
	const struct zk_path_version_request request = {.path = bytes_of_text(path),
							.version = version};
	struct buf record;

	buf_init(&record, SIZE_MAX);
	zk_path_version_request_write(&record, &request);
	fake_request(driver, id, ZK_OP_DELETE, &record);
}

void fake_read(struct fake_driver *driver, connection_id_t id, int32_t opcode, const char *path,
	       bool watch)
{
	const struct zk_path_watch_request request = {.path = bytes_of_text(path), .watch = watch};
	struct buf record;

	buf_init(&record, SIZE_MAX);
	zk_path_watch_request_write(&record, &request);
	fake_request(driver, id, opcode, &record);
}

bool fake_take_reply(struct fake_driver *driver, connection_id_t id, struct fake_reply *ret_reply)
{
	struct bytes frame = fake_take_frame(driver, id);
	struct jute_reader reader;

	if (bytes_is_null(frame))
		return false;
	*ret_reply = (struct fake_reply){0};
	jute_reader_init(&reader, (const uint8_t *)frame.data + 4, bytes_size(frame) - 4, SIZE_MAX);
	zk_reply_header_read(&reader, &ret_reply->header);
	ret_reply->body = bytes_of(reader.at, jute_left(&reader));
	if (ret_reply->header.xid == ZK_XID_NOTIFICATION)
		zk_watcher_event_read(&reader, &ret_reply->event);
	assert_int_equal(reader.error, 0);
	return true;
}

int32_t fake_take_code(struct fake_driver *driver, connection_id_t id)
{
	struct fake_reply reply;

	assert_true(fake_take_reply(driver, id, &reply));
	assert_int_equal(reply.header.xid, connection_of(driver, id)->xid);
	if (reply.header.err != 0)
		assert_int_equal(bytes_size(reply.body), 0);
	return reply.header.err;
}

void fake_expect_event(struct fake_driver *driver, connection_id_t id, int32_t type,
		       const char *path)
{
	struct fake_reply reply;

	assert_true(fake_take_reply(driver, id, &reply));
	assert_int_equal(reply.header.xid, ZK_XID_NOTIFICATION);
	assert_int_equal(reply.event.type, type);
	assert_int_equal(reply.event.state, ZK_STATE_SYNC_CONNECTED);
	assert_true(bytes_equal_text(reply.event.path, path));
}

void fake_expect_nothing(struct fake_driver *driver, connection_id_t id)
{
	assert_true(bytes_is_null(fake_take_frame(driver, id)));
}

struct buf fake_record(void)
{
	struct buf buf;

	buf_init(&buf, SIZE_MAX);
	return buf;
}

void fake_request_bare(struct fake_driver *driver, connection_id_t id, int32_t opcode)
{
	struct buf body = fake_record();

	fake_request(driver, id, opcode, &body);
}

void fake_expect_reply(struct fake_driver *driver, connection_id_t id, int32_t xid, int32_t code)
{
	struct fake_reply reply;

	assert_true(fake_take_reply(driver, id, &reply));
	assert_int_equal(reply.header.xid, xid);
	assert_int_equal(reply.header.err, code);
}

bool fake_is_closed(const struct fake_driver *driver, connection_id_t id)
{
	return driver->connections[id].is_closed;
}
