#include "t/fuzz/fuzz.h"

#include <dirent.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"
#include "src/base/prng.h"

/*
 * A fuzzer as a test: runs it over files, which it was given, or the corpus
 * that make-corpus made ($builddir/t/fuzz/corpus/NAME) and the inputs that once
 * broke it ($srcdir/t/fuzz/regressions/NAME), as they are, and damaged in ways
 * that are the same in every run. A failure is an abort.
 */
enum { DAMAGED_ROUNDS = 200 };

static unsigned file_count;

/* In an allocation of exactly its size, so that the sanitizers guard its end. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = mem_alloc(size);

	if (size > 0)
		memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size); /* it is always 0 */
	free(copy);
}

static void damage(struct prng *prng, uint8_t *data, size_t size)
{
	static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff, ':', '=', ',', '\n'};

	for (uint64_t n = prng_below(prng, 4); n > 0; n--)
		data[prng_below(prng, size)] = edges[prng_below(prng, sizeof(edges))];
	if (prng_below(prng, 4) == 0)
		data[prng_below(prng, size)] ^= (uint8_t)(1u << prng_below(prng, 8));
}

static void run_damaged(const uint8_t *data, size_t size)
{
	struct prng prng;
	uint8_t *copy;

	if (size == 0)
		return;
	prng_init(&prng, size);
	copy = mem_alloc(size);
	for (int round = 0; round < DAMAGED_ROUNDS; round++) {
		memcpy(copy, data, size);
		damage(&prng, copy, size);
		run(copy, prng_below(&prng, 2) ? size : prng_below(&prng, size + 1));
	}
	free(copy);
}

static void run_file(const char *path)
{
	static uint8_t data[FUZZ_SIZE_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, sizeof(data), file);
	(void)fclose(file); /* it was only read */
	run(data, size);
	run_damaged(data, size);
	file_count++;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* False if it is no directory. */
static bool run_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_visible, by_name);

	for (int i = 0; i < count; i++) {
		char *name = mem_printf("%s/%s", path, entries[i]->d_name);

		run_file(name);
		free(name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return count >= 0;
}

static const char *from_environment(const char *name)
{
	const char *value = getenv(name);

	return value ? value : ".";
}

/* What comes behind "fuzz-" in the program's name, which libtool and make may have decorated. */
static const char *fuzzer_name(char *program)
{
	char *dash = strrchr(basename(program), '-');

	return dash ? dash + 1 : program;
}

int main(int argc, char **argv)
{
	const char *name = fuzzer_name(argv[0]);
	char *corpus = mem_printf("%s/t/fuzz/corpus/%s", from_environment("builddir"), name);
	char *regressions =
		mem_printf("%s/t/fuzz/regressions/%s", from_environment("srcdir"), name);

	run(NULL, 0);
	for (int i = 1; i < argc; i++) {
		if (!run_directory(argv[i]))
			run_file(argv[i]);
	}
	if (argc == 1) {
		(void)run_directory(corpus);
		/* There may be none yet. */
		(void)run_directory(regressions);
	}
	printf("%s 1 - %u inputs and their damaged forms keep what fuzz-%s claims\n1..1\n",
	       file_count > 0 ? "ok" : "not ok", file_count, name);
	free(corpus);
	free(regressions);
	return file_count > 0 ? 0 : 1;
}
