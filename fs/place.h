#ifndef FS_PLACE_H
#define FS_PLACE_H

#include <stdbool.h>

#include "fs/node.h"
#include "src/base/bytes.h"

struct fs;

/*
 * What a shown name in a directory stands for, whether or not it is there.
 */
enum place_kind {
	PLACE_ZNODE, /* path; where dir is a mode directory, mode says how to create it */
	PLACE_DATA,  /* .data of the directory path */
	PLACE_MODE,  /* a mode directory of the directory path */
	PLACE_ZKFS,
	PLACE_STATUS,
	PLACE_EVENTS,
};

struct place {
	enum place_kind kind;
	char *path; /* the znode's; NULL below .zkfs, and for it */
	bool has_mode;
	struct create_mode mode; /* PLACE_MODE, and PLACE_ZNODE with has_mode */
};

/*
 * Find it; then gets 0 and the place, valid until it returns, or
 *
 *	ENOENT        no such thing can be here, now
 *	EINVAL        the same, and nothing of this name can ever be created
 *	ENAMETOOLONG  longer than any shown name
 *	ESTALE        dir itself has no name any more
 *
 * At once but for the shown form of an overlong name, for which the
 * directory's list is asked for.
 */
typedef void (*place_then_fn)(void *data, int error, const struct place *place);
void place_find(struct fs *fs, struct node *dir, const char *shown, place_then_fn then, void *data);

/* How a znode is shown in its directory. */
void place_shown_name(const struct fs *fs, struct bytes path, char ret_shown[]);

/* Is it the znode of the mount's root? */
bool place_is_root(const struct fs *fs, struct bytes path);

#endif
