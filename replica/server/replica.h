#ifndef SERVER_REPLICA_H
#define SERVER_REPLICA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/server/server.h"
#include "replica/tree/tree.h"
#include "replica/zab/zab.h"
#include "src/base/blob.h"
#include "src/base/bytes.h"

/*
 * A whole replica but for its I/O: the consensus core (zab), the tree, and the server of the
 * clients, joined. The node (replica/io) and the simulator (t/sim) drive this
 * one machine, so what the simulator proves is what runs.
 *
 * A step function like its parts: report an event, then take and perform all actions in order.
 * What an action points to is valid until the next one is taken.
 *
 *	zab  --DELIVER-->  tree, server  --APPEND-->  zab        (leader: proposals)
 *	                         server  --packet-->  zab        (learner: REQUEST, REVALIDATE)
 *	zab  --ROLE----->  a new server for every role that serves; none while LOOKING
 *
 * The tree is the replica's and outlives the servers. It is at `delivered`, the
 * zxid up to which transactions are committed and logged here.
 *
 * A standalone has no zab: what is appended is committed once it is logged.
 *
 * While a SNAP streams in, the tree in memory is dropped first and the new one is built as the
 * rows pass to the store, so memory never holds two. If the stream breaks, REPLICA_RELOAD asks for
 * the old one from the disk; nothing that the core wants is done before it is back, so that the
 * replica neither votes nor leads nor follows.
 *
 * An ensemble's replica writes its configuration into /zookeeper/config of every tree that it
 * gets, at the start, from a leader or from the disk: no transaction, the one znode in which
 * replicas differ, by its mtime.
 */
struct replica;

struct replica_config {
	struct server_config server;
	struct zab_config zab; /* ignored by a standalone */
	bool is_standalone;
};

/*
 * Life: replica_new with the tree as the store had it (taken over), replica_recover for each
 * transaction that the log holds, oldest first (those at or below the tree's zxid are history for
 * learners; those up to the committed zxid are applied), replica_start. The config is copied, its
 * pointers must live as long.
 */
struct replica *replica_new(const struct replica_config *config, const struct zab_durable *durable,
			    struct tree *tree);
void replica_free(struct replica *replica);
/* 0, or -EBADMSG: it does not decode, or does not follow the one before. */
int replica_recover(struct replica *replica, zxid_t zxid, struct bytes txn);
void replica_start(struct replica *replica, msec_t now_ms, msec_t wall_ms);

/* ---- events: time ---- */

void replica_tick(struct replica *replica, msec_t now_ms, msec_t wall_ms);
msec_t replica_next_tick_ms(const struct replica *replica);

/* ---- events: clients (server.h). While nothing is served, a connection's first frame closes it.
 * ---- */

void replica_client_opened(struct replica *replica, connection_id_t connection,
			   const char *address);
void replica_client_frame(struct replica *replica, connection_id_t connection, struct bytes frame);
void replica_client_closed(struct replica *replica, connection_id_t connection);
/* Whether the store lets new transactions be made. */
void replica_set_intake(struct replica *replica, bool allowed);

/* ---- events: peers (zab.h) ---- */

void replica_notification(struct replica *replica, int64_t sid, struct bytes bytes);
void replica_set_reachable(struct replica *replica, int64_t sid, enum election_reach reach);
void replica_link_accepted(struct replica *replica, zab_link_t link);
void replica_connected(struct replica *replica, zab_link_t link);
void replica_link_closed(struct replica *replica, zab_link_t link);
/*
 * Bytes that came on a link: packets, or a snapshot stream. Handles at most ONE step of them (a
 * packet, or a piece of the stream) and returns how many bytes were consumed, so that the actions
 * can be performed between; call again while it returns more than 0 and bytes are left. 0: not
 * whole yet. A malformed one closes the link by an action, and consumes everything.
 */
size_t replica_link_bytes(struct replica *replica, zab_link_t link, struct bytes bytes);

/* ---- events: the store ---- */

void replica_logged(struct replica *replica, zxid_t zxid);
void replica_epochs_durable(struct replica *replica);
void replica_truncated(struct replica *replica);
void replica_tree_durable(struct replica *replica, zxid_t zxid);
void replica_snapshot_opened(struct replica *replica, zab_link_t link, zxid_t zxid);
void replica_snapshot_sent(struct replica *replica, zab_link_t link);
/*
 * The answer to REPLICA_RELOAD: the tree of the disk (taken over), and by tree/replay.h applied to
 * it every transaction of the log up to replica_committed. May be told while actions are taken.
 */
void replica_reloaded(struct replica *replica, struct tree *tree);

/* ---- actions ---- */

enum replica_action_type {
	REPLICA_CLIENT, /* action.client: SEND, CLOSE, PAUSE or RESUME of a client's connection;
			   never behind a CLOSE of it */
	REPLICA_PEER,   /* action.zab: any action of zab.h but ROLE, DELIVER, RECEIVED, PINGED;
			   a standalone has APPEND, LOG and FATAL only */
	REPLICA_STAGE_SESSION, /* action.session, and ... */
	REPLICA_STAGE_ROW,     /* action.row: of the snapshot that streams in (behind
				  RECEIVE_SNAPSHOT); valid until the next action is taken */
	REPLICA_RELOAD,        /* load the tree from the disk anew -> replica_reloaded */
	REPLICA_ROLE,          /* action.zab.state, epoch, is_serving: for the operator */
};

struct replica_action {
	enum replica_action_type type;
	/* The one that type names. */
	union {
		struct server_action client;
		struct zab_action zab;
		struct zab_session session;
		struct tree_row row;
	};
	/* INSTALL_SNAPSHOT: the digest of the staged tree, whose zxid is zab.zxid. */
	uint64_t digest;
};

/* False when there is none left. */
bool replica_take_action(struct replica *replica, struct replica_action *ret_action);

/* ---- what an operator sees ---- */

/* Whether clients are served; then replica_server is not NULL. */
bool replica_is_serving(const struct replica *replica);
struct server *replica_server(struct replica *replica);
const struct zab *replica_zab(const struct replica *replica); /* NULL: a standalone */
/* The last transaction that the tree is to have (replica_reloaded). */
zxid_t replica_committed(const struct replica *replica);
/* For write-out; NULL while a SNAP streams in or the tree is being reloaded. */
struct tree *replica_tree(struct replica *replica);
/* "standalone", "leader", "follower", "observer", or NULL while nothing is served (srvr's Mode). */
const char *replica_mode(const struct replica *replica);

void replica_check(const struct replica *replica);
/* Of its servers, and its own (server.h). Only in t/. */
void replica_set_mutation(struct replica *replica, enum server_mutation mutation);

#endif
