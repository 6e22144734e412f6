#include "fs/subtree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/file.h"
#include "fs/name.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

enum {
	/* The headers and fixed fields of a create and of a delete in a multi. */
	ITEM_OVERHEAD = 64,
	ACL_SIZE_MAX = 1 << 20,
};

static void add_item(struct subtree *subtree, char *path);

bool subtree_acls_are_masked(const struct zk_acls *acls)
{
	struct zk_acl acl;

	for (size_t at = 0; zk_acls_next(acls, &at, &acl);) {
		size_t size = bytes_size(acl.id);

		if (bytes_equal_text(acl.scheme, "digest") && size >= 2 &&
		    memcmp((const char *)acl.id.data + size - 2, ":x", 2) == 0)
			return true;
	}
	return false;
}

void subtree_free(struct subtree *subtree)
{
	if (!subtree)
		return;
	list_for_each_safe (&subtree->items, at) {
		struct subtree_item *item = list_item(at, struct subtree_item, link);

		value_drop(item->value);
		buf_release(&item->acl_buf);
		free(item->path);
		free(item);
	}
	request_drop(subtree->request);
	free(subtree);
}

static void fail(struct subtree *subtree, int error)
{
	if (!subtree->error)
		subtree->error = error;
}

static void one_less(struct subtree *subtree)
{
	ASSERT(subtree->pending > 0);
	if (--subtree->pending > 0)
		return;
	if (!subtree->error) {
		subtree->then(subtree->data, 0, subtree);
		return;
	}
	subtree->then(subtree->data, subtree->error, NULL);
	subtree_free(subtree);
}

static void add_size(struct subtree *subtree, size_t size)
{
	subtree->size += size;
	if (subtree->size > subtree->size_max)
		fail(subtree, EXDEV);
}

/* ---- the three answers about an item ---- */

static void on_value(void *data, int32_t code, int error, struct znode *znode)
{
	struct subtree_item *item = data;
	struct subtree *subtree = item->subtree;
	const struct fs *fs = subtree->request->fs;
	session_id_t session_id = zk_client_session_id(client_session(fs->client));

	if (error) {
		fail(subtree, error);
	} else if (znode->stat.ephemeral_owner && znode->stat.ephemeral_owner != session_id) {
		fail(subtree, EPERM);
	} else {
		item->value = value_hold(znode->value);
		item->stat = znode->stat;
		add_size(subtree, item->value->size);
	}
	one_less(subtree);
}

static void on_children(void *data, int32_t code, int error, struct znode *znode)
{
	struct subtree_item *item = data;
	struct subtree *subtree = item->subtree;
	struct bytes name;

	if (error)
		fail(subtree, error);
	for (size_t at = 0; !subtree->error && jute_strings_next(&znode->children, &at, &name);) {
		if (name_is_contender(name))
			fail(subtree, EBUSY);
		else
			add_item(subtree, zk_path_join(bytes_of_text(item->path), name));
	}
	one_less(subtree);
}

static void on_acl(struct request *request, const struct zk_reply *reply, void *data)
{
	struct subtree_item *item = data;
	struct subtree *subtree = item->subtree;
	struct jute_reader body = reply->body;
	struct zk_get_acl_response response = {0};
	int error = request_errno(reply);

	if (!error) {
		zk_get_acl_response_read(&body, &response);
		error = body.error ? EIO : 0;
	}
	if (!error && subtree_acls_are_masked(&response.acls))
		error = EXDEV;
	if (error) {
		fail(subtree, error);
	} else {
		buf_append(&item->acl_buf, response.acls.encoded.data,
			   bytes_size(response.acls.encoded));
		item->acls = response.acls;
		item->acls.encoded.data = item->acl_buf.data;
		add_size(subtree, item->acl_buf.size);
	}
	one_less(subtree);
}

static void on_settled(void *data, int error)
{
	struct subtree_item *item = data;
	struct subtree *subtree = item->subtree;
	struct fs *fs = subtree->request->fs;
	struct bytes path = bytes_of_text(item->path);
	struct zk_request zk_request;

	if (error)
		fail(subtree, error);
	if (!subtree->error) {
		subtree->pending += 3;
		zk_request_get_acl(&zk_request, path);
		request_submit(subtree->request, &zk_request, on_acl, item);
		znode_get(fs, path, ZNODE_DATA, on_value, item);
		znode_get(fs, path, ZNODE_CHILDREN, on_children, item);
	}
	one_less(subtree);
}

/* Takes the path over. */
static void add_item(struct subtree *subtree, char *path)
{
	struct fs *fs = subtree->request->fs;
	struct node *node = node_of_path(fs, bytes_of_text(path));
	struct subtree_item *item = mem_zalloc(sizeof(*item));

	item->path = path;
	item->subtree = subtree;
	buf_init(&item->acl_buf, ACL_SIZE_MAX);
	list_init(&item->link);
	list_append(&subtree->items, &item->link);
	if (++subtree->count > SUBTREE_COUNT_MAX)
		fail(subtree, EXDEV);
	add_size(subtree, 2 * strlen(path) + ITEM_OVERHEAD);

	subtree->pending++;
	if (subtree->error || !node)
		on_settled(item, 0);
	else if (node_is_dir(node))
		file_settle_dir(fs, node, on_settled, item);
	else
		file_settle(fs, node, on_settled, item);
}

void subtree_read(struct request *request, struct bytes path, size_t size_max,
		  void (*then)(void *data, int error, struct subtree *subtree), void *data)
{
	struct subtree *subtree = mem_zalloc(sizeof(*subtree));

	subtree->request = request;
	subtree->size_max = size_max;
	subtree->then = then;
	subtree->data = data;
	list_init(&subtree->items);
	request_hold(request);
	subtree->pending = 1; /* so that nothing ends before this returns to its beginning */
	add_item(subtree, bytes_dup(path));
	one_less(subtree);
}
