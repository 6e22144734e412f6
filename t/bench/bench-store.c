/*
 * How fast the log becomes durable, alone on the disk:
 *
 *	bench-store DIR [TRANSACTIONS] [A_COMMIT] [SIZE]
 *
 * appends so many transactions at a time and waits until they are durable,
 * writing the tree behind now and then as a replica does. It prints one
 * "key value" a line. DIR must not exist; it is left for looking at.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "replica/io/store.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

enum { PATHS = 1000, TREE_EVERY = 20000 };

struct bench {
	struct store *store;
	pthread_mutex_t mutex;
	pthread_cond_t told;
	bool has_news;
	zxid_t durable;
};

static void notify(void *data)
{
	struct bench *bench = data;

	pthread_mutex_lock(&bench->mutex);
	bench->has_news = true;
	pthread_cond_signal(&bench->told);
	pthread_mutex_unlock(&bench->mutex);
}

static void log_durable(zxid_t zxid, void *data)
{
	((struct bench *)data)->durable = zxid;
}

static void epochs_durable(void *data)
{
}

static void tree_durable(zxid_t zxid, void *data)
{
}

static void failed(const char *sentence, void *data)
{
	fprintf(stderr, "%s\n", sentence);
	exit(1);
}

static int load_row(const struct tree_row *row, void *data)
{
	return 0;
}

static int load_session(session_id_t id, int32_t timeout_ms, void *data)
{
	return 0;
}

static int tree_done(zxid_t zxid, uint64_t digest, struct store_refusal *refusal, void *data)
{
	return 0;
}

static int load_txn(zxid_t zxid, struct bytes txn, bool committed, struct store_refusal *refusal,
		    void *data)
{
	return 0;
}

static void wait_for_news(struct bench *bench)
{
	pthread_mutex_lock(&bench->mutex);
	while (!bench->has_news)
		pthread_cond_wait(&bench->told, &bench->mutex);
	bench->has_news = false;
	pthread_mutex_unlock(&bench->mutex);
	store_poll(bench->store);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
	       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* The last transactions each set one of a thousand znodes. */
static void write_tree(struct bench *bench, struct blob *value)
{
	struct store_writeout *writeout = store_writeout_new(bench->durable, 0);

	for (unsigned i = 0; i < PATHS; i++) {
		char path[32];
		struct tree_change change = {.type = TREE_ZNODE_PUT, .blob = value};

		snprintf(path, sizeof(path), "/bench/%u", i);
		change.row = (struct tree_row){
			.path = bytes_of_text(path),
			.data = blob_bytes(value),
			.acls = zk_acls_open(),
			.stat.mzxid = bench->durable,
		};
		store_writeout_add(writeout, &change);
	}
	store_write_tree(bench->store, writeout);
}

static int compare_ns(const void *a, const void *b)
{
	const int64_t *of_a = a;
	const int64_t *of_b = b;

	return (*of_a > *of_b) - (*of_a < *of_b);
}

static void run(struct bench *bench, unsigned count, unsigned a_commit, unsigned size)
{
	unsigned rounds = count / a_commit;
	int64_t *took_ns = mem_alloc(rounds * sizeof(*took_ns));
	struct blob *value = blob_alloc(size);
	int64_t begin_ns, begin_cpu_us = cpu_us();
	zxid_t zxid = 0, tree = 0;
	double seconds;

	memset(value->bytes, 'x', size);
	begin_ns = now_ns();
	for (unsigned i = 0; i < rounds; i++) {
		int64_t round_ns = now_ns();

		store_cork(bench->store);
		for (unsigned j = 0; j < a_commit; j++) {
			zxid++;
			ASSERT(store_append(bench->store, zxid, blob_bytes(value), zxid - 1) == 0);
		}
		store_uncork(bench->store);
		while (bench->durable < zxid)
			wait_for_news(bench);
		took_ns[i] = now_ns() - round_ns;
		if (zxid - tree >= TREE_EVERY && store_can_write_tree(bench->store)) {
			tree = bench->durable;
			write_tree(bench, value);
		}
	}
	seconds = (double)(now_ns() - begin_ns) / 1e9;
	qsort(took_ns, rounds, sizeof(*took_ns), compare_ns);
	printf("transactions_per_second %.0f\n", (double)zxid / seconds);
	printf("commit_p50_us %.0f\n", (double)took_ns[rounds / 2] / 1e3);
	printf("commit_p99_us %.0f\n", (double)took_ns[rounds * 99 / 100] / 1e3);
	printf("commit_max_us %.0f\n", (double)took_ns[rounds - 1] / 1e3);
	printf("cpu_us_per_transaction %.2f\n", (double)(cpu_us() - begin_cpu_us) / (double)zxid);
	blob_unref(value);
	free(took_ns);
}

int main(int argc, char **argv)
{
	static const struct store_events events = {
		.notify = notify,
		.log_durable = log_durable,
		.epochs_durable = epochs_durable,
		.tree_durable = tree_durable,
		.failed = failed,
	};
	static const struct store_loader loader = {
		.row = load_row,
		.session = load_session,
		.tree_done = tree_done,
		.txn = load_txn,
	};
	struct store_options options = {.data_dir = argv[1], .myid = STORE_MYID_NONE};
	struct store_refusal refusal;
	struct bench bench = {.mutex = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER};

	if (argc < 2) {
		fprintf(stderr, "usage: bench-store DIR [TRANSACTIONS] [A_COMMIT] [SIZE]\n");
		return 1;
	}
	if (store_open(&options, &events, &bench, &bench.store, &refusal) != 0 ||
	    store_load(bench.store, &loader, &bench, &refusal) != 0) {
		fprintf(stderr, "%s\n", refusal.text);
		return 2;
	}
	store_start(bench.store);
	run(&bench, argc > 2 ? (unsigned)atoi(argv[2]) : 500000,
	    argc > 3 ? (unsigned)atoi(argv[3]) : 256, argc > 4 ? (unsigned)atoi(argv[4]) : 1024);
	store_close(bench.store);
	return 0;
}
