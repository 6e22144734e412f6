/* The ensemble of a configuration, as the text that its servers exchange. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "replica/io/config.h"

/* "[::1]" of "::1". */
static void write_host(struct buf *text, const char *host)
{
	buf_printf(text, strchr(host, ':') ? "[%s]" : "%s", host);
}

static void write_server(struct buf *text, const struct quorum_server *server)
{
	buf_printf(text, "server.%" PRId64 "=", server->id);
	for (size_t i = 0; i < server->address_count; i++) {
		const struct quorum_address *at = &server->addresses[i];

		if (i > 0)
			buf_append_text(text, "|");
		write_host(text, at->host);
		buf_printf(text, ":%d:%d", at->quorum_port, at->election_port);
	}
	buf_append_text(text, server->is_observer ? ":observer" : ":participant");
	if (server->client_host) {
		buf_append_text(text, ";");
		write_host(text, server->client_host);
		buf_printf(text, ":%d", server->client_port);
	}
	buf_append_text(text, "\n");
}

static void write_groups(const struct config *config, struct buf *text)
{
	for (size_t i = 0; i < config->group_count; i++)
		buf_printf(text, "group.%" PRId64 "=%s\n", config->groups[i].id,
			   config->groups[i].members);
	for (size_t i = 0; i < config->server_count; i++)
		buf_printf(text, "weight.%" PRId64 "=%" PRId64 "\n", config->servers[i].id,
			   config->servers[i].weight);
}

/* Of "zoo.cfg.dynamic.100000000" the number; 0 where there is none (getVersionFromFilename). */
static uint64_t version_of(const char *dynamic_config_file)
{
	const char *dot = dynamic_config_file ? strrchr(dynamic_config_file, '.') : NULL;
	size_t size = dot ? strlen(dot + 1) : 0;

	if (size < 1 || size > 16 || strspn(dot + 1, "0123456789abcdefABCDEF") != size)
		return 0;
	return strtoull(dot + 1, NULL, 16);
}

void config_write_members(const struct config *config, struct buf *text)
{
	for (size_t i = 0; i < config->server_count; i++)
		write_server(text, &config->servers[i]);
	if (config->group_count > 0)
		write_groups(config, text);
	buf_printf(text, "version=%" PRIx64, version_of(config->dynamic_config_file));
}
