#ifndef ZAB_MEMBERS_H
#define ZAB_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/zk/zxid.h"

/*
 * A configuration of the ensemble: who belongs to it, who votes, and what a
 * quorum is (QuorumVerifier, spec/quorum-protocol.md 4.3, txn-formats.md 12):
 *
 *	server.1=127.0.0.1:2888:3888:participant;127.0.0.1:2181
 *	group.1=1:2:3
 *	weight.1=2
 *	version=100000000
 *
 * The text is what peers exchange; it is kept as it came. Texts are never
 * compared (their order is a Java hash table's): versions and members are.
 */
enum {
	MEMBERS_MAX = 255,
	MEMBERS_TEXT_SIZE_MAX = 64 * 1024,
	MEMBER_WEIGHT_MAX = INT32_MAX,
	MEMBER_NO_GROUP = -1,
};

struct member {
	int64_t sid;
	bool is_observer;
	int64_t weight; /* 1 without a weight line; it counts inside groups only */
	int64_t group;  /* MEMBER_NO_GROUP: in none */
	/* The value of its server line, without escapes: "host:port:port:participant;..." */
	char *address;
};

struct members {
	zxid_t version;
	size_t count;
	struct member *members; /* by sid, ascending */
	bool has_groups;        /* hierarchical quorums; else a majority of the voters */
	char *text;             /* '\0' behind it */
	size_t text_size;
};

/*
 * Parse a text: Java's properties (base/properties.h), server lines as in
 * zoo.cfg (zab/quorum_server.h), numbers in decimal, the version in hexadecimal.
 * A text without `version` has version 0. 0, or -EBADMSG: an unknown key, a line
 * that can't be read, no voter; with groups, a voter that is in none, a server
 * in two, or one that is no member, or an observer without a weight
 * (QuorumHierarchical.parse); more than a maximum. ret_members is untouched
 * then. Of two lines with one key the later counts, as in Java.
 */
int members_parse(struct bytes text, struct members *ret_members);
void members_copy(struct members *ret_copy, const struct members *members);
void members_release(struct members *members); /* takes a zeroed one */

/* NULL if it doesn't belong to it. */
const struct member *members_find(const struct members *members, int64_t sid);
bool members_is_voter(const struct members *members, int64_t sid);
size_t members_voter_count(const struct members *members);

/* The same sids, roles and addresses (QuorumVerifier.equals). */
bool members_equal(const struct members *a, const struct members *b);

/* May it lead? A voter of weight 0 in its group is never voted for. */
bool members_may_lead(const struct members *members, int64_t sid);

/*
 * Is the set of voters for which has() is true a quorum? Others are not asked
 * about. A majority counts voters; hierarchical: more than half of the weight in
 * more than half of the groups that have any.
 */
typedef bool members_has_fn(const void *data, int64_t sid);
bool members_is_quorum(const struct members *members, members_has_fn *has, const void *data);

#endif
