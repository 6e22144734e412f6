#include "t/unit/election-world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"

/* ---- the network ---- */

static void launch(struct world *world, const struct message *message)
{
	msec_t *last = &world->last_due_ms[message->from][message->to];
	struct message *sent;
	msec_t due_ms =
		world->now_ms + 1 + (msec_t)prng_below(&world->prng, (uint64_t)world->delay_ms_max);

	assert_true(world->in_flight_count < IN_FLIGHT_MAX);
	sent = &world->in_flight[world->in_flight_count++];
	*sent = *message;
	sent->due_ms = due_ms > *last ? due_ms : *last; /* in order on one connection */
	*last = sent->due_ms;
	world->sent_count++;
}

static void post(struct server *server, int64_t to, struct bytes bytes)
{
	struct world *world = server->world;
	struct message message = {.from = server->sid, .to = to, .size = bytes_size(bytes)};

	assert_true(bytes_size(bytes) <= MESSAGE_SIZE_MAX);
	memcpy(message.bytes, bytes.data, bytes_size(bytes));
	world->last[server->sid][to] = message;
	if (world->is_connected[server->sid][to])
		launch(world, &message);
}

static void post_bytes(void *data, int64_t sid, struct bytes bytes)
{
	post(data, sid, bytes);
}

static void post_notification(void *data, int64_t sid, const struct notification *notification)
{
	struct server *server = data;
	struct notification whole = *notification;
	struct buf buf;

	whole.config = bytes_of(server->world->members.text, server->world->members.text_size);
	buf_init(&buf, NOTIFICATION_SIZE_MAX);
	notification_write(&buf, &whole);
	post(server, sid, buf_bytes(&buf));
	buf_release(&buf);
}

static void drop_in_flight(struct world *world, int64_t from, int64_t to)
{
	size_t kept = 0;

	for (size_t i = 0; i < world->in_flight_count; i++) {
		const struct message *message = &world->in_flight[i];

		if (message->from != from || message->to != to)
			world->in_flight[kept++] = *message;
	}
	world->in_flight_count = kept;
}

static void tell_reach(struct world *world, int64_t to, int64_t whom, enum election_reach reach)
{
	struct server *server = &world->servers[to];

	if (server->is_up && !server->is_apache)
		election_set_reachable(&server->election, whom, reach, world->now_ms);
}

static void disconnect(struct world *world, int64_t a, int64_t b)
{
	world->is_connected[a][b] = world->is_connected[b][a] = false;
	drop_in_flight(world, a, b);
	drop_in_flight(world, b, a);
	tell_reach(world, a, b, ELECTION_UNREACHABLE);
	tell_reach(world, b, a, ELECTION_UNREACHABLE);
}

static void connect_later(struct world *world, int64_t a, int64_t b)
{
	world->connect_at_ms[a][b] = world->now_ms + 1 + (msec_t)prng_below(&world->prng, 50);
}

/* Apache sends the last message again; here the election does what is needed. */
static void connect_now(struct world *world, int64_t a, int64_t b)
{
	world->is_connected[a][b] = world->is_connected[b][a] = true;
	if (world->servers[a].is_apache && world->last[a][b].size > 0)
		launch(world, &world->last[a][b]);
	if (world->servers[b].is_apache && world->last[b][a].size > 0)
		launch(world, &world->last[b][a]);
	tell_reach(world, a, b, ELECTION_REACHABLE);
	tell_reach(world, b, a, ELECTION_REACHABLE);
}

static void deliver(struct world *world, const struct message *message)
{
	struct server *server = &world->servers[message->to];
	struct bytes bytes = bytes_of(message->bytes, message->size);
	struct notification notification;

	assert_true(server->is_up);
	if (!server->is_apache) {
		election_notification(&server->election, message->from, bytes, world->now_ms);
		election_check(&server->election);
		return;
	}
	assert_int_equal(notification_read(bytes, &notification), 0);
	notification.config = BYTES_NULL;
	apache_election_notification(&server->apache, message->from, &notification, world->now_ms);
}

/* Those that are due, the earliest first. */
static void deliver_due(struct world *world)
{
	for (;;) {
		struct message *next = NULL;
		struct message message;

		for (size_t i = 0; i < world->in_flight_count; i++) {
			struct message *at = &world->in_flight[i];

			if (at->due_ms <= world->now_ms && (!next || at->due_ms < next->due_ms))
				next = at;
		}
		if (!next)
			return;
		message = *next;
		memmove(next, next + 1,
			(size_t)(&world->in_flight[world->in_flight_count] - (next + 1)) *
				sizeof(*next));
		world->in_flight_count--;
		deliver(world, &message);
	}
}

/* ---- servers ---- */

static void look(struct server *server)
{
	msec_t now_ms = server->world->now_ms;
	struct zab_vote own = {
		.leader = server->sid,
		.zxid = server->zxid,
		.peer_epoch = server->epoch,
	};

	server->is_looking = true;
	server->is_established = false;
	server->leader = 0;
	server->look_at_ms = 0;
	if (server->is_apache) {
		apache_election_start(&server->apache, own, now_ms);
		return;
	}
	if (server->is_empty)
		own.zxid = -1;
	election_start(&server->election, own, now_ms);
	election_check(&server->election);
}

void boot(struct server *server)
{
	struct world *world = server->world;

	assert_false(server->is_up);
	server->is_up = true;
	election_init(&server->election, server->sid, &world->members, post_bytes, server);
	apache_election_init(&server->apache, server->sid, world->count, post_notification, server);
	look(server);
	for_each_server (world, other) {
		world->last[other->sid][server->sid].size *= other->is_up;
		if (other != server && other->is_up)
			connect_later(world, server->sid, other->sid);
	}
}

void crash(struct server *server)
{
	struct world *world = server->world;

	assert_true(server->is_up);
	server->is_up = false;
	server->is_established = false;
	for_each_server (world, other) {
		world->connect_at_ms[server->sid][other->sid] = 0;
		world->connect_at_ms[other->sid][server->sid] = 0;
		if (other != server)
			disconnect(world, server->sid, other->sid);
		world->last[server->sid][other->sid].size = 0;
	}
	election_release(&server->election);
}

/* The role is taken as soon as the election has found it. */
static void take_role(struct server *server)
{
	struct zab_vote vote = {0};

	if (!server->is_looking)
		return;
	if (server->is_apache) {
		if (server->apache.state == ZAB_LOOKING)
			return;
		vote = server->apache.current;
	} else {
		if (!election_decided(&server->election, &vote))
			return;
		election_settle(&server->election,
				vote.leader == server->sid ? ZAB_LEADING : ZAB_FOLLOWING, vote);
	}
	server->is_looking = false;
	server->leader = vote.leader;
	server->role_ms = server->world->now_ms;
}

static void set_epoch(struct server *server, int64_t epoch, zxid_t zxid)
{
	struct zab_vote vote = server->election.proposal;

	server->epoch = epoch;
	server->zxid = zxid;
	server->is_empty = false;
	server->is_established = true;
	vote.peer_epoch = epoch;
	if (server->is_apache)
		apache_election_set_epoch(&server->apache, epoch);
	else
		election_settle(&server->election, server->election.state, vote);
}

bool is_leading(const struct server *server)
{
	return server->is_up && !server->is_looking && server->leader == server->sid;
}

/* On the quorum port, whatever the election's connections are. */
static bool is_following(const struct server *server, const struct server *leader)
{
	return server->is_up && !server->is_looking && server->leader == leader->sid &&
	       server != leader;
}

/* A leader drops a learner that knows more than itself before it has a quorum. */
static bool knows_more(const struct server *server, const struct server *leader)
{
	return server->epoch > leader->epoch ||
	       (server->epoch == leader->epoch && server->zxid > leader->zxid);
}

static void look_soon(struct server *server)
{
	if (server->look_at_ms == 0)
		server->look_at_ms =
			server->world->now_ms + 1 + (msec_t)prng_below(&server->world->prng, 100);
}

static void lead(struct server *leader)
{
	struct world *world = leader->world;
	int64_t epoch = leader->epoch;
	int64_t count = 1;

	for_each_server (world, server) {
		if (!is_following(server, leader))
			continue;
		if (!leader->is_established && knows_more(server, leader)) {
			look_soon(server);
			continue;
		}
		count++;
		if (server->epoch > epoch)
			epoch = server->epoch;
	}
	if (count <= world->count / 2) {
		if (world->now_ms - leader->role_ms >
		    (leader->is_established ? LOST_QUORUM_MS : LEADER_WAIT_MS))
			look(leader);
		return;
	}
	leader->role_ms = world->now_ms;
	if (!leader->is_established)
		set_epoch(leader, epoch + 1,
			  zxid_make((uint32_t)epoch + 1, (uint32_t)prng_below(&world->prng, 3)));
}

static void follow(struct server *server)
{
	struct world *world = server->world;
	struct server *leader = &world->servers[server->leader];

	if (!is_leading(leader)) {
		if (server->is_established)
			look_soon(server); /* the connection broke */
		else if (world->now_ms - server->role_ms > FOLLOWER_WAIT_MS)
			look(server);
	} else if (leader->is_established &&
		   (!server->is_established || server->epoch != leader->epoch)) {
		set_epoch(server, leader->epoch, leader->zxid);
	}
}

static void run_server(struct server *server)
{
	msec_t now_ms = server->world->now_ms;

	if (server->is_apache) {
		apache_election_tick(&server->apache, now_ms);
	} else if (election_next_tick_ms(&server->election) <= now_ms) {
		election_tick(&server->election, now_ms);
		election_check(&server->election);
	}
	if (server->look_at_ms > 0 && now_ms >= server->look_at_ms)
		look(server);
	take_role(server);
	if (server->is_looking)
		return;
	if (server->leader == server->sid)
		lead(server);
	else
		follow(server);
}

static void step(struct world *world)
{
	world->now_ms += STEP_MS;
	for (int64_t a = 1; a <= world->count; a++) {
		for (int64_t b = 1; b <= world->count; b++) {
			if (world->connect_at_ms[a][b] == 0 ||
			    world->connect_at_ms[a][b] > world->now_ms)
				continue;
			world->connect_at_ms[a][b] = 0;
			if (!world->is_connected[a][b])
				connect_now(world, a, b);
		}
	}
	deliver_due(world);
	for_each_server (world, server) {
		if (server->is_up)
			run_server(server);
	}
}

void run_for(struct world *world, msec_t ms)
{
	for (msec_t end_ms = world->now_ms + ms; world->now_ms < end_ms;)
		step(world);
}

bool is_settled(struct world *world)
{
	const struct server *leader = NULL;

	for_each_server (world, server) {
		const struct server *its_leader = &world->servers[server->leader];

		if (!server->is_up)
			continue;
		if (server->is_looking || server->look_at_ms > 0 || !server->is_established ||
		    (leader && leader != its_leader))
			return false;
		leader = its_leader;
	}
	return leader && is_leading(leader);
}

msec_t run_until_settled(struct world *world, msec_t limit_ms)
{
	msec_t begin_ms = world->now_ms;

	while (!is_settled(world)) {
		if (world->now_ms - begin_ms > limit_ms) {
			for_each_server (world, server)
				fprintf(stderr,
					"%lld: apache %d up %d looking %d leader %lld est %d "
					"epoch %lld zxid %llx\n",
					(long long)server->sid, server->is_apache, server->is_up,
					server->is_looking, (long long)server->leader,
					server->is_established, (long long)server->epoch,
					(unsigned long long)server->zxid);
			fail_msg("not settled after %lld ms", (long long)limit_ms);
		}
		step(world);
	}
	return world->now_ms - begin_ms;
}

/* ---- worlds ---- */

void world_init(struct world *world, uint64_t seed, int64_t count)
{
	struct buf text;

	*world = (struct world){.count = count, .now_ms = 1000, .delay_ms_max = 20};
	prng_init(&world->prng, seed);
	buf_init(&text, MESSAGE_SIZE_MAX);
	for (int64_t sid = 1; sid <= count; sid++)
		buf_printf(&text, "server.%lld=a:1:2\n", (long long)sid);
	assert_int_equal(members_parse(buf_bytes(&text), &world->members), 0);
	buf_release(&text);
	world->in_flight = mem_alloc(IN_FLIGHT_MAX * sizeof(*world->in_flight));
	for (int64_t sid = 1; sid <= count; sid++)
		world->servers[sid] = (struct server){.world = world, .sid = sid};
}

void world_release(struct world *world)
{
	for_each_server (world, server) {
		if (server->is_up)
			election_release(&server->election);
	}
	free(world->in_flight);
	members_release(&world->members);
}

void choose_disks(struct world *world)
{
	for_each_server (world, server) {
		server->epoch = 1 + (int64_t)prng_below(&world->prng, 3);
		server->zxid = zxid_make((uint32_t)(server->epoch - 1),
					 (uint32_t)prng_below(&world->prng, 4));
	}
}

const struct server *best(struct world *world)
{
	const struct server *best = world->servers + 1;

	for_each_server (world, server) {
		if (!knows_more(best, server))
			best = server; /* and of equal ones the larger sid */
	}
	return best;
}

void boot_all(struct world *world)
{
	for_each_server (world, server)
		boot(server);
}

struct server *random_server(struct world *world)
{
	return &world->servers[1 + prng_below(&world->prng, (uint64_t)world->count)];
}

static int64_t up_count(struct world *world)
{
	int64_t count = 0;

	for_each_server (world, server)
		count += server->is_up;
	return count;
}

void cause_fault(struct world *world)
{
	struct server *server = random_server(world);
	struct server *other = random_server(world);

	switch (prng_below(&world->prng, 4)) {
	case 0: /* the leader, if there is one */
		server = server->leader > 0 ? &world->servers[server->leader] : server;
		/* fall through */
	case 1:
		if (server->is_up)
			crash(server);
		break;
	case 2:
		if (!server->is_up)
			boot(server);
		break;
	default: /* a connection breaks and is made again */
		if (server != other && server->is_up && other->is_up) {
			disconnect(world, server->sid, other->sid);
			connect_later(world, server->sid, other->sid);
		}
	}
}

void end_faults(struct world *world)
{
	int64_t wanted = world->count - (int64_t)prng_below(&world->prng, 2);

	while (up_count(world) < wanted) {
		struct server *server = random_server(world);

		if (!server->is_up)
			boot(server);
	}
	for (int64_t a = 1; a <= world->count; a++)
		for (int64_t b = 1; b < a; b++)
			if (world->servers[a].is_up && world->servers[b].is_up &&
			    !world->is_connected[a][b])
				connect_later(world, a, b);
}
