#include "t/unit/election-world.h"

/* ---- figures ---- */

struct figures {
	msec_t max_ms;
	msec_t sum_ms;
	uint64_t count;
	uint64_t sent;
};

static void note(struct figures *figures, const struct world *world, msec_t ms)
{
	figures->max_ms = ms > figures->max_ms ? ms : figures->max_ms;
	figures->sum_ms += ms;
	figures->count++;
	figures->sent += world->sent_count;
}

static void report(const char *what, const struct figures *figures)
{
	print_message("%s: %llu elections, mean %lld ms, longest %lld ms, %llu messages each\n",
		      what, (unsigned long long)figures->count,
		      (long long)(figures->sum_ms / (msec_t)figures->count),
		      (long long)figures->max_ms,
		      (unsigned long long)(figures->sent / figures->count));
}

enum { SEEDS = 300 };

static void the_best_wins_in_any_order_of_messages(void **state)
{
	struct figures figures = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world world;
		int64_t expected;

		world_init(&world, seed, seed % 2 ? 3 : 5);
		choose_disks(&world);
		expected = best(&world)->sid;
		boot_all(&world);
		note(&figures, &world, run_until_settled(&world, 1000));
		for_each_server (&world, server)
			assert_int_equal(server->leader, expected);
		world_release(&world);
	}
	report("all at once", &figures);
}

/* Who is of Apache's kind: the bits of mix. */
static void run_with_faults(struct figures *figures, uint64_t seed, int64_t count, unsigned mix,
			    msec_t limit_ms)
{
	struct world world;

	world_init(&world, seed, count);
	world.delay_ms_max = seed % 3 == 0 ? 150 : 20;
	choose_disks(&world);
	for_each_server (&world, server)
		server->is_apache = mix >> server->sid & 1;
	for_each_server (&world, server) {
		boot(server);
		run_for(&world, (msec_t)prng_below(&world.prng, 300));
	}
	for (uint64_t fault = prng_below(&world.prng, 12); fault > 0; fault--) {
		cause_fault(&world);
		run_for(&world,
			(msec_t)prng_below(&world.prng, 2) * (msec_t)prng_below(&world.prng, 3000));
	}
	end_faults(&world);
	world.sent_count = 0;
	note(figures, &world, run_until_settled(&world, limit_ms));
	/* And it stays so. */
	run_for(&world, 3000);
	assert_true(is_settled(&world));
	world_release(&world);
}

static void faults_end_in_one_leader(void **state)
{
	struct figures figures = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run_with_faults(&figures, seed, seed % 2 ? 3 : 5, 0, 20000);
	report("of this kind", &figures);
}

/* From the crash of a leader until the others follow one; each notices within 100 ms. */
static void replace_leader(struct figures *figures, uint64_t seed, bool is_apache, msec_t limit_ms)
{
	struct world world;

	world_init(&world, seed, seed % 2 ? 3 : 5);
	choose_disks(&world);
	for_each_server (&world, server)
		server->is_apache = is_apache;
	boot_all(&world);
	(void)run_until_settled(&world, 2000);
	run_for(&world, 1000);
	crash(&world.servers[world.servers[1].leader]);
	world.sent_count = 0;
	note(figures, &world, run_until_settled(&world, limit_ms));
	world_release(&world);
}

static void a_lost_leader_is_replaced_without_a_wait(void **state)
{
	struct figures figures = {0};
	struct figures apache = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		replace_leader(&figures, seed, false, 300);
		replace_leader(&apache, seed, true, 2000);
	}
	report("a leader lost", &figures);
	report("a leader lost, Apache's", &apache);
}

static void a_mix_with_apache_ends_in_one_leader(void **state)
{
	struct figures figures = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run_with_faults(&figures, seed, seed % 2 ? 3 : 5,
				(unsigned)(seed * 2654435761u >> 3), 20000);
	report("mixed", &figures);
}

static void apache_alone_ends_in_one_leader(void **state)
{
	struct figures figures = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run_with_faults(&figures, seed, seed % 2 ? 3 : 5, ~0u, 20000);
	report("Apache's", &figures);
}

/* ---- empty stores (lessons R18) ---- */

static void make_empty(struct server *server)
{
	server->epoch = 0;
	server->zxid = 0;
	server->is_empty = true;
}

static void a_new_ensemble_forms_when_all_are_there(void **state)
{
	struct figures figures = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world world;
		struct server *last;

		world_init(&world, seed, seed % 2 ? 3 : 5);
		last = random_server(&world);
		for_each_server (&world, server) {
			make_empty(server);
			if (server != last)
				boot(server);
			run_for(&world, (msec_t)prng_below(&world.prng, 300));
		}
		run_for(&world, 3000);
		for_each_server (&world, server)
			assert_false(is_leading(server));
		boot(last);
		note(&figures, &world, run_until_settled(&world, 1000));
		world_release(&world);
	}
	report("a new ensemble", &figures);
}

/* Apache's empty servers vote; those of this kind join what these make. */
static void a_new_ensemble_forms_in_a_mix_with_apache(void **state)
{
	struct figures figures = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world world;

		world_init(&world, seed, seed % 2 ? 3 : 5);
		for_each_server (&world, server) {
			make_empty(server);
			server->is_apache = prng_below(&world.prng, 2);
			boot(server);
			run_for(&world, (msec_t)prng_below(&world.prng, 300));
		}
		note(&figures, &world, run_until_settled(&world, 3000));
		world_release(&world);
	}
	report("a new ensemble, mixed", &figures);
}

/* With one that lacks what was committed it would lose that. */
static void a_lost_disk_is_no_part_of_a_quorum(void **state)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world world;
		struct server *wiped, *behind, *whole;
		int64_t first;

		world_init(&world, seed, 3);
		first = 1 + (int64_t)prng_below(&world.prng, 3);
		wiped = &world.servers[first];
		behind = &world.servers[first % 3 + 1];
		whole = &world.servers[(first + 1) % 3 + 1];
		make_empty(wiped);
		behind->epoch = whole->epoch = 1;
		behind->zxid = zxid_make(1, 1);
		whole->zxid = zxid_make(1, 2);
		behind->is_apache = prng_below(&world.prng, 2);
		whole->is_apache = prng_below(&world.prng, 2);
		boot(wiped);
		boot(behind);
		run_for(&world, 3000);
		for_each_server (&world, server)
			assert_false(is_leading(server));
		boot(whole);
		(void)run_until_settled(&world, 5000);
		assert_int_equal(wiped->leader, whole->sid);
		assert_false(wiped->is_empty);
		world_release(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_wins_in_any_order_of_messages),
		cmocka_unit_test(a_lost_leader_is_replaced_without_a_wait),
		cmocka_unit_test(faults_end_in_one_leader),
		cmocka_unit_test(a_mix_with_apache_ends_in_one_leader),
		cmocka_unit_test(apache_alone_ends_in_one_leader),
		cmocka_unit_test(a_new_ensemble_forms_when_all_are_there),
		cmocka_unit_test(a_new_ensemble_forms_in_a_mix_with_apache),
		cmocka_unit_test(a_lost_disk_is_no_part_of_a_quorum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
