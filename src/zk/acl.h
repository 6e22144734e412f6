#ifndef ZK_ACL_H
#define ZK_ACL_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/zk/jute.h"

/* ZooDefs.Perms. An ACL's perms are not validated: any int is stored. */
enum {
	ZK_PERM_READ = 1,
	ZK_PERM_WRITE = 2,
	ZK_PERM_CREATE = 4,
	ZK_PERM_DELETE = 8,
	ZK_PERM_ADMIN = 16,
	ZK_PERM_ALL = 31,
};

struct zk_acl {
	int32_t perms;
	struct bytes scheme; /* may be null on the wire; never in a stored list */
	struct bytes id;
};

void zk_acl_read(struct jute_reader *reader, struct zk_acl *ret_acl);
void zk_acl_write(struct buf *buf, const struct zk_acl *acl);

/*
 * vector<ACL>, in its encoded form as struct jute_strings has it: count is -1
 * for null, encoded are the elements without the count. Two lists are equal
 * when count and bytes are: order matters, as in ZooKeeper's ACL cache.
 */
struct zk_acls {
	int32_t count;
	struct bytes encoded;
};

struct zk_acls zk_acls_read(struct jute_reader *reader);
void zk_acls_write(struct buf *buf, const struct zk_acls *acls);
bool zk_acls_next(const struct zk_acls *acls, size_t *at, struct zk_acl *ret_acl);
bool zk_acls_equal(const struct zk_acls *a, const struct zk_acls *b);

/* world:anyone:cdrwa (Ids.OPEN_ACL_UNSAFE), and world:anyone:r. */
struct zk_acls zk_acls_open(void);
struct zk_acls zk_acls_read_only(void);

/*
 * zkCli's text form: "scheme:id:perms[,scheme:id:perms...]"; the id may hold
 * colons (digest) and commas (x509), the perms are letters of "cdrwa" after the
 * last colon. zk_acls_parse appends the encoded elements to buf, which the
 * caller initialised, and points ret_acls into it. 0, or -EINVAL with nothing
 * set and nothing appended: for what isn't such a text, or doesn't fit into buf.
 */
int zk_acls_parse(const char *text, struct buf *buf, struct zk_acls *ret_acls);
void zk_acls_format(struct buf *buf, const struct zk_acls *acls);

#endif
