/*
 * The store on a disk that keeps only what was synced, with a crash at each of
 * its changes in turn. A life of a store is drawn from a seed; it is lived
 * again and again, each time up to the next change. After every crash
 *
 *	- the store opens: no crash is taken for damage
 *	- all transactions that it told to be durable are there, in order, nothing half,
 *	  and none that was never appended
 *	- the tree is one that was handed over, not older than the last told to be durable
 *	- so are the epochs
 *	- it is all of what was valid before a truncation or another's tree that wasn't told to be
 *	  durable, or all of what is since: nothing of the one comes back in the other
 *
 * and it goes on, through another crash, to an end without one.
 *
 * STORE_CRASH_SEEDS=N lives more lives; with STORE_CRASH_EVERY=N, which is for builds that are
 *slow, the crash is at every Nth change only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/base/prng.h"
#include "t/sim/crash-vfs.h"
#include "t/sim/store-rig.h"
#include "t/unit/cmocka.h"

enum {
	ROUNDS = 18,
	ROUNDS_OF_ENSEMBLE = 12,
	ROUNDS_AFTER = 4,
	/* Of as many seeds, all but the first are lives of a standalone. */
	SEEDS_A_LIFE = 3,
	/* Fewer lives do not have all in them that has to be crashed in. */
	SEEDS_MIN = 4,
	/* Of the first kind a segment holds a few commits, of the second some more. */
	SEGMENT_SIZE_SMALL = 2500,
	SEGMENT_SIZE_LARGE = 12000,
};

/* A number of the environment's, not less than the least. */
static unsigned number_of(const char *name, unsigned least)
{
	const char *text = getenv(name);
	unsigned number = text ? (unsigned)strtoul(text, NULL, 10) : least;

	return number > least ? number : least;
}

/* At which changes lives are crashed and failed: 1, 1 + stride, 1 + 2 * stride, ... */
static unsigned stride = 1;

/* What the store told before a crash. */
struct told {
	struct rig_history now;
	struct rig_history before;
	bool may_be_before;
	bool may_be_now;
};

static struct told told_by(const struct rig *rig)
{
	struct told told = {
		.before = rig->before,
		.may_be_before = rig->has_before,
		.may_be_now = !rig->is_staging || rig->is_installing,
	};

	rig_get_history(rig, &told.now);
	return told;
}

/* What a crash broke: empty if nothing. Not asserted at once: a lying disk must break something. */
static char broken[512];

/* Whether the disk may refuse something and yet not be down. */
static bool may_fail;

static bool expect(bool fact, const struct rig *rig, const char *what)
{
	if (!fact && !broken[0])
		snprintf(broken, sizeof(broken), "%s: %.200s%.200s", what, rig->refusal.text,
			 rig->wrong);
	return fact;
}

/* ---- a life ---- */

static void append_some(struct rig *rig, struct prng *prng)
{
	rig_append(rig, 1 + (unsigned)prng_below(prng, 5));
	(void)store_step(rig->store, STORE_LOG_WORKER);
}

static void write_tree(struct rig *rig, struct prng *prng)
{
	unsigned more = rig->durable - rig->tree_written;

	if (!store_can_write_tree(rig->store) || more == 0)
		return;
	rig_write_tree(rig, rig->tree_written + 1 + (unsigned)prng_below(prng, more));
	(void)store_step(rig->store, STORE_TREE_WORKER);
}

static void append_one_by_one(struct rig *rig)
{
	for (unsigned i = 0; i < 10; i++) {
		rig_append(rig, 1);
		while (store_step(rig->store, STORE_LOG_WORKER))
			;
	}
}

static void set_epochs(struct rig *rig, struct prng *prng)
{
	if (!rig->has_before)
		rig_set_epochs(rig);
	append_some(rig, prng);
}

/* Several trees, of which none is written yet. */
static void hand_trees_over(struct rig *rig, struct prng *prng)
{
	for (uint64_t trees = prng_below(prng, 4); trees > 0; trees--) {
		unsigned more = rig->durable - rig->tree_written;

		if (store_can_write_tree(rig->store) && more > 0)
			rig_write_tree(rig, rig->tree_written + 1 +
						    (unsigned)prng_below(prng, (more + 1) / 2));
	}
}

/* Between transactions of which some may not be durable, or not be written yet. */
static void truncate_some(struct rig *rig, struct prng *prng)
{
	unsigned more;

	if (rig->has_before)
		return;
	append_some(rig, prng);
	hand_trees_over(rig, prng);
	more = rig->appended - rig->tree_written;
	rig_truncate(rig, rig->tree_written + (unsigned)prng_below(prng, more + 1));
	append_some(rig, prng);
	if (prng_below(prng, 2))
		rig_work(rig);
}

static void step_some(struct rig *rig, struct prng *prng)
{
	for (uint64_t steps = prng_below(prng, 12); steps > 0; steps--)
		(void)store_step(rig->store,
				 prng_below(prng, 3) ? STORE_TREE_WORKER : STORE_LOG_WORKER);
}

static void end_generation(struct rig *rig, struct prng *prng)
{
	if (prng_below(prng, 2))
		rig_install_generation(rig);
	else
		rig_abort_generation(rig);
	step_some(rig, prng);
}

/* Begin one, and bring one that was begun to some end, at once or in a later round. */
static void change_generation(struct rig *rig, struct prng *prng)
{
	if (!rig->has_before) {
		rig_work(rig);
		if (rig->has_failed)
			return;
		hand_trees_over(rig, prng);
		rig_begin_generation(rig, (unsigned)prng_below(prng, rig->appended + 20));
		step_some(rig, prng);
		if (prng_below(prng, 2))
			append_some(rig, prng);
		if (prng_below(prng, 3) == 0)
			return;
	}
	if (rig->is_staging && !rig->is_installing)
		end_generation(rig, prng);
}

/* How often a WAL was kept for a segment to come. */
static unsigned wals_kept;

/* Let the tree pass segments, so that their WALs are used again. */
static void pass_segments(struct rig *rig)
{
	char *old = mem_printf("%s/zkfs-1/log.%u.old.db-wal", rig->data_dir,
			       store_state(rig->store)->generation);

	for (unsigned i = 0; i < 2 && !rig->has_failed; i++) {
		rig_append(rig, 6);
		rig_work(rig);
		if (store_can_write_tree(rig->store) && rig->durable > rig->tree_written)
			rig_write_tree(rig, rig->durable);
		rig_work(rig);
		wals_kept += access(old, F_OK) == 0;
	}
	free(old);
}

static void live_round_of_ensemble(struct rig *rig, struct prng *prng)
{
	switch (prng_below(prng, 9)) {
	case 0:
		write_tree(rig, prng);
		break;
	case 7:
		pass_segments(rig);
		break;
	case 1:
		rig_work(rig);
		break;
	case 2:
	case 3:
		truncate_some(rig, prng);
		break;
	case 4:
	case 5:
		change_generation(rig, prng);
		break;
	case 6:
		rig_close(rig);
		if (rig_open(rig) != 0)
			(void)expect(may_fail || crash_disk_is_down(), rig, "reopen");
		break;
	default:
		append_some(rig, prng);
	}
	if (rig->store)
		store_poll(rig->store);
}

static void live_round(struct rig *rig, struct prng *prng)
{
	switch (prng_below(prng, 10)) {
	case 0:
		set_epochs(rig, prng);
		break;
	case 1:
	case 2:
		write_tree(rig, prng);
		break;
	case 3:
		rig_work(rig);
		break;
	case 4:
		(void)store_step(rig->store, STORE_TREE_WORKER);
		break;
	case 5:
		rig_close(rig);
		if (rig_open(rig) != 0)
			(void)expect(may_fail || crash_disk_is_down(), rig, "reopen");
		break;
	case 6:
		append_one_by_one(rig);
		break;
	case 7:
		pass_segments(rig);
		break;
	default:
		append_some(rig, prng);
	}
	if (rig->store)
		store_poll(rig->store);
}

static void live(struct rig *rig, struct prng *prng, bool is_of_ensemble, unsigned rounds)
{
	if (!rig->store && rig_open(rig) != 0)
		(void)expect(may_fail || crash_disk_is_down(), rig, "open");
	for (unsigned i = 0; i < rounds && rig->store && !rig->has_failed; i++) {
		if (is_of_ensemble)
			live_round_of_ensemble(rig, prng);
		else
			live_round(rig, prng);
	}
}

/* ---- a crash ---- */

static void reopen_and_check(struct rig *rig, const struct told *told)
{
	/* Nothing that is in memory survives, but the memory of it. */
	rig_close(rig);
	crash_disk_restart();
	if (!expect(rig_open(rig) == 0, rig, "the store doesn't open"))
		return;
	(void)expect(!rig->wrong[0], rig, "what was loaded");
	if ((told->may_be_now && rig_has_loaded(rig, &told->now)) ||
	    (told->may_be_before && rig_has_loaded(rig, &told->before)))
		return;
	print_message(
		"# loaded %u, tree %u, epoch %u, generation %u; now %u..%u, tree %u..%u, "
		"epochs %u..%u, generation %u, before %d: %u..%u, tree %u..%u, epochs %u..%u, "
		"generation %u\n",
		rig->loaded, rig->loaded_tree, rig->epochs_set, rig->generation, told->now.durable,
		told->now.appended, told->now.tree, told->now.tree_written,
		told->now.epochs_durable, told->now.epochs_set, told->now.generation,
		told->may_be_before, told->before.durable, told->before.appended, told->before.tree,
		told->before.tree_written, told->before.epochs_durable, told->before.epochs_set,
		told->before.generation);
	(void)expect(false, rig, "it is neither what was there before nor what came after");
}

/* What was loaded after a kill counts as told, though its process never synced it. */
static void cut_power_after_kill(struct rig *rig)
{
	struct told told;

	crash_disk_arm(1, CRASH_POWER);
	rig_append(rig, 1);
	told = told_by(rig);
	rig_work(rig);
	reopen_and_check(rig, &told);
}

/* What the lives that were lived to their end had in them. */
static unsigned truncations, installations, abortions;

static void note_life(const struct rig *rig)
{
	truncations += rig->truncations;
	installations += rig->installations;
	abortions += rig->abortions;
}

/* One life with a crash at that change. False if it ended before. */
static bool live_and_crash(const char *dir, uint64_t seed, unsigned change, unsigned lies)
{
	struct rig rig;
	struct prng prng;
	struct told told;
	enum crash_kind kind = change % 3 == 0 ? CRASH_KILL : CRASH_POWER;
	bool is_of_ensemble = seed % SEEDS_A_LIFE == 1;
	bool crashed;

	prng_init(&prng, seed);
	crash_disk_init(dir, seed * 1000003 + change);
	crash_disk_lie(lies);
	rig_init(&rig, dir);
	rig.vfs = CRASH_VFS_NAME;
	rig.segment_size = seed % 2 == 0 ? SEGMENT_SIZE_LARGE : SEGMENT_SIZE_SMALL;
	crash_disk_arm(change, kind);
	live(&rig, &prng, is_of_ensemble, is_of_ensemble ? ROUNDS_OF_ENSEMBLE : ROUNDS);
	crashed = crash_disk_is_down();
	if (crashed) {
		told = told_by(&rig);
		reopen_and_check(&rig, &told);
		if (kind == CRASH_KILL && !broken[0])
			cut_power_after_kill(&rig);
	}
	/* Once more, near the start: a crash while it recovers from the first. */
	if (crashed && !broken[0]) {
		told = told_by(&rig);
		rig_close(&rig);
		crash_disk_arm(1 + change % 97, CRASH_POWER);
		live(&rig, &prng, is_of_ensemble, ROUNDS_AFTER);
		if (crash_disk_is_down()) {
			told = told_by(&rig);
			reopen_and_check(&rig, &told);
		}
	}
	if (!crashed)
		note_life(&rig);
	rig_release(&rig);
	crash_disk_release();
	rig_remove_dir(dir);
	return crashed;
}

/* All of one life; how many crashes that were. Ends at the first that breaks something. */
static unsigned crash_everywhere(uint64_t seed, unsigned lies)
{
	unsigned crashes = 0;
	bool crashed = true;

	broken[0] = '\0';
	for (unsigned change = 1; crashed && !broken[0]; change += stride) {
		char *dir = rig_make_dir();

		crashed = live_and_crash(dir, seed, change, lies);
		crashes += crashed;
		rig_remove_dir(dir);
		free(dir);
		if (broken[0])
			print_message("# seed %llu, change %u: %s\n", (unsigned long long)seed,
				      change, broken);
	}
	return crashes;
}

static void crash_must_be_survived(uint64_t seed)
{
	unsigned crashes = crash_everywhere(seed, 0);

	assert_string_equal(broken, "");
	print_message("# seed %llu: %u crashes\n", (unsigned long long)seed, crashes);
}

static void test_every_crash_is_survived(void **state)
{
	unsigned seeds = number_of("STORE_CRASH_SEEDS", SEEDS_MIN);

	for (unsigned seed = 1; seed <= seeds; seed++)
		crash_must_be_survived(seed);
	print_message("# %u WALs kept, %u truncations, %u generations installed, %u aborted\n",
		      wals_kept, truncations, installations, abortions);
	assert_true(wals_kept > 100 / stride);
	assert_true(truncations > 0 && installations > 0 && abortions > 0);
}

/* ---- a change that fails ---- */

/*
 * The first failure is the end of a store: nothing is told to be durable after
 * it (the rig asserts that), whatever the disk says then. False if no change
 * had that number.
 */
static bool live_and_fail(const char *dir, uint64_t seed, bool is_of_ensemble, unsigned change)
{
	struct rig rig;
	struct prng prng;
	struct told told;
	bool came;

	prng_init(&prng, seed);
	crash_disk_init(dir, seed);
	rig_init(&rig, dir);
	rig.vfs = CRASH_VFS_NAME;
	rig.segment_size = SEGMENT_SIZE_SMALL;
	may_fail = true;
	crash_disk_arm(change, CRASH_NOT_BUT_FAIL);
	live(&rig, &prng, is_of_ensemble, is_of_ensemble ? ROUNDS_OF_ENSEMBLE : ROUNDS);
	may_fail = false;
	came = crash_disk_changes() >= change;
	if (rig.store && rig.has_failed) {
		rig_append(&rig, 1);
		rig_work(&rig);
	}
	told = told_by(&rig);
	reopen_and_check(&rig, &told);
	rig_release(&rig);
	crash_disk_release();
	rig_remove_dir(dir);
	return came;
}

static void failures_must_be_the_end(bool is_of_ensemble)
{
	unsigned change = 1;
	bool came = true;

	broken[0] = '\0';
	for (; came; change += stride) {
		char *dir = rig_make_dir();

		came = live_and_fail(dir, 1, is_of_ensemble, change);
		rig_remove_dir(dir);
		free(dir);
		if (broken[0])
			fail_msg("change %u: %s", change, broken);
	}
	assert_true(change > 100 + stride);
}

static void test_a_failed_change_is_the_end(void **state)
{
	failures_must_be_the_end(false);
	failures_must_be_the_end(true);
}

/* ---- the test can fail ---- */

/* A disk that breaks this promise must be found out. */
static void lie_must_show(unsigned lies)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		(void)crash_everywhere(seed, lies);
		if (broken[0])
			return;
	}
	fail_msg("nobody noticed that the disk lies");
}

static void test_a_log_without_sync_shows(void **state)
{
	lie_must_show(CRASH_NO_WAL_SYNC);
}

static void test_databases_without_sync_show(void **state)
{
	lie_must_show(CRASH_NO_DATABASE_SYNC);
}

static void test_directories_without_sync_show(void **state)
{
	lie_must_show(CRASH_NO_DIRECTORY_SYNC);
}

/* ---- a full disk ---- */

static void test_a_full_disk_loses_nothing(void **state)
{
	for (int64_t room = 0; room < 120000; room += 1777) {
		char *dir = rig_make_dir();
		struct rig rig;
		struct prng prng;
		struct told told;

		prng_init(&prng, 1);
		crash_disk_init(dir, 1);
		rig_init(&rig, dir);
		rig.vfs = CRASH_VFS_NAME;
		rig.segment_size = SEGMENT_SIZE_SMALL;
		assert_int_equal(rig_open(&rig), 0);
		crash_disk_limit(room);
		for (unsigned i = 0; i < 100 && rig.store && !rig.has_failed; i++) {
			append_some(&rig, &prng);
			store_poll(rig.store);
		}
		if (room < 60000)
			assert_true(rig.has_failed);
		if (rig.has_failed && !strstr(rig.refusal.text, "no space left"))
			fail_msg("%s", rig.refusal.text);
		told = told_by(&rig);
		rig_close(&rig);
		crash_disk_limit(-1);
		broken[0] = '\0';
		reopen_and_check(&rig, &told);
		assert_string_equal(broken, "");
		rig_release(&rig);
		crash_disk_release();
		rig_remove_dir(dir);
		free(dir);
	}
}

/* No room to make the next segment: the log goes on in the one it has, and says nothing. */
static void test_a_full_disk_stops_nothing_that_has_its_room(void **state)
{
	char *dir = rig_make_dir();
	struct rig rig;

	crash_disk_init(dir, 1);
	rig_init(&rig, dir);
	rig.vfs = CRASH_VFS_NAME;
	rig.segment_size = SEGMENT_SIZE_LARGE;
	assert_int_equal(rig_open(&rig), 0);
	assert_true(store_step(rig.store, STORE_TREE_WORKER));
	rig_append(&rig, 1);
	assert_true(store_step(rig.store, STORE_LOG_WORKER));
	crash_disk_limit(0);
	for (unsigned i = 0; i < 4; i++) {
		rig_append(&rig, 3);
		rig_work(&rig);
	}
	assert_false(rig.has_failed);
	assert_int_equal(rig.durable, 13);
	/* It fails when it needs the room, and not before. */
	for (unsigned i = 0; i < 200 && !rig.has_failed; i++) {
		rig_append(&rig, 3);
		rig_work(&rig);
	}
	assert_true(rig.has_failed);
	assert_non_null(strstr(rig.refusal.text, "no space left"));
	rig_close(&rig);
	crash_disk_limit(-1);
	assert_int_equal(rig_open(&rig), 0);
	assert_true(rig.loaded >= rig.durable && rig.loaded >= 13);
	rig_release(&rig);
	crash_disk_release();
	rig_remove_dir(dir);
	free(dir);
}

/* With room again once a segment is gone, the next is made after all. */
static void test_a_disk_that_was_full_is_used_again(void **state)
{
	char *dir = rig_make_dir();
	struct rig rig;

	crash_disk_init(dir, 1);
	rig_init(&rig, dir);
	rig.vfs = CRASH_VFS_NAME;
	rig.segment_size = SEGMENT_SIZE_SMALL;
	assert_int_equal(rig_open(&rig), 0);
	rig_append(&rig, 20);
	rig_work(&rig);
	rig_append(&rig, 20);
	assert_true(store_step(rig.store, STORE_LOG_WORKER));
	crash_disk_limit(0);
	assert_true(store_step(rig.store, STORE_TREE_WORKER));
	crash_disk_limit(-1);
	rig_work(&rig);
	for (unsigned i = 0; i < 20; i++) {
		rig_append(&rig, 20);
		rig_work(&rig);
		rig_write_tree(&rig, rig.durable);
		rig_work(&rig);
	}
	assert_false(rig.has_failed);
	rig_close(&rig);
	assert_int_equal(rig_open(&rig), 0);
	assert_int_equal(rig.loaded, 440);
	rig_release(&rig);
	crash_disk_release();
	rig_remove_dir(dir);
	free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_crash_is_survived),
		cmocka_unit_test(test_a_failed_change_is_the_end),
		cmocka_unit_test(test_a_log_without_sync_shows),
		cmocka_unit_test(test_databases_without_sync_show),
		cmocka_unit_test(test_directories_without_sync_show),
		cmocka_unit_test(test_a_full_disk_loses_nothing),
		cmocka_unit_test(test_a_full_disk_stops_nothing_that_has_its_room),
		cmocka_unit_test(test_a_disk_that_was_full_is_used_again),
	};

	stride = number_of("STORE_CRASH_EVERY", 1);
	/* Nothing is synced, so memory does as well; a machine without it takes longer. */
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
