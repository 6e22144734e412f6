#ifndef REPLICA_IO_PEERS_LISTEN_H
#define REPLICA_IO_PEERS_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/zab/quorum_server.h"
#include "src/io/address.h"
#include "src/io/conn.h"
#include "src/io/loop.h"

/*
 * Where this server listens for its peers. As in ZooKeeper these are the
 * addresses of its own server line, or with quorumListenOnAllIPs, and where
 * that line says 0.0.0.0, all. A name is resolved once, at the start; one that
 * can't be, or whose address is not this machine's (that of a container's
 * service, say), means all addresses, too, with a warning.
 */
enum peers_port { PEERS_QUORUM_PORT, PEERS_ELECTION_PORT };

struct peers_place {
	char host[ADDRESS_TEXT_SIZE]; /* a literal address; "": all */
	uint16_t ports[2];            /* by enum peers_port */
};

struct peers_places {
	size_t count;
	struct peers_place places[QUORUM_SERVER_ADDRESSES_MAX];
};

/* May block, to resolve names. */
void peers_places_find(struct peers_places *ret_places, const struct quorum_server *self,
		       bool everywhere);

struct peers_listen;

/* Takes conn over. */
typedef void peers_listen_on_accept(struct conn *conn, void *data);

/* 0, or what the system said, with a sentence that the caller frees. options are copied. */
int peers_listen_open(struct loop *loop, const struct peers_places *places, enum peers_port port,
		      const struct conn_options *options, peers_listen_on_accept *on_accept,
		      void *data, struct peers_listen **ret_listen, char **ret_error);
void peers_listen_close(struct peers_listen *listen); /* takes NULL */

#endif
