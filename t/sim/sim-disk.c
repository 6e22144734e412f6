#include "t/sim/sim-disk.h"

#include <inttypes.h>
#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

enum {
	BATCH_MAX = 64,
	SYNC_US_MIN = 200,
	SYNC_US_MAX = 3000,
	/* A tree takes so many times as long as a sync. */
	TREE_SYNCS = 8,
	ROWS_DROPPED_ONE_IN = 3,
};

enum operation_type { APPEND, SET_EPOCHS, TRUNCATE, INSTALL };

struct operation {
	struct list link;
	enum operation_type type;
	struct sim_row row;
	bool is_staged; /* APPEND: to the generation that is staged */
	zxid_t zxid;    /* TRUNCATE */
	uint32_t accepted, current;
};

/* ---- generations ---- */

static void rows_cut(struct sim_generation *generation, size_t count)
{
	while (generation->row_count > count)
		blob_unref(generation->rows[--generation->row_count].txn);
}

static void generation_release(struct sim_generation *generation)
{
	rows_cut(generation, 0);
	free(generation->rows);
	blob_unref(generation->tree);
	*generation = (struct sim_generation){0};
}

static zxid_t generation_last(const struct sim_generation *generation)
{
	if (generation->row_count > 0)
		return generation->rows[generation->row_count - 1].zxid;
	/* Without a row: cut back to where rows were dropped because the tree has them. */
	return generation->tree_zxid;
}

static bool follows(zxid_t before, zxid_t zxid)
{
	return zxid == before + 1 ||
	       (zxid_epoch(zxid) > zxid_epoch(before) && zxid_counter(zxid) == 1);
}

static void rows_append(struct sim_disk *disk, struct sim_generation *generation,
			const struct sim_row *row)
{
	if (!follows(generation_last(generation), row->zxid))
		sim_fail(disk->world,
			 "server %" PRId64 ": its log has a hole: 0x%" PRIx64 " behind 0x%" PRIx64,
			 disk->sid, row->zxid, generation_last(generation));
	if (generation->row_count == generation->row_capacity) {
		generation->row_capacity =
			generation->row_capacity ? generation->row_capacity * 2 : 64;
		generation->rows = mem_realloc(
			generation->rows, generation->row_capacity * sizeof(generation->rows[0]));
	}
	generation->rows[generation->row_count++] =
		(struct sim_row){row->zxid, row->committed, blob_ref(row->txn)};
}

static void rows_drop_first(struct sim_generation *generation, size_t count)
{
	for (size_t i = 0; i < count; i++)
		blob_unref(generation->rows[i].txn);
	for (size_t i = count; i < generation->row_count; i++)
		generation->rows[i - count] = generation->rows[i];
	generation->row_count -= count;
}

/* Segments that the tree has passed are unlinked, sooner or later. */
static void drop_some_rows(struct sim_disk *disk)
{
	struct sim_generation *valid = &disk->valid;
	size_t below = 0;

	while (below + 1 < valid->row_count && valid->rows[below].zxid <= valid->tree_zxid)
		below++;
	if (below > 0 && sim_one_in(&disk->chance, ROWS_DROPPED_ONE_IN))
		rows_drop_first(valid, (size_t)sim_between(&disk->chance, 1, (int64_t)below));
}

/* ---- what is asked ---- */

static int64_t sync_us(struct sim_disk *disk)
{
	disk->syncs++;
	return sim_between(&disk->chance, disk->sync_us_min, disk->sync_us_max) * disk->slowness;
}

static void begin_sync(struct sim_disk *disk)
{
	disk->batch_count = 0;
	list_for_each (&disk->operations, at) {
		bool is_append = list_item(at, struct operation, link)->type == APPEND;

		if (disk->batch_count == BATCH_MAX || (!is_append && disk->batch_count > 0))
			break;
		disk->batch_count++;
		if (!is_append)
			break;
	}
	if (disk->batch_count > 0)
		sim_timer_set(disk->world, &disk->timer, disk->world->now_us + sync_us(disk));
}

static void ask(struct sim_disk *disk, struct operation operation)
{
	struct operation *copy = mem_dup(&operation, sizeof(operation));

	ASSERT(disk->is_open);
	list_append(&disk->operations, &copy->link);
	if (disk->batch_count == 0)
		begin_sync(disk);
}

static void operation_free(struct operation *operation)
{
	list_remove(&operation->link);
	blob_unref(operation->row.txn);
	free(operation);
}

static void stop_tree(struct sim_disk *disk)
{
	sim_timer_stop(disk->world, &disk->tree_timer);
	blob_unref(disk->writing_tree);
	disk->writing_tree = NULL;
}

static void stop_staging(struct sim_disk *disk)
{
	sim_timer_stop(disk->world, &disk->stage_timer);
	blob_unref(disk->stage_tree);
	disk->stage_tree = NULL;
	generation_release(&disk->staged);
	disk->is_staging = false;
}

static void truncate_rows(struct sim_disk *disk, zxid_t zxid)
{
	struct sim_generation *valid = &disk->valid;
	size_t count = valid->row_count;

	while (count > 0 && valid->rows[count - 1].zxid > zxid)
		count--;
	rows_cut(valid, count);
	if (valid->tree_zxid > zxid || generation_last(valid) > zxid)
		sim_fail(disk->world,
			 "server %" PRId64 ": its log is cut to 0x%" PRIx64
			 ", below its tree at 0x%" PRIx64 " or its base 0x%" PRIx64,
			 disk->sid, zxid, valid->tree_zxid, valid->base);
}

/* An operation is on the disk. */
static void take_effect(struct sim_disk *disk, struct operation *operation)
{
	switch (operation->type) {
	case APPEND:
		rows_append(disk, operation->is_staged ? &disk->staged : &disk->valid,
			    &operation->row);
		break;
	case SET_EPOCHS:
	case INSTALL:
		if (operation->accepted < disk->accepted_epoch ||
		    operation->current < disk->current_epoch ||
		    operation->accepted < operation->current)
			sim_fail(disk->world,
				 "server %" PRId64 ": its epochs go back from %u, %u to %u, %u",
				 disk->sid, disk->accepted_epoch, disk->current_epoch,
				 operation->accepted, operation->current);
		disk->accepted_epoch = operation->accepted;
		disk->current_epoch = operation->current;
		if (operation->type == INSTALL) {
			generation_release(&disk->valid);
			disk->valid = disk->staged;
			disk->staged = (struct sim_generation){0};
			disk->is_staging = false;
			disk->is_installing = false;
		}
		break;
	case TRUNCATE:
		truncate_rows(disk, operation->zxid);
		break;
	}
}

static bool is_paused(struct sim_disk *disk, struct sim_timer *timer)
{
	if (disk->paused_until_us <= disk->world->now_us)
		return false;
	sim_timer_set(disk->world, timer, disk->paused_until_us);
	return true;
}

static void sync_done(void *data)
{
	struct sim_disk *disk = data;
	size_t count = disk->batch_count;
	zxid_t logged = 0; /* in the valid generation */
	struct operation last;

	if (is_paused(disk, &disk->timer))
		return;
	if (disk->is_full) {
		disk->user.failed(disk->user.data);
		return;
	}
	ASSERT(count > 0);
	for (size_t i = 0; i < count; i++) {
		struct operation *operation =
			list_item(list_first(&disk->operations), struct operation, link);

		take_effect(disk, operation);
		last = *operation;
		if (last.type == APPEND && !last.is_staged)
			logged = last.row.zxid;
		operation_free(operation);
	}
	disk->batch_count = 0;
	begin_sync(disk);
	switch (last.type) {
	case APPEND:
		if (logged)
			disk->user.logged(disk->user.data, logged);
		break;
	case INSTALL:
		disk->user.installed(disk->user.data);
		disk->user.epochs_durable(disk->user.data);
		break;
	case SET_EPOCHS:
		disk->user.epochs_durable(disk->user.data);
		break;
	case TRUNCATE:
		disk->user.truncated(disk->user.data);
		break;
	}
}

void sim_disk_append(struct sim_disk *disk, zxid_t zxid, struct blob *txn, zxid_t committed)
{
	zxid_t base = disk->is_staging ? disk->staged.base : disk->valid.base;

	if (committed >= zxid || (zxid_counter(committed) == 0 && committed > base))
		sim_fail(disk->world,
			 "server %" PRId64 ": 0x%" PRIx64 " is stored as committed with 0x%" PRIx64
			 ", and is no transaction before it",
			 disk->sid, committed, zxid);
	ask(disk, (struct operation){.type = APPEND,
				     .row = {zxid, committed, blob_ref(txn)},
				     .is_staged = disk->is_staging && !disk->is_installing});
}

void sim_disk_set_epochs(struct sim_disk *disk, uint32_t accepted, uint32_t current)
{
	ask(disk, (struct operation){.type = SET_EPOCHS, .accepted = accepted, .current = current});
}

void sim_disk_truncate(struct sim_disk *disk, zxid_t zxid)
{
	ask(disk, (struct operation){.type = TRUNCATE, .zxid = zxid});
}

void sim_disk_install(struct sim_disk *disk, uint32_t accepted, uint32_t current)
{
	if (!disk->is_staging || !disk->staged.tree) {
		sim_fail(disk->world, "server %" PRId64 ": installs what is not staged", disk->sid);
		return;
	}
	stop_tree(disk);
	disk->is_installing = true;
	ask(disk, (struct operation){.type = INSTALL, .accepted = accepted, .current = current});
}

void sim_disk_stage(struct sim_disk *disk, zxid_t base)
{
	if (disk->is_staging)
		sim_fail(disk->world, "server %" PRId64 ": stages a second snapshot", disk->sid);
	stop_staging(disk);
	disk->is_staging = true;
	disk->staged.base = base;
	disk->staged.tree_zxid = base;
}

static void stage_done(void *data)
{
	struct sim_disk *disk = data;

	if (is_paused(disk, &disk->stage_timer))
		return;
	if (disk->is_full) {
		disk->user.failed(disk->user.data);
		return;
	}
	disk->staged.tree = disk->stage_tree;
	disk->stage_tree = NULL;
	disk->user.staged(disk->user.data);
}

void sim_disk_stage_tree(struct sim_disk *disk, struct blob *tree)
{
	ASSERT(disk->is_staging && !disk->stage_tree && !disk->staged.tree);
	disk->stage_tree = blob_ref(tree);
	sim_timer_set(disk->world, &disk->stage_timer,
		      disk->world->now_us + sync_us(disk) * TREE_SYNCS);
}

void sim_disk_stage_rows(struct sim_disk *disk, struct blob *tree)
{
	ASSERT(disk->is_staging && !disk->stage_tree && !disk->staged.tree);
	disk->staged.tree = blob_ref(tree);
}

/* What is under way to it is not waited for. */
void sim_disk_abort(struct sim_disk *disk)
{
	size_t done = disk->batch_count;

	list_for_each_safe (&disk->operations, at) {
		struct operation *operation = list_item(at, struct operation, link);

		if (operation->type == INSTALL)
			sim_fail(disk->world, "server %" PRId64 ": aborts what it installs",
				 disk->sid);
		if (operation->type == APPEND && operation->is_staged) {
			operation_free(operation);
			done = 0;
		}
	}
	stop_staging(disk);
	if (done == 0) {
		sim_timer_stop(disk->world, &disk->timer);
		begin_sync(disk);
	}
}

static void tree_done(void *data)
{
	struct sim_disk *disk = data;

	if (is_paused(disk, &disk->tree_timer))
		return;
	if (disk->is_full) {
		disk->user.failed(disk->user.data);
		return;
	}
	blob_unref(disk->valid.tree);
	disk->valid.tree = disk->writing_tree;
	disk->valid.tree_zxid = disk->writing_zxid;
	disk->writing_tree = NULL;
	drop_some_rows(disk);
	disk->user.tree_durable(disk->user.data, disk->valid.tree_zxid);
}

void sim_disk_write_tree(struct sim_disk *disk, zxid_t zxid, struct blob *tree)
{
	ASSERT(sim_disk_can_write_tree(disk) && zxid >= disk->valid.tree_zxid);
	disk->writing_tree = blob_ref(tree);
	disk->writing_zxid = zxid;
	sim_timer_set(disk->world, &disk->tree_timer,
		      disk->world->now_us + sync_us(disk) * TREE_SYNCS);
}

bool sim_disk_can_write_tree(const struct sim_disk *disk)
{
	return !disk->writing_tree && !disk->is_installing;
}

/* ---- life ---- */

void sim_disk_init(struct sim_disk *disk, struct sim_world *world, int64_t sid, uint64_t seed)
{
	*disk = (struct sim_disk){
		.world = world,
		.sid = sid,
		.sync_us_min = SYNC_US_MIN,
		.sync_us_max = SYNC_US_MAX,
		.slowness = 1,
	};
	prng_init(&disk->chance, seed);
	list_init(&disk->operations);
	sim_timer_init(&disk->timer, sync_done, disk);
	sim_timer_init(&disk->stage_timer, stage_done, disk);
	sim_timer_init(&disk->tree_timer, tree_done, disk);
}

void sim_disk_open(struct sim_disk *disk, struct sim_disk_user user)
{
	ASSERT(!disk->is_open);
	disk->is_open = true;
	disk->user = user;
	disk->paused_until_us = 0;
}

static void hurry(struct sim_disk *disk, struct sim_timer *timer, int64_t us_max)
{
	if (sim_timer_is_set(timer) && timer->entry.key > disk->world->now_us + us_max)
		sim_timer_set(disk->world, timer, disk->world->now_us + us_max);
}

void sim_disk_set_slowness(struct sim_disk *disk, int64_t slowness)
{
	disk->slowness = slowness;
	if (slowness > 1)
		return;
	hurry(disk, &disk->timer, disk->sync_us_max);
	hurry(disk, &disk->stage_timer, disk->sync_us_max * TREE_SYNCS);
	hurry(disk, &disk->tree_timer, disk->sync_us_max * TREE_SYNCS);
}

void sim_disk_crash(struct sim_disk *disk, size_t survivors_max)
{
	/* An installation that was asked for takes the staged generation with it. */
	list_for_each_safe (&disk->operations, at) {
		struct operation *operation = list_item(at, struct operation, link);

		if (survivors_max > 0 && !disk->is_full) {
			take_effect(disk, operation);
			survivors_max--;
		}
		operation_free(operation);
	}
	stop_staging(disk);
	stop_tree(disk);
	sim_timer_stop(disk->world, &disk->timer);
	disk->batch_count = 0;
	disk->is_installing = false;
	disk->is_open = false;
}

void sim_disk_wipe(struct sim_disk *disk)
{
	ASSERT(!disk->is_open);
	disk->wiped_zxid = sim_disk_logged(disk);
	disk->wiped_epoch = disk->current_epoch;
	disk->wiped_accepted_epoch = disk->accepted_epoch;
	generation_release(&disk->valid);
	disk->accepted_epoch = 0;
	disk->current_epoch = 0;
}

void sim_disk_release(struct sim_disk *disk)
{
	sim_disk_crash(disk, 0);
	generation_release(&disk->valid);
}

bool sim_disk_is_empty(const struct sim_disk *disk)
{
	return disk->current_epoch == 0;
}

zxid_t sim_disk_logged(const struct sim_disk *disk)
{
	return generation_last(&disk->valid);
}

zxid_t sim_disk_committed(const struct sim_disk *disk)
{
	const struct sim_generation *valid = &disk->valid;
	zxid_t committed = valid->row_count > 0 ? valid->rows[valid->row_count - 1].committed : 0;

	return committed > valid->tree_zxid ? committed : valid->tree_zxid;
}

const struct sim_row *sim_disk_row(const struct sim_disk *disk, zxid_t zxid)
{
	const struct sim_generation *valid = &disk->valid;
	size_t low = 0;
	size_t high = valid->row_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (valid->rows[middle].zxid < zxid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < valid->row_count && valid->rows[low].zxid == zxid ? &valid->rows[low] : NULL;
}

bool sim_disk_holds(const struct sim_disk *disk, zxid_t zxid)
{
	return zxid <= disk->valid.tree_zxid || sim_disk_row(disk, zxid);
}

size_t sim_disk_appending(const struct sim_disk *disk)
{
	size_t count = 0;

	list_for_each (&disk->operations, at)
		count += list_item(at, struct operation, link)->type == APPEND;
	return count;
}

size_t sim_disk_pending(const struct sim_disk *disk)
{
	size_t count = 0;

	list_for_each (&disk->operations, at)
		count++;
	return count;
}
