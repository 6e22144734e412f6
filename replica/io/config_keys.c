#include "replica/io/config_keys.h"

#include <string.h>

#include "replica/io/config.h"

/* clang-format off */
#define FIELD(field) .offset = offsetof(struct config, field)
#define NUMBER(text, field, low, high) \
	{.name = text, .kind = CONFIG_NUMBER, FIELD(field), .min = low, .max = high}
#define BOOLEAN(text, field) {.name = text, .kind = CONFIG_BOOLEAN, FIELD(field)}
#define TEXT(text, field) {.name = text, .kind = CONFIG_TEXT, FIELD(field)}
#define SYSTEM_NUMBER(text, field, low, high) \
	{.name = text, .kind = CONFIG_NUMBER, .is_system = true, FIELD(field), .min = low, .max = high}
#define SYSTEM_SWITCH(text, field) \
	{.name = text, .kind = CONFIG_SWITCH, .is_system = true, FIELD(field)}
#define SYSTEM_TEXT(text, field) {.name = text, .kind = CONFIG_TEXT, .is_system = true, FIELD(field)}
#define FIXED(text, only) {.name = text, .kind = CONFIG_FIXED, .is_system = true, .value = only}
#define IGNORED(text) {.name = text, .kind = CONFIG_IGNORED, .is_system = true}
#define ABSENT(text) {.name = text, .kind = CONFIG_ABSENT, .is_system = true}
#define REFUSED(text) {.name = text, .kind = CONFIG_REFUSED, .is_system = true}

enum { PORT_MAX = 65535, TICKS_MAX = 1000000 };

static const struct config_key keys[] = {
	/* QuorumPeerConfig.parseProperties */
	TEXT("dataDir", data_dir),
	TEXT("dataLogDir", data_log_dir),
	NUMBER("clientPort", client_port, 0, PORT_MAX),
	TEXT("clientPortAddress", client_port_address),
	NUMBER("clientPortListenBacklog", listen_backlog, -1, INT_MAX),
	NUMBER("tickTime", tick_time_ms, 1, 3600000),
	NUMBER("initLimit", init_limit_ticks, 1, TICKS_MAX),
	NUMBER("syncLimit", sync_limit_ticks, 1, TICKS_MAX),
	NUMBER("maxClientCnxns", max_client_cnxns, 0, INT_MAX),
	NUMBER("minSessionTimeout", min_session_timeout_ms, -1, INT_MAX),
	NUMBER("maxSessionTimeout", max_session_timeout_ms, -1, INT_MAX),
	TEXT("dynamicConfigFile", dynamic_config_file),
	BOOLEAN("standaloneEnabled", standalone_enabled),
	BOOLEAN("reconfigEnabled", reconfig_enabled),
	BOOLEAN("multiAddress.enabled", multi_address),
	BOOLEAN("quorumListenOnAllIPs", quorum_listen_on_all_ips),
	FIXED("electionAlg", "3"),
	ABSENT("connectToLearnerMasterLimit"),
	ABSENT("syncEnabled"),
	ABSENT("localSessionsEnabled"),
	ABSENT("localSessionsUpgradingEnabled"),
	ABSENT("observerMasterPort"),
	ABSENT("multiAddress.*"),
	ABSENT("oraclePath"),
	ABSENT("metricsProvider.*"),
	IGNORED("autopurge.snapRetainCount"),
	IGNORED("autopurge.purgeInterval"),
	IGNORED("quorum.cnxn.threads.size"),
	IGNORED("jvm.*"),
	REFUSED("secureClientPort"),
	REFUSED("secureClientPortAddress"),
	REFUSED("sslQuorum"),
	REFUSED("portUnification"),
	REFUSED("quorum.auth.enableSasl"),
	REFUSED("quorum.auth.serverRequireSasl"),
	REFUSED("quorum.auth.learnerRequireSasl"),
	ABSENT("sslQuorumReloadCertFiles"),
	ABSENT("quorum.auth.*"),

	/* System properties: clients and requests */
	SYSTEM_NUMBER("jute.maxbuffer", jute_maxbuffer_size, 1024, 1 << 30),
	ABSENT("jute.maxbuffer.extrasize"),
	SYSTEM_TEXT("4lw.commands.whitelist", fourletter_whitelist),
	SYSTEM_NUMBER("globalOutstandingLimit", global_outstanding_limit, 1, INT_MAX),
	SYSTEM_NUMBER("commitLogCount", commit_log_count, 1, INT_MAX),
	SYSTEM_NUMBER("maxCnxns", max_cnxns, 0, INT_MAX),
	SYSTEM_NUMBER("nio.sessionlessCnxnTimeout", sessionless_timeout_ms, 1, INT_MAX),
	SYSTEM_SWITCH("extendedTypesEnabled", extended_types),
	SYSTEM_SWITCH("skipACL", skip_acl),
	SYSTEM_SWITCH("digest.enabled", digest_enabled),
	SYSTEM_TEXT("DigestAuthenticationProvider.superDigest", super_digest),
	FIXED("DigestAuthenticationProvider.digestAlg", "SHA1"),
	FIXED("DigestAuthenticationProvider.enabled", "true"),
	ABSENT("znode.container.*"),
	ABSENT("readonlymode.enabled"),
	ABSENT("request_throttle_*"),
	ABSENT("requestThrottleLimit"),
	ABSENT("request_stale_*"),
	ABSENT("request_throttler.*"),
	ABSENT("throttled_op_wait_time"),
	ABSENT("largeRequestThreshold"),
	ABSENT("largeRequestMaxBytes"),
	ABSENT("connection_throttle_*"),
	ABSENT("enableEagerACLCheck"),
	ABSENT("emulate353TTLNodes"),
	ABSENT("clientTcpKeepAlive"),
	ABSENT("tcpKeepAlive"),

	/* ... who may do what */
	REFUSED("enforceQuota"),
	REFUSED("enforce.auth.enabled"),
	REFUSED("sessionRequireClientSASLAuth"),
	REFUSED("X509AuthenticationProvider.superUser"),
	REFUSED("superUser*"),
	REFUSED("letAnySaslUserDoX"),
	REFUSED("ensembleAuthName"),
	REFUSED("authProvider.*"),
	ABSENT("enforce.auth.schemes"),
	ABSENT("allowSaslFailedClients"),
	ABSENT("IPAuthenticationProvider.usexforwardedfor"),
	ABSENT("kerberos.*"),
	ABSENT("sasl.*"),
	ABSENT("ssl.*"),
	ABSENT("client.portUnification"),
	ABSENT("client.certReload"),
	IGNORED("fips-mode"),

	/* ... the disk: this store has its own ways */
	ABSENT("forceSync"),
	ABSENT("db.autocreate"),
	ABSENT("datadir.autocreate"),
	IGNORED("snapCount"),
	IGNORED("snapSizeLimitInKb"),
	IGNORED("snapshot.trust.empty"),
	IGNORED("snapshot.compression.method"),
	IGNORED("snapshotSizeFactor"),
	IGNORED("txnLogSizeLimitInKb"),
	IGNORED("preAllocSize"),
	IGNORED("fsync.warningthresholdms"),
	IGNORED("flushDelay"),
	IGNORED("maxWriteQueuePollTime"),
	IGNORED("maxBatchSize"),
	IGNORED("serializeLastProcessedZxid.enabled"),
	IGNORED("closeSessionTxn.enabled"),

	/* ... the ensemble */
	ABSENT("leaderServes"),
	ABSENT("cnxTimeout"),
	ABSENT("quorumCnxnTimeoutMs"),
	ABSENT("electionPortBindRetry"),
	ABSENT("fastleader.*"),
	ABSENT("leader.*"),
	ABSENT("leaderConnectDelayDuringRetryMs"),
	ABSENT("observer.*"),
	ABSENT("observerMaster.*"),
	IGNORED("learner.asyncSending"),
	IGNORED("learner.closeSocketAsync"),
	IGNORED("follower.nodelay"),
	IGNORED("follower.skipLearnerRequestToNextProcessor"),
	IGNORED("forward_learner_requests_to_commit_processor_disabled"),
	IGNORED("messageTracker.*"),

	/* ... administration, and what only the Java server is made of */
	ABSENT("admin.*"),
	ABSENT("audit.*"),
	IGNORED("nio.*"),
	IGNORED("netty.*"),
	IGNORED("serverCnxnFactory"),
	IGNORED("commitProcessor.*"),
	IGNORED("maxResponseCacheSize"),
	IGNORED("maxGetChildrenResponseCacheSize"),
	IGNORED("watchManagerName"),
	IGNORED("watcherClean*"),
	IGNORED("maxInProcessingDeadWatchers"),
	IGNORED("bitHashCacheSize"),
	IGNORED("intBufferStartingSizeBytes"),
	IGNORED("pathStats.*"),
	IGNORED("jmx.*"),
	IGNORED("log.*"),
	IGNORED("root.logger"),
	IGNORED("console.threshold"),
};
/* clang-format on */

static bool matches(const struct config_key *key, const char *name)
{
	size_t size = strlen(key->name);

	if (key->name[size - 1] == '*')
		return strncmp(key->name, name, size - 1) == 0;
	return strcmp(key->name, name) == 0;
}

static const struct config_key *find(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (matches(&keys[i], name))
			return &keys[i];
	return NULL;
}

const struct config_key *config_key_find(const char *name)
{
	static const char prefix[] = "zookeeper.";
	const struct config_key *key = find(name);

	if (key || strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return key;
	key = find(name + sizeof(prefix) - 1);
	return key && key->is_system ? key : NULL;
}
