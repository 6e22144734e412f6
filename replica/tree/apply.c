#include "replica/tree/apply.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/path.h"

enum { OUTCOME_CAPACITY_MIN = 8 };

void apply_init(struct apply *apply, struct tree *tree, struct watches *watches,
		apply_event_fn *event, void *data)
{
	*apply = (struct apply){.tree = tree, .watches = watches, .event = event, .data = data};
}

void apply_release(struct apply *apply)
{
	free(apply->outcomes);
	*apply = (struct apply){0};
}

static struct apply_outcome *add_outcome(struct apply *apply, int32_t type)
{
	struct apply_outcome *outcome;

	if (apply->outcome_count == apply->outcome_capacity) {
		apply->outcome_capacity = apply->outcome_capacity ? apply->outcome_capacity * 2
								  : OUTCOME_CAPACITY_MIN;
		apply->outcomes = mem_realloc(apply->outcomes,
					      apply->outcome_capacity * sizeof(*apply->outcomes));
	}
	outcome = &apply->outcomes[apply->outcome_count++];
	*outcome = (struct apply_outcome){.type = type, .path = BYTES_NULL};
	return outcome;
}

/* ---- events ---- */

struct event {
	const struct apply *apply;
	zxid_t zxid;
	enum zk_event_type type;
	struct bytes path;
	struct zk_acls acls;
};

static void tell(void *data, struct watcher *watcher)
{
	const struct event *event = data;

	event->apply->event(event->apply->data, watcher, event->zxid, event->type, event->path,
			    &event->acls);
}

static void fire(struct apply *apply, enum watch_table_id table, zxid_t zxid,
		 enum zk_event_type type, struct bytes path, const struct acl_list *acls)
{
	struct event event = {.apply = apply,
			      .zxid = zxid,
			      .type = type,
			      .path = path,
			      .acls = acl_list_acls(acls)};

	watch_trigger(apply->watches, table, path, tell, &event);
}

static bool is_watched(const struct apply *apply)
{
	return apply->watches && watches_count(apply->watches) > 0;
}

static void fire_children_changed(struct apply *apply, zxid_t zxid, struct bytes path)
{
	struct bytes parent_path = zk_path_parent(path);
	const struct znode *parent = tree_find(apply->tree, parent_path);

	if (!parent)
		return;
	watch_begin(apply->watches);
	fire(apply, WATCH_CHILD, zxid, ZK_EVENT_NODE_CHILDREN_CHANGED, parent_path, parent->acls);
}

/* One change of a znode that is there: created, or its data set. */
static void fire_data(struct apply *apply, zxid_t zxid, enum zk_event_type type, struct bytes path)
{
	watch_begin(apply->watches);
	fire(apply, WATCH_DATA, zxid, type, path, tree_find(apply->tree, path)->acls);
}

/* ---- one operation each; the outcome's err is the caller's ---- */

static session_id_t owner_of(const struct txn_header *header, const struct txn_record *record)
{
	switch (record->type) {
	case ZK_OP_CREATE_CONTAINER:
		return ZNODE_OWNER_CONTAINER;
	case ZK_OP_CREATE_TTL:
		return (session_id_t)((uint64_t)ZNODE_OWNER_TTL_BITS |
				      (uint64_t)record->create.ttl_ms);
	default:
		return record->create.ephemeral ? header->session_id : 0;
	}
}

static enum zk_code apply_create(struct apply *apply, const struct txn_header *header,
				 const struct txn_record *record)
{
	const struct tree_create create = {
		.path = record->create.path,
		.data = record->create.data,
		.acls = record->create.acls,
		.ephemeral_owner = owner_of(header, record),
		.parent_cversion = record->create.parent_cversion,
		.zxid = header->zxid,
		.time_ms = header->time,
	};
	enum zk_code code;

	if (bytes_size(create.path) == 0)
		return ZK_NONODE;
	code = tree_create(apply->tree, &create);
	if (code == ZK_NODEEXISTS && record->type == ZK_OP_CREATE)
		tree_raise_parent(apply->tree, create.path, create.parent_cversion, create.zxid);
	if (code == ZK_OK && is_watched(apply)) {
		fire_data(apply, header->zxid, ZK_EVENT_NODE_CREATED, create.path);
		fire_children_changed(apply, header->zxid, create.path);
	}
	return code;
}

static enum zk_code delete_watched(struct apply *apply, zxid_t zxid, struct bytes path)
{
	const struct znode *znode = tree_find(apply->tree, path);
	struct acl_list *acls = znode ? acl_list_ref(znode->acls) : NULL;
	enum zk_code code = tree_delete(apply->tree, path, zxid);

	if (code == ZK_OK) {
		watch_begin(apply->watches);
		fire(apply, WATCH_DATA, zxid, ZK_EVENT_NODE_DELETED, path, acls);
		fire(apply, WATCH_CHILD, zxid, ZK_EVENT_NODE_DELETED, path, acls);
		fire_children_changed(apply, zxid, path);
	}
	if (acls)
		tree_put_acls(apply->tree, acls);
	return code;
}

static enum zk_code apply_delete(struct apply *apply, zxid_t zxid, struct bytes path)
{
	if (bytes_size(path) == 0)
		return ZK_NONODE;
	if (is_watched(apply))
		return delete_watched(apply, zxid, path);
	return tree_delete(apply->tree, path, zxid);
}

static enum zk_code apply_set_data(struct apply *apply, const struct txn_header *header,
				   const struct txn_set_data *set)
{
	enum zk_code code = tree_set_data(apply->tree, set->path, set->data, set->version,
					  header->zxid, header->time);

	if (code == ZK_OK && is_watched(apply))
		fire_data(apply, header->zxid, ZK_EVENT_NODE_DATA_CHANGED, set->path);
	return code;
}

static void delete_first_ephemeral(struct apply *apply, zxid_t zxid,
				   const struct tree_session *session)
{
	struct bytes path = map_entry_key(map_first(&session->ephemerals));
	char *copy = bytes_dup(path); /* the path goes with its znode */
	enum zk_code code = apply_delete(apply, zxid, bytes_of(copy, bytes_size(path)));

	ASSERT(code == ZK_OK);
	free(copy);
}

/* The listed paths, and whatever else the session still owns. */
static void apply_close_session(struct apply *apply, const struct txn_header *header,
				const struct txn_close_session *close)
{
	const struct tree_session *session;
	struct bytes path;

	if (close->has_paths)
		for (size_t at = 0; jute_strings_next(&close->paths, &at, &path);)
			(void)apply_delete(apply, header->zxid,
					   path); /* one that is gone is gone */
	while ((session = tree_find_session(apply->tree, header->session_id)) &&
	       session->ephemerals.count > 0)
		delete_first_ephemeral(apply, header->zxid, session);
	tree_close_session(apply->tree, header->session_id);
}

static struct bytes path_of(const struct txn_record *record)
{
	switch (record->type) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
		return record->create.path;
	case ZK_OP_DELETE:
	case ZK_OP_DELETE_CONTAINER:
		return record->delete.path;
	case ZK_OP_SET_DATA:
	case ZK_OP_RECONFIG:
		return record->set_data.path;
	case ZK_OP_SET_ACL:
		return record->set_acl.path;
	case ZK_OP_CHECK:
		return record->check.path;
	default:
		return BYTES_NULL;
	}
}

static enum zk_code apply_operation(struct apply *apply, const struct txn_header *header,
				    const struct txn_record *record)
{
	switch (record->type) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
		return apply_create(apply, header, record);
	case ZK_OP_DELETE:
	case ZK_OP_DELETE_CONTAINER:
		return apply_delete(apply, header->zxid, record->delete.path);
	case ZK_OP_SET_DATA:
	case ZK_OP_RECONFIG:
		return apply_set_data(apply, header, &record->set_data);
	case ZK_OP_SET_ACL:
		return tree_set_acls(apply->tree, record->set_acl.path, &record->set_acl.acls,
				     record->set_acl.version);
	case ZK_OP_CREATE_SESSION:
		tree_open_session(apply->tree, header->session_id,
				  record->create_session.timeout_ms);
		return ZK_OK;
	case ZK_OP_CLOSE_SESSION:
		apply_close_session(apply, header, &record->close_session);
		return ZK_OK;
	case ZK_OP_ERROR:
		return (enum zk_code)record->error.err;
	default:
		return ZK_OK; /* check: it was checked when it was proposed */
	}
}

/* Looking for the znode once more takes as long as most of these operations. */
static bool is_answered_with_stat(int32_t type)
{
	switch (type) {
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
	case ZK_OP_SET_DATA:
	case ZK_OP_SET_ACL:
	case ZK_OP_RECONFIG:
		return true;
	default:
		return false;
	}
}

static void apply_record(struct apply *apply, const struct txn_header *header,
			 const struct txn_record *record)
{
	enum zk_code err = apply_operation(apply, header, record);
	struct apply_outcome *outcome = add_outcome(apply, record->type);

	outcome->err = err;
	outcome->path = path_of(record);
	if (err == ZK_OK && is_answered_with_stat(record->type))
		znode_stat(tree_find(apply->tree, outcome->path), tree_extended_types(apply->tree),
			   &outcome->stat);
}

/* Nothing of a multi is applied if one part failed; the parts behind it were never tried. */
static void report_failed_multi(struct apply *apply, const struct txn_multi *multi)
{
	struct txn_record record;
	bool failed = false;

	for (size_t at = 0; txn_multi_next(multi, &at, &record);) {
		struct apply_outcome *outcome = add_outcome(apply, ZK_OP_ERROR);

		if (record.type == ZK_OP_ERROR)
			outcome->err = (enum zk_code)record.error.err;
		else if (failed)
			outcome->err = ZK_RUNTIMEINCONSISTENCY;
		failed |= record.type == ZK_OP_ERROR;
	}
}

static bool has_failed(const struct txn_multi *multi)
{
	struct txn_record record;

	for (size_t at = 0; txn_multi_next(multi, &at, &record);)
		if (record.type == ZK_OP_ERROR)
			return true;
	return false;
}

static void apply_multi(struct apply *apply, const struct txn_header *header,
			const struct txn_multi *multi)
{
	struct txn_record record;

	if (has_failed(multi)) {
		report_failed_multi(apply, multi);
		return;
	}
	for (size_t at = 0; txn_multi_next(multi, &at, &record);)
		apply_record(apply, header, &record);
}

void apply_txn(struct apply *apply, const struct txn *txn)
{
	ASSERT(txn->header.zxid > tree_zxid(apply->tree));
	apply->outcome_count = 0;
	if (txn->header.type == ZK_OP_MULTI)
		apply_multi(apply, &txn->header, &txn->record.multi);
	else
		apply_record(apply, &txn->header, &txn->record);
	tree_set_zxid(apply->tree, txn->header.zxid);
}
