#ifndef TREE_SNAPSHOT_ACLS_H
#define TREE_SNAPSHOT_ACLS_H

#include <stdint.h>

#include "src/base/map.h"
#include "src/zk/acl.h"

/* For snapshot_*.c only: an ACL list of a snapshot with its id, on the heap. */
struct snapshot_acls {
	struct map_entry entry;
	int64_t id;
	int32_t count;
	uint32_t size;
	uint8_t encoded[]; /* the elements, as struct zk_acls has them */
};

/* The id of the open list, which has no entry. */
enum { SNAPSHOT_ACLS_OPEN_ID = -1 };

#define SNAPSHOT_TERMINATOR "/"
#define SNAPSHOT_SIGNATURE  "BenWasHere"

/* A copy, in no map. */
struct snapshot_acls *snapshot_acls_new(int64_t id, const struct zk_acls *acls);
/* Valid as long as it is. */
struct zk_acls snapshot_acls_value(const struct snapshot_acls *acls);
/* With all that is in it. */
void snapshot_acls_release_map(struct map *map);

#endif
