#ifndef IO_STORE_WAL_H
#define IO_STORE_WAL_H

#include "replica/io/store.h"

/*
 * SQLite ends a WAL, without a word, at the first frame whose checksum is
 * wrong. That may be where a crash tore the last commit, which nobody was told
 * of; or rot in the middle of commits that were acknowledged. This tells them
 * apart, for a database that is synced at every commit before the next begins:
 * behind the end that SQLite finds, a crash leaves frames of one commit at
 * most.
 *
 * It reads the file itself and must be called before SQLite opens the
 * database. It is for databases whose connection never spills its cache, so
 * that the frames of a commit are in order of their pages, each page once.
 */

/*
 * 0, also when there is no WAL; -EBADMSG with the sentence when something that
 * was synced can't be read any more; or what the system said. The WAL is synced
 * as by store_wal_sync.
 */
int store_wal_check(const char *database, struct store_refusal *ret_refusal);

/*
 * What a WAL begins with that was made ahead for a new database (store_spare.h),
 * until the first commit puts SQLite's header in its place. SQLite takes it for
 * no header and the WAL for empty, whatever lies behind. It is no zeros, so that
 * a header that was lost is told apart from one that never was.
 */
#define STORE_WAL_MARK "zkfs: a WAL without a commit yet"
enum { STORE_WAL_HEADER_SIZE = 32, STORE_WAL_FRAME_HEADER_SIZE = 24 };

/*
 * For any database, before SQLite opens it: a process that was killed may have
 * left a commit that it never synced. It will be believed from now on, so it
 * must not be lost when the power is, later.
 */
int store_wal_sync(const char *database, struct store_refusal *ret_refusal);

#endif
