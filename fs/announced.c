#include "fs/announced.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"

struct name {
	struct map_entry by_name;
	unsigned round; /* of the comparison that found it last */
	char text[];
};

static struct name *find(const struct announced *announced, struct bytes name)
{
	struct map_entry *entry = map_find(&announced->names, name);

	return entry ? map_item(entry, struct name, by_name) : NULL;
}

static void drop(struct announced *announced, struct name *name)
{
	map_remove(&announced->names, &name->by_name);
	free(name);
}

static void insert(struct announced *announced, struct bytes text)
{
	struct name *name = find(announced, text);

	if (!name) {
		name = mem_zalloc(sizeof(*name) + bytes_size(text) + 1);
		memcpy(name->text, text.data, bytes_size(text));
		map_insert(&announced->names, &name->by_name,
			   bytes_of(name->text, bytes_size(text)));
	}
	name->round = announced->round;
}

struct announced *announced_new(const struct zk_stat *stat)
{
	struct announced *announced = mem_zalloc(sizeof(*announced));

	announced->czxid = stat->czxid;
	announced->mzxid = stat->mzxid;
	map_init(&announced->names);
	return announced;
}

void announced_free(struct announced *announced)
{
	if (!announced)
		return;
	map_for_each (&announced->names, at)
		drop(announced, map_item(at, struct name, by_name));
	map_release(&announced->names);
	free(announced);
}

void announced_add(struct announced *announced, struct bytes name)
{
	if (announced->has_names)
		insert(announced, name);
}

void announced_remove(struct announced *announced, struct bytes text)
{
	struct name *name = find(announced, text);

	if (name)
		drop(announced, name);
}

bool announced_has(const struct announced *announced, struct bytes name)
{
	return find(announced, name) != NULL;
}

/* Names of a list are told in its order; they point into it. */
static void tell_new(struct announced *announced, const struct jute_strings *now,
		     announced_tell_fn tell, void *data)
{
	struct bytes name;

	for (size_t at = 0; jute_strings_next(now, &at, &name);)
		if (!find(announced, name) && tell(data, name, true))
			insert(announced, name);
}

static void mark_found(struct announced *announced, const struct jute_strings *now)
{
	struct bytes text;

	announced->round++;
	for (size_t at = 0; jute_strings_next(now, &at, &text);) {
		struct name *name = find(announced, text);

		if (name)
			name->round = announced->round;
	}
}

/* What is told of may remove any name: so those that are gone are taken out first. */
static void tell_gone(struct announced *announced, announced_tell_fn tell, void *data)
{
	struct map gone;
	struct map_entry *entry;

	map_init(&gone);
	map_for_each (&announced->names, at) {
		struct name *name = map_item(at, struct name, by_name);
		struct bytes text = map_entry_key(at);

		if (name->round == announced->round)
			continue;
		map_remove(&announced->names, at);
		map_insert(&gone, at, text);
	}
	while ((entry = map_first(&gone))) {
		struct name *name = map_item(entry, struct name, by_name);
		struct bytes text = map_entry_key(entry);

		if (!tell(data, text, false))
			insert(announced, text);
		map_remove(&gone, entry);
		free(name);
	}
	map_release(&gone);
}

void announced_compare(struct announced *announced, const struct jute_strings *now,
		       announced_tell_fn tell, void *data)
{
	struct bytes name;

	if (!announced->has_names) {
		announced->has_names = true;
		for (size_t at = 0; jute_strings_next(now, &at, &name);)
			insert(announced, name);
		return;
	}
	mark_found(announced, now);
	tell_gone(announced, tell, data);
	tell_new(announced, now, tell, data);
}
