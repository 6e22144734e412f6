#include "t/sim/whole-host.h"

#include <inttypes.h>
#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "t/sim/whole-host-impl.h"

/* 2020; a machine's wall clock is a little off. */
#define WALL_MS INT64_C(1577836800000)

enum {
	WALL_SKEW_MS_MAX = 500,
	WAKE_US_MIN = 50,
	PENDING_MAX_MIN = 2,
	PENDING_MAX_MAX = 60,
	CHECK_ONE_IN = 64,
};

/* ---- time ---- */

msec_t whole_local_ms(const struct whole_host *host)
{
	return sim_clock_ms(&host->clock, host->world);
}

static msec_t wall_ms(const struct whole_host *host)
{
	return WALL_MS + host->world->now_us / 1000 + host->wall_skew_ms;
}

bool whole_is_paused(struct whole_host *host, struct sim_timer *timer)
{
	if (host->paused_until_us <= host->world->now_us)
		return false;
	sim_timer_set(host->world, timer, host->paused_until_us);
	return true;
}

/* ---- turns ---- */

bool whole_turn_begin(struct whole_host *host)
{
	ASSERT(host->replica);
	replica_tick(host->replica, whole_local_ms(host), wall_ms(host));
	whole_perform_all(host);
	return host->replica && !host->world->has_failed;
}

static void check_status(struct whole_host *host)
{
	const struct zab *zab = replica_zab(host->replica);
	struct server_stats stats = {0};
	struct zab_status status;

	if (sim_one_in(&host->chance, CHECK_ONE_IN))
		replica_check(host->replica);
	zab_get_status(zab, &status);
	if (status.logged > sim_disk_logged(&host->disk))
		sim_fail(host->world,
			 "server %" PRId64 " says that it has logged 0x%" PRIx64
			 ", its disk has 0x%" PRIx64,
			 host->sid, status.logged, sim_disk_logged(&host->disk));
	if (replica_is_serving(host->replica))
		server_get_stats(replica_server(host->replica), &stats);
	if (stats.digest_mismatches > 0)
		sim_fail(host->world, "server %" PRId64 " counts a digest mismatch at 0x%" PRIx64,
			 host->sid, stats.digest_mismatch_zxid);
}

void whole_turn_end(struct whole_host *host)
{
	msec_t next_ms;
	int64_t at_us;

	whole_perform_all(host);
	if (host->replica && !host->world->has_failed) {
		replica_set_intake(host->replica,
				   sim_disk_pending(&host->disk) < host->pending_max);
		whole_perform_all(host);
	}
	if (!host->replica || host->world->has_failed)
		return;
	check_status(host);
	next_ms = replica_next_tick_ms(host->replica);
	if (next_ms == INT64_MAX) {
		sim_timer_stop(host->world, &host->wake);
		return;
	}
	at_us = sim_clock_us(&host->clock, next_ms);
	if (at_us < host->world->now_us + WAKE_US_MIN)
		at_us = host->world->now_us + WAKE_US_MIN;
	sim_timer_set(host->world, &host->wake, at_us);
}

static void wake(void *data)
{
	struct whole_host *host = data;

	if (whole_is_paused(host, &host->wake))
		return;
	if (whole_turn_begin(host))
		whole_turn_end(host);
}

/* ---- life ---- */

void whole_host_init(struct whole_host *host, struct sim_world *world, struct sim_net *net,
		     struct whole_check *check, const struct replica_config *config, uint64_t seed)
{
	*host = (struct whole_host){
		.world = world,
		.net = net,
		.check = check,
		.sid = config->zab.myid,
		.config = *config,
	};
	prng_init(&host->chance, seed);
	host->wall_skew_ms = sim_between(&host->chance, -WALL_SKEW_MS_MAX, WALL_SKEW_MS_MAX);
	sim_disk_init(&host->disk, world, host->sid, prng_next(&host->chance));
	host->pending_max = (size_t)sim_between(&host->chance, PENDING_MAX_MIN, PENDING_MAX_MAX);
	list_init(&host->links);
	list_init(&host->streams);
	host->rows = &host->tables[0];
	host->staged = &host->tables[1];
	whole_rows_init(host->rows);
	whole_rows_init(host->staged);
	sim_timer_init(&host->wake, wake, host);
	whole_store_init(host);
	whole_stream_receive_init(host);
	sim_net_add(net, host->sid, whole_endpoint_of(host));
}

bool whole_host_is_up(const struct whole_host *host)
{
	return host->replica;
}

bool whole_host_leads(const struct whole_host *host)
{
	return host->is_serving && host->state == ZAB_LEADING;
}

static void recover(struct whole_host *host)
{
	const struct sim_generation *valid = &host->disk.valid;

	for (size_t i = 0; i < valid->row_count; i++)
		if (replica_recover(host->replica, valid->rows[i].zxid,
				    blob_bytes(valid->rows[i].txn)))
			sim_fail(host->world,
				 "server %" PRId64 ": the replica refuses 0x%" PRIx64 " of its log",
				 host->sid, valid->rows[i].zxid);
}

void whole_host_start(struct whole_host *host)
{
	struct zab_durable durable;
	struct tree *tree;

	ASSERT(!host->replica);
	sim_disk_open(&host->disk, whole_disk_user_of(host));
	durable = (struct zab_durable){
		.is_empty = sim_disk_is_empty(&host->disk),
		.accepted_epoch = host->disk.accepted_epoch,
		.current_epoch = host->disk.current_epoch,
		.base_zxid = host->disk.valid.base,
		.tree_zxid = host->disk.valid.tree_zxid,
		.committed_zxid = sim_disk_committed(&host->disk),
	};
	sim_trace(host->world, host->sid, "start", sim_disk_logged(&host->disk),
		  durable.committed_zxid, durable.tree_zxid);
	sim_clock_start(&host->clock, host->world, &host->chance);
	host->paused_until_us = 0;
	tree = whole_store_load(host);
	if (!tree)
		return;
	host->replica = replica_new(&host->config, &durable, tree);
	replica_set_mutation(host->replica, host->mutation);
	recover(host);
	whole_store_start(host);
	sim_net_up(host->net, host->sid);
	replica_start(host->replica, whole_local_ms(host), wall_ms(host));
	whole_store_look(host);
	whole_turn_end(host);
}

void whole_host_crash(struct whole_host *host, bool is_silent)
{
	size_t pending = sim_disk_pending(&host->disk);
	size_t survivors = sim_one_in(&host->chance, 2)
				   ? (size_t)sim_between(&host->chance, 0, (int64_t)pending)
				   : 0;

	ASSERT(host->replica);
	sim_trace(host->world, host->sid, "crash", (int64_t)pending, (int64_t)survivors, 0);
	host->counts.crashes++;
	whole_streams_cancel(host, 0);
	whole_store_stop(host);
	sim_timer_stop(host->world, &host->wake);
	replica_free(host->replica);
	host->replica = NULL;
	list_for_each_safe (&host->links, at)
		whole_link_forget(host, list_item(at, struct whole_link, list));
	host->is_serving = false;
	host->is_listening = false;
	host->state = ZAB_LOOKING;
	host->actions_left = 0;
	sim_disk_crash(&host->disk, survivors);
	sim_net_down(host->net, host->sid, is_silent);
}

void whole_host_wipe(struct whole_host *host)
{
	ASSERT(!host->replica);
	sim_trace(host->world, host->sid, "wipe", 0, 0, 0);
	sim_disk_wipe(&host->disk);
	host->config.zab.may_bootstrap = false;
}

void whole_host_pause(struct whole_host *host, int64_t until_us)
{
	sim_trace(host->world, host->sid, "pause", until_us, 0, 0);
	host->paused_until_us = until_us;
	host->disk.paused_until_us = until_us;
	sim_net_pause(host->net, host->sid, until_us);
}

void whole_host_release(struct whole_host *host)
{
	if (host->replica)
		whole_host_crash(host, false);
	whole_rows_release(host->rows);
	whole_rows_release(host->staged);
	sim_disk_release(&host->disk);
}
