#ifndef ZK_PATH_H
#define ZK_PATH_H

#include <stdbool.h>

#include "src/base/bytes.h"

/*
 * The rules for a znode's path (PathUtils.validatePath), applied by the server
 * to writes only and by clients to all requests: begins with '/', no '/' at the
 * end unless it is "/", no empty component, no "." or "..", well-formed UTF-8
 * without U+0000-001F, U+007F-009F, U+D800-F8FF, U+FFF0-FFFF, and nothing
 * outside the Basic Multilingual Plane (ZooKeeper looks at UTF-16 units).
 */
bool zk_path_is_valid(struct bytes path);

/* The same for one component: what zk_path_is_valid says of "/" + name, without '/' in it. */
bool zk_path_name_is_valid(struct bytes name);

/* "/a/b" -> "/a", "/a" -> "/"; the path must hold a '/' and not be "/". */
struct bytes zk_path_parent(struct bytes path);
/* "/a/b" -> "b", "/" -> "". */
struct bytes zk_path_name(struct bytes path);

/* Is path the same as ancestor, or below it? "/a" is no ancestor of "/ab". */
bool zk_path_is_within(struct bytes path, struct bytes ancestor);

/* parent + '/' + name as a new string ("/" + "a" is "/a"); the caller frees it. */
char *zk_path_join(struct bytes parent, struct bytes name);

/* Is it "/zookeeper" or below it? */
bool zk_path_is_system(struct bytes path);

#endif
