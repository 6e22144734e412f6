#ifndef FS_NAME_H
#define FS_NAME_H

#include <stdbool.h>

#include "fs/node.h"
#include "src/base/bytes.h"

/*
 * How a znode's name is shown, and what a shown name means (DESIGN.md 3).
 *
 * Names are shown as they are, but for those that mean something else here:
 * ".data", the create modes, ".", "..", and ".zkfs" in the root have their dot
 * shown as "%2E", and what looks like such an escape has "25" put behind its
 * '%'. Other percent signs stay: "50%25" is that name, and not another's shown
 * form. A name that is longer than 255 bytes so, or that no file can have, is
 * shown as its first bytes, cut at a character, then "%~" and the 40 hex digits
 * of the SHA-1 of the whole name: it is found by comparing with the names in
 * its directory's list.
 */
enum { NAME_SIZE_MAX = 255 };

/* The shown form of a znode name, '\0' terminated. */
void name_show(struct bytes name, bool in_root, char ret_shown[NAME_SIZE_MAX + 1]);

enum name_meaning {
	NAME_ZNODE,   /* ret_name is the znode's name, owned by the caller */
	NAME_DIGEST,  /* the shown form of an overlong name: search the directory's list for it */
	NAME_DATA,    /* ".data" */
	NAME_MODE,    /* ".ephemeral", ".sequential", ".container", ".ttl=N" */
	NAME_ZKFS,    /* ".zkfs", in the root */
	NAME_INVALID, /* nothing can have this name: ENOENT to look up, EINVAL to create */
};
enum name_meaning name_parse(const char *shown, bool in_root, char **ret_name,
			     struct create_mode *ret_mode);

/*
 * Compose modes: ".ephemeral/.sequential". False where the two exclude each
 * other or the second repeats the first.
 */
bool name_mode_compose(const struct create_mode *outer, const struct create_mode *inner,
		       struct create_mode *ret_mode);
/* enum zk_create_flags for it. */
int32_t name_mode_flags(const struct create_mode *mode);
/* ".ephemeral/.sequential", for messages and keys. */
void name_mode_format(const struct create_mode *mode, char ret_text[64]);

/* Is it the name of a lock contender ("<32 hex>__lock__0000000003", "__rlock__")? */
bool name_is_contender(struct bytes name);

#endif
