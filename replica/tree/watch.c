#include "replica/tree/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/path.h"

struct watch_path {
	struct map_entry entry;
	struct list watches;
	uint32_t size;
	char path[];
};

struct watch {
	struct map_entry entry;
	struct list on_path;
	struct list on_watcher;
	struct watch_key {
		const struct watch_path *path;
		const struct watcher *watcher;
	} key;
	struct watch_path *path;
	struct watcher *watcher;
	uint8_t modes;
	uint8_t table;
};

void watches_init(struct watches *watches)
{
	*watches = (struct watches){0};
	for (int at = 0; at < WATCH_TABLE_COUNT; at++) {
		map_init(&watches->tables[at].paths);
		map_init(&watches->tables[at].watches);
	}
}

void watches_release(struct watches *watches)
{
	for (int at = 0; at < WATCH_TABLE_COUNT; at++) {
		ASSERT(watches->tables[at].watches.count == 0);
		map_release(&watches->tables[at].paths);
		map_release(&watches->tables[at].watches);
	}
}

void watcher_init(struct watcher *watcher)
{
	*watcher = (struct watcher){0};
	list_init(&watcher->watches);
}

/* ---- finding and adding ---- */

static struct watch_path *find_path(const struct watch_table *table, struct bytes path)
{
	struct map_entry *entry = bytes_is_null(path) ? NULL : map_find(&table->paths, path);

	return entry ? map_item(entry, struct watch_path, entry) : NULL;
}

static struct watch *find_watch(const struct watch_table *table, const struct watch_path *path,
				const struct watcher *watcher)
{
	struct watch_key key = {.path = path, .watcher = watcher};
	struct map_entry *entry =
		path ? map_find(&table->watches, bytes_of(&key, sizeof(key))) : NULL;

	return entry ? map_item(entry, struct watch, entry) : NULL;
}

static struct watch_path *add_path(struct watch_table *table, struct bytes text)
{
	struct watch_path *path = mem_alloc(sizeof(*path) + bytes_size(text));

	list_init(&path->watches);
	path->size = (uint32_t)bytes_size(text);
	if (path->size > 0)
		memcpy(path->path, text.data, path->size);
	map_insert(&table->paths, &path->entry, bytes_of(path->path, path->size));
	return path;
}

static size_t size_of(const struct watch_path *path)
{
	return sizeof(struct watch) + sizeof(*path) + path->size;
}

static struct watch *add_watch(struct watches *watches, enum watch_table_id table,
			       struct watch_path *path, struct watcher *watcher)
{
	struct watch *watch = mem_zalloc(sizeof(*watch));

	watch->key = (struct watch_key){.path = path, .watcher = watcher};
	watch->path = path;
	watch->watcher = watcher;
	watch->table = (uint8_t)table;
	map_insert(&watches->tables[table].watches, &watch->entry,
		   bytes_of(&watch->key, sizeof(watch->key)));
	list_append(&path->watches, &watch->on_path);
	list_append(&watcher->watches, &watch->on_watcher);
	watcher->watch_count++;
	watcher->size += size_of(path);
	return watch;
}

static void set_modes(struct watches *watches, struct watch *watch, unsigned modes)
{
	struct watch_table *table = &watches->tables[watch->table];

	table->recursive_count -= (watch->modes & WATCH_RECURSIVE) != 0;
	table->recursive_count += (modes & WATCH_RECURSIVE) != 0;
	watch->modes = (uint8_t)modes;
}

int watch_add(struct watches *watches, enum watch_table_id table, struct bytes path,
	      struct watcher *watcher, unsigned modes)
{
	struct watch_path *at;
	struct watch *watch;

	/* A null path is accepted, as Java's map does; no znode has it, so it never fires. */
	if (bytes_is_null(path))
		return 0;
	if (watcher->size + bytes_size(path) > WATCHER_SIZE_MAX)
		return -ENOBUFS;
	at = find_path(&watches->tables[table], path);
	if (!at)
		at = add_path(&watches->tables[table], path);
	watch = find_watch(&watches->tables[table], at, watcher);
	if (!watch)
		watch = add_watch(watches, table, at, watcher);
	set_modes(watches, watch, watch->modes | modes);
	return 0;
}

/* ---- removing ---- */

static void drop_path_if_unused(struct watch_table *table, struct watch_path *path)
{
	if (!list_is_empty(&path->watches))
		return;
	map_remove(&table->paths, &path->entry);
	free(path);
}

/* The path stays, though it may be unused now. */
static void drop_watch(struct watches *watches, struct watch *watch)
{
	set_modes(watches, watch, 0);
	map_remove(&watches->tables[watch->table].watches, &watch->entry);
	list_remove(&watch->on_path);
	list_remove(&watch->on_watcher);
	watch->watcher->watch_count--;
	watch->watcher->size -= size_of(watch->path);
	free(watch);
}

static void take_modes(struct watches *watches, struct watch *watch, unsigned modes)
{
	unsigned left = watch->modes & ~modes;

	if (left)
		set_modes(watches, watch, left);
	else
		drop_watch(watches, watch);
}

unsigned watch_remove(struct watches *watches, enum watch_table_id table, struct bytes path,
		      struct watcher *watcher, unsigned modes)
{
	struct watch_path *at = find_path(&watches->tables[table], path);
	struct watch *watch = find_watch(&watches->tables[table], at, watcher);
	unsigned taken;

	if (!watch)
		return 0;
	taken = watch->modes & modes;
	take_modes(watches, watch, modes);
	drop_path_if_unused(&watches->tables[table], at);
	return taken;
}

unsigned watch_modes(const struct watches *watches, enum watch_table_id table, struct bytes path,
		     const struct watcher *watcher)
{
	const struct watch_table *at = &watches->tables[table];
	struct watch *watch = find_watch(at, find_path(at, path), watcher);

	return watch ? watch->modes : 0;
}

void watcher_release(struct watches *watches, struct watcher *watcher)
{
	list_for_each_safe (&watcher->watches, at) {
		struct watch *watch = list_item(at, struct watch, on_watcher);
		struct watch_table *table = &watches->tables[watch->table];
		struct watch_path *path = watch->path;

		drop_watch(watches, watch);
		drop_path_if_unused(table, path);
	}
	ASSERT(watcher->watch_count == 0 && watcher->size == 0);
}

/* ---- triggering ---- */

void watch_begin(struct watches *watches)
{
	watches->trigger++;
}

static void tell_once(struct watches *watches, struct watcher *watcher, watch_fn *tell, void *data)
{
	if (watcher->last_trigger == watches->trigger)
		return;
	watcher->last_trigger = watches->trigger;
	tell(data, watcher);
}

/* Every watch on this path that has one of the modes. */
static void trigger_path(struct watches *watches, struct watch_table *table, struct bytes text,
			 unsigned modes, watch_fn *tell, void *data)
{
	struct watch_path *path = find_path(table, text);

	if (!path)
		return;
	list_for_each_safe (&path->watches, at) {
		struct watch *watch = list_item(at, struct watch, on_path);
		struct watcher *watcher = watch->watcher;

		if (!(watch->modes & modes))
			continue;
		take_modes(watches, watch, modes & WATCH_STANDARD);
		tell_once(watches, watcher, tell, data);
	}
	drop_path_if_unused(table, path);
}

void watch_trigger(struct watches *watches, enum watch_table_id table_id, struct bytes path,
		   watch_fn *tell, void *data)
{
	struct watch_table *table = &watches->tables[table_id];

	if (table->watches.count == 0)
		return;
	trigger_path(watches, table, path, WATCH_STANDARD | WATCH_PERSISTENT | WATCH_RECURSIVE,
		     tell, data);
	while (table->recursive_count > 0 && bytes_size(path) > 1) {
		path = zk_path_parent(path);
		trigger_path(watches, table, path, WATCH_RECURSIVE, tell, data);
	}
}

/* ---- looking ---- */

size_t watches_count(const struct watches *watches)
{
	return watches->tables[WATCH_DATA].watches.count +
	       watches->tables[WATCH_CHILD].watches.count;
}

size_t watches_path_count(const struct watches *watches)
{
	return watches->tables[WATCH_DATA].paths.count + watches->tables[WATCH_CHILD].paths.count;
}

static void visit_path(const struct watch_path *path, watch_visit_fn *visit, void *data)
{
	list_for_each (&path->watches, at)
		visit(data, bytes_of(path->path, path->size),
		      list_item(at, struct watch, on_path)->watcher);
}

void watches_visit(const struct watches *watches, watch_visit_fn *visit, void *data)
{
	for (int table = 0; table < WATCH_TABLE_COUNT; table++)
		map_for_each (&watches->tables[table].paths, at)
			visit_path(map_item(at, struct watch_path, entry), visit, data);
}

void watcher_visit(const struct watcher *watcher, watch_visit_fn *visit, void *data)
{
	list_for_each (&watcher->watches, at) {
		const struct watch_path *path = list_item(at, struct watch, on_watcher)->path;

		visit(data, bytes_of(path->path, path->size), watcher);
	}
}

static void check_watcher(const struct watcher *watcher)
{
	size_t count = 0;
	size_t size = 0;

	list_for_each (&watcher->watches, at) {
		size += size_of(list_item(at, struct watch, on_watcher)->path);
		count++;
	}
	ASSERT(count == watcher->watch_count);
	ASSERT(size == watcher->size);
}

static void check_table(const struct watch_table *table)
{
	size_t recursive = 0;
	size_t count = 0;

	map_for_each (&table->paths, at) {
		struct watch_path *path = map_item(at, struct watch_path, entry);

		ASSERT(!list_is_empty(&path->watches));
		list_for_each (&path->watches, link) {
			struct watch *watch = list_item(link, struct watch, on_path);

			ASSERT(watch->path == path && watch->modes != 0);
			ASSERT(find_watch(table, path, watch->watcher) == watch);
			recursive += (watch->modes & WATCH_RECURSIVE) != 0;
			count++;
			check_watcher(watch->watcher);
		}
	}
	ASSERT(count == table->watches.count);
	ASSERT(recursive == table->recursive_count);
}

void watches_check(const struct watches *watches)
{
	for (int at = 0; at < WATCH_TABLE_COUNT; at++)
		check_table(&watches->tables[at]);
}
