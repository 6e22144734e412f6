#include "src/base/properties.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "src/base/mem.h"

/* ---- logical lines ---- */

struct source {
	const char *at;
	const char *end;
	int line; /* of `at` */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

static bool is_newline(char c)
{
	return c == '\n' || c == '\r';
}

static void skip_blanks(struct source *source)
{
	while (source->at < source->end && is_blank(*source->at))
		source->at++;
}

/* "\n", "\r" and "\r\n" each end one line. */
static void skip_newline(struct source *source)
{
	if (source->at == source->end)
		return;
	if (*source->at == '\r' && source->at + 1 < source->end && source->at[1] == '\n')
		source->at++;
	source->at++;
	source->line++;
}

static struct bytes take_rest_of_line(struct source *source)
{
	const char *start = source->at;

	while (source->at < source->end && !is_newline(*source->at))
		source->at++;
	return bytes_of(start, (size_t)(source->at - start));
}

/* Moves to the first character that is part of a key; false at the end of the text. */
static bool skip_to_key(struct source *source)
{
	for (;;) {
		skip_blanks(source);
		if (source->at == source->end)
			return false;
		if (*source->at == '#' || *source->at == '!')
			(void)take_rest_of_line(source);
		else if (!is_newline(*source->at))
			return true;
		skip_newline(source);
	}
}

static bool ends_with_escape(struct bytes piece)
{
	const char *text = piece.data;
	int32_t at = piece.size;

	while (at > 0 && text[at - 1] == '\\')
		at--;
	return (piece.size - at) % 2 == 1;
}

/* A key and its value with continuation lines joined and escapes still in it. */
static bool read_logical_line(struct source *source, struct buf *line, int *ret_number)
{
	if (!skip_to_key(source))
		return false;
	*ret_number = source->line;
	buf_reset(line);
	for (;;) {
		struct bytes piece = take_rest_of_line(source);

		buf_append(line, piece.data, bytes_size(piece));
		skip_newline(source);
		if (!ends_with_escape(piece))
			return true;
		buf_truncate(line, line->size - 1);
		skip_blanks(source);
	}
}

/* ---- escapes ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The four digits of \uXXXX; -1 if they are not there. */
static int32_t read_unit(const char *at, const char *end)
{
	int32_t unit = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(at[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static void append_utf8(struct buf *text, uint32_t c)
{
	uint8_t bytes[4];
	size_t size;

	if (c < 0x80) {
		bytes[0] = (uint8_t)c;
		size = 1;
	} else if (c < 0x800) {
		bytes[0] = (uint8_t)(0xc0 | c >> 6);
		bytes[1] = (uint8_t)(0x80 | (c & 0x3f));
		size = 2;
	} else if (c < 0x10000) {
		bytes[0] = (uint8_t)(0xe0 | c >> 12);
		bytes[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		bytes[2] = (uint8_t)(0x80 | (c & 0x3f));
		size = 3;
	} else {
		bytes[0] = (uint8_t)(0xf0 | c >> 18);
		bytes[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
		bytes[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		bytes[3] = (uint8_t)(0x80 | (c & 0x3f));
		size = 4;
	}
	buf_append(text, bytes, size);
}

/* `at` is behind "\u". Java's strings are UTF-16, so two escapes can make one character. */
static const char *unescape_unit(struct buf *text, const char *at, const char *end)
{
	int32_t unit = read_unit(at, end);
	int32_t low;

	if (unit <= 0)
		return NULL;
	at += 4;
	if (unit >= 0xd800 && unit < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
		low = read_unit(at + 2, end);
		if (low >= 0xdc00 && low < 0xe000) {
			append_utf8(text, 0x10000 + ((uint32_t)(unit - 0xd800) << 10) +
						  (uint32_t)(low - 0xdc00));
			return at + 6;
		}
	}
	append_utf8(text, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : (uint32_t)unit);
	return at;
}

/* `at` is at a backslash with a character behind it; returns what follows the escape, or NULL. */
static const char *unescape(struct buf *text, const char *at, const char *end)
{
	static const char letters[] = "tnrf", meanings[] = "\t\n\r\f";
	const char *letter;

	if (at[1] == 'u')
		return unescape_unit(text, at + 2, end);
	letter = at[1] ? strchr(letters, at[1]) : NULL;
	buf_append(text, letter ? &meanings[letter - letters] : at + 1, 1);
	return at + 2;
}

static bool ends_key(char c)
{
	return is_blank(c) || c == '=' || c == ':';
}

static bool ends_nothing(char c)
{
	return false;
}

/* Appends up to the first unescaped character that `ends` says; NULL for a bad escape. */
static const char *take_text(struct buf *text, const char *at, const char *end,
			     bool (*ends)(char c))
{
	while (at && at < end && !ends(*at)) {
		if (*at == '\\' && at + 1 < end)
			at = unescape(text, at, end);
		else
			buf_append(text, at++, 1);
	}
	return at;
}

/* ---- entries ---- */

/* String.trim cuts everything up to U+0020. */
static char *dup_trimmed(const struct buf *text)
{
	const uint8_t *start = text->data;
	size_t size = text->size;

	while (size > 0 && start[0] <= ' ') {
		start++;
		size--;
	}
	while (size > 0 && start[size - 1] <= ' ')
		size--;
	return size > 0 ? mem_dup(start, size) : mem_strdup("");
}

static struct property *find(const struct properties *properties, const char *key)
{
	for (size_t i = 0; i < properties->count; i++)
		if (strcmp(properties->entries[i].key, key) == 0)
			return &properties->entries[i];
	return NULL;
}

const struct property *properties_find(const struct properties *properties, const char *key)
{
	return find(properties, key);
}

static struct property *find_or_add(struct properties *properties, char *key)
{
	struct property *property = find(properties, key);

	if (property) {
		free(key);
		free(property->value);
		return property;
	}
	if (properties->count == PROPERTIES_COUNT_MAX) {
		free(key);
		return NULL;
	}
	property = &properties->entries[properties->count++];
	property->key = key;
	return property;
}

static int fail(struct properties *properties, int line, const char *error)
{
	properties->error = error;
	properties->error_line = line;
	return -EINVAL;
}

static const char *skip_separator(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	if (at < end && (*at == '=' || *at == ':'))
		at++;
	while (at < end && is_blank(*at))
		at++;
	return at;
}

/* Takes one logical line apart; key and value are scratch memory. */
static int parse_line(struct properties *properties, const struct buf *line, int number,
		      struct buf *key, struct buf *value)
{
	const char *at = (const char *)line->data;
	const char *end = at + line->size;
	struct property *property;

	if (memchr(at, '\0', line->size))
		return fail(properties, number, "a zero byte");
	buf_reset(key);
	buf_reset(value);
	at = take_text(key, at, end, ends_key);
	if (at)
		at = take_text(value, skip_separator(at, end), end, ends_nothing);
	if (!at)
		return fail(properties, number, "\\u needs four hexadecimal digits, not all zero");
	property = find_or_add(properties, dup_trimmed(key));
	if (!property)
		return fail(properties, number, "too many keys");
	property->value = dup_trimmed(value);
	property->line = number;
	return 0;
}

void properties_init(struct properties *properties)
{
	*properties = (struct properties){0};
}

void properties_release(struct properties *properties)
{
	for (size_t i = 0; i < properties->count; i++) {
		free(properties->entries[i].key);
		free(properties->entries[i].value);
	}
	free(properties->entries);
	properties_init(properties);
}

int properties_parse(struct properties *properties, const char *text, size_t size)
{
	struct source source = {.at = text, .end = text + size, .line = 1};
	struct buf line, key, value;
	int number, error = 0;

	if (size > PROPERTIES_SIZE_MAX)
		return fail(properties, 1, "the file is too large");
	properties->entries = mem_zalloc(PROPERTIES_COUNT_MAX * sizeof(*properties->entries));
	buf_init(&line, PROPERTIES_SIZE_MAX);
	buf_init(&key, PROPERTIES_SIZE_MAX);
	buf_init(&value, PROPERTIES_SIZE_MAX);
	while (error == 0 && read_logical_line(&source, &line, &number))
		if (line.size > 0)
			error = parse_line(properties, &line, number, &key, &value);
	buf_release(&value);
	buf_release(&key);
	buf_release(&line);
	return error;
}
