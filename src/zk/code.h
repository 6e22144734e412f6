#ifndef ZK_CODE_H
#define ZK_CODE_H

#include <stdint.h>

/*
 * Protocol results: what a reply header's err says (KeeperException.Code).
 * They are part of the replicated state, not errors of this process: no log
 * line is written for one. Numbers, names and errnos are one table in code.c.
 */
enum zk_code {
	ZK_OK = 0,
	ZK_SYSTEMERROR = -1,
	ZK_RUNTIMEINCONSISTENCY = -2,
	ZK_DATAINCONSISTENCY = -3,
	ZK_CONNECTIONLOSS = -4,
	ZK_MARSHALLINGERROR = -5,
	ZK_UNIMPLEMENTED = -6,
	ZK_OPERATIONTIMEOUT = -7,
	ZK_BADARGUMENTS = -8,
	ZK_UNKNOWNSESSION = -12,
	ZK_NEWCONFIGNOQUORUM = -13,
	ZK_RECONFIGINPROGRESS = -14,
	ZK_APIERROR = -100,
	ZK_NONODE = -101,
	ZK_NOAUTH = -102,
	ZK_BADVERSION = -103,
	ZK_NOCHILDRENFOREPHEMERALS = -108,
	ZK_NODEEXISTS = -110,
	ZK_NOTEMPTY = -111,
	ZK_SESSIONEXPIRED = -112,
	ZK_INVALIDCALLBACK = -113,
	ZK_INVALIDACL = -114,
	ZK_AUTHFAILED = -115,
	ZK_CLOSING = -116, /* never on the wire: the client is being closed */
	ZK_SESSIONMOVED = -118,
	ZK_NOTREADONLY = -119,
	ZK_EPHEMERALONLOCALSESSION = -120,
	ZK_NOWATCHER = -121,
	ZK_REQUESTTIMEOUT = -122,
	ZK_RECONFIGDISABLED = -123,
	ZK_SESSIONCLOSEDREQUIRESASLAUTH = -124,
	ZK_QUOTAEXCEEDED = -125,
	ZK_THROTTLEDOP = -127,
};

/* "NONODE"; "UNKNOWN" for a number that is not in the table. */
const char *zk_code_name(int32_t code);

/*
 * The positive errno that a file system call returns for it: 0 for ZK_OK, EIO
 * for a number that is not in the table.
 */
int zk_code_errno(int32_t code);

#endif
