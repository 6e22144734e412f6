#ifndef FS_COMMIT_H
#define FS_COMMIT_H

#include "fs/handle.h"

/*
 * Committing a handle: one write to the server, of all that it has written up
 * to now, and the birth of a file that isn't there yet.
 *
 *	          handle_commit
 *	                |
 *	 QUEUED  behind the other handles of the file
 *	                |  the draft is frozen (content_commit_begin)
 *	     unborn? ---+--- WHOLE, COMPARE -----+
 *	        |       |                        |
 *	        |   OVER, APPEND: the newest <---|--- BADVERSION
 *	        |       |                        |
 *	     create     +-------> setData <------+
 *	        |                    |
 *	        +--- NODEEXISTS: it is an existing file from now on
 *	        |                    |
 *	        +------ outcome -----+
 *
 * What was sent is never sent again by us: the client finds out what became of
 * it, and its final outcome ends the commit. A caller whose wait ended (EINTR,
 * ETIMEDOUT) doesn't end it. A failure loses all that is uncommitted of the
 * handle, sticks to the file and is logged once.
 */

/*
 * then (NULL: nobody waits) gets 0 or the errno of what became of all that is
 * written now; at once where there is nothing to do. ETIMEDOUT may come while
 * the outcome isn't known yet.
 */
void handle_commit(struct handle *handle, file_then_fn then, void *data);

/* Wait for the commit that is under way alone; at once where there is none. */
void handle_await(struct handle *handle, file_then_fn then, void *data);

/* What the client had no room for is tried again. */
void handle_commit_retry(struct handle *handle);

/* Is a commit of it queued or under way? */
bool handle_is_committing(const struct handle *handle);

#endif
