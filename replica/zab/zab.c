/* The core's life: events come in, roles change, actions go out. */
#include <errno.h>
#include <stdlib.h>

#include "replica/zab/zab_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

static void notify(void *data, int64_t sid, struct bytes bytes)
{
	struct zab *zab = data;
	struct blob *owned = blob_new(bytes);
	struct zab_action *action = zab_emit(zab, ZAB_NOTIFY, owned);

	action->sid = sid;
	action->bytes = blob_bytes(owned);
}

msec_t zab_init_limit_ms(const struct zab *zab)
{
	return zab->config.init_limit * zab->config.tick_ms;
}

msec_t zab_sync_limit_ms(const struct zab *zab)
{
	return zab->config.sync_limit * zab->config.tick_ms;
}

/* ---- the own disk ---- */

struct history *zab_log_of(struct zab *zab)
{
	return zab->is_staging ? &zab->staged : &zab->history;
}

zxid_t zab_appended(const struct zab *zab)
{
	return history_last(zab->is_staging ? &zab->staged : &zab->history);
}

void zab_append(struct zab *zab, zxid_t zxid, struct blob *txn)
{
	struct zab_action *action;

	history_append(zab_log_of(zab), zxid, txn);
	action = zab_emit(zab, ZAB_APPEND, blob_ref(txn));
	action->zxid = zxid;
	action->txn = txn;
	action->committed = zab->is_staging ? zab->staged.base : zab->committed;
}

bool zab_may_count(const struct zab *zab)
{
	if (!zab->is_empty || zab->mutation == ZAB_MUTATION_EMPTY_VOTES)
		return true;
	/* It voted with 0, not -1: all voters are empty, or the operator said so. */
	return zab->election.own.zxid == 0;
}

static void add_pending(struct zab *zab, uint32_t accepted_epoch, uint32_t current_epoch)
{
	bool is_install = zab->is_staging;
	struct zab_action *action =
		zab_emit(zab, is_install ? ZAB_INSTALL_SNAPSHOT : ZAB_SET_EPOCHS, NULL);

	ASSERT(accepted_epoch >= current_epoch);
	ASSERT(zab->pending_count < ZAB_PENDING_MAX);
	action->accepted_epoch = accepted_epoch;
	action->current_epoch = current_epoch;
	action->is_empty = current_epoch == 0 && !zab_may_count(zab);
	action->zxid = zab->staged.base;
	zab->pending[zab->pending_count++] = (struct zab_pending){
		.accepted_epoch = accepted_epoch,
		.current_epoch = current_epoch,
		.appended = zab_appended(zab),
		.is_install = is_install,
		.is_empty = action->is_empty,
	};
}

void zab_set_epochs(struct zab *zab, uint32_t accepted_epoch, uint32_t current_epoch)
{
	add_pending(zab, accepted_epoch, current_epoch);
}

void zab_truncate(struct zab *zab, zxid_t zxid)
{
	ASSERT(!zab->is_staging);
	ASSERT(zab->logged == zab_appended(zab));
	ASSERT(zxid >= zab->delivered);
	history_truncate(&zab->history, zxid);
	zab->logged = zxid;
	if (zab->mutation == ZAB_MUTATION_KEEP_AT_TRUNC)
		return;
	zab_emit(zab, ZAB_TRUNCATE, NULL)->zxid = zxid;
	zab->truncating++;
}

bool zab_is_drained(const struct zab *zab)
{
	return zab->logged == zab_appended(zab) && zab->pending_count == 0 && zab->truncating == 0;
}

void zab_advance(struct zab *zab)
{
	zxid_t target = zab->known < zab->logged ? zab->known : zab->logged;

	if (zab->mutation == ZAB_MUTATION_COMMIT_BEFORE_LOGGED)
		target = zab->known;
	if (!zab->may_deliver)
		return;
	for (size_t i = history_after(&zab->history, zab->delivered); i < zab->history.count; i++) {
		const struct history_entry *entry = history_at(&zab->history, i);
		struct zab_action *action;

		if (entry->zxid > target)
			break;
		action = zab_emit(zab, ZAB_DELIVER, blob_ref(entry->txn));
		action->zxid = entry->zxid;
		action->txn = entry->txn;
		zab->delivered = entry->zxid;
	}
	if (target > zab->committed)
		zab->committed = target;
}

void zab_trim(struct zab *zab)
{
	zxid_t limit = zab->tree;

	if (zab->state == ZAB_LEADING)
		leader_for_each(zab, learner)
		{
			zxid_t pin = limit;

			if (learner->phase == LEARNER_SNAPSHOT)
				pin = learner->pin;
			else if (learner->phase == LEARNER_SYNCING ||
				 learner->phase == LEARNER_ACKED)
				pin = learner->informed;
			if (pin < limit)
				limit = pin;
		}
	history_trim(&zab->history, limit, zab->config.history_size_max,
		     zab->config.history_count_max);
}

/* The staged generation is the valid one. */
static void install(struct zab *zab)
{
	zxid_t last = history_last(&zab->history);

	ASSERT(zab->is_staging);
	if (zab->mutation == ZAB_MUTATION_KEEP_LOG_AT_SNAP && last > history_last(&zab->staged)) {
		history_release(&zab->staged); /* the old log seems to go on behind the snapshot */
	} else {
		history_release(&zab->history);
		zab->history = zab->staged;
		history_init(&zab->staged, 0);
	}
	zab->is_staging = false;
	zab->needs_snapshot = false;
}

void zab_abort_staged(struct zab *zab)
{
	if (!zab->is_staging)
		return;
	for (size_t i = 0; i < zab->pending_count; i++)
		if (zab->pending[i].is_install)
			return; /* too late: it will be valid */
	zab_emit(zab, ZAB_ABORT_SNAPSHOT, NULL);
	history_release(&zab->staged);
	zab->is_staging = false;
}

/* ---- life ---- */

void zab_config_init(struct zab_config *config)
{
	*config = (struct zab_config){
		.tick_ms = 3000,
		.init_limit = 10,
		.sync_limit = 5,
		.data_size_max = 1048575 + 1024 * 1024,
		.history_size_max = 32 * 1024 * 1024,
		.history_count_max = 100000,
		.pinned_size_max = 256 * 1024 * 1024,
		.outstanding_size_max = 64 * 1024 * 1024,
	};
}

struct zab *zab_new(const struct zab_config *config, const struct zab_durable *durable)
{
	struct zab *zab = mem_zalloc(sizeof(*zab));

	ASSERT(members_find(&config->members, config->myid) != NULL);
	ASSERT(durable->accepted_epoch >= durable->current_epoch);
	ASSERT(durable->base_zxid <= durable->tree_zxid);
	ASSERT(durable->tree_zxid <= durable->committed_zxid);
	ASSERT(!durable->is_empty || (durable->current_epoch == 0 && durable->tree_zxid == 0));
	zab->config = *config;
	zab->config.members = (struct members){0};
	members_copy(&zab->committed_members, &config->members);
	members_copy(&zab->last_seen_members, &config->members);
	zab->is_empty = durable->is_empty;
	zab->accepted_epoch = durable->accepted_epoch;
	zab->current_epoch = durable->current_epoch;
	zab->base = durable->base_zxid;
	zab->tree = durable->tree_zxid;
	zab->committed = durable->committed_zxid;
	zab->known = durable->committed_zxid;
	zab->delivered = durable->committed_zxid;
	history_init(&zab->history, durable->tree_zxid);
	history_init(&zab->staged, 0);
	list_init(&zab->lead.learners);
	buf_init(&zab->scratch, (size_t)config->data_size_max + ZAB_AUTH_SIZE_MAX + 64);
	election_init(&zab->election, config->myid, &zab->committed_members, notify, zab);
	election_set_bootstrap(&zab->election, config->may_bootstrap);
	return zab;
}

void zab_free(struct zab *zab)
{
	struct list *link;

	if (!zab)
		return;
	while ((link = list_first(&zab->lead.learners))) {
		list_remove(link);
		free(list_item(link, struct learner, link_in_list));
	}
	for (size_t i = 0; i < zab->queue_count; i++)
		blob_unref(zab->queue[i].owned);
	free(zab->queue);
	zab_forget_held(zab);
	free(zab->held);
	history_release(&zab->history);
	history_release(&zab->staged);
	election_release(&zab->election);
	members_release(&zab->committed_members);
	members_release(&zab->last_seen_members);
	members_release(&zab->weakened_members);
	buf_release(&zab->scratch);
	free(zab);
}

/* What comes before the oldest row of the log, as far as that can be known. */
static bool begin_history(struct zab *zab, zxid_t oldest)
{
	if (oldest > zab->tree) {
		history_init(&zab->history, zab->tree);
		return true;
	}
	if (zxid_counter(oldest) > 1) {
		history_init(&zab->history, oldest - 1);
		return true;
	}
	history_init(&zab->history, oldest); /* of an epoch: the one before it is not known */
	return false;
}

int zab_recover(struct zab *zab, zxid_t zxid, struct blob *txn)
{
	ASSERT(!zab->is_started);
	if (zab->logged == 0 && !begin_history(zab, zxid)) {
		zab->logged = zxid;
		return 0;
	}
	if (!history_follows(history_last(&zab->history), zxid))
		return -EBADMSG;
	history_append(&zab->history, zxid, txn);
	zab->logged = zxid;
	return 0;
}

void zab_start(struct zab *zab, msec_t now_ms)
{
	ASSERT(!zab->is_started);
	if (zab->logged < zab->tree) {
		history_release(&zab->history); /* the tree is ahead of all rows */
		history_init(&zab->history, zab->tree);
	}
	zab->logged = history_last(&zab->history);
	ASSERT(zab->committed <= zab->logged);
	zab_trim(zab);
	zab->is_started = true;
	zab->now_ms = now_ms;
	zab->looking_since_ms = now_ms;
	zab_take_role(zab, ZAB_LOOKING, 0, false);
	if (zab->mutation == ZAB_MUTATION_APPLY_TAIL_AT_RESTART) {
		zab->known = zab->logged;
		zab->may_deliver = true;
		zab_advance(zab);
		zab->may_deliver = false;
	}
	zab_settle(zab);
}

/* Two votes of ours and none of another: a majority less one elects. */
static void weaken_election(struct zab *zab)
{
	struct members *members = &zab->weakened_members;
	bool has_lost = false;

	members_release(members);
	members_copy(members, &zab->committed_members);
	members->has_groups = true;
	for (size_t i = 0; i < members->count; i++) {
		struct member *member = &members->members[i];

		if (member->is_observer)
			continue;
		member->group = 1;
		member->weight = member->sid == zab->config.myid ? 2 : has_lost ? 1 : 0;
		has_lost = has_lost || member->weight == 0;
	}
	election_set_members(&zab->election, members, NULL);
}

void zab_set_mutation(struct zab *zab, enum zab_mutation mutation)
{
	zab->mutation = mutation;
	if (mutation == ZAB_MUTATION_MINORITY_ELECTION)
		weaken_election(zab);
}

/* ---- events: time and election ---- */

void zab_tick(struct zab *zab, msec_t now_ms)
{
	ASSERT(now_ms >= zab->now_ms);
	zab->now_ms = now_ms;
	if (zab->is_dead)
		return;
	election_tick(&zab->election, now_ms);
	if (zab->state == ZAB_LEADING)
		leader_tick(zab);
	else if (zab->state != ZAB_LOOKING)
		learner_tick(zab);
	zab_settle(zab);
}

msec_t zab_next_tick_ms(const struct zab *zab)
{
	msec_t election = election_next_tick_ms(&zab->election);
	msec_t role = INT64_MAX;

	if (zab->is_dead)
		return INT64_MAX;
	if (zab->state == ZAB_LEADING)
		role = leader_next_tick_ms(zab);
	else if (zab->state != ZAB_LOOKING)
		role = zab->follow.deadline_ms;
	else if (!zab->is_electing && zab->look_at_ms > zab->now_ms)
		role = zab->look_at_ms;
	return election < role ? election : role;
}

void zab_notification(struct zab *zab, int64_t sid, struct bytes bytes)
{
	if (zab->is_dead || !zab->is_started)
		return;
	zab_hear(zab, sid, bytes);
	zab_settle(zab);
}

void zab_set_reachable(struct zab *zab, int64_t sid, enum election_reach reach)
{
	if (zab->is_dead)
		return;
	zab_forget_held_of(zab, sid);
	election_set_reachable(&zab->election, sid, reach, zab->now_ms);
	if (reach == ELECTION_UNREACHABLE && zab->state != ZAB_LOOKING)
		learner_unreachable(zab, sid);
	if (zab->is_started)
		zab_settle(zab);
}

/* ---- events: links ---- */

static void close_link(struct zab *zab, zab_link_t link)
{
	zab_emit(zab, ZAB_CLOSE, NULL)->link = link;
}

void zab_link_accepted(struct zab *zab, zab_link_t link)
{
	ASSERT(link != ZAB_LINK_NONE);
	if (zab->is_dead)
		return;
	if (zab->state != ZAB_LEADING) {
		close_link(zab, link);
		return;
	}
	leader_accept(zab, link);
	zab_settle(zab);
}

void zab_connected(struct zab *zab, zab_link_t link)
{
	bool is_wanted = zab->state == ZAB_FOLLOWING || zab->state == ZAB_OBSERVING;

	if (zab->is_dead)
		return;
	if (!is_wanted || zab->follow.phase != FOLLOW_CONNECTING) {
		if (link != ZAB_LINK_NONE)
			close_link(zab, link); /* it crossed our ZAB_DISCONNECT */
		return;
	}
	learner_connected(zab, link);
	zab_settle(zab);
}

static bool is_leaders_link(const struct zab *zab, zab_link_t link)
{
	return (zab->state == ZAB_FOLLOWING || zab->state == ZAB_OBSERVING) &&
	       link != ZAB_LINK_NONE && zab->follow.link == link;
}

void zab_link_closed(struct zab *zab, zab_link_t link)
{
	struct learner *learner;

	if (zab->is_dead)
		return;
	if (is_leaders_link(zab, link)) {
		zab->follow.link = ZAB_LINK_NONE;
		zab_leave(zab, 2, "the connection to the leader, server %lld, has ended",
			  (long long)zab->follow.leader);
	} else if (zab->state == ZAB_LEADING && (learner = leader_find(zab, link))) {
		learner->link = ZAB_LINK_NONE;
		leader_drop(zab, learner, 1, "the connection has ended");
	}
	zab_settle(zab);
}

void zab_packet(struct zab *zab, zab_link_t link, const struct zab_packet *packet)
{
	struct learner *learner;

	if (zab->is_dead)
		return;
	if (is_leaders_link(zab, link))
		learner_packet(zab, packet);
	else if (zab->state == ZAB_LEADING && (learner = leader_find(zab, link)))
		leader_packet(zab, learner, packet);
	zab_settle(zab); /* of a link that was closed here: nothing */
}

/* ---- events: the own disk ---- */

static void logged(struct zab *zab)
{
	if (zab->state == ZAB_LEADING)
		leader_commit(zab);
	else if (zab->state != ZAB_LOOKING)
		learner_ack(zab);
	zab_advance(zab);
}

void zab_logged(struct zab *zab, zxid_t zxid)
{
	if (zab->is_dead || zab->is_staging)
		return; /* a staged generation's appends count from its installation on */
	if (zab->mutation == ZAB_MUTATION_NO_DRAIN && zxid > zab_appended(zab))
		return;
	ASSERT(zxid <= zab_appended(zab));
	if (zxid > zab->logged) {
		zab->logged = zxid;
		logged(zab);
	}
	zab_settle(zab);
}

void zab_epochs_durable(struct zab *zab)
{
	struct zab_pending done = zab->pending[0];

	if (zab->is_dead)
		return;
	ASSERT(zab->pending_count > 0);
	zab->pending_count--;
	for (size_t i = 0; i < zab->pending_count; i++)
		zab->pending[i] = zab->pending[i + 1];
	zab->accepted_epoch = done.accepted_epoch;
	zab->current_epoch = done.current_epoch;
	zab->is_empty = zab->is_empty && done.is_empty;
	if (done.is_install) {
		zxid_t zxid = zab->staged.base;

		install(zab);
		zab->base = zab->tree = zab->committed = zab->delivered = zxid;
		zab->known = zab->known > zxid ? zab->known : zxid;
		zab->logged = done.appended;
		if (zab->mutation == ZAB_MUTATION_KEEP_LOG_AT_SNAP)
			zab->logged = zab_appended(zab);
	}
	if (done.appended > zab->logged)
		zab->logged = done.appended;
	if (zab->state == ZAB_FOLLOWING || zab->state == ZAB_OBSERVING)
		learner_epochs_durable(zab);
	logged(zab);
	zab_settle(zab);
}

void zab_truncated(struct zab *zab)
{
	if (zab->is_dead)
		return;
	ASSERT(zab->truncating > 0);
	zab->truncating--;
	zab_settle(zab);
}

void zab_tree_durable(struct zab *zab, zxid_t zxid)
{
	if (zab->is_dead || zab->is_staging)
		return; /* the old generation's, or one that may become void */
	ASSERT(zxid >= zab->tree);
	ASSERT(zxid <= zab->delivered);
	zab->tree = zxid;
	zab_trim(zab);
}

/* ---- events: snapshots ---- */

void zab_snapshot_opened(struct zab *zab, zab_link_t link, zxid_t zxid)
{
	struct learner *learner = zab->state == ZAB_LEADING ? leader_find(zab, link) : NULL;

	if (zab->is_dead || !learner)
		return;
	leader_snapshot_opened(zab, learner, zxid);
	zab_settle(zab);
}

void zab_snapshot_sent(struct zab *zab, zab_link_t link)
{
	struct learner *learner = zab->state == ZAB_LEADING ? leader_find(zab, link) : NULL;

	if (zab->is_dead || !learner)
		return;
	leader_snapshot_sent(zab, learner);
	zab_settle(zab);
}

void zab_snapshot_received(struct zab *zab, zab_link_t link, bool is_good)
{
	if (zab->is_dead || !is_leaders_link(zab, link))
		return;
	learner_snapshot_received(zab, is_good);
	zab_settle(zab);
}

/* ---- the application ---- */

bool zab_can_propose(const struct zab *zab)
{
	return !zab->is_dead && zab->state == ZAB_LEADING && zab->lead.phase == LEAD_ESTABLISHED &&
	       zxid_counter(zab->lead.proposed) < UINT32_MAX - 1 &&
	       history_size_after(&zab->history, zab->known) < zab->config.outstanding_size_max;
}

zxid_t zab_next_zxid(const struct zab *zab)
{
	ASSERT(zab->state == ZAB_LEADING);
	return zab->lead.proposed + 1;
}

void zab_send(struct zab *zab, zab_link_t link, const struct zab_packet *packet)
{
	struct learner *learner;

	if (zab->is_dead)
		return;
	if (zab->state == ZAB_LEADING) {
		learner = leader_find(zab, link);
		if (learner && learner->phase == LEARNER_SYNCED)
			zab_send_packet(zab, link, packet);
	} else if (zab->state != ZAB_LOOKING && zab->follow.phase == FOLLOW_BROADCAST) {
		zab_send_packet(zab, zab->follow.link, packet);
	}
}
