#include "t/unit/cmocka.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/opener.h"

enum { OPENER = 100, CHILD = 200 };

static void the_opener_s_flush_commits_and_its_living_children_s_does_not(void **state)
{
	static const struct {
		const char *claim;
		pid_t opener;
		struct process caller;
		struct process leader;
		bool commits;
	} rows[] = {
		{"the opener itself", OPENER, {OPENER, false}, {OPENER, false}, true},
		{"a child of a living opener", OPENER, {CHILD, false}, {OPENER, false}, false},
		{"a dying child of a living opener", OPENER, {CHILD, true}, {OPENER, false}, false},
		{"a child, the opener is a zombie", OPENER, {CHILD, false}, {OPENER, true}, true},
		{"a child, the opener is gone", OPENER, {CHILD, false}, {0, false}, true},
		{"a child, the id is another's thread", OPENER, {CHILD, false}, {300, false}, true},
		{"a caller that can't be known", OPENER, {0, false}, {OPENER, false}, true},
		{"an opener that can't be known", 0, {CHILD, false}, {0, false}, true},
		{"neither can be known", 0, {0, false}, {0, false}, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (opener_decides(rows[i].opener, &rows[i].caller, &rows[i].leader) !=
		    rows[i].commits)
			fail_msg("%s", rows[i].claim);
	}
}

static void *group_of_this_thread(void *data)
{
	struct process process = process_of_thread((pid_t)syscall(SYS_gettid));

	*(pid_t *)data = process.group;
	return NULL;
}

static void a_thread_is_known_by_its_group(void **state)
{
	pthread_t thread;
	pid_t group = 0;

	assert_int_equal(pthread_create(&thread, NULL, group_of_this_thread, &group), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(group, getpid());
	assert_true(opener_is_process_of(getpid(), getpid()));
}

static void a_zombie_is_dead_and_then_unknown(void **state)
{
	siginfo_t info;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(0);
	/* Wait until it is a zombie, and leave it one. */
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(process_of_thread(child).group, child);
	assert_true(process_of_thread(child).is_dead);
	assert_true(opener_flush_commits(child, getpid()));
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(process_of_thread(child).group, 0);
	assert_true(opener_flush_commits(child, getpid()));
}

static void a_living_parent_keeps_the_decision(void **state)
{
	pid_t parent = getppid();

	assert_false(opener_flush_commits(parent, getpid()));
	assert_false(opener_is_process_of(parent, getpid()));
	assert_false(opener_is_process_of(0, getpid()));
	assert_int_equal(process_of_thread(0).group, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_opener_s_flush_commits_and_its_living_children_s_does_not),
		cmocka_unit_test(a_thread_is_known_by_its_group),
		cmocka_unit_test(a_zombie_is_dead_and_then_unknown),
		cmocka_unit_test(a_living_parent_keeps_the_decision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
