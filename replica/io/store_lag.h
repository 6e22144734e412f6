#ifndef IO_STORE_LAG_H
#define IO_STORE_LAG_H

#include <stddef.h>
#include <stdint.h>

#include "replica/io/store.h"

/*
 * How much the log holds beyond the tree: the transactions are counted in
 * groups, and a group counts until the tree has passed its last, and from its first on. So the
 * answer is never too little, and by less than a group too much.
 */
struct store_lag_group {
	zxid_t first_zxid;
	zxid_t last_zxid;
	struct store_lag part;
};

struct store_lag_meter {
	struct store_lag_group *groups; /* oldest first */
	size_t count;
	size_t capacity;
	struct store_lag sum;
};

void store_lag_release(struct store_lag_meter *meter);
void store_lag_add(struct store_lag_meter *meter, zxid_t zxid, size_t size);
void store_lag_pass(struct store_lag_meter *meter, zxid_t tree_zxid);
/* The log ends at zxid now. */
void store_lag_cut(struct store_lag_meter *meter, zxid_t zxid);

#endif
