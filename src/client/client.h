#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "src/io/loop.h"
#include "src/zk/client.h"
#include "src/zk/client_servers.h"

/*
 * The client session of zk/client.h, run over a loop: opens the connections
 * that it asks for, sends once a turn, ticks it. One struct client is one
 * session.
 *
 *	client = client_new(&loop, &servers, &options, &callbacks);
 *	zk_request_get_data(&request, path, false);
 *	err = client_submit(client, &request, on_reply, data, &id);
 *	...
 *	client_close(client);     ... on_state(ZK_CLIENT_CLOSED)
 *	client_free(client);
 *
 * Everything runs on the loop's thread. Nothing is connected before the loop
 * turns.
 */
struct client;

/*
 * A reply's frame can be longer than a request's may be (a directory of many
 * names); beyond this the connection is given up.
 */
enum { CLIENT_REPLY_SIZE_MAX = 64 << 20 };

struct client_options {
	msec_t timeout_ms;     /* 0: ZK_CLIENT_TIMEOUT_DEFAULT_MS */
	size_t frame_size_max; /* jute.maxbuffer of the server; 0: ZK_JUTE_MAXBUFFER_DEFAULT */
	enum zk_onexpire onexpire;
	bool hard;
	bool begins_with_first; /* of the servers, the first is tried before all others */
	uint64_t seed;          /* 0: one of its own, from the system */
};

/* The servers are copied. Callbacks as in zk/client.h, the same rules hold. */
struct client *client_new(struct loop *loop, const struct zk_servers *servers,
			  const struct client_options *options,
			  const struct zk_client_callbacks *callbacks);

/* Not from within a callback. Without client_close before, the session stays on the server. */
void client_free(struct client *client);

/* zk_client_submit, zk_client_abandon, zk_client_add_auth, zk_client_close with the loop's time. */
int client_submit(struct client *client, struct zk_request *request, zk_client_on_reply *on_reply,
		  void *data, uint64_t *ret_id);
void client_abandon(struct client *client, uint64_t id);
int client_add_auth(struct client *client, struct bytes scheme, struct bytes auth);
void client_close(struct client *client);

/* For the queries of zk/client.h. */
const struct zk_client *client_session(const struct client *client);

/* "host:port" of the server in use, or tried last; what went wrong last ("" if nothing has). */
const char *client_server(const struct client *client);
const char *client_last_error(const struct client *client);

/*
 * Where the connection goes, of all the addresses that the server's name may
 * have: conn_peer_host and conn_peer_port. "" and 0 while there is none.
 */
const char *client_peer_host(const struct client *client);
uint16_t client_peer_port(const struct client *client);

#endif
