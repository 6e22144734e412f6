#include <config.h> /* of configure: the one in quotes is zoo.cfg's */

#include "replica/io/fourletter.h"

#include <dirent.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "replica/io/fourletter_dump.h"
#include "replica/tree/watch.h"
#include "src/base/mem.h"
#include "src/zk/opcode.h"

/* ZooKeeper's version first: clients decide by what stands before the '-'. */
static const char version[] = "3.9.5-zkfs-" PACKAGE_VERSION ", built on " ZKFS_BUILD_DATE;

/* AbstractFourLetterCommand.ZK_NOT_SERVING, and which words are answered all the same. */
static const char not_serving[] = "This ZooKeeper instance is not currently serving requests\n";
static const char answered_always[] = "envi gtmk isro ruok stmk";

const char *fourletter_version(void)
{
	return version;
}

void fourletter_print_average(struct buf *text, uint64_t sum, uint64_t count)
{
	uint64_t scaled = count ? (sum * 10000 + count / 2) / count : 0;
	unsigned decimals = (unsigned)(scaled % 10000);
	int places = 4;

	while (places > 1 && decimals % 10 == 0) {
		decimals /= 10;
		places--;
	}
	buf_printf(text, "%llu.%0*u", (unsigned long long)(scaled / 10000), places, decimals);
}

/* ---- srvr, stat, cons ---- */

static void print_version(struct buf *answer)
{
	buf_printf(answer, "Zookeeper version: %s\n", version);
}

static bool is_leader(const struct fourletter_view *view)
{
	return strcmp(replica_mode(view->replica), "leader") == 0;
}

static void print_server(const struct fourletter_view *view, struct buf *answer)
{
	struct server_stats stats;

	server_get_stats(replica_server(view->replica), &stats);
	buf_printf(answer, "Latency min/avg/max: %lld/", (long long)stats.latency_min_ms);
	fourletter_print_average(answer, stats.latency_sum_ms, stats.latency_count);
	buf_printf(answer, "/%lld\n", (long long)stats.latency_max_ms);
	buf_printf(answer, "Received: %llu\n",
		   (unsigned long long)(stats.packets_received + *view->word_count));
	buf_printf(answer, "Sent: %llu\n", (unsigned long long)stats.packets_sent);
	buf_printf(answer, "Connections: %zu\n", view->clients->count);
	buf_printf(answer, "Outstanding: %llu\n", (unsigned long long)stats.outstanding);
	buf_printf(answer, "Zxid: 0x%llx\n", (unsigned long long)stats.zxid);
	buf_printf(answer, "Mode: %s\n", replica_mode(view->replica));
	buf_printf(answer, "Node count: %zu\n", stats.znode_count);
	if (is_leader(view))
		buf_printf(answer, "Proposal sizes last/min/max: %lld/%lld/%lld\n",
			   (long long)view->proposals->last, (long long)view->proposals->min,
			   (long long)view->proposals->max);
}

static void answer_srvr(const struct fourletter_view *view, struct buf *answer)
{
	print_version(answer);
	print_server(view, answer);
}

/* SelectionKey's bits: 1 reads, 4 has output that waits; the asking one does neither. */
static unsigned interest_ops(const struct client *client)
{
	if (client->said_word)
		return 0;
	return (conn_is_paused(client->conn) ? 0U : 1U) |
	       (conn_output_size(client->conn) > 0 ? 4U : 0U);
}

/* OpCode's names as Request.op2String shortens them. */
static const char *short_operation(int32_t opcode)
{
	static const struct {
		int32_t opcode;
		const char *name;
	} names[] = {
		{ZK_OP_PING, "PING"},           {ZK_OP_CREATE_SESSION, "SESS"},
		{ZK_OP_MULTI, "MULT"},          {ZK_OP_MULTI_READ, "MLTR"},
		{ZK_OP_CREATE, "CREA"},         {ZK_OP_CREATE2, "CREA"},
		{ZK_OP_CREATE_TTL, "CREA"},     {ZK_OP_CREATE_CONTAINER, "CREA"},
		{ZK_OP_DELETE, "DELE"},         {ZK_OP_DELETE_CONTAINER, "DELE"},
		{ZK_OP_SET_DATA, "SETD"},       {ZK_OP_RECONFIG, "RECO"},
		{ZK_OP_SET_ACL, "SETA"},        {ZK_OP_CLOSE_SESSION, "CLOS"},
		{ZK_OP_SYNC, "SYNC"},           {ZK_OP_CHECK, "CHEC"},
		{ZK_OP_EXISTS, "EXIS"},         {ZK_OP_GET_DATA, "GETD"},
		{ZK_OP_SET_WATCHES, "SETW"},    {ZK_OP_SET_WATCHES2, "STW2"},
		{ZK_OP_ADD_WATCH, "ADDW"},      {ZK_OP_GET_ACL, "GETA"},
		{ZK_OP_GET_CHILDREN, "GETC"},   {ZK_OP_GET_CHILDREN2, "GETC"},
		{ZK_OP_CHECK_WATCHES, "CHKW"},  {ZK_OP_GET_ALL_CHILDREN_NUMBER, "GETACN"},
		{ZK_OP_WHO_AM_I, "HOMI"},       {ZK_OP_REMOVE_WATCHES, "REMW"},
		{ZK_OP_GET_EPHEMERALS, "GETE"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].opcode == opcode)
			return names[i].name;
	return "NA";
}

static void print_session(const struct client *client, const struct server_connection_stats *stats,
			  struct buf *answer)
{
	uint64_t average = stats->latency_count ? stats->latency_sum_ms / stats->latency_count : 0;

	buf_printf(answer, ",sid=0x%llx,lop=%s,est=%lld,to=%d",
		   (unsigned long long)stats->session_id, short_operation(stats->last_opcode),
		   (long long)client->opened_wall_ms, stats->timeout_ms);
	if (stats->last_xid >= 0)
		buf_printf(answer, ",lcxid=0x%x", (unsigned)stats->last_xid);
	buf_printf(answer, ",lzxid=0x%llx,lresp=%lld,llat=%lld,minlat=%lld,avglat=%llu,maxlat=%lld",
		   (unsigned long long)stats->last_zxid, (long long)stats->last_reply_ms,
		   (long long)stats->last_latency_ms, (long long)stats->latency_min_ms,
		   (unsigned long long)average, (long long)stats->latency_max_ms);
}

static void print_connection(const struct fourletter_view *view, const struct client *client,
			     bool in_full, struct buf *answer)
{
	struct server_connection_stats stats = {0};

	/* One that the server has given up already has nothing to tell. */
	(void)server_get_connection_stats(replica_server(view->replica), client->id, &stats);
	buf_printf(answer, " %s[%x](queued=%llu,recved=%llu,sent=%llu", conn_peer(client->conn),
		   interest_ops(client), (unsigned long long)stats.outstanding,
		   (unsigned long long)(stats.packets_received + client->said_word),
		   (unsigned long long)stats.packets_sent);
	if (in_full && stats.session_id != 0)
		print_session(client, &stats, answer);
	buf_append_text(answer, ")\n");
}

static void print_connections(const struct fourletter_view *view, bool in_full, struct buf *answer)
{
	for (struct client *at = clients_first(view->clients); at;
	     at = clients_next(view->clients, at))
		print_connection(view, at, in_full, answer);
}

static void answer_stat(const struct fourletter_view *view, struct buf *answer)
{
	print_version(answer);
	buf_append_text(answer, "Clients:\n");
	print_connections(view, false, answer);
	buf_append_text(answer, "\n");
	print_server(view, answer);
}

static void answer_cons(const struct fourletter_view *view, struct buf *answer)
{
	print_connections(view, true, answer);
	buf_append_text(answer, "\n");
}

/* ---- what takes one line ---- */

static void answer_ruok(const struct fourletter_view *view, struct buf *answer)
{
	buf_append_text(answer, "imok");
}

static void answer_isro(const struct fourletter_view *view, struct buf *answer)
{
	buf_append_text(answer, replica_is_serving(view->replica) ? "rw" : "null");
}

/* There is nothing to trace; ServerCnxn's default mask is what scripts expect. */
static void answer_gtmk(const struct fourletter_view *view, struct buf *answer)
{
	buf_append_text(answer, "306");
}

static void answer_crst(const struct fourletter_view *view, struct buf *answer)
{
	server_reset_connection_stats(replica_server(view->replica));
	buf_append_text(answer, "Connection stats reset.\n");
}

static void answer_srst(const struct fourletter_view *view, struct buf *answer)
{
	server_reset_stats(replica_server(view->replica));
	*view->word_count = 0;
	buf_append_text(answer, "Server stats reset.\n");
}

/* ---- conf, dirs, envi ---- */

/* The bytes of the files in a directory; files may come and go meanwhile. */
static long long directory_size(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *at;
	struct stat stat;
	long long size = 0;

	if (!directory)
		return 0;
	while ((at = readdir(directory)))
		if (fstatat(dirfd(directory), at->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(stat.st_mode))
			size += stat.st_size;
	(void)closedir(directory); /* it was only read */
	return size;
}

static void answer_dirs(const struct fourletter_view *view, struct buf *answer)
{
	buf_printf(answer, "datadir_size: %lld\nlogdir_size: %lld\n",
		   directory_size(view->data_dir), directory_size(view->log_dir));
}

static void print_ensemble(const struct config *config, struct buf *answer)
{
	const struct quorum_server *self = config_self(config);

	buf_printf(answer, "serverId=%lld\n", (long long)config->myid);
	buf_printf(answer, "initLimit=%d\nsyncLimit=%d\nelectionAlg=3\n", config->init_limit_ticks,
		   config->sync_limit_ticks);
	buf_printf(answer, "electionPort=%d\nquorumPort=%d\npeerType=%d\n",
		   self->addresses[0].election_port, self->addresses[0].quorum_port,
		   self->is_observer);
	buf_append_text(answer, "membership: \n");
	config_write_members(config, answer);
}

static void answer_conf(const struct fourletter_view *view, struct buf *answer)
{
	const struct config *config = view->config;

	buf_printf(answer, "clientPort=%d\n", view->client_port);
	buf_append_text(answer, "secureClientPort=-1\n");
	buf_printf(answer, "dataDir=%s\n", view->data_dir);
	buf_printf(answer, "dataDirSize=%lld\n", directory_size(view->data_dir));
	buf_printf(answer, "dataLogDir=%s\n", view->log_dir);
	buf_printf(answer, "dataLogSize=%lld\n", directory_size(view->log_dir));
	buf_printf(answer, "tickTime=%d\n", config->tick_time_ms);
	buf_printf(answer, "maxClientCnxns=%d\n", config->max_client_cnxns);
	buf_printf(answer, "minSessionTimeout=%d\n", config->min_session_timeout_ms);
	buf_printf(answer, "maxSessionTimeout=%d\n", config->max_session_timeout_ms);
	buf_printf(answer, "clientPortListenBacklog=%d\n", config->listen_backlog);
	if (config_is_ensemble(config))
		print_ensemble(config, answer);
	else
		buf_append_text(answer, "serverId=0\n");
}

static void print_user(struct buf *answer)
{
	struct passwd *user = getpwuid(getuid());

	buf_printf(answer, "user.name=%s\n", user ? user->pw_name : "?");
	buf_printf(answer, "user.home=%s\n", user ? user->pw_dir : "?");
}

/* Environment.list: the names are java's because scripts look for them. */
static void answer_envi(const struct fourletter_view *view, struct buf *answer)
{
	struct utsname system = {0};
	struct sysinfo memory = {0};
	char host[256] = "";
	char directory[1024] = "";
	unsigned long long unit;

	/* What the system does not tell stays empty. */
	(void)uname(&system);
	(void)sysinfo(&memory);
	(void)gethostname(host, sizeof(host) - 1);
	(void)!getcwd(directory, sizeof(directory));
	unit = memory.mem_unit;
	buf_printf(answer, "Environment:\nzookeeper.version=%s\nhost.name=%s\n", version, host);
	buf_append_text(answer, "java.version=\njava.vendor=\njava.home=\njava.class.path=\n"
				"java.library.path=\njava.io.tmpdir=/tmp\njava.compiler=\n");
	buf_printf(answer, "os.name=%s\nos.arch=%s\nos.version=%s\n", system.sysname,
		   system.machine, system.release);
	print_user(answer);
	buf_printf(answer, "user.dir=%s\n", directory);
	buf_printf(answer, "os.memory.free=%lluMB\nos.memory.max=%lluMB\nos.memory.total=%lluMB\n",
		   memory.freeram * unit >> 20, memory.totalram * unit >> 20,
		   memory.totalram * unit >> 20);
}

/* ---- mntr ---- */

static size_t open_descriptor_count(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t count = 0;

	if (!directory)
		return 0;
	while (readdir(directory))
		count++;
	(void)closedir(directory);        /* it was only read */
	return count > 3 ? count - 3 : 0; /* ".", "..", and the directory itself */
}

static void print_value(struct buf *answer, const char *name, uint64_t value)
{
	buf_printf(answer, "zk_%s\t%llu\n", name, (unsigned long long)value);
}

static void print_descriptor_limit(struct buf *answer)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		print_value(answer, "max_file_descriptor_count", limit.rlim_cur);
}

/* What mntr tells, and of whom. */
struct monitored {
	const struct fourletter_view *view;
	struct server_stats stats;
	struct zab_status status; /* of an ensemble's member */
	bool is_member;
	bool is_leader;
};

static void print_size(struct buf *answer, const char *name, int64_t size)
{
	buf_printf(answer, "zk_%s_proposal_size\t%lld\n", name, (long long)size);
}

static void print_average_latency(const struct server_stats *stats, struct buf *answer)
{
	buf_append_text(answer, "zk_avg_latency\t");
	fourletter_print_average(answer, stats->latency_sum_ms, stats->latency_count);
	buf_append_text(answer, "\n");
}

static void print_identity(const struct monitored *at, struct buf *answer)
{
	buf_printf(answer, "zk_version\t%s\nzk_server_state\t%s\n", version,
		   replica_mode(at->view->replica));
	if (at->is_member)
		buf_printf(answer, "zk_peer_state\t%s - broadcast\n",
			   zab_state_name(at->status.state));
	if (at->status.state == ZAB_OBSERVING)
		print_value(answer, "observer_master_id", (uint64_t)at->status.leader);
}

static void print_learners(const struct monitored *at, struct buf *answer)
{
	print_value(answer, "synced_non_voting_followers", 0);
	print_value(answer, "synced_observers", at->status.synced_observer_count);
}

static void print_load(const struct monitored *at, struct buf *answer)
{
	const struct server_stats *stats = &at->stats;
	const struct fourletter_view *view = at->view;

	print_value(answer, "ephemerals_count", stats->ephemeral_count);
	print_value(answer, "num_alive_connections", view->clients->count);
	print_average_latency(stats, answer);
	if (at->is_leader)
		print_size(answer, "min", view->proposals->min);
	print_value(answer, "outstanding_requests", stats->outstanding);
	print_value(answer, "znode_count", stats->znode_count);
	print_value(answer, "global_sessions", stats->session_count);
	print_value(answer, "packets_sent", stats->packets_sent);
	print_value(answer, "packets_received", stats->packets_received + *view->word_count);
	if (at->is_leader) {
		print_size(answer, "max", view->proposals->max);
		print_value(answer, "synced_followers", at->status.synced_follower_count);
	}
	print_value(answer, "watch_count", stats->watch_count);
	if (at->is_leader)
		print_learners(at, answer);
}

static void print_rest(const struct monitored *at, struct buf *answer)
{
	const struct fourletter_view *view = at->view;

	print_value(answer, "min_latency", (uint64_t)at->stats.latency_min_ms);
	print_descriptor_limit(answer);
	print_value(answer, "approximate_data_size", at->stats.data_size);
	print_value(answer, "open_file_descriptor_count", open_descriptor_count());
	if (at->is_leader) {
		print_size(answer, "last", view->proposals->last);
		print_value(answer, "leader_uptime", (uint64_t)(view->now_ms - view->role_ms));
	}
	print_value(answer, "local_sessions", 0);
	print_value(answer, "uptime", (uint64_t)(view->now_ms - view->started_ms));
	print_value(answer, "max_latency", (uint64_t)at->stats.latency_max_ms);
	if (at->is_leader)
		print_value(answer, "learners", at->status.learner_count);
	if (at->is_member)
		print_value(answer, "quorum_size", config_voter_count(view->config));
	print_value(answer, "digest_mismatches_count", at->stats.digest_mismatches);
}

/*
 * The gauges of Apache's mntr that this server has, and the one counter that tells of damage; it
 * keeps none of its summaries. The order is Apache 3.8's, which is a hash table's.
 */
static void answer_mntr(const struct fourletter_view *view, struct buf *answer)
{
	struct monitored monitored = {.view = view};

	server_get_stats(replica_server(view->replica), &monitored.stats);
	monitored.is_member = replica_zab(view->replica) != NULL;
	if (monitored.is_member)
		zab_get_status(replica_zab(view->replica), &monitored.status);
	monitored.is_leader = is_leader(view);
	print_identity(&monitored, answer);
	print_load(&monitored, answer);
	print_rest(&monitored, answer);
}

/* ---- wchs, wchc, wchp: the data table's watches, as in Java ---- */

struct watch_row {
	session_id_t session_id;
	struct bytes path;
	size_t order;
};

struct watch_rows {
	struct watch_row *rows;
	size_t count;
	size_t count_max;
};

/* The data table comes first, so its watches are those visited first. */
static void take_watch(void *data, struct bytes path, const struct watcher *watcher)
{
	struct watch_rows *rows = data;

	if (rows->count == rows->count_max)
		return;
	rows->rows[rows->count] = (struct watch_row){
		.session_id = server_watcher_session(watcher), .path = path, .order = rows->count};
	rows->count++;
}

/* By path; the caller frees rows. The paths are the table's. */
static struct watch_rows collect_watches(const struct fourletter_view *view)
{
	const struct watches *watches = server_watches(replica_server(view->replica));
	struct watch_rows rows = {.count_max = watches->tables[WATCH_DATA].watches.count};

	rows.rows = mem_alloc((rows.count_max + 1) * sizeof(*rows.rows));
	watches_visit(watches, take_watch, &rows);
	return rows;
}

static int compare_sessions(const void *a, const void *b)
{
	const struct watch_row *one = a, *other = b;

	if (one->session_id != other->session_id)
		return one->session_id < other->session_id ? -1 : 1;
	return one->order < other->order ? -1 : one->order > other->order;
}

static struct watch_rows collect_watches_by_session(const struct fourletter_view *view)
{
	struct watch_rows rows = collect_watches(view);

	qsort(rows.rows, rows.count, sizeof(*rows.rows), compare_sessions);
	return rows;
}

static bool begins_session(const struct watch_rows *rows, size_t at)
{
	return at == 0 || rows->rows[at].session_id != rows->rows[at - 1].session_id;
}

static void print_session_id(struct buf *answer, const char *before, session_id_t id)
{
	buf_printf(answer, "%s0x%llx\n", before, (unsigned long long)id);
}

static void print_path(struct buf *answer, const char *before, struct bytes path)
{
	buf_append_text(answer, before);
	buf_append(answer, path.data, bytes_size(path));
	buf_append_text(answer, "\n");
}

static void answer_wchs(const struct fourletter_view *view, struct buf *answer)
{
	struct watch_rows rows = collect_watches_by_session(view);
	size_t session_count = 0;

	for (size_t i = 0; i < rows.count; i++)
		session_count += begins_session(&rows, i);
	buf_printf(answer, "%zu connections watching %zu paths\nTotal watches:%zu\n", session_count,
		   server_watches(replica_server(view->replica))->tables[WATCH_DATA].paths.count,
		   rows.count);
	free(rows.rows);
}

static void answer_wchc(const struct fourletter_view *view, struct buf *answer)
{
	struct watch_rows rows = collect_watches_by_session(view);

	for (size_t i = 0; i < rows.count; i++) {
		if (begins_session(&rows, i))
			print_session_id(answer, "", rows.rows[i].session_id);
		print_path(answer, "\t", rows.rows[i].path);
	}
	buf_append_text(answer, "\n");
	free(rows.rows);
}

static void answer_wchp(const struct fourletter_view *view, struct buf *answer)
{
	struct watch_rows rows = collect_watches(view);

	for (size_t i = 0; i < rows.count; i++) {
		if (i == 0 || !bytes_equal(rows.rows[i].path, rows.rows[i - 1].path))
			print_path(answer, "", rows.rows[i].path);
		print_session_id(answer, "\t", rows.rows[i].session_id);
	}
	buf_append_text(answer, "\n");
	free(rows.rows);
}

/* ---- the table ---- */

struct word {
	char name[5];
	void (*answer)(const struct fourletter_view *view, struct buf *answer);
};

/*
 * FourLetterCommands. A word without a function is one that this version does
 * not have; it is answered as if the whitelist left it out.
 */
static const struct word words[] = {
	{"conf", answer_conf}, {"cons", answer_cons},     {"crst", answer_crst},
	{"dirs", answer_dirs}, {"dump", fourletter_dump}, {"envi", answer_envi},
	{"gtmk", answer_gtmk}, {"ruok", answer_ruok},     {"stmk", NULL},
	{"srst", answer_srst}, {"srvr", answer_srvr},     {"stat", answer_stat},
	{"wchc", answer_wchc}, {"wchp", answer_wchp},     {"wchs", answer_wchs},
	{"mntr", answer_mntr}, {"isro", answer_isro},     {"hash", NULL},
};

enum { WORD_COUNT = sizeof(words) / sizeof(words[0]) };

static int find_word(const char name[4])
{
	for (int i = 0; i < WORD_COUNT; i++)
		if (memcmp(words[i].name, name, 4) == 0)
			return i;
	return -1;
}

bool fourletter_is_word(const char word[4])
{
	return find_word(word) >= 0;
}

static void allow(struct fourletter *fourletter, const char *name, size_t size)
{
	int word = size == 4 ? find_word(name) : -1;

	if (size == 1 && *name == '*')
		fourletter->allowed = UINT32_MAX;
	else if (word >= 0)
		fourletter->allowed |= UINT32_C(1) << word;
}

void fourletter_init(struct fourletter *fourletter, const char *whitelist)
{
	fourletter->allowed = 0;
	allow(fourletter, "srvr", 4);
	while (*whitelist) {
		size_t size = strcspn(whitelist, ", \t");

		allow(fourletter, whitelist, size);
		whitelist += size;
		whitelist += strspn(whitelist, ", \t");
	}
}

void fourletter_answer(const struct fourletter *fourletter, const char word[4],
		       const struct fourletter_view *view, struct buf *answer)
{
	int index = find_word(word);

	if (!(fourletter->allowed >> index & 1) || !words[index].answer)
		buf_printf(answer, "%.4s is not executed because it is not in the whitelist.\n",
			   word);
	else if (!strstr(answered_always, words[index].name) && !replica_is_serving(view->replica))
		buf_append_text(answer, not_serving);
	else
		words[index].answer(view, answer);
}
