#include "src/zk/client_servers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"
#include "src/zk/path.h"

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n';
}

static struct bytes trim(struct bytes text)
{
	const char *at = text.data;
	size_t size = bytes_size(text);

	while (size > 0 && is_space(at[0])) {
		at++;
		size--;
	}
	while (size > 0 && is_space(at[size - 1]))
		size--;
	return bytes_of(at, size);
}

/* 1 to 65535 in decimal digits and nothing else; 0 if it is not. */
static uint16_t parse_port(struct bytes text)
{
	const char *at = text.data;
	unsigned port = 0;

	for (size_t i = 0; i < bytes_size(text); i++) {
		if (at[i] < '0' || at[i] > '9')
			return 0;
		port = port * 10 + (unsigned)(at[i] - '0');
		if (port > UINT16_MAX)
			return 0;
	}
	return (uint16_t)port;
}

/* Where the host ends and ":port" begins: the end if there is none. */
static const char *find_colon(const char *at, const char *end)
{
	for (; at < end; at++)
		if (*at == ':')
			return at;
	return end;
}

/*
 * Cut "host", "host:port", "[address]" or "[address]:port". Returns a sentence
 * about what is wrong, or NULL.
 */
static const char *split(struct bytes text, struct bytes *ret_host, uint16_t *ret_port)
{
	const char *begin = text.data;
	const char *end = begin + bytes_size(text);
	const char *host_end;
	const char *rest;

	if (begin < end && *begin == '[') {
		begin++;
		host_end = memchr(begin, ']', (size_t)(end - begin));
		if (!host_end)
			return "the bracket is not closed";
		rest = host_end + 1;
	} else {
		host_end = find_colon(begin, end);
		rest = host_end;
		if (rest < end && find_colon(rest + 1, end) < end)
			return "an IPv6 address needs brackets";
	}
	if (host_end == begin)
		return "there is no host";
	if (rest < end && *rest != ':')
		return "behind the bracket a port was expected";
	*ret_host = bytes_of(begin, (size_t)(host_end - begin));
	*ret_port = ZK_PORT_DEFAULT;
	if (rest < end)
		*ret_port = parse_port(bytes_of(rest + 1, (size_t)(end - rest - 1)));
	return *ret_port ? NULL : "the port is not a number from 1 to 65535";
}

static const char *add_server(struct zk_servers *servers, struct bytes text)
{
	struct bytes host;
	uint16_t port;
	const char *wrong = split(text, &host, &port);

	if (wrong)
		return wrong;
	if (servers->count == ZK_SERVERS_MAX)
		return "there are too many servers";
	servers->servers[servers->count++] =
		(struct zk_server){.host = bytes_dup(host), .port = port};
	return NULL;
}

/* Empty elements are skipped, as ConnectStringParser does ("a,,b"). */
static const char *parse_list(struct zk_servers *servers, struct bytes list, struct bytes *ret_at)
{
	const char *at = list.data;
	const char *end = at + bytes_size(list);

	*ret_at = list;
	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		struct bytes text = trim(bytes_of(at, (size_t)((comma ? comma : end) - at)));
		const char *wrong = bytes_size(text) > 0 ? add_server(servers, text) : NULL;

		*ret_at = text;
		if (wrong)
			return wrong;
		at = comma ? comma + 1 : end;
	}
	*ret_at = list;
	return servers->count == 0 ? "there is no server" : NULL;
}

static const char *parse_chroot(struct zk_servers *servers, const char *text)
{
	bool none = !text || !strcmp(text, "/");

	if (!none && !zk_path_is_valid(bytes_of_text(text)))
		return "the chroot is not a valid path";
	servers->chroot = mem_strdup(none ? "" : text);
	return NULL;
}

int zk_servers_parse(const char *text, struct zk_servers *ret_servers, char **ret_error)
{
	struct zk_servers servers = {.count = 0};
	const char *slash = strchr(text, '/');
	struct bytes at = bytes_of_text(text);
	const char *wrong = parse_chroot(&servers, slash);

	if (!wrong)
		wrong = parse_list(&servers,
				   bytes_of(text, slash ? (size_t)(slash - text) : strlen(text)),
				   &at);
	if (wrong) {
		zk_servers_release(&servers);
		*ret_error =
			mem_printf("'%.*s': %s", (int)bytes_size(at), (const char *)at.data, wrong);
		return -EINVAL;
	}
	*ret_servers = servers;
	return 0;
}

void zk_servers_release(struct zk_servers *servers)
{
	if (!servers)
		return;
	for (size_t i = 0; i < servers->count; i++)
		free(servers->servers[i].host);
	free(servers->chroot);
	*servers = (struct zk_servers){.count = 0};
}
