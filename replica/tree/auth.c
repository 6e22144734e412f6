#include "replica/tree/auth.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/zk/jute.h"

/* ---- ids ---- */

bool auth_ids_next(const struct auth_ids *ids, size_t *at, struct auth_id *ret_id)
{
	const uint8_t *data = ids->encoded.data;
	size_t size = bytes_size(ids->encoded);
	struct jute_reader reader;

	if (*at >= size)
		return false;
	jute_reader_init(&reader, data + *at, size - *at, size);
	ret_id->scheme = jute_read_ustring(&reader);
	ret_id->id = jute_read_ustring(&reader);
	*at = size - jute_left(&reader);
	return !reader.error;
}

static void add_id(struct auth *auth, struct bytes scheme, struct bytes id)
{
	struct auth_ids ids = auth_get_ids(auth);
	struct auth_id have;

	for (size_t at = 0; auth_ids_next(&ids, &at, &have);)
		if (bytes_equal(have.scheme, scheme) && bytes_equal(have.id, id))
			return;
	jute_write_ustring(&auth->encoded, scheme);
	jute_write_ustring(&auth->encoded, id);
	auth->count++;
}

void auth_init(struct auth *auth, struct bytes address)
{
	buf_init(&auth->encoded, AUTH_SIZE_MAX);
	auth->count = 0;
	add_id(auth, bytes_of_text("ip"), address);
}

void auth_release(struct auth *auth)
{
	buf_release(&auth->encoded);
}

struct auth_ids auth_get_ids(const struct auth *auth)
{
	return (struct auth_ids){.count = auth->count,
				 .encoded = bytes_of(auth->encoded.data, auth->encoded.size)};
}

/* ---- scheme ip (IPAuthenticationProvider) ---- */

struct ip_prefix {
	uint8_t address[16];
	int size; /* 4 or 16 */
	int bits;
};

/* A number of at most three digits below limit; -1 if it isn't one. */
static int read_number(const char **at, const char *end, int limit)
{
	const char *begin = *at;
	int number = 0;

	for (; *at < end && **at >= '0' && **at <= '9' && *at - begin < 3; (*at)++)
		number = number * 10 + (**at - '0');
	return *at > begin && number < limit ? number : -1;
}

static bool read_ipv4(const char *at, const char *end, struct ip_prefix *prefix)
{
	for (int part = 0; part < 4; part++) {
		int number = read_number(&at, end, 256);

		if (number < 0 || (part < 3 && (at == end || *at++ != '.')))
			return false;
		prefix->address[part] = (uint8_t)number;
	}
	prefix->size = 4;
	return at == end;
}

/* No embedded IPv4, no zone, no brackets: 3.9.4 has a parser of its own that knows none of them. */
static bool read_ipv6(const char *at, const char *end, struct ip_prefix *prefix)
{
	char text[INET6_ADDRSTRLEN];
	size_t size = (size_t)(end - at);

	if (size >= sizeof(text) || memchr(at, '.', size) || memchr(at, '\0', size))
		return false;
	memcpy(text, at, size);
	text[size] = '\0';
	prefix->size = 16;
	return inet_pton(AF_INET6, text, prefix->address) == 1;
}

static bool read_prefix(struct bytes text, struct ip_prefix *prefix)
{
	const char *at = text.data;
	const char *end = at + bytes_size(text);
	const char *slash = memchr(at, '/', bytes_size(text));
	const char *address_end = slash ? slash : end;
	const char *bits = slash ? slash + 1 : end;

	if (!read_ipv4(at, address_end, prefix) && !read_ipv6(at, address_end, prefix))
		return false;
	prefix->bits = prefix->size * 8;
	if (!slash)
		return true;
	prefix->bits = read_number(&bits, end, prefix->bits + 1);
	return prefix->bits >= 0 && bits == end;
}

static bool ip_is_valid(struct bytes id)
{
	struct ip_prefix prefix;

	return read_prefix(id, &prefix);
}

static bool ip_matches(struct bytes address, struct bytes acl_id)
{
	struct ip_prefix have;
	struct ip_prefix want;

	if (!read_prefix(address, &have) || !read_prefix(acl_id, &want) || have.size != want.size)
		return false;
	for (int bit = 0; bit < want.bits; bit += 8) {
		int left = want.bits - bit;
		uint8_t mask = left >= 8 ? 0xff : (uint8_t)(0xff << (8 - left));

		if ((have.address[bit / 8] ^ want.address[bit / 8]) & mask)
			return false;
	}
	return true;
}

static bool ip_authenticate(struct auth *auth, struct bytes payload, const char *super_digest)
{
	return true; /* the id is there from the beginning */
}

static struct bytes ip_user(struct bytes id)
{
	return id;
}

/* ---- scheme digest (DigestAuthenticationProvider) ---- */

/* Java splits at ':' into exactly two parts; it drops empty parts at the end, none elsewhere. */
static bool digest_is_valid(struct bytes id)
{
	const char *text = id.data;
	size_t size = bytes_size(id);
	int colons = 0;

	while (size > 0 && text[size - 1] == ':')
		size--;
	for (size_t at = 0; at < size; at++)
		colons += text[at] == ':';
	return colons == 1;
}

static bool digest_matches(struct bytes id, struct bytes acl_id)
{
	return bytes_equal(id, acl_id);
}

static struct bytes digest_user(struct bytes id)
{
	const char *colon = memchr(id.data, ':', bytes_size(id));

	return colon ? bytes_of(id.data, (size_t)(colon - (const char *)id.data)) : id;
}

/* user ":" base64(SHA1(user ":" password)) */
static bool digest_authenticate(struct auth *auth, struct bytes payload, const char *super_digest)
{
	uint8_t hash[SHA_DIGEST_LENGTH];
	uint8_t base64[(SHA_DIGEST_LENGTH + 2) / 3 * 4 + 1];
	struct bytes user = digest_user(payload);
	struct buf id;

	buf_init(&id, AUTH_SIZE_MAX);
	(void)SHA1(payload.data, bytes_size(payload), hash); /* returns hash */
	buf_append(&id, user.data, bytes_size(user));
	buf_append(&id, ":", 1);
	buf_append(&id, base64, (size_t)EVP_EncodeBlock(base64, hash, sizeof(hash)));
	if (!id.error) {
		if (super_digest && bytes_equal_text(buf_bytes(&id), super_digest))
			add_id(auth, bytes_of_text("super"), bytes_of("", 0));
		add_id(auth, bytes_of_text("digest"), buf_bytes(&id));
	}
	buf_release(&id);
	return !id.error && !auth->encoded.error;
}

/* ---- the providers ---- */

static const struct provider {
	const char *scheme;
	bool (*is_valid)(struct bytes acl_id);
	bool (*matches)(struct bytes id, struct bytes acl_id);
	bool (*authenticate)(struct auth *auth, struct bytes payload, const char *super_digest);
	struct bytes (*user)(struct bytes id);
	bool is_authenticated; /* counts for the expansion of "auth" */
} providers[] = {
	{"ip", ip_is_valid, ip_matches, ip_authenticate, ip_user, false},
	{"digest", digest_is_valid, digest_matches, digest_authenticate, digest_user, true},
};

static const struct provider *find_provider(struct bytes scheme)
{
	for (size_t at = 0; at < sizeof(providers) / sizeof(providers[0]); at++)
		if (bytes_equal_text(scheme, providers[at].scheme))
			return &providers[at];
	return NULL;
}

enum zk_code auth_add(struct auth *auth, struct bytes scheme, struct bytes payload,
		      const char *super_digest)
{
	const struct provider *provider = find_provider(scheme);

	if (!provider || bytes_is_null(payload))
		return ZK_AUTHFAILED;
	return provider->authenticate(auth, payload, super_digest) ? ZK_OK : ZK_AUTHFAILED;
}

struct bytes auth_user(const struct auth_id *id)
{
	const struct provider *provider = find_provider(id->scheme);

	return provider ? provider->user(id->id) : id->id;
}

/* ---- checking ---- */

static bool is_anyone(const struct zk_acl *acl)
{
	return bytes_equal_text(acl->scheme, "world") && bytes_equal_text(acl->id, "anyone");
}

static bool entry_matches(const struct auth_ids *ids, const struct zk_acl *acl)
{
	const struct provider *provider;
	struct auth_id id;

	if (is_anyone(acl))
		return true;
	provider = find_provider(acl->scheme);
	if (!provider || bytes_is_null(acl->id))
		return false;
	for (size_t at = 0; auth_ids_next(ids, &at, &id);)
		if (bytes_equal(id.scheme, acl->scheme) && provider->matches(id.id, acl->id))
			return true;
	return false;
}

static bool is_super(const struct auth_ids *ids)
{
	struct auth_id id;

	for (size_t at = 0; auth_ids_next(ids, &at, &id);)
		if (bytes_equal_text(id.scheme, "super"))
			return true;
	return false;
}

bool auth_permits(const struct auth_ids *ids, const struct zk_acls *acls, int32_t perms)
{
	struct zk_acl acl;

	if (acls->count <= 0)
		return true;
	for (size_t at = 0; zk_acls_next(acls, &at, &acl);)
		if ((acl.perms & perms) != 0 && entry_matches(ids, &acl))
			return true;
	return is_super(ids);
}

/* ---- the fix-up of what a client asks for ---- */

static bool expand_auth(const struct auth_ids *ids, int32_t perms, struct buf *buf, int32_t *count)
{
	bool found = false;
	struct auth_id id;

	for (size_t at = 0; auth_ids_next(ids, &at, &id);) {
		const struct provider *provider = find_provider(id.scheme);
		struct zk_acl acl = {.perms = perms, .scheme = id.scheme, .id = id.id};

		if (!provider || !provider->is_authenticated)
			continue;
		zk_acl_write(buf, &acl);
		(*count)++;
		found = true;
	}
	return found;
}

static enum zk_code fix_entry(const struct auth_ids *ids, const struct zk_acl *acl, struct buf *buf,
			      int32_t *count)
{
	const struct provider *provider;

	if (bytes_is_null(acl->scheme))
		return ZK_INVALIDACL;
	if (bytes_equal_text(acl->scheme, "auth"))
		return expand_auth(ids, acl->perms, buf, count) ? ZK_OK : ZK_INVALIDACL;
	if (!is_anyone(acl)) {
		provider = find_provider(acl->scheme);
		if (!provider)
			return ZK_INVALIDACL;
		if (bytes_is_null(acl->id))
			return ZK_MARSHALLINGERROR;
		if (!provider->is_valid(acl->id))
			return ZK_INVALIDACL;
	}
	zk_acl_write(buf, acl);
	(*count)++;
	return ZK_OK;
}

/*
 * Entries that were met already. A map, for a frame holds tens of thousands of
 * entries and the loop waits for none of them.
 */
struct entry_set {
	struct map map;
	struct map_entry *entries;
	size_t count;
};

static bool entry_set_add(struct entry_set *set, struct bytes encoded)
{
	if (map_find(&set->map, encoded))
		return false;
	map_insert(&set->map, &set->entries[set->count++], encoded);
	return true;
}

static enum zk_code fix_entries(const struct auth_ids *ids, const struct zk_acls *acls,
				struct entry_set *seen, struct buf *buf, int32_t *count)
{
	const uint8_t *encoded = acls->encoded.data;
	enum zk_code code = ZK_OK;
	struct zk_acl acl;
	size_t begin = 0;

	for (size_t at = 0; code == ZK_OK && zk_acls_next(acls, &at, &acl); begin = at)
		if (acls->count == 1 || entry_set_add(seen, bytes_of(encoded + begin, at - begin)))
			code = fix_entry(ids, &acl, buf, count);
	return code;
}

enum zk_code auth_fix_acls(const struct auth_ids *ids, const struct zk_acls *acls, struct buf *buf,
			   struct zk_acls *ret_acls)
{
	struct entry_set seen = {0};
	size_t begin = buf->size;
	int32_t count = 0;
	enum zk_code code;

	if (acls->count <= 0)
		return ZK_INVALIDACL;
	map_init(&seen.map);
	if (acls->count > 1)
		seen.entries = mem_alloc((size_t)acls->count * sizeof(struct map_entry));
	code = fix_entries(ids, acls, &seen, buf, &count);
	map_release(&seen.map);
	free(seen.entries);
	if (code != ZK_OK)
		return code;
	if (buf->error)
		return ZK_INVALIDACL;
	*ret_acls = (struct zk_acls){.count = count,
				     .encoded = bytes_of(buf->data + begin, buf->size - begin)};
	return ZK_OK;
}
