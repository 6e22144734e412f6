#include "t/unit/fake-mount.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/change.h"
#include "fs/file.h"
#include "fs/inject.h"
#include "fs/inval.h"
#include "fs/znode.h"
#include "t/unit/cmocka.h"
#include "t/unit/fake-znodes.h"

/* ---- what is raised ---- */

static char raised[1000];

static void note(const char *event, const char *path)
{
	size_t size = strlen(raised);

	assert_true(size + strlen(event) + strlen(path) + 4 < sizeof(raised));
	sprintf(raised + size, "%s%s %s", size ? ", " : "", event, path);
}

void assert_raised(const char *events)
{
	assert_string_equal(raised, events);
	raised[0] = '\0';
}

void inject_created(struct fs *fs, struct node *dir, struct bytes path)
{
	char *text = bytes_dup(path);

	note("CREATE", text);
	free(text);
}

void inject_deleted(struct fs *fs, struct node *dir, struct bytes path, struct node *node,
		    bool was_dir)
{
	char *text = bytes_dup(path);

	note("DELETE", text);
	free(text);
}

void inject_modified(struct fs *fs, struct node *node)
{
	note("MODIFY", node->path);
}

/* ---- the other neighbours ---- */

void inject_own(struct fs *fs, struct bytes path, bool is_there)
{
}

void inject_resume(struct fs *fs)
{
}

void inval_inode(struct fs *fs, uint64_t nodeid)
{
}

void inval_entry(struct fs *fs, uint64_t parent_nodeid, const char *shown)
{
}

void file_gone(struct fs *fs, struct node *node)
{
}

bool file_is_unborn(const struct node *node)
{
	return false;
}

bool file_uncommitted_size(const struct node *node, uint64_t *ret_size)
{
	return false;
}

/* ---- the mount ---- */

static struct fs_options options = {.acl = "world:anyone:cdrwa", .jute_maxbuffer = 1 << 20};
static struct fs the_fs;

static void ignore(void *data, int32_t code, int error, struct znode *znode)
{
}

struct node *fake_mount_hold(struct fs *fs, const char *path, enum node_kind kind)
{
	struct node *node;

	znode_get(fs, bytes_of_text(path), ZNODE_STAT | ZNODE_CHILDREN, ignore, NULL);
	fake_znodes_answer_all();
	node = node_get(fs, kind, bytes_of_text(path), NULL, fake_znodes_stat(path).czxid);
	node->lookup_count = 1;
	znode_held(fs, node->znode);
	fake_znodes_answer_all();
	return node;
}

struct fs *fake_mount_begin(bool by_node)
{
	struct fs *fs = &the_fs;

	raised[0] = '\0';
	fake_znodes_init();
	fake_znodes_create("/d");
	fake_znodes_create("/d/f");
	fake_znodes_create("/d/old");
	memset(fs, 0, sizeof(*fs));
	fs->options = &options;
	fs->root_path = "/";
	fs->session_live = true;
	znode_cache_init(&fs->znodes);
	node_table_init(fs);
	fs->change = change_new(fs);
	fs->znodes.watched = !by_node;
	if (by_node)
		change_by_node(fs);
	fake_znodes_answer_all();
	fake_mount_hold(fs, "/d", NODE_DIR);
	fake_mount_hold(fs, "/d/f", NODE_FILE);
	assert_raised("");
	return fs;
}

void fake_mount_end(struct fs *fs)
{
	fake_znodes_answer_all();
	change_free(fs->change);
	node_table_release(fs);
	znode_cache_release(&fs->znodes);
	fake_znodes_release();
}
