/*
 * The cache of znodes.
 *
 * One question of a kind is in flight for an entry; whoever wants its answer
 * waits in the entry's list:
 *
 *	question    asks          brings
 *	EXISTS      exists        Stat
 *	DATA        getData       Stat, data
 *	CHILDREN    getChildren2  Stat, children
 *
 * A Stat alone is asked for by CHILDREN first, because only a request that
 * needs READ shows that events will come, and because it tells the type too;
 * by EXISTS once that is known.
 *
 * Without a recursive watch each of them sets a one-shot watch, and what
 * CHILDREN has brought is followed by EXISTS, so that both watches are armed.
 * EXISTS never goes first: of a missing znode it would leave a watch for ever.
 */
#include "fs/znode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/announced.h"
#include "fs/fs.h"
#include "fs/name.h"
#include "fs/request.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

enum question { ASK_EXISTS = 1, ASK_DATA = 2, ASK_CHILDREN = 4 };

struct waiter {
	struct list link; /* in znode->waiting */
	unsigned missing; /* ZNODE_* not brought yet */
	znode_then_fn then;
	void *data;
};

/* What travels with a question. */
struct asking {
	struct fs *fs;
	struct znode *znode;
	enum question question;
	bool sets_watch;
	bool is_arming; /* counts in cache->arming_count */
	uint64_t id;
};

/* ---- entries ---- */

static struct bytes znode_path(const struct znode *znode)
{
	return map_entry_key(&znode->by_path);
}

static size_t memory_of(const struct znode *znode)
{
	size_t size = znode->value ? znode->value->size : 0;

	return znode->children_memory ? size + (size_t)znode->children.encoded.size : size;
}

static void set_value(struct znode_cache *cache, struct znode *znode, struct value *value)
{
	cache->size -= memory_of(znode);
	value_drop(znode->value);
	znode->value = value;
	cache->size += memory_of(znode);
	if (!value)
		znode->known &= ~(unsigned)ZNODE_DATA;
}

static void set_children(struct znode_cache *cache, struct znode *znode,
			 const struct jute_strings *children)
{
	cache->size -= memory_of(znode);
	free(znode->children_memory);
	znode->children_memory = NULL;
	znode->children = JUTE_STRINGS_NULL;
	if (children) {
		znode->children_memory =
			mem_dup(children->encoded.data, bytes_size(children->encoded));
		znode->children = *children;
		znode->children.encoded.data = znode->children_memory;
	} else {
		znode->known &= ~(unsigned)ZNODE_CHILDREN;
	}
	cache->size += memory_of(znode);
}

static struct znode *entry_new(struct znode_cache *cache, struct bytes path)
{
	struct znode *znode = mem_zalloc(sizeof(*znode));

	znode->path = bytes_dup(path);
	znode->children = JUTE_STRINGS_NULL;
	list_init(&znode->waiting);
	list_init(&znode->arming);
	list_init(&znode->lru);
	list_append(&cache->lru, &znode->lru);
	map_insert(&cache->by_path, &znode->by_path, bytes_of_text(znode->path));
	return znode;
}

static void entry_free(struct znode_cache *cache, struct znode *znode)
{
	ASSERT(list_is_empty(&znode->waiting) && znode->asked == 0);
	set_value(cache, znode, NULL);
	set_children(cache, znode, NULL);
	map_remove(&cache->by_path, &znode->by_path);
	list_remove(&znode->lru);
	announced_free(znode->announced);
	free(znode->path);
	free(znode);
}

static bool is_busy(const struct znode *znode)
{
	return znode->asked != 0 || !list_is_empty(&znode->waiting) ||
	       list_is_linked(&znode->arming);
}

/*
 * Drop memory, least recently used first; then entries that no node needs. A
 * few at a time: where all are needed, nothing is gained by looking at each.
 */
static void shrink(struct znode_cache *cache)
{
	enum { SCAN_MAX = 32 };

	for (int i = 0; i < SCAN_MAX; i++) {
		bool too_big = cache->size > ZNODE_CACHE_SIZE_MAX;
		struct list *oldest = list_first(&cache->lru);
		struct znode *znode;

		if (!oldest || (!too_big && cache->by_path.count <= ZNODE_COUNT_MAX))
			return;
		list_remove(oldest);
		list_append(&cache->lru, oldest);
		znode = list_item(oldest, struct znode, lru);
		if (is_busy(znode))
			continue;
		if (too_big) {
			set_value(cache, znode, NULL);
			set_children(cache, znode, NULL);
		}
		if (znode->use_count == 0)
			entry_free(cache, znode);
	}
}

static struct znode *entry_find(const struct fs *fs, struct bytes path)
{
	struct map_entry *found = map_find(&fs->znodes.by_path, path);

	return found ? map_item(found, struct znode, by_path) : NULL;
}

static struct znode *entry_get(struct fs *fs, struct bytes path)
{
	struct znode *znode = entry_find(fs, path);

	if (!znode)
		return entry_new(&fs->znodes, path);
	list_remove(&znode->lru);
	list_append(&fs->znodes.lru, &znode->lru);
	return znode;
}

void znode_cache_init(struct znode_cache *cache)
{
	map_init(&cache->by_path);
	list_init(&cache->lru);
	list_init(&cache->to_arm);
	cache->size = 0;
	cache->watched = false;
	cache->by_node = false;
	cache->arming_count = 0;
	cache->on_seen = NULL;
}

void znode_cache_release(struct znode_cache *cache)
{
	map_for_each (&cache->by_path, at) {
		struct znode *znode = map_item(at, struct znode, by_path);

		/* The client is gone: nobody will answer these. */
		list_for_each_safe (&znode->waiting, link)
			free(list_item(link, struct waiter, link));
		list_init(&znode->waiting);
		znode->asked = 0;
		list_remove(&znode->arming);
		entry_free(cache, znode);
	}
	ASSERT(cache->size == 0);
	map_release(&cache->by_path);
}

struct znode *znode_peek(const struct fs *fs, struct bytes path)
{
	return entry_find(fs, path);
}

struct znode *znode_use(struct fs *fs, struct bytes path)
{
	struct znode *znode = entry_get(fs, path);

	znode->use_count++;
	return znode;
}

void znode_unuse(struct fs *fs, struct znode *znode)
{
	ASSERT(znode->use_count > 0);
	/* What is true may serve again; what is only remembered is of no use without a node. */
	if (--znode->use_count == 0 && znode->known == 0 && !is_busy(znode))
		entry_free(&fs->znodes, znode);
}

/* ---- what is true ---- */

/* Will events tell of every change of it? */
static bool is_covered(const struct fs *fs, const struct znode *znode)
{
	bool is_watched =
		fs->znodes.watched || (fs->znodes.by_node && znode->armed == ZNODE_BOTH_WATCHES);

	return fs->session_live && is_watched && znode->exists && znode->readable;
}

msec_t znode_fresh_ms(const struct fs *fs, const struct znode *znode)
{
	const struct zk_client *session = client_session(fs->client);
	msec_t timeout_ms = zk_client_timeout_ms(session);
	msec_t now_ms = loop_now_ms(fs->loop);
	msec_t left_ms;

	if (!is_covered(fs, znode))
		return 0;
	/* Nobody tells of a changed ACL, after which events may fail to come. */
	if (now_ms - znode->checked_ms > timeout_ms)
		return 0;
	left_ms = timeout_ms / 3 - (now_ms - zk_client_last_heard(session));
	return left_ms > 0 ? left_ms : 0;
}

bool znode_is_fresh(const struct fs *fs, const struct znode *znode)
{
	return znode_fresh_ms(fs, znode) > 0;
}

/* The zxids of a new Stat tell whether the value and the list from before still hold. */
static void set_stat(struct znode *znode, const struct zk_stat *stat)
{
	znode->exists = true;
	znode->stat = *stat;
	znode->known = ZNODE_STAT;
	if (znode->value && znode->value->czxid == stat->czxid &&
	    znode->value->mzxid == stat->mzxid)
		znode->known |= ZNODE_DATA;
	if (znode->children_memory && znode->children_pzxid == stat->pzxid &&
	    znode->children_cversion == stat->cversion &&
	    znode->children.count == stat->num_children)
		znode->known |= ZNODE_CHILDREN;
}

static void set_missing(struct fs *fs, struct znode *znode)
{
	set_value(&fs->znodes, znode, NULL);
	set_children(&fs->znodes, znode, NULL);
	znode->exists = false;
	znode->readable = false;
	znode->known = 0;
	memset(&znode->stat, 0, sizeof(znode->stat));
}

static void forget_parent(struct fs *fs, struct bytes path)
{
	if (!bytes_equal_text(path, "/"))
		znode_forget(fs, zk_path_parent(path), ZNODE_STAT | ZNODE_CHILDREN);
}

void znode_created(struct fs *fs, struct bytes path, struct bytes data, const struct zk_stat *stat)
{
	struct znode *znode = entry_get(fs, path);

	set_stat(znode, stat);
	set_value(&fs->znodes, znode, value_new(data, stat));
	set_children(&fs->znodes, znode, &(struct jute_strings){.encoded = {.data = ""}});
	znode->children_pzxid = stat->pzxid;
	znode->children_cversion = stat->cversion;
	znode->known = ZNODE_STAT | ZNODE_DATA | ZNODE_CHILDREN;
	znode->checked_ms = loop_now_ms(fs->loop);
	/* Another ACL may leave us without READ, and so without events. */
	znode->readable = strcmp(fs->options->acl, "world:anyone:cdrwa") == 0;
	forget_parent(fs, path);
	shrink(&fs->znodes);
}

void znode_set(struct fs *fs, struct bytes path, struct value *value, const struct zk_stat *stat)
{
	struct znode *znode = entry_get(fs, path);

	if (value)
		set_value(&fs->znodes, znode, value_hold(value));
	set_stat(znode, stat);
	znode->checked_ms = loop_now_ms(fs->loop);
	shrink(&fs->znodes);
}

void znode_set_replied(struct fs *fs, struct bytes path, struct bytes data,
		       const struct zk_reply *reply)
{
	struct jute_reader body = reply->body;
	struct zk_stat stat = {0};
	struct value *value;

	if (reply->outcome == ZK_OUTCOME_REPLIED)
		zk_stat_read(&body, &stat);
	else
		stat = reply->stat;
	if (reply->outcome == ZK_OUTCOME_REPLIED ? body.error : !reply->has_stat) {
		znode_forget(fs, path, ZNODE_STAT | ZNODE_DATA);
		return;
	}
	value = value_new(data, &stat);
	znode_set(fs, path, value, &stat);
	value_drop(value);
}

void znode_deleted(struct fs *fs, struct bytes path)
{
	struct znode *znode = entry_find(fs, path);

	if (znode)
		set_missing(fs, znode);
	forget_parent(fs, path);
}

void znode_forget(struct fs *fs, struct bytes path, unsigned parts)
{
	struct znode *znode = entry_find(fs, path);

	if (znode)
		znode->known &= ~(parts | ZNODE_STAT);
}

void znode_doubt(struct fs *fs, struct bytes path)
{
	struct znode *znode = entry_find(fs, path);

	if (!znode)
		return;
	set_value(&fs->znodes, znode, NULL);
	set_children(&fs->znodes, znode, NULL);
	znode->readable = false;
	znode->known = 0;
}

void znode_forget_all(struct fs *fs)
{
	map_for_each (&fs->znodes.by_path, at) {
		struct znode *znode = map_item(at, struct znode, by_path);

		znode->known = 0;
		if (znode->use_count == 0 && !is_busy(znode))
			entry_free(&fs->znodes, znode);
	}
}

/* ---- asking ---- */

static unsigned parts_of(enum question question)
{
	switch (question) {
	case ASK_EXISTS:
		return ZNODE_STAT;
	case ASK_DATA:
		return ZNODE_STAT | ZNODE_DATA;
	case ASK_CHILDREN:
		return ZNODE_STAT | ZNODE_CHILDREN;
	}
	return 0;
}

/* Run those who wait for nothing else now. On failure: all who wait for what this question brings.
 */
static void wake(struct fs *fs, struct znode *znode, enum question question, int32_t code,
		 int error)
{
	unsigned brought = parts_of(question);
	struct list ready;

	list_init(&ready);
	list_for_each_safe (&znode->waiting, at) {
		struct waiter *waiter = list_item(at, struct waiter, link);

		if (!(waiter->missing & brought))
			continue;
		waiter->missing &= ~brought;
		/* Who waits for another question besides hears of the failure now. */
		if (waiter->missing == 0 || error) {
			list_remove(&waiter->link);
			list_append(&ready, &waiter->link);
		}
	}
	for (struct list *at; (at = list_first(&ready));) {
		struct waiter *waiter = list_item(at, struct waiter, link);
		znode_then_fn then = waiter->then;
		void *data = waiter->data;

		list_remove(at);
		free(waiter);
		then(data, code, error, znode);
	}
}

static void ask(struct fs *fs, struct znode *znode, enum question question);
static void arm_next(struct fs *fs);

/* Who only wanted the Stat gets it from exists, where READ is missing. */
static bool falls_back_to_exists(struct fs *fs, struct znode *znode)
{
	bool falls_back = false;

	list_for_each_safe (&znode->waiting, at) {
		struct waiter *waiter = list_item(at, struct waiter, link);

		if (waiter->missing == ZNODE_STAT)
			falls_back = true;
	}
	if (falls_back && !(znode->asked & ASK_EXISTS))
		ask(fs, znode, ASK_EXISTS);
	return falls_back;
}

static void wake_unreadable(struct fs *fs, struct znode *znode, enum question question)
{
	struct list stat_only;

	list_init(&stat_only);
	list_for_each_safe (&znode->waiting, at) {
		if (list_item(at, struct waiter, link)->missing == ZNODE_STAT) {
			list_remove(at);
			list_append(&stat_only, at);
		}
	}
	wake(fs, znode, question, ZK_NOAUTH, EACCES);
	list_splice(&znode->waiting, &stat_only);
}

static int store_answer(struct fs *fs, struct znode *znode, enum question question,
			struct jute_reader *body)
{
	struct zk_get_children2_response children = {0};
	struct zk_get_data_response data = {0};
	struct zk_stat stat = {0};

	if (question == ASK_CHILDREN) {
		zk_get_children2_response_read(body, &children);
		stat = children.stat;
	} else if (question == ASK_DATA) {
		zk_get_data_response_read(body, &data);
		stat = data.stat;
	} else {
		zk_stat_read(body, &stat);
	}
	if (body->error)
		return EIO;

	if (question == ASK_CHILDREN) {
		set_children(&fs->znodes, znode, &children.children);
		znode->children_pzxid = stat.pzxid;
		znode->children_cversion = stat.cversion;
	} else if (question == ASK_DATA) {
		set_value(&fs->znodes, znode, value_new(data.data, &stat));
	}
	if (question != ASK_EXISTS)
		znode->readable = true;
	set_stat(znode, &stat);
	znode->known |= parts_of(question);
	return 0;
}

/* by_node: the reply to a question that has set a watch, if there was something to watch. */
static void note_armed(struct fs *fs, struct znode *znode, enum question question, int error,
		       int32_t code)
{
	if (!error)
		znode->armed |= question == ASK_CHILDREN ? ZNODE_CHILD_WATCH : ZNODE_DATA_WATCH;
	if (!error && fs->znodes.on_seen)
		fs->znodes.on_seen(fs, znode, parts_of(question));
	else if (code == ZK_NONODE && fs->znodes.on_seen)
		fs->znodes.on_seen(fs, znode, 0);
	if (!error && znode->readable && znode->armed != ZNODE_BOTH_WATCHES)
		znode_arm(fs, znode_path(znode));
}

static void on_reply(const struct zk_reply *reply, void *data)
{
	struct asking *asking = data;
	struct fs *fs = asking->fs;
	struct znode *znode = asking->znode;
	enum question question = asking->question;
	struct jute_reader body = reply->body;
	bool sets_watch = asking->sets_watch;
	uint64_t id = asking->id;
	int32_t code = ZK_CONNECTIONLOSS;
	int error;

	fs->znodes.arming_count -= asking->is_arming;
	free(asking);
	znode->asked &= ~(unsigned)question;
	if (reply->outcome == ZK_OUTCOME_LATE) {
		/* No server for the timeout; a read needn't go on. */
		client_abandon(fs->client, id);
		error = ETIMEDOUT;
	} else {
		error = request_errno(reply);
	}
	if (reply->outcome == ZK_OUTCOME_REPLIED) {
		code = reply->code;
		znode->checked_ms = loop_now_ms(fs->loop);
	}

	if (error == 0)
		error = store_answer(fs, znode, question, &body);
	else if (code == ZK_NONODE)
		set_missing(fs, znode);
	else if (code == ZK_NOAUTH)
		znode->readable = false;

	/* Nobody may free the entry while its callbacks run. */
	znode->use_count++;
	if (sets_watch)
		note_armed(fs, znode, question, error, code);
	if (code == ZK_NOAUTH && question != ASK_EXISTS && falls_back_to_exists(fs, znode))
		wake_unreadable(fs, znode, question);
	else
		wake(fs, znode, question, error && code == ZK_OK ? ZK_MARSHALLINGERROR : code,
		     error);
	/* What no event will correct is not kept. */
	if (!is_busy(znode) && !is_covered(fs, znode))
		znode->known = 0;
	znode_unuse(fs, znode);
	arm_next(fs);
	shrink(&fs->znodes);
}

static int submit(struct fs *fs, struct asking *asking, bool watch)
{
	struct bytes path = znode_path(asking->znode);
	struct zk_request request;

	asking->sets_watch = watch;
	if (asking->question == ASK_DATA)
		zk_request_get_data(&request, path, watch);
	else if (asking->question == ASK_CHILDREN)
		zk_request_get_children2(&request, path, watch);
	else
		zk_request_exists(&request, path, watch);
	return client_submit(fs->client, &request, on_reply, asking, &asking->id);
}

static void ask(struct fs *fs, struct znode *znode, enum question question)
{
	struct asking *asking = mem_zalloc(sizeof(*asking));
	int error;

	asking->fs = fs;
	asking->znode = znode;
	asking->question = question;
	znode->asked |= question;
	error = submit(fs, asking, fs->znodes.by_node);
	/* More watches than the client keeps: this one is asked about each time. */
	if (error == -ENOSPC)
		error = submit(fs, asking, false);
	if (!error)
		return;
	free(asking);
	znode->asked &= ~(unsigned)question;
	znode->use_count++;
	wake(fs, znode, question, ZK_CONNECTIONLOSS, -error);
	znode_unuse(fs, znode);
}

static bool must_ask_children_first(const struct fs *fs, const struct znode *znode)
{
	return !znode->readable || (fs->znodes.by_node && !(znode->armed & ZNODE_CHILD_WATCH));
}

/* The questions that bring those parts. */
static unsigned questions_for(const struct fs *fs, const struct znode *znode, unsigned missing)
{
	unsigned questions = 0;

	if (missing & ZNODE_DATA)
		questions |= ASK_DATA;
	if (missing & ZNODE_CHILDREN)
		questions |= ASK_CHILDREN;
	if (questions == 0 && znode->asked != 0)
		return 0; /* whatever it is, it brings the Stat */
	if (questions == 0)
		questions = must_ask_children_first(fs, znode) ? ASK_CHILDREN : ASK_EXISTS;
	return questions;
}

void znode_get(struct fs *fs, struct bytes path, unsigned want, znode_then_fn then, void *data)
{
	struct znode *znode = entry_get(fs, path);
	unsigned known = znode_is_fresh(fs, znode) ? znode->known : 0;
	struct waiter *waiter;
	unsigned questions;

	want |= ZNODE_STAT;
	if ((want & known) == want) {
		znode->use_count++;
		then(data, ZK_OK, 0, znode);
		znode_unuse(fs, znode);
		return;
	}
	waiter = mem_alloc(sizeof(*waiter));
	*waiter = (struct waiter){.missing = want & ~known, .then = then, .data = data};
	questions = questions_for(fs, znode, waiter->missing) & ~znode->asked;
	list_init(&waiter->link);
	list_append(&znode->waiting, &waiter->link);

	znode->use_count++;
	for (unsigned question = ASK_EXISTS; question <= ASK_CHILDREN; question <<= 1) {
		if (questions & question)
			ask(fs, znode, (enum question)question);
	}
	znode_unuse(fs, znode);
}

/* ---- one-shot watches ---- */

void znode_disarm(struct fs *fs, struct bytes path, unsigned watches)
{
	struct znode *znode = entry_find(fs, path);

	if (!znode)
		return;
	znode->armed &= ~watches;
	znode->known = 0;
}

/* True if it was sent, or there is nothing to send. */
static bool arm(struct fs *fs, struct znode *znode)
{
	enum question question = ASK_EXISTS;
	struct asking *asking;

	if (!(znode->armed & ZNODE_CHILD_WATCH))
		question = ASK_CHILDREN;
	/* What is asked already arms it, and is followed by what is missing then. */
	if (znode->armed == ZNODE_BOTH_WATCHES || (znode->asked & (unsigned)question))
		return true;
	asking = mem_zalloc(sizeof(*asking));
	asking->fs = fs;
	asking->znode = znode;
	asking->question = question;
	asking->is_arming = true;
	if (submit(fs, asking, true) != 0) {
		free(asking);
		return false;
	}
	znode->asked |= question;
	fs->znodes.arming_count++;
	return true;
}

/*
 * Where the client takes no more, or there is no server, the next answer goes
 * on, or the comparison of all that is live when the server is back.
 */
static void arm_next(struct fs *fs)
{
	struct znode_cache *cache = &fs->znodes;
	struct list *first;

	while (cache->arming_count < ZNODE_ARMING_MAX && (first = list_first(&cache->to_arm))) {
		struct znode *znode = list_item(first, struct znode, arming);

		if (!arm(fs, znode))
			return;
		list_remove(first);
	}
}

void znode_arm(struct fs *fs, struct bytes path)
{
	struct znode *znode = entry_get(fs, path);

	if (!list_is_linked(&znode->arming))
		list_append(&fs->znodes.to_arm, &znode->arming);
	arm_next(fs);
}

void znode_held(struct fs *fs, const struct znode *znode)
{
	if (fs->znodes.by_node && znode && znode->armed != ZNODE_BOTH_WATCHES)
		znode_arm(fs, znode_path(znode));
}

/* ---- files and directories ---- */

static bool all_are_contenders(const struct znode *znode)
{
	struct bytes name;

	for (size_t at = 0; jute_strings_next(&znode->children, &at, &name);) {
		if (!name_is_contender(name))
			return false;
	}
	return true;
}

/* Has it a child that makes it a directory? */
static bool has_real_child(const struct znode *znode)
{
	if (znode->stat.num_children == 0)
		return false;
	if (znode->stat.num_children > ZNODE_CONTENDERS_MAX || !(znode->known & ZNODE_CHILDREN))
		return true;
	return !all_are_contenders(znode);
}

bool znode_is_shown_as_dir(const struct znode *znode)
{
	if (has_real_child(znode))
		return true;
	return znode->stat.data_length == 0 && (znode->known & ZNODE_DATA) && znode->value->is_null;
}

struct showing {
	struct fs *fs;
	znode_then_fn then;
	void *data;
};

/* The parts that are still needed to tell the type; 0 when it can be told. */
static unsigned missing_to_show(const struct znode *znode)
{
	if (znode->stat.num_children > 0 && znode->stat.num_children <= ZNODE_CONTENDERS_MAX &&
	    !(znode->known & ZNODE_CHILDREN))
		return ZNODE_CHILDREN;
	if (!has_real_child(znode) && znode->stat.data_length == 0 && !(znode->known & ZNODE_DATA))
		return ZNODE_DATA;
	return 0;
}

static void on_show(void *data, int32_t code, int error, struct znode *znode)
{
	struct showing *showing = data;
	struct showing done = *showing;
	unsigned missing = code == ZK_OK && znode->readable ? missing_to_show(znode) : 0;

	if (missing) {
		znode_get(showing->fs, znode_path(znode), missing, on_show, showing);
		return;
	}
	free(showing);
	done.then(done.data, code, error, znode);
}

void znode_get_shown(struct fs *fs, struct bytes path, znode_then_fn then, void *data)
{
	struct showing *showing = mem_alloc(sizeof(*showing));

	*showing = (struct showing){.fs = fs, .then = then, .data = data};
	znode_get(fs, path, ZNODE_STAT, on_show, showing);
}
