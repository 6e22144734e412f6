#include "src/zk/path.h"

#include <stdint.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

enum { CODE_POINT_INVALID = UINT16_MAX };

static bool is_continuation(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

/*
 * The code point at *at, which is moved behind it. Two kinds of bytes become
 * CODE_POINT_INVALID, which no path may hold: malformed ones (ZooKeeper decodes
 * them to U+FFFD) and sequences of four, which stand for what is outside the
 * Basic Multilingual Plane (surrogates in UTF-16).
 */
static uint32_t next_code_point(const uint8_t **at, const uint8_t *end)
{
	const uint8_t *byte = *at;
	size_t left = (size_t)(end - byte);
	uint32_t point = CODE_POINT_INVALID;
	size_t size = 1;

	if (byte[0] < 0x80) {
		point = byte[0];
	} else if (byte[0] >= 0xc2 && byte[0] < 0xe0 && left >= 2 && is_continuation(byte[1])) {
		point = (byte[0] & 0x1fU) << 6 | (byte[1] & 0x3fU);
		size = 2;
	} else if (byte[0] >= 0xe0 && byte[0] < 0xf0 && left >= 3 && is_continuation(byte[1]) &&
		   is_continuation(byte[2]) && !(byte[0] == 0xe0 && byte[1] < 0xa0)) {
		point = (byte[0] & 0x0fU) << 12 | (byte[1] & 0x3fU) << 6 | (byte[2] & 0x3fU);
		size = 3;
	}
	*at += size;
	return point;
}

/* PathUtils.validatePath; the surrogates that UTF-8 can't hold are in the third range. */
static bool is_allowed(uint32_t point)
{
	return point >= 0x20 && !(point >= 0x7f && point <= 0x9f) &&
	       !(point >= 0xd800 && point <= 0xf8ff) && !(point >= 0xfff0 && point <= 0xffff);
}

bool zk_path_name_is_valid(struct bytes name)
{
	const uint8_t *at = name.data;
	const uint8_t *end;

	if (bytes_size(name) == 0 || bytes_equal_text(name, ".") || bytes_equal_text(name, ".."))
		return false;
	end = at + name.size;
	while (at < end) {
		uint32_t point = next_code_point(&at, end);

		if (point == '/' || !is_allowed(point))
			return false;
	}
	return true;
}

bool zk_path_is_valid(struct bytes path)
{
	const char *at = path.data;
	const char *end;

	if (bytes_size(path) == 0 || *at != '/')
		return false;
	if (path.size == 1)
		return true;
	end = at + path.size;
	while (at < end) {
		const char *name = at + 1;
		const char *slash = memchr(name, '/', (size_t)(end - name));

		at = slash ? slash : end;
		if (!zk_path_name_is_valid(bytes_of(name, (size_t)(at - name))))
			return false;
	}
	return true;
}

static size_t last_slash(struct bytes path)
{
	const char *slash = memrchr(path.data, '/', bytes_size(path));

	ASSERT(slash);
	return (size_t)(slash - (const char *)path.data);
}

struct bytes zk_path_parent(struct bytes path)
{
	size_t slash = last_slash(path);

	ASSERT(path.size > 1);
	return bytes_of(path.data, slash > 0 ? slash : 1);
}

struct bytes zk_path_name(struct bytes path)
{
	size_t begin = last_slash(path) + 1;

	return bytes_of((const char *)path.data + begin, bytes_size(path) - begin);
}

bool zk_path_is_within(struct bytes path, struct bytes ancestor)
{
	size_t size = bytes_size(ancestor);

	if (size == 0 || bytes_size(path) < size || memcmp(path.data, ancestor.data, size) != 0)
		return false;
	return bytes_size(path) == size || bytes_equal_text(ancestor, "/") ||
	       ((const char *)path.data)[size] == '/';
}

char *zk_path_join(struct bytes parent, struct bytes name)
{
	size_t parent_size = bytes_equal_text(parent, "/") ? 0 : bytes_size(parent);
	size_t name_size = bytes_size(name);
	char *path = mem_alloc(parent_size + 1 + name_size + 1);

	ASSERT(!bytes_is_null(parent) && !bytes_is_null(name));
	memcpy(path, parent.data, parent_size);
	path[parent_size] = '/';
	memcpy(path + parent_size + 1, name.data, name_size);
	path[parent_size + 1 + name_size] = '\0';
	return path;
}

bool zk_path_is_system(struct bytes path)
{
	return zk_path_is_within(path, bytes_of_text("/zookeeper"));
}
