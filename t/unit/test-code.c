#include "t/unit/cmocka.h"

#include <errno.h>

#include "src/zk/code.h"
#include "src/zk/opcode.h"

static void codes_have_zookeepers_names(void **state)
{
	assert_string_equal(zk_code_name(0), "OK");
	assert_string_equal(zk_code_name(-4), "CONNECTIONLOSS");
	assert_string_equal(zk_code_name(-101), "NONODE");
	assert_string_equal(zk_code_name(-103), "BADVERSION");
	assert_string_equal(zk_code_name(-112), "SESSIONEXPIRED");
	assert_string_equal(zk_code_name(-127), "THROTTLEDOP");
	assert_string_equal(zk_code_name(-126), "UNKNOWN");
	assert_string_equal(zk_code_name(101), "UNKNOWN");
}

static void codes_become_errnos(void **state)
{
	static const struct {
		enum zk_code code;
		int errnum;
	} rows[] = {
		{ZK_OK, 0},
		{ZK_NONODE, ENOENT},
		{ZK_NODEEXISTS, EEXIST},
		{ZK_NOTEMPTY, ENOTEMPTY},
		{ZK_NOAUTH, EACCES},
		{ZK_AUTHFAILED, EACCES},
		{ZK_INVALIDACL, EINVAL},
		{ZK_BADARGUMENTS, EINVAL},
		{ZK_NOCHILDRENFOREPHEMERALS, ENOTDIR},
		{ZK_THROTTLEDOP, EAGAIN},
		{ZK_BADVERSION, ESTALE},
		{ZK_QUOTAEXCEEDED, EDQUOT},
		{ZK_NOTREADONLY, EROFS},
		{ZK_SESSIONEXPIRED, EIO},
		{ZK_CONNECTIONLOSS, ETIMEDOUT},
		{ZK_OPERATIONTIMEOUT, ETIMEDOUT},
		{ZK_REQUESTTIMEOUT, ETIMEDOUT},
		{ZK_UNIMPLEMENTED, EOPNOTSUPP},
		{ZK_NOWATCHER, EIO},
		{ZK_MARSHALLINGERROR, EIO},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(zk_code_errno(rows[i].code), rows[i].errnum);
}

/* Who gets it would believe that the file is gone. */
static void only_nonode_is_enoent_and_only_ok_is_none(void **state)
{
	for (int32_t code = -200; code < 200; code++) {
		assert_int_equal(zk_code_errno(code) == ENOENT, code == ZK_NONODE);
		assert_int_equal(zk_code_errno(code) == 0, code == ZK_OK);
	}
}

static void opcodes_have_zookeepers_names(void **state)
{
	assert_string_equal(zk_opcode_name(ZK_OP_CREATE), "create");
	assert_string_equal(zk_opcode_name(ZK_OP_GET_CHILDREN2), "getChildren2");
	assert_string_equal(zk_opcode_name(ZK_OP_CREATE_TTL), "createTTL");
	assert_string_equal(zk_opcode_name(ZK_OP_CLOSE_SESSION), "closeSession");
	assert_string_equal(zk_opcode_name(10), "unknown");
	assert_string_equal(zk_opcode_name(INT32_MIN), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_have_zookeepers_names),
		cmocka_unit_test(codes_become_errnos),
		cmocka_unit_test(only_nonode_is_enoent_and_only_ok_is_none),
		cmocka_unit_test(opcodes_have_zookeepers_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
