#include "t/unit/cmocka.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/base/endian.h"
#include "src/base/heap.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/base/prng.h"
#include "src/base/siphash.h"

#define SPAN(literal) bytes_of(literal, sizeof(literal) - 1)

/* ---- buf ---- */

static void assert_buf(const struct buf *buf, const char *expected)
{
	assert_true(buf->size <= buf->capacity && buf->capacity <= buf->size_max);
	assert_true(bytes_equal_text(buf_bytes(buf), expected));
}

static void a_buf_takes_all_that_fits_and_nothing_more(void **state)
{
	struct buf buf;

	buf_init(&buf, 6);
	assert_buf(&buf, "");
	buf_append_text(&buf, "abc");
	buf_append(&buf, "", 0);
	buf_append_text(&buf, "def");
	assert_int_equal(buf.error, 0);
	assert_buf(&buf, "abcdef");
	buf_append(&buf, "g", 1);
	assert_int_equal(buf.error, -ENOBUFS);
	assert_buf(&buf, "abcdef");
	buf_release(&buf);
}

static void a_bufs_error_lasts_until_it_is_reset(void **state)
{
	struct buf buf;

	buf_init(&buf, 4);
	buf_append_text(&buf, "abcde");
	assert_int_equal(buf.error, -ENOBUFS);
	buf_append_text(&buf, "a"); /* would fit, but is behind a hole */
	assert_null(buf_extend(&buf, 1));
	assert_buf(&buf, "");
	buf_reset(&buf);
	buf_printf(&buf, "%d", 42);
	assert_int_equal(buf.error, 0);
	assert_buf(&buf, "42");
	buf_release(&buf);
}

static void a_buf_refuses_a_size_that_would_overflow(void **state)
{
	struct buf buf;

	buf_init(&buf, SIZE_MAX);
	buf_append_text(&buf, "a");
	assert_null(buf_extend(&buf, SIZE_MAX));
	assert_int_equal(buf.error, -ENOBUFS);
	buf_release(&buf);
}

static void a_buf_is_cut_at_both_ends(void **state)
{
	struct buf buf;

	buf_init(&buf, 100);
	buf_append_text(&buf, "abcdef");
	buf_consume(&buf, 2);
	assert_buf(&buf, "cdef");
	buf_truncate(&buf, 1);
	assert_buf(&buf, "c");
	buf_consume(&buf, 1);
	assert_buf(&buf, "");
	buf_release(&buf);
	buf_release(NULL);
}

/* Against a plain array, through every growth. */
static void a_buf_holds_what_was_appended(void **state)
{
	static uint8_t model[10000];
	struct prng prng;
	struct buf buf;
	size_t size = 0;

	prng_init(&prng, 1);
	buf_init(&buf, sizeof(model));
	for (;;) {
		uint8_t bytes[300];
		size_t count = prng_below(&prng, sizeof(bytes));

		for (size_t i = 0; i < count; i++)
			bytes[i] = (uint8_t)prng_next(&prng);
		buf_append(&buf, bytes, count);
		if (size + count > sizeof(model))
			break;
		memcpy(model + size, bytes, count);
		size += count;
		assert_int_equal(buf.error, 0);
	}
	assert_int_equal(buf.error, -ENOBUFS);
	assert_int_equal(buf.size, size);
	assert_memory_equal(buf.data, model, size);
	buf_release(&buf);
}

/* ---- bytes ---- */

static void null_is_not_empty(void **state)
{
	assert_true(bytes_is_null(BYTES_NULL));
	assert_true(bytes_is_null(bytes_of_text(NULL)));
	assert_false(bytes_is_null(SPAN("")));
	assert_false(bytes_equal(BYTES_NULL, SPAN("")));
	assert_true(bytes_equal(BYTES_NULL, BYTES_NULL));
	assert_int_equal(bytes_size(BYTES_NULL), 0);
	assert_null(bytes_dup(BYTES_NULL));
}

static void bytes_are_ordered_as_by_memcmp(void **state)
{
	const struct bytes ordered[] = {
		BYTES_NULL,  SPAN(""),   SPAN("\0"), SPAN("a"),
		SPAN("a\0"), SPAN("aa"), SPAN("b"),  SPAN("\xff"),
	};
	const int count = sizeof(ordered) / sizeof(ordered[0]);

	for (int i = 0; i < count; i++) {
		for (int j = 0; j < count; j++) {
			int order = bytes_compare(ordered[i], ordered[j]);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(bytes_equal(ordered[i], ordered[j]), i == j);
		}
	}
}

static void a_copy_has_a_terminator(void **state)
{
	char *copy = bytes_dup(bytes_of("abc", 2));

	assert_string_equal(copy, "ab");
	free(copy);
}

static void numbers_are_big_endian(void **state)
{
	uint8_t bytes[9];

	endian_put_u64(bytes + 1, 0x0102030405060708);
	assert_memory_equal(bytes + 1, "\1\2\3\4\5\6\7\10", 8);
	assert_int_equal(endian_get_u64(bytes + 1), 0x0102030405060708);
	endian_put_u32(bytes + 1, 0xfffefdfc);
	assert_memory_equal(bytes + 1, "\xff\xfe\xfd\xfc", 4);
	assert_int_equal(endian_get_u32(bytes + 1), 0xfffefdfc);
}

/* ---- list ---- */

struct number {
	struct list link;
	struct map_entry map_entry;
	struct heap_entry heap_entry;
	int value;
};

static void assert_numbers(const struct list *list, const int *values, int count)
{
	int i = 0;

	list_for_each (list, at) {
		assert_true(i < count);
		assert_ptr_equal(at->next->prev, at);
		assert_int_equal(list_item(at, struct number, link)->value, values[i++]);
	}
	assert_int_equal(i, count);
}

static void a_list_keeps_its_order(void **state)
{
	struct number numbers[5];
	struct list a, b;

	list_init(&a);
	list_init(&b);
	assert_null(list_first(&a));
	for (int i = 0; i < 5; i++)
		numbers[i].value = i;
	list_append(&a, &numbers[1].link);
	list_append(&a, &numbers[2].link);
	list_prepend(&a, &numbers[0].link);
	assert_numbers(&a, (int[]){0, 1, 2}, 3);
	list_append(&b, &numbers[3].link);
	list_append(&b, &numbers[4].link);
	list_splice(&a, &b);
	assert_true(list_is_empty(&b));
	assert_numbers(&a, (int[]){0, 1, 2, 3, 4}, 5);
	list_splice(&a, &b);
	assert_numbers(&a, (int[]){0, 1, 2, 3, 4}, 5);
	list_remove(&numbers[2].link);
	list_remove(&numbers[2].link); /* twice is once */
	assert_false(list_is_linked(&numbers[2].link));
	assert_true(list_is_linked(&numbers[1].link));
	list_insert_before(&numbers[1].link, &numbers[2].link);
	assert_numbers(&a, (int[]){0, 2, 1, 3, 4}, 5);
	list_for_each_safe (&a, at)
		list_remove(at);
	assert_true(list_is_empty(&a));
}

/* ---- map, against an array that is searched from end to end ---- */

enum { MODEL_SIZE = 400, MODEL_ROUNDS = 20000 };

struct map_model {
	struct number *numbers[MODEL_SIZE];
	size_t count;
};

static struct bytes key_of(const struct number *number)
{
	return bytes_of(&number->value, sizeof(number->value));
}

static struct number *model_find(const struct map_model *model, int value)
{
	for (size_t i = 0; i < model->count; i++) {
		if (model->numbers[i]->value == value)
			return model->numbers[i];
	}
	return NULL;
}

static void model_remove(struct map_model *model, const struct number *number)
{
	size_t i = 0;

	while (model->numbers[i] != number)
		i++;
	model->count--;
	memmove(&model->numbers[i], &model->numbers[i + 1],
		(model->count - i) * sizeof(model->numbers[0]));
}

static void assert_map_is_model(const struct map *map, const struct map_model *model)
{
	size_t i = 0;

	assert_int_equal(map->count, model->count);
	map_for_each (map, at) {
		assert_true(i < model->count);
		assert_ptr_equal(map_item(at, struct number, map_entry), model->numbers[i]);
		i++;
	}
	assert_int_equal(i, model->count);
}

static void insert_number(struct map *map, struct map_model *model, int value)
{
	struct number *number = mem_zalloc(sizeof(*number));

	number->value = value;
	map_insert(map, &number->map_entry, key_of(number));
	model->numbers[model->count++] = number;
	assert_true(bytes_equal(map_entry_key(&number->map_entry), key_of(number)));
}

static void remove_number(struct map *map, struct map_model *model, struct number *number)
{
	map_remove(map, &number->map_entry);
	model_remove(model, number);
	free(number);
}

static void a_map_finds_and_iterates_as_an_array_would(void **state)
{
	struct map_model model = {0};
	struct prng prng;
	struct map map;

	prng_init(&prng, 2);
	map_init(&map);
	assert_null(map_first(&map));
	for (int round = 0; round < MODEL_ROUNDS; round++) {
		int value = (int)prng_below(&prng, MODEL_SIZE);
		struct number *number = model_find(&model, value);
		struct map_entry *entry = map_find(&map, bytes_of(&value, sizeof(value)));

		if (number)
			assert_ptr_equal(entry, &number->map_entry);
		else
			assert_null(entry);
		if (number && prng_below(&prng, 2) == 0)
			remove_number(&map, &model, number);
		else if (!number)
			insert_number(&map, &model, value);
		if (round % 64 == 0)
			assert_map_is_model(&map, &model);
	}
	map_for_each (&map, at)
		remove_number(&map, &model, map_item(at, struct number, map_entry));
	assert_map_is_model(&map, &model);
	map_release(&map);
	map_release(NULL);
}

static void map_keys_may_be_empty_or_prefixes(void **state)
{
	struct map_entry entries[3];
	struct map map;

	map_init(&map);
	map_insert(&map, &entries[0], SPAN(""));
	map_insert(&map, &entries[1], SPAN("a"));
	map_insert(&map, &entries[2], SPAN("a\0"));
	assert_ptr_equal(map_find(&map, SPAN("")), &entries[0]);
	assert_ptr_equal(map_find(&map, SPAN("a")), &entries[1]);
	assert_ptr_equal(map_find(&map, SPAN("a\0")), &entries[2]);
	assert_null(map_find(&map, SPAN("b")));
	map_release(&map);
}

/* ---- heap, against an array that is searched for its least ---- */

static struct number *model_least(const struct map_model *model)
{
	struct number *least = NULL;

	for (size_t i = 0; i < model->count; i++) {
		struct number *number = model->numbers[i];

		if (!least || number->heap_entry.key < least->heap_entry.key)
			least = number; /* of equal keys the one that came first */
	}
	return least;
}

/* Whose turn it is among equals is when it got its key: it goes to the end. */
static void model_update(struct map_model *model, struct number *number)
{
	model_remove(model, number);
	model->numbers[model->count++] = number;
}

static void heap_step(struct heap *heap, struct map_model *model, struct prng *prng)
{
	struct number *number;
	int64_t key = (int64_t)prng_below(prng, 50) - 25;
	uint64_t what = prng_below(prng, 4);

	if (model->count == 0 || (what < 2 && model->count < MODEL_SIZE)) {
		number = mem_zalloc(sizeof(*number));
		heap_entry_init(&number->heap_entry);
		heap_insert(heap, &number->heap_entry, key);
		model->numbers[model->count++] = number;
		return;
	}
	number = model->numbers[prng_below(prng, model->count)];
	if (what == 2) {
		heap_update(heap, &number->heap_entry, key);
		model_update(model, number);
		return;
	}
	heap_remove(heap, &number->heap_entry);
	heap_remove(heap, &number->heap_entry); /* twice is once */
	assert_int_equal(number->heap_entry.index, HEAP_NOWHERE);
	model_remove(model, number);
	free(number);
}

static void assert_heap_is_model(const struct heap *heap, const struct map_model *model)
{
	struct number *least = model_least(model);

	assert_int_equal(heap->count, model->count);
	if (least)
		assert_ptr_equal(heap_first(heap), &least->heap_entry);
	else
		assert_null(heap_first(heap));
}

static void a_heap_gives_the_least_and_of_equals_the_first(void **state)
{
	struct map_model model = {0};
	struct prng prng;
	struct heap heap;

	prng_init(&prng, 3);
	heap_init(&heap);
	for (int round = 0; round < MODEL_ROUNDS; round++) {
		heap_step(&heap, &model, &prng);
		assert_heap_is_model(&heap, &model);
	}
	while (model.count > 0) {
		struct number *least = model_least(&model);

		heap_remove(&heap, heap_first(&heap));
		model_remove(&model, least);
		free(least);
		assert_heap_is_model(&heap, &model);
	}
	heap_release(&heap);
	heap_release(NULL);
}

/* ---- chance ---- */

/* Vigna's reference code from the state 1, 2, 3, 4. */
static void the_generator_is_xoshiro256_star_star(void **state)
{
	struct prng prng = {.state = {1, 2, 3, 4}};

	assert_int_equal(prng_next(&prng), 11520);
	assert_int_equal(prng_next(&prng), 0);
	assert_int_equal(prng_next(&prng), 1509978240);
	assert_int_equal(prng_next(&prng), 1215971899390074240);
}

/* And of splitmix64 from 1234567. */
static void the_seed_is_spread_by_splitmix64(void **state)
{
	struct prng prng;

	prng_init(&prng, 1234567);
	assert_int_equal(prng.state[0], 6457827717110365317u);
	assert_int_equal(prng.state[1], 3203168211198807973u);
	assert_int_equal(prng.state[2], 9817491932198370423u);
	assert_int_equal(prng.state[3], 4593380528125082431u);
}

static void numbers_below_a_bound_are_even(void **state)
{
	enum { BOUND = 7, DRAWS = 70000 };
	int counts[BOUND] = {0};
	struct prng prng;

	prng_init(&prng, 4);
	for (int i = 0; i < DRAWS; i++)
		counts[prng_below(&prng, BOUND)]++;
	for (int i = 0; i < BOUND; i++) /* five standard deviations */
		assert_in_range(counts[i], DRAWS / BOUND - 465, DRAWS / BOUND + 465);
	assert_int_equal(prng_below(&prng, 1), 0);
}

/*
 * SipHash-1-3 of 00 01 02 ... with the key 00..0f, made by a second program
 * that also gives the paper's vector for SipHash-2-4 and CPython's hash().
 */
static void the_hash_is_siphash_1_3(void **state)
{
	static const struct {
		size_t size;
		uint64_t hash;
	} vectors[] = {
		{0, 0xabac0158050fc4dc},  {1, 0xc9f49bf37d57ca93},  {7, 0xd3927d989bb11140},
		{8, 0x369095118d299a8e},  {15, 0xd320d86d2a519956}, {16, 0xcc4fdd1a7d908b66},
		{63, 0x9d199062b7bbb3a8},
	};
	static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_int_equal(siphash(key, bytes, vectors[i].size), vectors[i].hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buf_takes_all_that_fits_and_nothing_more),
		cmocka_unit_test(a_bufs_error_lasts_until_it_is_reset),
		cmocka_unit_test(a_buf_refuses_a_size_that_would_overflow),
		cmocka_unit_test(a_buf_is_cut_at_both_ends),
		cmocka_unit_test(a_buf_holds_what_was_appended),
		cmocka_unit_test(null_is_not_empty),
		cmocka_unit_test(bytes_are_ordered_as_by_memcmp),
		cmocka_unit_test(a_copy_has_a_terminator),
		cmocka_unit_test(numbers_are_big_endian),
		cmocka_unit_test(a_list_keeps_its_order),
		cmocka_unit_test(a_map_finds_and_iterates_as_an_array_would),
		cmocka_unit_test(map_keys_may_be_empty_or_prefixes),
		cmocka_unit_test(a_heap_gives_the_least_and_of_equals_the_first),
		cmocka_unit_test(the_generator_is_xoshiro256_star_star),
		cmocka_unit_test(the_seed_is_spread_by_splitmix64),
		cmocka_unit_test(numbers_below_a_bound_are_even),
		cmocka_unit_test(the_hash_is_siphash_1_3),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
