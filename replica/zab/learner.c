/*
 * A learner until UPTODATE (spec/quorum-protocol.md 7, 9.4, 9.5):
 *
 *	CONNECTING  -> FOLLOWERINFO or OBSERVERINFO
 *	INFO        LEADERINFO: its epoch becomes our acceptedEpoch
 *	ACCEPTING   that is durable -> ACKEPOCH
 *	PROMISED    DIFF, TRUNC, or SNAP and
 *	SNAPSHOT    its stream
 *	HISTORY     transactions are appended as they come; NEWLEADER
 *	STORING     all of them, then currentEpoch, are durable -> ACK
 *	ACKED       UPTODATE: all of this is committed, and delivered
 *	BROADCAST   learner_broadcast.c
 *
 * Nothing of a sync is delivered before UPTODATE, as a leader that never comes to
 * that has committed nothing (DESIGN.md 7, lessons R1..R8).
 */
#include <limits.h>

#include "replica/zab/zab_impl.h"
#include "src/base/assert.h"
#include "src/base/endian.h"

static void set_deadline(struct zab *zab, msec_t limit_ms)
{
	zab->follow.deadline_ms = zab->now_ms + limit_ms;
}

static void enter(struct zab *zab, enum follow_phase phase)
{
	zab->follow.phase = phase;
	set_deadline(zab, zab_init_limit_ms(zab));
}

void learner_begin(struct zab *zab, int64_t leader)
{
	struct zab_action *action;

	zab->follow = (struct follow){.leader = leader, .snapshot = INT64_MIN};
	enter(zab, FOLLOW_CONNECTING);
	action = zab_emit(zab, ZAB_CONNECT, NULL);
	action->sid = leader;
	action->deadline_ms = zab->follow.deadline_ms;
}

void learner_end(struct zab *zab)
{
	if (zab->follow.phase == FOLLOW_CONNECTING)
		zab_emit(zab, ZAB_DISCONNECT, NULL)->sid = zab->follow.leader;
	else if (zab->follow.link != ZAB_LINK_NONE)
		zab_emit(zab, ZAB_CLOSE, NULL)->link = zab->follow.link;
	zab->follow = (struct follow){.link = ZAB_LINK_NONE};
}

/* Where it is gone, nobody will answer: the others elect already. */
void learner_unreachable(struct zab *zab, int64_t sid)
{
	if (zab->state != ZAB_LEADING && zab->follow.phase == FOLLOW_CONNECTING &&
	    zab->follow.leader == sid)
		zab_leave(zab, 2, "the leader, server %lld, is out of reach", (long long)sid);
}

/* ---- the handshake ---- */

void learner_connected(struct zab *zab, zab_link_t link)
{
	struct zab_learner_info info = {
		.sid = zab->config.myid,
		.protocol_version = ZAB_PROTOCOL_VERSION,
		.config_version = zab->committed_members.version,
	};
	struct zab_packet packet =
		zab_plain(zab->state == ZAB_OBSERVING ? ZAB_OBSERVERINFO : ZAB_FOLLOWERINFO,
			  zxid_make(zab->accepted_epoch, 0));
	struct buf buf;

	enter(zab, FOLLOW_INFO);
	if (link == ZAB_LINK_NONE) {
		zab_leave(zab, 2, "no connection to the leader, server %lld",
			  (long long)zab->follow.leader);
		return;
	}
	zab->follow.link = link;
	buf_init(&buf, 64);
	zab_learner_info_write(&buf, &info);
	packet.data = buf_bytes(&buf);
	zab_send_packet(zab, link, &packet);
	buf_release(&buf);
}

/* What a leader decides our sync by; -1 is not counted in its quorum (R18). */
static zxid_t reported_zxid(const struct zab *zab)
{
	if (zab->needs_snapshot)
		return 0;
	return zab_may_count(zab) ? zab->logged : -1;
}

static void send_ackepoch(struct zab *zab, uint32_t current_epoch)
{
	struct zab_packet packet = zab_plain(ZAB_ACKEPOCH, reported_zxid(zab));
	uint8_t data[4];

	endian_put_u32(data, current_epoch);
	packet.data = bytes_of(data, sizeof(data));
	zab_send_packet(zab, zab->follow.link, &packet);
	enter(zab, FOLLOW_PROMISED);
}

static void take_leaderinfo(struct zab *zab, const struct zab_packet *packet)
{
	uint32_t epoch = zxid_epoch(packet->zxid);

	if (packet->type != ZAB_LEADERINFO) {
		zab_leave(zab, 2, "the leader began with %s: 3.3 or older",
			  zab_packet_name(packet->type));
		return;
	}
	zab->follow.epoch = epoch;
	if (epoch > INT32_MAX || epoch < zab->current_epoch ||
	    (epoch < zab->accepted_epoch && zab->state != ZAB_OBSERVING)) {
		zab_leave(zab, 2, "the leader's epoch %u, where %u was accepted", epoch,
			  zab->accepted_epoch);
	} else if (epoch <= zab->accepted_epoch) {
		/*
		 * Accepted before: not to be counted twice. Or an observer's, which no quorum has
		 * counted: if it held, it could not come back before the next election.
		 */
		send_ackepoch(zab, UINT32_MAX);
	} else {
		zab_set_epochs(zab, epoch, zab->current_epoch);
		enter(zab, FOLLOW_ACCEPTING);
		if (zab->mutation == ZAB_MUTATION_SKIP_ACCEPTED_EPOCH)
			send_ackepoch(zab, zab->current_epoch);
	}
}

/* ---- DIFF, TRUNC, SNAP ---- */

static void begin_history(struct zab *zab, zxid_t zxid)
{
	if (zxid > zab->known)
		zab->known = zxid;
	if (zab->mutation == ZAB_MUTATION_APPLY_BEFORE_UPTODATE && !zab->is_staging) {
		zab->may_deliver = true;
		zab_advance(zab);
	}
	if (zab->mutation == ZAB_MUTATION_EPOCH_BEFORE_HISTORY && !zab->is_staging)
		zab_set_epochs(zab, zab->follow.epoch, zab->follow.epoch);
	enter(zab, FOLLOW_HISTORY);
}

/* The log can't be brought to what the leader has: everything stays, and the next sync replaces it.
 */
static void need_snapshot(struct zab *zab, const char *why)
{
	zab->needs_snapshot = true;
	zab_leave(zab, 2, "%s (the log ends at 0x%llx, delivered 0x%llx): asks for a SNAP", why,
		  (unsigned long long)zab_appended(zab), (unsigned long long)zab->delivered);
}

static void take_diff(struct zab *zab, zxid_t zxid)
{
	if (zab->needs_snapshot && zab_appended(zab) > 0) {
		zab_leave(zab, 3, "the leader sent DIFF to a server that has asked for a SNAP");
		return;
	}
	begin_history(zab, zxid);
}

/*
 * What is delivered was committed, so no leader may take it back: but an Apache
 * leader's SNAP can hold transactions of its tail that never get committed
 * (lessons R11). As long as nothing was committed behind it, that can have been one.
 */
static void take_trunc(struct zab *zab, zxid_t zxid)
{
	if (zab->needs_snapshot) {
		zab_leave(zab, 3, "the leader sent TRUNC to a server that has asked for a SNAP");
	} else if (zxid < zab->base && zab->delivered == zab->base) {
		need_snapshot(zab, "a snapshot that was received held what was never committed");
	} else if (zxid < zab->delivered) {
		zab_fatal(zab,
			  "The leader, server %lld, wants the log cut at 0x%llx, but 0x%llx was "
			  "committed and served: a quorum has lost what it had acknowledged",
			  (long long)zab->follow.leader, (unsigned long long)zxid,
			  (unsigned long long)zab->delivered);
	} else if (!history_has(&zab->history, zxid)) {
		need_snapshot(zab, "TRUNC to a transaction that the log does not hold");
	} else {
		if (zxid < zab_appended(zab)) {
			zab_log(zab, 1, "cuts the log from 0x%llx to 0x%llx",
				(unsigned long long)zab_appended(zab), (unsigned long long)zxid);
			zab_truncate(zab, zxid);
		}
		begin_history(zab, zxid);
	}
}

static void take_snap(struct zab *zab, zxid_t zxid)
{
	struct zab_action *action = zab_emit(zab, ZAB_RECEIVE_SNAPSHOT, NULL);

	action->link = zab->follow.link;
	action->zxid = zxid;
	zab_log(zab, 1, "server %lld sends its tree at 0x%llx, by SNAP",
		(long long)zab->follow.leader, (unsigned long long)zxid);
	zab->is_staging = true;
	zab->follow.snapshot = zxid;
	history_init(&zab->staged, zxid);
	enter(zab, FOLLOW_SNAPSHOT);
	zab->follow.deadline_ms = INT64_MAX;
}

void learner_snapshot_received(struct zab *zab, bool is_good)
{
	if (zab->follow.phase != FOLLOW_SNAPSHOT)
		return;
	if (!is_good) {
		zab_leave(zab, 2, "the leader's snapshot could not be read");
		return;
	}
	begin_history(zab, zab->staged.base);
}

static void take_sync(struct zab *zab, const struct zab_packet *packet)
{
	switch (packet->type) {
	case ZAB_DIFF:
		take_diff(zab, packet->zxid);
		break;
	case ZAB_TRUNC:
		take_trunc(zab, packet->zxid);
		break;
	case ZAB_SNAP:
		take_snap(zab, packet->zxid);
		break;
	case ZAB_PING:
		break;
	default:
		zab_leave(zab, 2, "%s where DIFF, TRUNC or SNAP belongs",
			  zab_packet_name(packet->type));
		break;
	}
}

/* ---- NEWLEADER, UPTODATE ---- */

static void send_newleader_ack(struct zab *zab)
{
	struct zab_packet packet = zab_plain(ZAB_ACK, zxid_make(zab->follow.epoch, 0));

	zab_send_packet(zab, zab->follow.link, &packet);
}

/* Reconfiguration is off here, so the own configuration stays; but the operator should know. */
static void compare_config(struct zab *zab, struct bytes text)
{
	struct members members = {0};

	if (bytes_size(text) <= 1 || members_parse(text, &members) < 0)
		return;
	if (members.version > zab->committed_members.version)
		zab_log(zab, 2, "the leader's configuration is newer: version %llx, ours is %llx",
			(unsigned long long)members.version,
			(unsigned long long)zab->committed_members.version);
	else if (!members_equal(&members, &zab->committed_members))
		zab_log(zab, 2, "the leader's configuration has other members than ours");
	members_release(&members);
}

static void take_newleader(struct zab *zab, const struct zab_packet *packet)
{
	/* An observer's may be higher. */
	uint32_t accepted_epoch =
		zab->accepted_epoch > zab->follow.epoch ? zab->accepted_epoch : zab->follow.epoch;

	if (packet->zxid != zxid_make(zab->follow.epoch, 0)) {
		zab_leave(zab, 2, "NEWLEADER of epoch %u, where LEADERINFO said %u",
			  zxid_epoch(packet->zxid), zab->follow.epoch);
		return;
	}
	compare_config(zab, packet->data);
	/* What has come with its COMMIT is never acknowledged. */
	zab->follow.acked = zab->known;
	/* One durable step behind all that was appended (R1, R2). */
	zab_set_epochs(zab, accepted_epoch, zab->follow.epoch);
	enter(zab, FOLLOW_STORING);
	if (zab->mutation == ZAB_MUTATION_ACK_NEWLEADER_EARLY && !zab->is_staging) {
		send_newleader_ack(zab);
		enter(zab, FOLLOW_ACKED);
	}
}

void learner_epochs_durable(struct zab *zab)
{
	if (zab->follow.phase == FOLLOW_ACCEPTING) {
		send_ackepoch(zab, zab->current_epoch);
	} else if (zab->follow.phase == FOLLOW_STORING && zab->pending_count == 0) {
		ASSERT(zab->current_epoch == zab->follow.epoch);
		send_newleader_ack(zab);
		enter(zab, FOLLOW_ACKED);
	}
}

static void take_uptodate(struct zab *zab)
{
	zab->follow.phase = FOLLOW_BROADCAST;
	set_deadline(zab, zab_sync_limit_ms(zab));
	zab->may_deliver = true;
	zab_advance(zab);
	zab_log(zab, 1, "follows server %lld in epoch %u, up to date at 0x%llx",
		(long long)zab->follow.leader, zab->follow.epoch,
		(unsigned long long)zab->delivered);
	zab_serve(zab, zab->follow.epoch);
	send_newleader_ack(zab);
	learner_ack(zab);
}

static void take_history(struct zab *zab, const struct zab_packet *packet)
{
	enum follow_phase phase = zab->follow.phase;

	if (learner_transaction(zab, packet))
		return;
	if (packet->type == ZAB_NEWLEADER && phase == FOLLOW_HISTORY)
		take_newleader(zab, packet);
	else if (packet->type == ZAB_UPTODATE && phase == FOLLOW_ACKED)
		take_uptodate(zab);
	else if (packet->type == ZAB_NEWLEADER || packet->type == ZAB_UPTODATE)
		zab_leave(zab, 2, "%s where none belongs", zab_packet_name(packet->type));
	/* PING, and types that are unknown: no answer before UPTODATE (spec 9.5) */
}

void learner_packet(struct zab *zab, const struct zab_packet *packet)
{
	if (zab->follow.deadline_ms != INT64_MAX)
		set_deadline(zab, zab->follow.phase == FOLLOW_BROADCAST ? zab_sync_limit_ms(zab)
									: zab_init_limit_ms(zab));
	switch (zab->follow.phase) {
	case FOLLOW_INFO:
		take_leaderinfo(zab, packet);
		break;
	case FOLLOW_PROMISED:
		take_sync(zab, packet);
		break;
	case FOLLOW_HISTORY:
	case FOLLOW_STORING:
	case FOLLOW_ACKED:
		take_history(zab, packet);
		break;
	case FOLLOW_BROADCAST:
		learner_broadcast_packet(zab, packet);
		break;
	case FOLLOW_CONNECTING:
	case FOLLOW_ACCEPTING:
	case FOLLOW_SNAPSHOT:
		zab_leave(zab, 2, "%s where none belongs", zab_packet_name(packet->type));
		break;
	}
}

void learner_tick(struct zab *zab)
{
	if (zab->now_ms >= zab->follow.deadline_ms)
		zab_leave(zab, 2, "the leader, server %lld, has been silent for too long",
			  (long long)zab->follow.leader);
}
