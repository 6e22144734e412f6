#include "replica/io/recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "replica/tree/replay.h"
#include "replica/tree/tree.h"

enum { STANDALONE_SERVER_ID = 1 };

struct recovery {
	struct tree *tree;
	struct replay replay;
	uint64_t row_count;
};

static struct server_config server_config_of(const struct config *config)
{
	struct server_config server;

	server_config_init(&server);
	server.server_id = STANDALONE_SERVER_ID;
	server.tick_ms = config->tick_time_ms;
	server.timeout_min_ms = config->min_session_timeout_ms;
	server.timeout_max_ms = config->max_session_timeout_ms;
	server.jute_maxbuffer = (uint32_t)config->jute_maxbuffer_size;
	server.outstanding_limit = (uint32_t)config->global_outstanding_limit;
	server.extended_types = config->extended_types;
	server.digest_enabled = config->digest_enabled;
	server.skip_acl = config->skip_acl;
	server.reconfig_enabled = config->reconfig_enabled;
	server.super_digest = config->super_digest;
	return server;
}

static int load_row(const struct tree_row *row, void *data)
{
	struct recovery *recovery = data;

	recovery->row_count++;
	return tree_load_row(recovery->tree, row);
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

static int recover_txn(zxid_t zxid, struct bytes txn, bool committed, struct store_refusal *refusal,
		       void *data)
{
	struct recovery *recovery = data;

	if (replay_txn(&recovery->replay, zxid, txn) == 0)
		return 0;
	(void)snprintf(refusal->text, sizeof(refusal->text),
		       "the transaction 0x%" PRIx64 " in the log can't be applied: it is damaged",
		       (uint64_t)zxid);
	return -EBADMSG;
}

static struct server *new_server(const struct recovery *recovery, const struct config *config)
{
	const struct server_config server_config = server_config_of(config);
	struct server *server = server_new(&server_config, recovery->tree);

	server_set_digest_mismatches(server, recovery->replay.digest_mismatches);
	return server;
}

int recovery_run(struct store *store, const struct config *config, struct tree **ret_tree,
		 struct server **ret_server, struct store_refusal *ret_refusal)
{
	static const struct store_loader loader = {
		.row = load_row,
		.session = load_session,
		.tree_done = finish_tree,
		.txn = recover_txn,
	};
	struct recovery recovery = {.tree = tree_new(config->extended_types)};
	int error;

	replay_init(&recovery.replay, recovery.tree);
	error = store_load(store, &loader, &recovery, ret_refusal);
	if (error < 0) {
		tree_free(recovery.tree);
	} else {
		*ret_tree = recovery.tree;
		*ret_server = new_server(&recovery, config);
	}
	replay_release(&recovery.replay);
	return error < 0 ? error : 0;
}
