/*
 * A leader until its epoch is established (spec/quorum-protocol.md 7, 8, 9), and
 * how each learner is brought to its state:
 *
 *	DISCOVERY   a quorum has told its acceptedEpoch: the epoch is the highest + 1
 *	ACCEPTING   the own acceptedEpoch is durable -> LEADERINFO
 *	PROMISES    a quorum has sent ACKEPOCH -> DIFF, TRUNC or SNAP, NEWLEADER
 *	SYNC        a quorum has acknowledged NEWLEADER, the own currentEpoch is durable
 *	ESTABLISHED -> UPTODATE; leader_broadcast.c
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "replica/zab/zab_impl.h"
#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/base/mem.h"

/* Above it zxids would be negative. */
enum { EPOCH_MAX = INT32_MAX };

/* ---- the learners ---- */

struct learner *leader_next(const struct zab *zab, const struct learner *learner)
{
	const struct list *at = learner ? learner->link_in_list.next : zab->lead.learners.next;

	while (at != &zab->lead.learners) {
		struct learner *next = list_item(at, struct learner, link_in_list);

		if (next->phase != LEARNER_GONE)
			return next;
		at = at->next;
	}
	return NULL;
}

struct learner *leader_find(const struct zab *zab, zab_link_t link)
{
	leader_for_each(zab, learner) if (learner->link == link) return learner;
	return NULL;
}

void leader_accept(struct zab *zab, zab_link_t link)
{
	struct learner *learner;

	if (zab->lead.learner_count >= ZAB_LINKS_MAX) {
		zab_log(zab, 2, "closes a connection: %d others are there already", ZAB_LINKS_MAX);
		zab_emit(zab, ZAB_CLOSE, NULL)->link = link;
		return;
	}
	learner = mem_zalloc(sizeof(*learner));
	learner->link = link;
	learner->sid = -1;
	learner->deadline_ms = zab->now_ms + zab_init_limit_ms(zab) + zab_sync_limit_ms(zab);
	list_append(&zab->lead.learners, &learner->link_in_list);
	zab->lead.learner_count++;
}

void leader_drop(struct zab *zab, struct learner *learner, int level, const char *format, ...)
{
	char text[256];
	va_list arguments;

	if (learner->phase == LEARNER_GONE)
		return;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments); /* a long one is cut */
	va_end(arguments);
	zab_log(zab, level, "learner %lld: %s", (long long)learner->sid, text);
	if (learner->link != ZAB_LINK_NONE)
		zab_emit(zab, ZAB_CLOSE, NULL)->link = learner->link;
	learner->phase = LEARNER_GONE;
}

void leader_sweep(struct zab *zab)
{
	list_for_each_safe (&zab->lead.learners, at) {
		struct learner *learner = list_item(at, struct learner, link_in_list);

		if (learner->phase != LEARNER_GONE)
			continue;
		list_remove(at);
		free(learner);
		zab->lead.learner_count--;
	}
}

/* ---- the sync of one learner ---- */

zxid_t leader_committed(const struct zab *zab)
{
	return zab->known > zab->lead.history ? zab->known : zab->lead.history;
}

static void send_newleader(struct zab *zab, struct learner *learner)
{
	struct zab_packet packet = zab_plain(ZAB_NEWLEADER, zxid_make(zab->lead.epoch, 0));
	const struct members *members = &zab->committed_members;

	packet.data = bytes_of(members->text, members->text_size);
	zab_send_packet(zab, learner->link, &packet);
}

/*
 * All above zxid: what was logged when we began to lead and what is committed since with its
 * COMMIT; to a follower, also the proposals that are outstanding.
 */
static void send_history(struct zab *zab, struct learner *learner, zxid_t zxid)
{
	const struct history *history = &zab->history;
	zxid_t committed = leader_committed(zab);
	zxid_t last = zxid;
	size_t i = history_after(history, zxid);

	if (zab->mutation == ZAB_MUTATION_DIFF_WITH_HOLE && i + 1 < history->count) {
		i++;
		last = history_at(history, i - 1)->zxid;
	}
	for (; i < history->count; i++) {
		const struct history_entry *entry = history_at(history, i);
		struct zab_packet packet = zab_plain(ZAB_PROPOSAL, entry->zxid);

		if (entry->zxid > committed && learner->is_observer)
			break;
		/* zxid itself may be one of a zxid that counts no transaction: epoch, 0. */
		ASSERT(last == zxid || history_follows(last, entry->zxid));
		packet.data = blob_bytes(entry->txn);
		zab_send_packet(zab, learner->link, &packet);
		last = entry->zxid;
		if (entry->zxid > committed)
			continue;
		packet = zab_plain(ZAB_COMMIT, entry->zxid);
		zab_send_packet(zab, learner->link, &packet);
	}
	learner->sent = last;
	learner->informed = committed;
}

static void start_forwarding(struct zab *zab, struct learner *learner)
{
	if (zab->mutation != ZAB_MUTATION_NEWLEADER_BEFORE_SNAP ||
	    learner->phase != LEARNER_SNAPSHOT)
		send_newleader(zab, learner);
	learner->phase = LEARNER_SYNCING;
	learner->deadline_ms = zab->now_ms + zab_init_limit_ms(zab) + zab_sync_limit_ms(zab);
}

static void sync_by(struct zab *zab, struct learner *learner, enum zab_packet_type type,
		    zxid_t zxid, zxid_t from)
{
	struct zab_packet packet = zab_plain(type, zxid);

	zab_log(zab, 1, "learner %lld: at 0x%llx, %s(0x%llx)", (long long)learner->sid,
		(unsigned long long)learner->last_zxid, zab_packet_name(type),
		(unsigned long long)zxid);
	zab_send_packet(zab, learner->link, &packet);
	send_history(zab, learner, from);
	start_forwarding(zab, learner);
}

static void sync_by_snapshot(struct zab *zab, struct learner *learner)
{
	if (zab->mutation == ZAB_MUTATION_NEWLEADER_BEFORE_SNAP)
		send_newleader(zab, learner);
	learner->phase = LEARNER_SNAPSHOT;
	learner->pin = zab->tree;
	learner->deadline_ms = INT64_MAX;
	zab_emit(zab, ZAB_SEND_SNAPSHOT, NULL)->link = learner->link;
}

/*
 * The table of spec 9.1 and 9.2. The window is without a gap, so a zxid within
 * it that it does not hold is one of an epoch that we know to have ended before it (SNAP),
 * or of no transaction: epoch, 0.
 */
static void sync_learner(struct zab *zab, struct learner *learner)
{
	const struct history *history = &zab->history;
	zxid_t last = leader_committed(zab);
	zxid_t zxid = learner->last_zxid;
	bool is_new_epoch = zxid_counter(zxid) == 0;

	if (zxid <= 0 && (last == 0 || (history->base == 0 && learner->current_epoch == 0))) {
		/* It is empty, and the window begins at the first transaction ever (R13). */
		sync_by(zab, learner, ZAB_DIFF, last, 0);
	} else if (zxid <= 0) {
		sync_by_snapshot(zab, learner);
	} else if (zxid == last) {
		sync_by(zab, learner, ZAB_DIFF, last, last);
	} else if (zxid > last && !is_new_epoch) {
		sync_by(zab, learner, ZAB_TRUNC, last, last);
	} else if (zxid < last && zxid >= history->base &&
		   (is_new_epoch || history_has(history, zxid))) {
		sync_by(zab, learner, ZAB_DIFF, last, zxid);
	} else {
		sync_by_snapshot(zab, learner);
	}
}

void leader_snapshot_opened(struct zab *zab, struct learner *learner, zxid_t zxid)
{
	struct zab_packet packet = zab_plain(ZAB_SNAP, zxid);

	if (learner->phase != LEARNER_SNAPSHOT)
		return;
	ASSERT(zxid >= learner->pin);
	ASSERT(zxid <= zab->delivered);
	learner->pin = zxid;
	zab_log(zab, 1, "learner %lld: at 0x%llx, SNAP(0x%llx)", (long long)learner->sid,
		(unsigned long long)learner->last_zxid, (unsigned long long)zxid);
	zab_send_packet(zab, learner->link, &packet);
}

/* NEWLEADER follows the last byte of the stream (R10). */
void leader_snapshot_sent(struct zab *zab, struct learner *learner)
{
	if (learner->phase != LEARNER_SNAPSHOT)
		return;
	send_history(zab, learner, learner->pin);
	start_forwarding(zab, learner);
	zab_trim(zab);
}

/* ---- the handshake ---- */

static void send_leaderinfo(struct zab *zab, struct learner *learner)
{
	struct zab_packet packet = zab_plain(ZAB_LEADERINFO, zxid_make(zab->lead.epoch, 0));
	uint8_t version[4];

	endian_put_u32(version, ZAB_PROTOCOL_VERSION);
	packet.data = bytes_of(version, sizeof(version));
	zab_send_packet(zab, learner->link, &packet);
	learner->phase = LEARNER_PROMISING;
}

/* One link a server: the newest. */
static void drop_older(struct zab *zab, const struct learner *learner)
{
	leader_for_each(zab, other) if (other != learner && other->sid == learner->sid)
		leader_drop(zab, other, 1, "has connected again");
}

static void take_info(struct zab *zab, struct learner *learner, const struct zab_packet *packet)
{
	struct zab_learner_info info;

	if (packet->type != ZAB_FOLLOWERINFO && packet->type != ZAB_OBSERVERINFO) {
		leader_drop(zab, learner, 2, "began with %s", zab_packet_name(packet->type));
		return;
	}
	if (zab_learner_info_read(packet->data, &info) < 0) {
		leader_drop(zab, learner, 2, "its %s is malformed", zab_packet_name(packet->type));
		return;
	}
	learner->sid = info.sid;
	learner->is_observer = packet->type == ZAB_OBSERVERINFO;
	learner->is_voter = !learner->is_observer && zab_is_voter(zab, info.sid);
	learner->accepted_epoch = zxid_epoch(packet->zxid);
	if (info.protocol_version < ZAB_PROTOCOL_VERSION) {
		leader_drop(zab, learner, 2, "its protocol 0x%x is that of 3.3 or older",
			    (unsigned)info.protocol_version);
	} else if (info.sid < 0) {
		leader_drop(zab, learner, 2, "its id is none");
	} else if (info.sid == zab->config.myid) {
		leader_drop(zab, learner, 2, "has our own id");
	} else if (info.config_version > zab->committed_members.version) {
		leader_drop(zab, learner, 2, "its configuration, version %llx, is newer than ours",
			    (unsigned long long)info.config_version);
	} else if (learner->accepted_epoch >= EPOCH_MAX) {
		leader_drop(zab, learner, 2, "its acceptedEpoch %u leaves none",
			    learner->accepted_epoch);
	} else {
		drop_older(zab, learner);
		learner->phase = LEARNER_INFORMED;
	}
}

/*
 * Epochs come to an end, and a server that is none of ours could use them all up. One that
 * observes us all the same follows whatever epoch there is; an Apache one waits for a higher.
 */
static void note_accepted_epoch(struct zab *zab, const struct learner *learner)
{
	if (learner->accepted_epoch > zab->accepted_max &&
	    members_find(&zab->committed_members, learner->sid))
		zab->accepted_max = learner->accepted_epoch;
}

static void follow_up_info(struct zab *zab, struct learner *learner)
{
	struct lead *lead = &zab->lead;

	if (learner->phase != LEARNER_INFORMED)
		return;
	note_accepted_epoch(zab, learner);
	if (lead->phase == LEAD_DISCOVERY)
		return;
	if (learner->is_voter && learner->accepted_epoch > lead->epoch) {
		/* It would have to refuse us for ever: the next epoch goes above it. */
		zab_leave(zab, 2, "server %lld has accepted epoch %u, ours is %u",
			  (long long)learner->sid, learner->accepted_epoch, lead->epoch);
		return;
	}
	if (lead->phase >= LEAD_PROMISES)
		send_leaderinfo(zab, learner);
}

static bool has_promised(const struct lead *lead, int64_t sid)
{
	for (size_t i = 0; i < lead->promise_count; i++)
		if (lead->promises[i] == sid)
			return true;
	return false;
}

static void add_promise(struct zab *zab, int64_t sid)
{
	struct lead *lead = &zab->lead;

	if (!has_promised(lead, sid) && lead->promise_count < MEMBERS_MAX)
		lead->promises[lead->promise_count++] = sid;
}

static void take_ackepoch(struct zab *zab, struct learner *learner, const struct zab_packet *packet)
{
	struct lead *lead = &zab->lead;
	bool is_early = lead->phase <= LEAD_PROMISES;
	bool is_newer;

	if (packet->type != ZAB_ACKEPOCH || bytes_size(packet->data) != 4) {
		leader_drop(zab, learner, 2, "%s where ACKEPOCH belongs",
			    zab_packet_name(packet->type));
		return;
	}
	learner->last_zxid = packet->zxid;
	learner->current_epoch = (int32_t)endian_get_u32(packet->data.data);
	is_newer = learner->current_epoch > (int64_t)zab->current_epoch ||
		   (learner->current_epoch == (int64_t)zab->current_epoch &&
		    learner->last_zxid > lead->history);
	if (is_early && learner->current_epoch != -1 && is_newer) {
		leader_drop(zab, learner, 2,
			    "epoch %d, zxid 0x%llx: its history is newer than ours",
			    learner->current_epoch, (unsigned long long)learner->last_zxid);
		if (learner->is_voter)
			zab_leave(zab, 2, "server %lld should lead", (long long)learner->sid);
		return;
	}
	learner->phase = LEARNER_PROMISED;
	if (learner->is_voter && learner->current_epoch != -1 && learner->last_zxid != -1)
		add_promise(zab, learner->sid);
	if (is_early && learner->is_voter && !has_promised(lead, learner->sid) &&
	    learner->current_epoch == -1) {
		/* It promised this epoch to another leader, and we may need it. */
		zab_leave(zab, 2, "server %lld had accepted epoch %u before",
			  (long long)learner->sid, lead->epoch);
		return;
	}
	if (lead->phase >= LEAD_SYNC)
		sync_learner(zab, learner);
}

static bool is_newleaders(const struct zab *zab, zxid_t zxid)
{
	return zxid == zxid_make(zab->lead.epoch, 0);
}

/* From here on the learner's acks count (zab.h, invariant 4). */
static void take_newleader_ack(struct zab *zab, struct learner *learner,
			       const struct zab_packet *packet)
{
	if (packet->type != ZAB_ACK) {
		leader_drop(zab, learner, 2, "%s where the ACK of NEWLEADER belongs",
			    zab_packet_name(packet->type));
		return;
	}
	if (!is_newleaders(zab, packet->zxid)) {
		zab_log(zab, 2, "learner %lld: an ACK of 0x%llx came before that of NEWLEADER",
			(long long)learner->sid, (unsigned long long)packet->zxid);
		return;
	}
	learner->phase = LEARNER_ACKED;
	learner->acked = learner->informed < learner->sent ? learner->informed : learner->sent;
	if (zab->lead.phase == LEAD_ESTABLISHED)
		leader_uptodate(zab, learner);
}

void leader_packet(struct zab *zab, struct learner *learner, const struct zab_packet *packet)
{
	switch (learner->phase) {
	case LEARNER_CONNECTED:
		take_info(zab, learner, packet);
		follow_up_info(zab, learner);
		break;
	case LEARNER_PROMISING:
		take_ackepoch(zab, learner, packet);
		break;
	case LEARNER_SYNCING:
		take_newleader_ack(zab, learner, packet);
		break;
	case LEARNER_ACKED:
	case LEARNER_SYNCED:
		leader_broadcast_packet(zab, learner, packet);
		break;
	case LEARNER_INFORMED:
	case LEARNER_PROMISED:
	case LEARNER_SNAPSHOT:
		leader_drop(zab, learner, 2, "%s where none belongs",
			    zab_packet_name(packet->type));
		break;
	case LEARNER_GONE:
		break;
	}
}

/* ---- the phases ---- */

static void enter(struct zab *zab, enum lead_phase phase)
{
	zab->lead.phase = phase;
	zab->lead.deadline_ms = zab->now_ms + zab_init_limit_ms(zab);
}

void leader_begin(struct zab *zab)
{
	ASSERT(list_is_empty(&zab->lead.learners));
	zab->lead = (struct lead){
		.history = zab->logged,
	};
	list_init(&zab->lead.learners);
	if (zab->accepted_epoch > zab->accepted_max)
		zab->accepted_max = zab->accepted_epoch;
	enter(zab, LEAD_DISCOVERY);
	zab_emit(zab, ZAB_LISTEN, NULL);
}

void leader_end(struct zab *zab)
{
	leader_for_each(zab, learner)
	{
		zab_emit(zab, ZAB_CLOSE, NULL)->link = learner->link;
		learner->phase = LEARNER_GONE;
	}
	leader_sweep(zab);
	zab_emit(zab, ZAB_UNLISTEN, NULL);
}

/* Ourselves, and the voters that have come to a phase. */
static bool has_quorum(const struct zab *zab, enum learner_phase phase)
{
	struct zab_voters voters;

	zab_voters_init(zab, &voters, ZAB_MUTATION_MINORITY_ELECTION);
	zab_voters_add(&voters, zab->config.myid);
	leader_for_each(zab, learner)
	{
		if (learner->phase < phase)
			continue;
		if (learner->is_voter)
			zab_voters_add(&voters, learner->sid);
		else if (zab->mutation == ZAB_MUTATION_OBSERVER_COUNTS)
			voters.spare++;
	}
	return zab_is_quorum(zab, &voters);
}

static bool has_promises(const struct zab *zab)
{
	struct zab_voters voters;

	zab_voters_init(zab, &voters, ZAB_MUTATION_MINORITY_ELECTION);
	zab_voters_add(&voters, zab->config.myid);
	for (size_t i = 0; i < zab->lead.promise_count; i++)
		zab_voters_add(&voters, zab->lead.promises[i]);
	return zab_is_quorum(zab, &voters);
}

/* A number that nobody in the quorum has accepted before (R14). */
static void fix_epoch(struct zab *zab)
{
	struct lead *lead = &zab->lead;

	lead->epoch = zab->accepted_max + 1;
	if (zab->mutation == ZAB_MUTATION_REUSE_EPOCH && zab->accepted_max > 0)
		lead->epoch = zab->accepted_max;
	lead->proposed = zxid_make(lead->epoch, 0);
	if (lead->proposed < lead->history) {
		ASSERT(zab->mutation == ZAB_MUTATION_REUSE_EPOCH);
		lead->proposed = lead->history;
	}
	zab_set_epochs(zab, lead->epoch, zab->current_epoch);
	enter(zab, LEAD_ACCEPTING);
}

bool leader_advance(struct zab *zab)
{
	struct lead *lead = &zab->lead;

	switch (lead->phase) {
	case LEAD_DISCOVERY:
		if (zab->accepted_max >= EPOCH_MAX)
			zab_fatal(zab, "acceptedEpoch %u leaves no epoch", zab->accepted_max);
		if (zab->is_dead || !has_quorum(zab, LEARNER_INFORMED))
			return false;
		fix_epoch(zab);
		return true;
	case LEAD_ACCEPTING:
		if (zab->accepted_epoch != lead->epoch || zab->pending_count > 0)
			return false;
		enter(zab, LEAD_PROMISES);
		leader_for_each(zab, learner) if (learner->phase == LEARNER_INFORMED)
			send_leaderinfo(zab, learner);
		return true;
	case LEAD_PROMISES:
		if (!has_promises(zab))
			return false;
		zab_set_epochs(zab, lead->epoch, lead->epoch);
		enter(zab, LEAD_SYNC);
		leader_for_each(zab, learner) if (learner->phase == LEARNER_PROMISED)
			sync_learner(zab, learner);
		return true;
	case LEAD_SYNC:
		if (zab->current_epoch != lead->epoch || zab->pending_count > 0 ||
		    !has_quorum(zab, LEARNER_ACKED))
			return false;
		enter(zab, LEAD_ESTABLISHED);
		leader_established(zab);
		return true;
	case LEAD_ESTABLISHED:
		break;
	}
	return false;
}
