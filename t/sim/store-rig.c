#include "t/sim/store-rig.h"

#include <dirent.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/base/prng.h"

enum {
	EPOCH_LENGTH = 37,
	PATH_COUNT = 12,
	SESSION_COUNT = 3,
	TXN_SIZE_MAX = 600,
	/* Every so often a value that takes more than one page. */
	LARGE_EVERY = 31,
	LARGE_SIZE = 9000,
	/* Of what the tests append, one holds all. */
	SEGMENT_SIZE = 1 << 20,
};

zxid_t rig_zxid(unsigned n)
{
	if (n == 0)
		return 0;
	return zxid_make((n - 1) / EPOCH_LENGTH + 1, (n - 1) % EPOCH_LENGTH + 1);
}

static unsigned number_of(zxid_t zxid)
{
	if (zxid == 0)
		return 0;
	return (zxid_epoch(zxid) - 1) * EPOCH_LENGTH + zxid_counter(zxid);
}

/* ---- the history ---- */

/* Those of another branch than the first begin with its number. */
static void make_bytes(struct buf *buf, unsigned n, unsigned branch, size_t size)
{
	const uint8_t mark[2] = {0xbb, (uint8_t)branch};
	struct prng prng;
	uint8_t *at;

	buf_reset(buf);
	if (branch > 0)
		buf_append(buf, mark, sizeof(mark));
	at = buf_extend(buf, size);
	prng_init(&prng, n + branch * 1000003);
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)prng_next(&prng);
}

static size_t txn_size(unsigned n)
{
	return n % LARGE_EVERY == 0 ? LARGE_SIZE : n * 7919 % TXN_SIZE_MAX;
}

/* Transaction n puts or deletes this path. */
static unsigned path_of(unsigned n)
{
	return n * 5 % PATH_COUNT;
}

static bool is_delete(unsigned n)
{
	return n % 7 == 0;
}

static bool is_null_data(unsigned n)
{
	return n % 5 == 0;
}

/* The last transaction up to n that touched path; 0 for none. */
static unsigned last_of_path(unsigned path, unsigned n)
{
	for (; n > 0; n--)
		if (path_of(n) == path)
			return n;
	return 0;
}

static bool path_exists(unsigned path, unsigned n)
{
	unsigned last = last_of_path(path, n);

	return last > 0 && !is_delete(last);
}

/* Transaction n opens or closes this session. */
static bool touches_session(unsigned n)
{
	return n % 4 == 0;
}

static unsigned session_of(unsigned n)
{
	return n / 4 % SESSION_COUNT;
}

static unsigned last_of_session(unsigned session, unsigned n)
{
	for (; n > 0; n--)
		if (touches_session(n) && session_of(n) == session)
			return n;
	return 0;
}

static bool session_exists(unsigned session, unsigned n)
{
	unsigned last = last_of_session(session, n);

	return last > 0 && last % 3 != 0;
}

static unsigned row_count(unsigned n)
{
	unsigned count = 0;

	for (unsigned path = 0; path < PATH_COUNT; path++)
		count += path_exists(path, n);
	return count;
}

static unsigned session_count(unsigned n)
{
	unsigned count = 0;

	for (unsigned session = 0; session < SESSION_COUNT; session++)
		count += session_exists(session, n);
	return count;
}

static uint64_t digest_of(unsigned n)
{
	struct prng prng;

	if (n == 0)
		return 0;
	prng_init(&prng, n);
	return prng_next(&prng);
}

static void make_path(char *ret_path, size_t size, unsigned path)
{
	snprintf(ret_path, size, "/p%02u", path);
}

enum { BRANCH_BIT = 32 };

/* The row as transaction n of that branch left it. */
static struct tree_row make_row(unsigned n, unsigned branch, char path[16], struct buf *data)
{
	make_path(path, 16, path_of(n));
	make_bytes(data, n, branch, n % 3 == 0 ? 0 : txn_size(n));
	return (struct tree_row){
		.path = bytes_of_text(path),
		.data = is_null_data(n) ? BYTES_NULL : buf_bytes(data),
		.acls = n % 11 == 0 ? (struct zk_acls){.count = -1, .encoded = bytes_of("", 0)}
				    : zk_acls_open(),
		.stat =
			{
				/* The order of the rows is not that of the paths. */
				.czxid = 1000 - path_of(n),
				.mzxid = rig_zxid(n),
				.pzxid = -rig_zxid(n),
				.ctime = n,
				.mtime = INT64_MAX - n - ((int64_t)branch << BRANCH_BIT),
				.version = (int32_t)n,
				.cversion = -(int32_t)n,
				.aversion = INT32_MIN + (int32_t)n,
				.ephemeral_owner = INT64_MIN + n,
			},
	};
}

static unsigned branch_of_row(const struct tree_row *row)
{
	return (unsigned)((INT64_MAX - row->stat.mtime) >> BRANCH_BIT);
}

static unsigned branch_of(const struct rig *rig, unsigned n)
{
	return n < RIG_NUMBERS_MAX ? rig->branches[n] : 0;
}

static void set_branch(struct rig *rig, unsigned n)
{
	if (n < RIG_NUMBERS_MAX)
		rig->branches[n] = rig->branch;
	else
		ASSERT(rig->branch == 0);
}

/* ---- what the store tells ---- */

static void notify(void *data)
{
	struct rig *rig = data;

	__atomic_add_fetch(&rig->notified, 1, __ATOMIC_SEQ_CST);
}

static void log_durable(zxid_t zxid, void *data)
{
	struct rig *rig = data;

	unsigned n = number_of(zxid);

	ASSERT(!rig->has_failed);
	if (rig->has_before && !rig->is_staging) {
		/* It was appended before the truncation that is in hand. */
		ASSERT(n > rig->before.durable && n <= rig->before.appended);
		rig->before.durable = n;
		rig->durable = n < rig->truncated_to ? n : rig->truncated_to;
		return;
	}
	ASSERT(n > rig->durable);
	rig->durable = n;
}

static void truncated(void *data)
{
	struct rig *rig = data;

	ASSERT(!rig->has_failed && rig->has_before && !rig->is_staging);
	ASSERT(number_of(store_state(rig->store)->logged_zxid) == rig->truncated_to);
	rig->has_before = false;
	rig->truncations++;
}

static void epochs_durable(void *data)
{
	struct rig *rig = data;

	ASSERT(!rig->has_failed && rig->epochs_durable < rig->epochs_set);
	rig->epochs_durable++;
	if (rig->is_installing && rig->epochs_durable == rig->epochs_set) {
		rig->has_before = false;
		rig->is_staging = false;
		rig->is_installing = false;
		rig->installations++;
		rig->generation = store_state(rig->store)->generation;
	}
}

static void tree_durable(zxid_t zxid, void *data)
{
	struct rig *rig = data;

	ASSERT(!rig->has_failed);
	if (rig->has_before)
		rig->before.tree = number_of(zxid);
	if (rig->is_staging)
		return;
	ASSERT(number_of(zxid) >= rig->tree);
	rig->tree = number_of(zxid);
}

static void failed(const char *sentence, void *data)
{
	struct rig *rig = data;

	ASSERT(!rig->has_failed && *sentence);
	rig->has_failed = true;
	snprintf(rig->refusal.text, sizeof(rig->refusal.text), "%s", sentence);
}

/* ---- what the load gives ---- */

static int say_wrong(struct rig *rig, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int say_wrong(struct rig *rig, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!rig->wrong[0])
		vsnprintf(rig->wrong, sizeof(rig->wrong), format, args);
	va_end(args);
	return 0;
}

static bool rows_equal(const struct tree_row *a, const struct tree_row *b)
{
	return bytes_equal(a->path, b->path) && bytes_equal(a->data, b->data) &&
	       a->acls.count == b->acls.count && bytes_equal(a->acls.encoded, b->acls.encoded) &&
	       a->stat.czxid == b->stat.czxid && a->stat.mzxid == b->stat.mzxid &&
	       a->stat.pzxid == b->stat.pzxid && a->stat.ctime == b->stat.ctime &&
	       a->stat.mtime == b->stat.mtime && a->stat.version == b->stat.version &&
	       a->stat.cversion == b->stat.cversion && a->stat.aversion == b->stat.aversion &&
	       a->stat.ephemeral_owner == b->stat.ephemeral_owner;
}

/* All that was loaded of a number must be of one branch. */
static void note_branch(struct rig *rig, unsigned n, unsigned branch)
{
	if (n < RIG_NUMBERS_MAX && branch <= rig->branch)
		rig->loaded_branches[n] = (int)branch;
	else if (branch > 0)
		say_wrong(rig, "%u of branch %u", n, branch);
}

static int load_row(const struct tree_row *row, void *data)
{
	struct rig *rig = data;
	unsigned n = number_of(row->stat.mzxid);
	unsigned branch = branch_of_row(row);
	char path[16];
	struct buf bytes;
	struct tree_row expected;

	buf_init(&bytes, LARGE_SIZE + 2);
	expected = make_row(n, branch, path, &bytes);
	note_branch(rig, n, branch);
	if (!rows_equal(row, &expected))
		say_wrong(rig, "%.*s is not as %u left it", row->path.size,
			  (const char *)row->path.data, n);
	else if (n != last_of_path(path_of(n), number_of(store_state(rig->store)->tree_zxid)))
		say_wrong(rig, "%s is as %u left it", path, n);
	buf_release(&bytes);
	if (rig->loaded_rows > 0 && row->stat.czxid <= rig->loaded_czxid)
		say_wrong(rig, "%s comes too late", path);
	rig->loaded_czxid = row->stat.czxid;
	rig->loaded_rows++;
	return 0;
}

static int load_session(session_id_t id, int32_t timeout_ms, void *data)
{
	struct rig *rig = data;
	unsigned n = number_of(store_state(rig->store)->tree_zxid);
	unsigned last = last_of_session((unsigned)id, n);

	if (!session_exists((unsigned)id, n) || timeout_ms != (int32_t)last)
		say_wrong(rig, "session %" PRId64 " at %u", id, n);
	rig->loaded_sessions++;
	return 0;
}

static int tree_done(zxid_t zxid, uint64_t digest, struct store_refusal *refusal, void *data)
{
	struct rig *rig = data;
	unsigned n = number_of(zxid);

	if (digest != digest_of(n))
		say_wrong(rig, "the digest of %u", n);
	if (rig->loaded_rows != row_count(n) || rig->loaded_sessions != session_count(n))
		say_wrong(rig, "%u rows and %u sessions at %u, not %u and %u", rig->loaded_rows,
			  rig->loaded_sessions, n, row_count(n), session_count(n));
	rig->loaded_tree = n;
	rig->loaded = n;
	rig->loaded_committed = n;
	return 0;
}

static int load_txn(zxid_t zxid, struct bytes txn, bool committed, struct store_refusal *refusal,
		    void *data)
{
	struct rig *rig = data;
	unsigned n = number_of(zxid);
	struct buf bytes;

	unsigned branch = 0;

	buf_init(&bytes, LARGE_SIZE + 2);
	make_bytes(&bytes, n, branch, txn_size(n));
	while (!bytes_equal(txn, buf_bytes(&bytes)) && branch < rig->branch)
		make_bytes(&bytes, n, ++branch, txn_size(n));
	if (n != rig->loaded + 1)
		say_wrong(rig, "transaction %u follows %u", n, rig->loaded);
	if (!bytes_equal(txn, buf_bytes(&bytes)))
		say_wrong(rig, "transaction %u has other bytes", n);
	note_branch(rig, n, branch);
	if (committed && rig->loaded_committed < rig->loaded)
		say_wrong(rig, "transaction %u is committed, the one before is not", n);
	buf_release(&bytes);
	rig->loaded = n;
	if (committed)
		rig->loaded_committed = n;
	return 0;
}

/* ---- the rig ---- */

void rig_init(struct rig *rig, const char *dir)
{
	*rig = (struct rig){
		.data_dir = mem_strdup(dir),
		.myid = STORE_MYID_NONE,
		.segment_size = SEGMENT_SIZE,
	};
}

void rig_release(struct rig *rig)
{
	rig_close(rig);
	free(rig->data_dir);
	free(rig->log_dir);
}

static void forget(struct rig *rig)
{
	rig->loaded_tree = 0;
	rig->loaded = 0;
	rig->loaded_committed = 0;
	rig->loaded_rows = 0;
	rig->loaded_sessions = 0;
	for (size_t i = 0; i < RIG_NUMBERS_MAX; i++)
		rig->loaded_branches[i] = -1;
	rig->has_failed = false;
	rig->wrong[0] = '\0';
	rig->refusal.text[0] = '\0';
}

void rig_get_history(const struct rig *rig, struct rig_history *ret_history)
{
	*ret_history = (struct rig_history){
		.appended = rig->appended,
		.durable = rig->durable,
		.tree = rig->tree,
		.tree_written = rig->tree_written,
		.epochs_set = rig->epochs_set,
		.epochs_durable = rig->epochs_durable,
		.generation = rig->generation,
	};
	memcpy(ret_history->branches, rig->branches, sizeof(rig->branches));
}

static void set_history(struct rig *rig, const struct rig_history *history)
{
	rig->appended = history->appended;
	rig->durable = history->durable;
	rig->tree = history->tree;
	rig->tree_written = history->tree_written;
	rig->epochs_set = history->epochs_set;
	rig->epochs_durable = history->epochs_durable;
	rig->generation = history->generation;
	memcpy(rig->branches, history->branches, sizeof(rig->branches));
}

bool rig_has_loaded(const struct rig *rig, const struct rig_history *history)
{
	const struct store_state *state = store_state(rig->store);
	unsigned epochs_min = history->epochs_durable;

	if (history->generation == 0)
		epochs_min = history->epochs_set; /* they came with it */
	if (history->generation ? state->generation != history->generation
				: state->generation == rig->before.generation)
		return false;
	for (unsigned n = 1; n < RIG_NUMBERS_MAX && n <= rig->loaded; n++)
		if (rig->loaded_branches[n] >= 0 &&
		    rig->loaded_branches[n] != (int)history->branches[n])
			return false;
	return rig->loaded >= history->durable && rig->loaded <= history->appended &&
	       rig->loaded_tree >= history->tree && rig->loaded_tree <= history->tree_written &&
	       state->accepted_epoch >= epochs_min && state->accepted_epoch <= history->epochs_set;
}

/* Of what was valid before, or is since, whichever came back. */
static void choose_history(struct rig *rig)
{
	struct rig_history now;

	rig_get_history(rig, &now);
	if (rig->has_before && rig_has_loaded(rig, &rig->before) &&
	    ((rig->is_staging && !rig->is_installing) || !rig_has_loaded(rig, &now)))
		set_history(rig, &rig->before);
	rig->has_before = false;
	rig->is_staging = false;
	rig->is_installing = false;
}

/* What was loaded is what is known from now on. */
static void go_on_from_load(struct rig *rig)
{
	const struct store_state *state = store_state(rig->store);

	if (number_of(state->logged_zxid) != rig->loaded ||
	    number_of(state->committed_zxid) != rig->loaded_committed ||
	    number_of(state->tree_zxid) != rig->loaded_tree)
		say_wrong(rig, "the state says logged 0x%" PRIx64 ", committed 0x%" PRIx64,
			  state->logged_zxid, state->committed_zxid);
	if (state->accepted_epoch > 0 && state->current_epoch != state->accepted_epoch - 1)
		say_wrong(rig, "epochs %" PRId64 " and %" PRId64, state->accepted_epoch,
			  state->current_epoch);
	choose_history(rig);
	rig->generation = state->generation;
	rig->appended = rig->loaded;
	rig->durable = rig->loaded;
	rig->tree = rig->loaded_tree;
	rig->tree_written = rig->loaded_tree;
	rig->epochs_set = (unsigned)state->accepted_epoch;
	rig->epochs_durable = rig->epochs_set;
}

static const struct store_loader loader = {
	.row = load_row,
	.session = load_session,
	.tree_done = tree_done,
	.txn = load_txn,
};

int rig_open(struct rig *rig)
{
	struct store_options options = {
		.data_dir = rig->data_dir,
		.log_dir = rig->log_dir,
		.myid = rig->myid,
		.segment_size = rig->segment_size,
		.vfs = rig->vfs,
		.gathers = rig->gathers,
	};
	struct store_events events = {
		.notify = notify,
		.log_durable = log_durable,
		.epochs_durable = epochs_durable,
		.truncated = truncated,
		.tree_durable = tree_durable,
		.failed = failed,
	};
	int error;

	ASSERT(!rig->store);
	forget(rig);
	error = store_open(&options, &events, rig, &rig->store, &rig->refusal);
	if (error) {
		rig->store = NULL;
		return error;
	}
	error = store_load(rig->store, &loader, rig, &rig->refusal);
	if (error)
		rig_close(rig);
	else
		go_on_from_load(rig);
	return error;
}

int rig_reload(struct rig *rig)
{
	forget(rig);
	return store_reload(rig->store, &loader, rig, &rig->refusal);
}

void rig_close(struct rig *rig)
{
	store_close(rig->store);
	rig->store = NULL;
}

void rig_append(struct rig *rig, unsigned count)
{
	struct buf bytes;

	buf_init(&bytes, LARGE_SIZE + 2);
	while (count-- > 0) {
		unsigned n = rig->appended + 1;

		set_branch(rig, n);
		make_bytes(&bytes, n, branch_of(rig, n), txn_size(n));
		ASSERT(store_append(rig->store, rig_zxid(n), buf_bytes(&bytes), rig_zxid(n - 1)) ==
		       0);
		rig->appended = n;
	}
	buf_release(&bytes);
}

static void add_change(const struct rig *rig, struct store_writeout *writeout, unsigned n)
{
	char path[16];
	struct buf bytes;
	struct tree_change change = {0};

	buf_init(&bytes, LARGE_SIZE + 2);
	change.row = make_row(n, branch_of(rig, n), path, &bytes);
	change.type = is_delete(n) ? TREE_ZNODE_DELETED : TREE_ZNODE_PUT;
	change.is_new = !path_exists(path_of(n), n - 1);
	change.blob = is_delete(n) ? NULL : blob_new(change.row.data);
	store_writeout_add(writeout, &change);
	blob_unref(change.blob);
	if (touches_session(n)) {
		change = (struct tree_change){
			.type = session_exists(session_of(n), n) ? TREE_SESSION_PUT
								 : TREE_SESSION_DELETED,
			.session_id = session_of(n),
			.timeout_ms = (int32_t)n,
		};
		store_writeout_add(writeout, &change);
	}
	buf_release(&bytes);
}

void rig_write_tree(struct rig *rig, unsigned n)
{
	struct store_writeout *writeout = store_writeout_new(rig_zxid(n), digest_of(n));

	for (unsigned i = rig->tree_written + 1; i <= n; i++)
		add_change(rig, writeout, i);
	rig->tree_written = n;
	store_write_tree(rig->store, writeout);
}

/* ---- truncations and generations ---- */

static void keep_before(struct rig *rig)
{
	ASSERT(!rig->has_before);
	rig_get_history(rig, &rig->before);
	rig->has_before = true;
	rig->branch++;
	ASSERT(rig->branch > 0);
}

void rig_truncate(struct rig *rig, unsigned n)
{
	keep_before(rig);
	rig->truncated_to = n;
	rig->appended = n;
	if (rig->durable > n)
		rig->durable = n;
	store_truncate(rig->store, rig_zxid(n));
}

static void stage_tree(struct rig *rig, unsigned base)
{
	struct buf bytes;
	char name[16];
	struct tree_row row;

	buf_init(&bytes, LARGE_SIZE + 2);
	for (unsigned session = 0; session < SESSION_COUNT; session++)
		if (session_exists(session, base))
			store_stage_session(rig->store, session,
					    (int32_t)last_of_session(session, base));
	/* In another order than the one of paths. */
	for (unsigned path = PATH_COUNT; path-- > 0;) {
		if (!path_exists(path, base))
			continue;
		row = make_row(last_of_path(path, base), rig->branch, name, &bytes);
		store_stage_row(rig->store, &row);
	}
	buf_release(&bytes);
}

void rig_begin_generation(struct rig *rig, unsigned base)
{
	ASSERT(rig->durable == rig->appended);
	keep_before(rig);
	rig->is_staging = true;
	rig->generation = 0;
	rig->appended = base;
	rig->durable = base;
	rig->tree = base;
	rig->tree_written = base;
	for (unsigned n = 1; n <= base; n++)
		set_branch(rig, n);
	store_begin_generation(rig->store, rig_zxid(base));
	stage_tree(rig, base);
}

void rig_install_generation(struct rig *rig)
{
	ASSERT(rig->is_staging && !rig->is_installing);
	rig->is_installing = true;
	rig->epochs_set++;
	store_install_generation(rig->store, digest_of(rig->tree), rig->epochs_set,
				 rig->epochs_set - 1);
}

void rig_abort_generation(struct rig *rig)
{
	ASSERT(rig->is_staging && !rig->is_installing);
	rig->is_staging = false;
	rig->has_before = false;
	rig->abortions++;
	set_history(rig, &rig->before);
	store_abort_generation(rig->store);
}

void rig_set_epochs(struct rig *rig)
{
	ASSERT(!rig->has_before);
	rig->epochs_set++;
	store_set_epochs(rig->store, rig->epochs_set, rig->epochs_set - 1);
}

void rig_work(struct rig *rig)
{
	while (store_step(rig->store, STORE_LOG_WORKER) ||
	       store_step(rig->store, STORE_TREE_WORKER))
		;
	store_poll(rig->store);
}

/* ---- directories ---- */

char *rig_make_dir(void)
{
	const char *base = getenv("TMPDIR");
	char *dir = mem_printf("%s/zkfs-store-XXXXXX", base ? base : "/tmp");

	ASSERT(mkdtemp(dir));
	return dir;
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *at)
{
	return remove(path);
}

void rig_remove_dir(const char *dir)
{
	/* What can't be removed stays in TMPDIR; no test depends on it. */
	(void)nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void copy_file(const char *from, const char *to)
{
	char block[65536];
	FILE *in = fopen(from, "re");
	FILE *out = fopen(to, "we");
	size_t size;

	ASSERT(in && out);
	while ((size = fread(block, 1, sizeof(block), in)) > 0)
		ASSERT(fwrite(block, 1, size, out) == size);
	ASSERT(fclose(out) == 0);
	(void)fclose(in);
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t size = strlen(name);

	return size >= strlen(suffix) && strcmp(name + size - strlen(suffix), suffix) == 0;
}

/* The -shm is memory, not a file: it doesn't outlive the process. */
void rig_copy_dir(const char *from, const char *to)
{
	DIR *stream = opendir(from);
	struct dirent *entry;

	ASSERT(stream);
	(void)mkdir(to, 0700);
	while ((entry = readdir(stream))) {
		char *source = mem_printf("%s/%s", from, entry->d_name);
		char *target = mem_printf("%s/%s", to, entry->d_name);

		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			rig_copy_dir(source, target);
		else if (entry->d_type == DT_REG && !has_suffix(entry->d_name, "-shm"))
			copy_file(source, target);
		free(source);
		free(target);
	}
	(void)closedir(stream);
}
