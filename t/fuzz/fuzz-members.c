#include "t/fuzz/fuzz.h"

#include "replica/zab/members.h"
#include "src/base/assert.h"

/*
 * Texts of configurations, which peers send. Claims: what is read is in order
 * and has a voter; all voters are a quorum, unless no group weighs anything, and
 * none isn't; two sets that share no voter are not both quorums; a copy is equal
 * and reads alike.
 */
static bool has_all(const void *data, int64_t sid)
{
	return true;
}

static bool has_none(const void *data, int64_t sid)
{
	return false;
}

static bool has_even(const void *data, int64_t sid)
{
	return sid % 2 == 0;
}

static bool has_odd(const void *data, int64_t sid)
{
	return sid % 2 != 0;
}

static void check_quorums(const struct members *members)
{
	bool can_lead = false;

	for (size_t i = 0; i < members->count; i++)
		can_lead = can_lead || members_may_lead(members, members->members[i].sid);
	ASSERT(!members_is_quorum(members, has_none, NULL));
	ASSERT(!members_is_quorum(members, has_even, NULL) ||
	       !members_is_quorum(members, has_odd, NULL));
	ASSERT(can_lead || !members_is_quorum(members, has_all, NULL));
	ASSERT(members->has_groups || members_is_quorum(members, has_all, NULL));
}

static void check_members(const struct members *members)
{
	size_t voter_count = 0;

	ASSERT(members->count > 0 && members->count <= MEMBERS_MAX);
	ASSERT(members->version >= 0);
	for (size_t i = 0; i < members->count; i++) {
		const struct member *member = &members->members[i];

		ASSERT(i == 0 || members->members[i - 1].sid < member->sid);
		ASSERT(members_find(members, member->sid) == member);
		ASSERT(members_is_voter(members, member->sid) == !member->is_observer);
		ASSERT(member->weight >= 0 && member->address[0] != '\0');
		ASSERT(member->is_observer || !members->has_groups ||
		       member->group != MEMBER_NO_GROUP);
		voter_count += !member->is_observer;
	}
	ASSERT(voter_count > 0 && voter_count == members_voter_count(members));
}

static void check_copy(const struct members *members)
{
	struct members copy;
	struct members again;

	members_copy(&copy, members);
	check_members(&copy);
	ASSERT(members_equal(&copy, members));
	ASSERT(members_parse(bytes_of(copy.text, copy.text_size), &again) == 0);
	ASSERT(members_equal(&again, members) && again.version == members->version);
	members_release(&again);
	members_release(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct members members = {0};

	if (size > FUZZ_SIZE_MAX || members_parse(bytes_of(data, size), &members) < 0) {
		ASSERT(!members.members && !members.text); /* untouched */
		return 0;
	}
	ASSERT(bytes_equal(bytes_of(members.text, members.text_size), bytes_of(data, size)));
	check_members(&members);
	check_quorums(&members);
	check_copy(&members);
	members_release(&members);
	return 0;
}
