#ifndef BASE_MSEC_H
#define BASE_MSEC_H

#include <stdint.h>

/* Milliseconds: a wall clock where a record says so, else a monotonic one. */
typedef int64_t msec_t;

#endif
