#include "t/unit/cmocka.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/file.h"
#include "fs/fs.h"
#include "fs/node.h"
#include "src/base/mem.h"

/* ---- what node.c asks of its neighbours ---- */

static struct znode the_znode;
static unsigned use_count;
static msec_t fresh_ms;
static const struct node *unborn;
static const struct node *dirty;
static uint64_t dirty_size;

struct znode *znode_use(struct fs *fs, struct bytes path)
{
	use_count++;
	return &the_znode;
}

void znode_unuse(struct fs *fs, struct znode *znode)
{
	assert_true(use_count > 0);
	use_count--;
}

msec_t znode_fresh_ms(const struct fs *fs, const struct znode *znode)
{
	return fresh_ms;
}

bool file_is_unborn(const struct node *node)
{
	return node == unborn;
}

bool file_uncommitted_size(const struct node *node, uint64_t *ret_size)
{
	if (node != dirty)
		return false;
	*ret_size = dirty_size;
	return true;
}

/* ---- */

static struct fs_options options = {.uid = 12, .gid = 34, .file_mode = 0640, .dir_mode = 0750};
static struct fs fs;

static int set_up(void **state)
{
	memset(&fs, 0, sizeof(fs));
	memset(&the_znode, 0, sizeof(the_znode));
	use_count = 0;
	fresh_ms = 0;
	unborn = NULL;
	dirty = NULL;
	fs.options = &options;
	fs.root_path = "/root";
	node_table_init(&fs);
	return 0;
}

static int tear_down(void **state)
{
	node_table_release(&fs);
	assert_int_equal(use_count, 0);
	return 0;
}

static struct node *get(enum node_kind kind, const char *path, zxid_t czxid)
{
	return node_get(&fs, kind, bytes_of_text(path), NULL, czxid);
}

/* As a reply does that names it. */
static struct node *look_up(enum node_kind kind, const char *path, zxid_t czxid)
{
	struct node *node = get(kind, path, czxid);

	node->lookup_count++;
	return node;
}

static struct node *at_path(const char *path)
{
	return node_of_path(&fs, bytes_of_text(path));
}

static void root_is_there_and_stays(void **state)
{
	struct node *root = node_find(&fs, FUSE_ROOT_ID);

	assert_non_null(root);
	assert_ptr_equal(at_path("/root"), root);
	assert_true(node_is_root(root) && node_is_dir(root) && node_is_live(root));
	node_forget(&fs, root, 1000);
	assert_ptr_equal(node_find(&fs, FUSE_ROOT_ID), root);
	/* whatever its znode is */
	assert_ptr_equal(get(NODE_DIR, "/root", 77), root);
}

static void what_is_gone_has_a_node_beside_what_is_there(void **state)
{
	struct node *node = look_up(NODE_FILE, "/root/a", 5);
	struct node *gone = node_new_detached(&fs, NODE_DIR, bytes_of_text("/root/a"));
	uint64_t nodeid = gone->nodeid;

	assert_int_not_equal(nodeid, node->nodeid);
	assert_ptr_equal(node_find(&fs, nodeid), gone);
	assert_false(gone->attached);
	assert_true(node->attached);
	assert_ptr_equal(at_path("/root/a"), node);
	node_hold(gone);
	node_drop(&fs, gone);
	assert_null(node_find(&fs, nodeid));
	assert_ptr_equal(at_path("/root/a"), node);
}

static void one_path_is_one_node_until_it_is_forgotten(void **state)
{
	struct node *node = look_up(NODE_FILE, "/root/a", 5);
	uint64_t nodeid = node->nodeid;

	assert_ptr_equal(look_up(NODE_FILE, "/root/a", 5), node);
	assert_ptr_equal(at_path("/root/a"), node);
	node_forget(&fs, node, 1);
	assert_ptr_equal(node_find(&fs, nodeid), node);
	node_forget(&fs, node, 1);
	assert_null(node_find(&fs, nodeid));
	assert_null(at_path("/root/a"));
	assert_int_not_equal(look_up(NODE_FILE, "/root/a", 5)->nodeid, nodeid);
}

static void held_node_outlives_the_kernel(void **state)
{
	struct node *node = look_up(NODE_FILE, "/root/a", 5);

	node_hold(node);
	node_forget(&fs, node, 1);
	assert_ptr_equal(at_path("/root/a"), node);
	assert_false(node_is_live(node));
	node_drop(&fs, node);
	assert_null(at_path("/root/a"));
}

static void node_that_nobody_took_goes(void **state)
{
	struct node *node = get(NODE_FILE, "/root/a", 5);

	node_forget(&fs, node, 0);
	assert_null(at_path("/root/a"));
}

static void other_type_is_another_node(void **state)
{
	struct node *file = look_up(NODE_FILE, "/root/a", 5);
	struct node *dir = look_up(NODE_DIR, "/root/a", 5);

	assert_ptr_not_equal(dir, file);
	assert_int_not_equal(dir->nodeid, file->nodeid);
	assert_false(file->attached);
	assert_ptr_equal(at_path("/root/a"), dir);
	/* The kernel still holds the old one, and forgets it in its time. */
	assert_ptr_equal(node_find(&fs, file->nodeid), file);
	node_forget(&fs, file, 1);
}

static void znode_made_anew_is_another_node(void **state)
{
	struct node *first = look_up(NODE_FILE, "/root/a", 5);
	struct node *second = look_up(NODE_FILE, "/root/a", 9);

	assert_ptr_not_equal(first, second);
	assert_int_not_equal(first->ino, second->ino);
	assert_false(first->attached);
}

static void file_that_was_unborn_takes_its_czxid_once(void **state)
{
	struct node *node = look_up(NODE_FILE, "/root/a", 0);
	uint64_t ino = node->ino;

	unborn = node;
	assert_ptr_equal(get(NODE_FILE, "/root/a", 5), node);
	assert_int_equal(node->czxid, 0);
	unborn = NULL;
	assert_ptr_equal(get(NODE_FILE, "/root/a", 5), node);
	assert_int_equal(node->czxid, 5);
	assert_int_equal(node->ino, ino);
	assert_ptr_not_equal(get(NODE_FILE, "/root/a", 6), node);
}

static void data_and_modes_stand_beside_their_directory(void **state)
{
	struct create_mode ephemeral = {.ephemeral = true}, sequential = {.sequential = true};
	struct bytes path = bytes_of_text("/root/d");
	struct node *dir = look_up(NODE_DIR, "/root/d", 5);
	struct node *data = look_up(NODE_DATA, "/root/d", 0);
	struct node *mode = node_get(&fs, NODE_MODE, path, &ephemeral, 0);

	mode->lookup_count++;
	assert_ptr_equal(at_path("/root/d"), dir);
	assert_ptr_equal(node_of_key(&fs, NODE_DATA, path, NULL), data);
	assert_ptr_equal(node_of_key(&fs, NODE_MODE, path, &ephemeral), mode);
	assert_null(node_of_key(&fs, NODE_MODE, path, &sequential));
	assert_null(node_of_key(&fs, NODE_FILE, path, NULL));
	assert_true(dir->ino != data->ino && dir->ino != mode->ino && data->ino != mode->ino);
}

static void moved_node_keeps_its_number(void **state)
{
	struct node *source = look_up(NODE_FILE, "/root/from", 5);
	struct node *target = look_up(NODE_FILE, "/root/to", 6);
	uint64_t ino = source->ino;

	node_move(&fs, source, bytes_of_text("/root/to"), 6);
	assert_null(at_path("/root/from"));
	assert_ptr_equal(at_path("/root/to"), source);
	assert_int_equal(source->ino, ino);
	assert_string_equal(source->path, "/root/to");
	assert_false(target->attached);
	/* What lookup finds there is this one. */
	assert_ptr_equal(get(NODE_FILE, "/root/to", 6), source);
}

static void ino_tells_paths_and_lives_apart(void **state)
{
	struct bytes a = bytes_of_text("/root/a"), b = bytes_of_text("/root/b");

	assert_int_not_equal(node_ino(NODE_FILE, a, 5), node_ino(NODE_FILE, b, 5));
	assert_int_not_equal(node_ino(NODE_FILE, a, 5), node_ino(NODE_FILE, a, 6));
	assert_int_equal(node_ino(NODE_FILE, a, 5), get(NODE_FILE, "/root/a", 5)->ino);
	assert_true(node_ino(NODE_FILE, a, 5) > FUSE_ROOT_ID);
}

static void stat_shows_the_znode(void **state)
{
	struct node *node = look_up(NODE_FILE, "/root/a", 5);
	struct stat stat;

	the_znode.known = ZNODE_STAT;
	the_znode.exists = true;
	the_znode.stat = (struct zk_stat){
		.czxid = 5, .mtime = 1700000000123, .ctime = 1600000000456, .data_length = 1025};
	node_stat(&fs, node, &stat);
	assert_int_equal(stat.st_mode, S_IFREG | 0640);
	assert_int_equal(stat.st_size, 1025);
	assert_int_equal(stat.st_blocks, 3);
	assert_int_equal(stat.st_blksize, 1 << 20);
	assert_int_equal(stat.st_nlink, 1);
	assert_int_equal(stat.st_uid, 12);
	assert_int_equal(stat.st_gid, 34);
	assert_int_equal(stat.st_mtim.tv_sec, 1700000000);
	assert_int_equal(stat.st_mtim.tv_nsec, 123000000);
	assert_int_equal(stat.st_ctim.tv_sec, 1600000000);

	the_znode.stat.ephemeral_owner = 42;
	node_stat(&fs, node, &stat);
	assert_int_equal(stat.st_mode, S_IFREG | S_ISVTX | 0640);

	/* What is gone shows as it last was. */
	node_detach(&fs, node);
	node_stat(&fs, node, &stat);
	assert_int_equal(stat.st_nlink, 0);
	assert_int_equal(stat.st_size, 1025);
}

static void uncommitted_size_is_shown_and_not_cached(void **state)
{
	struct node *node = look_up(NODE_FILE, "/root/a", 5);
	struct fuse_entry_param entry;
	struct stat stat;

	the_znode.known = ZNODE_STAT;
	fresh_ms = 2500;
	node_entry(&fs, node, &entry);
	assert_true(entry.attr_timeout > 2.4 && entry.attr_timeout < 2.6);
	assert_true(entry.entry_timeout == entry.attr_timeout);
	assert_int_equal(entry.ino, node->nodeid);

	dirty = node;
	dirty_size = 7;
	node_stat(&fs, node, &stat);
	assert_int_equal(stat.st_size, 7);
	assert_true(node_cache_timeout(&fs, node) == 0);

	dirty = NULL;
	the_znode.known = 0;
	assert_true(node_cache_timeout(&fs, node) == 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(root_is_there_and_stays),
		test(what_is_gone_has_a_node_beside_what_is_there),
		test(one_path_is_one_node_until_it_is_forgotten),
		test(held_node_outlives_the_kernel),
		test(node_that_nobody_took_goes),
		test(other_type_is_another_node),
		test(znode_made_anew_is_another_node),
		test(file_that_was_unborn_takes_its_czxid_once),
		test(data_and_modes_stand_beside_their_directory),
		test(moved_node_keeps_its_number),
		test(ino_tells_paths_and_lives_apart),
		test(stat_shows_the_znode),
		test(uncommitted_size_is_shown_and_not_cached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
