#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/io/conn_private.h"

struct listener {
	struct loop *loop;
	uv_tcp_t tcp;
	struct conn_options options;
	listener_on_accept *on_accept;
	void *data;
};

static void on_incoming(uv_stream_t *stream, int status)
{
	struct listener *listener = stream->data;
	struct conn *conn;
	int err;

	/* The peer has gone again, or there is no descriptor: libuv tries later. */
	if (status)
		return;
	conn = conn_new(listener->loop, CONN_OPEN, &listener->options, listener->data);
	conn_init_tcp(conn);
	err = uv_accept(stream, (uv_stream_t *)&conn->tcp);
	ASSERT(!err); /* libuv: succeeds when called once in this callback */
	conn->expects_word = listener->options.callbacks->on_word;
	conn_open(conn);
	listener->on_accept(listener, conn, listener->data);
}

static bool is_any(const char *host)
{
	return !host || !strcmp(host, "0.0.0.0") || !strcmp(host, "::");
}

/* The first address of a name, here and now. */
static int resolve_now(struct loop *loop, const char *host, uint16_t port,
		       struct sockaddr_storage *ret_address)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	uv_getaddrinfo_t resolution;

	if (!address_parse(host, port, ret_address))
		return 0;
	if (uv_getaddrinfo(&loop->uv, &resolution, NULL, host, NULL, &hints))
		return -EADDRNOTAVAIL;
	memcpy(ret_address, resolution.addrinfo->ai_addr, resolution.addrinfo->ai_addrlen);
	uv_freeaddrinfo(resolution.addrinfo);
	if (ret_address->ss_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)ret_address)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)(void *)ret_address)->sin_port = htons(port);
	return 0;
}

/* libuv sets SO_REUSEADDR by itself; an address in use is told by listen, not by bind. */
static int bind_and_listen(struct listener *listener, const struct sockaddr_storage *address,
			   int backlog)
{
	int err = uv_tcp_bind(&listener->tcp, (const struct sockaddr *)address, 0);

	if (err)
		return err;
	return uv_listen((uv_stream_t *)&listener->tcp, backlog, on_incoming);
}

static void on_listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static int open_at(struct loop *loop, const struct sockaddr_storage *address, int backlog,
		   const struct listener *form, struct listener **ret_listener)
{
	struct listener *listener = mem_dup(form, sizeof(*form));
	int err = uv_tcp_init(&loop->uv, &listener->tcp);

	ASSERT(!err);
	listener->tcp.data = listener;
	err = bind_and_listen(listener, address, backlog);
	if (err)
		listener_close(listener);
	else
		*ret_listener = listener;
	return err;
}

int listener_open(struct loop *loop, const char *host, uint16_t port, int backlog,
		  const struct conn_options *options, listener_on_accept *on_accept, void *data,
		  struct listener **ret_listener)
{
	const struct listener form = {
		.loop = loop, .options = *options, .on_accept = on_accept, .data = data};
	struct sockaddr_storage address;
	int err = resolve_now(loop, is_any(host) ? "::" : host, port, &address);

	if (err)
		return err;
	err = open_at(loop, &address, backlog, &form, ret_listener);
	/* A kernel without IPv6, or with all of it turned off. */
	if ((err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL) && is_any(host)) {
		err = resolve_now(loop, "0.0.0.0", port, &address);
		ASSERT(!err);
		err = open_at(loop, &address, backlog, &form, ret_listener);
	}
	return err;
}

void listener_close(struct listener *listener)
{
	if (listener)
		uv_close((uv_handle_t *)&listener->tcp, on_listener_closed);
}

uint16_t listener_port(const struct listener *listener)
{
	struct sockaddr_storage address;
	int size = sizeof(address);
	int err = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&address, &size);

	ASSERT(!err);
	return address_port((struct sockaddr *)&address);
}
