#include "fs/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "fs/name.h"
#include "src/base/mem.h"
#include "src/zk/path.h"

struct search {
	struct fs *fs;
	char *dir_path;
	char *shown;
	bool in_root;
	place_then_fn then;
	void *data;
};

bool place_is_root(const struct fs *fs, struct bytes path)
{
	return bytes_equal_text(path, fs->root_path);
}

void place_shown_name(const struct fs *fs, struct bytes path, char ret_shown[])
{
	name_show(zk_path_name(path), place_is_root(fs, zk_path_parent(path)), ret_shown);
}

static char *find_shown(const struct search *search, const struct znode *znode)
{
	char shown[NAME_SIZE_MAX + 1];
	struct bytes name;

	for (size_t at = 0; jute_strings_next(&znode->children, &at, &name);) {
		/* Only a name that is longer than its shown form, or odd, ends in a digest. */
		name_show(name, search->in_root, shown);
		if (strcmp(shown, search->shown) == 0)
			return zk_path_join(bytes_of_text(search->dir_path), name);
	}
	return NULL;
}

static void on_list(void *data, int32_t code, int error, struct znode *znode)
{
	struct search *search = data;
	struct place place = {.kind = PLACE_ZNODE};

	if (!error) {
		place.path = find_shown(search, znode);
		if (!place.path)
			error = EINVAL;
	}
	search->then(search->data, error, error ? NULL : &place);
	free(place.path);
	free(search->dir_path);
	free(search->shown);
	free(search);
}

static void search_list(struct fs *fs, struct node *dir, const char *shown, bool in_root,
			place_then_fn then, void *data)
{
	struct search *search = mem_alloc(sizeof(*search));

	*search = (struct search){
		.fs = fs,
		.dir_path = mem_strdup(dir->path),
		.shown = mem_strdup(shown),
		.in_root = in_root,
		.then = then,
		.data = data,
	};
	znode_get(fs, bytes_of_text(dir->path), ZNODE_CHILDREN, on_list, search);
}

static int place_in_zkfs(const char *shown, struct place *ret_place)
{
	if (strcmp(shown, "status") == 0)
		ret_place->kind = PLACE_STATUS;
	else if (strcmp(shown, "events") == 0)
		ret_place->kind = PLACE_EVENTS;
	else
		return ENOENT;
	return 0;
}

static int place_of_mode(const struct node *dir, const struct create_mode *mode,
			 struct place *ret_place)
{
	ret_place->kind = PLACE_MODE;
	ret_place->mode = *mode;
	if (dir->kind == NODE_MODE && !name_mode_compose(&dir->mode, mode, &ret_place->mode))
		return ENOENT;
	ret_place->path = mem_strdup(dir->path);
	return 0;
}

static int place_of_name(const struct node *dir, enum name_meaning meaning, const char *name,
			 const struct create_mode *mode, struct place *ret_place)
{
	switch (meaning) {
	case NAME_ZNODE:
		ret_place->kind = PLACE_ZNODE;
		ret_place->path = zk_path_join(bytes_of_text(dir->path), bytes_of_text(name));
		ret_place->has_mode = dir->kind == NODE_MODE;
		ret_place->mode = dir->mode;
		return 0;
	case NAME_MODE:
		return place_of_mode(dir, mode, ret_place);
	case NAME_DATA:
		if (dir->kind == NODE_MODE)
			return ENOENT;
		ret_place->kind = PLACE_DATA;
		ret_place->path = mem_strdup(dir->path);
		return 0;
	case NAME_ZKFS:
		if (dir->kind == NODE_MODE)
			return ENOENT;
		ret_place->kind = PLACE_ZKFS;
		return 0;
	case NAME_DIGEST: /* only in a mode directory, where nothing is listed */
	case NAME_INVALID:
		break;
	}
	return EINVAL;
}

void place_find(struct fs *fs, struct node *dir, const char *shown, place_then_fn then, void *data)
{
	struct place place = {.kind = PLACE_ZNODE};
	struct create_mode mode = {0};
	enum name_meaning meaning;
	char *name = NULL;
	bool in_root;
	int error;

	if (strlen(shown) > NAME_SIZE_MAX) {
		then(data, ENAMETOOLONG, NULL);
		return;
	}
	if (!dir->attached) {
		then(data, ESTALE, NULL); /* the kernel looks its path up anew, once */
		return;
	}
	if (dir->kind == NODE_ZKFS) {
		error = place_in_zkfs(shown, &place);
		then(data, error, error ? NULL : &place);
		return;
	}
	in_root = place_is_root(fs, bytes_of_text(dir->path));
	meaning = name_parse(shown, in_root, &name, &mode);
	if (meaning == NAME_DIGEST && dir->kind == NODE_DIR) {
		search_list(fs, dir, shown, in_root, then, data);
		return;
	}
	error = place_of_name(dir, meaning, name, &mode, &place);
	free(name);
	then(data, error, error ? NULL : &place);
	free(place.path);
}
