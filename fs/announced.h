#ifndef FS_ANNOUNCED_H
#define FS_ANNOUNCED_H

#include <stdbool.h>

#include "src/base/bytes.h"
#include "src/base/map.h"
#include "src/zk/jute.h"
#include "src/zk/record.h"
#include "src/zk/zxid.h"

/*
 * What those who watch a znode through the mount have been told of it: which
 * znode it is, its version, and the names below it. Where no event tells what
 * was changed, a newer answer of the server is compared with this, and each
 * difference is told; then this is what has been told.
 */
struct announced {
	zxid_t czxid;
	zxid_t mzxid; /* 0: a change of our own whose zxid isn't known; the next one is taken */
	bool has_names;
	struct map names;
	unsigned round;
};

struct announced *announced_new(const struct zk_stat *stat);
void announced_free(struct announced *announced); /* NULL is fine */

/* Single names, told otherwise. Idempotent; nothing happens before there is a list. */
void announced_add(struct announced *announced, struct bytes name);
void announced_remove(struct announced *announced, struct bytes name);
bool announced_has(const struct announced *announced, struct bytes name);

/*
 * Compare with the list that the server has now; the first list of all is
 * taken as it is. tell is called for each name that is gone, then for each new
 * one. Where it returns false, the difference stays and is met again. It may
 * add and remove names.
 */
typedef bool (*announced_tell_fn)(void *data, struct bytes name, bool is_there);
void announced_compare(struct announced *announced, const struct jute_strings *now,
		       announced_tell_fn tell, void *data);

#endif
