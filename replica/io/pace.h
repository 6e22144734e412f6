#ifndef IO_PACE_H
#define IO_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/io/store.h"
#include "src/base/msec.h"

/*
 * How fast new transactions may come in while the tree's database is behind the
 * log. Up to half of the greatest lag all that come; beyond it as many as the
 * tree worker writes, times a factor that falls from 2 to 0 at the greatest lag.
 * So the lag settles at three quarters, and nobody waits for a whole write-out.
 *
 *	pace_begin(pace, now_ms)		a write-out was handed to an idle tree worker
 *	pace_passed(pace, now_ms, lag)		one is durable: the lag has fallen to that
 *	pace_admits(pace, now_ms, lag)		once a turn: whether transactions may come in
 *	pace_due_ms(pace, now_ms)		when that may change, if they may not
 *
 * Lags are in millionths of the greatest: of the count or of the size, whichever is more.
 */
struct pace {
	int64_t lag;       /* at the last call */
	int64_t budget;    /* that may still come in; negative: more came at once */
	int64_t rate;      /* what the tree worker writes in a millisecond; 0: not known */
	int64_t passed;    /* written since begun_ms */
	msec_t begun_ms;   /* of what the rate is measured in */
	msec_t granted_ms; /* up to when the budget was given */
	bool is_held;      /* what pace_admits said, if it may change by time alone */
};

enum { PACE_LAG_MAX = 1000000, PACE_LAG_FREE = PACE_LAG_MAX / 2 };

int64_t pace_lag(struct store_lag lag);

void pace_begin(struct pace *pace, msec_t now_ms);
void pace_passed(struct pace *pace, msec_t now_ms, int64_t lag);
bool pace_admits(struct pace *pace, msec_t now_ms, int64_t lag);
/* INT64_MAX: not by time alone. */
msec_t pace_due_ms(const struct pace *pace, msec_t now_ms);

#endif
