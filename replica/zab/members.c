#include "replica/zab/members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replica/zab/quorum_server.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/base/properties.h"

enum { NO_WEIGHT = -1 }; /* while parsing */

/* ---- numbers ---- */

/* Digits of the base and nothing else, up to max. */
static bool parse_number(const char *text, int base, int64_t max, int64_t *ret_number)
{
	static const char digits[] = "0123456789abcdef";
	int64_t number = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		char lower = *text >= 'A' && *text <= 'F' ? (char)(*text - 'A' + 'a') : *text;
		const char *digit = memchr(digits, lower, (size_t)base);

		if (!digit || number > (max - (digit - digits)) / base)
			return false;
		number = number * base + (digit - digits);
	}
	*ret_number = number;
	return true;
}

/* The sid (or group) behind the prefix of a key. */
static int parse_key(const char *key, const char *prefix, int64_t *ret_number)
{
	return parse_number(key + strlen(prefix), 10, INT64_MAX, ret_number) ? 0 : -EBADMSG;
}

/* ---- members by sid ---- */

static int compare_sids(const void *key, const void *element)
{
	int64_t sid = *(const int64_t *)key;
	const struct member *member = element;

	return (sid > member->sid) - (sid < member->sid);
}

static struct member *find(const struct members *members, int64_t sid)
{
	if (members->count == 0)
		return NULL;
	return bsearch(&sid, members->members, members->count, sizeof(struct member), compare_sids);
}

const struct member *members_find(const struct members *members, int64_t sid)
{
	return find(members, sid);
}

static void insert(struct members *members, const struct member *member)
{
	size_t at = members->count;

	for (; at > 0 && members->members[at - 1].sid > member->sid; at--)
		members->members[at] = members->members[at - 1];
	members->members[at] = *member;
	members->count++;
}

/* ---- lines ---- */

static int add_server(struct members *members, const char *key, const char *value)
{
	struct member member = {.weight = NO_WEIGHT, .group = MEMBER_NO_GROUP};
	struct quorum_server server;
	char *why;
	int error = parse_key(key, "server.", &member.sid);

	if (error < 0)
		return error;
	if (find(members, member.sid) || members->count == MEMBERS_MAX)
		return -EBADMSG;
	if (quorum_server_parse(member.sid, value, &server, &why) < 0) {
		free(why);
		return -EBADMSG;
	}
	member.is_observer = server.is_observer;
	quorum_server_release(&server);
	member.address = mem_strdup(value);
	insert(members, &member);
	return 0;
}

static int set_weight(struct members *members, const char *key, const char *value)
{
	struct member *member;
	int64_t sid;
	int error = parse_key(key, "weight.", &sid);

	if (error < 0)
		return error;
	member = find(members, sid);
	if (!member || !parse_number(value, 10, MEMBER_WEIGHT_MAX, &member->weight))
		return -EBADMSG;
	return 0;
}

static int join_group(struct members *members, const char *sid_text, int64_t group)
{
	struct member *member;
	int64_t sid;

	if (!parse_number(sid_text, 10, INT64_MAX, &sid))
		return -EBADMSG;
	member = find(members, sid);
	if (!member || member->group != MEMBER_NO_GROUP)
		return -EBADMSG;
	member->group = group;
	return 0;
}

/* group.1=1:2:3 */
static int add_group(struct members *members, const char *key, const char *value)
{
	char *sids = mem_strdup(value);
	char *next = sids;
	int64_t group;
	int error = parse_key(key, "group.", &group);

	while (error == 0 && next) {
		char *sid = next;

		next = strchr(sid, ':');
		if (next)
			*next++ = '\0';
		error = join_group(members, sid, group);
	}
	members->has_groups = true;
	free(sids);
	return error;
}

static int set_version(struct members *members, const char *key, const char *value)
{
	(void)key; /* all of it was the prefix */
	return parse_number(value, 16, INT64_MAX, &members->version) ? 0 : -EBADMSG;
}

/* Servers go first: the others name them, wherever they stand. */
static const struct line_kind {
	const char *prefix;
	bool is_whole_key;
	int (*read)(struct members *members, const char *key, const char *value);
} kinds[] = {
	{"server.", false, add_server},
	{"weight.", false, set_weight},
	{"group.", false, add_group},
	{"version", true, set_version},
};
enum { KIND_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

static bool is_of_kind(const char *key, const struct line_kind *kind)
{
	if (kind->is_whole_key)
		return strcmp(key, kind->prefix) == 0;
	return strncmp(key, kind->prefix, strlen(kind->prefix)) == 0;
}

static bool is_known(const char *key)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (is_of_kind(key, &kinds[i]))
			return true;
	return false;
}

static int read_lines(struct members *members, const struct properties *properties)
{
	for (size_t i = 0; i < properties->count; i++)
		if (!is_known(properties->entries[i].key))
			return -EBADMSG;
	for (size_t kind = 0; kind < KIND_COUNT; kind++) {
		for (size_t i = 0; i < properties->count; i++) {
			const struct property *at = &properties->entries[i];
			int error;

			if (!is_of_kind(at->key, &kinds[kind]))
				continue;
			error = kinds[kind].read(members, at->key, at->value);
			if (error < 0)
				return error;
		}
	}
	return 0;
}

/* What the lines say together; fills in default weights. */
static int check_lines(struct members *members)
{
	if (members_voter_count(members) == 0)
		return -EBADMSG;
	for (size_t i = 0; i < members->count; i++) {
		struct member *member = &members->members[i];
		bool has_weight = member->weight != NO_WEIGHT;

		if (members->has_groups && !member->is_observer && member->group == MEMBER_NO_GROUP)
			return -EBADMSG;
		if (member->is_observer && member->group != MEMBER_NO_GROUP && !has_weight)
			return -EBADMSG;
		if (!has_weight)
			member->weight = 1;
	}
	return 0;
}

int members_parse(struct bytes text, struct members *ret_members)
{
	struct members members = {0};
	struct properties properties;
	int error = -EBADMSG;

	if (bytes_size(text) == 0 || bytes_size(text) > MEMBERS_TEXT_SIZE_MAX)
		return -EBADMSG;
	properties_init(&properties);
	members.members = mem_zalloc(MEMBERS_MAX * sizeof(members.members[0]));
	if (properties_parse(&properties, text.data, bytes_size(text)) == 0)
		error = read_lines(&members, &properties);
	properties_release(&properties);
	if (error == 0)
		error = check_lines(&members);
	if (error < 0) {
		members_release(&members);
		return error;
	}
	members.text = mem_dup(text.data, bytes_size(text));
	members.text_size = bytes_size(text);
	*ret_members = members;
	return 0;
}

void members_copy(struct members *ret_copy, const struct members *members)
{
	struct members copy = *members;

	copy.members =
		mem_zalloc((members->count > 0 ? members->count : 1) * sizeof(members->members[0]));
	for (size_t i = 0; i < members->count; i++) {
		copy.members[i] = members->members[i];
		copy.members[i].address = mem_strdup(members->members[i].address);
	}
	copy.text = mem_dup(members->text_size > 0 ? members->text : "", members->text_size);
	*ret_copy = copy;
}

void members_release(struct members *members)
{
	for (size_t i = 0; i < members->count; i++)
		free(members->members[i].address);
	free(members->members);
	free(members->text);
	*members = (struct members){0};
}

/* ---- what they say ---- */

bool members_is_voter(const struct members *members, int64_t sid)
{
	const struct member *member = find(members, sid);

	return member && !member->is_observer;
}

size_t members_voter_count(const struct members *members)
{
	size_t count = 0;

	for (size_t i = 0; i < members->count; i++)
		count += !members->members[i].is_observer;
	return count;
}

bool members_may_lead(const struct members *members, int64_t sid)
{
	const struct member *member = find(members, sid);

	if (!member || member->is_observer)
		return false;
	return !members->has_groups || member->weight > 0;
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same_server(const struct quorum_server *a, const struct quorum_server *b)
{
	if (a->is_observer != b->is_observer || a->address_count != b->address_count)
		return false;
	for (size_t i = 0; i < a->address_count; i++) {
		const struct quorum_address *x = &a->addresses[i];
		const struct quorum_address *y = &b->addresses[i];

		if (strcmp(x->host, y->host) != 0 || x->quorum_port != y->quorum_port ||
		    x->election_port != y->election_port)
			return false;
	}
	return is_same_text(a->client_host, b->client_host) && a->client_port == b->client_port;
}

/* Server lines may say the same in different words: "a:1:2" and "a:1:2:participant". */
static bool is_same_address(const struct member *a, const struct member *b)
{
	struct quorum_server left = {0};
	struct quorum_server right = {0};
	char *why;
	bool is_same;

	if (strcmp(a->address, b->address) == 0)
		return true;
	/* members_parse has read both. */
	ASSERT(quorum_server_parse(a->sid, a->address, &left, &why) == 0);
	ASSERT(quorum_server_parse(b->sid, b->address, &right, &why) == 0);
	is_same = is_same_server(&left, &right);
	quorum_server_release(&left);
	quorum_server_release(&right);
	return is_same;
}

bool members_equal(const struct members *a, const struct members *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->members[i].sid != b->members[i].sid ||
		    !is_same_address(&a->members[i], &b->members[i]))
			return false;
	return true;
}

/* ---- quorums ---- */

static bool is_majority(const struct members *members, members_has_fn *has, const void *data)
{
	size_t count = 0;

	for (size_t i = 0; i < members->count; i++) {
		const struct member *member = &members->members[i];

		if (!member->is_observer && has(data, member->sid))
			count++;
	}
	return count > members_voter_count(members) / 2;
}

/* Whether no member before it is in its group. */
static bool is_first_of_group(const struct members *members, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (members->members[i].group == members->members[index].group)
			return false;
	return true;
}

struct group_weight {
	int64_t all;
	int64_t had;
};

/* A grouped observer's weight counts in the whole, as in Java; it never says yes. */
static struct group_weight weigh_group(const struct members *members, int64_t group,
				       members_has_fn *has, const void *data)
{
	struct group_weight weight = {0};

	for (size_t i = 0; i < members->count; i++) {
		const struct member *member = &members->members[i];

		if (member->group != group)
			continue;
		weight.all += member->weight;
		if (!member->is_observer && has(data, member->sid))
			weight.had += member->weight;
	}
	return weight;
}

/* QuorumHierarchical.containsQuorum */
static bool is_hierarchical_quorum(const struct members *members, members_has_fn *has,
				   const void *data)
{
	size_t group_count = 0;
	size_t won_count = 0;

	for (size_t i = 0; i < members->count; i++) {
		int64_t group = members->members[i].group;
		struct group_weight weight;

		if (group == MEMBER_NO_GROUP || !is_first_of_group(members, i))
			continue;
		weight = weigh_group(members, group, has, data);
		group_count += weight.all > 0;
		won_count += weight.had > weight.all / 2;
	}
	return won_count > group_count / 2;
}

bool members_is_quorum(const struct members *members, members_has_fn *has, const void *data)
{
	if (members->has_groups)
		return is_hierarchical_quorum(members, has, data);
	return is_majority(members, has, data);
}
