/*
 * A whole replica's store: its actions on the simulated disk, what the disk tells, the tree that
 * is written behind it and read from it again.
 */
#include <inttypes.h>

#include "replica/tree/replay.h"
#include "src/base/assert.h"
#include "t/sim/whole-host-impl.h"

enum {
	TREE_US_MIN = 20 * 1000,
	TREE_US_MAX = 400 * 1000,
	RELOAD_US_MAX = 30 * 1000,
};

/* ---- what the tree has become ---- */

/* The first row that is above it. */
static size_t first_row_above(const struct sim_generation *valid, zxid_t zxid)
{
	size_t low = 0;
	size_t high = valid->row_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (valid->rows[middle].zxid <= zxid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void whole_store_look(struct whole_host *host)
{
	const struct sim_generation *valid = &host->disk.valid;
	struct tree *tree = replica_tree(host->replica);
	zxid_t zxid = tree ? tree_zxid(tree) : host->seen;

	if (zxid == host->seen || host->world->has_failed)
		return;
	if (!host->is_staging && !host->disk.is_installing)
		for (size_t at = first_row_above(valid, host->seen);
		     at < valid->row_count && valid->rows[at].zxid <= zxid &&
		     !host->world->has_failed;
		     at++)
			whole_check_delivered(host->check, host->sid, valid->rows[at].zxid,
					      valid->rows[at].txn);
	host->seen = zxid;
	if (!host->world->has_failed)
		whole_check_tree(host->check, host->sid, tree);
}

/* ---- loading ---- */

struct tree *whole_store_load(struct whole_host *host)
{
	struct tree *tree = NULL;

	if (whole_rows_decode(host->rows, host->disk.valid.tree) == 0)
		tree = whole_rows_load(host->rows, host->disk.valid.tree_zxid);
	if (!tree)
		sim_fail(host->world, "server %" PRId64 ": its tree can't be read", host->sid);
	else if (host->disk.valid.tree)
		whole_check_tree(host->check, host->sid, tree);
	host->seen = host->disk.valid.tree_zxid;
	return tree;
}

/* REPLICA_RELOAD, when nothing is being written any more: it takes a while. */
static void reload(void *data)
{
	struct whole_host *host = data;
	const struct sim_generation *valid = &host->disk.valid;
	struct replay replay;
	struct tree *tree;
	int error = 0;

	if (whole_is_paused(host, &host->reload))
		return;
	if (host->disk.writing_tree) {
		sim_timer_set(host->world, &host->reload, host->world->now_us + TREE_US_MIN);
		return;
	}
	if (!whole_turn_begin(host))
		return;
	tree = whole_store_load(host);
	if (!tree)
		return;
	replay_init(&replay, tree);
	for (size_t i = 0; i < valid->row_count && !error; i++)
		if (valid->rows[i].zxid > valid->tree_zxid &&
		    valid->rows[i].zxid <= replica_committed(host->replica))
			error = replay_txn(&replay, valid->rows[i].zxid,
					   blob_bytes(valid->rows[i].txn));
	replay_release(&replay);
	if (error)
		sim_fail(host->world, "server %" PRId64 ": its log can't be applied again",
			 host->sid);
	sim_trace(host->world, host->sid, "reloaded", tree_zxid(tree), 0, 0);
	host->wants_reload = false;
	host->counts.reloads++;
	replica_reloaded(host->replica, tree);
	whole_turn_end(host);
}

/* ---- writing ---- */

/* The tree follows behind, when it pleases. */
static void write_tree(void *data)
{
	struct whole_host *host = data;
	struct tree *tree = replica_tree(host->replica);

	if (whole_is_paused(host, &host->write_tree))
		return;
	if (tree && !host->is_staging && sim_disk_can_write_tree(&host->disk) &&
	    tree_zxid(tree) > host->disk.valid.tree_zxid) {
		struct blob *blob;

		tree_take_changes(tree, whole_rows_change, host->rows);
		blob = whole_rows_encode(host->rows);
		sim_disk_write_tree(&host->disk, tree_zxid(tree), blob);
		blob_unref(blob);
	}
	sim_timer_set(host->world, &host->write_tree,
		      host->world->now_us + sim_between(&host->chance, TREE_US_MIN, TREE_US_MAX));
}

/* ---- actions ---- */

static void begin_staging(struct whole_host *host, const struct zab_action *action)
{
	host->is_staging = true;
	host->receiving = action->link;
	whole_rows_release(host->staged);
	whole_rows_init(host->staged);
	sim_disk_stage(&host->disk, action->zxid);
	whole_stream_moves(host);
}

static void install(struct whole_host *host, const struct replica_action *action)
{
	struct whole_rows *rows = host->staged;
	struct tree *tree = whole_rows_load(rows, action->zab.zxid);
	struct blob *blob = whole_rows_encode(rows);

	if (!tree || tree_digest(tree) != action->digest)
		sim_fail(host->world,
			 "server %" PRId64 ": what is staged at 0x%" PRIx64
			 " is not the tree that came",
			 host->sid, action->zab.zxid);
	if (tree)
		tree_free(tree);
	host->counts.installs++;
	host->is_staging = false;
	host->staged = host->rows;
	host->rows = rows;
	whole_stream_received(host);
	sim_disk_stage_rows(&host->disk, blob);
	blob_unref(blob);
	sim_disk_install(&host->disk, action->zab.accepted_epoch, action->zab.current_epoch);
}

static bool perform_zab(struct whole_host *host, const struct replica_action *action)
{
	struct sim_disk *disk = &host->disk;
	const struct zab_action *zab = &action->zab;

	switch (zab->type) {
	case ZAB_APPEND:
		if (whole_host_leads(host))
			whole_check_proposed(host->check, host->sid, blob_bytes(zab->txn),
					     whole_local_ms(host));
		sim_disk_append(disk, zab->zxid, zab->txn, zab->committed);
		return true;
	case ZAB_SET_EPOCHS:
		sim_disk_set_epochs(disk, zab->accepted_epoch, zab->current_epoch);
		return true;
	case ZAB_TRUNCATE:
		host->counts.truncations++;
		sim_disk_truncate(disk, zab->zxid);
		return true;
	case ZAB_RECEIVE_SNAPSHOT:
		begin_staging(host, zab);
		return true;
	case ZAB_INSTALL_SNAPSHOT:
		install(host, action);
		return true;
	case ZAB_ABORT_SNAPSHOT:
		host->is_staging = false;
		whole_stream_received(host);
		sim_disk_abort(disk);
		return true;
	default:
		return false;
	}
}

bool whole_store_perform(struct whole_host *host, const struct replica_action *action)
{
	switch (action->type) {
	case REPLICA_PEER:
		return perform_zab(host, action);
	case REPLICA_STAGE_SESSION:
		whole_rows_put_session(host->staged, action->session.id,
				       action->session.timeout_ms);
		return true;
	case REPLICA_STAGE_ROW:
		whole_rows_put(host->staged, &action->row);
		return true;
	case REPLICA_RELOAD:
		host->wants_reload = true;
		sim_timer_set(host->world, &host->reload,
			      host->world->now_us + sim_between(&host->chance, 0, RELOAD_US_MAX));
		return true;
	default:
		return false;
	}
}

/* ---- what the disk tells ---- */

static void on_logged(void *data, zxid_t zxid)
{
	struct whole_host *host = data;

	sim_trace(host->world, host->sid, "logged", zxid, 0, 0);
	if (!whole_turn_begin(host))
		return;
	replica_logged(host->replica, zxid);
	whole_turn_end(host);
}

static void on_installed(void *data)
{
	struct whole_host *host = data;

	sim_trace(host->world, host->sid, "installed", host->disk.valid.base, 0, 0);
}

static void on_epochs_durable(void *data)
{
	struct whole_host *host = data;

	sim_trace(host->world, host->sid, "epochs durable", host->disk.accepted_epoch,
		  host->disk.current_epoch, 0);
	if (!whole_turn_begin(host))
		return;
	replica_epochs_durable(host->replica);
	whole_turn_end(host);
}

static void on_truncated(void *data)
{
	struct whole_host *host = data;

	sim_trace(host->world, host->sid, "truncated", sim_disk_logged(&host->disk), 0, 0);
	if (!whole_turn_begin(host))
		return;
	replica_truncated(host->replica);
	whole_turn_end(host);
}

static void on_staged(void *data)
{
	struct whole_host *host = data;

	sim_fail(host->world, "server %" PRId64 ": a tree is staged that is none", host->sid);
}

static void on_tree_durable(void *data, zxid_t zxid)
{
	struct whole_host *host = data;

	sim_trace(host->world, host->sid, "tree durable", zxid, 0, 0);
	if (!whole_turn_begin(host))
		return;
	replica_tree_durable(host->replica, zxid);
	whole_turn_end(host);
}

static void on_failed(void *data)
{
	whole_host_crash(data, false);
}

struct sim_disk_user whole_disk_user_of(struct whole_host *host)
{
	return (struct sim_disk_user){
		.data = host,
		.logged = on_logged,
		.installed = on_installed,
		.epochs_durable = on_epochs_durable,
		.truncated = on_truncated,
		.staged = on_staged,
		.tree_durable = on_tree_durable,
		.failed = on_failed,
	};
}

/* ---- life ---- */

void whole_store_init(struct whole_host *host)
{
	sim_timer_init(&host->write_tree, write_tree, host);
	sim_timer_init(&host->reload, reload, host);
}

void whole_store_start(struct whole_host *host)
{
	sim_timer_set(host->world, &host->write_tree, host->world->now_us + TREE_US_MIN);
}

void whole_store_stop(struct whole_host *host)
{
	sim_timer_stop(host->world, &host->write_tree);
	sim_timer_stop(host->world, &host->reload);
	host->is_staging = false;
	host->wants_reload = false;
	whole_stream_received(host);
}
