#ifndef REPLICA_IO_PEERS_ELECTION_H
#define REPLICA_IO_PEERS_ELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/io/peers_listen.h"
#include "replica/zab/election.h"
#include "replica/zab/quorum_server.h"
#include "src/base/bytes.h"
#include "src/base/msec.h"
#include "src/io/loop.h"

/*
 * The connections of leader election (QuorumCnxManager, spec/quorum-protocol.md
 * 2): one between each pair of servers, which carries notifications as frames.
 * It knows who is connected, and nothing of what they say.
 *
 * Of the two that may dial, the connection of the one with the larger sid stays:
 *
 *	dialing    a larger sid    say who we are, close, and wait for its call
 *	           a smaller one   keep it, in place of any older
 *	accepting  a smaller sid   close it and any older one, and call back: first where it
 *	                           said, then where the configuration says
 *	           a larger one    keep it, in place of any older
 *	           our own         close it: it is a mistake of an operator
 *
 * Towards each server there is one slot: a newer message replaces one that has
 * not gone yet. On a new connection with an empty slot the last message goes
 * again. While the slot is full and nobody is connected, it is dialed, again
 * and again, with pauses that grow. All are dialed side by side, and their names
 * are resolved anew each time.
 *
 * A server that is not configured is a stranger. As in ZooKeeper it may connect
 * (or be called back) and is answered, which is how observers not listed, and
 * servers about to join, learn who leads. A stranger is forgotten with its
 * connection.
 *
 * What is bounded: strangers, connections that have not said who they are (the
 * oldest goes when there are too many, and each after a time), the size of a
 * frame, and the output, by the slot.
 */
enum {
	PEERS_FRAME_SIZE_MAX = 512 * 1024,
	PEERS_STRANGERS_MAX = 64,
	PEERS_HALF_OPEN_MAX = 64,
	PEERS_CONNECT_TIMEOUT_MS = 5000,
	/* Between two rounds of dialing one server. */
	PEERS_REDIAL_MS_MIN = 100,
	PEERS_REDIAL_MS_MAX = 3000,
};

struct peers_election;

struct peers_election_options {
	/* The members, which must outlive it, and the own sid, which is one of them. */
	const struct quorum_server *servers;
	size_t server_count;
	int64_t myid;
	const struct peers_places *places; /* where it listens; needed while it opens */
	bool tells_all_addresses;          /* multiAddress.enabled */
	msec_t initiation_timeout_ms;      /* tickTime * syncLimit */
};

/* notification and reach may call peers_election_send. */
struct peers_election_events {
	/* Is that frame a notification? Who sends another is refused. NULL: each is. */
	bool (*is_notification)(struct bytes frame);
	/* A frame of sid's, without its length; valid during the call. */
	void (*notification)(int64_t sid, struct bytes frame, void *data);
	/* Of a configured server: what its socket told, each time that this is news. */
	void (*reach)(int64_t sid, enum election_reach reach, void *data);
};

/*
 * Listens from now on. 0, or a negative errno with a sentence that the caller
 * frees: a port is taken. events and options are copied.
 */
int peers_election_open(struct loop *loop, const struct peers_election_options *options,
			const struct peers_election_events *events, void *data,
			struct peers_election **ret_peers, char **ret_error);
/* Takes NULL. No event comes any more. */
void peers_election_close(struct peers_election *peers);

/* Into sid's slot; to nobody if it is a stranger that has gone. Not to the own sid. */
void peers_election_send(struct peers_election *peers, int64_t sid, struct bytes message);

/* ---- what tests look at ---- */

bool peers_election_is_connected(const struct peers_election *peers, int64_t sid);
size_t peers_election_half_open_count(const struct peers_election *peers);
size_t peers_election_stranger_count(const struct peers_election *peers);
void peers_election_check(const struct peers_election *peers);

#endif
