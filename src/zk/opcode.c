#include "src/zk/opcode.h"

#include <stddef.h>

/* The names of ZooDefs.OpCode, which Apache's logs and metrics use too. */
static const struct {
	enum zk_opcode opcode;
	const char *name;
} names[] = {
	{ZK_OP_NOTIFICATION, "notification"},
	{ZK_OP_CREATE, "create"},
	{ZK_OP_DELETE, "delete"},
	{ZK_OP_EXISTS, "exists"},
	{ZK_OP_GET_DATA, "getData"},
	{ZK_OP_SET_DATA, "setData"},
	{ZK_OP_GET_ACL, "getACL"},
	{ZK_OP_SET_ACL, "setACL"},
	{ZK_OP_GET_CHILDREN, "getChildren"},
	{ZK_OP_SYNC, "sync"},
	{ZK_OP_PING, "ping"},
	{ZK_OP_GET_CHILDREN2, "getChildren2"},
	{ZK_OP_CHECK, "check"},
	{ZK_OP_MULTI, "multi"},
	{ZK_OP_CREATE2, "create2"},
	{ZK_OP_RECONFIG, "reconfig"},
	{ZK_OP_CHECK_WATCHES, "checkWatches"},
	{ZK_OP_REMOVE_WATCHES, "removeWatches"},
	{ZK_OP_CREATE_CONTAINER, "createContainer"},
	{ZK_OP_DELETE_CONTAINER, "deleteContainer"},
	{ZK_OP_CREATE_TTL, "createTTL"},
	{ZK_OP_MULTI_READ, "multiRead"},
	{ZK_OP_AUTH, "auth"},
	{ZK_OP_SET_WATCHES, "setWatches"},
	{ZK_OP_SASL, "sasl"},
	{ZK_OP_GET_EPHEMERALS, "getEphemerals"},
	{ZK_OP_GET_ALL_CHILDREN_NUMBER, "getAllChildrenNumber"},
	{ZK_OP_SET_WATCHES2, "setWatches2"},
	{ZK_OP_ADD_WATCH, "addWatch"},
	{ZK_OP_WHO_AM_I, "whoAmI"},
	{ZK_OP_CREATE_SESSION, "createSession"},
	{ZK_OP_CLOSE_SESSION, "closeSession"},
	{ZK_OP_ERROR, "error"},
};

const char *zk_opcode_name(int32_t opcode)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((int32_t)names[i].opcode == opcode)
			return names[i].name;
	}
	return "unknown";
}
