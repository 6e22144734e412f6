#include "t/unit/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

static int hex_digit(char digit)
{
	const char *digits = "0123456789abcdef";
	const char *at = digit ? strchr(digits, digit) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The bytes of the hex digits at text, up to what isn't one. */
static struct bytes parse_hex(const char *text, size_t digit_count)
{
	size_t size = digit_count / 2;
	uint8_t *bytes = mem_alloc(size);

	ASSERT(digit_count % 2 == 0);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return bytes_of(bytes, size);
}

static struct vector parse_line(const char *text, int line)
{
	struct vector vector = {.direction = text[0], .line = line};
	size_t digit_count = 0;

	if (text[0] == '#') {
		vector.bytes = BYTES_NULL;
		vector.note = mem_strdup(text[1] == ' ' ? text + 2 : text + 1);
		return vector;
	}
	ASSERT(text[0] != '\0' && strchr("<>=", text[0]) && text[1] == ' ');
	text += 2;
	while (hex_digit(text[digit_count]) >= 0)
		digit_count++;
	vector.bytes = parse_hex(text, digit_count);
	text += digit_count;
	vector.note = mem_strdup(text + strspn(text, " "));
	return vector;
}

static FILE *open_source(const char *name)
{
	const char *srcdir = getenv("srcdir");
	char *path = mem_printf("%s/t/unit/%s", srcdir ? srcdir : ".", name);
	FILE *file = fopen(path, "r");

	if (!file) {
		perror(path);
		exit(1);
	}
	free(path);
	return file;
}

void vectors_load(struct vectors *vectors, const char *name)
{
	FILE *file = open_source(name);
	char *text = NULL;
	size_t capacity = 0;

	*vectors = (struct vectors){0};
	while (getline(&text, &capacity, file) > 0) {
		text[strcspn(text, "\n")] = '\0';
		vectors->items = mem_realloc(vectors->items,
					     (vectors->count + 1) * sizeof(vectors->items[0]));
		vectors->items[vectors->count] = parse_line(text, (int)vectors->count + 1);
		vectors->count++;
	}
	free(text);
	(void)fclose(file); /* it was only read */
	ASSERT(vectors->count > 0);
}

void vectors_release(struct vectors *vectors)
{
	for (size_t i = 0; i < vectors->count; i++) {
		free((void *)vectors->items[i].bytes.data);
		free(vectors->items[i].note);
	}
	free(vectors->items);
	*vectors = (struct vectors){0};
}
