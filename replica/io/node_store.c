#include "replica/io/node_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "replica/io/data_dir.h"
#include "replica/io/recovery.h"
#include "src/base/log.h"
#include "src/base/mem.h"

enum {
	/* How long a change waits for the tree's database, if it is not one of very many. */
	WRITEOUT_INTERVAL_MS = 500,
	/*
	 * Changes that are worth a write-out of their own. It is one transaction, and
	 * whoever waits for the disk waits for all of it: some ten ms.
	 */
	WRITEOUT_COUNT = 4000,
	WRITEOUT_SIZE = 4 << 20,
	/* The part of the greatest lag at which an idle tree worker is given what there is. */
	WRITEOUT_LAG_SHARE = 4,
	/* Log bytes that wait for the disk at which new transactions have to wait, too. */
	APPEND_QUEUE_SIZE = 64 << 20,
	/* Changes of the tree that wait for a write-out, at which a leader has to wait. */
	CHANGES_SIZE_MAX = 64 << 20,
};

/* ---- events ---- */

/* Of a staged log the replica hears when the generation is installed. */
static void on_log_durable(zxid_t zxid, void *data)
{
	struct node *node = data;

	node->request_count = 0;
	node->append_count = 0;
	if (node->state == NODE_FAILED || node->staging != NODE_STAGING_NOTHING)
		return;
	node_enter(node);
	replica_logged(node->replica, zxid);
	node_pump(node);
}

/* From a generation that is being replaced nothing more is told. */
static void on_tree_durable(zxid_t zxid, void *data)
{
	struct node *node = data;

	pace_passed(&node->pace, loop_now_ms(node->loop), pace_lag(store_lag(node->store)));
	log_debug("store", "the tree's database is at zxid 0x%" PRIx64, (uint64_t)zxid);
	if (node->state == NODE_FAILED || node->staging == NODE_STAGING_INSTALLED)
		return;
	node_enter(node);
	replica_tree_durable(node->replica, zxid);
	node_pump(node);
}

static void on_epochs_durable(void *data)
{
	struct node *node = data;

	if (node->state == NODE_FAILED)
		return;
	if (node->staging == NODE_STAGING_INSTALLED)
		node->staging = NODE_STAGING_NOTHING;
	node_enter(node);
	replica_epochs_durable(node->replica);
	node_pump(node);
}

static void on_truncated(void *data)
{
	struct node *node = data;

	if (node->state == NODE_FAILED)
		return;
	node_enter(node);
	replica_truncated(node->replica);
	node_pump(node);
}

static void on_store_failed(const char *sentence, void *data)
{
	node_fail(data, "store", sentence);
}

/* On a worker's thread. */
static void on_store_notify(void *data)
{
	struct node *node = data;

	(void)!eventfd_write(node->news_fd, 1); /* can't fail: the loop empties the counter */
}

/* ---- pace ---- */

/* New transactions wait while the disk is behind: restarts stay short, and memory bounded. */
void node_update_intake(struct node *node)
{
	bool is_admitted =
		pace_admits(&node->pace, loop_now_ms(node->loop), pace_lag(store_lag(node->store)));
	bool intake = node->state == NODE_SERVING && is_admitted && node->late_turns == 0 &&
		      store_queue_size(node->store) < APPEND_QUEUE_SIZE;

	if (intake == node->intake)
		return;
	node->intake = intake;
	replica_set_intake(node->replica, intake);
	node_pump(node);
}

msec_t node_intake_due_ms(const struct node *node)
{
	return pace_due_ms(&node->pace, loop_now_ms(node->loop));
}

/* Few znodes that change often are written seldom; but then the log, and not they, sets the pace.
 */
static bool is_tree_far_behind(const struct node *node)
{
	struct store_lag lag = store_lag(node->store);

	return !store_is_writing_tree(node->store) &&
	       (lag.count >= STORE_LAG_COUNT_MAX / WRITEOUT_LAG_SHARE ||
		lag.size >= STORE_LAG_SIZE_MAX / WRITEOUT_LAG_SHARE);
}

static bool is_writeout_due(const struct node *node, const struct tree *tree)
{
	return node->state != NODE_SERVING ||
	       loop_now_ms(node->loop) - node->changed_ms >= WRITEOUT_INTERVAL_MS ||
	       tree_change_count(tree) >= WRITEOUT_COUNT ||
	       tree_change_size(tree) >= WRITEOUT_SIZE || is_tree_far_behind(node);
}

static void hand_tree_over(struct node *node, struct tree *tree)
{
	struct store_writeout *writeout = store_writeout_new(tree_zxid(tree), tree_digest(tree));

	if (!store_is_writing_tree(node->store))
		pace_begin(&node->pace, loop_now_ms(node->loop));
	tree_take_changes(tree, store_writeout_add, writeout);
	node->written = tree_zxid(tree);
	node->changed_ms = 0;
	store_write_tree(node->store, writeout);
}

/* The tree is behind its log on disk, but what was applied is in the log: it may be written. */
void node_write_tree(struct node *node)
{
	struct tree *tree = replica_tree(node->replica);

	if (!tree || tree_zxid(tree) == node->written)
		return;
	if (node->changed_ms == 0)
		node->changed_ms = loop_now_ms(node->loop);
	if (store_can_write_tree(node->store) && is_writeout_due(node, tree))
		hand_tree_over(node, tree);
}

msec_t node_writeout_due_ms(const struct node *node)
{
	if (node->changed_ms == 0 || !store_can_write_tree(node->store))
		return INT64_MAX;
	return node->changed_ms + WRITEOUT_INTERVAL_MS;
}

/*
 * What a leader sends goes to the log's queue or to the stage, and what is committed to the tree in
 * memory, whose changes wait for the ones before them to be written. None may grow without an end.
 */
bool node_store_has_room(struct node *node)
{
	struct tree *tree = replica_tree(node->replica);

	if (store_queue_size(node->store) >= APPEND_QUEUE_SIZE)
		return false;
	if (node->staging == NODE_STAGING_ROWS)
		return store_can_stage(node->store);
	return !tree || store_can_write_tree(node->store) ||
	       tree_change_size(tree) < CHANGES_SIZE_MAX;
}

/* ---- actions ---- */

static void note_proposal(struct node *node, int64_t size)
{
	struct fourletter_proposals *proposals = &node->proposals;

	if (proposals->last < 0 || size < proposals->min)
		proposals->min = size;
	if (size > proposals->max)
		proposals->max = size;
	proposals->last = size;
}

static void append(struct node *node, const struct zab_action *action)
{
	int error =
		store_append(node->store, action->zxid, blob_bytes(action->txn), action->committed);
	char sentence[128];

	note_proposal(node, action->txn->size);
	node->append_count++;
	if (error == 0)
		return;
	(void)snprintf(sentence, sizeof(sentence),
		       "transaction 0x%" PRIx64 " can't be appended to the log: %s",
		       (uint64_t)action->zxid, strerror(-error));
	node_fail(node, "store", sentence);
}

/* The tree in memory is the staged one, and was written with it. */
static void install(struct node *node, const struct replica_action *action)
{
	node->staging = NODE_STAGING_INSTALLED;
	node->written = action->zab.zxid;
	node->changed_ms = 0;
	store_install_generation(node->store, action->digest, action->zab.accepted_epoch,
				 action->zab.current_epoch);
}

static bool perform_on_disk(struct node *node, const struct replica_action *action)
{
	const struct zab_action *zab = &action->zab;

	switch (zab->type) {
	case ZAB_APPEND:
		append(node, zab);
		return true;
	case ZAB_SET_EPOCHS:
		store_set_epochs(node->store, zab->accepted_epoch, zab->current_epoch);
		return true;
	case ZAB_TRUNCATE:
		store_truncate(node->store, zab->zxid);
		return true;
	case ZAB_RECEIVE_SNAPSHOT:
		node->staging = NODE_STAGING_ROWS;
		store_begin_generation(node->store, zab->zxid);
		return true;
	case ZAB_INSTALL_SNAPSHOT:
		install(node, action);
		return true;
	case ZAB_ABORT_SNAPSHOT:
		node->staging = NODE_STAGING_NOTHING;
		store_abort_generation(node->store);
		return true;
	default:
		return false;
	}
}

bool node_perform_store(struct node *node, const struct replica_action *action)
{
	switch (action->type) {
	case REPLICA_PEER:
		return perform_on_disk(node, action);
	case REPLICA_STAGE_SESSION:
		store_stage_session(node->store, action->session.id, action->session.timeout_ms);
		return true;
	case REPLICA_STAGE_ROW:
		store_stage_row(node->store, &action->row);
		return true;
	case REPLICA_RELOAD:
		node->wants_reload = true;
		return true;
	default:
		return false;
	}
}

/* Once the aborted generation is out of the way. It takes as long as a start. */
void node_reload_if_wanted(struct node *node)
{
	struct store_refusal refusal = {0};
	struct tree *tree;

	if (!node->wants_reload || node->state != NODE_SERVING || !store_is_idle(node->store))
		return;
	node->wants_reload = false;
	log_info("store", "loads its own tree again");
	if (recovery_reload(node->store, node->config, replica_committed(node->replica), &tree,
			    &refusal) < 0) {
		node_fail(node, "store", refusal.text);
		return;
	}
	node->written = store_state(node->store)->tree_zxid;
	node->changed_ms = 0;
	replica_reloaded(node->replica, tree);
	node_pump(node);
}

/* ---- opening ---- */

static int make_directories(struct node *node, char **ret_error)
{
	const struct config *config = node->config;
	int error = data_dir_make(config->data_dir);

	if (error < 0)
		return node_refuse(ret_error, error,
				   mem_printf("%s: dataDir: %s can't be made: %s", config->file,
					      config->data_dir, strerror(-error)));
	error = data_dir_make(config->data_log_dir);
	if (error < 0)
		return node_refuse(ret_error, error,
				   mem_printf("%s: dataLogDir: %s can't be made: %s", config->file,
					      config->data_log_dir, strerror(-error)));
	return 0;
}

/* The sentence of a refusal; of a directory that is in use, with the address that serves it. */
static int refuse_store(struct node *node, char **ret_error, int error,
			const struct store_refusal *refusal)
{
	char *address = error == -EBUSY ? data_dir_read_address(node->data_path) : NULL;

	if (address)
		*ret_error = mem_printf("%s; it serves at %s", refusal->text, address);
	else
		*ret_error = mem_strdup(refusal->text);
	free(address);
	return error;
}

int node_open_store(struct node *node, char **ret_error)
{
	static const struct store_events events = {
		.notify = on_store_notify,
		.log_durable = on_log_durable,
		.epochs_durable = on_epochs_durable,
		.truncated = on_truncated,
		.tree_durable = on_tree_durable,
		.failed = on_store_failed,
	};
	struct store_options options = {
		.data_dir = node->config->data_dir,
		.log_dir = node->config->data_log_dir,
		.myid = config_is_ensemble(node->config) ? node->config->myid : STORE_MYID_NONE,
		.gathers = true,
	};
	struct store_refusal refusal = {0};
	int error = make_directories(node, ret_error);

	if (error < 0)
		return error;
	error = store_open(&options, &events, node, &node->store, &refusal);
	if (error < 0)
		return refuse_store(node, ret_error, error, &refusal);
	data_dir_remove_address(node->data_path);
	error = recovery_run(node->store, node->config, &node->replica, &refusal);
	if (error < 0)
		return refuse_store(node, ret_error, error, &refusal);
	node->written = store_state(node->store)->tree_zxid;
	return 0;
}
