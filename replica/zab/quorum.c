/* Sets of voters, and which of them are a quorum (QuorumVerifier, spec/quorum-protocol.md 4.3). */
#include "replica/zab/zab_impl.h"

void zab_voters_init(const struct zab *zab, struct zab_voters *voters, enum zab_mutation minority)
{
	voters->count = 0;
	voters->spare = zab->mutation == minority ? 1 : 0;
}

void zab_voters_add(struct zab_voters *voters, int64_t sid)
{
	for (size_t i = 0; i < voters->count; i++)
		if (voters->sids[i] == sid)
			return;
	if (voters->count < MEMBERS_MAX)
		voters->sids[voters->count++] = sid;
}

static bool has_voter(const void *data, int64_t sid)
{
	const struct zab_voters *voters = data;

	for (size_t i = 0; i < voters->count; i++)
		if (voters->sids[i] == sid)
			return true;
	return false;
}

static bool is_last_seen_newer(const struct zab *zab)
{
	return zab->last_seen_members.version > zab->committed_members.version;
}

bool zab_is_quorum(const struct zab *zab, const struct zab_voters *voters)
{
	struct zab_voters more;
	size_t spare = voters->spare;

	if (spare > 0)
		more = *voters;
	for (size_t i = 0; i < zab->committed_members.count && spare > 0; i++) {
		const struct member *member = &zab->committed_members.members[i];

		if (member->is_observer || has_voter(&more, member->sid))
			continue;
		zab_voters_add(&more, member->sid);
		voters = &more;
		spare--;
	}
	if (!members_is_quorum(&zab->committed_members, has_voter, voters))
		return false;
	return !is_last_seen_newer(zab) ||
	       members_is_quorum(&zab->last_seen_members, has_voter, voters);
}

bool zab_is_voter(const struct zab *zab, int64_t sid)
{
	return members_is_voter(&zab->committed_members, sid) ||
	       (is_last_seen_newer(zab) && members_is_voter(&zab->last_seen_members, sid));
}
