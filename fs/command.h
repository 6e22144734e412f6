#ifndef FS_COMMAND_H
#define FS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/heap.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/base/msec.h"

struct fs;
struct node;
struct notifier;

/*
 * What waits for the notifier: for fs/inject.c, and fs/inject-answer.c, alone.
 *
 * Each directory has a FIFO of commands; the directory whose first command is
 * the oldest is served first. One command at a time is with the notifier:
 *
 *	queued ---> asking (what is the znode now?) ---> performing ---> done
 */
enum command_kind { COMMAND_CREATED, COMMAND_DELETED, COMMAND_MODIFIED, COMMAND_REVEAL };

struct command {
	struct list link;
	enum command_kind kind;
	uint64_t sequence;
	struct queue *queue;
	char *path;        /* the znode's */
	char *shown;       /* its name in the queue's directory */
	struct node *node; /* held; CREATED: NULL until the notifier has made it */
	bool is_dir;
	bool has_data;
	/*
	 * A CREATED that waits is found by its path, so that the DELETED of the same
	 * thing meets it: the two share one node, which never gets a name, for what
	 * has that name by then is another thing, or nothing.
	 */
	struct map_entry by_path;
	bool is_birth; /* in inject->births */
	struct command *pair;
};

struct queue {
	struct map_entry by_nodeid;
	struct heap_entry order; /* by the first command's sequence */
	struct list looked_at;   /* while the next one to serve is chosen */
	struct node *dir;        /* held */
	struct list commands;
	msec_t passed_over_ms; /* since when; 0: not */
};

/* The one that is with the notifier, or NULL; and the notifier, NULL before it is attached. */
struct command *inject_current(const struct fs *fs);
const struct notifier *inject_notifier(const struct fs *fs);

#endif
