#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica/tree/tree.h"
#include "src/base/mem.h"
#include "src/base/prng.h"
#include "t/unit/cmocka.h"

static struct bytes text(const char *string)
{
	return bytes_of_text(string);
}

static enum zk_code create(struct tree *tree, const char *path, const char *data,
			   session_id_t owner, int32_t parent_cversion, zxid_t zxid, msec_t time_ms)
{
	const struct tree_create create = {
		.path = text(path),
		.data = text(data),
		.acls = zk_acls_open(),
		.ephemeral_owner = owner,
		.parent_cversion = parent_cversion,
		.zxid = zxid,
		.time_ms = time_ms,
	};

	return tree_create(tree, &create);
}

static void shown(const struct tree *tree, const char *path, struct zk_stat *ret_stat)
{
	const struct znode *znode = tree_find(tree, text(path));

	assert_non_null(znode);
	znode_stat(znode, tree_extended_types(tree), ret_stat);
}

/* spec/txn-formats.md 7.1, digests of a live Apache server. */
static void test_digest_is_apaches(void **state)
{
	struct tree *tree = tree_new(false);
	struct zk_acls acls = zk_acls_read_only();

	assert_int_equal(tree_digest(tree), 0x51c6d660);
	assert_int_equal(create(tree, "/a", "x", 0, 1, 3, 0x1a1faa57249), ZK_OK);
	assert_int_equal(tree_digest(tree), 0x12e1edaf4);
	assert_int_equal(create(tree, "/a/b", NULL, 0, 1, 5, 0x1a1faa5725c), ZK_OK);
	assert_int_equal(tree_digest(tree), 0x12b74d538);
	assert_int_equal(tree_set_data(tree, text("/a"), text("yy"), 1, 6, 0x1a1faa57300), ZK_OK);
	assert_int_equal(tree_digest(tree), 0x1d8772e6e);
	assert_int_equal(tree_set_acls(tree, text("/a"), &acls, 1), ZK_OK);
	assert_int_equal(tree_digest(tree), 0x1eb521ab1);
	assert_int_equal(tree_delete(tree, text("/a/b"), 8), ZK_OK);
	assert_int_equal(tree_digest(tree), 0x19944aa02);
	assert_int_equal(create(tree, "/zookeeper/quota/a", "", 0, 1, 9, 1), ZK_OK);
	assert_int_equal(tree_digest(tree), 0x19944aa02);
	assert_int_equal(create(tree, "/zookeeper/x", "", 0, 1, 10, 1), ZK_OK);
	assert_int_equal(tree_digest(tree), 0x1e1a56e86);
	assert_int_equal(create(tree, "/e", "", 0x1000019a3290000, 2, 11, 0x1a1faa57500), ZK_OK);
	assert_int_equal(tree_digest(tree), 0x31e441dc4);
	tree_check(tree);
	tree_free(tree);
}

static void test_empty_database_is_apaches(void **state)
{
	struct tree *tree = tree_new(false);
	struct zk_stat stat;

	shown(tree, "/", &stat);
	assert_int_equal(stat.cversion, -1);
	assert_int_equal(stat.num_children, 1);
	shown(tree, "/zookeeper", &stat);
	assert_int_equal(stat.cversion, -2);
	shown(tree, "/zookeeper/config", &stat);
	assert_int_equal(stat.aversion, -1);
	assert_int_equal(tree_znode_count(tree), 4);
	assert_ptr_equal(tree_find(tree, text("")), tree_find(tree, text("/")));
	assert_int_equal(tree_descendant_count(tree, tree_find(tree, text("/"))), 3);
	assert_int_equal(tree_descendant_count(tree, tree_find(tree, text("/zookeeper"))), 2);
	tree_free(tree);
}

static void test_shown_cversion_counts_creates_and_deletes(void **state)
{
	struct tree *tree = tree_new(false);
	struct zk_stat stat;

	create(tree, "/p", "", 0, -1, 1, 1);
	create(tree, "/p/a", "", 0, -1, 2, 1);
	create(tree, "/p/b", "", 0, -1, 3, 1);
	create(tree, "/p/c", "", 0, -1, 4, 1);
	shown(tree, "/p", &stat);
	assert_int_equal(stat.cversion, 3);
	assert_int_equal(tree_delete(tree, text("/p/b"), 5), ZK_OK);
	shown(tree, "/p", &stat);
	assert_int_equal(stat.cversion, 4);
	assert_int_equal(stat.pzxid, 5);
	create(tree, "/p/d", "", 0, -1, 6, 1);
	shown(tree, "/p", &stat);
	assert_int_equal(stat.cversion, 5);
	tree_free(tree);
}

/* Over a tree that is newer than the transactions (spec/txn-formats.md 9.1). */
static void test_replay_is_tolerant(void **state)
{
	struct tree *tree = tree_new(false);
	struct zk_stat stat;

	assert_int_equal(create(tree, "/no/where", "", 0, 1, 1, 1), ZK_NONODE);
	assert_int_equal(create(tree, "nowhere", "", 0, 1, 1, 1), ZK_NONODE);
	assert_int_equal(create(tree, "/p", "", 0, 1, 1, 1), ZK_OK);
	assert_int_equal(create(tree, "/p/a", "new", 0, 7, 9, 1), ZK_OK);
	assert_int_equal(create(tree, "/p/a", "old", 0, 5, 6, 1), ZK_NODEEXISTS);
	tree_raise_parent(tree, text("/p/a"), 5, 6);
	assert_int_equal(znode_stored_stat(tree_find(tree, text("/p"))).cversion, 7);
	assert_int_equal(znode_stored_stat(tree_find(tree, text("/p"))).pzxid, 9);
	tree_raise_parent(tree, text("/p/a"), 8, 10);
	assert_int_equal(znode_stored_stat(tree_find(tree, text("/p"))).cversion, 8);
	assert_int_equal(tree_delete(tree, text("/p/gone"), 12), ZK_NONODE);
	shown(tree, "/p", &stat);
	assert_int_equal(stat.pzxid, 12);
	assert_int_equal(tree_delete(tree, text("/p/gone"), 11), ZK_NONODE);
	assert_int_equal(znode_stored_stat(tree_find(tree, text("/p"))).pzxid, 12);
	/* A parent from the future: what is created below the one before it is gone by then. */
	assert_int_equal(create(tree, "/p/a/x", "", 0, 1, 8, 1), ZK_NONODE);
	/* A delete that finds children: they come again. */
	assert_int_equal(tree_delete(tree, text("/p"), 13), ZK_OK);
	assert_null(tree_find(tree, text("/p/a")));
	assert_int_equal(tree_set_data(tree, text("/p"), text(""), 1, 14, 1), ZK_NONODE);
	assert_int_equal(tree_delete(tree, text("/"), 15), ZK_NONODE);
	tree_check(tree);
	tree_free(tree);
}

static void test_owner_says_the_kind(void **state)
{
	session_id_t ttl = (session_id_t)0xff0000000000ea60;

	assert_int_equal(znode_kind_of(0, true), ZNODE_PERSISTENT);
	assert_int_equal(znode_kind_of(INT64_MIN, false), ZNODE_CONTAINER);
	assert_int_equal(znode_kind_of(ttl, true), ZNODE_TTL);
	assert_int_equal(znode_kind_of(ttl, false), ZNODE_EPHEMERAL);
	assert_int_equal(znode_kind_of(0x0100002816190000, true), ZNODE_EPHEMERAL);
}

static void test_sessions_own_ephemerals(void **state)
{
	struct tree *tree = tree_new(false);

	tree_open_session(tree, 7, 4000);
	create(tree, "/e1", "", 7, -1, 1, 1);
	create(tree, "/e2", "", 7, -1, 2, 1);
	assert_int_equal(tree_find_session(tree, 7)->ephemerals.count, 2);
	assert_int_equal(tree_find_session(tree, 7)->ephemeral_size, 2 * (4 + 3));
	tree_delete(tree, text("/e1"), 3);
	assert_int_equal(tree_ephemeral_count(tree), 1);
	tree_close_session(tree, 7);
	assert_int_equal(tree_session_count(tree), 0);
	assert_false(tree_find_session(tree, 7)->open);
	tree_check(tree);
	tree_delete(tree, text("/e2"), 4);
	assert_null(tree_find_session(tree, 7));
	tree_free(tree);
}

static void test_equal_acls_are_kept_once(void **state)
{
	struct tree *tree = tree_new(false);
	const struct znode *a, *b;

	create(tree, "/a", "", 0, -1, 1, 1);
	create(tree, "/b", "", 0, -1, 2, 1);
	a = tree_find(tree, text("/a"));
	b = tree_find(tree, text("/b"));
	assert_ptr_equal(a->acls, b->acls);
	tree_free(tree);
}

/* The aim is 250 bytes a znode with a path of 40, besides its data. */
static void test_a_znode_is_small(void **state)
{
	assert_true(sizeof(struct znode) <= 160);
}

/* ---- against a naive model ---- */

enum { MODEL_COUNT_MAX = 200, STEP_COUNT = 20000, PATH_SIZE_MAX = 32 };

struct model_node {
	bool exists;
	char path[PATH_SIZE_MAX];
	char data[16];
	bool is_null;
	int32_t children;
	struct znode_stat stat;
};

/* What a store on disk would have. */
struct row {
	char *path;
	char *data;
	struct znode_stat stat;
};

struct model {
	struct prng prng;
	struct tree *tree;
	struct model_node nodes[MODEL_COUNT_MAX];
	int count;
	struct row rows[MODEL_COUNT_MAX * 4];
	size_t row_count;
	zxid_t zxid;
};

static struct model_node *model_find(struct model *model, const char *path)
{
	for (int at = 0; at < model->count; at++)
		if (strcmp(model->nodes[at].path, path) == 0)
			return &model->nodes[at];
	return NULL;
}

static struct model_node *model_parent(struct model *model, const struct model_node *node)
{
	char path[PATH_SIZE_MAX];
	char *slash;

	strcpy(path, node->path);
	slash = strrchr(path, '/');
	slash[slash == path] = '\0';
	return model_find(model, path);
}

static void model_init(struct model *model)
{
	static const char *const names[] = {"a", "b", "c"};

	prng_init(&model->prng, 1);
	model->tree = tree_new(false);
	strcpy(model->nodes[model->count].path, "/");
	model->nodes[model->count].children = 1;
	model->nodes[model->count++].exists = true;
	/* Every path of up to three names. */
	for (int from = 0; from < 1 + 3 + 9; from++) {
		for (int name = 0; name < 3; name++) {
			const char *parent = from == 0 ? "" : model->nodes[from].path;

			(void)snprintf(model->nodes[model->count++].path, PATH_SIZE_MAX, "%s/%s",
				       parent, names[name]);
		}
	}
}

static void step_create(struct model *model, struct model_node *node)
{
	struct model_node *parent = model_parent(model, node);
	session_id_t owner = prng_below(&model->prng, 4) == 0 ? 7 : 0;
	enum zk_code expected = parent->exists ? ZK_OK : ZK_NONODE;

	if (node->exists)
		expected = ZK_NODEEXISTS;
	assert_int_equal(
		create(model->tree, node->path, "new", owner, -1, model->zxid, model->zxid * 2),
		expected);
	if (expected != ZK_OK)
		return;
	node->exists = true;
	node->is_null = false;
	strcpy(node->data, "new");
	node->children = 0;
	node->stat = (struct znode_stat){.czxid = model->zxid,
					 .mzxid = model->zxid,
					 .pzxid = model->zxid,
					 .ctime = model->zxid * 2,
					 .mtime = model->zxid * 2,
					 .ephemeral_owner = owner};
	parent->children++;
	parent->stat.cversion++;
	parent->stat.pzxid = model->zxid;
}

static void step_delete(struct model *model, struct model_node *node)
{
	struct model_node *parent = model_parent(model, node);

	if (node->children > 0)
		return;
	assert_int_equal(tree_delete(model->tree, text(node->path), model->zxid),
			 node->exists ? ZK_OK : ZK_NONODE);
	if (parent->exists)
		parent->stat.pzxid = model->zxid;
	if (!node->exists)
		return;
	node->exists = false;
	parent->children--;
}

static void step_set(struct model *model, struct model_node *node)
{
	node->is_null = prng_below(&model->prng, 5) == 0;
	(void)snprintf(node->data, sizeof(node->data), "%d", (int)prng_below(&model->prng, 1000));
	assert_int_equal(tree_set_data(model->tree, text(node->path),
				       node->is_null ? BYTES_NULL : text(node->data),
				       node->stat.version + 1, model->zxid, model->zxid * 3),
			 node->exists ? ZK_OK : ZK_NONODE);
	if (!node->exists)
		return;
	node->stat.version++;
	node->stat.mzxid = model->zxid;
	node->stat.mtime = model->zxid * 3;
}

static void step_set_acls(struct model *model, struct model_node *node)
{
	struct zk_acls acls = prng_below(&model->prng, 2) ? zk_acls_open() : zk_acls_read_only();

	assert_int_equal(
		tree_set_acls(model->tree, text(node->path), &acls, node->stat.aversion + 1),
		node->exists ? ZK_OK : ZK_NONODE);
	if (node->exists)
		node->stat.aversion++;
}

static void expect_same(const struct tree *tree, const struct model_node *node)
{
	const struct znode *znode = tree_find(tree, text(node->path));
	struct znode_stat stat;
	struct buf path;

	assert_int_equal(znode != NULL, node->exists);
	if (!znode)
		return;
	stat = znode_stored_stat(znode);
	assert_memory_equal(&stat.czxid, &node->stat.czxid, 5 * sizeof(zxid_t));
	assert_int_equal(stat.version, node->stat.version);
	assert_int_equal(stat.cversion, node->stat.cversion);
	assert_int_equal(stat.aversion, node->stat.aversion);
	assert_int_equal(stat.ephemeral_owner, node->stat.ephemeral_owner);
	assert_int_equal(znode_child_count(znode), node->children);
	buf_init(&path, INT32_MAX);
	assert_true(bytes_equal(znode_path(znode, &path), text(node->path)));
	assert_int_equal(znode_path_size(znode), strlen(node->path) > 1 ? strlen(node->path) : 0);
	buf_release(&path);
	if (node->is_null)
		assert_true(bytes_is_null(znode_data(znode)));
	else
		assert_true(bytes_equal_text(znode_data(znode), node->data));
}

static struct row *row_find(struct model *model, struct bytes path)
{
	for (size_t at = 0; at < model->row_count; at++)
		if (bytes_equal_text(path, model->rows[at].path))
			return &model->rows[at];
	return NULL;
}

static void store(void *data, const struct tree_change *change)
{
	struct model *model = data;
	struct row *row = row_find(model, change->row.path);

	if (change->type == TREE_ZNODE_DELETED) {
		assert_non_null(row); /* what the store never had need not be deleted */
		assert_int_equal(change->row.stat.czxid, row->stat.czxid);
		free(row->path);
		free(row->data);
		*row = model->rows[--model->row_count];
		return;
	}
	assert_int_equal(change->type, TREE_ZNODE_PUT);
	if (!row) {
		row = &model->rows[model->row_count++];
		row->path = bytes_dup(change->row.path);
		row->data = NULL;
		row->stat = change->row.stat;
	}
	/* It is the key of the row that this one takes the place of. */
	assert_int_equal(change->row.stat.czxid, row->stat.czxid);
	free(row->data);
	row->data = bytes_dup(change->row.data);
	row->stat = change->row.stat;
}

static int by_key(const void *a, const void *b)
{
	const struct row *of_a = a;
	const struct row *of_b = b;

	if (of_a->stat.czxid != of_b->stat.czxid)
		return of_a->stat.czxid < of_b->stat.czxid ? -1 : 1;
	return strcmp(of_a->path, of_b->path);
}

/* Load what is in the store, and find the same tree. */
static void expect_load_finds_it(struct model *model,
				 int (*load)(struct tree *tree, const struct tree_row *row))
{
	struct tree *loaded = tree_new(false);

	tree_begin_load(loaded, model->row_count);
	qsort(model->rows, model->row_count, sizeof(model->rows[0]), by_key);
	for (size_t at = 0; at < model->row_count; at++) {
		const struct tree_row row = {.path = text(model->rows[at].path),
					     .data = text(model->rows[at].data),
					     .acls = zk_acls_open(),
					     .stat = model->rows[at].stat};

		assert_int_equal(load(loaded, &row), 0);
		assert_int_equal(load(loaded, &row), -EBADMSG);
	}
	assert_int_equal(tree_change_count(loaded), 0);
	assert_int_equal(tree_digest(loaded), tree_digest(model->tree));
	assert_int_equal(tree_znode_count(loaded), tree_znode_count(model->tree));
	for (int at = 0; at < model->count; at++)
		expect_same(loaded, &model->nodes[at]);
	tree_check(loaded);
	tree_free(loaded);
}

static void expect_store_follows(struct model *model)
{
	tree_take_changes(model->tree, store, model);
	assert_int_equal(tree_change_count(model->tree), 0);
	assert_int_equal(tree_change_size(model->tree), 0);
	expect_load_finds_it(model, tree_load_row);
	expect_load_finds_it(model, tree_load_next);
}

static void test_random_changes_against_a_model(void **state)
{
	struct model *model = test_calloc(1, sizeof(*model));
	static void (*const steps[])(struct model *, struct model_node *) = {
		step_create, step_create, step_delete, step_set, step_set_acls};

	model_init(model);
	for (int step = 0; step < STEP_COUNT; step++) {
		struct model_node *node =
			&model->nodes[1 + prng_below(&model->prng, (uint64_t)model->count - 1)];

		model->zxid++;
		steps[prng_below(&model->prng, 5)](model, node);
		expect_same(model->tree, node);
		expect_same(model->tree, model_parent(model, node));
		if (prng_below(&model->prng, 100) == 0)
			tree_check(model->tree);
		if (prng_below(&model->prng, 500) == 0)
			expect_store_follows(model);
	}
	for (size_t at = 0; at < model->row_count; at++) {
		free(model->rows[at].path);
		free(model->rows[at].data);
	}
	tree_free(model->tree);
	test_free(model);
}

/* ---- the store's side ---- */

static void count_change(void *data, const struct tree_change *change)
{
	int *counts = data;

	counts[change->type]++;
}

static void test_changes_of_sessions(void **state)
{
	struct tree *tree = tree_new(false);
	int counts[4] = {0};

	tree_take_changes(tree, count_change, counts);
	assert_int_equal(counts[TREE_ZNODE_PUT], 4);
	tree_open_session(tree, 1, 4000);
	tree_open_session(tree, 2, 4000);
	tree_close_session(tree, 2); /* came and went: nothing to write */
	memset(counts, 0, sizeof(counts));
	tree_take_changes(tree, count_change, counts);
	assert_int_equal(counts[TREE_SESSION_PUT], 1);
	assert_int_equal(counts[TREE_SESSION_DELETED], 0);
	tree_close_session(tree, 1);
	tree_take_changes(tree, count_change, counts);
	assert_int_equal(counts[TREE_SESSION_DELETED], 1);
	tree_check(tree);
	tree_free(tree);
}

static void test_short_lived_znodes_leave_no_change(void **state)
{
	struct tree *tree = tree_new(false);
	char path[PATH_SIZE_MAX];
	size_t before = tree_change_count(tree);

	for (int at = 0; at < 10000; at++) {
		(void)snprintf(path, sizeof(path), "/n%d", at);
		create(tree, path, "", 0, -1, at + 1, 1);
		if (at >= 10)
			(void)snprintf(path, sizeof(path), "/n%d", at - 10);
		if (at >= 10)
			assert_int_equal(tree_delete(tree, text(path), at + 1), ZK_OK);
	}
	assert_int_equal(tree_change_count(tree), before + 10);
	tree_check(tree);
	tree_free(tree);
}

static void test_load_refuses_what_makes_no_tree(void **state)
{
	struct tree *tree = tree_new(false);
	struct tree_row row = {.path = text("/a/b"), .data = text(""), .acls = zk_acls_open()};

	assert_int_equal(tree_load_row(tree, &row), -EBADMSG);
	row.path = text("/a/");
	assert_int_equal(tree_load_row(tree, &row), -EBADMSG);
	row.path = text("a");
	assert_int_equal(tree_load_row(tree, &row), -EBADMSG);
	row.path = BYTES_NULL;
	assert_int_equal(tree_load_row(tree, &row), -EBADMSG);
	row = (struct tree_row){.path = text("/"), .acls = zk_acls_open(), .data = text("")};
	row.stat.ephemeral_owner = 7;
	assert_int_equal(tree_load_row(tree, &row), -EBADMSG);
	row.stat.ephemeral_owner = 0;
	row.stat.czxid = 1;
	assert_int_equal(tree_load_row(tree, &row), -EBADMSG);
	row.stat.czxid = 0;
	assert_int_equal(tree_load_next(tree, &row), 0);
	row.path = text("/a/b");
	row.stat.czxid = 1;
	assert_int_equal(tree_load_next(tree, &row), -EBADMSG);
	row.path = text("/c");
	row.stat.czxid = 3;
	assert_int_equal(tree_load_next(tree, &row), 0);
	assert_int_equal(tree_load_next(tree, &row), -EBADMSG);
	row.path = text("/b");
	assert_int_equal(tree_load_next(tree, &row), -EBADMSG);
	row.path = text("/d");
	row.stat.czxid = 2;
	assert_int_equal(tree_load_next(tree, &row), -EBADMSG);
	row.path = text("/c/older");
	assert_int_equal(tree_load_row(tree, &row), -EBADMSG);
	assert_int_equal(tree_load_session(tree, 5, 4000), 0);
	assert_int_equal(tree_load_session(tree, 5, 4000), -EBADMSG);
	tree_check(tree);
	tree_free(tree);
}

static void test_load_refuses_a_path_that_comes_again(void **state)
{
	struct tree *tree = tree_new(false);
	struct tree_row row = {.path = text("/"), .acls = zk_acls_open(), .data = text("")};

	assert_int_equal(tree_load_next(tree, &row), 0);
	row.path = text("/c");
	row.stat.czxid = 3;
	assert_int_equal(tree_load_next(tree, &row), 0);
	row.stat.czxid = 4;
	assert_int_equal(tree_load_next(tree, &row), -EBADMSG);
	tree_free(tree);
}

/* Within the znode or apart, grown out of its place and shrunk into it again. */
static void test_data_of_every_size_is_kept(void **state)
{
	static const size_t sizes[] = {0,   1,   7,   8,   9, 100, ZNODE_INLINE_SIZE_MAX,
				       257, 256, 255, 300, 8, 0,   5000};
	enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
	struct tree *tree = tree_new(false);
	char bytes[5000];
	char path[16];

	memset(bytes, 'd', sizeof(bytes));
	for (size_t first = 0; first < COUNT; first++) {
		struct tree_create create = {.data = bytes_of(bytes, sizes[first]),
					     .acls = zk_acls_open(),
					     .parent_cversion = -1,
					     .zxid = (zxid_t)first + 1};

		(void)snprintf(path, sizeof(path), "/n%zu", first);
		create.path = text(path);
		assert_int_equal(tree_create(tree, &create), ZK_OK);
		for (size_t next = 0; next <= COUNT; next++) {
			struct bytes data =
				next < COUNT ? bytes_of(bytes, sizes[next]) : BYTES_NULL;

			assert_int_equal(tree_set_data(tree, text(path), data, (int32_t)next + 1,
						       (zxid_t)next + 100, 1),
					 ZK_OK);
			assert_true(bytes_equal(znode_data(tree_find(tree, text(path))), data));
			tree_check(tree);
		}
	}
	tree_free(tree);
}

static void test_a_path_is_found_name_by_name(void **state)
{
	struct tree *tree = tree_new(false);

	create(tree, "/a", "", 0, -1, 1, 1);
	create(tree, "/a/b", "", 0, -1, 2, 1);
	create(tree, "/a/b/c", "", 0, -1, 3, 1);
	create(tree, "/ab", "", 0, -1, 4, 1);
	assert_non_null(tree_find(tree, text("/a/b/c")));
	assert_null(tree_find(tree, text("/a/b/c/")));
	assert_null(tree_find(tree, text("/a/bc")));
	assert_null(tree_find(tree, text("/b/c")));
	assert_null(tree_find(tree, text("a/b")));
	assert_ptr_equal(tree_find(tree, text("")), tree_find(tree, text("/")));
	tree_check(tree);
	tree_free(tree);
}

static void test_walk_meets_parents_first(void **state)
{
	struct tree *tree = tree_new(false);
	size_t count = 0;

	create(tree, "/b", "", 0, -1, 1, 1);
	create(tree, "/b/x", "", 0, -1, 2, 1);
	create(tree, "/a", "", 0, -1, 3, 1);
	for (const struct znode *at = NULL; (at = tree_walk_next(tree, at)); count++)
		if (at->parent && at->parent->parent)
			assert_true(at->czxid >= at->parent->czxid);
	assert_int_equal(count, tree_znode_count(tree));
	assert_int_equal(tree_descendant_count(tree, tree_find(tree, text("/b"))), 1);
	tree_free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest_is_apaches),
		cmocka_unit_test(test_empty_database_is_apaches),
		cmocka_unit_test(test_shown_cversion_counts_creates_and_deletes),
		cmocka_unit_test(test_replay_is_tolerant),
		cmocka_unit_test(test_owner_says_the_kind),
		cmocka_unit_test(test_sessions_own_ephemerals),
		cmocka_unit_test(test_equal_acls_are_kept_once),
		cmocka_unit_test(test_a_znode_is_small),
		cmocka_unit_test(test_random_changes_against_a_model),
		cmocka_unit_test(test_changes_of_sessions),
		cmocka_unit_test(test_short_lived_znodes_leave_no_change),
		cmocka_unit_test(test_load_refuses_what_makes_no_tree),
		cmocka_unit_test(test_load_refuses_a_path_that_comes_again),
		cmocka_unit_test(test_data_of_every_size_is_kept),
		cmocka_unit_test(test_a_path_is_found_name_by_name),
		cmocka_unit_test(test_walk_meets_parents_first),
	};

	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
