#include "fs/access.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/handle.h"
#include "fs/request.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/record.h"

/* No znode gets there: versions count from 0, and -1 is "any". */
enum { VERSION_IMPOSSIBLE = INT32_MIN };

struct access {
	struct map_entry by_path;
	char *path;
	int32_t perms; /* allowed */
	zxid_t czxid;
	int32_t aversion;
	msec_t learnt_ms;
};

/* ---- what is known ---- */

static void forget(struct map *entries, struct access *access)
{
	map_remove(entries, &access->by_path);
	free(access->path);
	free(access);
}

void access_release(struct map *entries)
{
	map_for_each (entries, at)
		forget(entries, map_item(at, struct access, by_path));
	map_release(entries);
}

/* What the cache knows to be true of the znode now, or NULL. */
static const struct zk_stat *stat_of(const struct fs *fs, struct bytes path)
{
	const struct znode *znode = znode_peek(fs, path);

	if (!znode || !(znode->known & ZNODE_STAT) || !znode->exists)
		return NULL;
	return &znode->stat;
}

static bool is_of(const struct access *access, const struct zk_stat *stat)
{
	return stat && access->czxid == stat->czxid && access->aversion == stat->aversion;
}

static bool is_known(struct fs *fs, struct bytes path, int32_t perm)
{
	struct map_entry *found = map_find(&fs->files->access, path);
	struct access *access;

	if (!found)
		return false;
	access = map_item(found, struct access, by_path);
	if (is_of(access, stat_of(fs, path)) &&
	    loop_now_ms(fs->loop) - access->learnt_ms <= fs->options->timeout_ms)
		return access->perms & perm;
	forget(&fs->files->access, access);
	return false;
}

static void learn(struct fs *fs, struct bytes path, int32_t perms, const struct zk_stat *stat)
{
	struct map *entries = &fs->files->access;
	struct map_entry *found = map_find(entries, path);
	struct access *access;

	if (found && is_of(map_item(found, struct access, by_path), stat)) {
		/* The time stays: it is that of the oldest thing known. */
		map_item(found, struct access, by_path)->perms |= perms;
		return;
	}
	if (found)
		forget(entries, map_item(found, struct access, by_path));
	if (entries->count >= ACCESS_COUNT_MAX)
		forget(entries, map_item(map_first(entries), struct access, by_path));
	access = mem_alloc(sizeof(*access));
	*access = (struct access){
		.path = bytes_dup(path),
		.perms = perms,
		.czxid = stat->czxid,
		.aversion = stat->aversion,
		.learnt_ms = loop_now_ms(fs->loop),
	};
	map_insert(entries, &access->by_path, bytes_of_text(access->path));
}

void access_learn(struct fs *fs, struct bytes path, int32_t perms)
{
	const struct zk_stat *stat = stat_of(fs, path);

	if (stat)
		learn(fs, path, perms, stat);
}

/* ---- asking ---- */

struct asking {
	struct fs *fs;
	char *path;
	int32_t perm;
	struct zk_stat stat; /* that came with the ACL */
	uint64_t id;
	file_then_fn then;
	void *data;
};

static void answer(struct asking *asking, int error)
{
	struct asking done = *asking;

	if (!error)
		learn(done.fs, bytes_of_text(done.path), done.perm, &done.stat);
	free(asking);
	done.then(done.data, error);
	free(done.path);
}

static void submit(struct asking *asking, struct zk_request *request, zk_client_on_reply *on_reply)
{
	int error = client_submit(asking->fs->client, request, on_reply, asking, &asking->id);

	if (error)
		answer(asking, -error);
}

/* No server for the timeout: what it would say is of no use any more. */
static bool is_late(struct asking *asking, const struct zk_reply *reply)
{
	if (reply->outcome != ZK_OUTCOME_LATE)
		return false;
	client_abandon(asking->fs->client, asking->id);
	answer(asking, ETIMEDOUT);
	return true;
}

static void on_probed(const struct zk_reply *reply, void *data)
{
	struct asking *asking = data;

	if (is_late(asking, reply))
		return;
	if (reply->outcome == ZK_OUTCOME_REPLIED && reply->code == ZK_BADVERSION)
		answer(asking, 0);
	else
		answer(asking, request_errno(reply));
}

/* It changes nothing, so it may be sent again. */
static void probe(struct asking *asking)
{
	struct zk_request request;

	zk_request_set_data(&request, bytes_of_text(asking->path), bytes_of("", 0),
			    VERSION_IMPOSSIBLE);
	request.intent = ZK_INTENT_AGAIN;
	submit(asking, &request, on_probed);
}

static int32_t perms_of_world(const struct zk_acls *acls)
{
	struct zk_acl acl;
	int32_t perms = 0;

	for (size_t at = 0; zk_acls_next(acls, &at, &acl);) {
		if (bytes_equal_text(acl.scheme, "world") && bytes_equal_text(acl.id, "anyone"))
			perms |= acl.perms;
	}
	return perms;
}

void access_learn_created(struct fs *fs, struct bytes path)
{
	if (perms_of_world(&fs->files->acls) & ZK_PERM_WRITE)
		access_learn(fs, path, ZK_PERM_WRITE);
}

static void on_acl(const struct zk_reply *reply, void *data)
{
	struct asking *asking = data;
	struct zk_get_acl_response response;
	struct jute_reader body = reply->body;
	int error;

	if (is_late(asking, reply))
		return;
	error = request_errno(reply);
	if (!error) {
		zk_get_acl_response_read(&body, &response);
		error = body.error ? EIO : 0;
		asking->stat = response.stat;
	}
	if (!error && (perms_of_world(&response.acls) & asking->perm))
		answer(asking, 0);
	else if (error && error != EACCES)
		answer(asking, error);
	else if (asking->perm == ZK_PERM_WRITE)
		probe(asking);
	else
		answer(asking, EACCES);
}

static void check(struct fs *fs, struct bytes path, int32_t perm, file_then_fn then, void *data)
{
	struct asking *asking;
	struct zk_request request;

	if (is_known(fs, path, perm)) {
		then(data, 0);
		return;
	}
	asking = mem_alloc(sizeof(*asking));
	*asking = (struct asking){
		.fs = fs, .path = bytes_dup(path), .perm = perm, .then = then, .data = data};
	zk_request_get_acl(&request, path);
	submit(asking, &request, on_acl);
}

void access_check_write(struct fs *fs, struct bytes path, file_then_fn then, void *data)
{
	check(fs, path, ZK_PERM_WRITE, then, data);
}

void access_check_create(struct fs *fs, struct bytes path, file_then_fn then, void *data)
{
	check(fs, path, ZK_PERM_CREATE, then, data);
}
