#include "t/sim/sim-check.h"

#include <inttypes.h>
#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "t/sim/sim-check-impl.h"

struct sim_check *sim_check_new(struct sim_world *world, const struct members *members)
{
	struct sim_check *check = mem_zalloc(sizeof(*check));

	check->world = world;
	members_copy(&check->members, members);
	check->model = sim_app_new();
	return check;
}

void sim_check_free(struct sim_check *check)
{
	if (!check)
		return;
	members_release(&check->members);
	sim_app_free(check->model);
	free(check->history);
	free(check);
}

void sim_check_only_consequences(struct sim_check *check)
{
	check->only_consequences = true;
}

void sim_check_add_disk(struct sim_check *check, int64_t sid, const struct sim_disk *disk)
{
	if (check)
		check->disks[sid] = disk;
}

/* ---- quorums, as they are and not as anybody believes ---- */

struct asked {
	const struct sim_check *check;
	sim_voter_fn *has;
	int64_t what;
};

static bool asked_has(const void *data, int64_t sid)
{
	const struct asked *asked = data;

	return asked->has(asked->check, sid, asked->what);
}

bool sim_check_quorum(const struct sim_check *check, sim_voter_fn *has, int64_t what)
{
	struct asked asked = {check, has, what};

	return members_is_quorum(&check->members, asked_has, &asked);
}

/* A disk that was wiped since did hold it, when that was promised. */
bool sim_check_voter_holds(const struct sim_check *check, int64_t sid, int64_t zxid)
{
	const struct sim_disk *disk = check->disks[sid];

	return sim_disk_holds(disk, zxid) || zxid <= disk->wiped_zxid;
}

static bool voter_reached(const struct sim_check *check, int64_t sid, int64_t epoch)
{
	const struct sim_disk *disk = check->disks[sid];

	return disk->current_epoch >= epoch || disk->wiped_epoch >= epoch;
}

bool sim_check_voter_promised(const struct sim_check *check, int64_t sid, int64_t epoch)
{
	const struct sim_disk *disk = check->disks[sid];

	return disk->accepted_epoch >= epoch || disk->wiped_accepted_epoch >= epoch;
}

struct sim_epoch *sim_check_epoch_of(struct sim_check *check, uint32_t number)
{
	ASSERT(number < SIM_EPOCHS_MAX);
	return &check->epochs[number];
}

/* ---- the history ---- */

/* The place of a zxid; count, where it is not there. */
static size_t place_of(const struct sim_check *check, zxid_t zxid)
{
	size_t low = 0;
	size_t high = check->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (check->history[middle].zxid < zxid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < check->count && check->history[low].zxid == zxid ? low : check->count;
}

static void check_session(struct sim_check *check, zxid_t zxid, const struct sim_request *request)
{
	uint32_t attachment = check->sessions[request->session].attachment;
	int32_t cxid = check->sessions[request->session].cxid;
	bool is_next;

	if (request->attachment < attachment)
		return; /* moved: refused */
	is_next = request->attachment == attachment
			  ? request->cxid == cxid + 1
			  : request->cxid > cxid && request->opcode == SIM_OPEN;
	if (!is_next)
		sim_fail(check->world,
			 "session %" PRId64
			 ": request %d of attachment %u is committed at 0x%" PRIx64
			 " after request %d of attachment %u",
			 request->session, request->cxid, request->attachment, zxid, cxid,
			 attachment);
	check->sessions[request->session].attachment = request->attachment;
	check->sessions[request->session].cxid = request->cxid;
}

static void check_order(struct sim_check *check, int64_t sid, zxid_t zxid, int64_t leader,
			zxid_t own_zxid)
{
	zxid_t last = sim_check_last(check);
	bool follows = zxid == last + 1 ||
		       (zxid_epoch(zxid) > zxid_epoch(last) && zxid_counter(zxid) == 1);

	if (!follows)
		sim_fail(check->world,
			 "server %" PRId64 " delivers 0x%" PRIx64
			 ", but the history ends at 0x%" PRIx64,
			 sid, zxid, last);
	if (own_zxid != zxid || sim_check_epoch_of(check, zxid_epoch(zxid))->leader != leader)
		sim_fail(check->world,
			 "server %" PRId64 " delivers 0x%" PRIx64 ", proposed as 0x%" PRIx64
			 " by %" PRId64 ", which does not lead that epoch",
			 sid, zxid, own_zxid, leader);
	if (!check->only_consequences && !sim_check_quorum(check, sim_check_voter_holds, zxid))
		sim_fail(check->world,
			 "server %" PRId64 " delivers 0x%" PRIx64 ", which no quorum has durable",
			 sid, zxid);
}

static void append(struct sim_check *check, int64_t sid, zxid_t zxid, struct bytes txn)
{
	struct sim_request request;
	struct sim_entry *entry;
	int64_t leader;
	zxid_t own_zxid;

	if (!sim_txn_decode(txn, &request, &leader, &own_zxid)) {
		sim_fail(check->world, "server %" PRId64 " delivers 0x%" PRIx64 ": no transaction",
			 sid, zxid);
		return;
	}
	check_order(check, sid, zxid, leader, own_zxid);
	check_session(check, zxid, &request);
	if (check->world->has_failed)
		return;
	if (check->count == check->capacity) {
		check->capacity = check->capacity ? check->capacity * 2 : 1024;
		check->history =
			mem_realloc(check->history, check->capacity * sizeof(check->history[0]));
	}
	entry = &check->history[check->count++];
	entry->zxid = zxid;
	entry->hash = sim_hash(0, txn.data, bytes_size(txn));
	entry->result = sim_app_apply(check->model, zxid, txn);
	entry->digest = sim_app_digest(check->model);
	entry->session = request.session;
	entry->cxid = request.cxid;
	if (sim_app_orphans(check->model) > 0)
		sim_fail(check->world, "0x%" PRIx64 " leaves an ephemeral without a session", zxid);
}

void sim_check_restored(struct sim_check *check, int64_t sid, zxid_t zxid, uint64_t digest)
{
	size_t place;

	if (!check)
		return;
	if (zxid_counter(zxid) == 0) { /* an epoch without a transaction yet, or nothing at all */
		place = 0;
		while (place < check->count && check->history[place].zxid < zxid)
			place++;
		check->positions[sid] = place;
		return;
	}
	place = place_of(check, zxid);
	if (place == check->count) {
		sim_fail(check->world,
			 "server %" PRId64 " has a tree at 0x%" PRIx64
			 ", which was never committed",
			 sid, zxid);
		return;
	}
	if (check->history[place].digest != digest)
		sim_fail(check->world,
			 "server %" PRId64 ": another digest of its tree at 0x%" PRIx64, sid, zxid);
	check->positions[sid] = place + 1;
}

void sim_check_applied(struct sim_check *check, int64_t sid, zxid_t zxid, struct bytes txn,
		       struct sim_result result, uint64_t digest)
{
	const struct sim_entry *entry;

	if (!check || check->world->has_failed)
		return;
	if (!check->only_consequences && !sim_disk_holds(check->disks[sid], zxid))
		sim_fail(check->world,
			 "server %" PRId64 " delivers 0x%" PRIx64
			 ", which its own log does not hold",
			 sid, zxid);
	if (check->positions[sid] == check->count)
		append(check, sid, zxid, txn);
	if (check->world->has_failed)
		return;
	entry = &check->history[check->positions[sid]++];
	if (entry->zxid != zxid)
		sim_fail(check->world,
			 "server %" PRId64 " delivers 0x%" PRIx64
			 " where the history has 0x%" PRIx64,
			 sid, zxid, entry->zxid);
	else if (entry->hash != sim_hash(0, txn.data, bytes_size(txn)))
		sim_fail(check->world, "server %" PRId64 " delivers other bytes at 0x%" PRIx64, sid,
			 zxid);
	else if (entry->digest != digest || entry->result.code != result.code ||
		 entry->result.number != result.number)
		sim_fail(check->world, "server %" PRId64 ": another state at 0x%" PRIx64, sid,
			 zxid);
}

void sim_check_proposed(struct sim_check *check, int64_t sid, zxid_t zxid)
{
	if (check && sim_check_epoch_of(check, zxid_epoch(zxid))->leader != sid)
		sim_fail(check->world,
			 "server %" PRId64 " proposes 0x%" PRIx64
			 " in an epoch that it does not lead",
			 sid, zxid);
}

void sim_check_acknowledged(struct sim_check *check, int64_t session, int32_t cxid, zxid_t zxid)
{
	size_t place;

	if (!check)
		return;
	place = place_of(check, zxid);
	if (place == check->count || check->history[place].session != session ||
	    check->history[place].cxid != cxid)
		sim_fail(check->world,
			 "session %" PRId64 ": request %d is acknowledged at 0x%" PRIx64
			 ", where the history has another",
			 session, cxid, zxid);
}

/* ---- roles ---- */

struct electors {
	const uint32_t *heard;
	int64_t sid, leader;
};

static bool elector_has(const void *data, int64_t sid)
{
	const struct electors *electors = data;

	return sid == electors->sid || (electors->heard[sid] & UINT32_C(1) << electors->leader);
}

void sim_check_elected(struct sim_check *check, int64_t sid, int64_t leader,
		       const uint32_t heard[SIM_NODES_MAX])
{
	struct electors electors = {heard, sid, leader};

	if (check && !check->only_consequences &&
	    !members_is_quorum(&check->members, elector_has, &electors))
		sim_fail(check->world,
			 "server %" PRId64 " takes %" PRId64
			 " for elected, without a quorum of votes",
			 sid, leader);
}

/*
 * Of the epochs before. There can be a later one already: the last ack of NEWLEADER was long under
 * way, and who sent it has gone on. That leader can commit nothing any more.
 */
static bool has_history_before(const struct sim_check *check, int64_t sid, uint32_t number)
{
	size_t position = check->positions[sid];

	return position == check->count || zxid_epoch(check->history[position].zxid) >= number;
}

void sim_check_serving(struct sim_check *check, int64_t sid, enum zab_state state, uint32_t number)
{
	struct sim_epoch *epoch;

	if (!check)
		return;
	epoch = sim_check_epoch_of(check, number);
	if (!check->only_consequences && check->disks[sid]->current_epoch != number)
		sim_fail(check->world, "server %" PRId64 " serves epoch %u, but its disk says %u",
			 sid, number, check->disks[sid]->current_epoch);
	if (state != ZAB_LEADING) {
		if (!epoch->leader)
			sim_fail(check->world,
				 "server %" PRId64 " serves epoch %u, which nobody leads", sid,
				 number);
		return;
	}
	if (epoch->leader)
		sim_fail(check->world, "epoch %u is established by %" PRId64 " and by %" PRId64,
			 number, epoch->leader, sid);
	if (!check->only_consequences && !sim_check_quorum(check, voter_reached, number))
		sim_fail(check->world, "server %" PRId64 " leads epoch %u without a quorum in it",
			 sid, number);
	if (!has_history_before(check, sid, number))
		sim_fail(check->world,
			 "server %" PRId64
			 " leads epoch %u without the history before it, up to 0x%" PRIx64,
			 sid, number, sim_check_last(check));
	epoch->leader = sid;
	if (number > check->established)
		check->established = number;
}

/*
 * What a log holds of epochs before must be what the leader's holds. As long as that leader's disk
 * is of this epoch: later its log may be cut.
 */
static void check_same_log(struct sim_check *check, int64_t sid, uint32_t number, int64_t leader)
{
	const struct sim_generation *own = &check->disks[sid]->valid;
	const struct sim_generation *its = &check->disks[leader]->valid;

	if (check->disks[leader]->current_epoch != number || its->row_count == 0)
		return;
	for (size_t i = 0; i < own->row_count; i++) {
		zxid_t zxid = own->rows[i].zxid;
		const struct sim_row *row;

		if (zxid < its->rows[0].zxid || zxid_epoch(zxid) >= number)
			continue;
		row = sim_disk_row(check->disks[leader], zxid);
		if (!row || !bytes_equal(blob_bytes(row->txn), blob_bytes(own->rows[i].txn))) {
			sim_fail(check->world,
				 "server %" PRId64 " is in epoch %u with 0x%" PRIx64
				 ", which its leader %" PRId64 " has not",
				 sid, number, zxid, leader);
			return;
		}
	}
}

void sim_check_epochs(struct sim_check *check, int64_t sid, bool may_lead)
{
	uint32_t number;
	const struct sim_epoch *epoch;

	if (!check || check->only_consequences)
		return;
	number = check->disks[sid]->current_epoch;
	epoch = sim_check_epoch_of(check, number);
	if (number == 0 || number == check->current_epochs[sid])
		return;
	check->current_epochs[sid] = number;
	if (may_lead && (epoch->candidate == 0 || epoch->candidate == sid))
		return;
	if (epoch->candidate == 0)
		sim_fail(check->world,
			 "server %" PRId64 " is in epoch %u, which nobody has said NEWLEADER of",
			 sid, number);
	else if (sim_disk_logged(check->disks[sid]) < epoch->initial_zxid)
		sim_fail(check->world,
			 "server %" PRId64 " is in epoch %u with a log up to 0x%" PRIx64
			 ", below 0x%" PRIx64 " where that epoch begins",
			 sid, number, sim_disk_logged(check->disks[sid]), epoch->initial_zxid);
	else
		check_same_log(check, sid, number, epoch->candidate);
}

/* ---- what is at the end ---- */

size_t sim_check_count(const struct sim_check *check)
{
	return check->count;
}

zxid_t sim_check_last(const struct sim_check *check)
{
	return check->count > 0 ? check->history[check->count - 1].zxid : 0;
}

bool sim_check_is_current(const struct sim_check *check, int64_t sid)
{
	return check->positions[sid] == check->count;
}

bool sim_check_has_begun(const struct sim_check *check)
{
	return check && check->established > 0;
}

uint32_t sim_check_epoch(const struct sim_check *check)
{
	return check->established;
}

int64_t sim_check_leader(const struct sim_check *check, uint32_t epoch)
{
	return check->epochs[epoch].leader;
}
