#include "replica/io/initiation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/endian.h"

enum { SID_SIZE = 8, HEAD_SIZE = 20, PORT_MAX = 65535 };

#define VERSION_ONE  INT64_C(-65536)
#define VERSION_MANY INT64_C(-65535)

static bool is_wildcard(const char *host)
{
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 ||
	       strcmp(host, "0:0:0:0:0:0:0:0") == 0;
}

/* A name or a literal address: nothing that could be anything else to the resolver. */
static bool is_host(const char *host)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_:%";

	return *host && strspn(host, letters) == strlen(host);
}

static int read_port(const char *text, uint16_t *ret_port)
{
	size_t size = strlen(text);
	long port;

	if (size < 1 || size > 5 || strspn(text, "0123456789") != size)
		return -EBADMSG;
	port = strtol(text, NULL, 10);
	if (port < 1 || port > PORT_MAX)
		return -EBADMSG;
	*ret_port = (uint16_t)port;
	return 0;
}

/* "host:port" or "[host]:port", in place. */
static int read_address(char *text, struct initiation *initiation)
{
	char *host = text;
	char *colon = strrchr(text, ':');
	struct initiation_address address;

	if (!colon)
		return -EBADMSG;
	*colon = '\0';
	if (*host == '[') {
		size_t size = strlen(++host);

		if (size == 0 || host[size - 1] != ']')
			return -EBADMSG;
		host[size - 1] = '\0';
	}
	if (!is_host(host) || strlen(host) >= sizeof(address.host) ||
	    read_port(colon + 1, &address.port) < 0)
		return -EBADMSG;
	memcpy(address.host, host, strlen(host) + 1);
	if (!is_wildcard(host) && initiation->address_count < INITIATION_ADDRESSES_MAX)
		initiation->addresses[initiation->address_count++] = address;
	return 0;
}

static int read_addresses(const uint8_t *data, size_t size, struct initiation *initiation)
{
	char text[INITIATION_TEXT_SIZE_MAX + 1];
	char *rest = text;
	char *one;
	int error = 0;

	if (memchr(data, '\0', size))
		return -EBADMSG;
	memcpy(text, data, size);
	text[size] = '\0';
	while (error == 0 && (one = strsep(&rest, "|")))
		error = read_address(one, initiation);
	return error;
}

/* The sid alone, or what stands behind the version. */
static int read_described(const uint8_t *data, size_t size, struct initiation *initiation)
{
	uint32_t text_size;

	if (size < HEAD_SIZE)
		return 0;
	initiation->sid = (int64_t)endian_get_u64(data + 8);
	text_size = endian_get_u32(data + 16);
	if (initiation->sid < 0 || text_size < 1 || text_size > INITIATION_TEXT_SIZE_MAX)
		return -EBADMSG;
	if (size - HEAD_SIZE < text_size)
		return 0;
	if (read_addresses(data + HEAD_SIZE, text_size, initiation) < 0)
		return -EBADMSG;
	return (int)(HEAD_SIZE + text_size);
}

int initiation_read(struct bytes bytes, struct initiation *ret_initiation)
{
	struct initiation initiation = {0};
	const uint8_t *data = bytes.data;
	size_t size = bytes_size(bytes);
	int64_t first;
	int used = SID_SIZE;

	if (size < SID_SIZE)
		return 0;
	first = (int64_t)endian_get_u64(data);
	if (first >= 0)
		initiation.sid = first;
	else if (first == VERSION_ONE || first == VERSION_MANY)
		used = read_described(data, size, &initiation);
	else
		used = -EBADMSG;
	if (used > 0)
		*ret_initiation = initiation;
	return used;
}

static void write_u64(struct buf *buf, uint64_t number)
{
	uint8_t bytes[8];

	endian_put_u64(bytes, number);
	buf_append(buf, bytes, sizeof(bytes));
}

void initiation_write(struct buf *buf, const struct quorum_server *self, bool several)
{
	size_t count = several ? self->address_count : 1;
	size_t size_at;

	write_u64(buf, (uint64_t)(several ? VERSION_MANY : VERSION_ONE));
	write_u64(buf, (uint64_t)self->id);
	size_at = buf->size;
	(void)buf_extend(buf, 4); /* filled in below; a full buffer says so by its error */
	for (size_t i = 0; i < count; i++) {
		const struct quorum_address *at = &self->addresses[i];

		buf_printf(buf, strchr(at->host, ':') ? "%s[%s]:%d" : "%s%s:%d", i ? "|" : "",
			   at->host, at->election_port);
	}
	if (!buf->error)
		endian_put_u32(buf->data + size_at, (uint32_t)(buf->size - size_at - 4));
}
