#include "t/fuzz/fuzz.h"

#include "replica/io/config.h"
#include "src/base/assert.h"

/*
 * What an operator writes: zoo.cfg, and its dynamic part, which peers and
 * reconfigurations send too. Claim: a refusal has a sentence, and nothing else.
 */
static void check_error(const struct config *config, int result)
{
	ASSERT(result <= 0);
	ASSERT((result < 0) == (config->error != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char basis[] = "dataDir=/nowhere\nclientPort=2181\n";
	struct config config;
	int result;

	config_init(&config);
	result = config_parse(&config, "zoo.cfg", (const char *)data, size);
	if (result == 0)
		result = config_check(&config);
	check_error(&config, result);
	config_release(&config);

	config_init(&config);
	ASSERT(config_parse(&config, "zoo.cfg", basis, sizeof(basis) - 1) == 0);
	result = config_parse_dynamic(&config, "zoo.cfg.dynamic", (const char *)data, size);
	check_error(&config, result);
	config_release(&config);
	return 0;
}
