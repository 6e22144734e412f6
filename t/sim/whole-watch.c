/* What a simulated client watches, and what it saw there when it left the watch. */
#include <inttypes.h>
#include <stdlib.h>

#include "src/base/mem.h"
#include "src/zk/opcode.h"
#include "t/sim/whole-client-impl.h"

struct watched {
	struct map_entry entry;
	char *path;
	bool is_armed[2]; /* enum whole_watch */
	bool exists[2];
	zxid_t created[2];
	zxid_t changed[2];
};

static struct watched *find(struct whole_client *client, struct bytes path)
{
	struct map_entry *entry = map_find(&client->watched, path);

	return entry ? map_item(entry, struct watched, entry) : NULL;
}

static struct watched *get(struct whole_client *client, struct bytes path)
{
	struct watched *watched = find(client, path);

	if (watched)
		return watched;
	watched = mem_zalloc(sizeof(*watched));
	watched->path = bytes_dup(path);
	map_insert(&client->watched, &watched->entry, bytes_of(watched->path, bytes_size(path)));
	return watched;
}

void whole_watch_read(struct whole_client *client, enum whole_watch type, struct bytes path,
		      const struct zk_stat *stat, bool leaves_watch)
{
	struct watched *watched = get(client, path);
	bool exists = stat != NULL;
	zxid_t created = stat ? stat->czxid : 0;
	zxid_t changed = !stat ? 0 : type == WHOLE_WATCH_DATA ? stat->mzxid : stat->pzxid;
	bool is_same = watched->exists[type] == exists && watched->created[type] == created &&
		       watched->changed[type] == changed;

	if (watched->is_armed[type] && !is_same)
		sim_fail(client->world,
			 "client %" PRId64 " reads %s as of 0x%" PRIx64
			 ", which it watches as of 0x%" PRIx64 ", and was not told",
			 client->node, watched->path, changed, watched->changed[type]);
	if (!leaves_watch)
		return;
	watched->is_armed[type] = true;
	watched->exists[type] = exists;
	watched->created[type] = created;
	watched->changed[type] = changed;
}

void whole_watch_event(struct whole_client *client, const struct zk_client_event *event)
{
	struct watched *watched = find(client, event->path);

	client->counts.events++;
	sim_trace(client->world, client->node, "event", event->type, event->zxid, 0);
	if (!watched)
		return;
	if (event->type != ZK_EVENT_NODE_CHILDREN_CHANGED)
		watched->is_armed[WHOLE_WATCH_DATA] = false;
	if (event->type == ZK_EVENT_NODE_CHILDREN_CHANGED || event->type == ZK_EVENT_NODE_DELETED)
		watched->is_armed[WHOLE_WATCH_CHILDREN] = false;
}

void whole_watch_forget_all(struct whole_client *client)
{
	map_for_each (&client->watched, at) {
		struct watched *watched = map_item(at, struct watched, entry);

		map_remove(&client->watched, at);
		free(watched->path);
		free(watched);
	}
}

void whole_watch_each(struct whole_client *client, whole_watch_fn *visit)
{
	map_for_each (&client->watched, at) {
		struct watched *watched = map_item(at, struct watched, entry);

		for (int type = WHOLE_WATCH_DATA; type <= WHOLE_WATCH_CHILDREN; type++)
			if (watched->is_armed[type])
				visit(client, type, map_entry_key(at));
	}
}
