#ifndef REPLICA_IO_CLIENTS_H
#define REPLICA_IO_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/server/server.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/io/conn.h"
#include "src/zk/zxid.h"

/*
 * The client connections of a node: which there are, by number and in the
 * order in which they came, and the limits that they keep. It makes no
 * decision about what they say.
 *
 * A connection's number is `sequence << CLIENTS_SLOT_BITS | slot`: the slot is
 * an index, so finding a client is one comparison; the sequence makes the
 * number unique for ever.
 *
 * Reading from a connection stops while the server wants it to (paused) or
 * while the peer does not take its replies (clogged).
 *
 * Invariants:
 *  1. slots[client->id & mask] is the client
 *  2. a host is in hosts while it has clients, and knows how many
 *  3. a client is on clogged exactly while its flag says so
 */
enum {
	CLIENTS_SLOT_BITS = 20,
	CLIENTS_COUNT_MAX = 1 << CLIENTS_SLOT_BITS,
	/* Unsent output at which reading stops, and below which it goes on. */
	CLIENTS_CLOGGED_SIZE = 1 << 20,
	CLIENTS_DRAINED_SIZE = 256 << 10,
	/* Unsent output that ends a connection: one huge reply must fit. */
	CLIENTS_OUTPUT_SIZE_MAX = 256 << 20,
};

struct client_host {
	struct map_entry entry; /* by address */
	char address[CONN_ADDRESS_SIZE];
	int count;
};

struct node;

struct client {
	connection_id_t id;
	struct node *node; /* the owner's */
	struct conn *conn; /* NULL once it is closed, which the server is told soon */
	struct client_host *host;
	struct list link;    /* in order of arrival */
	struct list nascent; /* ... until it has a session */
	struct list clogged_link;
	struct list closing; /* the owner's */
	msec_t opened_ms;
	msec_t opened_wall_ms;
	bool paused;
	bool clogged;
	bool said_word; /* it came for a four-letter word */
};

struct clients {
	struct client **slots;
	size_t slot_count;
	size_t slot_next; /* where the search for a free one begins */
	size_t count;
	uint64_t sequence;
	struct list all;
	struct list nascent;
	struct list clogged;
	struct map hosts;
	/* Limits; 0 is none. */
	int per_host_max;
	int count_max;
};

void clients_init(struct clients *clients, int per_host_max, int count_max);
/* Every client must have been removed. */
void clients_release(struct clients *clients);

/*
 * A client for an accepted connection, or NULL and in *ret_why a phrase that
 * says which limit is reached; then conn stays the caller's.
 */
struct client *clients_add(struct clients *clients, struct conn *conn, msec_t now_ms,
			   msec_t wall_ms, const char **ret_why);
/* Frees the client; its conn must be gone. */
void clients_remove(struct clients *clients, struct client *client);

/* NULL if it is gone. */
struct client *clients_find(const struct clients *clients, connection_id_t id);

/* The server's wish to read, or not, from it. */
void clients_set_paused(struct clients *clients, struct client *client, bool paused);
/* Call it after output was appended. */
void clients_check_output(struct clients *clients, struct client *client);
/* Call it once a turn: reads again from those whose output has drained. */
void clients_unclog(struct clients *clients);

/* In order of arrival; NULL at the end. */
struct client *clients_first(const struct clients *clients);
struct client *clients_next(const struct clients *clients, const struct client *client);

/* The client that is without a session for the longest time, or NULL. */
struct client *clients_first_nascent(const struct clients *clients);

void clients_check(const struct clients *clients);

#endif
