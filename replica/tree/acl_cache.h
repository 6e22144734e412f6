#ifndef TREE_ACL_CACHE_H
#define TREE_ACL_CACHE_H

#include <stdint.h>

#include "src/base/map.h"
#include "src/zk/acl.h"

/*
 * ACL lists, each kept once however many znodes have it (ReferenceCountedACLCache).
 * Lists that differ in order are different. A null list is the open one.
 */
struct acl_list {
	struct map_entry entry;
	uint32_t refs;
	int32_t count;
	uint32_t size;
	uint8_t encoded[]; /* the elements, as struct zk_acls has them */
};

struct acl_cache {
	struct map lists;
	struct acl_list *recent; /* the last one that was asked for, or NULL */
};

void acl_cache_init(struct acl_cache *cache);
void acl_cache_release(struct acl_cache *cache); /* all references must be gone */

/* The list with one reference more, the caller's. */
struct acl_list *acl_cache_get(struct acl_cache *cache, const struct zk_acls *acls);
struct acl_list *acl_list_ref(struct acl_list *list);
void acl_cache_put(struct acl_cache *cache, struct acl_list *list);

/* Valid as long as the list is. */
struct zk_acls acl_list_acls(const struct acl_list *list);

#endif
