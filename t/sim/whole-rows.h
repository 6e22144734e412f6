#ifndef T_SIM_WHOLE_ROWS_H
#define T_SIM_WHOLE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "replica/tree/tree.h"
#include "src/base/blob.h"
#include "src/base/map.h"

/*
 * The tree as a store has it: rows and sessions, changed by write-outs alone. A
 * disk of the simulation (sim-disk.h) holds it as one blob, the stream of
 * tree/snapshot.h, so that what is sent behind SNAP is what is on the disk.
 */
struct whole_rows {
	struct map rows;     /* by path; parents before their children */
	struct map sessions; /* by id */
};

void whole_rows_init(struct whole_rows *rows);
void whole_rows_release(struct whole_rows *rows);

/* A new one takes the place of an old one of that path. */
void whole_rows_put(struct whole_rows *rows, const struct tree_row *row);
void whole_rows_put_session(struct whole_rows *rows, session_id_t id, int32_t timeout_ms);
/* tree_change_fn; data is the rows. */
void whole_rows_change(void *data, const struct tree_change *change);

struct blob *whole_rows_encode(const struct whole_rows *rows);
/* The blob of a disk; NULL: nothing was written to it yet. 0 or -EBADMSG. */
int whole_rows_decode(struct whole_rows *rows, const struct blob *blob);
/* A tree with these rows at that zxid; NULL: they are no tree. */
struct tree *whole_rows_load(const struct whole_rows *rows, zxid_t zxid);

#endif
