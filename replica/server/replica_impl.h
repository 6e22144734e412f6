#ifndef SERVER_REPLICA_IMPL_H
#define SERVER_REPLICA_IMPL_H

#include "replica/server/replica.h"
#include "replica/tree/replay.h"
#include "replica/tree/snapshot.h"
#include "src/base/list.h"
#include "src/base/map.h"

/*
 * What the parts of a replica share:
 *
 *	replica.c           life, events, what an operator sees
 *	replica_actions.c   what server and core want of each other, and of the driver
 *	replica_clients.c   connections, whether there is a server or not
 *	replica_link.c      bytes of peers: packets
 *	replica_snapshot.c  bytes of peers: the stream behind SNAP; the tree that goes and comes
 */

/*
 *	WAITING ------> SERVED       a server begins
 *	   |               |
 *	   v               v
 *	 CLOSED  <---------+         a frame while nothing is served; the server, or its end
 *
 * until the driver reports the end. The server knows those that are SERVED, and those that it
 * closed itself (is_known).
 */
struct replica_client {
	struct map_entry by_id;
	struct list waiting; /* on replica->waiting while WAITING */
	connection_id_t id;
	enum { CLIENT_WAITING, CLIENT_SERVED, CLIENT_CLOSED } state;
	bool is_known; /* to the server */
	char *address;
};

/* A row or session of the stream, to be staged. What it points to is the tree's. */
struct staged {
	const struct znode *znode; /* NULL: a session */
	struct zab_session session;
};

/* What the replica itself wants of the driver. */
struct wish {
	struct replica_action action;
	struct blob *text; /* of a ZAB_LOG */
};

struct replica {
	struct replica_config config;
	struct zab *zab;            /* NULL: a standalone */
	struct tree *tree;          /* NULL: dropped, the other one is not there yet */
	struct replay replay;       /* of the tree, while nothing is served */
	struct server *server;      /* NULL: nothing is served */
	uint64_t digest_mismatches; /* of the servers and trees before */
	enum server_mutation mutation;
	bool is_started;
	msec_t now_ms;
	msec_t wall_ms;

	/* The role. */
	enum zab_state state;
	session_id_t next_session_id; /* 0: as the config says */
	bool may_intake;              /* as far as the store goes */
	bool has_intake;              /* what the server was told */
	zxid_t committed;             /* recovered, or delivered, or logged by a standalone */
	zxid_t appended;              /* the last one in the log, durable or not */
	zxid_t appended_before;       /* in the log that a SNAP is to replace */

	struct map clients;
	struct list waiting;

	/* Of the event at hand, for the driver. */
	struct wish *wishes;
	size_t wish_count;
	size_t wish_at;
	size_t wish_capacity;
	struct buf packet; /* a copy of the packet that the core was given */
	struct buf table;  /* of a PING */

	/* A snapshot that streams in. */
	zab_link_t receiving; /* the link; ZAB_LINK_NONE: none does */
	zxid_t receiving_zxid;
	struct snapshot_reader reader;
	struct staged *staged;
	size_t staged_count;
	size_t staged_at;
	size_t staged_capacity;
	struct buf staged_path; /* of the row taken last */
	bool is_staging;        /* from SNAP until it is installed or aborted */
	bool is_installing;     /* INSTALL_SNAPSHOT is not durable yet */
	bool is_reloading;      /* nothing that the core wants is done until the tree is back */
};

/* ---- replica.c ---- */

/* The tree is another one, or (NULL) there is none for now; the old one is freed. */
void replica_set_tree(struct replica *replica, struct tree *tree);
/* /zookeeper/config of a tree that came from the disk or a leader says what is configured here. */
void replica_set_config(struct replica *replica);
/* A role ends: its server goes, and who was connected to it. */
void replica_drop_server(struct replica *replica);
/* A role begins in which clients are served. */
void replica_begin_server(struct replica *replica, enum server_role role, uint32_t epoch);

/* ---- replica_actions.c ---- */

void replica_put(struct replica *replica, const struct replica_action *action);
void replica_forget_wishes(struct replica *replica);
/* ZAB_LOG */
void replica_log(struct replica *replica, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Close a link of ours, and tell the core. */
void replica_close_link(struct replica *replica, zab_link_t link);

/* ---- replica_clients.c ---- */

/* The server that ends knew them: they end with it. */
void replica_close_clients(struct replica *replica);
/* One that waits is the server's from now on. False: none waits. */
bool replica_serve_client(struct replica *replica);
/* The server closes it. */
void replica_note_client_closed(struct replica *replica, connection_id_t connection);
void replica_free_clients(struct replica *replica);

/* ---- replica_snapshot.c ---- */

/* SNAP came: the tree in memory goes, the stream builds another. */
void replica_begin_snapshot(struct replica *replica, zab_link_t link, zxid_t zxid);
/* A piece of the stream: how much of it was consumed. */
size_t replica_snapshot_bytes(struct replica *replica, struct bytes bytes);
/* The next row or session of it, for the store. False: none. */
bool replica_take_staged(struct replica *replica, struct replica_action *ret_action);
/* INSTALL_SNAPSHOT, ABORT_SNAPSHOT. */
void replica_install_snapshot(struct replica *replica, struct replica_action *action);
void replica_abort_snapshot(struct replica *replica);
/* The link ended, or the sync did. */
void replica_end_stream(struct replica *replica);

#endif
