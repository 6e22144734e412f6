/*
 * zoo.cfg and its dynamic file: any bytes are a configuration or one sentence.
 * The first byte says which of the two the rest is.
 */
#include <stddef.h>
#include <stdint.h>

#include "replica/io/config.h"
#include "src/base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config;
	int error;

	if (size == 0)
		return 0;
	config_init(&config);
	if (data[0] % 2 == 0)
		error = config_parse(&config, "zoo.cfg", (const char *)data + 1, size - 1);
	else
		error = config_parse_dynamic(&config, "dyn", (const char *)data + 1, size - 1);
	if (error == 0)
		error = config_check(&config);
	ASSERT((error == 0) == (config.error == NULL));
	if (error == 0)
		ASSERT(config.data_dir && config.tick_time_ms > 0);
	config_release(&config);
	return 0;
}
