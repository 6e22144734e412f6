#ifndef T_UNIT_SERVER_FIXTURE_H
#define T_UNIT_SERVER_FIXTURE_H

#include "t/unit/cmocka.h"
#include "t/unit/fake-driver.h"

/* What the tests of a standalone server share: *state is its struct fake_driver. */
int server_setup(void **state);
int server_teardown(void **state);

/* Another server in its place, with an empty log. */
void server_start_anew(void **state, const struct server_config *config);

#define TEST(name) cmocka_unit_test_setup_teardown(name, server_setup, server_teardown)

#endif
