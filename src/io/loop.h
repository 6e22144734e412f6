#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "src/base/list.h"
#include "src/base/msec.h"

/*
 * The one event loop of a program: libuv's, with two rules added.
 *
 * Time: loop_now_ms is read once a turn (when the poll returns), so all that
 * happens in a turn happens at one time. Monotonic.
 *
 * Hooks: before the loop blocks, each hook runs once, in the order in which
 * they were added; then the connections write what was appended to them. So
 * answers to all requests of a turn leave in one write, and a state machine
 * is pumped once for all inputs of the turn.
 *
 *	1. timers        2. completions of getaddrinfo, workers; reads
 *	3. hooks, again while loop_again was called        4. connections write
 *
 * Everything is called on the thread that runs the loop. Own handles are
 * added on &loop->uv.
 */
struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	struct list hooks;
	struct list flushes; /* of struct loop_flush: see below */
	struct list orphans; /* of struct loop_orphan: see below */
	bool again;
	void *read_buffer; /* shared by all connections of the loop */
};

enum { LOOP_READ_BUFFER_SIZE = 64 << 10 };

/* Embedded in its owner, which it must not outlive. */
struct loop_hook {
	struct list link;
	void (*run)(struct loop_hook *hook);
};

int loop_init(struct loop *loop);

/*
 * All handles that live on the loop must have been closed by their owners, but
 * for orphans, which end here; their close callbacks run here, and names still
 * being resolved are waited for. 0, or -EBUSY if somebody forgot one: then its
 * memory stays.
 */
int loop_release(struct loop *loop);

/* Until loop_stop, or until nothing is left that could ever happen. */
void loop_run(struct loop *loop);
/* One turn; may_block false only looks what is there. */
void loop_turn(struct loop *loop, bool may_block);
void loop_stop(struct loop *loop);

msec_t loop_now_ms(const struct loop *loop);

/* A hook removes itself or another at any time; one added while hooks run, runs the next time. */
void loop_hook_add(struct loop *loop, struct loop_hook *hook, void (*run)(struct loop_hook *hook));
void loop_hook_remove(struct loop_hook *hook);

/* Run all hooks once more before blocking; for one that made work for one before it. */
void loop_again(struct loop *loop);

/*
 * For src/io's own: `run` is called once, after the hooks of this turn, and
 * the flush is forgotten before it runs.
 */
struct loop_flush {
	struct list link;
	void (*run)(struct loop_flush *flush);
};
void loop_flush_init(struct loop_flush *flush, void (*run)(struct loop_flush *flush));
void loop_flush_add(struct loop *loop, struct loop_flush *flush);
void loop_flush_remove(struct loop_flush *flush);

/*
 * For src/io's own: what nobody has a pointer to any more and has handles all the
 * same. loop_release calls `end`, which closes them, and forgets the orphan before.
 */
struct loop_orphan {
	struct list link;
	void (*end)(struct loop_orphan *orphan);
};
void loop_orphan_init(struct loop_orphan *orphan, void (*end)(struct loop_orphan *orphan));
void loop_orphan_add(struct loop *loop, struct loop_orphan *orphan);
void loop_orphan_remove(struct loop_orphan *orphan);

#endif
