#ifndef T_SIM_DISK_H
#define T_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/blob.h"
#include "src/base/list.h"
#include "src/base/prng.h"
#include "src/zk/zxid.h"
#include "t/sim/sim-world.h"

/*
 * A model of a replica's store (DESIGN.md 7): the epochs, and the generation
 * that is valid: a base zxid, a tree at some zxid, a log of rows behind the base.
 * It outlives the process that uses it.
 *
 * What is asked for is queued, takes effect in order, and is told when it is
 * durable: appends that wait together in one sync, anything else by itself.
 * The tree is written beside that. A crash loses what was not told, or keeps the
 * first so many of it: a torn tail. What is staged, a generation to come, is void after a crash
 * until its installation is durable.
 *
 * A disk is slow (its syncs take times as long), or full: the next thing that it should do fails,
 * and the process ends.
 *
 * Rows below the tree are dropped now and then, never the last one; a cut may leave none behind
 * them, and the log then ends where the tree is.
 *
 * Who uses it wrongly has a bug that would lose data: sim_fail says so. A row must follow the one
 * before (the next counter, or counter 1 of a higher epoch), and is never at or below the base.
 */
struct sim_row {
	zxid_t zxid;
	zxid_t committed; /* what was known then, a lower bound */
	struct blob *txn;
};

struct sim_generation {
	zxid_t base;
	zxid_t tree_zxid;
	struct blob *tree; /* NULL: nothing was applied yet */
	struct sim_row *rows;
	size_t row_count;
	size_t row_capacity;
};

struct sim_disk_user {
	void *data;
	void (*logged)(void *data, zxid_t zxid); /* in the valid log */
	void (*epochs_durable)(void *data);
	void (*installed)(void *data); /* ... of an installation, before epochs_durable */
	void (*truncated)(void *data);
	void (*staged)(void *data); /* the staged tree is whole and durable */
	void (*tree_durable)(void *data, zxid_t zxid);
	void (*failed)(void *data); /* the process has to end */
};

struct sim_disk {
	struct sim_world *world;
	int64_t sid;
	struct prng chance;
	struct sim_disk_user user;

	/* Durable. */
	uint32_t accepted_epoch;
	uint32_t current_epoch;
	struct sim_generation valid;
	/* Of a store that was wiped: what was durable in it. Only for who checks. */
	zxid_t wiped_zxid;
	uint32_t wiped_epoch;
	uint32_t wiped_accepted_epoch;

	/* Until the process ends. */
	bool is_open;
	bool is_staging;
	bool is_installing;
	struct sim_generation staged;
	struct list operations; /* asked for, not durable */
	struct sim_timer timer; /* the first of them is done */
	size_t batch_count;     /* how many of them are in the sync that runs */
	struct sim_timer stage_timer;
	struct blob *stage_tree; /* being staged */
	struct sim_timer tree_timer;
	struct blob *writing_tree; /* being written */
	zxid_t writing_zxid;

	int64_t sync_us_min;
	int64_t sync_us_max;
	int64_t slowness; /* sim_disk_set_slowness */
	bool is_full;
	int64_t paused_until_us; /* its process hears nothing until then */
	int syncs;
};

void sim_disk_init(struct sim_disk *disk, struct sim_world *world, int64_t sid, uint64_t seed);
void sim_disk_release(struct sim_disk *disk);

/* A process begins to use it. */
void sim_disk_open(struct sim_disk *disk, struct sim_disk_user user);
/* The process ends, by a crash: of what is asked for and not durable, at most so many survive. */
void sim_disk_crash(struct sim_disk *disk, size_t survivors_max);
/* So many times as long as it needs; 1: as fast as it can, what it is doing included. */
void sim_disk_set_slowness(struct sim_disk *disk, int64_t slowness);
/* A new, empty disk. Closed. */
void sim_disk_wipe(struct sim_disk *disk);

/* It was never in sync with an epoch, whatever it has promised or logged. */
bool sim_disk_is_empty(const struct sim_disk *disk);
/* The last zxid that is durable in the valid log. */
zxid_t sim_disk_logged(const struct sim_disk *disk);
/* The lower bound of what is committed. */
zxid_t sim_disk_committed(const struct sim_disk *disk);
/* Whether the transaction of that zxid is durable here, in a row or in the tree. */
bool sim_disk_holds(const struct sim_disk *disk, zxid_t zxid);
/* The row of that zxid; NULL. */
const struct sim_row *sim_disk_row(const struct sim_disk *disk, zxid_t zxid);
/* How many rows are asked for and not durable; how many things of any kind. */
size_t sim_disk_appending(const struct sim_disk *disk);
size_t sim_disk_pending(const struct sim_disk *disk);

/* ---- what can be asked ---- */

void sim_disk_append(struct sim_disk *disk, zxid_t zxid, struct blob *txn, zxid_t committed);
void sim_disk_set_epochs(struct sim_disk *disk, uint32_t accepted, uint32_t current);
void sim_disk_truncate(struct sim_disk *disk, zxid_t zxid);
/* Appends go to a new generation from here on; its tree comes by sim_disk_stage_tree. */
void sim_disk_stage(struct sim_disk *disk, zxid_t base);
void sim_disk_stage_tree(struct sim_disk *disk, struct blob *tree);
/* ... or it is durable with its installation, which is asked for next: its pieces were staged as
 * they came. */
void sim_disk_stage_rows(struct sim_disk *disk, struct blob *tree);
void sim_disk_install(struct sim_disk *disk, uint32_t accepted, uint32_t current);
void sim_disk_abort(struct sim_disk *disk);
/* One at a time, and none while a generation is being installed; keeps a reference. */
void sim_disk_write_tree(struct sim_disk *disk, zxid_t zxid, struct blob *tree);
bool sim_disk_can_write_tree(const struct sim_disk *disk);

#endif
