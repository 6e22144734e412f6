#include "fs/overflow.h"

#include <stdlib.h>

#include "fs/announced.h"
#include "fs/fs.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

struct marked {
	struct map_entry by_nodeid;
	struct overflow *overflow;
	struct node *dir;            /* held */
	struct announced *announced; /* NULL until the first list has come */
	/* Left out until then, by names; the list has the former, and lacks the latter. */
	struct announced *created;
	struct announced *deleted;
	bool asking;
	bool failed;   /* the question; asked again at the next pump */
	bool left_out; /* the last comparison couldn't raise all */
};

struct overflow {
	struct fs *fs;
	overflow_raise_fn raise;
	overflow_is_drained_fn is_drained;
	void *data;
	struct map marked;
};

static struct marked *find(const struct overflow *overflow, const struct node *dir)
{
	struct map_entry *entry =
		map_find(&overflow->marked, bytes_of(&dir->nodeid, sizeof(dir->nodeid)));

	return entry ? map_item(entry, struct marked, by_nodeid) : NULL;
}

static void end(struct marked *marked)
{
	struct overflow *overflow = marked->overflow;

	map_remove(&overflow->marked, &marked->by_nodeid);
	announced_free(marked->announced);
	announced_free(marked->created);
	announced_free(marked->deleted);
	node_drop(overflow->fs, marked->dir);
	free(marked);
}

static bool raise_name(void *data, struct bytes name, bool is_there)
{
	struct marked *marked = data;
	struct overflow *overflow = marked->overflow;
	char *path = zk_path_join(bytes_of_text(marked->dir->path), name);
	bool raised = overflow->raise(overflow->data, marked->dir, bytes_of_text(path), is_there);

	marked->left_out = marked->left_out || !raised;
	free(path);
	return raised;
}

/* The first list, less what was left out before it came. */
static void take_first_list(struct marked *marked, const struct znode *znode)
{
	marked->announced = announced_new(&znode->stat);
	announced_compare(marked->announced, &znode->children, NULL, NULL);
	map_for_each (&marked->created->names, at)
		announced_remove(marked->announced, map_entry_key(at));
	map_for_each (&marked->deleted->names, at)
		announced_add(marked->announced, map_entry_key(at));
}

static void on_list(void *data, int32_t code, int error, struct znode *znode)
{
	struct marked *marked = data;

	marked->asking = false;
	if (code == ZK_NONODE || !marked->dir->attached) {
		end(marked); /* its own end tells */
		return;
	}
	if (error) {
		marked->failed = true;
		return;
	}
	if (!marked->announced) {
		take_first_list(marked, znode);
		return;
	}
	marked->left_out = false;
	announced_compare(marked->announced, &znode->children, raise_name, marked);
	if (!marked->left_out)
		end(marked);
}

static void ask(struct marked *marked)
{
	if (marked->asking)
		return;
	marked->asking = true;
	znode_get(marked->overflow->fs, bytes_of_text(marked->dir->path), ZNODE_CHILDREN, on_list,
		  marked);
}

void overflow_begin(struct overflow *overflow, struct node *dir)
{
	struct marked *marked;

	if (find(overflow, dir))
		return;
	marked = mem_zalloc(sizeof(*marked));
	marked->overflow = overflow;
	marked->dir = dir;
	marked->created = announced_new(&(struct zk_stat){0});
	marked->deleted = announced_new(&(struct zk_stat){0});
	announced_compare(marked->created, &JUTE_STRINGS_NULL, NULL, NULL);
	announced_compare(marked->deleted, &JUTE_STRINGS_NULL, NULL, NULL);
	node_hold(dir);
	map_insert(&overflow->marked, &marked->by_nodeid,
		   bytes_of(&dir->nodeid, sizeof(dir->nodeid)));
}

bool overflow_is_marked(const struct overflow *overflow, const struct node *dir)
{
	return find(overflow, dir) != NULL;
}

void overflow_left_out(struct overflow *overflow, const struct node *dir, struct bytes name,
		       bool is_there)
{
	struct marked *marked = find(overflow, dir);

	if (!marked || marked->announced)
		return;
	if (is_there && announced_has(marked->deleted, name))
		announced_remove(marked->deleted, name);
	else if (is_there)
		announced_add(marked->created, name);
	else if (announced_has(marked->created, name))
		announced_remove(marked->created, name);
	else
		announced_add(marked->deleted, name);
}

bool overflow_knows(const struct overflow *overflow, const struct node *dir, struct bytes name)
{
	const struct marked *marked = find(overflow, dir);

	if (!marked)
		return true;
	return marked->announced ? announced_has(marked->announced, name)
				 : !announced_has(marked->created, name);
}

void overflow_told(struct overflow *overflow, const struct node *dir, struct bytes name,
		   bool is_there)
{
	struct marked *marked = find(overflow, dir);

	if (!marked)
		return;
	if (!marked->announced)
		announced_remove(marked->created, name);
	else if (is_there)
		announced_add(marked->announced, name);
	else
		announced_remove(marked->announced, name);
}

static struct marked *next_to_ask(const struct overflow *overflow)
{
	map_for_each (&overflow->marked, at) {
		struct marked *marked = map_item(at, struct marked, by_nodeid);

		if (marked->asking || marked->failed)
			continue;
		if (!marked->dir->attached || !marked->announced ||
		    overflow->is_drained(overflow->data, marked->dir))
			return marked;
	}
	return NULL;
}

void overflow_pump(struct overflow *overflow)
{
	struct marked *marked;

	map_for_each (&overflow->marked, at)
		map_item(at, struct marked, by_nodeid)->failed = false;
	/* An answer may come at once, and raise, end, or mark any. */
	while ((marked = next_to_ask(overflow)))
		ask(marked);
}

struct overflow *overflow_new(struct fs *fs, overflow_raise_fn raise,
			      overflow_is_drained_fn is_drained, void *data)
{
	struct overflow *overflow = mem_zalloc(sizeof(*overflow));

	overflow->fs = fs;
	overflow->raise = raise;
	overflow->is_drained = is_drained;
	overflow->data = data;
	map_init(&overflow->marked);
	return overflow;
}

void overflow_free(struct overflow *overflow)
{
	if (!overflow)
		return;
	/* The client is gone: nobody answers any more. */
	map_for_each (&overflow->marked, at)
		end(map_item(at, struct marked, by_nodeid));
	map_release(&overflow->marked);
	free(overflow);
}
