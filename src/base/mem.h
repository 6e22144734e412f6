#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/*
 * The heap. These never return NULL: a machine without memory ends the
 * process with one sentence, as a failed write does. Whatever a peer can make
 * grow has a maximum of its own before it gets here.
 *
 * Memory is released with free(3).
 */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *memory, size_t size);

/* A copy of size bytes; with one more, '\0', behind them, so that text can be printed. */
void *mem_dup(const void *bytes, size_t size);
char *mem_strdup(const char *text);

/* A new string made as by printf(3). */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
