#ifndef T_UNIT_TREE_COPY_H
#define T_UNIT_TREE_COPY_H

#include "replica/tree/tree.h"

/* A store in memory: what it would hold of the tree, and a tree that is loaded from that. */
struct tree_row tree_copy_row(const struct znode *znode, struct buf *path);
/* NULL: that of an empty store. */
struct tree *tree_copy(const struct tree *tree, bool extended_types);

#endif
