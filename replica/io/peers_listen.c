#include "replica/io/peers_listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/log.h"
#include "src/base/mem.h"

struct peers_listen {
	peers_listen_on_accept *on_accept;
	void *data;
	size_t count;
	struct listener *listeners[QUORUM_SERVER_ADDRESSES_MAX];
};

/* ---- where ---- */

static bool is_wildcard(const char *host)
{
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* The first address of a host, as text; false: it has none. */
static bool resolve(const char *host, char ret_text[ADDRESS_TEXT_SIZE])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found;

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return false;
	address_host(found->ai_addr, ret_text);
	freeaddrinfo(found);
	return true;
}

static void find_host(struct peers_place *place, const char *host, bool everywhere)
{
	if (everywhere || is_wildcard(host) || resolve(host, place->host))
		return;
	log_warn("peers",
		 "%s, which is this server's own, can't be resolved; listens for peers on "
		 "all addresses",
		 host);
}

void peers_places_find(struct peers_places *ret_places, const struct quorum_server *self,
		       bool everywhere)
{
	*ret_places = (struct peers_places){.count = self->address_count};
	for (size_t i = 0; i < self->address_count; i++) {
		const struct quorum_address *at = &self->addresses[i];
		struct peers_place *place = &ret_places->places[i];

		place->ports[PEERS_QUORUM_PORT] = (uint16_t)at->quorum_port;
		place->ports[PEERS_ELECTION_PORT] = (uint16_t)at->election_port;
		find_host(place, at->host, everywhere);
	}
}

/* ---- listening ---- */

static void on_accept(struct listener *listener, struct conn *conn, void *data)
{
	struct peers_listen *listen = data;

	listen->on_accept(conn, listen->data);
}

/* Do those before it listen there already? All addresses include each. */
static bool is_covered(const struct peers_places *places, size_t at, enum peers_port port)
{
	const struct peers_place *place = &places->places[at];

	for (size_t i = 0; i < at; i++) {
		const struct peers_place *other = &places->places[i];

		if (other->ports[port] == place->ports[port] &&
		    (!*other->host || strcmp(other->host, place->host) == 0))
			return true;
	}
	return false;
}

static int listen_at(struct loop *loop, const struct peers_place *place, enum peers_port port,
		     const struct conn_options *options, struct peers_listen *listen)
{
	const char *host = *place->host ? place->host : NULL;
	struct listener **ret_listener = &listen->listeners[listen->count];
	int error = listener_open(loop, host, place->ports[port], SOMAXCONN, options, on_accept,
				  listen, ret_listener);

	if (error == -EADDRNOTAVAIL && host) {
		log_warn("peers",
			 "%s, which is this server's own, is no address of this machine; "
			 "listens for peers on all addresses",
			 host);
		error = listener_open(loop, NULL, place->ports[port], SOMAXCONN, options, on_accept,
				      listen, ret_listener);
	}
	if (error == 0)
		listen->count++;
	return error;
}

int peers_listen_open(struct loop *loop, const struct peers_places *places, enum peers_port port,
		      const struct conn_options *options, peers_listen_on_accept *accept,
		      void *data, struct peers_listen **ret_listen, char **ret_error)
{
	struct peers_listen *listen = mem_zalloc(sizeof(*listen));

	listen->on_accept = accept;
	listen->data = data;
	for (size_t i = 0; i < places->count; i++) {
		const struct peers_place *place = &places->places[i];
		int error = is_covered(places, i, port)
				    ? 0
				    : listen_at(loop, place, port, options, listen);

		if (error < 0) {
			*ret_error = mem_printf("can't listen for peers on %s port %u: %s",
						*place->host ? place->host : "any address,",
						place->ports[port], strerror(-error));
			peers_listen_close(listen);
			return error;
		}
	}
	*ret_listen = listen;
	return 0;
}

void peers_listen_close(struct peers_listen *listen)
{
	if (!listen)
		return;
	for (size_t i = 0; i < listen->count; i++)
		listener_close(listen->listeners[i]);
	free(listen);
}
