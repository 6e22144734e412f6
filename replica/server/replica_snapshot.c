/*
 * The stream behind SNAP. Its rows build the new tree in memory and pass on to the store, which
 * stages them; the old tree is dropped before, so that memory never holds both. It is on the disk
 * still, and comes back from there if the stream breaks or the leader goes.
 */
#include <errno.h>

#include "replica/server/replica_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

enum { STAGED_CAPACITY_MIN = 64 };

static void stage(struct replica *replica, const struct staged *staged)
{
	if (replica->staged_count == replica->staged_capacity) {
		replica->staged_capacity = replica->staged_capacity ? 2 * replica->staged_capacity
								    : STAGED_CAPACITY_MIN;
		replica->staged = mem_realloc(replica->staged,
					      replica->staged_capacity * sizeof(*replica->staged));
	}
	replica->staged[replica->staged_count++] = *staged;
}

static int take_session(session_id_t id, int32_t timeout_ms, void *data)
{
	struct replica *replica = data;
	const struct staged staged = {.session = {.id = id, .timeout_ms = timeout_ms}};
	int error = tree_load_session(replica->tree, id, timeout_ms);

	if (error == 0 && replica->mutation != SERVER_MUTATION_STAGE_NO_SESSIONS)
		stage(replica, &staged);
	return error;
}

static int take_row(const struct tree_row *row, void *data)
{
	struct replica *replica = data;
	struct staged staged = {0};
	int error = tree_load_row(replica->tree, row);

	if (error < 0)
		return error;
	staged.znode = tree_find(replica->tree, row->path);
	stage(replica, &staged);
	return 0;
}

void replica_begin_snapshot(struct replica *replica, zab_link_t link, zxid_t zxid)
{
	static const struct snapshot_handler handler = {.session = take_session, .row = take_row};

	ASSERT(!replica->server && replica->receiving == ZAB_LINK_NONE);
	replica_set_tree(replica, NULL);
	replica_set_tree(replica, tree_new(replica->config.server.extended_types));
	replica->is_staging = true;
	replica->receiving = link;
	replica->receiving_zxid = zxid;
	replica->appended_before = replica->appended;
	replica->appended = zxid;
	snapshot_reader_init(&replica->reader, replica->config.zab.data_size_max, &handler,
			     replica);
}

void replica_end_stream(struct replica *replica)
{
	if (replica->receiving == ZAB_LINK_NONE)
		return;
	replica->receiving = ZAB_LINK_NONE;
	snapshot_reader_release(&replica->reader);
}

size_t replica_snapshot_bytes(struct replica *replica, struct bytes bytes)
{
	/* At least this much goes forward: what is not whole is always shorter. */
	size_t size_max = snapshot_reader_rest_size_max(&replica->reader);
	size_t given = bytes_size(bytes);
	zab_link_t link = replica->receiving;
	size_t consumed;
	int error;

	if (bytes_size(bytes) > size_max)
		bytes = bytes_of(bytes.data, size_max);
	error = snapshot_reader_feed(&replica->reader, bytes, &consumed);
	if (error < 0) {
		replica_end_stream(replica);
		replica_log(replica, 2, "the leader's snapshot can't be read: %s",
			    error == -EBADMSG ? "it is malformed" : "it is too large");
		zab_snapshot_received(replica->zab, link, false);
		return given;
	}
	if (snapshot_reader_is_done(&replica->reader)) {
		replica_end_stream(replica);
		tree_set_zxid(replica->tree, replica->receiving_zxid);
		zab_snapshot_received(replica->zab, link, true);
	}
	return consumed;
}

static void fill_row(struct replica *replica, const struct znode *znode, struct tree_row *ret_row)
{
	*ret_row = (struct tree_row){
		.path = znode_path(znode, &replica->staged_path),
		.data = znode_data(znode),
		.acls = acl_list_acls(znode->acls),
		.stat = znode_stored_stat(znode),
	};
}

bool replica_take_staged(struct replica *replica, struct replica_action *ret_action)
{
	const struct staged *staged;

	if (replica->staged_at == replica->staged_count) {
		replica->staged_at = replica->staged_count = 0;
		return false;
	}
	staged = &replica->staged[replica->staged_at++];
	*ret_action =
		(struct replica_action){.type = REPLICA_STAGE_SESSION, .session = staged->session};
	if (staged->znode) {
		ret_action->type = REPLICA_STAGE_ROW;
		fill_row(replica, staged->znode, &ret_action->row);
	}
	return true;
}

void replica_install_snapshot(struct replica *replica, struct replica_action *action)
{
	ASSERT(replica->is_staging && tree_zxid(replica->tree) == action->zab.zxid);
	/* Its rows are staged as the leader sent them; this one is the first change to them. */
	replica_set_config(replica);
	action->digest = tree_digest(replica->tree);
	replica->is_staging = false;
	replica->is_installing = true;
	replica->committed = action->zab.zxid;
}

/* The disk has the old tree; what came of the new one is void there as here. */
void replica_abort_snapshot(struct replica *replica)
{
	const struct replica_action reload = {.type = REPLICA_RELOAD};

	ASSERT(replica->is_staging);
	replica_end_stream(replica);
	replica->staged_at = replica->staged_count = 0;
	replica_set_tree(replica, NULL);
	replica->is_staging = false;
	replica->appended = replica->appended_before;
	replica->is_reloading = true;
	replica_put(replica, &reload);
}
