#ifndef REPLICA_IO_RECOVERY_H
#define REPLICA_IO_RECOVERY_H

#include "replica/io/config.h"
#include "replica/io/store.h"
#include "replica/server/server.h"

/*
 * From what the store has on disk to a server that holds the same: its tree is
 * loaded and its digest compared, then every transaction of the log above it
 * is applied. A standalone takes its whole log as committed: nobody else could
 * know better.
 *
 * 0 with the tree and a server over it that was not started yet, or a negative errno with the
 * sentence in ret_refusal.
 */
int recovery_run(struct store *store, const struct config *config, struct tree **ret_tree,
		 struct server **ret_server, struct store_refusal *ret_refusal);

#endif
