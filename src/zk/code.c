#include "src/zk/code.h"

#include <errno.h>
#include <stddef.h>

struct code_row {
	enum zk_code code;
	const char *name;
	int errnum;
};

/*
 * ENOENT stands for "there is no such znode" alone, never for a request that
 * failed otherwise. What a file system call has no word for is EIO.
 */
static const struct code_row rows[] = {
	{ZK_OK, "OK", 0},
	{ZK_SYSTEMERROR, "SYSTEMERROR", EIO},
	{ZK_RUNTIMEINCONSISTENCY, "RUNTIMEINCONSISTENCY", EIO},
	{ZK_DATAINCONSISTENCY, "DATAINCONSISTENCY", EIO},
	{ZK_CONNECTIONLOSS, "CONNECTIONLOSS", ETIMEDOUT},
	{ZK_MARSHALLINGERROR, "MARSHALLINGERROR", EIO},
	{ZK_UNIMPLEMENTED, "UNIMPLEMENTED", EOPNOTSUPP},
	{ZK_OPERATIONTIMEOUT, "OPERATIONTIMEOUT", ETIMEDOUT},
	{ZK_BADARGUMENTS, "BADARGUMENTS", EINVAL},
	{ZK_UNKNOWNSESSION, "UNKNOWNSESSION", EIO},
	{ZK_NEWCONFIGNOQUORUM, "NEWCONFIGNOQUORUM", EIO},
	{ZK_RECONFIGINPROGRESS, "RECONFIGINPROGRESS", EIO},
	{ZK_APIERROR, "APIERROR", EIO},
	{ZK_NONODE, "NONODE", ENOENT},
	{ZK_NOAUTH, "NOAUTH", EACCES},
	{ZK_BADVERSION, "BADVERSION", ESTALE},
	{ZK_NOCHILDRENFOREPHEMERALS, "NOCHILDRENFOREPHEMERALS", ENOTDIR},
	{ZK_NODEEXISTS, "NODEEXISTS", EEXIST},
	{ZK_NOTEMPTY, "NOTEMPTY", ENOTEMPTY},
	{ZK_SESSIONEXPIRED, "SESSIONEXPIRED", EIO},
	{ZK_INVALIDCALLBACK, "INVALIDCALLBACK", EIO},
	{ZK_INVALIDACL, "INVALIDACL", EINVAL},
	{ZK_AUTHFAILED, "AUTHFAILED", EACCES},
	{ZK_CLOSING, "CLOSING", EIO},
	{ZK_SESSIONMOVED, "SESSIONMOVED", EIO},
	{ZK_NOTREADONLY, "NOTREADONLY", EROFS},
	{ZK_EPHEMERALONLOCALSESSION, "EPHEMERALONLOCALSESSION", EIO},
	{ZK_NOWATCHER, "NOWATCHER", EIO},
	{ZK_REQUESTTIMEOUT, "REQUESTTIMEOUT", ETIMEDOUT},
	{ZK_RECONFIGDISABLED, "RECONFIGDISABLED", EIO},
	{ZK_SESSIONCLOSEDREQUIRESASLAUTH, "SESSIONCLOSEDREQUIRESASLAUTH", EIO},
	{ZK_QUOTAEXCEEDED, "QUOTAEXCEEDED", EDQUOT},
	{ZK_THROTTLEDOP, "THROTTLEDOP", EAGAIN},
};

static const struct code_row *find_row(int32_t code)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if ((int32_t)rows[i].code == code)
			return &rows[i];
	}
	return NULL;
}

const char *zk_code_name(int32_t code)
{
	const struct code_row *row = find_row(code);

	return row ? row->name : "UNKNOWN";
}

int zk_code_errno(int32_t code)
{
	const struct code_row *row = find_row(code);

	return row ? row->errnum : EIO;
}
