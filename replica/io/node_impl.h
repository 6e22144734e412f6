#ifndef REPLICA_IO_NODE_IMPL_H
#define REPLICA_IO_NODE_IMPL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "replica/io/clients.h"
#include "replica/io/config.h"
#include "replica/io/fourletter.h"
#include "replica/io/node.h"
#include "replica/io/pace.h"
#include "replica/io/peers_election.h"
#include "replica/io/peers_links.h"
#include "replica/io/store.h"
#include "replica/server/replica.h"
#include "src/io/conn.h"
#include "src/io/loop.h"

/*
 * The node's parts, for its own files:
 *
 *	node.c		life cycle, turns, and the replica's actions
 *	node_commit.c	when the log is committed, and where
 *	node_clients.c	connections: their events, and their limits
 *	node_store.c	the store: its events, and how far it may lag
 *	node_peers.c	the other servers of an ensemble: events and actions
 *
 * Whoever has an event for the replica calls node_enter before it and node_pump
 * after it.
 */
/* A snapshot that comes: its rows, then the wait until it is durable. */
enum node_staging { NODE_STAGING_NOTHING, NODE_STAGING_ROWS, NODE_STAGING_INSTALLED };

enum node_state { NODE_SERVING, NODE_STOPPING, NODE_STOPPED, NODE_FAILED };

struct node {
	struct loop *loop;
	const struct config *config;
	struct store *store;
	struct replica *replica;
	struct listener *listener;
	struct clients clients;
	struct fourletter fourletter;

	struct loop_hook hook;
	uv_timer_t timer;
	/*
	 * The store has something to tell: an eventfd of our own, because the loop
	 * spins on a uv_async_t until its sender is done.
	 */
	int news_fd;
	uv_poll_t news;
	int handle_count;

	/* A commit that waits for company: node_commit.c. */
	int gather_fd; /* a timerfd, as a loop's timers know milliseconds only */
	uv_poll_t gather;
	uv_idle_t look;         /* active between a commit on this thread and its news */
	int64_t gather_due_us;  /* what it is set to; INT64_MAX: nothing */
	uint64_t request_count; /* what came from clients since the last commit was told */
	uint64_t append_count;  /* and was appended */

	enum node_state state;
	bool ticked; /* replica_tick was called in this turn */
	bool intake;
	struct pace pace;
	msec_t timer_ms;   /* what the timer is set to */
	msec_t due_ms;     /* and was to be done by then */
	int late_turns;    /* that still come first */
	msec_t changed_ms; /* since when the tree is ahead of its database; 0: it is not */
	msec_t started_ms;
	msec_t role_ms;    /* since when it serves as leader or learner */
	msec_t refused_ms; /* when a refused connection was last logged */
	enum node_staging staging;
	bool wants_reload;   /* the tree in memory was given up for one that did not come */
	zxid_t written;      /* the tree's, in the last write-out */
	struct list closing; /* clients whose end the replica is not told yet */
	uint64_t word_count;
	int client_port;
	char *address;   /* where clients of this machine reach it */
	char *data_path; /* the databases' directory */
	char *log_path;

	/* An ensemble's; NULL for a standalone, and from the beginning of the end. */
	struct peers_election *election;
	struct peers_links *links;
	struct list streams;    /* snapshots on their way to learners: node_peers.c */
	zab_link_t leader_link; /* the one to the leader, or ZAB_LINK_NONE */
	zab_link_t lost_link;   /* its end is just being told; NONE: the replica ended it, too */
	uint64_t connect_count; /* how often it wanted to connect, or not to */
	bool is_listening;
	bool is_leader_paused;                 /* nothing is read from it: the disk is behind */
	struct fourletter_proposals proposals; /* of what it made in this epoch */
};

/* ---- node.c ---- */

/*
 * The first call in a turn tells the replica the time, and performs what it wants then: it may
 * close the very client or link that the event is about.
 */
void node_enter(struct node *node);

/* At a turn's end: what it appended goes to the log, at once or with more. */
int node_open_gather(struct node *node);
void node_close_gather(struct node *node, uv_close_cb on_closed);
void node_commit(struct node *node);
/* Perform what the replica wants, in its order. */
void node_pump(struct node *node);
/* Say the sentence and end: nothing is performed or answered any more. */
void node_fail(struct node *node, const char *area, const char *sentence);
/* Has it failed, or ended? Then nothing is told to the replica any more. */
bool node_is_over(const struct node *node);
/* Since 1970. */
msec_t node_wall_ms(void);
/* *ret_error = sentence; returns error. */
int node_refuse(char **ret_error, int error, char *sentence);

/* ---- node_clients.c ---- */

int node_listen(struct node *node, char **ret_error);
/* What the replica wants of a client's connection. */
void node_perform_client(struct node *node, const struct server_action *action);
/* Close it after what was sent; the replica is told when its actions have been performed. */
void node_close_client(struct node *node, struct client *client);
/* Close those that have had their time and asked for no session. */
void node_drop_sessionless(struct node *node);
/* At the end: the replica is not told. */
void node_close_clients(struct node *node);

/* ---- node_store.c ---- */

/* Open it, and make the replica of what is in it. */
int node_open_store(struct node *node, char **ret_error);
/* An action on the disk; false: it is none. */
bool node_perform_store(struct node *node, const struct replica_action *action);
/* Is there room for what a leader sends? */
bool node_store_has_room(struct node *node);
/* Once a turn. */
void node_reload_if_wanted(struct node *node);
/* Once a turn: let new transactions in, or not. */
void node_update_intake(struct node *node);
/* When that may change by itself; INT64_MAX: not before something else happens. */
msec_t node_intake_due_ms(const struct node *node);
/* Once a turn: hand the tree's changes to the store, if it is time. */
void node_write_tree(struct node *node);
/* When it will be time; INT64_MAX: not before something else happens. */
msec_t node_writeout_due_ms(const struct node *node);

/* ---- node_peers.c ---- */

/* Of an ensemble: listen for the others. */
int node_open_peers(struct node *node, char **ret_error);
/* Leave the others at once, so that they needn't find out. Idempotent. */
void node_close_peers(struct node *node);
/* An action towards the others; false: it is none. */
bool node_perform_peer(struct node *node, const struct zab_action *action);
/* Once a turn: read from the leader, or not; go on with streams. */
void node_update_peers(struct node *node);

#endif
