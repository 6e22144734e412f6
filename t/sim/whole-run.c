#include "t/sim/whole-run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "t/sim/sim-ensemble.h"

enum {
	TIMEOUT_TICKS_MIN = 3, /* of a session */
	TIMEOUT_TICKS_MAX = 20,
	QUIET_TIMEOUTS = 2,
	LOOK_US = 5000,
	BEGIN_MS_MAX = 8000,
	SERVERS_MAX = SIM_NODES_MAX - 1,
};

struct ensemble {
	struct whole_options options; /* nothing open in it any more */
	struct sim_world world;
	struct sim_net net;
	struct prng chance;
	struct members members;
	struct whole_check *check;
	struct whole_host hosts[SIM_NODES_MAX]; /* hosts[i] is server i + 1 */
	int count;
	struct whole_client clients[WHOLE_CLIENTS_MAX];
	int client_count;
	msec_t timeout_ms_max;
};

void whole_options_init(struct whole_options *options)
{
	*options = (struct whole_options){.seed = 1, .observers = -1};
}

/* ---- what the seed says ---- */

static void draw_options(struct ensemble *ensemble)
{
	struct whole_options *options = &ensemble->options;
	struct prng *chance = &ensemble->chance;
	int voters = sim_one_in(chance, 4) ? 5 : 3;
	int observers = sim_one_in(chance, 2) ? 0 : (int)sim_between(chance, 1, 2);
	int64_t chaos_ms = sim_between(chance, 3000, 8000);

	if (options->voters == 0)
		options->voters = voters;
	if (options->observers < 0)
		options->observers = observers;
	if (options->chaos_ms == 0)
		options->chaos_ms = chaos_ms;
	ensemble->count = options->voters + options->observers;
	ensemble->client_count = (int)sim_between(chance, 2, WHOLE_CLIENTS_MAX);
	ASSERT(ensemble->count <= SERVERS_MAX);
}

static struct replica_config make_config(struct ensemble *ensemble)
{
	struct prng *chance = &ensemble->chance;
	struct replica_config config = {0};
	struct zab_config *zab = &config.zab;

	sim_ensemble_config(zab, &ensemble->members, ensemble->net.delay_us_max, chance);
	zab->data_size_max = 4 * 1024 * 1024;
	zab->pinned_size_max = (size_t)sim_between(chance, 20 * 1000, 200 * 1000);
	zab->outstanding_size_max = (size_t)sim_between(chance, 1000, 20 * 1000);
	zab->may_bootstrap = sim_one_in(chance, 2);
	server_config_init(&config.server);
	config.server.tick_ms = (int32_t)zab->tick_ms;
	config.server.timeout_min_ms = 2 * config.server.tick_ms;
	config.server.timeout_max_ms = TIMEOUT_TICKS_MAX * config.server.tick_ms;
	config.server.outstanding_limit = sim_one_in(chance, 4) ? 3 : 1000;
	return config;
}

static void make_hosts(struct ensemble *ensemble, struct replica_config config)
{
	for (int i = 0; i < ensemble->count; i++) {
		struct whole_host *host = &ensemble->hosts[i];

		config.zab.myid = i + 1;
		config.server.server_id = (uint8_t)(i + 1);
		whole_host_init(host, &ensemble->world, &ensemble->net, ensemble->check, &config,
				prng_next(&ensemble->chance));
		host->mutation = ensemble->options.mutation;
		host->disk.sync_us_max = sim_ensemble_sync_us(&ensemble->chance);
	}
}

static void make_clients(struct ensemble *ensemble, msec_t tick_ms)
{
	for (int i = 0; i < ensemble->client_count; i++) {
		msec_t timeout_ms = tick_ms * sim_between(&ensemble->chance, TIMEOUT_TICKS_MIN,
							  TIMEOUT_TICKS_MAX);

		if (timeout_ms > ensemble->timeout_ms_max)
			ensemble->timeout_ms_max = timeout_ms;
		whole_client_init(&ensemble->clients[i], &ensemble->world, &ensemble->net,
				  ensemble->check, SIM_NODES_MAX + i, ensemble->count, timeout_ms,
				  prng_next(&ensemble->chance));
	}
}

static void ensemble_init(struct ensemble *ensemble, const struct whole_options *options)
{
	struct replica_config config;

	ensemble->options = *options;
	prng_init(&ensemble->chance, options->seed);
	draw_options(ensemble);
	sim_world_init(&ensemble->world, options->is_tracing);
	sim_net_init(&ensemble->net, &ensemble->world, prng_next(&ensemble->chance));
	ensemble->net.delay_us_max = sim_ensemble_delay_us(&ensemble->chance);
	sim_ensemble_members(&ensemble->members, ensemble->options.voters,
			     ensemble->options.observers);
	ensemble->check = whole_check_new(&ensemble->world);
	config = make_config(ensemble);
	make_hosts(ensemble, config);
	make_clients(ensemble, config.zab.tick_ms);
}

static void ensemble_release(struct ensemble *ensemble)
{
	for (int i = 0; i < ensemble->client_count; i++)
		whole_client_release(&ensemble->clients[i]);
	for (int i = 0; i < ensemble->count; i++)
		whole_host_release(&ensemble->hosts[i]);
	sim_net_release(&ensemble->net);
	whole_check_free(ensemble->check);
	members_release(&ensemble->members);
	sim_world_release(&ensemble->world);
}

/* ---- as what can be broken ---- */

static struct whole_host *host_of(void *data, int64_t sid)
{
	struct ensemble *ensemble = data;

	ASSERT(sid > 0 && sid <= ensemble->count);
	return &ensemble->hosts[sid - 1];
}

static bool host_is_up(void *data, int64_t sid)
{
	return whole_host_is_up(host_of(data, sid));
}

static void host_start(void *data, int64_t sid)
{
	whole_host_start(host_of(data, sid));
}

static void host_crash(void *data, int64_t sid, bool is_silent)
{
	whole_host_crash(host_of(data, sid), is_silent);
}

static void host_crash_later(void *data, int64_t sid, uint64_t actions)
{
	host_of(data, sid)->actions_left = actions;
}

static void host_pause(void *data, int64_t sid, int64_t until_us)
{
	whole_host_pause(host_of(data, sid), until_us);
}

static void host_wipe(void *data, int64_t sid)
{
	whole_host_wipe(host_of(data, sid));
}

static struct sim_disk *host_disk(void *data, int64_t sid)
{
	return &host_of(data, sid)->disk;
}

static struct whole_host *leader_of(struct ensemble *ensemble)
{
	struct whole_host *leader = NULL;

	for (int i = 0; i < ensemble->count; i++) {
		struct whole_host *host = &ensemble->hosts[i];

		if (whole_host_is_up(host) && whole_host_leads(host) &&
		    (!leader || host->epoch > leader->epoch))
			leader = host;
	}
	return leader;
}

static int64_t host_leader(void *data)
{
	struct whole_host *leader = leader_of(data);

	return leader ? leader->sid : 0;
}

static struct sim_hosts hosts_of(struct ensemble *ensemble)
{
	return (struct sim_hosts){
		.world = &ensemble->world,
		.net = &ensemble->net,
		.count = ensemble->count,
		.voter_count = ensemble->options.voters,
		.client_count = ensemble->client_count,
		.data = ensemble,
		.is_up = host_is_up,
		.start = host_start,
		.crash = host_crash,
		.crash_later = host_crash_later,
		.pause = host_pause,
		.wipe = host_wipe,
		.disk = host_disk,
		.leader = host_leader,
	};
}

/* ---- what has to come after the repair ---- */

typedef bool condition_fn(struct ensemble *ensemble);

static bool is_whole(struct ensemble *ensemble)
{
	struct whole_host *leader = leader_of(ensemble);

	for (int i = 0; leader && i < ensemble->count; i++)
		if (!ensemble->hosts[i].is_serving || ensemble->hosts[i].epoch != leader->epoch)
			return false;
	return leader;
}

static bool has_everybody_written(struct ensemble *ensemble)
{
	for (int i = 0; i < ensemble->client_count; i++)
		if (ensemble->clients[i].last_write_us < 0)
			return false;
	return true;
}

static bool is_everybody_idle(struct ensemble *ensemble)
{
	for (int i = 0; i < ensemble->client_count; i++)
		if (!whole_client_is_idle(&ensemble->clients[i]))
			return false;
	return true;
}

static bool is_everybody_current(struct ensemble *ensemble)
{
	for (int i = 0; i < ensemble->count; i++) {
		struct tree *tree = replica_tree(ensemble->hosts[i].replica);

		if (!tree || tree_zxid(tree) != whole_check_last(ensemble->check))
			return false;
	}
	return true;
}

/* Until then; the sentence is what failed otherwise. */
static bool wait_for(struct ensemble *ensemble, condition_fn *condition, int64_t until_us,
		     const char *missing)
{
	struct sim_world *world = &ensemble->world;

	while (!world->has_failed && !condition(ensemble)) {
		if (world->now_us >= until_us) {
			sim_fail(world, "%s in time", missing);
			return false;
		}
		sim_world_run_until(world, world->now_us + LOOK_US);
	}
	return !world->has_failed;
}

/* Clients that stay connected keep their sessions. */
static void rest(struct ensemble *ensemble)
{
	struct sim_world *world = &ensemble->world;
	session_id_t sessions[WHOLE_CLIENTS_MAX];

	for (int i = 0; i < ensemble->client_count; i++)
		sessions[i] = zk_client_session_id(ensemble->clients[i].client);
	sim_world_run_until(world,
			    world->now_us + QUIET_TIMEOUTS * ensemble->timeout_ms_max * 1000);
	for (int i = 0; i < ensemble->client_count && !world->has_failed; i++) {
		struct zk_client *client = ensemble->clients[i].client;

		if (zk_client_session_id(client) != sessions[i] ||
		    !whole_check_is_open(ensemble->check, sessions[i]))
			sim_fail(world,
				 "session 0x%" PRIx64 " is gone, and its client was connected",
				 sessions[i]);
	}
}

static void recover(struct ensemble *ensemble, int64_t *ret_recovery_ms)
{
	struct sim_world *world = &ensemble->world;
	int64_t begin_us = world->now_us;
	int64_t until_us = begin_us + WHOLE_RECOVERY_MS_MAX * INT64_C(1000);

	for (int i = 0; i < ensemble->client_count; i++)
		whole_client_awake(&ensemble->clients[i]);
	if (!wait_for(ensemble, is_whole, until_us, "not every server serves"))
		return;
	for (int i = 0; i < ensemble->client_count; i++)
		ensemble->clients[i].last_write_us = -1;
	if (!wait_for(ensemble, has_everybody_written, until_us, "not every client has written"))
		return;
	*ret_recovery_ms = (world->now_us - begin_us) / 1000;
	for (int i = 0; i < ensemble->client_count; i++)
		whole_client_stop(&ensemble->clients[i]);
	if (!wait_for(ensemble, is_everybody_idle, until_us, "not every client is answered"))
		return;
	rest(ensemble);
	until_us = world->now_us + WHOLE_RECOVERY_MS_MAX * INT64_C(1000);
	if (!wait_for(ensemble, is_everybody_idle, until_us, "not every client is connected"))
		return;
	for (int i = 0; i < ensemble->client_count; i++)
		whole_client_read_all(&ensemble->clients[i]);
	if (!wait_for(ensemble, is_everybody_idle, until_us, "not every read is answered") ||
	    !wait_for(ensemble, is_everybody_current, until_us,
		      "not every server has the whole history"))
		return;
	for (int i = 0; i < ensemble->client_count; i++)
		whole_client_check_refused(&ensemble->clients[i]);
	for (int i = 0; i < ensemble->count && !world->has_failed; i++) {
		replica_check(ensemble->hosts[i].replica);
		whole_check_final(ensemble->check, i + 1, replica_tree(ensemble->hosts[i].replica));
	}
}

/* ---- a run ---- */

static void add_counts(const struct ensemble *ensemble, struct whole_outcome *outcome)
{
	for (int i = 0; i < ensemble->count; i++) {
		const struct whole_host *host = &ensemble->hosts[i];

		outcome->crashes += host->counts.crashes;
		outcome->leaderships += host->counts.leaderships;
		outcome->snapshots += host->counts.snapshots;
		outcome->installs += host->counts.installs;
		outcome->reloads += host->counts.reloads;
		outcome->truncations += host->counts.truncations;
	}
	for (int i = 0; i < ensemble->client_count; i++) {
		const struct whole_client *client = &ensemble->clients[i];

		outcome->writes += client->counts.writes;
		outcome->reads += client->counts.reads;
		outcome->events += client->counts.events;
		outcome->lives += client->counts.lives;
		outcome->moves += client->counts.moves;
		outcome->unknown += client->counts.unknown;
		outcome->resolved += client->counts.resolved;
	}
}

void whole_run(const struct whole_options *options, struct whole_outcome *ret_outcome)
{
	struct ensemble *ensemble = mem_zalloc(sizeof(*ensemble));
	struct sim_faults *faults = mem_zalloc(sizeof(*faults));
	struct sim_world *world = &ensemble->world;
	int64_t recovery_ms = 0;
	struct sim_hosts hosts;

	ensemble_init(ensemble, options);
	hosts = hosts_of(ensemble);
	for (int i = 0; i < ensemble->count; i++)
		whole_host_start(&ensemble->hosts[i]);
	/* Who has no word of an operator begins only when all are there (lessons R18, R19). */
	if (!ensemble->hosts[0].config.zab.may_bootstrap)
		(void)wait_for(ensemble, is_whole, BEGIN_MS_MAX * INT64_C(1000),
			       "the ensemble has not begun"); /* it fails by itself */
	sim_faults_init(faults, &hosts, prng_next(&ensemble->chance));
	sim_world_run_until(world, world->now_us + ensemble->options.chaos_ms * 1000);
	if (!world->has_failed) {
		sim_trace(world, 0, "repaired", 0, 0, 0);
		sim_faults_stop(faults);
		recover(ensemble, &recovery_ms);
	}
	*ret_outcome = (struct whole_outcome){
		.verdict.is_good = !world->has_failed,
		.verdict.trace_hash = world->trace_hash,
		.steps = world->steps,
		.virtual_ms = world->now_us / 1000,
		.recovery_ms = recovery_ms,
		.transactions = whole_check_count(ensemble->check),
		.expired = whole_check_expired(ensemble->check),
		.wipes = faults->was_wiped,
	};
	memcpy(ret_outcome->verdict.failure, world->failure, sizeof(world->failure));
	add_counts(ensemble, ret_outcome);
	sim_faults_release(faults);
	ensemble_release(ensemble);
	free(faults);
	free(ensemble);
}

const char *whole_mutation_name(int mutation)
{
	static const char *const names[SERVER_MUTATION_COUNT] = {
		[SERVER_MUTATION_NONE] = "none",
		[SERVER_MUTATION_READ_OVERTAKES] = "read-overtakes",
		[SERVER_MUTATION_ANSWER_EARLY] = "answer-early",
		[SERVER_MUTATION_SYNC_AT_ONCE] = "sync-at-once",
		[SERVER_MUTATION_REVALIDATE_ALWAYS] = "revalidate-always",
		[SERVER_MUTATION_ACCEPT_AHEAD] = "accept-ahead",
		[SERVER_MUTATION_FORWARD_REORDERS] = "forward-reorders",
		[SERVER_MUTATION_NO_TOUCH] = "no-touch",
		[SERVER_MUTATION_EXPIRE_EARLY] = "expire-early",
		[SERVER_MUTATION_CLOSE_UNAPPLIED] = "close-unapplied",
		[SERVER_MUTATION_NO_MISSED_EVENTS] = "no-missed-events",
		[SERVER_MUTATION_FORGET_SET_WATCHES] = "forget-set-watches",
		[SERVER_MUTATION_STAGE_NO_SESSIONS] = "stage-no-sessions",
		[SERVER_MUTATION_OLD_OWNER_WRITES] = "old-owner-writes",
	};

	return mutation < SERVER_MUTATION_COUNT ? names[mutation] : NULL;
}
