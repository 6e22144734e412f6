#include "t/sim/sim-replica.h"

#include <inttypes.h>
#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "t/sim/sim-mail.h"
#include "t/sim/sim-replica-impl.h"

enum {
	TREE_US_MIN = 20 * 1000,
	TREE_US_MAX = 400 * 1000,
	/* A core that wants to be called at once, again and again, is called so often. */
	WAKE_US_MIN = 50,
};

/* ---- its clock ---- */

static msec_t local_ms(const struct sim_replica *replica)
{
	return sim_clock_ms(&replica->clock, replica->world);
}

int64_t sim_world_us(const struct sim_replica *replica, msec_t at_ms)
{
	return sim_clock_us(&replica->clock, at_ms);
}

bool sim_is_paused(struct sim_replica *replica, struct sim_timer *timer)
{
	if (replica->paused_until_us <= replica->world->now_us)
		return false;
	sim_timer_set(replica->world, timer, replica->paused_until_us);
	return true;
}

/* ---- turns ---- */

bool sim_turn_begin(struct sim_replica *replica)
{
	ASSERT(replica->zab);
	zab_tick(replica->zab, local_ms(replica));
	sim_perform_all(replica);
	return replica->zab;
}

static bool may_propose(const struct sim_replica *replica)
{
	return replica->zab && replica->is_serving && replica->state == ZAB_LEADING &&
	       !list_is_empty(&replica->requests) && zab_can_propose(replica->zab);
}

static void propose_first(struct sim_replica *replica)
{
	struct sim_waiting *waiting =
		list_item(list_first(&replica->requests), struct sim_waiting, link);
	zxid_t zxid = zab_next_zxid(replica->zab);
	struct blob *txn = sim_txn_encode(blob_bytes(waiting->request), replica->sid, zxid);

	list_remove(&waiting->link);
	blob_unref(waiting->request);
	free(waiting);
	sim_trace(replica->world, replica->sid, "propose", zxid, 0, 0);
	sim_check_proposed(replica->check, replica->sid, zxid);
	zab_propose(replica->zab, zxid, txn);
	blob_unref(txn);
}

/* What its status says is what its application and its disk have. */
static void check_status(struct sim_replica *replica)
{
	struct zab_status status;

	zab_check(replica->zab);
	zab_get_status(replica->zab, &status);
	if (status.logged > sim_disk_logged(&replica->disk))
		sim_fail(replica->world,
			 "server %" PRId64 " says that it has logged 0x%" PRIx64
			 ", its disk has 0x%" PRIx64,
			 replica->sid, status.logged, sim_disk_logged(&replica->disk));
	if (zxid_counter(status.delivered) != 0 && status.delivered != sim_app_zxid(replica->app))
		sim_fail(replica->world,
			 "server %" PRId64 " says that it has delivered 0x%" PRIx64
			 ", its application has 0x%" PRIx64,
			 replica->sid, status.delivered, sim_app_zxid(replica->app));
}

void sim_turn_end(struct sim_replica *replica)
{
	msec_t next_ms;

	sim_perform_all(replica);
	while (may_propose(replica)) {
		propose_first(replica);
		sim_perform_all(replica);
	}
	if (!replica->zab || replica->world->has_failed)
		return;
	check_status(replica);
	next_ms = zab_next_tick_ms(replica->zab);
	if (next_ms == INT64_MAX) {
		sim_timer_stop(replica->world, &replica->wake);
	} else {
		int64_t at_us = sim_world_us(replica, next_ms);

		if (at_us < replica->world->now_us + WAKE_US_MIN)
			at_us = replica->world->now_us + WAKE_US_MIN;
		sim_timer_set(replica->world, &replica->wake, at_us);
	}
}

static void wake(void *data)
{
	struct sim_replica *replica = data;

	if (sim_is_paused(replica, &replica->wake))
		return;
	if (sim_turn_begin(replica))
		sim_turn_end(replica);
}

/* ---- the application ---- */

void sim_apply(struct sim_replica *replica, zxid_t zxid, struct blob *txn)
{
	struct sim_result result = sim_app_apply(replica->app, zxid, blob_bytes(txn));
	struct sim_request request;
	int64_t leader;
	zxid_t own_zxid;

	sim_check_applied(replica->check, replica->sid, zxid, blob_bytes(txn), result,
			  sim_app_digest(replica->app));
	if (!sim_txn_decode(blob_bytes(txn), &request, &leader, &own_zxid))
		return;
	if (replica->customers[request.session].is_attached &&
	    replica->customers[request.session].attachment == request.attachment) {
		struct sim_customer *customer = &replica->customers[request.session].customer;

		customer->answered(customer->data, &request, result, zxid);
	}
}

/* The tree follows behind, when it pleases. */
static void write_tree(void *data)
{
	struct sim_replica *replica = data;
	struct sim_disk *disk = &replica->disk;

	if (sim_is_paused(replica, &replica->write_tree))
		return;
	if (sim_disk_can_write_tree(disk) && sim_app_zxid(replica->app) > disk->valid.tree_zxid) {
		struct blob *tree = sim_app_snapshot(replica->app);

		sim_disk_write_tree(disk, sim_app_zxid(replica->app), tree);
		blob_unref(tree);
	}
	sim_timer_set(replica->world, &replica->write_tree,
		      replica->world->now_us +
			      sim_between(&replica->chance, TREE_US_MIN, TREE_US_MAX));
}

void sim_drop_customers(struct sim_replica *replica)
{
	for (int session = 0; session < SIM_SESSIONS_MAX; session++)
		if (replica->customers[session].is_attached) {
			struct sim_customer *customer = &replica->customers[session].customer;

			replica->customers[session].is_attached = false;
			customer->dropped(customer->data);
		}
	list_for_each_safe (&replica->requests, at) {
		struct sim_waiting *waiting = list_item(at, struct sim_waiting, link);

		list_remove(at);
		blob_unref(waiting->request);
		free(waiting);
	}
}

void sim_queue_request(struct sim_replica *replica, struct bytes request)
{
	struct sim_waiting *waiting = mem_zalloc(sizeof(*waiting));

	waiting->request = blob_new(request);
	list_append(&replica->requests, &waiting->link);
}

bool sim_replica_attach(struct sim_replica *replica, int64_t session, uint32_t attachment,
			struct sim_customer customer)
{
	if (!replica->zab || !replica->is_serving || sim_replica_is_paused(replica))
		return false;
	replica->customers[session].is_attached = true;
	replica->customers[session].attachment = attachment;
	replica->customers[session].customer = customer;
	return true;
}

void sim_replica_detach(struct sim_replica *replica, int64_t session)
{
	replica->customers[session].is_attached = false;
}

void sim_replica_ask(struct sim_replica *replica, const struct sim_request *request)
{
	struct blob *bytes;

	ASSERT(!sim_replica_is_paused(replica));
	if (!sim_turn_begin(replica))
		return;
	bytes = sim_request_encode(request);
	if (!replica->is_serving) {
		/* The tick has ended its role. */
	} else if (replica->state == ZAB_LEADING) {
		sim_queue_request(replica, blob_bytes(bytes));
	} else {
		struct zab_packet packet = {.type = ZAB_REQUEST,
					    .zxid = -1,
					    .data = blob_bytes(bytes),
					    .auth_count = -1,
					    .auth = BYTES_NULL};

		zab_send(replica->zab, ZAB_LINK_NONE, &packet);
	}
	blob_unref(bytes);
	sim_turn_end(replica);
}

/* ---- life ---- */

void sim_replica_init(struct sim_replica *replica, struct sim_world *world, struct sim_net *net,
		      struct sim_check *check, const struct zab_config *config, uint64_t seed)
{
	const struct member *member = members_find(&config->members, config->myid);

	ASSERT(member);
	*replica = (struct sim_replica){
		.world = world,
		.net = net,
		.check = check,
		.sid = config->myid,
		.is_observer = member->is_observer,
		.config = *config,
		.survivors = -1,
	};
	prng_init(&replica->chance, seed);
	sim_disk_init(&replica->disk, world, replica->sid, prng_next(&replica->chance));
	list_init(&replica->snapshots);
	list_init(&replica->requests);
	sim_timer_init(&replica->wake, wake, replica);
	sim_timer_init(&replica->write_tree, write_tree, replica);
	sim_receive_init(replica);
	sim_net_add(net, replica->sid, sim_endpoint_of(replica));
	sim_check_add_disk(check, replica->sid, &replica->disk);
}

bool sim_replica_is_up(const struct sim_replica *replica)
{
	return replica->zab;
}

bool sim_replica_is_paused(const struct sim_replica *replica)
{
	return replica->paused_until_us > replica->world->now_us;
}

/* What the disk has: the tree, the log behind it, and of that what is known to be committed. */
static void load(struct sim_replica *replica)
{
	const struct sim_generation *valid = &replica->disk.valid;
	zxid_t committed = sim_disk_committed(&replica->disk);

	if (!sim_app_restore(replica->app, valid->tree))
		sim_fail(replica->world, "server %" PRId64 ": its tree can't be read",
			 replica->sid);
	sim_check_restored(replica->check, replica->sid, valid->tree_zxid,
			   sim_app_digest(replica->app));
	for (size_t i = 0; i < valid->row_count && !replica->world->has_failed; i++) {
		const struct sim_row *row = &valid->rows[i];

		if (zab_recover(replica->zab, row->zxid, row->txn))
			sim_fail(replica->world,
				 "server %" PRId64 ": the core refuses 0x%" PRIx64 " of its log",
				 replica->sid, row->zxid);
		if (row->zxid > valid->tree_zxid && row->zxid <= committed)
			sim_apply(replica, row->zxid, row->txn);
	}
}

void sim_replica_start(struct sim_replica *replica)
{
	struct zab_durable durable;

	ASSERT(!replica->zab);
	sim_disk_open(&replica->disk, sim_disk_user_of(replica));
	durable = (struct zab_durable){
		.is_empty = sim_disk_is_empty(&replica->disk),
		.accepted_epoch = replica->disk.accepted_epoch,
		.current_epoch = replica->disk.current_epoch,
		.base_zxid = replica->disk.valid.base,
		.tree_zxid = replica->disk.valid.tree_zxid,
		.committed_zxid = sim_disk_committed(&replica->disk),
	};
	sim_trace(replica->world, replica->sid, "start", sim_disk_logged(&replica->disk),
		  durable.committed_zxid, durable.tree_zxid);
	sim_clock_start(&replica->clock, replica->world, &replica->chance);
	replica->paused_until_us = 0;
	replica->app = sim_app_new();
	replica->zab = zab_new(&replica->config, &durable);
	zab_set_mutation(replica->zab, replica->mutation);
	sim_check_epochs(replica->check, replica->sid, true);
	load(replica);
	sim_net_up(replica->net, replica->sid);
	sim_timer_set(replica->world, &replica->write_tree, replica->world->now_us);
	zab_start(replica->zab, local_ms(replica));
	sim_turn_end(replica);
}

void sim_replica_crash(struct sim_replica *replica, bool is_silent)
{
	size_t pending = sim_disk_pending(&replica->disk);
	size_t survivors = 0;

	ASSERT(replica->zab);
	if (replica->survivors >= 0)
		survivors = (size_t)replica->survivors;
	else if (sim_one_in(&replica->chance, 2))
		survivors = (size_t)sim_between(&replica->chance, 0, (int64_t)pending);
	sim_trace(replica->world, replica->sid, "crash", (int64_t)pending, (int64_t)survivors, 0);
	replica->counts.crashes++;
	sim_drop_customers(replica);
	sim_snapshots_cancel(replica, 0);
	sim_timer_stop(replica->world, &replica->wake);
	sim_timer_stop(replica->world, &replica->write_tree);
	sim_timer_stop(replica->world, &replica->receive);
	zab_free(replica->zab);
	replica->zab = NULL;
	sim_app_free(replica->app);
	replica->app = NULL;
	for (int i = 0; i < SIM_LINKS_MAX; i++)
		replica->links[i].number = 0;
	for (int i = 0; i < SIM_NODES_MAX; i++) {
		replica->votes[i] = 0;
		replica->heard[i] = (struct sim_heard){0};
	}
	replica->is_serving = false;
	replica->is_leading = false;
	replica->is_uptodate = false;
	replica->receiving = 0;
	replica->actions_left = 0;
	sim_disk_crash(&replica->disk, survivors);
	sim_net_down(replica->net, replica->sid, is_silent);
}

void sim_replica_wipe(struct sim_replica *replica)
{
	ASSERT(!replica->zab);
	sim_trace(replica->world, replica->sid, "wipe", 0, 0, 0);
	sim_disk_wipe(&replica->disk);
	replica->was_wiped = true;
	replica->config.may_bootstrap = false;
}

void sim_replica_pause(struct sim_replica *replica, int64_t until_us)
{
	sim_trace(replica->world, replica->sid, "pause", until_us, 0, 0);
	replica->paused_until_us = until_us;
	replica->disk.paused_until_us = until_us;
	sim_net_pause(replica->net, replica->sid, until_us);
}

void sim_replica_release(struct sim_replica *replica)
{
	if (replica->zab)
		sim_replica_crash(replica, false);
	sim_disk_release(&replica->disk);
}
