#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replica/io/config.h"
#include "src/base/mem.h"
#include "t/unit/cmocka.h"

static int parse(struct config *config, const char *text)
{
	int error;

	config_init(config);
	error = config_parse(config, "zoo.cfg", text, strlen(text));
	return error < 0 ? error : config_check(config);
}

static void expect_error(const char *text, const char *sentence)
{
	struct config config;

	assert_int_equal(parse(&config, text), -EINVAL);
	assert_string_equal(config.error, sentence);
	config_release(&config);
}

static void expect_warning(const char *text, const char *sentence)
{
	struct config config;

	assert_int_equal(parse(&config, text), 0);
	assert_int_equal(config.warning_count, 1);
	assert_string_equal(config.warnings[0], sentence);
	config_release(&config);
}

#define MINIMAL "dataDir=/d\nclientPort=2181\n"

static void the_tutorials_file_is_good(void **state)
{
	struct config config;

	assert_int_equal(parse(&config, "# The number of milliseconds of each tick\n"
					"tickTime=2000\n"
					"initLimit=10\n"
					"syncLimit=5\n"
					"dataDir=/tmp/zookeeper\n"
					"clientPort=2181\n"
					"#maxClientCnxns=60\n"
					"#autopurge.snapRetainCount=3\n"
					"#autopurge.purgeInterval=1\n"),
			 0);
	assert_int_equal(config.tick_time_ms, 2000);
	assert_string_equal(config.data_dir, "/tmp/zookeeper");
	assert_string_equal(config.data_log_dir, "/tmp/zookeeper");
	assert_int_equal(config.client_port, 2181);
	assert_null(config.client_port_address);
	assert_int_equal(config.min_session_timeout_ms, 4000);
	assert_int_equal(config.max_session_timeout_ms, 40000);
	assert_int_equal(config.warning_count, 0);
	assert_false(config_is_ensemble(&config));
	config_release(&config);
}

static void defaults_are_zookeepers(void **state)
{
	struct config config;

	assert_int_equal(parse(&config, MINIMAL), 0);
	assert_int_equal(config.tick_time_ms, 3000);
	assert_int_equal(config.max_client_cnxns, 60);
	assert_int_equal(config.max_cnxns, 0);
	assert_int_equal(config.sessionless_timeout_ms, 10000);
	assert_int_equal(config.jute_maxbuffer_size, 1048575);
	assert_int_equal(config.global_outstanding_limit, 1000);
	assert_int_equal(config.listen_backlog, -1);
	assert_string_equal(config.fourletter_whitelist, "");
	assert_true(config.digest_enabled);
	assert_true(config.standalone_enabled);
	assert_false(config.extended_types);
	assert_false(config.skip_acl);
	assert_null(config.super_digest);
	assert_int_equal(config.myid, -1);
	config_release(&config);
}

static void numbers_out_of_range_or_shape_are_errors(void **state)
{
	expect_error(MINIMAL "tickTime=0\n", "zoo.cfg:3: tickTime: 0 is less than 1");
	expect_error(MINIMAL "tickTime=2s\n", "zoo.cfg:3: tickTime: '2s' is no number");
	expect_error(MINIMAL "tickTime=\n", "zoo.cfg:3: tickTime: '' is no number");
	expect_error(MINIMAL "tickTime=0x10\n", "zoo.cfg:3: tickTime: '0x10' is no number");
	expect_error(MINIMAL "tickTime=99999999999\n",
		     "zoo.cfg:3: tickTime: '99999999999' is no number");
	expect_error("dataDir=/d\nclientPort=65536\n",
		     "zoo.cfg:2: clientPort: 65536 is more than 65535");
	expect_error(MINIMAL "maxClientCnxns=-1\n", "zoo.cfg:3: maxClientCnxns: -1 is less than 0");
}

static void booleans_of_the_file_are_strict(void **state)
{
	struct config config;

	expect_error(MINIMAL "standaloneEnabled=yes\n",
		     "zoo.cfg:3: standaloneEnabled: 'yes' is neither true nor false");
	assert_int_equal(parse(&config, MINIMAL "standaloneEnabled=FALSE\nskipACL=yes\n"), 0);
	assert_false(config.standalone_enabled);
	assert_true(config.skip_acl);
	config_release(&config);
}

static void what_is_missing_is_named(void **state)
{
	expect_error("clientPort=2181\n", "zoo.cfg: dataDir: is missing");
	expect_error("dataDir=/d\n", "zoo.cfg: clientPort: is missing");
	expect_error("dataDir=/d\nclientPortAddress=::1\n",
		     "zoo.cfg: clientPortAddress: needs clientPort");
}

static void session_timeouts_must_be_in_order(void **state)
{
	struct config config;

	expect_error(MINIMAL "minSessionTimeout=5000\nmaxSessionTimeout=4999\n",
		     "zoo.cfg: minSessionTimeout: is larger than maxSessionTimeout");
	assert_int_equal(parse(&config, MINIMAL "tickTime=10\nminSessionTimeout=1\n"), 0);
	assert_int_equal(config.min_session_timeout_ms, 1);
	assert_int_equal(config.max_session_timeout_ms, 200);
	config_release(&config);
}

static void system_properties_are_keys_with_and_without_prefix(void **state)
{
	struct config config;

	assert_int_equal(parse(&config, MINIMAL "jute.maxbuffer=0x400000\n"
						"zookeeper.extendedTypesEnabled=true\n"
						"4lw.commands.whitelist=stat, ruok\n"),
			 0);
	assert_int_equal(config.jute_maxbuffer_size, 0x400000);
	assert_true(config.extended_types);
	assert_string_equal(config.fourletter_whitelist, "stat, ruok");
	assert_int_equal(config.warning_count, 0);
	config_release(&config);
}

static void jvm_flags_count_unless_the_file_says_otherwise(void **state)
{
	struct config config;
	const char *flags =
		"-Xmx512m -Djute.maxbuffer=2097152 -Dzookeeper.globalOutstandingLimit=7 "
		"-Dzookeeper.tickTime=1 -Dwhatever";
	const char *text = MINIMAL "globalOutstandingLimit=8\n";

	config_init(&config);
	assert_int_equal(config_parse_jvm_flags(&config, flags), 0);
	assert_int_equal(config_parse(&config, "zoo.cfg", text, strlen(text)), 0);
	assert_int_equal(config_check(&config), 0);
	assert_int_equal(config.jute_maxbuffer_size, 2097152);
	assert_int_equal(config.global_outstanding_limit, 8);
	assert_int_equal(config.tick_time_ms, 3000);
	config_release(&config);
}

static void an_unknown_key_is_a_warning(void **state)
{
	expect_warning(MINIMAL "tikTime=2000\n",
		       "zoo.cfg:3: tikTime: nobody knows this key; it has no effect");
}

static void what_this_version_lacks_is_a_warning_or_refused(void **state)
{
	struct config config;

	expect_warning(MINIMAL "admin.serverPort=8081\n",
		       "zoo.cfg:3: admin.serverPort: has no effect in this version");
	expect_error(MINIMAL "electionAlg=1\n", "zoo.cfg:3: electionAlg: only 3 is supported");
	expect_error(MINIMAL "DigestAuthenticationProvider.digestAlg=SHA-256\n",
		     "zoo.cfg:3: DigestAuthenticationProvider.digestAlg: only SHA1 is supported");
	expect_error(MINIMAL "secureClientPort=2281\n",
		     "zoo.cfg:3: secureClientPort: is not available in this version");
	expect_error(MINIMAL "authProvider.1=org.apache.zookeeper.server.auth."
			     "SASLAuthenticationProvider\n",
		     "zoo.cfg:3: authProvider.1: is not available in this version");
	assert_int_equal(parse(&config, MINIMAL "sslQuorum=false\nauthProvider.1=org.apache."
						"zookeeper.server.auth."
						"DigestAuthenticationProvider\n"),
			 0);
	assert_int_equal(config.warning_count, 0);
	config_release(&config);
}

static void options_that_only_java_needs_are_silent(void **state)
{
	struct config config;

	assert_int_equal(parse(&config, MINIMAL "autopurge.purgeInterval=1\nsnapCount=5\n"
						"autopurge.snapRetainCount=3\npreAllocSize=64\n"
						"electionAlg=3\npeerType=participant\n"
						"admin.enableServer=false\n"),
			 0);
	assert_int_equal(config.warning_count, 0);
	config_release(&config);
}

#define ENSEMBLE_LINES "initLimit=10\nsyncLimit=5\nserver.1=a:2888:3888\nserver.2=b:2888:3888\n"
#define ENSEMBLE       MINIMAL ENSEMBLE_LINES

static int parse_ensemble(struct config *config, const char *text, int64_t myid)
{
	int error;

	config_init(config);
	config->myid = myid;
	error = config_parse(config, "zoo.cfg", text, strlen(text));
	return error < 0 ? error : config_check(config);
}

static void server_lines_become_servers(void **state)
{
	struct config config;
	struct quorum_server *server;

	assert_int_equal(parse_ensemble(&config,
					"dataDir=/d\ninitLimit=10\nsyncLimit=5\nweight.3=5\n"
					"server.1 = zk01:2888:3888:participant;2181\n"
					"server.2 = [::1]:2888:3888;[fe80::1]:2182\n"
					"server.3 = 10.0.0.3:2889:3889:OBSERVER\n",
					1),
			 0);
	assert_int_equal(config.server_count, 3);
	assert_int_equal(config_voter_count(&config), 2);
	assert_true(config_is_ensemble(&config));
	assert_int_equal(config.client_port, 2181);
	server = &config.servers[1];
	assert_int_equal(server->id, 2);
	assert_string_equal(server->addresses[0].host, "::1");
	assert_int_equal(server->addresses[0].quorum_port, 2888);
	assert_int_equal(server->addresses[0].election_port, 3888);
	assert_string_equal(server->client_host, "fe80::1");
	assert_int_equal(server->client_port, 2182);
	assert_int_equal(server->line, 6);
	server = &config.servers[2];
	assert_true(server->is_observer);
	assert_null(server->client_host);
	assert_int_equal(server->weight, 5);
	config_release(&config);
}

static void expect_server_error(const char *value, const char *sentence)
{
	char *text = mem_printf("%sserver.1=%s\n", MINIMAL, value);
	char *expected = mem_printf("zoo.cfg:3: server.1: %s", sentence);

	expect_error(text, expected);
	free(text);
	free(expected);
}

static void bad_server_lines_say_why(void **state)
{
	const char *grammar = "needs host:quorumPort:electionPort[:participant|observer]"
			      "[;[clientHost:]clientPort]";

	expect_error(MINIMAL "server.n=a:1:2\n",
		     "zoo.cfg:3: server.n: 'n' is no server's number, as in server.1");
	expect_error(MINIMAL "server.=a:1:2\n",
		     "zoo.cfg:3: server.: '' is no server's number, as in server.1");
	expect_server_error("a:2888", grammar);
	expect_server_error("a:1:2:participant:5", grammar);
	expect_server_error("", grammar);
	expect_server_error("[::1:1:2", grammar);
	expect_server_error("a:x:2", "'x' is no quorum port");
	expect_server_error("a:1:70000", "'70000' is no election port");
	expect_server_error("a:1:1", "quorum port and election port are the same");
	expect_server_error("a:1:2:learner", "the role is 'learner', not participant or observer");
	expect_server_error("a:1:2;x", "'x' is no client port");
	expect_server_error("a:1:2;3;4", "more than one ';'");
	expect_server_error("a:1:2|b:3:4", "several addresses need multiAddress.enabled=true");
	expect_server_error("a:1:2|b:3:4:observer", "its addresses have different roles");
	expect_error(MINIMAL "server.1=a:1:2\nserver.01=b:1:2\n",
		     "zoo.cfg:4: server.01: server 1 is there twice");
	expect_error(MINIMAL "weight.1=3\n", "zoo.cfg:3: weight.1: there is no server.1");
}

static void expect_no_identity(const char *text, int64_t myid, const char *sentence)
{
	struct config config;

	assert_int_equal(parse_ensemble(&config, text, myid), -EINVAL);
	assert_string_equal(config.error, sentence);
	config_release(&config);
}

static void expect_members(const char *text, const char *members)
{
	struct config config;
	struct buf buf;

	assert_int_equal(parse_ensemble(&config, text, 1), 0);
	buf_init(&buf, 64 << 10);
	config_write_members(&config, &buf);
	assert_int_equal(buf.size, strlen(members));
	assert_memory_equal(buf.data, members, buf.size);
	assert_int_equal(config_self(&config)->id, 1);
	buf_release(&buf);
	config_release(&config);
}

static void the_members_are_written_as_servers_exchange_them(void **state)
{
	expect_members(ENSEMBLE "server.3 = [::1]:2888:3888:observer;[fe80::1]:2182\n",
		       "server.1=a:2888:3888:participant\n"
		       "server.2=b:2888:3888:participant\n"
		       "server.3=[::1]:2888:3888:observer;[fe80::1]:2182\n"
		       "version=0");
	expect_members("dataDir=/d\n" ENSEMBLE_LINES "multiAddress.enabled=true\n"
		       "server.3=c:1:2|d:3:4;2181\nclientPort=2181\n"
		       "group.1=1:2\ngroup.2=3\nweight.2=0\n",
		       "server.1=a:2888:3888:participant\n"
		       "server.2=b:2888:3888:participant\n"
		       "server.3=c:1:2|d:3:4:participant;0.0.0.0:2181\n"
		       "group.1=1:2\ngroup.2=3\n"
		       "weight.1=1\nweight.2=0\nweight.3=1\n"
		       "version=0");
}

static void groups_hold_every_participant_once(void **state)
{
	static const char sentence[] = "zoo.cfg: group.N: the groups must hold every participant "
				       "once, and servers that are there";

	expect_no_identity(ENSEMBLE "group.1=1\n", 1, sentence);
	expect_no_identity(ENSEMBLE "group.1=1:2\ngroup.2=2\n", 1, sentence);
	expect_no_identity(ENSEMBLE "group.1=1:2:3\n", 1, sentence);
	expect_error(ENSEMBLE "group.1=\n",
		     "zoo.cfg:7: group.1: needs group.N=A:B:C, numbers of servers");
	expect_error(ENSEMBLE "group.x=1:2\n",
		     "zoo.cfg:7: group.x: needs group.N=A:B:C, numbers of servers");
}

static void reconfig_of_an_ensemble_is_not_there_yet(void **state)
{
	struct config config;

	assert_int_equal(parse_ensemble(&config, ENSEMBLE "reconfigEnabled=true\n", 1), 0);
	assert_false(config.reconfig_enabled);
	assert_int_equal(config.warning_count, 1);
	assert_string_equal(config.warnings[0], "zoo.cfg: reconfigEnabled: is not supported yet: "
						"the members stay as they are configured");
	config_release(&config);
}

static void an_ensemble_needs_its_limits_and_its_own_number(void **state)
{
	struct config config;

	assert_int_equal(parse_ensemble(&config, ENSEMBLE, 2), 0);
	config_release(&config);
	expect_no_identity(ENSEMBLE, -1,
			   "zoo.cfg: dataDir: /d is not there; a server of an ensemble needs it, "
			   "with a file myid that holds the N of its own server.N line");
	expect_no_identity("clientPort=1\ndataDir=/usr\n" ENSEMBLE_LINES, -1,
			   "zoo.cfg: dataDir: /usr has no file myid; it holds the N of this "
			   "server's own server.N line");
	expect_no_identity(ENSEMBLE, 3,
			   "zoo.cfg: dataDir: /d/myid says 3, but there is no server.3");
	expect_no_identity(
		ENSEMBLE "extendedTypesEnabled=true\nserver.255=c:1:2\n", 255,
		"zoo.cfg: dataDir: /d/myid says 255; with extendedTypesEnabled 254 is the "
		"largest");
	assert_int_equal(parse_ensemble(&config, MINIMAL "server.1=a:1:2\nserver.2=b:1:2\n", 1),
			 -EINVAL);
	assert_string_equal(config.error, "zoo.cfg: initLimit: is missing");
	config_release(&config);
	expect_error(MINIMAL "server.1=a:1:2:observer\n",
		     "zoo.cfg: server.N: observers without participants");
	expect_error(MINIMAL "server.1=a:1:2\nserver.2=b:1:2:observer\n",
		     "zoo.cfg: server.N: a single participant can't have observers");
}

static void one_participant_is_standalone_at_its_lines_client_port(void **state)
{
	struct config config;

	assert_int_equal(parse_ensemble(&config, "dataDir=/d\nserver.1=a:1:2;127.0.0.1:2185\n", 1),
			 0);
	assert_false(config_is_ensemble(&config));
	assert_int_equal(config.client_port, 2185);
	assert_string_equal(config.client_port_address, "127.0.0.1");
	config_release(&config);
	assert_int_equal(parse_ensemble(&config, MINIMAL "server.1=a:1:2;2185\n", 1), -EINVAL);
	assert_string_equal(
		config.error,
		"zoo.cfg: clientPort: contradicts the client part of the own server line");
	config_release(&config);
}

static void members_live_in_one_file_only(void **state)
{
	expect_error(MINIMAL "dynamicConfigFile=/f\nserver.1=a:1:2\n",
		     "zoo.cfg:4: server.1: belongs into dynamicConfigFile /f");
	expect_error(MINIMAL "server.1=a:1:2\ndynamicConfigFile=/f\n",
		     "zoo.cfg: dynamicConfigFile: there are server lines beside it, which belong "
		     "into it");
}

static void the_dynamic_file_holds_members_only(void **state)
{
	struct config config;
	const char *good = "server.1=a:1:2;2181\nserver.2=b:1:2;2181\n";
	const char *versioned = "server.1=a:1:2\nversion=100000000\n";
	const char *mixed = "clientPort=1\n";

	config_init(&config);
	assert_int_equal(config_parse_dynamic(&config, "dyn", good, strlen(good)), 0);
	assert_int_equal(config.server_count, 2);
	config_release(&config);
	config_init(&config);
	assert_int_equal(config_parse_dynamic(&config, "dyn", versioned, strlen(versioned)),
			 -EINVAL);
	assert_string_equal(config.error, "dyn:2: version: the version is part of the file's name");
	config_release(&config);
	config_init(&config);
	assert_int_equal(config_parse_dynamic(&config, "dyn", mixed, strlen(mixed)), -EINVAL);
	assert_string_equal(
		config.error,
		"dyn:1: clientPort: only server, group and weight belong into this file");
	config_release(&config);
}

/* ---- files ---- */

static char directory[] = "/tmp/test-config-XXXXXX";

static void write_file(const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", directory, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	free(path);
}

static int load(struct config *config)
{
	char *path = mem_printf("%s/zoo.cfg", directory);
	int error;

	config_init(config);
	error = config_load(config, path, NULL);
	free(path);
	return error;
}

static void loading_reads_the_dynamic_file_and_myid(void **state)
{
	struct config config;
	char *text = mem_printf("dataDir=%s\ninitLimit=1\nsyncLimit=1\n"
				"dynamicConfigFile=%s/dyn\n",
				directory, directory);

	write_file("zoo.cfg", text);
	write_file("dyn", "server.1=a:1:2;2181\nserver.2=b:1:2;2182\n");
	write_file("myid", "2\n");
	assert_int_equal(load(&config), 0);
	assert_int_equal(config.myid, 2);
	assert_int_equal(config.client_port, 2182);
	config_release(&config);
	free(text);
}

static void a_bad_myid_names_its_file(void **state)
{
	struct config config;
	char *text = mem_printf("dataDir=%s\nclientPort=2181\n", directory);
	char *sentence = mem_printf("%s/myid:1: myid: 'one' is no number", directory);

	write_file("zoo.cfg", text);
	write_file("myid", "one\n");
	assert_int_equal(load(&config), -EINVAL);
	assert_string_equal(config.error, sentence);
	config_release(&config);
	free(sentence);
	free(text);
}

static void a_missing_file_is_named(void **state)
{
	struct config config;

	config_init(&config);
	assert_int_equal(config_load(&config, "/nonexistent/zoo.cfg", NULL), -EINVAL);
	assert_string_equal(config.error,
			    "/nonexistent/zoo.cfg: can't be read: No such file or directory");
	config_release(&config);
}

static int make_directory(void **state)
{
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = {"zoo.cfg", "dyn", "myid"};

	for (size_t i = 0; i < 3; i++) {
		char *path = mem_printf("%s/%s", directory, names[i]);

		(void)unlink(path); /* not every test made it */
		free(path);
	}
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tutorials_file_is_good),
		cmocka_unit_test(defaults_are_zookeepers),
		cmocka_unit_test(numbers_out_of_range_or_shape_are_errors),
		cmocka_unit_test(booleans_of_the_file_are_strict),
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(session_timeouts_must_be_in_order),
		cmocka_unit_test(system_properties_are_keys_with_and_without_prefix),
		cmocka_unit_test(jvm_flags_count_unless_the_file_says_otherwise),
		cmocka_unit_test(an_unknown_key_is_a_warning),
		cmocka_unit_test(what_this_version_lacks_is_a_warning_or_refused),
		cmocka_unit_test(options_that_only_java_needs_are_silent),
		cmocka_unit_test(server_lines_become_servers),
		cmocka_unit_test(bad_server_lines_say_why),
		cmocka_unit_test(an_ensemble_needs_its_limits_and_its_own_number),
		cmocka_unit_test(the_members_are_written_as_servers_exchange_them),
		cmocka_unit_test(groups_hold_every_participant_once),
		cmocka_unit_test(reconfig_of_an_ensemble_is_not_there_yet),
		cmocka_unit_test(one_participant_is_standalone_at_its_lines_client_port),
		cmocka_unit_test(members_live_in_one_file_only),
		cmocka_unit_test(the_dynamic_file_holds_members_only),
		cmocka_unit_test(loading_reads_the_dynamic_file_and_myid),
		cmocka_unit_test(a_bad_myid_names_its_file),
		cmocka_unit_test(a_missing_file_is_named),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
