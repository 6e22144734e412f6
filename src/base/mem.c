#include "src/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory, size_t size)
{
	if (memory)
		return memory;
	fprintf(stderr, "out of memory (%zu bytes asked for)\n", size);
	abort();
}

void *mem_alloc(size_t size)
{
	return checked(malloc(size ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
	return checked(calloc(1, size ? size : 1), size);
}

void *mem_realloc(void *memory, size_t size)
{
	return checked(realloc(memory, size ? size : 1), size);
}

void *mem_dup(const void *bytes, size_t size)
{
	char *copy = mem_alloc(size + 1);

	if (size > 0)
		memcpy(copy, bytes, size);
	copy[size] = '\0';
	return copy;
}

char *mem_strdup(const char *text)
{
	return mem_dup(text, strlen(text));
}

char *mem_printf(const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return checked(text, 0);
}
