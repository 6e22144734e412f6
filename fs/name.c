/*
 * Shown names.
 *
 * An escape is "%2E" where a name would begin with the dot of a special one,
 * and "%25~" where it would end in the mark of a digest. What already looks
 * like that gets one more "25" behind its '%':
 *
 *	.data           %2Edata
 *	%2Edata         %252Edata
 *	%252Edata       %25252Edata
 *	a%~<40 hex>     a%25~<40 hex>
 *	a%25~<40 hex>   a%2525~<40 hex>
 *
 * Every other name, whatever percent signs it has, is shown as it is: so each
 * name has one shown form, and each shown form that fits means one name.
 */
#include "fs/name.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/opcode.h"

enum { SHA1_SIZE = 20, SHA1_HEX_SIZE = 2 * SHA1_SIZE };

/* "%~" and the digits */
enum { DIGEST_MARK_SIZE = 2 + SHA1_HEX_SIZE };

/* The largest TTL that a ZooKeeper server takes (EphemeralType.TTL), in whole seconds. */
enum { TTL_SECONDS_MAX = 0xffffffffffLL / 1000 };

static const char ttl_prefix[] = ".ttl=";

static bool text_is(const char *text, size_t size, const char *other)
{
	return strlen(other) == size && memcmp(text, other, size) == 0;
}

static bool is_hex(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f'))
			return false;
	}
	return true;
}

static size_t count_digits(const char *text, size_t size)
{
	size_t count = 0;

	while (count < size && text[count] >= '0' && text[count] <= '9')
		count++;
	return count;
}

/* ".ttl=" and digits: special whatever the number says. */
static bool is_ttl(const char *text, size_t size)
{
	size_t prefix_size = sizeof(ttl_prefix) - 1;

	return size > prefix_size && memcmp(text, ttl_prefix, prefix_size) == 0 &&
	       count_digits(text + prefix_size, size - prefix_size) == size - prefix_size;
}

/* Does a path component of that text mean something else than a znode? */
static bool is_special(const char *text, size_t size, bool in_root)
{
	static const char *const specials[] = {".",          "..",          ".data",
					       ".ephemeral", ".sequential", ".container"};

	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		if (text_is(text, size, specials[i]))
			return true;
	}
	return is_ttl(text, size) || (in_root && text_is(text, size, ".zkfs"));
}

/* How many bytes of "25" repeated stand at text. */
static size_t count_25(const char *text, size_t size)
{
	size_t at = 0;

	while (at + 2 <= size && memcmp(text + at, "25", 2) == 0)
		at += 2;
	return at;
}

/* '%', any number of "25", "2E", and what a special name has behind its dot. */
static bool is_special_escaped(const char *text, size_t size, bool in_root)
{
	char special[NAME_SIZE_MAX + 1];
	size_t at;

	if (size == 0 || text[0] != '%')
		return false;
	at = 1 + count_25(text + 1, size - 1);
	if (size - at < 2 || memcmp(text + at, "2E", 2) != 0)
		return false;
	at += 2;
	if (size - at > NAME_SIZE_MAX - 1)
		return false;
	special[0] = '.';
	memcpy(special + 1, text + at, size - at);
	return is_special(special, 1 + size - at, in_root);
}

/*
 * Where the '%' of "%~<40 hex>", or of the same with "25" in between, begins
 * at the text's end; -1 if it doesn't end so. *ret_escaped tells which.
 */
static ptrdiff_t find_digest_mark(const char *text, size_t size, bool *ret_escaped)
{
	size_t at;

	if (size < DIGEST_MARK_SIZE || !is_hex(text + size - SHA1_HEX_SIZE, SHA1_HEX_SIZE))
		return -1;
	at = size - SHA1_HEX_SIZE - 1;
	if (text[at] != '~')
		return -1;
	*ret_escaped = at >= 3 && memcmp(text + at - 2, "25", 2) == 0;
	while (at >= 3 && memcmp(text + at - 2, "25", 2) == 0)
		at -= 2;
	return text[at - 1] == '%' ? (ptrdiff_t)at - 1 : -1;
}

/* text with insert between its first `at` bytes and those behind the next `skip`. */
static size_t splice(char *ret_text, const char *text, size_t size, size_t at, size_t skip,
		     const char *insert)
{
	size_t insert_size = strlen(insert);

	memcpy(ret_text, text, at);
	memcpy(ret_text + at, insert, insert_size);
	memcpy(ret_text + at + insert_size, text + at + skip, size - at - skip);
	return size - skip + insert_size;
}

static bool can_be_file_name(const char *text, size_t size)
{
	return size > 0 && size <= NAME_SIZE_MAX && !memchr(text, '\0', size) &&
	       !memchr(text, '/', size);
}

/* How much of the name stands before the digest: cut at a character, and before what no name holds.
 */
static size_t digest_prefix_size(const char *name, size_t size)
{
	size_t cut = size;
	const char *bad;

	if (cut > NAME_SIZE_MAX - DIGEST_MARK_SIZE) {
		cut = NAME_SIZE_MAX - DIGEST_MARK_SIZE;
		/* A UTF-8 character has up to three bytes 10xxxxxx behind its first. */
		for (int i = 0; i < 3 && cut > 0 && (name[cut] & 0xc0) == 0x80; i++)
			cut--;
	}
	bad = memchr(name, '\0', cut);
	if (bad)
		cut = (size_t)(bad - name);
	bad = memchr(name, '/', cut);
	return bad ? (size_t)(bad - name) : cut;
}

static void show_digest(struct bytes name, char ret_shown[NAME_SIZE_MAX + 1])
{
	size_t cut = digest_prefix_size(name.data, bytes_size(name));
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_size;
	char *at = ret_shown + cut;

	memcpy(ret_shown, name.data, cut);
	/* It fails only where there is no memory, or no SHA-1 in libcrypto. */
	ASSERT(EVP_Digest(name.data, bytes_size(name), digest, &digest_size, EVP_sha1(), NULL) ==
	       1);
	ASSERT(digest_size == SHA1_SIZE);
	*at++ = '%';
	*at++ = '~';
	for (size_t i = 0; i < SHA1_SIZE; i++) {
		*at++ = "0123456789abcdef"[digest[i] >> 4];
		*at++ = "0123456789abcdef"[digest[i] & 15];
	}
	*at = '\0';
}

void name_show(struct bytes name, bool in_root, char ret_shown[NAME_SIZE_MAX + 1])
{
	char shown[NAME_SIZE_MAX + 1 + 2];
	const char *text = name.data;
	size_t size = bytes_size(name);
	bool escaped;
	ptrdiff_t mark;

	if (!can_be_file_name(text, size)) {
		show_digest(bytes_of(text ? text : "", size), ret_shown);
		return;
	}
	mark = find_digest_mark(text, size, &escaped);
	if (is_special(text, size, in_root))
		size = splice(shown, text, size, 0, 1, "%2E");
	else if (is_special_escaped(text, size, in_root))
		size = splice(shown, text, size, 1, 0, "25");
	else if (mark >= 0)
		size = splice(shown, text, size, (size_t)mark + 1, 0, "25");
	else
		memcpy(shown, text, size);

	if (size > NAME_SIZE_MAX) {
		show_digest(name, ret_shown);
		return;
	}
	memcpy(ret_shown, shown, size);
	ret_shown[size] = '\0';
}

static enum name_meaning parse_special(const char *shown, struct create_mode *ret_mode)
{
	struct create_mode mode = {0};
	unsigned long long seconds;

	if (strcmp(shown, ".data") == 0)
		return NAME_DATA;
	if (strcmp(shown, ".zkfs") == 0)
		return NAME_ZKFS;
	if (strcmp(shown, ".ephemeral") == 0) {
		mode.ephemeral = true;
	} else if (strcmp(shown, ".sequential") == 0) {
		mode.sequential = true;
	} else if (strcmp(shown, ".container") == 0) {
		mode.container = true;
	} else if (is_ttl(shown, strlen(shown))) {
		/* Out of its range it is ULLONG_MAX. */
		seconds = strtoull(shown + sizeof(ttl_prefix) - 1, NULL, 10);
		if (seconds == 0 || seconds > TTL_SECONDS_MAX)
			return NAME_INVALID;
		mode.ttl_ms = (int64_t)seconds * 1000;
	} else {
		return NAME_INVALID; /* "." and ".." are the kernel's */
	}
	*ret_mode = mode;
	return NAME_MODE;
}

enum name_meaning name_parse(const char *shown, bool in_root, char **ret_name,
			     struct create_mode *ret_mode)
{
	size_t size = strlen(shown);
	char name[NAME_SIZE_MAX + 1];
	bool escaped;
	ptrdiff_t mark;

	if (!can_be_file_name(shown, size))
		return NAME_INVALID;
	if (is_special(shown, size, in_root))
		return parse_special(shown, ret_mode);

	mark = find_digest_mark(shown, size, &escaped);
	if (mark >= 0 && !escaped)
		return NAME_DIGEST;
	if (mark >= 0)
		size = splice(name, shown, size, (size_t)mark + 1, 2, "");
	else if (!is_special_escaped(shown, size, in_root))
		memcpy(name, shown, size);
	else if (count_25(shown + 1, size - 1) > 0)
		size = splice(name, shown, size, 1, 2, "");
	else
		size = splice(name, shown, size, 0, 3, ".");
	*ret_name = mem_dup(name, size);
	return NAME_ZNODE;
}

bool name_mode_compose(const struct create_mode *outer, const struct create_mode *inner,
		       struct create_mode *ret_mode)
{
	struct create_mode both = {
		.ephemeral = outer->ephemeral || inner->ephemeral,
		.sequential = outer->sequential || inner->sequential,
		.container = outer->container || inner->container,
		.ttl_ms = outer->ttl_ms ? outer->ttl_ms : inner->ttl_ms,
	};
	bool repeats = (outer->ephemeral && inner->ephemeral) ||
		       (outer->sequential && inner->sequential) ||
		       (outer->container && inner->container) || (outer->ttl_ms && inner->ttl_ms);

	/* CreateMode has these alone: a TTL may be sequential, a container is nothing else. */
	if (repeats || (both.ttl_ms && both.ephemeral) ||
	    (both.container && (both.ephemeral || both.sequential || both.ttl_ms)))
		return false;
	*ret_mode = both;
	return true;
}

int32_t name_mode_flags(const struct create_mode *mode)
{
	if (mode->container)
		return ZK_CONTAINER;
	if (mode->ttl_ms)
		return mode->sequential ? ZK_PERSISTENT_SEQUENTIAL_WITH_TTL
					: ZK_PERSISTENT_WITH_TTL;
	if (mode->ephemeral)
		return mode->sequential ? ZK_EPHEMERAL_SEQUENTIAL : ZK_EPHEMERAL;
	return mode->sequential ? ZK_PERSISTENT_SEQUENTIAL : ZK_PERSISTENT;
}

void name_mode_format(const struct create_mode *mode, char ret_text[64])
{
	const char *slash = "";
	int at = 0;

	ret_text[0] = '\0';
	if (mode->ephemeral) {
		at += sprintf(ret_text + at, ".ephemeral");
		slash = "/";
	}
	if (mode->container) {
		at += sprintf(ret_text + at, "%s.container", slash);
		slash = "/";
	}
	if (mode->ttl_ms) {
		at += sprintf(ret_text + at, "%s.ttl=%lld", slash,
			      (long long)(mode->ttl_ms / 1000));
		slash = "/";
	}
	if (mode->sequential)
		at += sprintf(ret_text + at, "%s.sequential", slash);
	ASSERT(at < 64);
}

bool name_is_contender(struct bytes name)
{
	static const char *const marks[] = {"__lock__", "__rlock__"};
	enum { UUID_SIZE = 32, DIGITS_MIN = 10 };
	const char *text = name.data;
	size_t size = bytes_size(name);

	if (size <= UUID_SIZE || !is_hex(text, UUID_SIZE))
		return false;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		size_t prefix_size = UUID_SIZE + strlen(marks[i]);
		const char *number = text + prefix_size;

		if (size < prefix_size + DIGITS_MIN ||
		    memcmp(text + UUID_SIZE, marks[i], strlen(marks[i])) != 0)
			continue;
		/* "%010d": the counter wraps to negative numbers. */
		if (*number == '-')
			return count_digits(number + 1, size - prefix_size - 1) ==
			       size - prefix_size - 1;
		return count_digits(number, size - prefix_size) == size - prefix_size;
	}
	return false;
}
