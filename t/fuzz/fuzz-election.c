#include "t/fuzz/fuzz.h"

#include "replica/zab/election.h"
#include "src/base/assert.h"

/*
 * Server 2 of five, and of an observer, to which anything may happen. The input
 * is events: a byte that says what, of whom; then what it needs. Claims: what is
 * sent can be read; a leader that was found is a voter; the round never goes back
 * (election_check has the rest).
 *
 *	0x00 | sid, size, bytes	a frame
 *	0x10 | sid, reach	a connection
 *	0x20 | n		16^n milliseconds
 *	0x30 | zxid + 1		it starts to look; -1 is an empty store
 *	0x40 | state		it takes the role, if a leader is found
 *	0x50 | bool		the operator allows an empty store to vote
 *	0x60 | bool		server 5 and 1 leave, or come
 */
enum { MYID = 2 };

static const char all_text[] = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2\n"
			       "server.5=e:1:2\nserver.6=f:1:2:observer\nversion=5";
static const char few_text[] = "server.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2\n"
			       "server.6=f:1:2:observer\nversion=6";

struct world {
	struct election election;
	struct members all;
	struct members few;
	struct bytes input;
	msec_t now_ms;
	int64_t round;
};

static void check_sent(void *data, int64_t sid, struct bytes bytes)
{
	const struct world *world = data;
	struct notification notification;

	ASSERT(sid != MYID);
	ASSERT(notification_read(bytes, &notification) == 0);
	ASSERT(notification.state == world->election.state);
	ASSERT(!bytes_is_null(notification.config));
}

/* The next size bytes of the input, or as many as there are. */
static struct bytes take(struct world *world, size_t size)
{
	struct bytes taken;

	if (size > bytes_size(world->input))
		size = bytes_size(world->input);
	taken = bytes_of(world->input.data, size);
	if (size > 0)
		world->input = bytes_of((const uint8_t *)world->input.data + size,
					bytes_size(world->input) - size);
	return taken;
}

static uint8_t take_byte(struct world *world)
{
	struct bytes byte = take(world, 1);

	return byte.size > 0 ? *(const uint8_t *)byte.data : 0;
}

static void start(struct world *world, zxid_t zxid)
{
	struct zab_vote own = {.leader = MYID, .zxid = zxid, .peer_epoch = zxid > 3};

	election_start(&world->election, own, world->now_ms);
}

static void settle(struct world *world, bool is_established)
{
	struct zab_vote vote = world->election.proposal;
	enum zab_state state = vote.leader == MYID ? ZAB_LEADING : ZAB_FOLLOWING;

	if (!election_decided(&world->election, &vote) && world->election.state == ZAB_LOOKING)
		return;
	vote.peer_epoch += is_established && vote.peer_epoch < UINT32_MAX;
	election_settle(&world->election, state, vote);
}

static void step(struct world *world)
{
	uint8_t event = take_byte(world);
	uint8_t low = event & 0x0f;

	switch (event >> 4) {
	case 0:
		election_notification(&world->election, low, take(world, take_byte(world)),
				      world->now_ms);
		break;
	case 1:
		election_set_reachable(&world->election, low,
				       (enum election_reach)(take_byte(world) % 3), world->now_ms);
		break;
	case 2:
		world->now_ms += (msec_t)1 << (4 * (low % 5));
		election_tick(&world->election, world->now_ms);
		break;
	case 3:
		start(world, (zxid_t)low - 1);
		break;
	case 4:
		settle(world, low & 1);
		break;
	case 5:
		election_set_bootstrap(&world->election, low & 1);
		break;
	case 6:
		election_set_members(&world->election, low & 1 ? &world->few : &world->all,
				     low & 2 ? &world->few : NULL);
		break;
	default:
		break;
	}
}

static void check(struct world *world)
{
	struct zab_vote vote;
	msec_t next = election_next_tick_ms(&world->election);

	election_check(&world->election);
	ASSERT(world->election.round >= world->round);
	world->round = world->election.round;
	if (election_decided(&world->election, &vote)) {
		ASSERT(next == INT64_MAX);
		ASSERT(vote.leader == MYID || members_is_voter(&world->all, vote.leader));
		ASSERT(vote.leader != MYID || world->election.own.zxid != -1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {.input = bytes_of(data, size < FUZZ_SIZE_MAX ? size : 0)};

	ASSERT(members_parse(bytes_of_text(all_text), &world.all) == 0);
	ASSERT(members_parse(bytes_of_text(few_text), &world.few) == 0);
	election_init(&world.election, MYID, &world.all, check_sent, &world);
	while (bytes_size(world.input) > 0) {
		step(&world);
		check(&world);
	}
	election_release(&world.election);
	members_release(&world.all);
	members_release(&world.few);
	return 0;
}
