#ifndef FS_SUBTREE_H
#define FS_SUBTREE_H

#include "fs/request.h"

/*
 * A znode with all that is below it, read to be made anew elsewhere in one
 * transaction. It is no snapshot: who uses it names each version, and begins
 * anew if one has changed.
 */
enum { SUBTREE_COUNT_MAX = 2000 };

struct subtree_item {
	struct list link;
	char *path;
	struct value *value;
	struct zk_stat stat;
	struct buf acl_buf;
	struct zk_acls acls;
	struct subtree *subtree;
	unsigned missing; /* answers */
};

struct subtree {
	struct request *request; /* held */
	struct list items;       /* parents before their children */
	size_t count;
	size_t size; /* what its creates and deletes take in a request, at least */
	size_t size_max;
	unsigned pending;
	int error;
	void (*then)(void *data, int error, struct subtree *subtree);
	void *data;
};

/*
 * What is uncommitted in it is committed first. then gets the subtree, which it
 * frees; or NULL and
 *
 *	EXDEV  larger than size_max or SUBTREE_COUNT_MAX, or with an ACL that we
 *	       don't see whole
 *	EBUSY  somebody holds a lock in it, or waits for one
 *	EPERM  another session's ephemeral is in it
 */
void subtree_read(struct request *request, struct bytes path, size_t size_max,
		  void (*then)(void *data, int error, struct subtree *subtree), void *data);
void subtree_free(struct subtree *subtree);

/*
 * Who has no ADMIN sees "user:x" for a digest (GetACL): such a list can't be
 * set again.
 */
bool subtree_acls_are_masked(const struct zk_acls *acls);

#endif
