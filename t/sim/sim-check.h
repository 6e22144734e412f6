#ifndef T_SIM_CHECK_H
#define T_SIM_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/zab/members.h"
#include "replica/zab/notification.h"
#include "replica/zab/packet.h"
#include "src/base/bytes.h"
#include "src/zk/zxid.h"
#include "t/sim/sim-app.h"
#include "t/sim/sim-disk.h"
#include "t/sim/sim-net.h"

/*
 * What must always hold, checked at everything that a replica does. It sees all
 * replicas and all disks at once, which no replica can; the first breach ends
 * the run (sim_fail).
 *
 *  1. One leader an epoch: who sent NEWLEADER, and who established it.
 *  2. One history. The first delivery of a transaction anywhere appends to it, and
 *     every replica delivers a prefix of it, without a gap, with the same bytes,
 *     results and digests. Nothing that was delivered is ever lost so.
 *  3. Primary order: a history's counters are contiguous in an epoch, epochs only grow,
 *     and each transaction is the very one that the epoch's leader proposed.
 *  4. Durability: when it is delivered for the first time it is durable at a quorum of
 *     voters; where it is delivered, it is durable there.
 *  5. A new leader has the whole history of the epochs before its own before it serves.
 *  6. No promise before its durable write: ACKEPOCH, LEADERINFO, ACKs of NEWLEADER and of
 *     proposals, votes.
 *  7. currentEpoch says that the log begins as its leader's did.
 *  8. A session's requests are in the history in the order in which they were asked for, none
 *     left out between two of one attachment; what was acknowledged is in the history.
 *  9. What is elected, or serves, has a quorum behind it.
 *
 * All functions take NULL for the checker: a scenario with puppets judges for itself.
 */
struct sim_check;

struct sim_check *sim_check_new(struct sim_world *world, const struct members *members);
void sim_check_free(struct sim_check *check);
/*
 * Only what a client could see in the end is checked from here on: 1, 2, 3, 5 and 8, and no
 * promise. It tells whether the world breaks enough for a broken promise to cost something.
 */
void sim_check_only_consequences(struct sim_check *check);
void sim_check_add_disk(struct sim_check *check, int64_t sid, const struct sim_disk *disk);

/* ---- the state of a replica's application ---- */

/* It has what was at zxid: a tree that was read, or a snapshot. */
void sim_check_restored(struct sim_check *check, int64_t sid, zxid_t zxid, uint64_t digest);
void sim_check_applied(struct sim_check *check, int64_t sid, zxid_t zxid, struct bytes txn,
		       struct sim_result result, uint64_t digest);
void sim_check_proposed(struct sim_check *check, int64_t sid, zxid_t zxid);
void sim_check_acknowledged(struct sim_check *check, int64_t session, int32_t cxid, zxid_t zxid);

/* ---- roles ---- */

/* Bit n of heard[v]: voter v was heard to vote for n. */
void sim_check_elected(struct sim_check *check, int64_t sid, int64_t leader,
		       const uint32_t heard[SIM_NODES_MAX]);
void sim_check_serving(struct sim_check *check, int64_t sid, enum zab_state state, uint32_t epoch);
/* Epochs became durable, or are found so at a start. may_lead: they can be those of its own
 * leading. */
void sim_check_epochs(struct sim_check *check, int64_t sid, bool may_lead);

/* ---- what is said ---- */

/* One end of a link, as far as it is needed here. */
struct sim_talk {
	uint32_t epoch;          /* of LEADERINFO, sent or received */
	bool is_streaming;       /* between SNAP and the end of its stream */
	zxid_t history;          /* received: the last of the history before NEWLEADER */
	bool newleader;          /* sent or received */
	bool is_newleader_acked; /* by this end */
	bool is_uptodate;        /* sent or received */
	zxid_t acked;            /* the last ACK sent */
	zxid_t proposed;         /* the last PROPOSAL sent */
	zxid_t committed;        /* the last COMMIT or INFORM, sent or received */
};
void sim_check_received(struct sim_check *check, int64_t sid, struct sim_talk *talk,
			const struct zab_packet *packet);
void sim_check_sent(struct sim_check *check, int64_t sid, struct sim_talk *talk,
		    const struct zab_packet *packet);
/* What a server has heard last from another, and how it answered while it served. */
struct sim_heard {
	bool is_looking;
	struct zab_vote vote;
	int64_t round;
	bool is_confirmed; /* it was told the vote that was elected, which was its own */
};
void sim_check_notified(struct sim_check *check, int64_t sid, int64_t to,
			const struct notification *notification, struct sim_heard *heard,
			bool is_serving, bool was_wiped);

/* ---- at the end ---- */

size_t sim_check_count(const struct sim_check *check); /* transactions of the history */
zxid_t sim_check_last(const struct sim_check *check);
/* Everything delivered there? */
bool sim_check_is_current(const struct sim_check *check, int64_t sid);
/* An epoch was established once. */
bool sim_check_has_begun(const struct sim_check *check);
/* The highest epoch that was established. */
uint32_t sim_check_epoch(const struct sim_check *check);
int64_t sim_check_leader(const struct sim_check *check, uint32_t epoch); /* 0: none */

#endif
