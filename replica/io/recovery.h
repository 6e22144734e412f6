#ifndef REPLICA_IO_RECOVERY_H
#define REPLICA_IO_RECOVERY_H

#include "replica/io/config.h"
#include "replica/io/store.h"
#include "replica/server/replica.h"

/*
 * From what the store has on disk to a replica that holds the same: the tree is
 * loaded and its digest compared, then it gets the transactions of the log, of
 * which it applies those that are known to be committed. A standalone takes
 * its whole log as committed: nobody else could know better.
 *
 * 0 with a replica that was not started yet, or a negative errno with the
 * sentence in ret_refusal.
 */
int recovery_run(struct store *store, const struct config *config, struct replica **ret_replica,
		 struct store_refusal *ret_refusal);

/*
 * The tree as it is on disk, and the log's transactions up to committed_zxid applied to
 * it: for a replica that gave its own up. The store must be idle (store_reload).
 */
int recovery_reload(struct store *store, const struct config *config, zxid_t committed_zxid,
		    struct tree **ret_tree, struct store_refusal *ret_refusal);

#endif
