#ifndef T_UNIT_APACHE_ELECTION_H
#define T_UNIT_APACHE_ELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/zab/notification.h"
#include "src/base/msec.h"

/*
 * A model of an Apache server in an election, to elect together with: receiver
 * thread and lookForLeader as spec/quorum-protocol.md 3.1 and 4 have them, for
 * ensembles of the voters 1..count and majorities. It shares no code with
 * replica/zab/election.c, does what Java does also where that is slow, and is
 * not what is tested.
 */
enum { APACHE_VOTERS_MAX = 9, APACHE_QUEUE_MAX = 100 };

struct apache_vote {
	bool is_present;
	struct notification notification;
};

struct apache_queued {
	int64_t sid;
	struct notification notification;
};

typedef void apache_send_fn(void *data, int64_t sid, const struct notification *notification);

struct apache_election {
	int64_t myid;
	int64_t count;
	apache_send_fn *send;
	void *data;

	enum zab_state state;
	int64_t clock;
	struct zab_vote own;
	struct zab_vote proposal;
	struct zab_vote current; /* what LOOKING peers are answered with, once settled */
	int64_t current_round;
	struct apache_vote received[APACHE_VOTERS_MAX + 1];
	struct apache_vote out_of_election[APACHE_VOTERS_MAX + 1];
	struct apache_queued queue[APACHE_QUEUE_MAX];
	size_t queued;
	bool is_finalizing;
	msec_t timeout_ms;
	msec_t poll_until_ms;
	msec_t now_ms;
};

void apache_election_init(struct apache_election *apache, int64_t myid, int64_t count,
			  apache_send_fn *send, void *data);
void apache_election_start(struct apache_election *apache, struct zab_vote own, msec_t now_ms);
void apache_election_notification(struct apache_election *apache, int64_t sid,
				  const struct notification *notification, msec_t now_ms);
void apache_election_tick(struct apache_election *apache, msec_t now_ms);
/* The epoch of the current vote becomes that of the leader. */
void apache_election_set_epoch(struct apache_election *apache, int64_t peer_epoch);

#endif
