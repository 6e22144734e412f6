#include "src/zk/client_watches.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/jute.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"

struct watch {
	struct map_entry entry;
	char path[];
};

void zk_watches_init(struct zk_watches *watches)
{
	for (size_t i = 0; i < ZK_WATCHES_TABLES; i++)
		map_init(&watches->tables[i]);
	watches->count = 0;
}

void zk_watches_release(struct zk_watches *watches)
{
	for (size_t i = 0; i < ZK_WATCHES_TABLES; i++) {
		map_for_each (&watches->tables[i], at) {
			map_remove(&watches->tables[i], at);
			free(map_item(at, struct watch, entry));
		}
		map_release(&watches->tables[i]);
	}
	watches->count = 0;
}

void zk_watches_add(struct zk_watches *watches, enum zk_watch_table table, struct bytes path)
{
	size_t size = bytes_size(path);
	struct watch *watch;

	if (map_find(&watches->tables[table], path))
		return;
	watch = mem_alloc(sizeof(*watch) + size + 1);
	if (size > 0)
		memcpy(watch->path, path.data, size);
	watch->path[size] = '\0';
	map_insert(&watches->tables[table], &watch->entry, bytes_of(watch->path, size));
	watches->count++;
}

void zk_watches_remove(struct zk_watches *watches, enum zk_watch_table table, struct bytes path)
{
	struct map_entry *entry = map_find(&watches->tables[table], path);

	if (!entry)
		return;
	map_remove(&watches->tables[table], entry);
	free(map_item(entry, struct watch, entry));
	watches->count--;
}

/* ---- what replies and events do ---- */

/* removeWatches: 3.8 and 3.9 differ in what ANY and the halves mean for persistent ones. */
static void note_removal(struct zk_watches *watches, struct bytes path, int32_t type)
{
	bool any = type == ZK_WATCHER_ANY;

	if (any || type == ZK_WATCHER_DATA) {
		zk_watches_remove(watches, ZK_WATCHES_DATA, path);
		zk_watches_remove(watches, ZK_WATCHES_EXIST, path);
	}
	if (any || type == ZK_WATCHER_CHILDREN)
		zk_watches_remove(watches, ZK_WATCHES_CHILD, path);
	if (any || type == ZK_WATCHER_PERSISTENT)
		zk_watches_remove(watches, ZK_WATCHES_PERSISTENT, path);
	if (any || type == ZK_WATCHER_PERSISTENT_RECURSIVE)
		zk_watches_remove(watches, ZK_WATCHES_RECURSIVE, path);
}

static bool is_path_watch(int32_t opcode)
{
	return opcode == ZK_OP_GET_DATA || opcode == ZK_OP_EXISTS || opcode == ZK_OP_GET_CHILDREN ||
	       opcode == ZK_OP_GET_CHILDREN2;
}

static void note_read(struct zk_watches *watches, int32_t opcode, struct bytes path, int32_t code)
{
	if (opcode == ZK_OP_EXISTS && code == ZK_NONODE)
		zk_watches_add(watches, ZK_WATCHES_EXIST, path);
	else if (code != ZK_OK)
		return;
	else if (opcode == ZK_OP_GET_DATA || opcode == ZK_OP_EXISTS)
		zk_watches_add(watches, ZK_WATCHES_DATA, path);
	else
		zk_watches_add(watches, ZK_WATCHES_CHILD, path);
}

static void note_path_type(struct zk_watches *watches, int32_t opcode,
			   const struct zk_path_type_request *record)
{
	if (opcode == ZK_OP_REMOVE_WATCHES)
		note_removal(watches, record->path, record->type);
	else if (record->type == ZK_WATCH_PERSISTENT)
		zk_watches_add(watches, ZK_WATCHES_PERSISTENT, record->path);
	else
		zk_watches_add(watches, ZK_WATCHES_RECURSIVE, record->path);
}

void zk_watches_note_reply(struct zk_watches *watches, int32_t opcode, struct bytes record,
			   int32_t code)
{
	struct jute_reader reader;
	struct zk_path_watch_request read;
	struct zk_path_type_request path_type;

	jute_reader_init(&reader, record.data, bytes_size(record), bytes_size(record));
	if (is_path_watch(opcode)) {
		zk_path_watch_request_read(&reader, &read);
		if (!reader.error && read.watch)
			note_read(watches, opcode, read.path, code);
	} else if (code == ZK_OK && (opcode == ZK_OP_ADD_WATCH || opcode == ZK_OP_REMOVE_WATCHES)) {
		zk_path_type_request_read(&reader, &path_type);
		if (!reader.error)
			note_path_type(watches, opcode, &path_type);
	}
}

bool zk_watches_request_sets(int32_t opcode, struct bytes record)
{
	struct jute_reader reader;
	struct zk_path_watch_request read;

	if (opcode == ZK_OP_ADD_WATCH)
		return true;
	if (!is_path_watch(opcode))
		return false;
	jute_reader_init(&reader, record.data, bytes_size(record), bytes_size(record));
	zk_path_watch_request_read(&reader, &read);
	return !reader.error && read.watch;
}

/* ZKWatchManager.materialize. */
void zk_watches_note_event(struct zk_watches *watches, int32_t type, struct bytes path)
{
	switch (type) {
	case ZK_EVENT_NODE_CREATED:
	case ZK_EVENT_NODE_DATA_CHANGED:
		zk_watches_remove(watches, ZK_WATCHES_DATA, path);
		zk_watches_remove(watches, ZK_WATCHES_EXIST, path);
		break;
	case ZK_EVENT_NODE_CHILDREN_CHANGED:
		zk_watches_remove(watches, ZK_WATCHES_CHILD, path);
		break;
	case ZK_EVENT_NODE_DELETED:
		zk_watches_remove(watches, ZK_WATCHES_DATA, path);
		zk_watches_remove(watches, ZK_WATCHES_EXIST, path);
		zk_watches_remove(watches, ZK_WATCHES_CHILD, path);
		break;
	default:
		break;
	}
}

struct bytes zk_watches_first(const struct zk_watches *watches, enum zk_watch_table table)
{
	struct map_entry *entry = map_first(&watches->tables[table]);

	return entry ? map_entry_key(entry) : BYTES_NULL;
}

/* ---- setWatches ---- */

/* The next watch of all tables in turn; false behind the last. */
static bool advance(const struct zk_watches *watches, struct zk_watches_cursor *at)
{
	if (!at->begun)
		at->entry = map_first(&watches->tables[at->table]);
	else if (at->entry)
		at->entry = map_next(&watches->tables[at->table], at->entry);
	at->begun = true;
	while (!at->entry && at->table + 1 < ZK_WATCHES_TABLES)
		at->entry = map_first(&watches->tables[++at->table]);
	return at->entry;
}

static void point_lists(struct jute_strings lists[ZK_WATCHES_TABLES],
			const struct buf bufs[ZK_WATCHES_TABLES])
{
	for (size_t i = 0; i < ZK_WATCHES_TABLES; i++)
		lists[i].encoded = buf_bytes(&bufs[i]);
}

static int32_t write_batch(const struct jute_strings lists[ZK_WATCHES_TABLES], zxid_t relative_zxid,
			   struct buf *buf)
{
	struct zk_set_watches record = {
		.relative_zxid = relative_zxid,
		.data = lists[ZK_WATCHES_DATA],
		.exist = lists[ZK_WATCHES_EXIST],
		.child = lists[ZK_WATCHES_CHILD],
		.persistent = lists[ZK_WATCHES_PERSISTENT],
		.persistent_recursive = lists[ZK_WATCHES_RECURSIVE],
	};

	if (record.persistent.count == 0 && record.persistent_recursive.count == 0) {
		zk_set_watches_write(buf, &record);
		return ZK_OP_SET_WATCHES;
	}
	zk_set_watches2_write(buf, &record);
	return ZK_OP_SET_WATCHES2;
}

int32_t zk_watches_encode(const struct zk_watches *watches, struct zk_watches_cursor *at,
			  size_t batch_size, zxid_t relative_zxid, struct buf *buf)
{
	struct jute_strings lists[ZK_WATCHES_TABLES] = {{.count = 0}};
	struct buf bufs[ZK_WATCHES_TABLES];
	size_t size = 0;
	int32_t opcode = 0;

	for (size_t i = 0; i < ZK_WATCHES_TABLES; i++)
		buf_init(&bufs[i], buf->size_max);
	while (size < batch_size && advance(watches, at)) {
		struct bytes path = map_entry_key(at->entry);

		jute_write_ustring(&bufs[at->table], path);
		lists[at->table].count++;
		size += 1 + bytes_size(path);
	}
	point_lists(lists, bufs);
	if (size > 0)
		opcode = write_batch(lists, relative_zxid, buf);
	for (size_t i = 0; i < ZK_WATCHES_TABLES; i++) {
		ASSERT(!bufs[i].error);
		buf_release(&bufs[i]);
	}
	return opcode;
}
