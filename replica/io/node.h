#ifndef REPLICA_IO_NODE_H
#define REPLICA_IO_NODE_H

#include <stdbool.h>

#include "replica/io/config.h"
#include "src/io/loop.h"

/*
 * One replica as it runs: the driver that puts the pure server on a loop, a
 * store and client connections.
 *
 * What the server wants done (replica/server/server.h, actions) becomes writes
 * to connections and appends to the log; what the log has made durable becomes
 * server_committed; and behind it the tree follows, in batches, on the disk.
 *
 * One turn of the loop reads from all connections that have something, hands
 * what they proposed to the log worker as one group, and sends each
 * connection's replies in one write.
 *
 *	node_open(&loop, &config, &options, &node, &error)	it serves
 *	loop_run(&loop);
 *	status = node_close(node);
 *
 * node_stop (from a signal, or a pipe that ended) lets loop_run return once
 * everything is on disk; a store that fails lets it return at once.
 */
struct node;

/*
 * 0 when it serves. Otherwise a negative errno and in *ret_error a sentence
 * that the caller frees. The config must outlive the node.
 */
int node_open(struct loop *loop, const struct config *config, struct node **ret_node,
	      char **ret_error);

/* No new work; finish what was begun, write the tree out, stop the loop. Idempotent. */
void node_stop(struct node *node);

/* Release everything. 0 if it was stopped in order, else -EIO: the store had failed. */
int node_close(struct node *node);

/* "host:port" where clients of this machine reach it, an IPv6 address in brackets. */
const char *node_address(const struct node *node);

/*
 * The same, and behind it, with commas, where clients reach the other servers of its ensemble: the
 * client part of a server's line, or the own client port on its host. The caller frees it.
 */
char *node_addresses(const struct node *node);

#endif
