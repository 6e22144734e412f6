#include "t/sim/sim-app.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "t/sim/sim-world.h"

/*
 * A request begins as the data of a REQUEST packet does (zab/packet.h):
 *
 *	long session | int cxid | int opcode | int attachment | int key | long value | padding
 *
 * and a transaction is that, and behind it: long leader | long zxid.
 */
enum { TXN_TAIL_SIZE = 16 };

struct ephemeral {
	int64_t owner; /* 0: free */
	int64_t number;
};

/* Plain numbers, no padding: a snapshot is its bytes. */
struct state {
	zxid_t zxid;
	int64_t next_number;
	struct sim_register registers[SIM_KEYS_MAX];
	struct {
		int64_t is_open;
		int64_t attachment;
		int64_t last_cxid;
		int64_t count;
	} sessions[SIM_SESSIONS_MAX];
	struct ephemeral ephemerals[SIM_EPHEMERALS_MAX];
};

struct sim_app {
	struct state state;
};

/* ---- bytes ---- */

struct blob *sim_request_encode(const struct sim_request *request)
{
	struct blob *blob = blob_alloc(SIM_REQUEST_SIZE_MIN + request->padding);
	uint8_t *at = blob->bytes;

	endian_put_u64(at, (uint64_t)request->session);
	endian_put_u32(at + 8, (uint32_t)request->cxid);
	endian_put_u32(at + 12, (uint32_t)request->opcode);
	endian_put_u32(at + 16, request->attachment);
	endian_put_u32(at + 20, request->key);
	endian_put_u64(at + 24, (uint64_t)request->value);
	memset(at + SIM_REQUEST_SIZE_MIN, 'x', request->padding);
	return blob;
}

bool sim_request_decode(struct bytes bytes, struct sim_request *ret_request)
{
	const uint8_t *at = bytes.data;

	if (bytes.size < SIM_REQUEST_SIZE_MIN)
		return false;
	*ret_request = (struct sim_request){
		.session = (int64_t)endian_get_u64(at),
		.cxid = (int32_t)endian_get_u32(at + 8),
		.opcode = (int32_t)endian_get_u32(at + 12),
		.attachment = endian_get_u32(at + 16),
		.key = endian_get_u32(at + 20),
		.value = (int64_t)endian_get_u64(at + 24),
		.padding = (uint32_t)(bytes.size - SIM_REQUEST_SIZE_MIN),
	};
	return ret_request->session > 0 && ret_request->session < SIM_SESSIONS_MAX &&
	       ret_request->key < SIM_KEYS_MAX;
}

struct blob *sim_txn_encode(struct bytes request, int64_t leader, zxid_t zxid)
{
	size_t size = bytes_size(request);
	struct blob *blob = blob_alloc(size + TXN_TAIL_SIZE);

	memcpy(blob->bytes, request.data, size);
	endian_put_u64(blob->bytes + size, (uint64_t)leader);
	endian_put_u64(blob->bytes + size + 8, (uint64_t)zxid);
	return blob;
}

bool sim_txn_decode(struct bytes bytes, struct sim_request *ret_request, int64_t *ret_leader,
		    zxid_t *ret_zxid)
{
	const uint8_t *tail;

	if (bytes.size < SIM_REQUEST_SIZE_MIN + TXN_TAIL_SIZE)
		return false;
	bytes.size -= TXN_TAIL_SIZE;
	tail = (const uint8_t *)bytes.data + bytes.size;
	*ret_leader = (int64_t)endian_get_u64(tail);
	*ret_zxid = (zxid_t)endian_get_u64(tail + 8);
	return sim_request_decode(bytes, ret_request);
}

/* ---- state ---- */

struct sim_app *sim_app_new(void)
{
	struct sim_app *app = mem_zalloc(sizeof(*app));

	app->state.next_number = 1;
	return app;
}

void sim_app_free(struct sim_app *app)
{
	free(app);
}

static struct sim_result apply_ephemeral(struct state *state, int64_t owner)
{
	for (int i = 0; i < SIM_EPHEMERALS_MAX; i++)
		if (state->ephemerals[i].owner == 0) {
			state->ephemerals[i] = (struct ephemeral){owner, state->next_number};
			return (struct sim_result){SIM_OK, state->next_number++};
		}
	return (struct sim_result){.code = SIM_FULL};
}

static void apply_close(struct state *state, int64_t session)
{
	state->sessions[session].is_open = false;
	for (int i = 0; i < SIM_EPHEMERALS_MAX; i++)
		if (state->ephemerals[i].owner == session)
			state->ephemerals[i] = (struct ephemeral){0};
}

static struct sim_result apply_request(struct state *state, zxid_t zxid,
				       const struct sim_request *request)
{
	struct sim_result result = {.code = SIM_OK};
	struct sim_register *at = &state->registers[request->key];

	if (request->attachment < state->sessions[request->session].attachment)
		return (struct sim_result){.code = SIM_MOVED};
	if (request->opcode == SIM_OPEN) {
		state->sessions[request->session].attachment = request->attachment;
		state->sessions[request->session].is_open = true;
	} else if (!state->sessions[request->session].is_open) {
		return (struct sim_result){.code = SIM_NO_SESSION};
	}
	state->sessions[request->session].last_cxid = request->cxid;
	state->sessions[request->session].count++;
	switch (request->opcode) {
	case SIM_CLOSE:
		apply_close(state, request->session);
		break;
	case SIM_SET:
		*at = (struct sim_register){request->value, zxid, at->version + 1};
		break;
	case SIM_SEQUENCE:
		result.number = state->next_number++;
		break;
	case SIM_EPHEMERAL:
		result = apply_ephemeral(state, request->session);
		break;
	}
	return result;
}

struct sim_result sim_app_apply(struct sim_app *app, zxid_t zxid, struct bytes txn)
{
	struct sim_request request;
	int64_t leader;
	zxid_t own_zxid;

	ASSERT(zxid > app->state.zxid);
	app->state.zxid = zxid;
	if (!sim_txn_decode(txn, &request, &leader, &own_zxid))
		return (struct sim_result){.code = SIM_NO_SESSION};
	return apply_request(&app->state, zxid, &request);
}

zxid_t sim_app_zxid(const struct sim_app *app)
{
	return app->state.zxid;
}

uint64_t sim_app_digest(const struct sim_app *app)
{
	return sim_hash(0, &app->state, sizeof(app->state));
}

struct blob *sim_app_snapshot(const struct sim_app *app)
{
	return blob_new(bytes_of(&app->state, sizeof(app->state)));
}

bool sim_app_restore(struct sim_app *app, const struct blob *snapshot)
{
	if (!snapshot) {
		app->state = (struct state){.next_number = 1};
		return true;
	}
	if (snapshot->size != sizeof(app->state))
		return false;
	memcpy(&app->state, snapshot->bytes, sizeof(app->state));
	return true;
}

struct sim_register sim_app_read(const struct sim_app *app, uint32_t key)
{
	ASSERT(key < SIM_KEYS_MAX);
	return app->state.registers[key];
}

int sim_app_orphans(const struct sim_app *app)
{
	int count = 0;

	for (int i = 0; i < SIM_EPHEMERALS_MAX; i++) {
		int64_t owner = app->state.ephemerals[i].owner;

		count += owner != 0 && !app->state.sessions[owner].is_open;
	}
	return count;
}
