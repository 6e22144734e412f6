#include "t/sim/sim-client.h"

#include <inttypes.h>

#include "src/base/assert.h"

enum {
	THINK_US_MAX = 60 * 1000,
	ANSWER_US_MAX = 1500 * 1000,
	MOVE_ONE_IN = 80,
	CLOSE_ONE_IN = 60,
	PADDING_MAX = 200,
};

static void think(struct sim_client *client)
{
	sim_timer_set(client->world, &client->timer,
		      client->world->now_us +
			      sim_between(&client->chance, 100, client->think_us_max));
}

/* ---- answers ---- */

static void remember(struct sim_client *client, const struct sim_request *request,
		     struct sim_result result, zxid_t zxid)
{
	if (request->opcode == SIM_SET)
		client->own_writes[request->key] = zxid;
	if (request->opcode != SIM_SEQUENCE && request->opcode != SIM_EPHEMERAL)
		return;
	if (result.code == SIM_OK && result.number <= client->last_number)
		sim_fail(client->world,
			 "session %" PRId64 " gets number %" PRId64 " after %" PRId64,
			 client->session, result.number, client->last_number);
	if (result.code == SIM_OK)
		client->last_number = result.number;
}

static void on_answered(void *data, const struct sim_request *request, struct sim_result result,
			zxid_t zxid)
{
	struct sim_client *client = data;

	sim_trace(client->world, client->attached->sid, "answer", client->session, request->cxid,
		  zxid);
	if (client->outstanding_count == 0 || client->outstanding[0].cxid != request->cxid) {
		sim_fail(client->world, "session %" PRId64 ": request %d is answered out of order",
			 client->session, request->cxid);
		return;
	}
	for (size_t i = 1; i < client->outstanding_count; i++)
		client->outstanding[i - 1] = client->outstanding[i];
	client->outstanding_count--;
	client->oldest_us = client->world->now_us;
	if (zxid <= client->seen && request->opcode != SIM_OPEN)
		sim_fail(client->world,
			 "session %" PRId64 ": request %d is answered at 0x%" PRIx64
			 ", after 0x%" PRIx64 " was seen",
			 client->session, request->cxid, zxid, client->seen);
	if (result.code == SIM_MOVED || (result.code == SIM_NO_SESSION && !client->is_closing))
		sim_fail(client->world, "session %" PRId64 ": request %d is refused (%d)",
			 client->session, request->cxid, (int)result.code);
	if (zxid > client->seen)
		client->seen = zxid;
	sim_check_acknowledged(client->check, client->session, request->cxid, zxid);
	remember(client, request, result, zxid);
	client->acknowledged++;
	client->last_answer_us = client->world->now_us;
}

static void on_dropped(void *data)
{
	struct sim_client *client = data;

	client->attached = NULL;
	client->outstanding_count = 0;
}

/* ---- questions ---- */

static void detach(struct sim_client *client)
{
	sim_replica_detach(client->attached, client->session);
	on_dropped(client);
}

static void ask(struct sim_client *client, enum sim_opcode opcode)
{
	struct sim_request request = {
		.session = client->session,
		.cxid = client->next_cxid++,
		.opcode = opcode,
		.attachment = client->attachment,
		.key = (uint32_t)prng_below(&client->chance, SIM_KEYS_MAX),
		.value = (int64_t)(prng_next(&client->chance) >> 1),
		.padding = (uint32_t)prng_below(&client->chance, PADDING_MAX),
	};

	if (client->outstanding_count == 0)
		client->oldest_us = client->world->now_us;
	client->outstanding[client->outstanding_count++] = request;
	sim_replica_ask(client->attached, &request);
}

static void attach(struct sim_client *client)
{
	struct sim_replica *replica =
		&client->replicas[prng_below(&client->chance, client->replica_count)];
	struct sim_customer customer = {client, on_answered, on_dropped};

	if (!sim_replica_is_up(replica) || sim_app_zxid(replica->app) < client->seen ||
	    !sim_replica_attach(replica, client->session, client->attachment + 1, customer))
		return;
	client->attachment++;
	client->attached = replica;
	client->is_closing = false;
	ask(client, SIM_OPEN);
}

static void read_one(struct sim_client *client)
{
	uint32_t key = (uint32_t)prng_below(&client->chance, SIM_KEYS_MAX);
	struct sim_register at = sim_app_read(client->attached->app, key);
	zxid_t zxid = sim_app_zxid(client->attached->app);

	sim_trace(client->world, client->attached->sid, "read", client->session, key, at.mzxid);
	if (zxid < client->seen)
		sim_fail(client->world,
			 "session %" PRId64 " reads at 0x%" PRIx64 " after 0x%" PRIx64 " was seen",
			 client->session, zxid, client->seen);
	if (at.version < client->versions[key])
		sim_fail(client->world,
			 "session %" PRId64 " reads version %" PRId64 " of key %u after %" PRId64,
			 client->session, at.version, key, client->versions[key]);
	if (at.mzxid < client->own_writes[key])
		sim_fail(client->world,
			 "session %" PRId64 " reads key %u of 0x%" PRIx64
			 ", which it has written at 0x%" PRIx64,
			 client->session, key, at.mzxid, client->own_writes[key]);
	client->seen = zxid;
	client->versions[key] = at.version;
}

static void ask_something(struct sim_client *client)
{
	static const enum sim_opcode opcodes[] = {SIM_SET,      SIM_SET,       SIM_SET,
						  SIM_SEQUENCE, SIM_EPHEMERAL, SIM_SET};

	if (sim_one_in(&client->chance, 3)) {
		read_one(client);
	} else if (sim_one_in(&client->chance, CLOSE_ONE_IN)) {
		client->is_closing = true;
		ask(client, SIM_CLOSE);
	} else {
		ask(client,
		    opcodes[prng_below(&client->chance, sizeof(opcodes) / sizeof(opcodes[0]))]);
	}
}

static void turn(void *data)
{
	struct sim_client *client = data;

	think(client);
	if (!client->attached) {
		if (!client->is_stopped)
			attach(client);
	} else if (sim_replica_is_paused(client->attached)) {
		/* Nothing is taken, nothing comes. */
	} else if (client->outstanding_count > 0 &&
		   client->world->now_us - client->oldest_us > ANSWER_US_MAX) {
		detach(client);
	} else if (client->outstanding_count == 0 &&
		   (client->is_closing || sim_one_in(&client->chance, MOVE_ONE_IN))) {
		detach(client);
	} else if (client->outstanding_count < SIM_OUTSTANDING_MAX && !client->is_closing &&
		   !client->is_stopped) {
		ask_something(client);
	}
}

void sim_client_init(struct sim_client *client, struct sim_world *world, struct sim_check *check,
		     struct sim_replica *replicas, size_t replica_count, int64_t session,
		     uint64_t seed)
{
	ASSERT(session > 0 && session < SIM_SESSIONS_MAX);
	*client = (struct sim_client){
		.world = world,
		.check = check,
		.replicas = replicas,
		.replica_count = replica_count,
		.session = session,
		.next_cxid = 1,
		.think_us_max = THINK_US_MAX,
	};
	prng_init(&client->chance, seed);
	sim_timer_init(&client->timer, turn, client);
	think(client);
}

void sim_client_stop(struct sim_client *client)
{
	client->is_stopped = true;
}

void sim_client_release(struct sim_client *client)
{
	if (client->attached)
		detach(client);
	sim_timer_stop(client->world, &client->timer);
}
