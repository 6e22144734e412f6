#ifndef T_SIM_STORE_RIG_H
#define T_SIM_STORE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/io/store.h"

/*
 * A store with a history that can be told from numbers alone, so that what is
 * found on disk is checked without having kept it.
 *
 * Transaction n (1, 2, ...) has zxid rig_zxid(n), a new epoch every few, and
 * bytes that follow from n. It changes one znode of a few and sometimes a
 * session, so the tree at n follows from n, too. rig_open loads the store and
 * checks that what it gives is such a history, without a gap.
 *
 * After a truncation, and in another's tree, the same numbers stand for other
 * transactions: those of another branch. It shows in their bytes and rows.
 */
enum { RIG_NUMBERS_MAX = 1024 };

/* A history, and how far it is durable. */
struct rig_history {
	unsigned appended;
	unsigned durable;
	unsigned tree;         /* durable */
	unsigned tree_written; /* handed over */
	unsigned epochs_set;
	unsigned epochs_durable;
	uint32_t generation;               /* 0: another than that of before */
	uint8_t branches[RIG_NUMBERS_MAX]; /* of each transaction; 0 for all beyond */
};

struct rig {
	char *data_dir;
	char *log_dir; /* NULL: data_dir */
	const char *vfs;
	int64_t myid;
	size_t segment_size;
	bool gathers;

	struct store *store; /* NULL while it is not open */
	struct store_refusal refusal;

	/* what the store told, and what it was told; transactions by their number */
	unsigned appended;
	unsigned durable;
	unsigned tree;         /* durable */
	unsigned tree_written; /* handed over */
	unsigned epochs_set;
	unsigned epochs_durable;
	uint32_t generation;
	uint8_t branches[RIG_NUMBERS_MAX];
	uint8_t branch; /* of what is appended; no other is higher */
	bool has_failed;
	unsigned notified;

	/* What is valid until a truncation, or the generation that was begun, is durable. */
	bool has_before;
	struct rig_history before;
	bool is_staging;
	bool is_installing;
	unsigned truncated_to;
	unsigned truncations, installations, abortions; /* so many were done */

	/* what the load gave */
	unsigned loaded_tree;
	unsigned loaded;
	unsigned loaded_committed;
	unsigned loaded_rows;
	zxid_t loaded_czxid; /* of the last row */
	unsigned loaded_sessions;
	int loaded_branches[RIG_NUMBERS_MAX]; /* -1: it did not show */
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
/* Drop all behind transaction n; what is appended then is of a new branch. */
void rig_truncate(struct rig *rig, unsigned n);
/* Begin a generation, of a new branch, and stage the tree at transaction base. */
void rig_begin_generation(struct rig *rig, unsigned base);
/* Epochs are set as by rig_set_epochs. */
void rig_install_generation(struct rig *rig);
void rig_abort_generation(struct rig *rig);

/* What is known of the history that appends go to; what was loaded, as far as it shows. */
void rig_get_history(const struct rig *rig, struct rig_history *ret_history);
bool rig_has_loaded(const struct rig *rig, const struct rig_history *history);

/* Hand over the tree at transaction n, which must be durable. */
void rig_write_tree(struct rig *rig, unsigned n);
/* Epochs are set to (count, count - 1) with count one more each time. */
void rig_set_epochs(struct rig *rig);
/* As rig_open, from the open store, into the same fields. */
int rig_reload(struct rig *rig);

/* Let both workers do all they have, and poll. */
void rig_work(struct rig *rig);

zxid_t rig_zxid(unsigned n);

/* A new directory below TMPDIR; the caller frees the name. */
char *rig_make_dir(void);
void rig_remove_dir(const char *dir);
/* What kill -9 would leave of it. from may be in use. */
void rig_copy_dir(const char *from, const char *to);

#endif
