#ifndef REPLICA_IO_CONFIG_H
#define REPLICA_IO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/zab/quorum_server.h"
#include "src/base/buf.h"

/*
 * zoo.cfg: what ZooKeeper's QuorumPeerConfig and its system properties say,
 * checked as a whole, with ZooKeeper's defaults filled in.
 *
 * A key is known (config_keys.c has them all) or gets a warning. As in
 * ZooKeeper, what Java reads from a system property `zookeeper.k` may be
 * written as `k`; here `zookeeper.k` works too, and so do the properties whose
 * names have no such prefix (jute.maxbuffer). What stands in the file wins over
 * a -D option in $SERVER_JVMFLAGS.
 *
 * What ZooKeeper offers and this version lacks gets a warning when leaving it
 * out does no harm, and is refused when somebody relies on it (TLS, SASL).
 *
 *	struct config config;
 *
 *	config_init(&config);
 *	if (config_load(&config, "zoo.cfg", getenv("SERVER_JVMFLAGS")) < 0)
 *		fprintf(stderr, "%s\n", config.error);	"zoo.cfg:3: tickTime: ..."
 *	config_release(&config);
 */
enum {
	CONFIG_SERVERS_MAX = 255, /* members of an ensemble */
	CONFIG_GROUPS_MAX = 64,
	CONFIG_WARNINGS_MAX = 64,
};

/* group.N=members, as it stands there. */
struct config_group {
	int64_t id;
	char *members; /* "1:2:3" */
};

struct config {
	char *file; /* the name that messages use */

	/* Absolute paths, dataDir also where dataLogDir was not given. */
	char *data_dir;
	char *data_log_dir;

	int client_port;             /* -1: none; 0: any free port */
	char *client_port_address;   /* NULL: all addresses */
	bool is_client_port_of_line; /* the own server line alone has it */
	int listen_backlog;          /* -1: the system's */
	int max_client_cnxns;        /* of one address, 0: any number */
	int max_cnxns;               /* of all, 0: any number */
	int sessionless_timeout_ms;
	int jute_maxbuffer_size;
	int global_outstanding_limit;
	int commit_log_count; /* transactions kept in memory for learners */
	char *fourletter_whitelist;

	int tick_time_ms;
	int min_session_timeout_ms;
	int max_session_timeout_ms;
	int init_limit_ticks; /* 0: not given */
	int sync_limit_ticks;

	/* Rules of the tree and of the request processor. */
	bool extended_types;
	bool skip_acl;
	bool digest_enabled;
	char *super_digest; /* NULL: nobody is super */

	/* The ensemble. */
	bool standalone_enabled;
	bool reconfig_enabled;
	bool multi_address;
	bool quorum_listen_on_all_ips;
	bool is_observer; /* peerType */
	char *dynamic_config_file;
	struct quorum_server *servers; /* in the order of the file */
	size_t server_count;
	struct config_group groups[CONFIG_GROUPS_MAX]; /* none: a majority is a quorum */
	size_t group_count;
	int64_t myid; /* -1: there is no myid file */

	char *warnings[CONFIG_WARNINGS_MAX];
	size_t warning_count;
	char *error; /* after a failure: "file:line: key: what is wrong" */
};

void config_init(struct config *config);
void config_release(struct config *config);

/*
 * Reads the file, its dynamicConfigFile, and dataDir/myid. jvm_flags holds -D
 * options as they are written for java, and may be NULL. 0, or -EINVAL with
 * config->error; then nothing but the error and a release is of use.
 */
int config_load(struct config *config, const char *file, const char *jvm_flags);

/*
 * The parts of config_load that need no file: parse each text, then check
 * what they say together. config_parse must come first.
 */
int config_parse(struct config *config, const char *file, const char *text, size_t size);
int config_parse_dynamic(struct config *config, const char *file, const char *text, size_t size);
int config_parse_jvm_flags(struct config *config, const char *flags);
int config_check(struct config *config);

size_t config_voter_count(const struct config *config);
/* Must this server find a quorum, or does it serve alone? */
bool config_is_ensemble(const struct config *config);
/* The own line of an ensemble. */
const struct quorum_server *config_self(const struct config *config);

/*
 * The ensemble as the text that servers exchange (zab/members.h): all server lines,
 * with groups these and the weights, and the version, which is the number at the
 * end of dynamicConfigFile's name, or 0. A client part is told where the line has
 * one; a clientPort of its own is nobody else's business, as in ZooKeeper.
 */
void config_write_members(const struct config *config, struct buf *text);

#endif
