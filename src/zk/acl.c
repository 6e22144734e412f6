#include "src/zk/acl.h"

#include <errno.h>
#include <string.h>

#include "src/base/assert.h"

/* An element is at least its perms and two lengths. */
enum { ACL_SIZE_MIN = 12 };

void zk_acl_read(struct jute_reader *reader, struct zk_acl *ret_acl)
{
	ret_acl->perms = jute_read_int(reader);
	ret_acl->scheme = jute_read_ustring(reader);
	ret_acl->id = jute_read_ustring(reader);
}

void zk_acl_write(struct buf *buf, const struct zk_acl *acl)
{
	jute_write_int(buf, acl->perms);
	jute_write_ustring(buf, acl->scheme);
	jute_write_ustring(buf, acl->id);
}

struct zk_acls zk_acls_read(struct jute_reader *reader)
{
	struct zk_acls acls = {.count = -1, .encoded = bytes_of("", 0)};
	int32_t count = jute_read_count(reader, ACL_SIZE_MIN);
	const uint8_t *begin = reader->at;
	struct zk_acl acl;

	for (int32_t i = 0; i < count && !reader->error; i++)
		zk_acl_read(reader, &acl);
	if (reader->error || count < 0)
		return acls;
	acls.count = count;
	acls.encoded = bytes_of(begin, (size_t)(reader->at - begin));
	return acls;
}

void zk_acls_write(struct buf *buf, const struct zk_acls *acls)
{
	jute_write_int(buf, acls->count);
	buf_append(buf, acls->encoded.data, bytes_size(acls->encoded));
}

bool zk_acls_next(const struct zk_acls *acls, size_t *at, struct zk_acl *ret_acl)
{
	struct jute_reader reader;
	size_t size = bytes_size(acls->encoded);

	if (acls->count <= 0 || *at >= size)
		return false;
	jute_reader_init(&reader, (const uint8_t *)acls->encoded.data + *at, size - *at, size);
	zk_acl_read(&reader, ret_acl);
	ASSERT(!reader.error);
	*at = size - jute_left(&reader);
	return true;
}

bool zk_acls_equal(const struct zk_acls *a, const struct zk_acls *b)
{
	return a->count == b->count && bytes_equal(a->encoded, b->encoded);
}

/* {int perms, ustring "world", ustring "anyone"} with the perms left open. */
#define WORLD_ANYONE(perms) "\0\0\0" perms "\0\0\0\005world\0\0\0\006anyone"

struct zk_acls zk_acls_open(void)
{
	static const char encoded[] = WORLD_ANYONE("\037");

	return (struct zk_acls){.count = 1, .encoded = bytes_of(encoded, sizeof(encoded) - 1)};
}

struct zk_acls zk_acls_read_only(void)
{
	static const char encoded[] = WORLD_ANYONE("\001");

	return (struct zk_acls){.count = 1, .encoded = bytes_of(encoded, sizeof(encoded) - 1)};
}

/* In the order in which zkCli prints them. */
static const struct {
	char letter;
	int32_t perm;
} perm_letters[] = {
	{'c', ZK_PERM_CREATE}, {'d', ZK_PERM_DELETE}, {'r', ZK_PERM_READ},
	{'w', ZK_PERM_WRITE},  {'a', ZK_PERM_ADMIN},
};

enum { PERM_COUNT = sizeof(perm_letters) / sizeof(perm_letters[0]) };

static int32_t perm_of_letter(char letter)
{
	for (int i = 0; i < PERM_COUNT; i++) {
		if (perm_letters[i].letter == letter)
			return perm_letters[i].perm;
	}
	return 0;
}

/* False if [text, end) isn't letters of "cdrwa" alone. None at all is no permission. */
static bool parse_perms(const char *text, const char *end, int32_t *ret_perms)
{
	int32_t perms = 0;

	for (; text < end; text++) {
		int32_t perm = perm_of_letter(*text);

		if (!perm)
			return false;
		perms |= perm;
	}
	*ret_perms = perms;
	return true;
}

/* Is [text, end) a whole "scheme:id:perms"? */
static bool parse_acl(const char *text, const char *end, struct zk_acl *ret_acl)
{
	size_t size = (size_t)(end - text);
	const char *first = memchr(text, ':', size);
	const char *last = memrchr(text, ':', size);
	int32_t perms;

	if (!first || first == text || first == last || !parse_perms(last + 1, end, &perms))
		return false;
	if (memchr(text, ',', (size_t)(first - text)))
		return false;
	*ret_acl = (struct zk_acl){
		.perms = perms,
		.scheme = bytes_of(text, (size_t)(first - text)),
		.id = bytes_of(first + 1, (size_t)(last - first - 1)),
	};
	return true;
}

/*
 * The ACL that begins at text; the result is its end, NULL if there is none. A
 * comma ends an ACL only where one is whole, since the distinguished names of
 * scheme x509 hold commas.
 */
static const char *next_acl(const char *text, struct zk_acl *ret_acl)
{
	const char *end = text;

	for (;;) {
		end = strchrnul(end, ',');
		if (parse_acl(text, end, ret_acl))
			return end;
		if (!*end)
			return NULL;
		end++;
	}
}

int zk_acls_parse(const char *text, struct buf *buf, struct zk_acls *ret_acls)
{
	size_t begin = buf->size;
	int32_t count = 0;
	struct zk_acl acl;

	for (;;) {
		text = next_acl(text, &acl);
		if (!text)
			goto invalid;
		zk_acl_write(buf, &acl);
		if (buf->error)
			goto invalid;
		count++;
		if (!*text)
			break;
		text++;
	}
	*ret_acls = (struct zk_acls){
		.count = count,
		.encoded = bytes_of(buf->data + begin, buf->size - begin),
	};
	return 0;

invalid:
	buf_truncate(buf, begin);
	return -EINVAL;
}

static void format_acl(struct buf *buf, const struct zk_acl *acl)
{
	buf_append(buf, acl->scheme.data, bytes_size(acl->scheme));
	buf_append(buf, ":", 1);
	buf_append(buf, acl->id.data, bytes_size(acl->id));
	buf_append(buf, ":", 1);
	for (int i = 0; i < PERM_COUNT; i++) {
		if (acl->perms & perm_letters[i].perm)
			buf_append(buf, &perm_letters[i].letter, 1);
	}
}

void zk_acls_format(struct buf *buf, const struct zk_acls *acls)
{
	const char *separator = "";
	struct zk_acl acl;

	for (size_t at = 0; zk_acls_next(acls, &at, &acl);) {
		buf_append_text(buf, separator);
		format_acl(buf, &acl);
		separator = ",";
	}
}
