#include "fs/content.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "src/base/assert.h"

void content_init(struct content *content, int open_flags, size_t size_max)
{
	int access = open_flags & O_ACCMODE;

	*content = (struct content){
		.readable = access == O_RDONLY || access == O_RDWR,
		.append = open_flags & O_APPEND,
		.synchronous = open_flags & (O_SYNC | O_DSYNC),
		.truncating = open_flags & O_TRUNC,
		.size_max = size_max,
	};
	draft_init(&content->draft, size_max);
	draft_init(&content->sending, size_max);
	buf_init(&content->view, SIZE_MAX);
	if (content->truncating)
		(void)draft_truncate(&content->draft, 0); /* nothing is never too long */
}

void content_release(struct content *content)
{
	value_drop(content->base);
	content->base = NULL;
	draft_release(&content->draft);
	draft_release(&content->sending);
	buf_release(&content->view);
}

static struct bytes value_bytes(const struct value *value)
{
	return value ? bytes_of(value->data, value->size) : bytes_of("", 0);
}

/* What the draft lies over. */
static struct bytes shown_base(const struct content *content)
{
	return content->committing ? buf_bytes(&content->view) : value_bytes(content->base);
}

static void set_base(struct content *content, struct value *value)
{
	if (value)
		value_hold(value);
	value_drop(content->base);
	content->base = value;
}

bool content_is_clean(const struct content *content)
{
	return !content->committing && draft_is_empty(&content->draft);
}

/* ---- reading ---- */

bool content_wants_newest(const struct content *content, size_t offset)
{
	if (!content_is_clean(content))
		return false;
	return !content->base || content->end_reported || (offset == 0 && content->first_read_done);
}

void content_take(struct content *content, struct value *value)
{
	ASSERT(content_is_clean(content));
	set_base(content, value);
	content->first_read_done = false;
	content->end_reported = false;
	content->broken = 0;
}

size_t content_size(const struct content *content)
{
	return draft_size(&content->draft, bytes_size(shown_base(content)));
}

struct bytes content_read(struct content *content, size_t offset, size_t size, struct buf *scratch)
{
	struct bytes base = shown_base(content);
	size_t end = content_size(content);
	uint8_t *read;

	content->was_read = true;
	content->first_read_done = true;
	buf_reset(scratch);
	if (offset >= end || size == 0) {
		content->end_reported |= size > 0;
		return bytes_of("", 0);
	}
	if (size > end - offset)
		size = end - offset;
	if (draft_is_empty(&content->draft))
		return bytes_of((const uint8_t *)base.data + offset, size);
	read = buf_extend(scratch, size);
	ASSERT(read); /* scratch is as large as a read may be */
	draft_read(&content->draft, base, offset, size, read);
	return buf_bytes(scratch);
}

/* ---- writing ---- */

static int refuse_broken(const struct content *content)
{
	return -content->broken;
}

/* After an edit of the draft: remember that there was one. */
static int edited(struct content *content, int error)
{
	if (!error && content->draft.changed)
		content->written = true;
	return error;
}

int content_write(struct content *content, size_t offset, struct bytes bytes)
{
	if (content->broken)
		return refuse_broken(content);
	return edited(content,
		      draft_write(&content->draft, bytes_size(shown_base(content)), offset, bytes));
}

int content_append(struct content *content, struct bytes bytes)
{
	return edited(content,
		      draft_append(&content->draft, bytes_size(shown_base(content)), bytes));
}

int content_truncate(struct content *content, size_t size)
{
	int error;

	if (content->broken && size > 0)
		return refuse_broken(content);
	error = edited(content, draft_truncate(&content->draft, size));
	if (!error)
		content->broken = 0;
	return error;
}

int content_extend(struct content *content, size_t size)
{
	if (content->broken)
		return refuse_broken(content);
	return edited(content,
		      draft_extend(&content->draft, bytes_size(shown_base(content)), size));
}

/* ---- committing ---- */

static enum commit_rule choose_rule(const struct content *content)
{
	if (content->truncating)
		return COMMIT_WHOLE;
	/* A draft of a size of its own has what was appended in its place. */
	if (content->append)
		return content->draft.sized ? COMMIT_OVER : COMMIT_APPEND;
	if (content->readable && content->was_read && content->base)
		return COMMIT_COMPARE;
	return COMMIT_OVER;
}

/* The sending draft laid over base. */
static void lay(const struct draft *draft, struct bytes base, struct buf *ret_bytes)
{
	size_t size = draft_size(draft, bytes_size(base));
	uint8_t *bytes;

	buf_reset(ret_bytes);
	if (size == 0)
		return;
	bytes = buf_extend(ret_bytes, size);
	ASSERT(bytes);
	draft_read(draft, base, 0, size, bytes);
}

void content_commit_begin(struct content *content)
{
	ASSERT(!content->committing);
	content->rule = choose_rule(content);
	draft_move(&content->sending, &content->draft);
	lay(&content->sending, value_bytes(content->base), &content->view);
	content->written = false;
	content->committing = true;
}

int content_commit_value(const struct content *content, const struct value *newest,
			 struct buf *ret_bytes)
{
	bool own = content->rule == COMMIT_WHOLE || content->rule == COMMIT_COMPARE;
	struct bytes base = value_bytes(own ? content->base : newest);

	ASSERT(content->committing);
	if (draft_size(&content->sending, bytes_size(base)) > content->size_max)
		return -EFBIG;
	lay(&content->sending, base, ret_bytes);
	return 0;
}

static void end_commit(struct content *content)
{
	draft_release(&content->sending);
	buf_release(&content->view);
	content->committing = false;
}

void content_commit_done(struct content *content, struct value *committed)
{
	ASSERT(content->committing);
	end_commit(content);
	set_base(content, committed);
	if (content->append)
		content->truncating = false;
}

void content_commit_failed(struct content *content, int error)
{
	ASSERT(error > 0);
	content_discard(content);
	if (!content->append && !content->synchronous)
		content->broken = error;
}

void content_discard(struct content *content)
{
	end_commit(content);
	draft_release(&content->draft);
	content->written = false;
}

size_t content_memory(const struct content *content)
{
	return draft_memory(&content->draft) + draft_memory(&content->sending) +
	       content->view.capacity;
}

void content_check(const struct content *content)
{
	draft_check(&content->draft);
	draft_check(&content->sending);
	ASSERT(content->committing ||
	       (content->view.capacity == 0 && draft_is_empty(&content->sending)));
	ASSERT(!content->written || content->draft.changed);
}
