#include "replica/zab/quorum_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/base/mem.h"

enum { PARTS_MAX = 5, PORT_MAX = 65535 };

static const char grammar[] =
	"needs host:quorumPort:electionPort[:participant|observer][;[clientHost:]clientPort]";

static int fail(char **ret_error, char *error)
{
	*ret_error = error;
	return -EINVAL;
}

/*
 * Cuts text at its colons, in place, but not at those inside brackets, and
 * takes the brackets away (ConfigUtils.getHostAndPort). Returns the number of
 * parts; PARTS_MAX for that many or more, 0 for brackets that don't match.
 */
static size_t split_at_colons(char *text, char *parts[PARTS_MAX])
{
	size_t count = 0;
	char *close;

	if (*text == '[') {
		close = strchr(text, ']');
		if (!close || (close[1] != ':' && close[1] != '\0'))
			return 0;
		parts[count++] = text + 1;
		*close = '\0';
		if (close[1] == '\0')
			return count;
		text = close + 2;
	}
	for (;;) {
		parts[count++] = text;
		text = strchr(text, ':');
		if (!text || count == PARTS_MAX)
			return count;
		*text++ = '\0';
	}
}

static bool parse_port(const char *text, int *ret_port)
{
	char *end;
	long port;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	port = strtol(text, &end, 10);
	if (errno != 0 || *end || port > PORT_MAX)
		return false;
	*ret_port = (int)port;
	return true;
}

static char *trim(char *text)
{
	size_t size;

	text += strspn(text, " \t");
	size = strlen(text);
	while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
		text[--size] = '\0';
	return text;
}

static int parse_role(const char *text, bool *ret_is_observer, char **ret_error)
{
	bool is_observer = strcasecmp(text, "observer") == 0;

	if (!is_observer && strcasecmp(text, "participant") != 0)
		return fail(ret_error,
			    mem_printf("the role is '%s', not participant or observer", text));
	*ret_is_observer = is_observer;
	return 0;
}

/* Appends one host:quorumPort:electionPort[:role]. */
static int parse_address(struct quorum_server *server, char *text, char **ret_error)
{
	struct quorum_address *address = &server->addresses[server->address_count];
	bool is_observer = false;
	char *parts[PARTS_MAX];
	size_t count = split_at_colons(text, parts);
	int error;

	if (count < 3 || count > 4 || !*parts[0])
		return fail(ret_error, mem_strdup(grammar));
	if (!parse_port(parts[1], &address->quorum_port))
		return fail(ret_error, mem_printf("'%s' is no quorum port", parts[1]));
	if (!parse_port(parts[2], &address->election_port))
		return fail(ret_error, mem_printf("'%s' is no election port", parts[2]));
	if (address->quorum_port == address->election_port)
		return fail(ret_error, mem_strdup("quorum port and election port are the same"));
	if (count == 4) {
		error = parse_role(parts[3], &is_observer, ret_error);
		if (error < 0)
			return error;
	}
	if (server->address_count > 0 && is_observer != server->is_observer)
		return fail(ret_error, mem_strdup("its addresses have different roles"));
	server->is_observer = is_observer;
	address->host = mem_strdup(parts[0]);
	server->address_count++;
	return 0;
}

static int parse_addresses(struct quorum_server *server, char *text, char **ret_error)
{
	int error = 0;

	while (error == 0 && text) {
		char *next = strchr(text, '|');

		if (next)
			*next++ = '\0';
		if (server->address_count == QUORUM_SERVER_ADDRESSES_MAX)
			return fail(ret_error, mem_strdup("too many addresses"));
		error = parse_address(server, trim(text), ret_error);
		text = next;
	}
	return error;
}

/* What is behind the ';'. */
static int parse_client_part(struct quorum_server *server, char *text, char **ret_error)
{
	char *parts[PARTS_MAX];
	size_t count;

	if (strchr(text, ';'))
		return fail(ret_error, mem_strdup("more than one ';'"));
	count = split_at_colons(text, parts);
	if (count < 1 || count > 2)
		return fail(ret_error, mem_strdup(grammar));
	if (!parse_port(parts[count - 1], &server->client_port))
		return fail(ret_error, mem_printf("'%s' is no client port", parts[count - 1]));
	server->client_host = mem_strdup(count == 2 && *parts[0] ? parts[0] : "0.0.0.0");
	return 0;
}

int quorum_server_parse(int64_t id, const char *value, struct quorum_server *ret_server,
			char **ret_error)
{
	struct quorum_server server = {.id = id, .weight = 1};
	char *text = mem_strdup(value);
	char *client = strchr(text, ';');
	int error;

	if (client)
		*client++ = '\0';
	error = parse_addresses(&server, text, ret_error);
	if (error == 0 && client)
		error = parse_client_part(&server, trim(client), ret_error);
	free(text);
	if (error < 0)
		quorum_server_release(&server);
	else
		*ret_server = server;
	return error;
}

void quorum_server_release(struct quorum_server *server)
{
	for (size_t i = 0; i < server->address_count; i++)
		free(server->addresses[i].host);
	free(server->client_host);
	*server = (struct quorum_server){0};
}
