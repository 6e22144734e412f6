#ifndef T_UNIT_CMOCKA_H
#define T_UNIT_CMOCKA_H

/* cmocka.h asks for these before it, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
