#ifndef T_SIM_STORE_RIG_H
#define T_SIM_STORE_RIG_H

#include <stdbool.h>

#include "replica/io/store.h"

/*
 * A store with a history that can be told from numbers alone, so that what is
 * found on disk is checked without having kept it.
 *
 * Transaction n (1, 2, ...) has zxid rig_zxid(n), a new epoch every few, and
 * bytes that follow from n. It changes one znode of a few and sometimes a
 * session, so the tree at n follows from n, too. rig_open loads the store and
 * checks that what it gives is such a history, without a gap.
 */
struct rig {
	char *data_dir;
	char *log_dir; /* NULL: data_dir */
	const char *vfs;
	int64_t myid;
	size_t segment_size;

	struct store *store; /* NULL while it is not open */
	struct store_refusal refusal;

	/* what the store told, and what it was told; transactions by their number */
	unsigned appended;
	unsigned durable;
	unsigned tree;         /* durable */
	unsigned tree_written; /* handed over */
	unsigned epochs_set;
	unsigned epochs_durable;
	bool has_failed;
	unsigned notified;

	/* what the load gave */
	unsigned loaded_tree;
	unsigned loaded;
	unsigned loaded_committed;
	unsigned loaded_rows;
	unsigned loaded_sessions;
	char wrong[256]; /* the first thing that no history gives; empty: none */
};

void rig_init(struct rig *rig, const char *dir);
/* Closes the store. */
void rig_release(struct rig *rig);

/* store_open and store_load, and the checks; 0, or the store's error with rig->refusal. */
int rig_open(struct rig *rig);
void rig_close(struct rig *rig);

/* Append count more transactions; all before are known to be committed. */
void rig_append(struct rig *rig, unsigned count);
/* Hand over the tree at transaction n, which must be durable. */
void rig_write_tree(struct rig *rig, unsigned n);
/* Epochs are set to (count, count - 1) with count one more each time. */
void rig_set_epochs(struct rig *rig);
/* Let both workers do all they have, and poll. */
void rig_work(struct rig *rig);

zxid_t rig_zxid(unsigned n);

/* A new directory below TMPDIR; the caller frees the name. */
char *rig_make_dir(void);
void rig_remove_dir(const char *dir);
/* What kill -9 would leave of it. from may be in use. */
void rig_copy_dir(const char *from, const char *to);

#endif
