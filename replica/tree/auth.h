#ifndef TREE_AUTH_H
#define TREE_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/zk/acl.h"
#include "src/zk/code.h"

/*
 * Who a connection is, and what an ACL lets it do: the authentication
 * providers of ZooKeeper (scheme ip and digest; world and auth in ACLs, super).
 * A provider is one entry of the table in auth.c.
 */

struct auth_id {
	struct bytes scheme;
	struct bytes id;
};

/* A connection's ids, encoded as vector<Id> without its count, as REQUEST packets carry them. */
struct auth_ids {
	int32_t count;
	struct bytes encoded;
};

#define AUTH_IDS_NONE ((struct auth_ids){.count = 0, .encoded = {.data = "", .size = 0}})

/* False at the end. *at is 0 before the first. */
bool auth_ids_next(const struct auth_ids *ids, size_t *at, struct auth_id *ret_id);

/* The ids of one connection, growing. */
struct auth {
	struct buf encoded;
	int32_t count;
};
enum { AUTH_SIZE_MAX = 64 * 1024 };

void auth_init(struct auth *auth, struct bytes address); /* with the id "ip" */
void auth_release(struct auth *auth);
struct auth_ids auth_get_ids(const struct auth *auth);

/*
 * An auth packet. ZK_OK with the ids added (those that are there already are
 * not added again); ZK_AUTHFAILED: unknown scheme, or the provider refuses.
 * super_digest is what makes a digest the superuser, or NULL.
 */
enum zk_code auth_add(struct auth *auth, struct bytes scheme, struct bytes payload,
		      const char *super_digest);

/* Does any entry of acls give one of perms to one of ids? (ZooKeeperServer.checkACL) */
bool auth_permits(const struct auth_ids *ids, const struct zk_acls *acls, int32_t perms);

/*
 * The list that is stored for the one that a client asks for
 * (PrepRequestProcessor.fixupACL): duplicates go, "auth" becomes the ids of the
 * connection. Appended to buf, which must have a maximum. ZK_OK,
 * ZK_INVALIDACL, or ZK_MARSHALLINGERROR (null id text).
 */
enum zk_code auth_fix_acls(const struct auth_ids *ids, const struct zk_acls *acls, struct buf *buf,
			   struct zk_acls *ret_acls);

/* What whoAmI shows of an id. */
struct bytes auth_user(const struct auth_id *id);

#endif
