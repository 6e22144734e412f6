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
#include "replica/io/store.h"
#include "replica/server/server.h"
#include "src/io/conn.h"
#include "src/io/loop.h"

/*
 * The node's parts, for its own files:
 *
 *	node.c		life cycle, turns, and the server's actions
 *	node_clients.c	connections: their events, and their limits
 *	node_store.c	the store: its events, and how far it may lag
 *
 * Whoever has an event for the server calls node_enter before it and node_pump
 * after it.
 */
enum node_state { NODE_SERVING, NODE_STOPPING, NODE_STOPPED, NODE_FAILED };

struct node {
	struct loop *loop;
	const struct config *config;
	struct store *store;
	struct tree *tree;
	struct server *server;
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

	enum node_state state;
	bool ticked; /* server_tick was called in this turn */
	bool intake;
	struct pace pace;
	msec_t timer_ms;   /* what the timer is set to */
	msec_t changed_ms; /* since when the tree is ahead of its database; 0: it is not */
	msec_t started_ms;
	msec_t refused_ms;   /* when a refused connection was last logged */
	zxid_t committed;    /* told to the server */
	zxid_t written;      /* the tree's, in the last write-out */
	struct list closing; /* clients whose end the server is not told yet */
	uint64_t word_count;
	int client_port;
	char *address;   /* where clients of this machine reach it */
	char *data_path; /* the databases' directory */
	char *log_path;
};

/* ---- node.c ---- */

/* The first call in a turn tells the server the time. */
void node_enter(struct node *node);
/* Perform what the server wants, in its order. */
void node_pump(struct node *node);
/* Say the sentence and end: nothing is performed or answered any more. */
void node_fail(struct node *node, const char *sentence);
/* Since 1970. */
msec_t node_wall_ms(void);
/* *ret_error = sentence; returns error. */
int node_refuse(char **ret_error, int error, char *sentence);

/* ---- node_clients.c ---- */

int node_listen(struct node *node, char **ret_error);
/* Close it after what was sent; the server is told when its actions have been performed. */
void node_close_client(struct node *node, struct client *client);
/* Close those that have had their time and asked for no session. */
void node_drop_sessionless(struct node *node);
/* At the end: the server is not told. */
void node_close_clients(struct node *node);

/* ---- node_store.c ---- */

/* Open it, and make the server of what is in it. */
int node_open_store(struct node *node, char **ret_error);
/* Once a turn: let new transactions in, or not. */
void node_update_intake(struct node *node);
/* When that may change by itself; INT64_MAX: not before something else happens. */
msec_t node_intake_due_ms(const struct node *node);
/* Once a turn: hand the tree's changes to the store, if it is time. */
void node_write_tree(struct node *node);
/* When it will be time; INT64_MAX: not before something else happens. */
msec_t node_writeout_due_ms(const struct node *node);

#endif
