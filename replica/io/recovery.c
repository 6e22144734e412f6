#include "replica/io/recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "replica/io/data_dir.h"
#include "replica/tree/replay.h"
#include "replica/tree/tree.h"
#include "replica/zab/members.h"
#include "src/base/assert.h"
#include "src/base/blob.h"
#include "src/base/mem.h"

enum {
	STANDALONE_SERVER_ID = 1,
	/* What a transaction can have beyond the request that it was made of. */
	PACKET_EXTRA_SIZE = 1 << 20,
	/* What a leader can give a learner at once, instead of a snapshot. */
	HISTORY_SIZE_MAX = 32 << 20,
};

/* A transaction waits until the whole log was seen: only then it is known what is committed. */
struct logged {
	zxid_t zxid;
	struct blob *txn;
};

struct recovery {
	struct tree *tree;
	uint64_t row_count;
	struct logged *log;
	size_t log_count;
	size_t log_capacity;
	/* A reload applies the log as it comes, up to here. */
	struct replay replay;
	zxid_t committed_zxid;
};

/* ---- configuration ---- */

static void configure_server(struct server_config *server, const struct config *config)
{
	server_config_init(server);
	server->server_id =
		config_is_ensemble(config) ? (uint8_t)config->myid : STANDALONE_SERVER_ID;
	server->tick_ms = config->tick_time_ms;
	server->timeout_min_ms = config->min_session_timeout_ms;
	server->timeout_max_ms = config->max_session_timeout_ms;
	server->jute_maxbuffer = (uint32_t)config->jute_maxbuffer_size;
	server->outstanding_limit = (uint32_t)config->global_outstanding_limit;
	server->sessionless_timeout_ms = config->sessionless_timeout_ms;
	server->extended_types = config->extended_types;
	server->digest_enabled = config->digest_enabled;
	server->skip_acl = config->skip_acl;
	server->reconfig_enabled = config->reconfig_enabled;
	server->super_digest = config->super_digest;
}

static void configure_zab(struct zab_config *zab, const struct config *config)
{
	struct buf text;
	int error;

	zab_config_init(zab);
	zab->myid = config->myid;
	zab->tick_ms = config->tick_time_ms;
	zab->init_limit = config->init_limit_ticks;
	zab->sync_limit = config->sync_limit_ticks;
	zab->data_size_max = 2 * (uint32_t)config->jute_maxbuffer_size + PACKET_EXTRA_SIZE;
	zab->history_size_max = HISTORY_SIZE_MAX;
	zab->history_count_max = (size_t)config->commit_log_count;
	zab->may_bootstrap = data_dir_may_bootstrap(config->data_dir);
	buf_init(&text, MEMBERS_TEXT_SIZE_MAX);
	config_write_members(config, &text);
	error = members_parse(buf_bytes(&text), &zab->members);
	ASSERT(!error); /* config_check has tried it */
	buf_release(&text);
}

static struct replica *new_replica(const struct store_state *state, const struct config *config,
				   struct tree *tree)
{
	struct replica_config replica_config = {.is_standalone = !config_is_ensemble(config)};
	const struct zab_durable durable = {
		.is_empty = state->is_empty,
		.accepted_epoch = (uint32_t)state->accepted_epoch,
		.current_epoch = (uint32_t)state->current_epoch,
		.base_zxid = state->base_zxid,
		.tree_zxid = state->tree_zxid,
		.committed_zxid = state->committed_zxid,
	};
	struct replica *replica;

	configure_server(&replica_config.server, config);
	if (!replica_config.is_standalone)
		configure_zab(&replica_config.zab, config);
	replica = replica_new(&replica_config, &durable, tree);
	members_release(&replica_config.zab.members);
	return replica;
}

/* ---- what the store has ---- */

static void begin_tree(size_t row_count, void *data)
{
	struct recovery *recovery = data;

	tree_begin_load(recovery->tree, row_count);
}

static int load_row(const struct tree_row *row, void *data)
{
	struct recovery *recovery = data;

	recovery->row_count++;
	return tree_load_next(recovery->tree, row);
}

static int load_session(session_id_t id, int32_t timeout_ms, void *data)
{
	struct recovery *recovery = data;

	return tree_load_session(recovery->tree, id, timeout_ms);
}

static int finish_tree(zxid_t zxid, uint64_t digest, struct store_refusal *refusal, void *data)
{
	struct recovery *recovery = data;

	/* A new store has no rows, and nobody has computed a digest for it. */
	if (recovery->row_count > 0 && tree_digest(recovery->tree) != digest) {
		(void)snprintf(refusal->text, sizeof(refusal->text),
			       "the tree at zxid 0x%" PRIx64 " has digest %" PRIu64 ", not %" PRIu64
			       " as was stored with it: the database is damaged",
			       (uint64_t)zxid, tree_digest(recovery->tree), digest);
		return -EBADMSG;
	}
	tree_set_zxid(recovery->tree, zxid);
	return 0;
}

static int keep_txn(zxid_t zxid, struct bytes txn, bool committed, struct store_refusal *refusal,
		    void *data)
{
	struct recovery *recovery = data;

	if (recovery->log_count == recovery->log_capacity) {
		recovery->log_capacity = recovery->log_capacity ? 2 * recovery->log_capacity : 256;
		recovery->log =
			mem_realloc(recovery->log, recovery->log_capacity * sizeof(*recovery->log));
	}
	recovery->log[recovery->log_count++] = (struct logged){.zxid = zxid, .txn = blob_new(txn)};
	return 0;
}

static int keep_history(zxid_t zxid, struct bytes txn, struct store_refusal *refusal, void *data)
{
	return keep_txn(zxid, txn, true, refusal, data);
}

static int refuse_txn(zxid_t zxid, struct store_refusal *refusal)
{
	(void)snprintf(refusal->text, sizeof(refusal->text),
		       "the transaction 0x%" PRIx64 " in the log can't be applied: it is damaged",
		       (uint64_t)zxid);
	return -EBADMSG;
}

static int recover_log(const struct recovery *recovery, struct replica *replica,
		       struct store_refusal *refusal)
{
	for (size_t i = 0; i < recovery->log_count; i++) {
		const struct logged *at = &recovery->log[i];

		if (replica_recover(replica, at->zxid, blob_bytes(at->txn)) < 0)
			return refuse_txn(at->zxid, refusal);
	}
	return 0;
}

static void release_log(struct recovery *recovery)
{
	for (size_t i = 0; i < recovery->log_count; i++)
		blob_unref(recovery->log[i].txn);
	free(recovery->log);
}

int recovery_run(struct store *store, const struct config *config, struct replica **ret_replica,
		 struct store_refusal *ret_refusal)
{
	static const struct store_loader loader = {
		.begin = begin_tree,
		.row = load_row,
		.session = load_session,
		.tree_done = finish_tree,
		.history = keep_history,
		.history_size_max = HISTORY_SIZE_MAX,
		.txn = keep_txn,
	};
	struct recovery recovery = {.tree = tree_new(config->extended_types)};
	struct replica *replica = NULL;
	int error = store_load(store, &loader, &recovery, ret_refusal);

	if (error < 0) {
		tree_free(recovery.tree);
	} else {
		replica = new_replica(store_state(store), config, recovery.tree);
		error = recover_log(&recovery, replica, ret_refusal);
	}
	release_log(&recovery);
	/* The log's transactions, and what SQLite had, left holes between what stays. */
	(void)malloc_trim(0);
	if (error < 0)
		replica_free(replica);
	else
		*ret_replica = replica;
	return error;
}

/* ---- once more ---- */

static int replay_committed(zxid_t zxid, struct bytes txn, bool committed,
			    struct store_refusal *refusal, void *data)
{
	struct recovery *recovery = data;

	if (zxid > recovery->committed_zxid || replay_txn(&recovery->replay, zxid, txn) == 0)
		return 0;
	return refuse_txn(zxid, refusal);
}

int recovery_reload(struct store *store, const struct config *config, zxid_t committed_zxid,
		    struct tree **ret_tree, struct store_refusal *ret_refusal)
{
	static const struct store_loader loader = {
		.begin = begin_tree,
		.row = load_row,
		.session = load_session,
		.tree_done = finish_tree,
		.txn = replay_committed,
	};
	struct recovery recovery = {
		.tree = tree_new(config->extended_types),
		.committed_zxid = committed_zxid,
	};
	int error;

	replay_init(&recovery.replay, recovery.tree);
	error = store_reload(store, &loader, &recovery, ret_refusal);
	replay_release(&recovery.replay);
	if (error < 0)
		tree_free(recovery.tree);
	else
		*ret_tree = recovery.tree;
	return error;
}
