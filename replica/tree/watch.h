#ifndef TREE_WATCH_H
#define TREE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/bytes.h"
#include "src/base/list.h"
#include "src/base/map.h"

/*
 * Who watches what (WatchManager of 3.9): two tables keyed by path, data and
 * child. A watcher is a connection. For each table, path and watcher there is
 * one watch with a set of modes; a trigger uses up the standard one only.
 *
 * A recursive watch lives in the data table and sees its path and everything
 * below it. A watcher gets at most one event a trigger, however many of its
 * watches match.
 *
 * Invariants:
 *  1. a watch has at least one mode; a path with no watch is not in its table
 *  2. recursive_count is the number of watches with WATCH_RECURSIVE
 *  3. watcher->watch_count and size are of exactly the watches on its list
 */
enum watch_mode { WATCH_STANDARD = 1, WATCH_PERSISTENT = 2, WATCH_RECURSIVE = 4 };

enum watch_table_id { WATCH_DATA, WATCH_CHILD, WATCH_TABLE_COUNT };

/* What one connection's watches may take, about; who passes it is disconnected. */
enum { WATCHER_SIZE_MAX = 256 * 1024 * 1024 };

struct watcher {
	struct list watches;
	size_t watch_count;
	size_t size;
	uint64_t last_trigger;
};

struct watch_table {
	struct map paths;   /* struct watch_path */
	struct map watches; /* struct watch by (path, watcher) */
	size_t recursive_count;
};

struct watches {
	struct watch_table tables[WATCH_TABLE_COUNT];
	uint64_t trigger;
};

void watches_init(struct watches *watches);
void watches_release(struct watches *watches); /* all watchers must be gone */

void watcher_init(struct watcher *watcher);
void watcher_release(struct watches *watches, struct watcher *watcher); /* with all its watches */

/* Add modes to the watch of that path. 0, or -ENOBUFS when the watcher is full. */
int watch_add(struct watches *watches, enum watch_table_id table, struct bytes path,
	      struct watcher *watcher, unsigned modes);
/* Take modes away; returns those that were there. */
unsigned watch_remove(struct watches *watches, enum watch_table_id table, struct bytes path,
		      struct watcher *watcher, unsigned modes);
/* The modes that the watcher has on exactly that path. */
unsigned watch_modes(const struct watches *watches, enum watch_table_id table, struct bytes path,
		     const struct watcher *watcher);

typedef void watch_fn(void *data, struct watcher *watcher);

/*
 * One change of a znode begins with watch_begin; each watcher is told at most
 * once from then on until the next watch_begin (this is how the second
 * NodeDeleted is kept from who got the first). watch_trigger tells every
 * watcher of the path, and in the data table the recursive ones above it; each
 * standard watch is gone before its watcher is told. tell must not add or
 * remove watches.
 */
void watch_begin(struct watches *watches);
void watch_trigger(struct watches *watches, enum watch_table_id table, struct bytes path,
		   watch_fn *tell, void *data);

size_t watches_count(const struct watches *watches);      /* all watches of both tables */
size_t watches_path_count(const struct watches *watches); /* paths in both tables */

typedef void watch_visit_fn(void *data, struct bytes path, const struct watcher *watcher);
/* By table, then path, then watcher, each in order of registration (wchp); or one watcher's (wchc).
 */
void watches_visit(const struct watches *watches, watch_visit_fn *visit, void *data);
void watcher_visit(const struct watcher *watcher, watch_visit_fn *visit, void *data);

void watches_check(const struct watches *watches);

#endif
