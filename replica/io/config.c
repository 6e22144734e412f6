#include "replica/io/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "replica/io/config_keys.h"
#include "replica/zab/members.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/base/properties.h"
#include "src/zk/opcode.h"

/* ---- sentences ---- */

/* Where a key stands; line 0 when it is the absence of a key that is wrong. */
struct place {
	const char *file;
	int line;
	const char *key;
};

static char *sentence_at(const struct place *place, const char *format, va_list args)
{
	char text[1024];

	(void)vsnprintf(text, sizeof(text), format, args); /* a long value is cut */
	if (place->line > 0)
		return mem_printf("%s:%d: %s: %s", place->file, place->line, place->key, text);
	return mem_printf("%s: %s: %s", place->file, place->key, text);
}

__attribute__((format(printf, 3, 4))) static int
fail(struct config *config, const struct place *place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	free(config->error);
	config->error = sentence_at(place, format, args);
	va_end(args);
	return -EINVAL;
}

__attribute__((format(printf, 3, 4))) static void
warn(struct config *config, const struct place *place, const char *format, ...)
{
	va_list args;

	if (config->warning_count == CONFIG_WARNINGS_MAX)
		return;
	va_start(args, format);
	config->warnings[config->warning_count++] = sentence_at(place, format, args);
	va_end(args);
}

static int fail_missing(struct config *config, const char *key, const char *what)
{
	return fail(config, &(struct place){.file = config->file, .key = key}, "%s", what);
}

/* ---- values ---- */

/* Integer.parseInt for a key; Integer.decode, which knows 0x, for a system property. */
static bool parse_number(const char *text, bool is_system, int *ret_number)
{
	char *end;
	long number;

	if (!*text || strspn(text, " \t") > 0)
		return false;
	errno = 0;
	number = strtol(text, &end, is_system ? 0 : 10);
	if (errno != 0 || *end || number < INT_MIN || number > INT_MAX)
		return false;
	*ret_number = (int)number;
	return true;
}

/* A server's id or weight: decimal digits and nothing else. */
static bool parse_id(const char *text, int64_t *ret_id)
{
	char *end;

	if (!*text || strspn(text, "0123456789") != strlen(text))
		return false;
	errno = 0;
	*ret_id = strtoll(text, &end, 10);
	return errno == 0;
}

static bool parse_boolean(const char *text, bool is_lenient, bool *ret_value)
{
	bool is_true = strcasecmp(text, "true") == 0;
	bool is_false = strcasecmp(text, "false") == 0;

	if (is_lenient) {
		is_true = is_true || strcasecmp(text, "yes") == 0;
		is_false = is_false || strcasecmp(text, "no") == 0;
	}
	if (is_true || is_false)
		*ret_value = is_true;
	return is_true || is_false;
}

static bool is_switched_off(const char *value)
{
	return !*value || strcasecmp(value, "false") == 0 || strcasecmp(value, "no") == 0;
}

static void *field(struct config *config, const struct config_key *key)
{
	return (char *)config + key->offset;
}

static int set_number(struct config *config, const struct config_key *key,
		      const struct place *place, const char *value)
{
	int number;

	if (!parse_number(value, key->is_system, &number))
		return fail(config, place, "'%s' is no number", value);
	if (number < key->min)
		return fail(config, place, "%d is less than %d", number, key->min);
	if (number > key->max)
		return fail(config, place, "%d is more than %d", number, key->max);
	*(int *)field(config, key) = number;
	return 0;
}

static int set_boolean(struct config *config, const struct config_key *key,
		       const struct place *place, const char *value)
{
	bool is_lenient = key->kind == CONFIG_SWITCH;
	bool flag;

	if (!parse_boolean(value, is_lenient, &flag))
		return fail(config, place, "'%s' is neither true nor false", value);
	*(bool *)field(config, key) = flag;
	return 0;
}

static void set_text(struct config *config, const struct config_key *key, const char *value)
{
	char **text = field(config, key);

	free(*text);
	*text = mem_strdup(value);
}

/* The providers that every server has may be named; ZooKeeper registers them anyhow. */
static bool is_own_provider(const char *key, const char *value)
{
	static const char package[] = "org.apache.zookeeper.server.auth.";

	if (!strstr(key, "authProvider.") || strncmp(value, package, sizeof(package) - 1) != 0)
		return false;
	value += sizeof(package) - 1;
	return strcmp(value, "DigestAuthenticationProvider") == 0 ||
	       strcmp(value, "IPAuthenticationProvider") == 0;
}

static int set_key(struct config *config, const struct config_key *key, const struct place *place,
		   const char *value)
{
	switch (key->kind) {
	case CONFIG_NUMBER:
		return set_number(config, key, place, value);
	case CONFIG_BOOLEAN:
	case CONFIG_SWITCH:
		return set_boolean(config, key, place, value);
	case CONFIG_TEXT:
		set_text(config, key, value);
		return 0;
	case CONFIG_FIXED:
		if (strcasecmp(value, key->value) == 0)
			return 0;
		return fail(config, place, "only %s is supported", key->value);
	case CONFIG_IGNORED:
		return 0;
	case CONFIG_ABSENT:
		if (!is_switched_off(value))
			warn(config, place, "has no effect in this version");
		return 0;
	case CONFIG_REFUSED:
		if (is_switched_off(value) || is_own_provider(place->key, value))
			return 0;
		return fail(config, place, "is not available in this version");
	}
	ASSERT(!"a kind of key");
	return -EINVAL;
}

/* ---- server.N, weight.N, group.N ---- */

static struct quorum_server *find_server(struct config *config, int64_t id)
{
	for (size_t i = 0; i < config->server_count; i++)
		if (config->servers[i].id == id)
			return &config->servers[i];
	return NULL;
}

static int add_server(struct config *config, const struct place *place, const char *value)
{
	const char *number = strchr(place->key, '.') + 1;
	struct quorum_server *server;
	char *why;
	int64_t id;

	if (!parse_id(number, &id))
		return fail(config, place, "'%s' is no server's number, as in server.1", number);
	if (find_server(config, id))
		return fail(config, place, "server %lld is there twice", (long long)id);
	if (config->server_count == CONFIG_SERVERS_MAX)
		return fail(config, place, "more than %d servers", CONFIG_SERVERS_MAX);
	server = &config->servers[config->server_count];
	if (quorum_server_parse(id, value, server, &why) < 0) {
		(void)fail(config, place, "%s", why);
		free(why);
		return -EINVAL;
	}
	server->line = place->line;
	config->server_count++;
	if (server->address_count > 1 && !config->multi_address)
		return fail(config, place, "several addresses need multiAddress.enabled=true");
	return 0;
}

/* What it names is checked with all the rest, by config_check. */
static int add_group(struct config *config, const struct place *place, const char *value)
{
	int64_t id;

	if (!parse_id(strchr(place->key, '.') + 1, &id) || !*value ||
	    strspn(value, "0123456789:") != strlen(value))
		return fail(config, place, "needs group.N=A:B:C, numbers of servers");
	if (config->group_count == CONFIG_GROUPS_MAX)
		return fail(config, place, "more than %d groups", CONFIG_GROUPS_MAX);
	config->groups[config->group_count++] =
		(struct config_group){.id = id, .members = mem_strdup(value)};
	return 0;
}

static int set_weight(struct config *config, const struct place *place, const char *value)
{
	struct quorum_server *server;
	int64_t id, weight;

	if (!parse_id(strchr(place->key, '.') + 1, &id) || !parse_id(value, &weight))
		return fail(config, place, "needs weight.N=W, two numbers");
	server = find_server(config, id);
	if (!server)
		return fail(config, place, "there is no server.%lld", (long long)id);
	server->weight = weight;
	return 0;
}

static bool begins_with(const char *key, const char *prefix)
{
	return strncmp(key, prefix, strlen(prefix)) == 0;
}

static bool is_member_key(const char *key)
{
	return begins_with(key, "server.") || begins_with(key, "weight.") ||
	       begins_with(key, "group.");
}

/* Weights name servers, wherever in the file these stand; so servers go first. */
static int parse_members(struct config *config, const char *file,
			 const struct properties *properties)
{
	static const char *const passes[] = {"server.", "weight.", "group."};
	int error = 0;

	for (size_t pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < properties->count && error == 0; i++) {
			const struct property *at = &properties->entries[i];
			struct place place = {file, at->line, at->key};

			if (!begins_with(at->key, passes[pass]))
				continue;
			if (pass == 0)
				error = add_server(config, &place, at->value);
			else if (pass == 1)
				error = set_weight(config, &place, at->value);
			else
				error = add_group(config, &place, at->value);
		}
	}
	return error;
}

/* ---- the texts ---- */

static int set_peer_type(struct config *config, const struct place *place, const char *value)
{
	config->is_observer = strcasecmp(value, "observer") == 0;
	if (config->is_observer || strcasecmp(value, "participant") == 0)
		return 0;
	return fail(config, place, "'%s' is neither participant nor observer", value);
}

static int parse_key(struct config *config, const struct place *place, const char *value)
{
	const struct config_key *key;

	if (is_member_key(place->key))
		return 0;
	if (strcmp(place->key, "peerType") == 0)
		return set_peer_type(config, place, value);
	key = config_key_find(place->key);
	if (key)
		return set_key(config, key, place, value);
	warn(config, place, "nobody knows this key; it has no effect");
	return 0;
}

static int parse_properties(struct config *config, const char *file, const char *text, size_t size,
			    struct properties *properties)
{
	if (properties_parse(properties, text, size) == 0)
		return 0;
	free(config->error);
	config->error = mem_printf("%s:%d: %s", file, properties->error_line, properties->error);
	return -EINVAL;
}

int config_parse(struct config *config, const char *file, const char *text, size_t size)
{
	struct properties properties;
	int error;

	free(config->file);
	config->file = mem_strdup(file);
	properties_init(&properties);
	error = parse_properties(config, file, text, size, &properties);
	for (size_t i = 0; error == 0 && i < properties.count; i++) {
		const struct property *at = &properties.entries[i];
		struct place place = {file, at->line, at->key};

		if (config->dynamic_config_file && is_member_key(at->key))
			error = fail(config, &place, "belongs into dynamicConfigFile %s",
				     config->dynamic_config_file);
		else
			error = parse_key(config, &place, at->value);
	}
	if (error == 0)
		error = parse_members(config, file, &properties);
	if (error == 0 && config->dynamic_config_file && config->server_count > 0)
		error = fail_missing(config, "dynamicConfigFile",
				     "there are server lines beside it, which belong into it");
	properties_release(&properties);
	return error;
}

int config_parse_dynamic(struct config *config, const char *file, const char *text, size_t size)
{
	struct properties properties;
	int error;

	properties_init(&properties);
	error = parse_properties(config, file, text, size, &properties);
	for (size_t i = 0; error == 0 && i < properties.count; i++) {
		const struct property *at = &properties.entries[i];
		struct place place = {file, at->line, at->key};

		if (strcmp(at->key, "version") == 0)
			error = fail(config, &place, "the version is part of the file's name");
		else if (!is_member_key(at->key))
			error = fail(config, &place,
				     "only server, group and weight belong into this file");
	}
	if (error == 0)
		error = parse_members(config, file, &properties);
	properties_release(&properties);
	return error;
}

/* One -Dname=value; other options are java's own affair. */
static int parse_jvm_flag(struct config *config, char *flag)
{
	struct place place = {.file = "$SERVER_JVMFLAGS", .key = flag + 2};
	const struct config_key *key;
	char *value;

	if (!begins_with(flag, "-D"))
		return 0;
	value = strchr(flag, '=');
	if (!value)
		return 0;
	*value++ = '\0';
	key = config_key_find(place.key);
	return key && key->is_system ? set_key(config, key, &place, value) : 0;
}

int config_parse_jvm_flags(struct config *config, const char *flags)
{
	char *text = mem_strdup(flags);
	char *rest = text;
	char *flag;
	int error = 0;

	while (error == 0 && (flag = strsep(&rest, " \t\n")))
		error = parse_jvm_flag(config, flag);
	free(text);
	return error;
}

/* ---- what the keys say together ---- */

size_t config_voter_count(const struct config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->server_count; i++)
		count += !config->servers[i].is_observer;
	return count;
}

bool config_is_ensemble(const struct config *config)
{
	size_t voters = config_voter_count(config);

	return voters > 1 || (voters == 1 && !config->standalone_enabled);
}

const struct quorum_server *config_self(const struct config *config)
{
	const struct quorum_server *self = config->servers;

	while (self->id != config->myid)
		self++;
	return self;
}

static int check_sessions(struct config *config)
{
	if (config->tick_time_ms > INT_MAX / 20)
		return fail_missing(config, "tickTime", "is too large");
	if (config->min_session_timeout_ms == -1)
		config->min_session_timeout_ms = 2 * config->tick_time_ms;
	if (config->max_session_timeout_ms == -1)
		config->max_session_timeout_ms = 20 * config->tick_time_ms;
	if (config->min_session_timeout_ms > config->max_session_timeout_ms)
		return fail_missing(config, "minSessionTimeout",
				    "is larger than maxSessionTimeout");
	return 0;
}

/* Whoever points dataDir at the wrong place finds no myid there, or another's. */
static int check_identity(struct config *config)
{
	struct place place = {.file = config->file, .key = "dataDir"};
	struct buf text;
	struct members members;
	int error;

	if (config->myid < 0 && access(config->data_dir, F_OK) < 0)
		return fail(config, &place,
			    "%s is not there; a server of an ensemble needs it, with a file myid "
			    "that holds the N of its own server.N line",
			    config->data_dir);
	if (config->myid < 0)
		return fail(
			config, &place,
			"%s has no file myid; it holds the N of this server's own server.N line",
			config->data_dir);
	if (!find_server(config, config->myid))
		return fail(config, &place, "%s/myid says %lld, but there is no server.%lld",
			    config->data_dir, (long long)config->myid, (long long)config->myid);
	if (config->extended_types && config->myid > 254)
		return fail(config, &place,
			    "%s/myid says %lld; with extendedTypesEnabled 254 is the "
			    "largest",
			    config->data_dir, (long long)config->myid);
	buf_init(&text, MEMBERS_TEXT_SIZE_MAX);
	config_write_members(config, &text);
	error = text.error ? text.error : members_parse(buf_bytes(&text), &members);
	buf_release(&text);
	if (error < 0)
		return fail_missing(config, config->group_count ? "group.N" : "server.N",
				    config->group_count
					    ? "the groups must hold every participant once, and "
					      "servers that are there"
					    : "the lines are too long");
	members_release(&members);
	return 0;
}

static int check_ensemble(struct config *config)
{
	if (config->server_count > 0 && config_voter_count(config) == 0)
		return fail_missing(config, "server.N", "observers without participants");
	if (!config_is_ensemble(config)) {
		if (config->server_count > 1)
			return fail_missing(config, "server.N",
					    "a single participant can't have observers");
		return 0;
	}
	if (config->init_limit_ticks == 0)
		return fail_missing(config, "initLimit", "is missing");
	if (config->sync_limit_ticks == 0)
		return fail_missing(config, "syncLimit", "is missing");
	if (config->reconfig_enabled)
		warn(config, &(struct place){.file = config->file, .key = "reconfigEnabled"},
		     "is not supported yet: the members stay as they are configured");
	config->reconfig_enabled = false;
	return check_identity(config);
}

/* As QuorumPeerConfig.setupClientPort: the own line's client part is the client port. */
static int check_client_port(struct config *config)
{
	struct quorum_server *self = find_server(config, config->myid);

	if (!self && config->server_count == 1)
		self = &config->servers[0];
	if (self && self->client_host) {
		if (config->client_port >= 0 && config->client_port != self->client_port)
			return fail_missing(config, "clientPort",
					    "contradicts the client part of the own server line");
		config->is_client_port_of_line = config->client_port < 0;
		config->client_port = self->client_port;
		if (strcmp(self->client_host, "0.0.0.0") != 0) {
			free(config->client_port_address);
			config->client_port_address = mem_strdup(self->client_host);
		}
	}
	if (config->client_port < 0 && config->client_port_address)
		return fail_missing(config, "clientPortAddress", "needs clientPort");
	if (config->client_port < 0)
		return fail_missing(config, "clientPort", "is missing");
	return 0;
}

/* The daemon changes its directory, so a relative path is that of the start. */
static void make_absolute(char **path)
{
	char here[PATH_MAX];
	char *absolute;

	if (!*path || **path == '/' || !**path || !getcwd(here, sizeof(here)))
		return;
	absolute = mem_printf("%s/%s", here, *path);
	free(*path);
	*path = absolute;
}

int config_check(struct config *config)
{
	int error;

	if (!config->data_dir || !*config->data_dir)
		return fail_missing(config, "dataDir", "is missing");
	if (!config->data_log_dir || !*config->data_log_dir) {
		free(config->data_log_dir);
		config->data_log_dir = mem_strdup(config->data_dir);
	}
	make_absolute(&config->data_dir);
	make_absolute(&config->data_log_dir);
	error = check_sessions(config);
	if (error == 0)
		error = check_ensemble(config);
	if (error == 0)
		error = check_client_port(config);
	return error;
}

/* ---- files ---- */

/* The caller frees *ret_text. */
static int read_file(const char *file, size_t size_max, char **ret_text, size_t *ret_size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t got = 1;
	char *text;

	if (fd < 0)
		return -errno;
	text = mem_alloc(size_max + 1);
	while (got > 0 && size <= size_max) {
		got = read(fd, text + size, size_max + 1 - size);
		if (got > 0)
			size += (size_t)got;
	}
	(void)close(fd); /* nothing was written */
	if (got != 0) {
		int error = got < 0 ? -errno : -EFBIG;

		free(text);
		return error;
	}
	*ret_text = text;
	*ret_size = size;
	return 0;
}

static int fail_to_read(struct config *config, const char *file, int error)
{
	free(config->error);
	config->error = mem_printf("%s: can't be read: %s", file, strerror(-error));
	return -EINVAL;
}

static int load_text(struct config *config, const char *file,
		     int (*parse)(struct config *config, const char *file, const char *text,
				  size_t size))
{
	char *text;
	size_t size;
	int error = read_file(file, PROPERTIES_SIZE_MAX, &text, &size);

	if (error < 0)
		return fail_to_read(config, file, error);
	error = parse(config, file, text, size);
	free(text);
	return error;
}

/* dataDir/myid: one line, a number; it may be missing. */
static int load_myid(struct config *config)
{
	char *file = mem_printf("%s/myid", config->data_dir);
	struct place place = {.file = file, .line = 1, .key = "myid"};
	char *text, *line;
	size_t size;
	int error = read_file(file, 4096, &text, &size);

	if (error == -ENOENT) {
		error = 0;
	} else if (error < 0) {
		error = fail_to_read(config, file, error);
	} else {
		text[size] = '\0';
		line = text + strspn(text, " \t");
		line[strcspn(line, " \t\r\n")] = '\0';
		if (!parse_id(line, &config->myid))
			error = fail(config, &place, "'%s' is no number", line);
		free(text);
	}
	free(file);
	return error;
}

int config_load(struct config *config, const char *file, const char *jvm_flags)
{
	int error = jvm_flags ? config_parse_jvm_flags(config, jvm_flags) : 0;

	if (error == 0)
		error = load_text(config, file, config_parse);
	if (error == 0 && config->dynamic_config_file)
		error = load_text(config, config->dynamic_config_file, config_parse_dynamic);
	if (error == 0 && config->data_dir)
		error = load_myid(config);
	if (error == 0)
		error = config_check(config);
	return error;
}

/* ---- life cycle ---- */

void config_init(struct config *config)
{
	*config = (struct config){
		.file = mem_strdup(""),
		.client_port = -1,
		.listen_backlog = -1,
		.max_client_cnxns = 60,
		.sessionless_timeout_ms = 10000,
		.jute_maxbuffer_size = ZK_JUTE_MAXBUFFER_DEFAULT,
		.global_outstanding_limit = 1000,
		.commit_log_count = 100000,
		.fourletter_whitelist = mem_strdup(""),
		.tick_time_ms = 3000,
		.min_session_timeout_ms = -1,
		.max_session_timeout_ms = -1,
		.digest_enabled = true,
		.standalone_enabled = true,
		.servers = mem_zalloc(CONFIG_SERVERS_MAX * sizeof(struct quorum_server)),
		.myid = -1,
	};
}

void config_release(struct config *config)
{
	for (size_t i = 0; i < config->server_count; i++)
		quorum_server_release(&config->servers[i]);
	for (size_t i = 0; i < config->warning_count; i++)
		free(config->warnings[i]);
	for (size_t i = 0; i < config->group_count; i++)
		free(config->groups[i].members);
	free(config->servers);
	free(config->file);
	free(config->data_dir);
	free(config->data_log_dir);
	free(config->client_port_address);
	free(config->fourletter_whitelist);
	free(config->super_digest);
	free(config->dynamic_config_file);
	free(config->error);
	*config = (struct config){0};
}
