#include "t/fuzz/fuzz.h"

#include "replica/zab/notification.h"
#include "src/base/assert.h"

/*
 * A message of leader election. Claims: it has one of the lengths that exist and
 * a state; its config is inside it; of the present version, it is written to the
 * same bytes.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct notification notification;
	struct buf buf;

	if (size > FUZZ_SIZE_MAX || notification_read(bytes_of(data, size), &notification) < 0)
		return 0;
	ASSERT(size == 28 || size >= 40);
	ASSERT(zab_state_name(notification.state)[0] != '\0');
	ASSERT(bytes_is_null(notification.config) == (notification.version < 2));
	if (notification.version != NOTIFICATION_VERSION ||
	    bytes_size(notification.config) > NOTIFICATION_SIZE_MAX / 2)
		return 0;
	buf_init(&buf, NOTIFICATION_SIZE_MAX);
	notification_write(&buf, &notification);
	ASSERT(!buf.error && buf.size <= size);
	ASSERT(bytes_equal(buf_bytes(&buf), bytes_of(data, buf.size)));
	buf_release(&buf);
	return 0;
}
