#include "replica/io/pace.h"

enum {
	/* The rate is taken over so long at least. */
	WINDOW_MS = 20,
	/* What was not used of the budget is kept for so long. */
	BUDGET_MS = 5,
};

int64_t pace_lag(struct store_lag lag)
{
	uint64_t by_count = lag.count * PACE_LAG_MAX / STORE_LAG_COUNT_MAX;
	uint64_t by_size = lag.size * PACE_LAG_MAX / STORE_LAG_SIZE_MAX;

	return (int64_t)(by_count > by_size ? by_count : by_size);
}

void pace_begin(struct pace *pace, msec_t now_ms)
{
	pace->passed = 0;
	pace->begun_ms = now_ms;
}

void pace_passed(struct pace *pace, msec_t now_ms, int64_t lag)
{
	msec_t took_ms = now_ms - pace->begun_ms;
	int64_t rate;

	if (lag < pace->lag)
		pace->passed += pace->lag - lag;
	pace->lag = lag;
	if (took_ms < WINDOW_MS && pace->rate > 0)
		return;
	/* However slow it is, something comes in. */
	rate = pace->passed / (took_ms > 0 ? took_ms : 1) + 1;
	pace->rate = pace->rate > 0 ? (pace->rate + rate + 1) / 2 : rate;
	pace_begin(pace, now_ms);
}

static int64_t allowed_rate(const struct pace *pace)
{
	if (pace->lag >= PACE_LAG_MAX)
		return 0;
	return 2 * pace->rate * (PACE_LAG_MAX - pace->lag) / (PACE_LAG_MAX - PACE_LAG_FREE);
}

bool pace_admits(struct pace *pace, msec_t now_ms, int64_t lag)
{
	int64_t most;
	bool admits;

	if (lag > pace->lag)
		pace->budget -= lag - pace->lag;
	pace->lag = lag;
	most = allowed_rate(pace) * BUDGET_MS;
	pace->budget += allowed_rate(pace) * (now_ms - pace->granted_ms);
	if (pace->budget > most || lag < PACE_LAG_FREE)
		pace->budget = most;
	pace->granted_ms = now_ms;
	admits = lag < PACE_LAG_FREE || pace->budget > 0;
	pace->is_held = !admits && allowed_rate(pace) > 0;
	return admits;
}

msec_t pace_due_ms(const struct pace *pace, msec_t now_ms)
{
	if (!pace->is_held)
		return INT64_MAX;
	return now_ms + 1 + -pace->budget / allowed_rate(pace);
}
