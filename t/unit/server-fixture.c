#include "t/unit/server-fixture.h"

int server_setup(void **state)
{
	struct fake_driver *driver = test_calloc(1, sizeof(*driver));
	struct server_config config;

	server_config_init(&config);
	fake_driver_init(driver, &config);
	*state = driver;
	return 0;
}

int server_teardown(void **state)
{
	fake_driver_release(*state);
	test_free(*state);
	return 0;
}

void server_start_anew(void **state, const struct server_config *config)
{
	fake_driver_release(*state);
	fake_driver_init(*state, config);
}
