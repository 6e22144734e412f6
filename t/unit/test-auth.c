#include "replica/tree/auth.h"

#include <stdio.h>

#include "t/unit/cmocka.h"

struct fixture {
	struct auth auth;
	struct buf wanted; /* encoded ACL entries */
	int32_t count;
	struct buf fixed;
	struct zk_acls result;
};

static int setup(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof(*fixture));

	auth_init(&fixture->auth, bytes_of_text("10.1.2.3"));
	buf_init(&fixture->wanted, SIZE_MAX);
	buf_init(&fixture->fixed, 4096);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	auth_release(&fixture->auth);
	buf_release(&fixture->wanted);
	buf_release(&fixture->fixed);
	test_free(fixture);
	return 0;
}

static void want(struct fixture *fixture, int32_t perms, const char *scheme, const char *id)
{
	const struct zk_acl acl = {
		.perms = perms, .scheme = bytes_of_text(scheme), .id = bytes_of_text(id)};

	zk_acl_write(&fixture->wanted, &acl);
	fixture->count++;
}

static enum zk_code fix(struct fixture *fixture)
{
	struct auth_ids ids = auth_get_ids(&fixture->auth);
	struct zk_acls acls = {.count = fixture->count, .encoded = buf_bytes(&fixture->wanted)};
	enum zk_code code;

	buf_reset(&fixture->fixed);
	code = auth_fix_acls(&ids, &acls, &fixture->fixed, &fixture->result);
	buf_reset(&fixture->wanted);
	fixture->count = 0;
	return code;
}

static enum zk_code fix_one(struct fixture *fixture, const char *scheme, const char *id)
{
	want(fixture, ZK_PERM_ALL, scheme, id);
	return fix(fixture);
}

static enum zk_code add(struct fixture *fixture, const char *scheme, const char *payload,
			const char *super_digest)
{
	return auth_add(&fixture->auth, bytes_of_text(scheme), bytes_of_text(payload),
			super_digest);
}

static bool permits(struct fixture *fixture, const char *scheme, const char *id, int32_t perms)
{
	struct auth_ids ids = auth_get_ids(&fixture->auth);
	struct zk_acls acls;
	bool result;

	want(fixture, ZK_PERM_READ | ZK_PERM_WRITE, scheme, id);
	acls = (struct zk_acls){.count = 1, .encoded = buf_bytes(&fixture->wanted)};
	result = auth_permits(&ids, &acls, perms);
	buf_reset(&fixture->wanted);
	fixture->count = 0;
	return result;
}

static void test_digest_is_apaches(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add(fixture, "digest", "u:p", NULL), ZK_OK);
	assert_true(permits(fixture, "digest", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=", ZK_PERM_READ));
	assert_false(permits(fixture, "digest", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=", ZK_PERM_ADMIN));
	assert_false(permits(fixture, "digest", "u:other", ZK_PERM_READ));
	/* The same again adds nothing. */
	assert_int_equal(add(fixture, "digest", "u:p", NULL), ZK_OK);
	assert_int_equal(auth_get_ids(&fixture->auth).count, 2);
}

static void test_super_passes_everywhere(void **state)
{
	struct fixture *fixture = *state;
	const char *digest = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";

	assert_int_equal(add(fixture, "digest", "super:wrong", digest), ZK_OK);
	assert_false(permits(fixture, "digest", "u:other", ZK_PERM_ADMIN));
	assert_int_equal(add(fixture, "digest", "super:test", digest), ZK_OK);
	assert_true(permits(fixture, "digest", "u:other", ZK_PERM_ADMIN));
}

static void test_auth_refuses_what_no_provider_knows(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add(fixture, "nope", "x", NULL), ZK_AUTHFAILED);
	assert_int_equal(add(fixture, "world", "anyone", NULL), ZK_AUTHFAILED);
	assert_int_equal(add(fixture, "digest", NULL, NULL), ZK_AUTHFAILED);
	assert_int_equal(add(fixture, NULL, "x", NULL), ZK_AUTHFAILED);
	assert_int_equal(add(fixture, "ip", "whatever", NULL), ZK_OK);
	assert_int_equal(auth_get_ids(&fixture->auth).count, 1);
}

static void test_ids_of_one_connection_have_a_maximum(void **state)
{
	struct fixture *fixture = *state;
	char user[32];
	int added = 0;

	do
		(void)snprintf(user, sizeof(user), "u%d:p", added);
	while (add(fixture, "digest", user, NULL) == ZK_OK && ++added < AUTH_SIZE_MAX);
	assert_in_range(added, 100, AUTH_SIZE_MAX - 1);
	assert_true(auth_get_ids(&fixture->auth).encoded.size <= AUTH_SIZE_MAX);
}

/* spec/client-protocol.md 18.1 */
static void test_ip_ids(void **state)
{
	static const char *const valid[] = {
		"1.2.3.4", "1.2.3.4/0", "10.0.0.0/8", "1.2.3.4/32",
		"::",      "::1/128",   "fe80::/10",  "1:2:3:4:5:6:7:8"};
	static const char *const invalid[] = {"",           "1.2.3",          "1.2.3.4.5",
					      "1.2.3.256",  "1.2.3.4/33",     "10.0.0.0/",
					      "1.2.3.4/-1", "1.2.3.4/1x",     "::/129",
					      "[::1]",      "::ffff:1.2.3.4", "fe80::1%eth0",
					      "a.b.c.d",    "1.2.3.",         "/8",
					      " 1.2.3.4"};
	struct fixture *fixture = *state;

	for (size_t at = 0; at < sizeof(valid) / sizeof(valid[0]); at++)
		assert_int_equal(fix_one(fixture, "ip", valid[at]), ZK_OK);
	for (size_t at = 0; at < sizeof(invalid) / sizeof(invalid[0]); at++)
		assert_int_equal(fix_one(fixture, "ip", invalid[at]), ZK_INVALIDACL);
}

static void test_ip_matches_by_prefix(void **state)
{
	struct fixture *fixture = *state;

	assert_true(permits(fixture, "ip", "10.1.2.3", ZK_PERM_READ));
	assert_true(permits(fixture, "ip", "10.0.0.0/8", ZK_PERM_READ));
	assert_true(permits(fixture, "ip", "10.1.2.2/31", ZK_PERM_READ));
	assert_true(permits(fixture, "ip", "0.0.0.0/0", ZK_PERM_READ));
	assert_false(permits(fixture, "ip", "10.1.2.4/31", ZK_PERM_READ));
	assert_false(permits(fixture, "ip", "11.0.0.0/8", ZK_PERM_READ));
	assert_false(permits(fixture, "ip", "::/0", ZK_PERM_READ));
}

static void test_digest_ids(void **state)
{
	static const char *const valid[] = {"a:b", ":b", "a:b:", "a:b::"};
	static const char *const invalid[] = {"", ":", "a", "a:", "a::b", "a:b:c"};
	struct fixture *fixture = *state;

	for (size_t at = 0; at < sizeof(valid) / sizeof(valid[0]); at++)
		assert_int_equal(fix_one(fixture, "digest", valid[at]), ZK_OK);
	for (size_t at = 0; at < sizeof(invalid) / sizeof(invalid[0]); at++)
		assert_int_equal(fix_one(fixture, "digest", invalid[at]), ZK_INVALIDACL);
}

static void test_fix_up_refuses(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(fix(fixture), ZK_INVALIDACL); /* empty */
	fixture->count = -1;
	assert_int_equal(fix(fixture), ZK_INVALIDACL); /* null */
	assert_int_equal(fix_one(fixture, "world", "someone"), ZK_INVALIDACL);
	assert_int_equal(fix_one(fixture, "world", NULL), ZK_INVALIDACL);
	assert_int_equal(fix_one(fixture, NULL, "anyone"), ZK_INVALIDACL);
	assert_int_equal(fix_one(fixture, "super", ""), ZK_INVALIDACL);
	assert_int_equal(fix_one(fixture, "nope", "x"), ZK_INVALIDACL);
	assert_int_equal(fix_one(fixture, "auth", ""), ZK_INVALIDACL); /* only an ip is here */
	assert_int_equal(fix_one(fixture, "digest", NULL), ZK_MARSHALLINGERROR);
	assert_int_equal(fix_one(fixture, "ip", NULL), ZK_MARSHALLINGERROR);
}

static void test_fix_up_drops_duplicates_and_keeps_order(void **state)
{
	struct fixture *fixture = *state;
	struct zk_acl acl;
	size_t at = 0;

	want(fixture, 1, "ip", "1.2.3.4");
	want(fixture, 31, "world", "anyone");
	want(fixture, 1, "ip", "1.2.3.4");
	want(fixture, 2, "ip", "1.2.3.4");
	want(fixture, 64, "world", "anyone"); /* perms are not validated */
	assert_int_equal(fix(fixture), ZK_OK);
	assert_int_equal(fixture->result.count, 4);
	assert_true(zk_acls_next(&fixture->result, &at, &acl));
	assert_true(bytes_equal_text(acl.scheme, "ip"));
	assert_true(zk_acls_next(&fixture->result, &at, &acl));
	assert_int_equal(acl.perms, 31);
}

static void test_auth_becomes_who_is_authenticated(void **state)
{
	struct fixture *fixture = *state;
	struct zk_acl acl;
	size_t at = 0;

	assert_int_equal(add(fixture, "digest", "a:1", NULL), ZK_OK);
	assert_int_equal(add(fixture, "digest", "b:2", NULL), ZK_OK);
	want(fixture, 5, "auth", "whoever");
	assert_int_equal(fix(fixture), ZK_OK);
	assert_int_equal(fixture->result.count, 2);
	assert_true(zk_acls_next(&fixture->result, &at, &acl));
	assert_int_equal(acl.perms, 5);
	assert_true(bytes_equal_text(acl.scheme, "digest"));
}

/* Few bytes that ask for many: the result is bounded. */
static void test_expansion_has_a_maximum(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add(fixture, "digest", "a:1", NULL), ZK_OK);
	for (int32_t perms = 0; perms < 1000; perms++)
		want(fixture, perms, "auth", "");
	assert_int_equal(fix(fixture), ZK_INVALIDACL);
	assert_true(fixture->fixed.size <= 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_digest_is_apaches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_super_passes_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_auth_refuses_what_no_provider_knows, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_ids_of_one_connection_have_a_maximum, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_ip_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ip_matches_by_prefix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_digest_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fix_up_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fix_up_drops_duplicates_and_keeps_order, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_auth_becomes_who_is_authenticated, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_expansion_has_a_maximum, setup, teardown),
	};

	return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
