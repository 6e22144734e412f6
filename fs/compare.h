#ifndef FS_COMPARE_H
#define FS_COMPARE_H

#include "src/base/bytes.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"

struct fs;

/*
 * While the connection was lost, changes were made that no event tells of. So
 * when it is back, everything that the kernel holds is compared with the
 * server, and each difference is told as the event that was missed:
 *
 *	a live file or directory	gone: DELETED; made anew: DELETED and CREATED;
 *					a newer value: CHANGED
 *	a name in a live directory	in the list known before, and no more: DELETED;
 *					in the new one only, and younger: CREATED
 *
 * "Younger" and "newer" mean than the last zxid that was seen while the
 * connection was up: what is not was told then. Changes in between coalesce;
 * none is lost but a name's that came and went, or that came and went out of
 * the kernel's memory before. COMPARE_FLIGHT_MAX questions are asked at a time.
 *
 * If the connection is lost again meanwhile, the next comparison starts from
 * the same zxid.
 */
enum {
	COMPARE_FLIGHT_MAX = 128,
	COMPARE_DELETED_MAX = 16384,
	COMPARE_OWN_MAX = 16384,
	COMPARE_TOLD_MAX = 16384,
};

struct compare;

typedef void (*compare_difference_fn)(void *data, enum zk_event_type type, struct bytes path);

struct compare *compare_new(struct fs *fs, compare_difference_fn on_difference, void *data);
void compare_free(struct compare *compare);

/* The connection is lost: what was seen until now has been told. */
void compare_interrupted(struct compare *compare);

/* It is back. */
void compare_begin(struct compare *compare);

/*
 * An own write of path has become a txn (kind as in change.h), and stat is what
 * it is since (its zxids alone matter), or NULL where that isn't known: the
 * newest is taken for it then. An answer that shows it is no difference. Nothing
 * is remembered, and nothing needs to be, but while a comparison is under way.
 */
void compare_own(struct compare *compare, enum zk_event_type kind, struct bytes path,
		 const struct zk_stat *stat);

/*
 * An event has been told. While a comparison is under way that shows that events
 * come: later changes of this kind have theirs, and what was missed before has
 * coalesced with this one. So it is no difference either.
 */
void compare_told(struct compare *compare, enum zk_event_type type, struct bytes path);

/* This name's end has been told: it isn't told again from an old list. The latest are remembered.
 */
void compare_deleted(struct compare *compare, struct bytes path);

#endif
