#ifndef FS_CONTENT_H
#define FS_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/draft.h"
#include "fs/znode.h"
#include "src/base/buf.h"
#include "src/base/bytes.h"

/*
 * What one open handle sees of its file, and what it has written: the rules of
 * DESIGN.md 3, "Reading and writing", for one handle. Pure: no FUSE, no server.
 *
 *	draft      written since the last commit began
 *	  over
 *	sending    of the commit that is under way, shown as `view`
 *	  over
 *	base       the version that it reads
 *
 * Reading. A read is of one version. The newest one is taken by a clean handle
 * alone, and only for a read at offset 0 or one after the end was reported
 * (content_wants_newest; then content_take).
 *
 * Writing. A commit is one setData (or create) of a whole value; the rule says
 * over what the draft is laid, and what the server has to compare:
 *
 *	rule      opened                          over      version sent
 *	-------   -----------------------------   -------   ------------
 *	WHOLE     O_TRUNC                         its own   -1
 *	COMPARE   O_RDWR, and has been read       its own   of its own; BADVERSION is ESTALE
 *	OVER      else                            newest    of the newest; retried
 *	APPEND    O_APPEND                        newest    of the newest; retried
 *
 * O_APPEND goes before O_TRUNC once the truncation was committed, and before
 * COMPARE always. Own commits move the base.
 *
 * Invariants:
 *  1. view is there exactly while a commit is under way
 *  2. base changes only while the handle is clean, or by its own commit
 */
enum commit_rule { COMMIT_WHOLE, COMMIT_COMPARE, COMMIT_OVER, COMMIT_APPEND };

struct content {
	bool readable;
	bool append;      /* fcntl(F_SETFL) may change it */
	bool synchronous; /* each write is committed, and its failure told, at once */
	bool truncating;  /* opened with O_TRUNC; O_APPEND: until that is committed */
	bool was_read;
	bool first_read_done; /* the value taken at open has been used */
	bool end_reported;
	bool written; /* the draft holds more than the truncation by open(2) */
	bool committing;
	enum commit_rule rule; /* of the commit that is under way */
	/*
	 * A commit failed, and its bytes are lost. Writing on where they ended would
	 * leave a hole there, so writes are refused with this errno until the handle
	 * takes the newest version or is truncated to nothing. Never for O_APPEND or
	 * O_SYNC: there nothing follows what was lost.
	 */
	int broken;
	struct value *base; /* NULL: none was asked for (O_TRUNC), or there is none yet */
	struct draft draft;
	struct draft sending;
	struct buf view;
	size_t size_max;
};

/* open_flags as of open(2). size_max: the longest value that can be sent. */
void content_init(struct content *content, int open_flags, size_t size_max);
void content_release(struct content *content);

/* ---- reading ---- */

/* Must the newest version be taken before a read at this offset? */
bool content_wants_newest(const struct content *content, size_t offset);

/* A clean handle takes a version; its reference is the caller's and is added to. */
void content_take(struct content *content, struct value *value);

/* What is shown; for stat too. */
size_t content_size(const struct content *content);

/*
 * At most size bytes from offset; none at or past the end. They are in the
 * version itself, or in scratch (emptied first), until the next call.
 */
struct bytes content_read(struct content *content, size_t offset, size_t size, struct buf *scratch);

/* ---- writing: 0, -EFBIG, -EAGAIN (commit first: see draft.h), or -broken ---- */

int content_write(struct content *content, size_t offset, struct bytes bytes);
int content_append(struct content *content, struct bytes bytes);
int content_truncate(struct content *content, size_t size);
int content_extend(struct content *content, size_t size);

/* ---- committing ---- */

/* Nothing is uncommitted, not even a truncation by open(2). */
bool content_is_clean(const struct content *content);

/*
 * The draft becomes what is under way; there must be none. The draft may be
 * empty (a new file that nothing was written to).
 */
void content_commit_begin(struct content *content);

/*
 * The value to send. newest is what COMMIT_OVER and COMMIT_APPEND lay it over
 * (NULL: nothing); the other rules take the base. 0 or -EFBIG.
 */
int content_commit_value(const struct content *content, const struct value *newest,
			 struct buf *ret_bytes);

/* It succeeded: committed is the new base, a reference is added; NULL: to be asked for. */
void content_commit_done(struct content *content, struct value *committed);

/* It failed: all that is uncommitted is lost. error is a positive errno. */
void content_commit_failed(struct content *content, int error);

/* The file was unlinked: what is uncommitted is dropped, and shown no more. */
void content_discard(struct content *content);

/* Heap bytes of what is uncommitted. */
size_t content_memory(const struct content *content);

void content_check(const struct content *content);

#endif
