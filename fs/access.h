#ifndef FS_ACCESS_H
#define FS_ACCESS_H

#include <stdint.h>

#include "fs/file.h"
#include "fs/fs.h"
#include "src/base/bytes.h"

/*
 * May this session write? Shells ignore what close(2) returns, so a refusal
 * must be seen at open(2) (DESIGN.md 3). No request tells that by itself, and an
 * ACL doesn't either: a server may ignore ACLs (skipACL), and which of our ids
 * it knows is its business. So:
 *
 *  - what `world:anyone` is allowed in the ACL, or what has been done lately, is
 *    allowed;
 *  - else the server is asked by a setData with a version that no znode has:
 *    it checks the permission before the version (PrepRequestProcessor).
 *
 * Only permission is remembered, for a session timeout (nobody tells of a
 * changed ACL), and while the znode's Stat shows the same czxid and aversion.
 */
enum { ACCESS_COUNT_MAX = 10000 };

/* then gets 0, or EACCES, or what else the server said. */
void access_check_write(struct fs *fs, struct bytes path, file_then_fn then, void *data);

/* then gets 0 if it is known that children may be created; EACCES if it isn't known. */
void access_check_create(struct fs *fs, struct bytes path, file_then_fn then, void *data);

/* It has been done: perm is ZK_PERM_WRITE or ZK_PERM_CREATE. Its Stat is taken from fs/znode.h. */
void access_learn(struct fs *fs, struct bytes path, int32_t perm);

/* It was created by us: what its ACL, the mount's option, allows everybody is known. */
void access_learn_created(struct fs *fs, struct bytes path);

/* For files_free. */
void access_release(struct map *entries);

#endif
