#ifndef TREE_TXN_TEXT_H
#define TREE_TXN_TEXT_H

#include "replica/tree/txn.h"
#include "src/base/buf.h"

/*
 * A transaction as one line for people (zkfsd --log), without the end of line:
 * zxid, time (UTC), session, cxid, type, what it does, digest.
 *
 *	0x3 2026-11-21T02:44:57.000Z session 0x100002816190000 cxid 1 create "/a"
 *	1 bytes "x" acl "world:anyone:cdrwa" parentCVersion 1 digest 0x1aebaf618
 *
 * Paths, values and ids are quoted; bytes that aren't printable ASCII are \xNN.
 * Of a value the first TXN_TEXT_DATA_MAX bytes are shown, "..." behind them. A
 * line that passes buf's maximum is cut, with buf's sticky error.
 */
enum { TXN_TEXT_DATA_MAX = 64 };

void txn_format(struct buf *buf, const struct txn *txn);

#endif
