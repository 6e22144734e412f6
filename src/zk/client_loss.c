/*
 * The connection is lost: requests in flight are in doubt. On the next one,
 * behind a sync, the first of them is judged by what the server shows (or just
 * sent again), then the second, and so on; nothing newer is sent before.
 *
 *	flight --loss--> doubt --judged--> flight again, or its final reply
 */
#include "src/base/assert.h"
#include "src/zk/client_private.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"

static struct bytes record_of(const struct call *call)
{
	return bytes_of(call->frame.data + ZK_REQUEST_HEAD_SIZE,
			call->frame.size - ZK_REQUEST_HEAD_SIZE);
}

static struct call *first_in_doubt(const struct zk_client *client)
{
	struct list *link = list_first(&client->doubt);

	return link ? list_item(link, struct call, link) : NULL;
}

static struct zk_subject subject_of(const struct zk_client *client, const struct call *call)
{
	struct zk_subject subject;

	zk_subject_read(call->opcode, call->intent, record_of(call), &subject);
	subject.base = call->base;
	subject.session_id = client->session_id;
	return subject;
}

/* ---- the loss ---- */

/* An intent that the record doesn't bear out is none. */
static enum zk_intent real_intent(const struct zk_client *client, const struct call *call)
{
	return zk_call_is_read(call) ? ZK_INTENT_AGAIN : subject_of(client, call).intent;
}

/* A loss while it was being looked at counts as one while it was in flight. */
static void count_loss(struct zk_client *client, struct call *call)
{
	call->losses++;
	call->intent = real_intent(client, call);
	call->probe_step = ZK_PROBE_FIRST;
}

/*
 * Those in flight are older than those that were still in doubt. Whatever became of them came
 * behind what was answered before them.
 */
static void put_flight_in_doubt(struct zk_client *client)
{
	struct list older;
	struct list *link;

	list_init(&older);
	while ((link = list_first(&client->flight))) {
		struct call *call = list_item(link, struct call, link);

		list_remove(link);
		if (call->kind == CALL_PROBE && first_in_doubt(client))
			count_loss(client, first_in_doubt(client));
		if (call->kind != CALL_REQUEST) {
			zk_call_free(call);
			continue;
		}
		count_loss(client, call);
		if (call->base < client->last_zxid)
			call->base = client->last_zxid;
		list_append(&older, link);
	}
	client->flight_count = 0;
	list_splice(&older, &client->doubt);
	list_splice(&client->doubt, &older);
}

static void drop_control(struct zk_client *client)
{
	struct list *link;

	while ((link = list_first(&client->control))) {
		list_remove(link);
		zk_call_free(list_item(link, struct call, link));
	}
}

static bool is_beyond_telling(const struct zk_client *client, const struct call *call)
{
	return call->losses >= LOSSES_MAX || call->intent == ZK_INTENT_NONE;
}

/* Take those that chosen() says out of calls, in their order. */
static void take(struct zk_client *client, struct list *calls,
		 bool (*chosen)(const struct zk_client *client, const struct call *call),
		 struct list *ret_taken)
{
	list_init(ret_taken);
	list_for_each_safe (calls, at) {
		if (!chosen(client, list_item(at, struct call, link)))
			continue;
		list_remove(at);
		list_append(ret_taken, at);
	}
}

void zk_client_lost(struct zk_client *client)
{
	struct list unknown;

	ASSERT(client->phase == PHASE_ESTABLISHED);
	drop_control(client);
	put_flight_in_doubt(client);
	take(client, &client->doubt, is_beyond_telling, &unknown);
	zk_client_try_next(client);
	client->patience_end_ms = client->now_ms + client->options.timeout_ms;
	zk_client_set_state(client, ZK_CLIENT_DISCONNECTED, false);
	zk_client_end_list(client, &unknown, ZK_OUTCOME_UNKNOWN, ZK_CONNECTIONLOSS);
	if (client->closing && client->callback_depth == 0)
		zk_client_finish_close(client);
}

/* ---- what became of them ---- */

static struct call *make_probe(struct zk_client *client, struct call *call)
{
	struct zk_subject subject = subject_of(client, call);
	struct zk_request request;
	struct call *probe;

	zk_subject_probe(&subject, call->probe_step, &request);
	probe = zk_call_new(CALL_PROBE, &request);
	list_append(&client->control, &probe->link);
	return probe;
}

struct call *zk_client_next_in_doubt(struct zk_client *client)
{
	struct call *call = first_in_doubt(client);
	bool judge = zk_intent_needs_probe(call->intent) && !call->cleared;

	/* Judged or alone: all before it must have been answered. */
	if ((judge || call->losses >= LOSSES_ALONE) && client->flight_count > 0)
		return NULL;
	return judge ? make_probe(client, call) : call;
}

static void end_done(struct zk_client *client, struct call *call, const struct zk_finding *finding)
{
	struct zk_reply reply = {.outcome = ZK_OUTCOME_RESOLVED, .code = ZK_OK};
	struct zk_subject subject = subject_of(client, call);
	zxid_t own = zk_subject_own_zxid(&subject, finding);

	if (!finding->absent) {
		reply.has_stat = true;
		reply.stat = finding->stat;
		reply.zxid = finding->stat.mzxid;
	}
	/* What was sent behind it can only have come later. */
	list_for_each (&client->doubt, at) {
		struct call *later = list_item(at, struct call, link);

		if (later->base < own)
			later->base = own;
	}
	zk_client_end_call(client, call, &reply);
}

/*
 * A write that was sent again is answered: the one of this zxid. What is found where it wrote is
 * of no request behind it, unless it is newer.
 */
void zk_client_note_answered(struct zk_client *client, struct call *call, zxid_t zxid)
{
	struct zk_subject answered;

	if (list_is_empty(&client->doubt) || zk_call_is_read(call))
		return;
	answered = subject_of(client, call);
	if (bytes_is_null(answered.path))
		return;
	list_for_each (&client->doubt, at) {
		struct call *later = list_item(at, struct call, link);

		if (later->base < zxid &&
		    bytes_equal(subject_of(client, later).path, answered.path))
			later->base = zxid;
	}
}

/* What was found is told, for a caller who knows more than the session does. */
static void end_undecided(struct zk_client *client, struct call *call, enum zk_outcome outcome,
			  int32_t code, const struct zk_finding *finding)
{
	struct zk_reply reply = {.outcome = outcome, .code = code};

	if (finding && !finding->absent) {
		reply.has_stat = true;
		reply.stat = finding->stat;
		reply.zxid = finding->stat.mzxid;
	}
	zk_client_end_call(client, call, &reply);
}

/* The code that the server would give for it now. */
static int32_t found_code(const struct call *call, const struct zk_finding *finding)
{
	if (finding->absent)
		return ZK_NONODE;
	return call->intent == ZK_INTENT_SET || call->intent == ZK_INTENT_APPEND ? ZK_BADVERSION
										 : ZK_NODEEXISTS;
}

static void act_on(struct zk_client *client, struct call *call, enum zk_verdict verdict,
		   const struct zk_finding *finding)
{
	switch (verdict) {
	case ZK_VERDICT_AGAIN:
		call->cleared = true;
		return;
	case ZK_VERDICT_LOOK_AT_TARGET:
		call->probe_step = ZK_PROBE_TARGET;
		return;
	case ZK_VERDICT_DONE:
		end_done(client, call, finding);
		return;
	case ZK_VERDICT_EXISTS:
		end_undecided(client, call, ZK_OUTCOME_REPLIED, ZK_NODEEXISTS, finding);
		return;
	case ZK_VERDICT_UNKNOWN:
		end_undecided(client, call, ZK_OUTCOME_UNKNOWN, found_code(call, finding), finding);
		return;
	}
}

void zk_client_probe_answered(struct zk_client *client, struct call *probe,
			      const struct zk_reply_header *header, struct jute_reader *body)
{
	struct zk_finding finding = {.absent = header->err == ZK_NONODE, .data = BYTES_NULL};
	struct call *call = first_in_doubt(client);
	struct zk_subject subject;

	if (!call)
		return;
	if (header->err != ZK_OK && header->err != ZK_NONODE) {
		end_undecided(client, call, ZK_OUTCOME_UNKNOWN, header->err, NULL);
		return;
	}
	if (header->err == ZK_OK && !zk_finding_read(probe->opcode, body, &finding)) {
		end_undecided(client, call, ZK_OUTCOME_UNKNOWN, ZK_MARSHALLINGERROR, NULL);
		return;
	}
	subject = subject_of(client, call);
	act_on(client, call, zk_subject_judge(&subject, call->probe_step, &finding), &finding);
}

/* ---- no session, no server ---- */

static bool is_in_doubt_for_good(const struct zk_client *client, const struct call *call)
{
	return call->session_bound || !zk_call_is_read(call);
}

static bool is_session_bound(const struct zk_client *client, const struct call *call)
{
	return call->session_bound;
}

void zk_client_expire_calls(struct zk_client *client)
{
	struct list ended;
	struct list ended_waiting;

	take(client, &client->doubt, is_in_doubt_for_good, &ended);
	take(client, &client->waiting, is_session_bound, &ended_waiting);
	list_splice(&ended, &ended_waiting);
	zk_client_end_list(client, &ended, ZK_OUTCOME_EXPIRED, ZK_SESSIONEXPIRED);
}

static bool is_read(const struct zk_client *client, const struct call *call)
{
	return zk_call_is_read(call);
}

/* The callbacks may abandon others meanwhile, never end them: those in doubt were sent. */
static void tell_late(struct zk_client *client)
{
	const struct zk_reply reply = {
		.outcome = ZK_OUTCOME_LATE, .code = ZK_OPERATIONTIMEOUT, .sent = true};

	list_for_each (&client->doubt, at) {
		struct call *call = list_item(at, struct call, link);

		if (call->late || !call->on_reply)
			continue;
		call->late = true;
		client->callback_depth++;
		call->on_reply(&reply, call->data);
		client->callback_depth--;
	}
}

void zk_client_end_patience(struct zk_client *client)
{
	struct list ended;

	client->patience_is_over = true;
	take(client, &client->doubt, is_read, &ended);
	list_splice(&ended, &client->waiting);
	tell_late(client);
	zk_client_end_list(client, &ended, ZK_OUTCOME_TIMED_OUT, ZK_OPERATIONTIMEOUT);
}
