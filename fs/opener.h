#ifndef FS_OPENER_H
#define FS_OPENER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whose FLUSH commits a handle. A descriptor is inherited: in
 * `{ echo a; date; echo b; } > f` date's exit sends a FLUSH too, and a commit
 * there would show everybody the first half. So the process (thread group) that
 * opened it decides; children don't, as long as that process lives.
 *
 * FUSE names callers by thread id, as seen from the mount's pid namespace; 0
 * for one that can't be seen from here.
 */
struct process {
	pid_t group;  /* its thread group; 0: there is no such thread, or it can't be known */
	bool is_dead; /* a zombie: it has closed its files already */
};

/* Read /proc/TID/status. */
struct process process_of_thread(pid_t thread);

/*
 * Does a FLUSH by caller commit what the process group `opener` (0: not known)
 * has uncommitted? The pure rule: leader is what became of that process.
 */
bool opener_decides(pid_t opener, const struct process *caller, const struct process *leader);

/* The same, asking /proc only where the ids alone don't tell. */
bool opener_flush_commits(pid_t opener, pid_t caller_thread);

/* Does this thread belong to the process that opened it? */
bool opener_is_process_of(pid_t opener, pid_t thread);

#endif
