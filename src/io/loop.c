#include "src/io/loop.h"

#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

/*
 * Hooks run from a marker on: the list's links are kept valid over removal of
 * any hook by moving each one that has run to a second list first.
 */
static void run_hooks_once(struct loop *loop)
{
	struct list ran;
	struct list waiting;
	struct list *link;

	list_init(&ran);
	list_init(&waiting);
	list_splice(&waiting, &loop->hooks);
	while ((link = list_first(&waiting))) {
		struct loop_hook *hook = list_item(link, struct loop_hook, link);

		list_remove(link);
		list_append(&ran, link);
		hook->run(hook);
	}
	/* Those added meanwhile are in loop->hooks, and belong behind. */
	list_splice(&ran, &loop->hooks);
	list_splice(&loop->hooks, &ran);
}

static void run_flushes(struct loop *loop)
{
	struct list *link;

	while ((link = list_first(&loop->flushes))) {
		struct loop_flush *flush = list_item(link, struct loop_flush, link);

		list_remove(link);
		flush->run(flush);
	}
}

/* What a flush reports (a connection that ended) may be a hook's work again. */
static void before_blocking(uv_prepare_t *prepare)
{
	struct loop *loop = prepare->data;

	do {
		do {
			loop->again = false;
			run_hooks_once(loop);
		} while (loop->again);
		run_flushes(loop);
	} while (loop->again);
}

int loop_init(struct loop *loop)
{
	int err = uv_loop_init(&loop->uv);

	if (err)
		return err;
	list_init(&loop->hooks);
	list_init(&loop->flushes);
	list_init(&loop->orphans);
	loop->again = false;
	loop->read_buffer = mem_alloc(LOOP_READ_BUFFER_SIZE);
	err = uv_prepare_init(&loop->uv, &loop->prepare);
	ASSERT(!err); /* these two can't fail */
	loop->prepare.data = loop;
	err = uv_prepare_start(&loop->prepare, before_blocking);
	ASSERT(!err);
	uv_unref((uv_handle_t *)&loop->prepare);
	return 0;
}

/*
 * A closed handle's callback needs a turn; a request that a thread has begun
 * (a name being resolved) ends by itself, and is waited for. Anything else
 * that is still alive has been forgotten by its owner.
 */
int loop_release(struct loop *loop)
{
	struct list *link;
	int err;

	while ((link = list_first(&loop->orphans))) {
		struct loop_orphan *orphan = list_item(link, struct loop_orphan, link);

		list_remove(link);
		orphan->end(orphan);
	}
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	loop_turn(loop, false);
	while ((err = uv_loop_close(&loop->uv)) == UV_EBUSY && loop->uv.active_reqs.count > 0)
		loop_turn(loop, true);
	if (err)
		return err;
	free(loop->read_buffer);
	loop->read_buffer = NULL;
	return 0;
}

void loop_run(struct loop *loop)
{
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* what is left alive is the owners' business */
}

void loop_turn(struct loop *loop, bool may_block)
{
	(void)uv_run(&loop->uv, may_block ? UV_RUN_ONCE : UV_RUN_NOWAIT); /* as above */
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

msec_t loop_now_ms(const struct loop *loop)
{
	return (msec_t)uv_now(&loop->uv);
}

void loop_hook_add(struct loop *loop, struct loop_hook *hook, void (*run)(struct loop_hook *hook))
{
	hook->run = run;
	list_append(&loop->hooks, &hook->link);
}

void loop_hook_remove(struct loop_hook *hook)
{
	list_remove(&hook->link);
}

void loop_again(struct loop *loop)
{
	loop->again = true;
}

void loop_flush_init(struct loop_flush *flush, void (*run)(struct loop_flush *flush))
{
	list_init(&flush->link);
	flush->run = run;
}

void loop_flush_add(struct loop *loop, struct loop_flush *flush)
{
	if (!list_is_linked(&flush->link))
		list_append(&loop->flushes, &flush->link);
}

void loop_flush_remove(struct loop_flush *flush)
{
	list_remove(&flush->link);
}

void loop_orphan_init(struct loop_orphan *orphan, void (*end)(struct loop_orphan *orphan))
{
	list_init(&orphan->link);
	orphan->end = end;
}

void loop_orphan_add(struct loop *loop, struct loop_orphan *orphan)
{
	list_append(&loop->orphans, &orphan->link);
}

void loop_orphan_remove(struct loop_orphan *orphan)
{
	list_remove(&orphan->link);
}
