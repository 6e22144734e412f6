#include "t/unit/cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fs/content.h"
#include "src/base/prng.h"

/*
 * The content of a handle, beside a model that does the same the slow way: it
 * remembers what was done and does it again over whatever value is asked.
 */

enum { SIZE_LIMIT = 300, STEPS_MAX = 64, RUNS = 3000 };

struct model_value {
	size_t size;
	uint8_t bytes[SIZE_LIMIT * 2];
};

enum step_kind { STEP_WRITE, STEP_APPEND, STEP_TRUNCATE, STEP_EXTEND, STEP_KINDS };

struct step {
	enum step_kind kind;
	size_t offset; /* or the size */
	size_t size;
	uint8_t fill;
};

struct steps {
	size_t count;
	struct step items[STEPS_MAX];
};

static void resize(struct model_value *value, size_t size)
{
	if (size > value->size)
		memset(value->bytes + value->size, 0, size - value->size);
	value->size = size;
}

static void do_step(struct model_value *value, const struct step *step)
{
	size_t offset = step->kind == STEP_APPEND ? value->size : step->offset;

	switch (step->kind) {
	case STEP_WRITE:
	case STEP_APPEND:
		if (step->size == 0)
			return;
		if (offset + step->size > value->size)
			resize(value, offset + step->size);
		memset(value->bytes + offset, step->fill, step->size);
		return;
	case STEP_TRUNCATE:
		resize(value, step->offset);
		return;
	case STEP_EXTEND:
		if (step->offset > value->size)
			resize(value, step->offset);
		return;
	case STEP_KINDS:
		return;
	}
}

static void do_steps(struct model_value *value, const struct steps *steps)
{
	for (size_t i = 0; i < steps->count; i++)
		do_step(value, &steps->items[i]);
}

static struct step random_step(struct prng *prng)
{
	return (struct step){
		.kind = (enum step_kind)prng_below(prng, STEP_KINDS),
		.offset = prng_below(prng, SIZE_LIMIT / 2),
		.size = prng_below(prng, 40),
		.fill = (uint8_t)(1 + prng_below(prng, 255)),
	};
}

static int draft_step(struct draft *draft, size_t base_size, const struct step *step)
{
	uint8_t bytes[64];

	memset(bytes, step->fill, sizeof(bytes));
	switch (step->kind) {
	case STEP_WRITE:
		return draft_write(draft, base_size, step->offset, bytes_of(bytes, step->size));
	case STEP_APPEND:
		return draft_append(draft, base_size, bytes_of(bytes, step->size));
	case STEP_TRUNCATE:
		return draft_truncate(draft, step->offset);
	default:
		return draft_extend(draft, base_size, step->offset);
	}
}

static struct model_value random_value(struct prng *prng)
{
	struct model_value value = {.size = prng_below(prng, SIZE_LIMIT / 2)};

	for (size_t i = 0; i < value.size; i++)
		value.bytes[i] = (uint8_t)prng_next(prng);
	return value;
}

static void assert_draft_gives(const struct draft *draft, const struct model_value *base,
			       const struct model_value *expected, struct prng *prng)
{
	struct bytes base_bytes = bytes_of(base->bytes, base->size);
	uint8_t bytes[SIZE_LIMIT * 4];
	size_t offset = prng_below(prng, expected->size + 1);
	size_t size = prng_below(prng, expected->size - offset + 1);

	assert_int_equal(draft_size(draft, base->size), expected->size);
	draft_read(draft, base_bytes, 0, expected->size, bytes);
	assert_memory_equal(bytes, expected->bytes, expected->size);
	draft_read(draft, base_bytes, offset, size, bytes);
	assert_memory_equal(bytes, expected->bytes + offset, size);
}

static void a_draft_over_any_base_is_what_was_done_to_it(void **state)
{
	struct prng prng;

	prng_init(&prng, 1);
	for (int run = 0; run < RUNS; run++) {
		struct model_value base = random_value(&prng);
		struct steps steps = {.count = 0};
		struct draft draft;

		draft_init(&draft, SIZE_LIMIT);
		while (steps.count < STEPS_MAX && prng_below(&prng, 20) > 0) {
			struct step step = random_step(&prng);
			int error = draft_step(&draft, base.size, &step);

			draft_check(&draft);
			if (!error)
				steps.items[steps.count++] = step;
			else
				assert_true(error == -EFBIG || error == -EAGAIN);
		}
		for (int other = 0; other < 3; other++) {
			struct model_value over = other ? random_value(&prng) : base;
			struct model_value expected = over;

			do_steps(&expected, &steps);
			assert_draft_gives(&draft, &over, &expected, &prng);
			if (other == 0)
				assert_true(expected.size <= SIZE_LIMIT);
		}
		draft_release(&draft);
	}
}

static void an_edit_is_refused_only_where_it_must_be(void **state)
{
	uint8_t bytes[SIZE_LIMIT + 1] = {0};
	struct draft draft;

	draft_init(&draft, SIZE_LIMIT);
	assert_int_equal(draft_write(&draft, 0, SIZE_LIMIT - 1, bytes_of(bytes, 1)), 0);
	assert_int_equal(draft_write(&draft, 0, SIZE_LIMIT, bytes_of(bytes, 1)), -EFBIG);
	assert_int_equal(draft_write(&draft, 0, SIZE_MAX, bytes_of(bytes, 2)), -EFBIG);
	assert_int_equal(draft_truncate(&draft, SIZE_LIMIT + 1), -EFBIG);
	assert_int_equal(draft_extend(&draft, 0, SIZE_LIMIT + 1), -EFBIG);
	draft_release(&draft);

	assert_int_equal(draft_append(&draft, SIZE_LIMIT - 1, bytes_of(bytes, 2)), -EFBIG);
	assert_int_equal(draft_append(&draft, SIZE_LIMIT - 1, bytes_of(bytes, 1)), 0);
	assert_int_equal(draft_append(&draft, SIZE_LIMIT - 1, bytes_of(bytes, 1)), -EFBIG);
	/* Where the appended byte is can't be known. */
	assert_int_equal(draft_write(&draft, 0, 0, bytes_of(bytes, 1)), -EAGAIN);
	assert_int_equal(draft_truncate(&draft, 1), -EAGAIN);
	assert_int_equal(draft_extend(&draft, 0, 1), -EAGAIN);
	draft_release(&draft);

	/* A value that is too long already can only be made shorter. */
	assert_int_equal(draft_write(&draft, SIZE_LIMIT + 1, 0, bytes_of(bytes, 1)), -EFBIG);
	assert_int_equal(draft_truncate(&draft, 7), 0);
	assert_int_equal(draft_write(&draft, SIZE_LIMIT + 1, 0, bytes_of(bytes, 1)), 0);
	draft_release(&draft);
}

/* ---- one handle ---- */

static struct value *value_of(const char *text, int32_t version)
{
	struct zk_stat stat = {.czxid = 1, .mzxid = 1 + version, .version = version};

	return value_new(bytes_of_text(text), &stat);
}

static void open_with(struct content *content, int flags, const char *text, int32_t version)
{
	struct value *value = value_of(text, version);

	content_init(content, flags, SIZE_LIMIT);
	if (!(flags & O_TRUNC))
		content_take(content, value);
	value_drop(value);
}

static void take(struct content *content, const char *text, int32_t version)
{
	struct value *value = value_of(text, version);

	content_take(content, value);
	value_drop(value);
}

static void write_text(struct content *content, size_t offset, const char *text)
{
	assert_int_equal(content_write(content, offset, bytes_of_text(text)), 0);
	content_check(content);
}

static void append_text(struct content *content, const char *text)
{
	assert_int_equal(content_append(content, bytes_of_text(text)), 0);
	content_check(content);
}

static void assert_reads(struct content *content, size_t offset, size_t size, const char *text)
{
	struct buf scratch;

	buf_init(&scratch, SIZE_MAX);
	if (!bytes_equal_text(content_read(content, offset, size, &scratch), text))
		fail_msg("at %zu it doesn't read \"%s\"", offset, text);
	buf_release(&scratch);
}

static void assert_sends(struct content *content, enum commit_rule rule, const char *newest,
			 const char *text)
{
	struct value *value = value_of(newest, 9);
	struct buf bytes;

	buf_init(&bytes, SIZE_MAX);
	content_commit_begin(content);
	content_check(content);
	assert_int_equal(content->rule, rule);
	assert_int_equal(content_commit_value(content, value, &bytes), 0);
	if (!bytes_equal_text(buf_bytes(&bytes), text))
		fail_msg("it sends \"%.*s\", not \"%s\"", (int)bytes.size, (char *)bytes.data,
			 text);
	buf_release(&bytes);
	value_drop(value);
}

static void commit_as(struct content *content, const char *text, int32_t version)
{
	struct value *value = value_of(text, version);

	content_commit_done(content, value);
	content_check(content);
	value_drop(value);
}

static void a_reader_meets_the_end_before_a_newer_version(void **state)
{
	struct content content;

	open_with(&content, O_RDONLY, "first", 0);
	assert_false(content_wants_newest(&content, 0)); /* it has just been opened */
	assert_reads(&content, 0, 3, "fir");
	assert_false(content_wants_newest(&content, 3));
	assert_reads(&content, 3, 100, "st");
	assert_false(content_wants_newest(&content, 5));
	assert_reads(&content, 5, 100, "");
	assert_true(content_wants_newest(&content, 5)); /* the end was reported: tail -f */
	take(&content, "first and more", 1);
	assert_reads(&content, 5, 100, " and more");
	assert_false(content_wants_newest(&content, 14));
	assert_true(content_wants_newest(&content, 0)); /* lseek and read polls */
	take(&content, "2nd", 2);
	assert_reads(&content, 14, 100, "");
	content_release(&content);
}

static void a_dirty_handle_reads_its_own_and_keeps_its_version(void **state)
{
	struct content content;

	open_with(&content, O_RDWR, "hello", 4);
	assert_reads(&content, 0, 100, "hello");
	assert_reads(&content, 5, 100, "");
	write_text(&content, 0, "J");
	write_text(&content, 7, "!");
	assert_false(content_wants_newest(&content, 0));
	assert_int_equal(content_size(&content), 8);
	assert_int_equal(content.base->version, 4);
	content_commit_begin(&content);
	assert_false(content_wants_newest(&content, 0));
	write_text(&content, 1, "E"); /* over what is under way */
	assert_reads(&content, 0, 4, "JEll");
	content_release(&content);
}

static void what_was_read_is_compared(void **state)
{
	struct content content;

	open_with(&content, O_RDWR, "41", 3);
	assert_reads(&content, 0, 100, "41");
	assert_int_equal(content_truncate(&content, 0), 0);
	write_text(&content, 0, "42");
	assert_sends(&content, COMMIT_COMPARE, "other", "42");
	assert_int_equal(content.base->version, 3);
	commit_as(&content, "42", 4);
	write_text(&content, 0, "43"); /* own commits move it */
	assert_sends(&content, COMMIT_COMPARE, "other", "43");
	assert_int_equal(content.base->version, 4);
	content_release(&content);
}

static void what_was_not_read_is_laid_over_the_newest(void **state)
{
	struct content content;

	open_with(&content, O_RDWR, "abc", 0);
	write_text(&content, 1, "X");
	assert_sends(&content, COMMIT_OVER, "12345", "1X345");
	content_release(&content);

	open_with(&content, O_WRONLY, "abc", 0);
	write_text(&content, 2, "X");
	assert_sends(&content, COMMIT_OVER, "12", "12X");
	content_release(&content);
}

static void a_truncation_sends_its_own_and_compares_nothing(void **state)
{
	struct content content;

	open_with(&content, O_RDWR | O_TRUNC, "old", 0);
	assert_false(content_is_clean(&content));
	assert_false(content.written);
	assert_int_equal(content_size(&content), 0);
	write_text(&content, 0, "ab");
	assert_reads(&content, 0, 100, "ab");
	assert_true(content.written);
	assert_sends(&content, COMMIT_WHOLE, "other", "ab");
	write_text(&content, 2, "cd");
	assert_reads(&content, 0, 100, "abcd");
	commit_as(&content, "ab", 1);
	assert_sends(&content, COMMIT_WHOLE, "other", "abcd");
	content_release(&content);
}

static void what_is_appended_goes_behind_the_newest(void **state)
{
	struct content content;

	open_with(&content, O_RDWR | O_APPEND, "a\n", 0);
	assert_reads(&content, 0, 100, "a\n");
	append_text(&content, "b\n");
	append_text(&content, "c\n");
	assert_reads(&content, 0, 100, "a\nb\nc\n");
	assert_sends(&content, COMMIT_APPEND, "a\nx\n", "a\nx\nb\nc\n");
	commit_as(&content, "a\nx\nb\nc\n", 2);
	assert_int_equal(content_size(&content), 8);
	content_release(&content);

	open_with(&content, O_WRONLY | O_APPEND | O_TRUNC, "old", 0);
	append_text(&content, "1");
	append_text(&content, "2");
	assert_sends(&content, COMMIT_WHOLE, "other", "12");
	commit_as(&content, "12", 1);
	append_text(&content, "3"); /* from now on it appends as any other */
	assert_sends(&content, COMMIT_APPEND, "123", "1233");
	content_release(&content);
}

static void after_a_failure_nothing_is_written_behind_the_hole(void **state)
{
	struct content content;

	open_with(&content, O_RDWR, "abc", 0);
	assert_reads(&content, 0, 1, "a");
	write_text(&content, 0, "x");
	content_commit_begin(&content);
	write_text(&content, 1, "y");
	content_commit_failed(&content, ESTALE);
	content_check(&content);
	assert_true(content_is_clean(&content));
	assert_reads(&content, 1, 2, "bc");
	assert_int_equal(content_write(&content, 2, bytes_of_text("z")), -ESTALE);
	assert_int_equal(content_truncate(&content, 1), -ESTALE);
	assert_int_equal(content_extend(&content, 9), -ESTALE);
	take(&content, "new", 1);
	write_text(&content, 2, "z");
	content_commit_begin(&content);
	content_commit_failed(&content, EIO);
	assert_int_equal(content_truncate(&content, 0), 0);
	write_text(&content, 0, "z");
	content_release(&content);
}

static void after_a_failure_appending_and_synchronous_writing_go_on(void **state)
{
	struct content content;

	open_with(&content, O_WRONLY | O_APPEND, "", 0);
	append_text(&content, "lost\n");
	content_commit_begin(&content);
	content_commit_failed(&content, ETIMEDOUT);
	append_text(&content, "kept\n");
	assert_sends(&content, COMMIT_APPEND, "", "kept\n");
	content_release(&content);

	open_with(&content, O_WRONLY | O_SYNC, "", 0);
	write_text(&content, 0, "lost");
	content_commit_begin(&content);
	content_commit_failed(&content, ETIMEDOUT);
	write_text(&content, 0, "kept");
	content_release(&content);
}

static void a_value_that_grew_elsewhere_can_be_too_long_to_append_to(void **state)
{
	char text[SIZE_LIMIT + 1];
	struct content content;
	struct value *value;
	struct buf bytes;

	memset(text, 'x', SIZE_LIMIT);
	text[SIZE_LIMIT] = '\0';
	value = value_of(text, 5);
	buf_init(&bytes, SIZE_MAX);
	open_with(&content, O_WRONLY | O_APPEND, "", 0);
	append_text(&content, "y");
	content_commit_begin(&content);
	assert_int_equal(content_commit_value(&content, value, &bytes), -EFBIG);
	assert_int_equal(content_commit_value(&content, NULL, &bytes), 0);
	buf_release(&bytes);
	value_drop(value);
	content_release(&content);
}

/* Random work on one handle while others write, beside what the rules say. */
struct world {
	struct model_value server;
	int32_t version;
	struct model_value seen;  /* what the handle must show */
	struct steps uncommitted; /* since the last commit */
	struct content content;
	bool append;
};

static struct value *world_value(const struct world *world)
{
	struct zk_stat stat = {.czxid = 1, .version = world->version};

	return value_new(bytes_of(world->server.bytes, world->server.size), &stat);
}

static void world_take(struct world *world)
{
	struct value *value = world_value(world);

	content_take(&world->content, value);
	value_drop(value);
	world->seen = world->server;
}

static void world_set(struct world *world, const struct model_value *value)
{
	world->server = *value;
	world->version++;
}

static void world_edit(struct world *world, struct prng *prng)
{
	struct step step = random_step(prng);
	uint8_t bytes[64];
	int error;

	memset(bytes, step.fill, sizeof(bytes));
	if (step.kind == STEP_WRITE && world->append)
		step.kind = STEP_APPEND;
	else if (step.kind == STEP_APPEND && !world->append)
		step.kind = STEP_WRITE;
	if (step.kind == STEP_WRITE)
		error = content_write(&world->content, step.offset, bytes_of(bytes, step.size));
	else if (step.kind == STEP_APPEND)
		error = content_append(&world->content, bytes_of(bytes, step.size));
	else if (step.kind == STEP_TRUNCATE)
		error = content_truncate(&world->content, step.offset);
	else
		error = content_extend(&world->content, step.offset);
	if (error || world->uncommitted.count == STEPS_MAX)
		return;
	world->uncommitted.items[world->uncommitted.count++] = step;
	do_step(&world->seen, &step);
}

static void world_commit(struct world *world)
{
	struct content *content = &world->content;
	struct value *newest;
	struct model_value expected = world->server;
	struct value *committed;
	struct buf bytes;
	bool own;

	if (content_is_clean(content))
		return;
	newest = world_value(world);
	buf_init(&bytes, SIZE_MAX);
	content_commit_begin(content);
	own = content->rule == COMMIT_WHOLE || content->rule == COMMIT_COMPARE;
	if (content->rule == COMMIT_COMPARE && content->base->version != world->version) {
		content_commit_failed(content, ESTALE);
		world_take(world);
	} else if (content_commit_value(content, newest, &bytes)) {
		content_commit_failed(content, EFBIG);
		world_take(world);
	} else {
		if (own)
			expected = world->seen;
		else
			do_steps(&expected, &world->uncommitted);
		assert_int_equal(bytes.size, expected.size);
		assert_memory_equal(bytes.data, expected.bytes, bytes.size);
		world_set(world, &expected);
		committed = world_value(world);
		content_commit_done(content, committed);
		value_drop(committed);
		world->seen = expected;
	}
	world->uncommitted.count = 0;
	value_drop(newest);
	buf_release(&bytes);
}

static void world_read(struct world *world, struct prng *prng)
{
	size_t offset = prng_below(prng, 3) ? prng_below(prng, world->seen.size + 2) : 0;
	size_t size = 1 + prng_below(prng, 100);
	struct bytes bytes;
	struct buf scratch;

	if (content_wants_newest(&world->content, offset))
		world_take(world);
	buf_init(&scratch, 100);
	bytes = content_read(&world->content, offset, size, &scratch);
	if (offset < world->seen.size) {
		size_t left = world->seen.size - offset;

		assert_int_equal(bytes.size, size < left ? size : left);
		assert_memory_equal(bytes.data, world->seen.bytes + offset, bytes.size);
	} else {
		assert_int_equal(bytes.size, 0);
	}
	buf_release(&scratch);
}

static void a_handle_among_others_does_what_the_rules_say(void **state)
{
	static const int flags[] = {
		O_WRONLY,
		O_RDWR,
		O_WRONLY | O_TRUNC,
		O_RDWR | O_TRUNC,
		O_RDWR | O_APPEND,
		O_WRONLY | O_APPEND,
		O_RDWR | O_APPEND | O_TRUNC,
	};
	struct prng prng;

	prng_init(&prng, 7);
	for (int run = 0; run < RUNS; run++) {
		int flag = flags[run % 7];
		struct world world = {.append = flag & O_APPEND};

		world.server = random_value(&prng);
		content_init(&world.content, flag, SIZE_LIMIT);
		if (!(flag & O_TRUNC))
			world_take(&world);
		for (int i = 0; i < 40; i++) {
			struct model_value other = random_value(&prng);

			switch (prng_below(&prng, 6)) {
			case 0:
				world_commit(&world);
				break;
			case 1:
				world_set(&world, &other);
				break;
			case 2:
				world_read(&world, &prng);
				break;
			default:
				world_edit(&world, &prng);
			}
			content_check(&world.content);
			assert_int_equal(content_size(&world.content), world.seen.size);
		}
		content_release(&world.content);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_draft_over_any_base_is_what_was_done_to_it),
		cmocka_unit_test(an_edit_is_refused_only_where_it_must_be),
		cmocka_unit_test(a_reader_meets_the_end_before_a_newer_version),
		cmocka_unit_test(a_dirty_handle_reads_its_own_and_keeps_its_version),
		cmocka_unit_test(what_was_read_is_compared),
		cmocka_unit_test(what_was_not_read_is_laid_over_the_newest),
		cmocka_unit_test(a_truncation_sends_its_own_and_compares_nothing),
		cmocka_unit_test(what_is_appended_goes_behind_the_newest),
		cmocka_unit_test(after_a_failure_nothing_is_written_behind_the_hole),
		cmocka_unit_test(after_a_failure_appending_and_synchronous_writing_go_on),
		cmocka_unit_test(a_value_that_grew_elsewhere_can_be_too_long_to_append_to),
		cmocka_unit_test(a_handle_among_others_does_what_the_rules_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
