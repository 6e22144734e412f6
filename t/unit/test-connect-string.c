/* The servers and the chroot that a connect string names. */
#include <errno.h>
#include <stdlib.h>

#include "src/base/buf.h"
#include "src/zk/client_servers.h"
#include "t/unit/cmocka.h"

static void connect_string_has_servers_and_chroot(void **state)
{
	struct zk_servers servers;
	char *error;

	assert_int_equal(zk_servers_parse("a:1, b ,[::1]:65535,[fe80::2]/app/x", &servers, &error),
			 0);
	assert_int_equal(servers.count, 4);
	assert_string_equal(servers.servers[0].host, "a");
	assert_int_equal(servers.servers[0].port, 1);
	assert_string_equal(servers.servers[1].host, "b");
	assert_int_equal(servers.servers[1].port, 2181);
	assert_string_equal(servers.servers[2].host, "::1");
	assert_int_equal(servers.servers[2].port, 65535);
	assert_string_equal(servers.servers[3].host, "fe80::2");
	assert_string_equal(servers.chroot, "/app/x");
	zk_servers_release(&servers);
	assert_int_equal(zk_servers_parse("h/", &servers, &error), 0);
	assert_string_equal(servers.chroot, "");
	zk_servers_release(&servers);
}

static void bad_connect_strings_are_explained(void **state)
{
	static const struct {
		const char *text;
		const char *error;
	} cases[] = {
		{"", "'': there is no server"},
		{" , ", "' , ': there is no server"},
		{"/a", "'': there is no server"},
		{"a:", "'a:': the port is not a number from 1 to 65535"},
		{"a:0", "'a:0': the port is not a number from 1 to 65535"},
		{"b,a:65536", "'a:65536': the port is not a number from 1 to 65535"},
		{"a:1x", "'a:1x': the port is not a number from 1 to 65535"},
		{"a:99999999999999999999", NULL},
		{":2181", "':2181': there is no host"},
		{"::1", "'::1': an IPv6 address needs brackets"},
		{"fe80::1", "'fe80::1': an IPv6 address needs brackets"},
		{"[::1", "'[::1': the bracket is not closed"},
		{"[::1]2181", "'[::1]2181': behind the bracket a port was expected"},
		{"[]:1", "'[]:1': there is no host"},
		{"a/b//c", "'a/b//c': the chroot is not a valid path"},
		{"a/b/", "'a/b/': the chroot is not a valid path"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct zk_servers servers;
		char *error = NULL;

		assert_int_equal(zk_servers_parse(cases[i].text, &servers, &error), -EINVAL);
		if (cases[i].error)
			assert_string_equal(error, cases[i].error);
		free(error);
	}
}

static void too_many_servers_are_refused(void **state)
{
	struct buf list;
	struct zk_servers servers;
	char *error;

	buf_init(&list, 1 << 16);
	for (int i = 0; i < ZK_SERVERS_MAX; i++)
		buf_printf(&list, "host%d,", i);
	buf_append(&list, "", 1);
	assert_int_equal(zk_servers_parse((char *)list.data, &servers, &error), 0);
	assert_int_equal(servers.count, ZK_SERVERS_MAX);
	zk_servers_release(&servers);
	buf_truncate(&list, list.size - 1);
	buf_append(&list, "more", 5);
	assert_int_equal(zk_servers_parse((char *)list.data, &servers, &error), -EINVAL);
	free(error);
	buf_release(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_string_has_servers_and_chroot),
		cmocka_unit_test(bad_connect_strings_are_explained),
		cmocka_unit_test(too_many_servers_are_refused),
	};

	return cmocka_run_group_tests_name("connect string", tests, NULL, NULL);
}
