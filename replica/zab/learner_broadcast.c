/*
 * What a leader sends again and again: transactions, at any time of the sync and
 * afterwards; pings (spec/quorum-protocol.md 9.5, 13.1).
 */
#include "replica/zab/zab_impl.h"
#include "src/base/assert.h"
#include "src/base/endian.h"

static void send_ack(struct zab *zab, zxid_t zxid)
{
	struct zab_packet packet = zab_plain(ZAB_ACK, zxid);

	zab_send_packet(zab, zab->follow.link, &packet);
	zab->follow.acked = zxid;
}

/*
 * In order, behind the second ACK of NEWLEADER (R3). Observers acknowledge no proposals.
 */
void learner_ack(struct zab *zab)
{
	zxid_t limit = zab->logged;
	bool is_early = zab->mutation == ZAB_MUTATION_ACK_OVERTAKES &&
			zab->follow.phase >= FOLLOW_HISTORY && !zab->is_staging;

	if ((zab->follow.phase != FOLLOW_BROADCAST && !is_early) || zab->state == ZAB_OBSERVING)
		return;
	if (zab->mutation == ZAB_MUTATION_ACK_EARLY)
		limit = zab_appended(zab);
	for (size_t i = history_after(&zab->history, zab->follow.acked); i < zab->history.count;
	     i++) {
		zxid_t zxid = history_at(&zab->history, i)->zxid;

		if (zxid > limit)
			break;
		send_ack(zab, zxid);
	}
}

/* False: it was not taken, as the link is being closed, or as we have it already. */
static bool take_txn(struct zab *zab, zxid_t zxid, struct bytes txn)
{
	zxid_t last = zab_appended(zab);
	struct blob *blob;

	if (bytes_is_null(txn)) {
		zab_leave(zab, 2, "transaction 0x%llx has no data", (unsigned long long)zxid);
		return false;
	}
	/*
	 * An Apache leader forwards from its decision on, but names the zxid at which its tree
	 * is when the stream begins: what came between is in both (LearnerHandler.run).
	 */
	if (zxid <= zab->follow.snapshot)
		return false;
	if (zxid == last) {
		/* A 3.9 leader does so for a request that it can't decode (spec 13.4). */
		zab_log(zab, 2, "the leader proposed 0x%llx twice: it may commit nothing any more",
			(unsigned long long)zxid);
		if (zab->follow.phase == FOLLOW_BROADCAST && zab->state == ZAB_FOLLOWING &&
		    zab->follow.acked == zxid)
			send_ack(zab, zxid);
		return false;
	}
	if (!history_follows(last, zxid)) {
		/* If what we have can't be continued, only a SNAP will do (R6). */
		if (zab->follow.phase == FOLLOW_HISTORY)
			zab->needs_snapshot = true;
		zab_leave(zab, 3, "transaction 0x%llx does not follow 0x%llx",
			  (unsigned long long)zxid, (unsigned long long)last);
		return false;
	}
	blob = blob_new(txn);
	zab_append(zab, zxid, blob);
	blob_unref(blob);
	if (zab->mutation == ZAB_MUTATION_ACK_EARLY)
		learner_ack(zab);
	return true;
}

static void take_commit(struct zab *zab, zxid_t zxid)
{
	/* Of a transaction that was not proposed here it would commit another one. */
	if (zxid > zab_appended(zab)) {
		zab_leave(zab, 3, "COMMIT of 0x%llx, where the last PROPOSAL is 0x%llx",
			  (unsigned long long)zxid, (unsigned long long)zab_appended(zab));
		return;
	}
	if (zxid <= zab->known)
		return;
	zab->known = zxid; /* delivered when it is logged here, too */
	zab_advance(zab);
}

static void warn_of_reconfig(struct zab *zab, const struct zab_packet *packet)
{
	if (!zab->follow.has_warned)
		zab_log(zab, 2, "%s: the ensemble is being reconfigured, but not this server",
			zab_packet_name(packet->type));
	zab->follow.has_warned = true;
}

bool learner_transaction(struct zab *zab, const struct zab_packet *packet)
{
	struct bytes data = packet->data;

	switch (packet->type) {
	case ZAB_PROPOSAL:
		(void)take_txn(zab, packet->zxid, data); /* either way nothing is left to do */
		return true;
	case ZAB_COMMITANDACTIVATE:
		warn_of_reconfig(zab, packet);
		take_commit(zab, packet->zxid);
		return true;
	case ZAB_COMMIT:
		take_commit(zab, packet->zxid);
		return true;
	case ZAB_INFORMANDACTIVATE:
		warn_of_reconfig(zab, packet);
		if (bytes_size(data) < 8) {
			zab_leave(zab, 2, "INFORMANDACTIVATE is malformed");
			return true;
		}
		data = bytes_of((const uint8_t *)data.data + 8, bytes_size(data) - 8);
		break; /* behind the designated leader it is an INFORM */
	case ZAB_INFORM:
		break;
	default:
		return false;
	}
	if (zab->state == ZAB_OBSERVING && take_txn(zab, packet->zxid, data))
		take_commit(zab, packet->zxid);
	return true;
}

void learner_broadcast_packet(struct zab *zab, const struct zab_packet *packet)
{
	struct zab_action *action;

	if (learner_transaction(zab, packet))
		return;
	switch (packet->type) {
	case ZAB_PING:
		zab->follow.pinged = packet->zxid;
		zab_emit(zab, ZAB_PINGED, NULL)->link = zab->follow.link;
		break;
	case ZAB_SYNC:
	case ZAB_REVALIDATE:
		action = zab_emit(zab, ZAB_RECEIVED, NULL);
		action->link = zab->follow.link;
		action->sid = zab->follow.leader;
		action->packet = *packet;
		break;
	default:
		break; /* ignored, as Apache's follower does */
	}
}

void zab_pong(struct zab *zab, struct bytes table)
{
	struct zab_packet packet = zab_plain(ZAB_PING, zab->follow.pinged);

	ASSERT(!bytes_is_null(table)); /* an Apache leader drops the connection */
	packet.data = table;
	if (!zab->is_dead && zab->state != ZAB_LEADING && zab->state != ZAB_LOOKING &&
	    zab->follow.phase == FOLLOW_BROADCAST)
		zab_send_packet(zab, zab->follow.link, &packet);
}
