/*
 * Outgoing connections: resolve the name, try its addresses one after the
 * other on the same uv handle, all within one timeout.
 *
 *	conn_connect -> on_resolved -> try_next -> on_connect -> conn_open
 *	                                  ^            | failed
 *	                                  +- on_retry -+ (the handle is closed between)
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/io/conn_private.h"

static void try_next(struct conn *conn);

/* The handle of a failed try is closed: begin anew, unless nobody wants it any more. */
static void on_retry(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	if (conn->state == CONN_CONNECTING) {
		conn_init_tcp(conn);
		try_next(conn);
	}
	conn_drop_use(conn);
}

static void on_connect(uv_connect_t *connection, int status)
{
	struct conn *conn = connection->data;

	if (conn->state != CONN_CONNECTING)
		return;
	if (status) {
		conn->connect_error = status;
		uv_close((uv_handle_t *)&conn->tcp, on_retry);
		return;
	}
	conn_cancel_connecting(conn);
	(void)uv_timer_stop(&conn->timer); /* always 0 */
	conn_open(conn);
	if (conn->options.callbacks->on_connected)
		conn->options.callbacks->on_connected(conn, conn->data);
}

static const struct sockaddr *take_address(struct conn *conn)
{
	const struct addrinfo *next = conn->next_address;

	if (conn->literal_is_next) {
		conn->literal_is_next = false;
		return (const struct sockaddr *)&conn->literal;
	}
	if (!next)
		return NULL;
	conn->next_address = next->ai_next;
	return next->ai_addr;
}

static void try_next(struct conn *conn)
{
	const struct sockaddr *address;
	int err = conn->connect_error ? conn->connect_error : -EHOSTUNREACH;

	conn->state = CONN_CONNECTING;
	conn->connection.data = conn;
	while ((address = take_address(conn))) {
		err = uv_tcp_connect(&conn->connection, &conn->tcp, address, on_connect);
		if (!err)
			return;
	}
	/* The flush tells it: conn_connect itself may be what called us. */
	conn_fail_later(conn, err);
}

static void on_resolved(uv_getaddrinfo_t *resolution, int status, struct addrinfo *addresses)
{
	struct conn *conn = resolution->data;

	if (conn->state != CONN_RESOLVING) {
		uv_freeaddrinfo(addresses);
	} else if (status) {
		/* The resolver's own codes are no errnos. */
		conn_fail(conn, status == UV_ENOMEM ? -ENOMEM : -EHOSTUNREACH);
	} else {
		conn->addresses = addresses;
		conn->next_address = addresses;
		try_next(conn);
	}
	conn_drop_use(conn);
}

static void resolve(struct conn *conn, const char *host, uint16_t port)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	char service[8];
	int err;

	(void)snprintf(service, sizeof(service), "%u", port); /* five digits */
	conn->resolution.data = conn;
	err = uv_getaddrinfo(&conn->loop->uv, &conn->resolution, on_resolved, host, service,
			     &hints);
	if (err)
		conn_fail_later(conn, err);
	else
		conn->uses++;
}

/* Also after success: nothing of the attempt is needed any more. */
void conn_cancel_connecting(struct conn *conn)
{
	if (conn->state == CONN_RESOLVING)
		(void)uv_cancel(
			(uv_req_t *)&conn->resolution); /* running: on_resolved sees CLOSED */
	uv_freeaddrinfo(conn->addresses);
	conn->addresses = NULL;
	conn->next_address = NULL;
	conn->literal_is_next = false;
}

static void on_timeout(uv_timer_t *timer)
{
	conn_fail(timer->data, -ETIMEDOUT);
}

struct conn *conn_connect(struct loop *loop, const char *host, uint16_t port, uint64_t timeout_ms,
			  const struct conn_options *options, void *data)
{
	struct conn *conn = conn_new(loop, CONN_RESOLVING, options, data);

	conn_init_tcp(conn);
	conn_start_timer(conn, timeout_ms, on_timeout);
	if (address_parse(host, port, &conn->literal)) {
		resolve(conn, host, port);
		return conn;
	}
	conn->literal_is_next = true;
	try_next(conn);
	return conn;
}
