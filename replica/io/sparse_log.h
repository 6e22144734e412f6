#ifndef REPLICA_IO_SPARSE_LOG_H
#define REPLICA_IO_SPARSE_LOG_H

#include <stdbool.h>

#include "src/base/msec.h"

/*
 * A flood of strangers shall not be a flood of lines: one line a second, and
 * how many were left out before it.
 *
 *	if (sparse_log_is_due(&refused, now_ms, &left_out))
 *		log_warn("election", "%s: refused (%u more before)", peer, left_out);
 */
enum { SPARSE_LOG_INTERVAL_MS = 1000 };

struct sparse_log {
	bool has_spoken;
	msec_t spoken_ms;
	unsigned left_out;
};

static inline bool sparse_log_is_due(struct sparse_log *log, msec_t now_ms, unsigned *ret_left_out)
{
	if (log->has_spoken && now_ms - log->spoken_ms < SPARSE_LOG_INTERVAL_MS) {
		log->left_out++;
		return false;
	}
	*ret_left_out = log->left_out;
	log->has_spoken = true;
	log->spoken_ms = now_ms;
	log->left_out = 0;
	return true;
}

#endif
