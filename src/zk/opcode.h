#ifndef ZK_OPCODE_H
#define ZK_OPCODE_H

#include <stdint.h>

/* ZooDefs.OpCode. The same numbers are the types of transactions. */
enum zk_opcode {
	ZK_OP_NOTIFICATION = 0,
	ZK_OP_CREATE = 1,
	ZK_OP_DELETE = 2,
	ZK_OP_EXISTS = 3,
	ZK_OP_GET_DATA = 4,
	ZK_OP_SET_DATA = 5,
	ZK_OP_GET_ACL = 6,
	ZK_OP_SET_ACL = 7,
	ZK_OP_GET_CHILDREN = 8,
	ZK_OP_SYNC = 9,
	ZK_OP_PING = 11,
	ZK_OP_GET_CHILDREN2 = 12,
	ZK_OP_CHECK = 13,
	ZK_OP_MULTI = 14,
	ZK_OP_CREATE2 = 15,
	ZK_OP_RECONFIG = 16,
	ZK_OP_CHECK_WATCHES = 17,
	ZK_OP_REMOVE_WATCHES = 18,
	ZK_OP_CREATE_CONTAINER = 19,
	ZK_OP_DELETE_CONTAINER = 20,
	ZK_OP_CREATE_TTL = 21,
	ZK_OP_MULTI_READ = 22,
	ZK_OP_AUTH = 100,
	ZK_OP_SET_WATCHES = 101,
	ZK_OP_SASL = 102,
	ZK_OP_GET_EPHEMERALS = 103,
	ZK_OP_GET_ALL_CHILDREN_NUMBER = 104,
	ZK_OP_SET_WATCHES2 = 105,
	ZK_OP_ADD_WATCH = 106,
	ZK_OP_WHO_AM_I = 107,
	ZK_OP_CREATE_SESSION = -10,
	ZK_OP_CLOSE_SESSION = -11,
	ZK_OP_ERROR = -1,
};

/* Special xids (ClientCnxn). */
enum {
	ZK_XID_NOTIFICATION = -1,
	ZK_XID_PING = -2,
	ZK_XID_AUTH = -4,
	ZK_XID_SET_WATCHES = -8,
};

/* CreateMode flags. */
enum zk_create_flags {
	ZK_PERSISTENT = 0,
	ZK_EPHEMERAL = 1,
	ZK_PERSISTENT_SEQUENTIAL = 2,
	ZK_EPHEMERAL_SEQUENTIAL = 3,
	ZK_CONTAINER = 4,
	ZK_PERSISTENT_WITH_TTL = 5,
	ZK_PERSISTENT_SEQUENTIAL_WITH_TTL = 6,
};

/* Watcher.Event.EventType, as far as servers send it. */
enum zk_event_type {
	ZK_EVENT_NONE = -1,
	ZK_EVENT_NODE_CREATED = 1,
	ZK_EVENT_NODE_DELETED = 2,
	ZK_EVENT_NODE_DATA_CHANGED = 3,
	ZK_EVENT_NODE_CHILDREN_CHANGED = 4,
};

enum { ZK_STATE_SYNC_CONNECTED = 3 };

/* AddWatchMode. */
enum { ZK_WATCH_PERSISTENT = 0, ZK_WATCH_PERSISTENT_RECURSIVE = 1 };

/* Watcher.WatcherType, for removeWatches and checkWatches. */
enum zk_watcher_type {
	ZK_WATCHER_CHILDREN = 1,
	ZK_WATCHER_DATA = 2,
	ZK_WATCHER_ANY = 3,
	ZK_WATCHER_PERSISTENT = 4,
	ZK_WATCHER_PERSISTENT_RECURSIVE = 5,
};

/* jute.maxbuffer's default: the largest frame, without its length word. */
enum { ZK_JUTE_MAXBUFFER_DEFAULT = 0xfffff };

/* ZooKeeper's name for it ("getData"), "unknown" where there is none. */
const char *zk_opcode_name(int32_t opcode);

#endif
