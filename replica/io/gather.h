#ifndef IO_GATHER_H
#define IO_GATHER_H

#include <stddef.h>
#include <stdint.h>

/*
 * For how many transactions a commit of the log waits. One commit costs about
 * the same for one transaction as for twenty, and clients that wait for its end
 * send their next requests right behind it. Left alone they fall into two
 * groups, each of which waits for the commit of the other, too: twice the
 * commits, and twice the latency.
 *
 * So a commit waits until as many are there as were in flight at the end of the
 * one before, or as much time has passed since then as a commit takes: in vain it
 * costs no more than the commit that it might have saved. Half of that was too
 * short for the answers to leave and sixteen clients to come back. Behind a wait in
 * vain the next 1, 2, 4 .. 64 commits do not wait. Where many are in flight the
 * disk is never idle, and nothing waits.
 *
 * Pure: times come from the caller, in microseconds of one monotonic clock.
 */
struct gather {
	size_t in_flight;  /* appended, and not told to be durable */
	size_t group;      /* how many were at the last commit's end; 0: none is waited for */
	int64_t until_us;  /* when the group is given up */
	int64_t commit_us; /* what a commit takes: a moving average */
	unsigned skips;    /* commits that do not wait any more */
	unsigned penalty;  /* the last number of them */
};

enum {
	/* More in flight are not waited for. */
	GATHER_GROUP_MAX = 32,
	GATHER_WAIT_US_MAX = 1000,
};

void gather_appended(struct gather *gather);

/* A commit of so many, which took so long, is told. */
void gather_durable(struct gather *gather, size_t count, int64_t took_us, int64_t now_us);

/*
 * How many the next commit should have, when so many wait for it; 0 or 1: don't
 * wait. If more than those are in flight, they are being committed.
 */
size_t gather_wanted(const struct gather *gather, size_t waiting, int64_t now_us);

/* They did not come in time. */
void gather_missed(struct gather *gather);

#endif
