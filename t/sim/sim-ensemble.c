#include "t/sim/sim-ensemble.h"

#include "src/base/assert.h"
#include "src/base/buf.h"
#include "t/sim/sim-world.h"

enum { MACHINE_KINDS = 6 };

/* Most machines are near and fast; some are far apart, or have old disks. */
static const int64_t delays_us[MACHINE_KINDS] = {500, 2000, 2000, 2000, 8000, 20 * 1000};
static const int64_t syncs_us[MACHINE_KINDS] = {500, 3000, 3000, 3000, 10 * 1000, 25 * 1000};

int64_t sim_ensemble_delay_us(struct prng *chance)
{
	return delays_us[prng_below(chance, MACHINE_KINDS)];
}

int64_t sim_ensemble_sync_us(struct prng *chance)
{
	return syncs_us[prng_below(chance, MACHINE_KINDS)];
}

void sim_ensemble_members(struct members *ret_members, int voters, int observers)
{
	struct buf text;

	buf_init(&text, 4096);
	for (int sid = 1; sid <= voters + observers; sid++)
		buf_printf(&text, "server.%d=127.0.0.1:%d:%d:%s;127.0.0.1:%d\n", sid, 2000 + sid,
			   3000 + sid, sid <= voters ? "participant" : "observer", 4000 + sid);
	buf_append_text(&text, "version=0");
	if (members_parse(buf_bytes(&text), ret_members))
		ASSERT(!"the ensemble can be read");
	buf_release(&text);
}

/* Time is short here, so that a run meets many timeouts; and so is the history that is kept. */
void sim_ensemble_config(struct zab_config *ret_config, const struct members *members,
			 int64_t delay_us_max, struct prng *chance)
{
	zab_config_init(ret_config);
	ret_config->members = *members;
	/* syncLimit, of three ticks, has room for the slowest answer of a network. */
	ret_config->tick_ms = sim_between(chance, 40, 150) + delay_us_max * 10 / 1000;
	ret_config->init_limit = (int32_t)sim_between(chance, 5, 12);
	ret_config->sync_limit = (int32_t)sim_between(chance, 3, 6);
	ret_config->history_count_max = (size_t)sim_between(chance, 2, 150);
	ret_config->history_size_max = (size_t)sim_between(chance, 1000, 50 * 1000);
}
