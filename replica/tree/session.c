#include "replica/tree/session.h"

#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

/* SessionTrackerImpl and ZooKeeperServer: java.util.Random seeded with the id and this. */
static const uint64_t PASSWORD_SECRET = 0xB3415C00;
static const uint64_t RANDOM_FACTOR = 0x5DEECE66D;
static const uint64_t RANDOM_ADDEND = 0xB;
static const uint64_t RANDOM_MASK = (UINT64_C(1) << 48) - 1;

session_id_t session_first_id(uint8_t server_id, msec_t clock_ms)
{
	uint64_t id = (uint64_t)clock_ms << 24 >> 8 | (uint64_t)server_id << 56;

	/* INT64_MIN is the owner of containers. */
	return id == (uint64_t)INT64_MIN ? INT64_MIN + 1 : (session_id_t)id;
}

void session_tracker_init(struct session_tracker *tracker, int32_t tick_ms, session_id_t first_id)
{
	ASSERT(tick_ms > 0);
	map_init(&tracker->sessions);
	heap_init(&tracker->expiry);
	tracker->tick_ms = tick_ms;
	tracker->next_id = first_id;
}

static void release(struct session_tracker *tracker, struct session *session)
{
	ASSERT(list_is_empty(&session->proposed_ephemerals));
	heap_remove(&tracker->expiry, &session->expiry);
	map_remove(&tracker->sessions, &session->entry);
	free(session);
}

void session_tracker_release(struct session_tracker *tracker)
{
	map_for_each (&tracker->sessions, at)
		release(tracker, map_item(at, struct session, entry));
	map_release(&tracker->sessions);
	heap_release(&tracker->expiry);
}

session_id_t session_tracker_next_id(struct session_tracker *tracker)
{
	session_id_t id;

	do {
		id = tracker->next_id;
		tracker->next_id = (session_id_t)((uint64_t)tracker->next_id + 1);
	} while (id == 0 || id == INT64_MIN || session_find(tracker, id));
	return id;
}

struct session *session_find(const struct session_tracker *tracker, session_id_t id)
{
	struct map_entry *entry = map_find(&tracker->sessions, bytes_of(&id, sizeof(id)));

	return entry ? map_item(entry, struct session, entry) : NULL;
}

/* ExpiryQueue.roundToNextInterval */
static msec_t expiry_of(const struct session_tracker *tracker, int32_t timeout_ms, msec_t now_ms)
{
	return ((now_ms + timeout_ms) / tracker->tick_ms + 1) * tracker->tick_ms;
}

static void touch(struct session_tracker *tracker, struct session *session, int32_t timeout_ms,
		  msec_t now_ms)
{
	msec_t expiry_ms = expiry_of(tracker, timeout_ms, now_ms);

	if (session->expiry.index == HEAP_NOWHERE || session->expiry.key != expiry_ms)
		heap_update(&tracker->expiry, &session->expiry, expiry_ms);
}

struct session *session_track(struct session_tracker *tracker, session_id_t id, int32_t timeout_ms,
			      msec_t now_ms)
{
	struct session *session = session_find(tracker, id);

	if (!session) {
		session = mem_zalloc(sizeof(*session));
		session->id = id;
		heap_entry_init(&session->expiry);
		list_init(&session->proposed_ephemerals);
		map_insert(&tracker->sessions, &session->entry,
			   bytes_of(&session->id, sizeof(session->id)));
	}
	session->timeout_ms = timeout_ms;
	if (!session->closing)
		touch(tracker, session, timeout_ms, now_ms);
	return session;
}

bool session_touch(struct session_tracker *tracker, session_id_t id, int32_t timeout_ms,
		   msec_t now_ms)
{
	struct session *session = session_find(tracker, id);

	if (!session || session->closing)
		return false;
	touch(tracker, session, timeout_ms, now_ms);
	return true;
}

void session_set_owner(struct session_tracker *tracker, session_id_t id, session_owner_t owner)
{
	struct session *session = session_find(tracker, id);

	if (session)
		session->owner = owner;
}

bool session_claim(struct session *session, session_owner_t owner)
{
	if (owner == SESSION_OWNER_NONE)
		return true;
	if (session->owner == SESSION_OWNER_NONE)
		session->owner = owner;
	return session->owner == owner;
}

void session_set_closing(struct session_tracker *tracker, struct session *session)
{
	session->closing = true;
	heap_remove(&tracker->expiry, &session->expiry);
}

void session_forget(struct session_tracker *tracker, session_id_t id)
{
	struct session *session = session_find(tracker, id);

	if (session)
		release(tracker, session);
}

struct session *session_next_expired(const struct session_tracker *tracker, msec_t now_ms)
{
	struct heap_entry *first = heap_first(&tracker->expiry);

	return first && first->key <= now_ms ? list_item(first, struct session, expiry) : NULL;
}

msec_t session_next_expiry_ms(const struct session_tracker *tracker)
{
	struct heap_entry *first = heap_first(&tracker->expiry);

	return first ? first->key : INT64_MAX;
}

void session_password(session_id_t id, uint8_t ret_password[ZK_PASSWORD_SIZE])
{
	uint64_t state = (((uint64_t)id ^ PASSWORD_SECRET) ^ RANDOM_FACTOR) & RANDOM_MASK;

	for (int at = 0; at < ZK_PASSWORD_SIZE; at += 4) {
		uint32_t word;

		state = (state * RANDOM_FACTOR + RANDOM_ADDEND) & RANDOM_MASK;
		word = (uint32_t)(state >> 16);
		for (int byte = 0; byte < 4; byte++)
			ret_password[at + byte] = (uint8_t)(word >> (8 * byte));
	}
}

void session_tracker_check(const struct session_tracker *tracker)
{
	size_t alive = 0;

	map_for_each (&tracker->sessions, at) {
		struct session *session = map_item(at, struct session, entry);

		ASSERT(session->id != 0 && session->id != INT64_MIN);
		ASSERT(session->closing == (session->expiry.index == HEAP_NOWHERE));
		alive += !session->closing;
	}
	ASSERT(alive == tracker->expiry.count);
}
