#include "t/unit/zab-skip.h"

#include "replica/zab/zab_impl.h"
#include "t/unit/cmocka.h"

void zab_skip_to(struct zab *zab, zxid_t zxid)
{
	assert_int_equal(zab->history.count, 0);
	history_init(&zab->history, zxid);
	zab->logged = zab->known = zab->committed = zab->delivered = zab->tree = zxid;
	if (zab->state == ZAB_LEADING) {
		zab->lead.proposed = zxid;
		leader_for_each(zab, learner)
		{
			learner->sent = learner->informed = zxid;
			learner->acked = learner->is_observer ? 0 : zxid;
		}
	} else {
		zab->follow.acked = zxid;
	}
	zab_check(zab);
}
