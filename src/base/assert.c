#include "src/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void assert_failed(const char *fact, const char *file, int line, const char *function)
{
	fprintf(stderr, "%s:%d: %s: bug: '%s' does not hold\n", file, line, function, fact);
	abort();
}
