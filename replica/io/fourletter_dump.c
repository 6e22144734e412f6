/*
 * dump: who lives until when (DumpCommand). Sessions expire where they are tracked, at a leader or
 * a standalone, in buckets of a tick; a learner knows those of its tree, and no time. Connections
 * are shown as Apache's factory would let them expire: by what their session has left.
 */
#include "replica/io/fourletter_dump.h"

#include <stdlib.h>
#include <time.h>

#include "src/base/mem.h"

/* A session or a connection, and when it ends. */
struct mortal {
	msec_t due_ms; /* monotonic */
	session_id_t session_id;
	const char *peer; /* NULL: a session */
};

struct mortals {
	struct mortal *items;
	size_t count;
};

static int compare_ids(session_id_t a, session_id_t b)
{
	return (a > b) - (a < b);
}

static int compare_mortals(const void *a, const void *b)
{
	const struct mortal *one = a, *other = b;

	if (one->due_ms != other->due_ms)
		return one->due_ms < other->due_ms ? -1 : 1;
	return compare_ids(one->session_id, other->session_id);
}

static bool begins_set(const struct mortals *mortals, size_t at)
{
	return at == 0 || mortals->items[at].due_ms != mortals->items[at - 1].due_ms;
}

static size_t set_size(const struct mortals *mortals, size_t from)
{
	size_t to = from + 1;

	while (to < mortals->count && !begins_set(mortals, to))
		to++;
	return to - from;
}

/* java.util.Date.toString: "Fri Nov 20 20:31:23 UTC 2026" */
static void print_date(struct buf *answer, msec_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm local = {0};
	char text[64] = "";

	(void)localtime_r(&seconds, &local); /* a year that is too large stays 1900 */
	(void)strftime(text, sizeof(text), "%a %b %d %H:%M:%S %Z %Y", &local); /* it fits */
	buf_append_text(answer, text);
}

static void print_mortal(const struct mortal *mortal, struct buf *answer)
{
	if (mortal->peer)
		buf_printf(answer, "\tip: %s sessionId: 0x%llx\n", mortal->peer,
			   (unsigned long long)mortal->session_id);
	else
		buf_printf(answer, "\t0x%llx\n", (unsigned long long)mortal->session_id);
}

/* ExpiryQueue.dump; what is collected is freed. */
static void print_sets(const struct fourletter_view *view, const char *name,
		       struct mortals *mortals, struct buf *answer)
{
	size_t set_count = 0;

	qsort(mortals->items, mortals->count, sizeof(*mortals->items), compare_mortals);
	for (size_t i = 0; i < mortals->count; i++)
		set_count += begins_set(mortals, i);
	buf_printf(answer, "%s Sets (%zu)/(%zu):\n", name, set_count, mortals->count);
	for (size_t i = 0; i < mortals->count; i++) {
		const struct mortal *at = &mortals->items[i];

		if (begins_set(mortals, i)) {
			buf_printf(answer, "%zu expire at ", set_size(mortals, i));
			print_date(answer, view->wall_ms + at->due_ms - view->now_ms);
			buf_append_text(answer, ":\n");
		}
		print_mortal(at, answer);
	}
	free(mortals->items);
}

static struct mortals room_for(size_t count)
{
	return (struct mortals){.items = mem_alloc((count + 1) * sizeof(struct mortal))};
}

/* ---- sessions ---- */

static void print_tracked(const struct fourletter_view *view, struct buf *answer)
{
	const struct session_tracker *tracker = server_sessions(replica_server(view->replica));
	struct mortals mortals = room_for(tracker->sessions.count);

	map_for_each (&tracker->sessions, at) {
		const struct session *session = map_item(at, const struct session, entry);

		if (!session->closing)
			mortals.items[mortals.count++] = (struct mortal){
				.due_ms = session->expiry.key, .session_id = session->id};
	}
	print_sets(view, "Session", &mortals, answer);
}

static int compare_sessions(const void *a, const void *b)
{
	const struct tree_session *const *one = a, *const *other = b;

	return compare_ids((*one)->id, (*other)->id);
}

/* LearnerSessionTracker.dumpSessions */
static void print_global(const struct tree *tree, struct buf *answer)
{
	size_t count_max = tree_session_count(tree), count = 0;
	const struct tree_session **sessions = mem_alloc((count_max + 1) * sizeof(*sessions));
	const struct tree_session *at = NULL;

	while ((at = tree_next_session(tree, at)))
		if (at->open)
			sessions[count++] = at;
	qsort(sessions, count, sizeof(*sessions), compare_sessions);
	buf_printf(answer, "Global Sessions(%zu):\n", count);
	for (size_t i = 0; i < count; i++)
		buf_printf(answer, "0x%llx\t%dms\n", (unsigned long long)sessions[i]->id,
			   sessions[i]->timeout_ms);
	free(sessions);
}

static bool is_learner(const struct fourletter_view *view)
{
	struct zab_status status;

	if (!replica_zab(view->replica))
		return false;
	zab_get_status(replica_zab(view->replica), &status);
	return status.state != ZAB_LEADING;
}

/* ---- ephemerals: DataTree.dumpEphemerals ---- */

static void print_ephemerals(const struct tree *tree, struct buf *answer)
{
	const struct tree_session *session = NULL;
	size_t count = 0;

	while ((session = tree_next_session(tree, session)))
		count += session->ephemerals.count > 0;
	buf_printf(answer, "Sessions with Ephemerals (%zu):\n", count);
	while ((session = tree_next_session(tree, session))) {
		if (session->ephemerals.count == 0)
			continue;
		buf_printf(answer, "0x%llx:\n", (unsigned long long)session->id);
		map_for_each (&session->ephemerals, at) {
			struct bytes path = map_entry_key(at);

			buf_append_text(answer, "\t");
			buf_append(answer, path.data, bytes_size(path));
			buf_append_text(answer, "\n");
		}
	}
}

/* ---- connections ---- */

/* ExpiryQueue.roundToNextInterval: the factory looks that often. */
static msec_t next_interval(msec_t due_ms, msec_t interval_ms)
{
	return (due_ms / interval_ms + 1) * interval_ms;
}

static msec_t due_of(const struct fourletter_view *view, const struct client *client,
		     const struct server_connection_stats *stats)
{
	msec_t interval_ms = view->config->sessionless_timeout_ms;
	msec_t heard_ms;

	if (stats->session_id == 0)
		return next_interval(client->opened_ms + interval_ms, interval_ms);
	/* crst forgets the last reply. */
	heard_ms =
		stats->last_reply_ms > client->opened_ms ? stats->last_reply_ms : client->opened_ms;
	return next_interval(heard_ms + stats->timeout_ms, interval_ms);
}

static void print_connections(const struct fourletter_view *view, struct buf *answer)
{
	struct mortals mortals = room_for(view->clients->count);

	for (const struct client *at = clients_first(view->clients); at;
	     at = clients_next(view->clients, at)) {
		struct server_connection_stats stats = {0};

		/* One that the server does not know has no session. */
		(void)server_get_connection_stats(replica_server(view->replica), at->id, &stats);
		mortals.items[mortals.count++] = (struct mortal){
			.due_ms = due_of(view, at, &stats),
			.session_id = stats.session_id,
			.peer = conn_peer(at->conn),
		};
	}
	print_sets(view, "Connections", &mortals, answer);
}

void fourletter_dump(const struct fourletter_view *view, struct buf *answer)
{
	const struct tree *tree = replica_tree(view->replica);

	buf_append_text(answer, "SessionTracker dump:\n");
	if (is_learner(view))
		print_global(tree, answer);
	else
		print_tracked(view, answer);
	buf_append_text(answer, "ephemeral nodes dump:\n");
	print_ephemerals(tree, answer);
	buf_append_text(answer, "Connections dump:\n");
	print_connections(view, answer);
}
