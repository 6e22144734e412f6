#ifndef ZAB_HISTORY_H
#define ZAB_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/blob.h"
#include "src/zk/zxid.h"

/*
 * The newest part of the log, in memory: what a leader sends in a DIFF, and
 * what waits to be delivered.
 *
 *	base | entry, entry, ... entry
 *
 * Invariant: without a gap (lessons R6). The first entry follows base, each
 * other one follows the entry before it, and there is no transaction between
 * them in the log. A gap is what ZOOKEEPER-2846, 4352 and 4925 lost data by.
 */
struct history_entry {
	zxid_t zxid;
	struct blob *txn;
	uint64_t end; /* the sizes of all entries ever appended, up to this one */
};

struct history {
	zxid_t base;
	uint64_t base_end;
	struct history_entry *entries; /* [first, first + count) */
	size_t first;
	size_t count;
	size_t capacity;
};

/* Whether next may come right behind zxid: the next counter, or the first one of a later epoch. */
bool history_follows(zxid_t zxid, zxid_t next);

void history_init(struct history *history, zxid_t base);
void history_release(struct history *history);

/* Of the last entry; base without one. */
zxid_t history_last(const struct history *history);
/* Takes a reference. zxid follows the last. */
void history_append(struct history *history, zxid_t zxid, struct blob *txn);
/* Drop what is above zxid, which is base or an entry's. */
void history_truncate(struct history *history, zxid_t zxid);

/* Entry number i, of count. */
const struct history_entry *history_at(const struct history *history, size_t i);
/* The number of the first entry above zxid; count if there is none. */
size_t history_after(const struct history *history, zxid_t zxid);
/* base, or an entry's. */
bool history_has(const struct history *history, zxid_t zxid);
/* What the entries above zxid take, in bytes. */
size_t history_size_after(const struct history *history, zxid_t zxid);

/* Of the entries up to zxid, drop the oldest until they are within both maxima. */
void history_trim(struct history *history, zxid_t zxid, size_t size_max, size_t count_max);

void history_check(const struct history *history);

#endif
