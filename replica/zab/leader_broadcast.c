/*
 * A leader whose epoch is established: proposals go out, acks come in, what a
 * quorum has is committed (spec/quorum-protocol.md 13); who stays silent is
 * dropped, and without a quorum the leader steps down (8).
 *
 * A learner between NEWLEADER and UPTODATE gets proposals, but the commits of
 * that while only behind UPTODATE: servers before 3.8.7 drop the connection on an
 * earlier one (ZOOKEEPER-4394), and under load would never be done.
 */
#include "replica/zab/zab_impl.h"
#include "src/base/assert.h"

/* ---- commits ---- */

static void inform(struct zab *zab, struct learner *learner, const struct history_entry *entry)
{
	struct zab_packet packet = zab_plain(ZAB_COMMIT, entry->zxid);

	if (learner->is_observer) {
		packet.type = ZAB_INFORM;
		packet.data = blob_bytes(entry->txn);
		ASSERT(entry->zxid > learner->sent);
		learner->sent = entry->zxid;
	}
	zab_send_packet(zab, learner->link, &packet);
	learner->informed = entry->zxid;
}

/* COMMIT or INFORM of entries [from, to) to all that are up to date, in their order. */
static void inform_all(struct zab *zab, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		const struct history_entry *entry = history_at(&zab->history, i);
		struct zab_packet commit = zab_plain(ZAB_COMMIT, entry->zxid);
		struct zab_packet informing = zab_plain(ZAB_INFORM, entry->zxid);
		struct blob *encoded[2] = {NULL, NULL};

		informing.data = blob_bytes(entry->txn);
		leader_for_each(zab, learner)
		{
			bool is_observer = learner->is_observer;

			if (learner->phase != LEARNER_SYNCED)
				continue;
			if (!encoded[is_observer])
				encoded[is_observer] =
					zab_encode(zab, is_observer ? &informing : &commit);
			zab_send_encoded(zab, learner->link, encoded[is_observer]);
			learner->informed = entry->zxid;
			if (is_observer) {
				ASSERT(entry->zxid > learner->sent);
				learner->sent = entry->zxid;
			}
			ASSERT(entry->zxid <= learner->sent);
		}
		blob_unref(encoded[0]);
		blob_unref(encoded[1]);
	}
}

static zxid_t own_ack(const struct zab *zab)
{
	return zab->mutation == ZAB_MUTATION_LEADER_COUNTS_UNLOGGED ? zab_appended(zab)
								    : zab->logged;
}

static bool is_acked(const struct zab *zab, zxid_t zxid)
{
	struct zab_voters voters;

	zab_voters_init(zab, &voters, ZAB_MUTATION_MINORITY);
	if (zab_is_voter(zab, zab->config.myid) && own_ack(zab) >= zxid)
		zab_voters_add(&voters, zab->config.myid);
	leader_for_each(zab, learner)
	{
		if (learner->phase != LEARNER_ACKED && learner->phase != LEARNER_SYNCED)
			continue;
		if (learner->is_voter && learner->acked >= zxid)
			zab_voters_add(&voters, learner->sid);
		else if (!learner->is_voter && zab->mutation == ZAB_MUTATION_OBSERVER_COUNTS)
			voters.spare++;
	}
	return zab_is_quorum(zab, &voters);
}

/* The highest of the acks that a quorum has reached or passed. Acks are cumulative. */
static zxid_t quorum_acked(const struct zab *zab)
{
	zxid_t best = zab->known;

	if (own_ack(zab) > best && is_acked(zab, own_ack(zab)))
		best = own_ack(zab);
	leader_for_each(zab, learner) if (learner->is_voter && learner->phase >= LEARNER_ACKED &&
					  learner->acked > best && is_acked(zab, learner->acked))
		best = learner->acked;
	return best;
}

void leader_commit(struct zab *zab)
{
	zxid_t acked;
	size_t from, to;

	if (zab->lead.phase != LEAD_ESTABLISHED)
		return;
	acked = quorum_acked(zab);
	if (acked <= zab->known)
		return;
	/* Of an earlier epoch nothing is committed by counting (the history was by NEWLEADER). */
	ASSERT(acked > zab->lead.history);
	from = history_after(&zab->history, zab->known);
	to = history_after(&zab->history, acked);
	zab->known = acked;
	inform_all(zab, from, to);
	zab_advance(zab);
	/* The last counter of an epoch is never used: the next epoch begins first. */
	if (zxid_counter(zab->lead.proposed) >= UINT32_MAX - 1 && zab->known == zab->lead.proposed)
		zab_leave(zab, 1, "epoch %u has no zxids left", zab->lead.epoch);
}

/* ---- UPTODATE ---- */

/* A PROPOSAL that is not acked for syncLimit ends the connection (LearnerHandler.SyncLimitCheck).
 */
static void watch_acks(struct zab *zab, struct learner *learner)
{
	if (learner->is_observer || learner->phase != LEARNER_SYNCED)
		return;
	if (learner->acked >= learner->sent) {
		learner->watched = 0;
	} else if (learner->watched == 0 || learner->acked >= learner->watched) {
		learner->watched = learner->sent;
		learner->watched_until_ms = zab->now_ms + zab_sync_limit_ms(zab);
	}
}

void leader_uptodate(struct zab *zab, struct learner *learner)
{
	struct zab_packet packet = zab_plain(ZAB_UPTODATE, -1);
	const struct history *history = &zab->history;

	zab_send_packet(zab, learner->link, &packet);
	learner->phase = LEARNER_SYNCED;
	learner->deadline_ms = zab->now_ms + zab_sync_limit_ms(zab);
	for (size_t i = history_after(history, learner->informed); i < history->count; i++) {
		if (history_at(history, i)->zxid > zab->known)
			break;
		inform(zab, learner, history_at(history, i));
	}
	watch_acks(zab, learner);
	zab_trim(zab);
	zab_log(zab, 1, "learner %lld: is up to date at 0x%llx", (long long)learner->sid,
		(unsigned long long)learner->informed);
}

void leader_established(struct zab *zab)
{
	zab->lead.deadline_ms = INT64_MAX;
	zab->lead.ping_at_ms = zab->now_ms + zab->config.tick_ms / 2;
	zab->lead.check_at_ms = zab->now_ms + zab->config.tick_ms;
	zab->known = leader_committed(zab);
	zab->may_deliver = true;
	zab_advance(zab);
	zab_log(zab, 1, "leads epoch %u from 0x%llx on", zab->lead.epoch,
		(unsigned long long)zab->known);
	zab_serve(zab, zab->lead.epoch);
	leader_for_each(zab, learner) if (learner->phase == LEARNER_ACKED)
		leader_uptodate(zab, learner);
}

/* ---- proposals ---- */

void zab_propose(struct zab *zab, zxid_t zxid, struct blob *txn)
{
	struct zab_packet packet = zab_plain(ZAB_PROPOSAL, zxid);
	struct blob *encoded;

	ASSERT(zab->state == ZAB_LEADING && zab->lead.phase == LEAD_ESTABLISHED);
	ASSERT(zxid == zab_next_zxid(zab));
	ASSERT(zxid_counter(zxid) < UINT32_MAX);
	if (zab->is_dead)
		return;
	packet.data = blob_bytes(txn);
	encoded = zab_encode(zab, &packet);
	leader_for_each(zab, learner)
	{
		if (learner->is_observer || learner->phase < LEARNER_SYNCING)
			continue;
		ASSERT(learner->sent < zxid);
		zab_send_encoded(zab, learner->link, encoded);
		learner->sent = zxid;
		watch_acks(zab, learner);
	}
	blob_unref(encoded);
	zab->lead.proposed = zxid;
	zab_append(zab, zxid, txn);
	leader_check_lag(zab);
	if (zab->mutation == ZAB_MUTATION_LEADER_COUNTS_UNLOGGED)
		leader_commit(zab);
	zab_settle(zab);
}

void leader_check_lag(struct zab *zab)
{
	size_t size_max = zab->config.pinned_size_max;

	if (history_size_after(&zab->history, zab->history.base) <= size_max)
		return;
	leader_for_each(zab, learner)
	{
		zxid_t from = zab->history.base;

		if (learner->phase == LEARNER_SNAPSHOT)
			from = learner->pin;
		else if (learner->phase == LEARNER_SYNCING || learner->is_observer)
			from = learner->informed;
		else if (learner->phase == LEARNER_SYNCED)
			from = learner->acked;
		else
			continue;
		if (history_size_after(&zab->history, from) > size_max)
			leader_drop(zab, learner, 2, "is more than %zu bytes behind", size_max);
	}
	zab_trim(zab);
}

/* ---- what learners send ---- */

static void take_ack(struct zab *zab, struct learner *learner, zxid_t zxid)
{
	/* Not of a proposal of this epoch: of NEWLEADER or UPTODATE, of history, of nothing. */
	if (zxid_counter(zxid) == 0 || zxid <= learner->acked || zxid > learner->sent)
		return;
	learner->acked = zxid;
	watch_acks(zab, learner);
	leader_commit(zab);
}

void leader_broadcast_packet(struct zab *zab, struct learner *learner,
			     const struct zab_packet *packet)
{
	struct zab_action *action;

	learner->deadline_ms = zab->now_ms + zab_sync_limit_ms(zab);
	switch (packet->type) {
	case ZAB_ACK:
		if (!learner->is_observer)
			take_ack(zab, learner, packet->zxid);
		return;
	case ZAB_PING:
		if (bytes_is_null(packet->data) ||
		    bytes_size(packet->data) % ZAB_SESSION_SIZE != 0) {
			leader_drop(zab, learner, 2, "its PING is malformed");
			return;
		}
		break;
	case ZAB_REQUEST:
	case ZAB_REVALIDATE:
		break;
	default:
		return; /* as Apache's leader */
	}
	if (learner->phase != LEARNER_SYNCED)
		return;
	action = zab_emit(zab, ZAB_RECEIVED, NULL);
	action->link = learner->link;
	action->sid = learner->sid;
	action->packet = *packet;
}

/* ---- time ---- */

static void ping(struct zab *zab)
{
	struct zab_packet packet = zab_plain(ZAB_PING, zab->lead.proposed);

	leader_for_each(zab, learner) if (learner->phase >= LEARNER_SYNCING)
		zab_send_packet(zab, learner->link, &packet);
	zab->lead.ping_at_ms = zab->now_ms + zab->config.tick_ms / 2;
}

/* The synced set: ourselves, and whom we have heard of within syncLimit. */
static void check_quorum(struct zab *zab)
{
	struct zab_voters voters;

	zab_voters_init(zab, &voters, ZAB_MUTATION_MINORITY_ELECTION);
	zab_voters_add(&voters, zab->config.myid);
	leader_for_each(zab, learner)
	{
		if (learner->phase < LEARNER_ACKED)
			continue;
		if (learner->is_voter)
			zab_voters_add(&voters, learner->sid);
		else if (zab->mutation == ZAB_MUTATION_OBSERVER_COUNTS)
			voters.spare++;
	}
	if (!zab_is_quorum(zab, &voters))
		zab_leave(zab, 2, "no quorum follows any more: steps down");
	zab->lead.check_at_ms = zab->now_ms + zab->config.tick_ms;
}

void leader_tick(struct zab *zab)
{
	struct lead *lead = &zab->lead;

	leader_for_each(zab, learner)
	{
		if (zab->now_ms >= learner->deadline_ms)
			leader_drop(zab, learner, 2, "has been silent for too long");
		else if (learner->watched != 0 && zab->now_ms >= learner->watched_until_ms)
			leader_drop(zab, learner, 2, "has not acknowledged 0x%llx in time",
				    (unsigned long long)learner->watched);
	}
	if (lead->phase != LEAD_ESTABLISHED) {
		if (zab->now_ms >= lead->deadline_ms)
			zab_leave(zab, 2, "no quorum has followed within initLimit");
		return;
	}
	if (zab->now_ms >= lead->ping_at_ms)
		ping(zab);
	if (zab->now_ms >= lead->check_at_ms)
		check_quorum(zab);
}

static msec_t earlier(msec_t a, msec_t b)
{
	return a < b ? a : b;
}

msec_t leader_next_tick_ms(const struct zab *zab)
{
	const struct lead *lead = &zab->lead;
	msec_t next = lead->deadline_ms;

	if (lead->phase == LEAD_ESTABLISHED)
		next = earlier(lead->ping_at_ms, lead->check_at_ms);
	leader_for_each(zab, learner)
	{
		next = earlier(next, learner->deadline_ms);
		if (learner->watched != 0)
			next = earlier(next, learner->watched_until_ms);
	}
	return next;
}
