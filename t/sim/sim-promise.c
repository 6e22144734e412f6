/*
 * What a server says to another is a promise, or news of one: checked against
 * its disk at the moment when it is sent, and against what was said on the link
 * before.
 */
#include <inttypes.h>

#include "src/base/endian.h"
#include "t/sim/sim-check-impl.h"

void sim_check_received(struct sim_check *check, int64_t sid, struct sim_talk *talk,
			const struct zab_packet *packet)
{
	(void)check; /* what is received is no fault of who receives it */
	(void)sid;
	switch (packet->type) {
	case ZAB_LEADERINFO:
		talk->epoch = zxid_epoch(packet->zxid);
		break;
	case ZAB_SNAP:
		talk->history = packet->zxid;
		break;
	case ZAB_PROPOSAL:
	case ZAB_INFORM:
		if (!talk->newleader)
			talk->history = packet->zxid;
		if (packet->type == ZAB_INFORM)
			talk->committed = packet->zxid;
		break;
	case ZAB_COMMIT:
		talk->committed = packet->zxid;
		break;
	case ZAB_NEWLEADER:
		talk->newleader = true;
		break;
	case ZAB_UPTODATE:
		talk->is_uptodate = true;
		break;
	}
}

static void sent_ackepoch(struct sim_check *check, int64_t sid, const struct sim_talk *talk,
			  const struct zab_packet *packet)
{
	const struct sim_disk *disk = check->disks[sid];
	int64_t current = packet->data.size == 4 ? (int32_t)endian_get_u32(packet->data.data) : -2;

	if (disk->accepted_epoch < talk->epoch)
		sim_fail(check->world,
			 "server %" PRId64
			 " sends ACKEPOCH of %u with acceptedEpoch %u on its disk",
			 sid, talk->epoch, disk->accepted_epoch);
	if (current != -1 && current != (int64_t)disk->current_epoch)
		sim_fail(check->world,
			 "server %" PRId64 " sends ACKEPOCH with currentEpoch %" PRId64 ", not %u",
			 sid, current, disk->current_epoch);
	/* Zero asks for a snapshot (DESIGN.md 7); -1 is of an empty store, and counts in no quorum.
	 */
	if (packet->zxid == -1 ? !sim_disk_is_empty(disk)
			       : packet->zxid != 0 && packet->zxid != sim_disk_logged(disk))
		sim_fail(check->world,
			 "server %" PRId64 " sends ACKEPOCH with zxid 0x%" PRIx64
			 ", its log ends at 0x%" PRIx64,
			 sid, packet->zxid, sim_disk_logged(disk));
	if (sim_disk_appending(disk) > 0)
		sim_fail(check->world, "server %" PRId64 " sends ACKEPOCH while it logs", sid);
}

static void sent_newleader(struct sim_check *check, int64_t sid, struct sim_talk *talk,
			   const struct zab_packet *packet)
{
	uint32_t number = zxid_epoch(packet->zxid);
	struct sim_epoch *epoch = sim_check_epoch_of(check, number);

	talk->newleader = true;
	if (!sim_check_quorum(check, sim_check_voter_promised, number))
		sim_fail(check->world,
			 "server %" PRId64 " sends NEWLEADER of %u, which no quorum has promised",
			 sid, number);
	if (epoch->candidate == 0) {
		epoch->candidate = sid;
		epoch->initial_zxid = sim_disk_logged(check->disks[sid]);
	}
	if (epoch->candidate != sid)
		sim_fail(check->world,
			 "epoch %u has two leaders: %" PRId64 " and %" PRId64 " send NEWLEADER",
			 number, epoch->candidate, sid);
}

static void sent_ack(struct sim_check *check, int64_t sid, struct sim_talk *talk,
		     const struct zab_packet *packet)
{
	const struct sim_disk *disk = check->disks[sid];
	bool is_of_newleader = zxid_counter(packet->zxid) == 0;

	if (!talk->newleader) {
		sim_fail(check->world, "server %" PRId64 " acks 0x%" PRIx64 " before NEWLEADER",
			 sid, packet->zxid);
	} else if (is_of_newleader) {
		if (disk->current_epoch != zxid_epoch(packet->zxid))
			sim_fail(check->world,
				 "server %" PRId64 " acks NEWLEADER of %u with currentEpoch %u",
				 sid, zxid_epoch(packet->zxid), disk->current_epoch);
		if (sim_disk_logged(disk) < talk->history)
			sim_fail(check->world,
				 "server %" PRId64 " acks NEWLEADER with a log up to 0x%" PRIx64
				 ", below 0x%" PRIx64 " that came before it",
				 sid, sim_disk_logged(disk), talk->history);
		talk->is_newleader_acked = true;
	} else if (!talk->is_newleader_acked) {
		sim_fail(check->world,
			 "server %" PRId64 " acks 0x%" PRIx64 " before it acks NEWLEADER", sid,
			 packet->zxid);
	} else {
		if (!sim_disk_holds(disk, packet->zxid))
			sim_fail(check->world,
				 "server %" PRId64 " acks 0x%" PRIx64 ", which is not durable", sid,
				 packet->zxid);
		if (packet->zxid <= talk->acked)
			sim_fail(check->world,
				 "server %" PRId64 " acks 0x%" PRIx64 " after 0x%" PRIx64, sid,
				 packet->zxid, talk->acked);
		talk->acked = packet->zxid;
	}
}

static void sent_proposal(struct sim_check *check, int64_t sid, struct sim_talk *talk, zxid_t zxid)
{
	bool follows = talk->proposed == 0 || zxid == talk->proposed + 1 ||
		       (zxid_epoch(zxid) > zxid_epoch(talk->proposed) && zxid_counter(zxid) == 1);

	if (!follows)
		sim_fail(check->world, "server %" PRId64 " sends 0x%" PRIx64 " behind 0x%" PRIx64,
			 sid, zxid, talk->proposed);
	talk->proposed = zxid;
}

static void sent_commit(struct sim_check *check, int64_t sid, struct sim_talk *talk, zxid_t zxid)
{
	if (zxid > talk->proposed || zxid <= talk->committed)
		sim_fail(check->world,
			 "server %" PRId64 " commits 0x%" PRIx64 " on a link that has 0x%" PRIx64
			 ", committed to 0x%" PRIx64,
			 sid, zxid, talk->proposed, talk->committed);
	/* The history of a sync comes with its commits: they count at UPTODATE. */
	if (talk->is_uptodate && !sim_check_quorum(check, sim_check_voter_holds, zxid))
		sim_fail(check->world,
			 "server %" PRId64 " commits 0x%" PRIx64 ", which no quorum has durable",
			 sid, zxid);
	talk->committed = zxid;
}

void sim_check_sent(struct sim_check *check, int64_t sid, struct sim_talk *talk,
		    const struct zab_packet *packet)
{
	const struct sim_disk *disk;

	if (!check || check->only_consequences)
		return;
	disk = check->disks[sid];
	if (talk->is_streaming)
		sim_fail(check->world,
			 "server %" PRId64 " sends %s between SNAP and the end of its stream", sid,
			 zab_packet_name(packet->type));
	switch (packet->type) {
	case ZAB_FOLLOWERINFO:
	case ZAB_OBSERVERINFO:
		if (zxid_epoch(packet->zxid) != disk->accepted_epoch)
			sim_fail(check->world,
				 "server %" PRId64 " says acceptedEpoch %u, its disk %u", sid,
				 zxid_epoch(packet->zxid), disk->accepted_epoch);
		break;
	case ZAB_LEADERINFO:
		talk->epoch = zxid_epoch(packet->zxid);
		if (disk->accepted_epoch < talk->epoch)
			sim_fail(check->world,
				 "server %" PRId64
				 " offers epoch %u with acceptedEpoch %u on its disk",
				 sid, talk->epoch, disk->accepted_epoch);
		break;
	case ZAB_ACKEPOCH:
		sent_ackepoch(check, sid, talk, packet);
		break;
	case ZAB_NEWLEADER:
		sent_newleader(check, sid, talk, packet);
		break;
	case ZAB_ACK:
		sent_ack(check, sid, talk, packet);
		break;
	case ZAB_UPTODATE:
		if (sim_check_epoch_of(check, talk->epoch)->leader != sid)
			sim_fail(check->world,
				 "server %" PRId64 " sends UPTODATE of %u, which it does not lead",
				 sid, talk->epoch);
		talk->is_uptodate = true;
		break;
	case ZAB_PROPOSAL:
		sent_proposal(check, sid, talk, packet->zxid);
		break;
	case ZAB_COMMIT:
		sent_commit(check, sid, talk, packet->zxid);
		break;
	case ZAB_INFORM:
		sent_proposal(check, sid, talk, packet->zxid);
		sent_commit(check, sid, talk, packet->zxid);
		break;
	case ZAB_REQUEST:
		if (!talk->is_uptodate)
			sim_fail(check->world, "server %" PRId64 " forwards before UPTODATE", sid);
		break;
	}
}

/*
 * Who votes, in the round that was decided, for what was decided, is told so once; anybody else the
 * epoch that has begun since (R25, election.h).
 */
static void check_settled(struct sim_check *check, int64_t sid, const struct zab_vote *vote,
			  int64_t round, struct sim_heard *heard)
{
	bool is_stale = vote->peer_epoch != (int64_t)check->disks[sid]->current_epoch;
	bool agrees = heard->is_looking && heard->round == round &&
		      heard->vote.leader == vote->leader && heard->vote.zxid == vote->zxid &&
		      heard->vote.peer_epoch == vote->peer_epoch;

	if (is_stale && (!agrees || heard->is_confirmed))
		sim_fail(check->world,
			 "server %" PRId64 " serves epoch %u and tells a vote of epoch %" PRId64,
			 sid, check->disks[sid]->current_epoch, vote->peer_epoch);
	heard->is_confirmed = is_stale;
}

void sim_check_notified(struct sim_check *check, int64_t sid, int64_t to,
			const struct notification *notification, struct sim_heard *heard,
			bool is_serving, bool was_wiped)
{
	const struct zab_vote *vote = &notification->vote;
	const struct sim_disk *disk;

	if (!check || check->only_consequences)
		return;
	disk = check->disks[sid];
	/* An observer may be told whom it is about to follow: that elects nobody. */
	if (notification->state == ZAB_LOOKING && was_wiped && sim_disk_is_empty(disk) &&
	    vote->zxid >= 0 && members_is_voter(&check->members, to))
		sim_fail(check->world,
			 "server %" PRId64 " votes for %" PRId64 " with a store that was wiped",
			 sid, vote->leader);
	if (notification->state == ZAB_LOOKING && vote->leader == sid && vote->zxid != -1) {
		if (vote->zxid != sim_disk_logged(disk) ||
		    vote->peer_epoch != (int64_t)disk->current_epoch)
			sim_fail(check->world,
				 "server %" PRId64 " votes with 0x%" PRIx64 " of epoch %" PRId64
				 ", its disk has 0x%" PRIx64 " of epoch %u",
				 sid, vote->zxid, vote->peer_epoch, sim_disk_logged(disk),
				 disk->current_epoch);
		if (sim_disk_appending(disk) > 0)
			sim_fail(check->world, "server %" PRId64 " votes while it logs", sid);
	}
	if (is_serving && notification->state != ZAB_LOOKING)
		check_settled(check, sid, vote, notification->election_epoch, heard);
}
