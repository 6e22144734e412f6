#include "fs/options.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/zk/acl.h"
#include "src/zk/client_servers.h"
#include "src/zk/opcode.h"

static const char usage[] =
	"usage: zkfs [-f] [-o OPTION[,OPTION...]] SOURCE DIR\n"
	"       mount -t zkfs SOURCE DIR [-o OPTION...]\n"
	"\n"
	"Mount the namespace of a ZooKeeper ensemble at DIR. SOURCE is\n"
	"  host:port[,host:port...][/chroot]   an ensemble to connect to\n"
	"  a file, e.g. /etc/zkfs/zoo.cfg      the node to be, replica and mount in one\n"
	"  a directory, e.g. /var/lib/zkfs/    an embedded replica with its data there\n"
	"                                      (created if the name ends in '/')\n"
	"\n"
	"  -f          stay in the foreground\n"
	"  -o OPTION   timeout=SECONDS ro sync ephemeral commit=SECONDS acl=ACL\n"
	"              uid=N gid=N fmode=OCTAL dmode=OCTAL allow_other default_permissions\n"
	"              jute.maxbuffer=BYTES watch=auto|tree|nodes noinotify\n"
	"  --help, --version\n"
	"\n"
	"Unmount with 'umount DIR' or 'fusermount3 -u DIR'. See zkfs(8).\n";

/* What mount(8) and fstab pass that means nothing to us, or is so anyway. */
static const char *const ignored_options[] = {
	"rw",     "defaults", "_netdev",  "nofail",     "noauto",
	"auto",   "user",     "users",    "owner",      "group",
	"atime",  "noatime",  "relatime", "norelatime", "nodev",
	"nosuid", "soft",     "diratime", "nodiratime", "suid",
	"dev",    "exec",     "nouser",   "silent",     "onexpire=recover",
};

/* Promised by the manual for a later version: said plainly instead of half done. */
static const char *const coming_options[] = {"hard", "onexpire=fail", "auth", "authfile"};

/* A sentence for stderr; always returns the status, so that callers can return it. */
static int refuse(char **ret_message, int status, char *message)
{
	free(*ret_message);
	*ret_message = message;
	return status;
}

static bool parse_number(const char *text, int base, unsigned long max, unsigned long *ret_number)
{
	char *end;
	unsigned long number;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoul(text, &end, base);
	if (errno || *end || number > max)
		return false;
	*ret_number = number;
	return true;
}

/* Seconds, with decimals, as milliseconds: "10", "2.5". */
static bool parse_seconds(const char *text, int32_t *ret_ms)
{
	char *end;
	double seconds;

	if (!text || !*text)
		return false;
	seconds = strtod(text, &end);
	if (*end || !(seconds > 0) || seconds > 86400)
		return false;
	*ret_ms = (int32_t)(seconds * 1000);
	return *ret_ms > 0;
}

static bool set_timeout(struct fs_options *options, const char *value)
{
	return parse_seconds(value, &options->timeout_ms);
}

static bool set_commit(struct fs_options *options, const char *value)
{
	return parse_seconds(value, &options->commit_ms);
}

static bool set_acl(struct fs_options *options, const char *value)
{
	struct zk_acls acls;
	struct buf memory;
	bool valid;

	buf_init(&memory, ZK_JUTE_MAXBUFFER_DEFAULT);
	valid = value && zk_acls_parse(value, &memory, &acls) == 0;
	buf_release(&memory);
	if (!valid)
		return false;
	free(options->acl);
	options->acl = mem_strdup(value);
	return true;
}

static bool set_uid(struct fs_options *options, const char *value)
{
	const struct passwd *user = value ? getpwnam(value) : NULL;
	unsigned long number;

	if (user)
		options->uid = user->pw_uid;
	else if (parse_number(value, 10, UINT32_MAX - 1, &number))
		options->uid = (uid_t)number;
	else
		return false;
	return true;
}

static bool set_gid(struct fs_options *options, const char *value)
{
	const struct group *group = value ? getgrnam(value) : NULL;
	unsigned long number;

	if (group)
		options->gid = group->gr_gid;
	else if (parse_number(value, 10, UINT32_MAX - 1, &number))
		options->gid = (gid_t)number;
	else
		return false;
	return true;
}

static bool set_mode(const char *value, mode_t *ret_mode)
{
	unsigned long number;

	if (!parse_number(value, 8, 0777, &number))
		return false;
	*ret_mode = (mode_t)number;
	return true;
}

static bool set_file_mode(struct fs_options *options, const char *value)
{
	return set_mode(value, &options->file_mode);
}

static bool set_dir_mode(struct fs_options *options, const char *value)
{
	return set_mode(value, &options->dir_mode);
}

/* Less than this holds no useful request; more than this no server takes. */
enum { JUTE_MAXBUFFER_MIN = 1024, JUTE_MAXBUFFER_MAX = 1 << 30 };

static bool set_jute_maxbuffer(struct fs_options *options, const char *value)
{
	unsigned long number;

	if (!parse_number(value, 10, JUTE_MAXBUFFER_MAX, &number) || number < JUTE_MAXBUFFER_MIN)
		return false;
	options->jute_maxbuffer = number;
	return true;
}

static bool set_watch(struct fs_options *options, const char *value)
{
	static const char *const names[] = {"auto", "tree", "nodes"};

	for (size_t i = 0; value && i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(value, names[i]) == 0) {
			options->watch = (enum fs_watch)i;
			return true;
		}
	}
	return false;
}

static bool set_sync(struct fs_options *options, const char *value)
{
	options->sync = true;
	return !value;
}

static bool set_async(struct fs_options *options, const char *value)
{
	options->sync = false;
	return !value;
}

static bool set_read_only(struct fs_options *options, const char *value)
{
	options->read_only = true;
	return !value;
}

static bool set_ephemeral(struct fs_options *options, const char *value)
{
	options->ephemeral = true;
	return !value;
}

static bool set_allow_other(struct fs_options *options, const char *value)
{
	options->allow_other = true;
	return !value;
}

static bool set_default_permissions(struct fs_options *options, const char *value)
{
	options->default_permissions = true;
	return !value;
}

static bool set_noinotify(struct fs_options *options, const char *value)
{
	options->inotify = false;
	return !value;
}

static const struct mount_option {
	const char *name;
	const char *form; /* what a right one looks like */
	bool (*set)(struct fs_options *options, const char *value);
} mount_options[] = {
	{"timeout", "timeout=SECONDS, e.g. timeout=10", set_timeout},
	{"commit", "commit=SECONDS, e.g. commit=5", set_commit},
	{"acl", "acl=SCHEME:ID:PERMS, e.g. acl=world:anyone:cdrwa", set_acl},
	{"uid", "uid=NUMBER or uid=NAME of a user of this machine", set_uid},
	{"gid", "gid=NUMBER or gid=NAME of a group of this machine", set_gid},
	{"fmode", "fmode=OCTAL, e.g. fmode=0644", set_file_mode},
	{"dmode", "dmode=OCTAL, e.g. dmode=0755", set_dir_mode},
	{"jute.maxbuffer", "jute.maxbuffer=BYTES, 1024 or more", set_jute_maxbuffer},
	{"watch", "watch=auto, watch=tree or watch=nodes", set_watch},
	{"sync", "sync, without a value", set_sync},
	{"async", "async, without a value", set_async},
	{"ro", "ro, without a value", set_read_only},
	{"ephemeral", "ephemeral, without a value", set_ephemeral},
	{"allow_other", "allow_other, without a value", set_allow_other},
	{"default_permissions", "default_permissions, without a value", set_default_permissions},
	{"noinotify", "noinotify, without a value", set_noinotify},
};

static bool is_listed(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool is_ignored(const char *option)
{
	return strncmp(option, "x-", 2) == 0 || strncmp(option, "comment=", 8) == 0 ||
	       is_listed(ignored_options, sizeof(ignored_options) / sizeof(*ignored_options),
			 option);
}

static bool is_coming(const char *option, const char *name)
{
	size_t count = sizeof(coming_options) / sizeof(*coming_options);

	return is_listed(coming_options, count, option) || is_listed(coming_options, count, name);
}

static const struct mount_option *find_option(const char *name)
{
	for (size_t i = 0; i < sizeof(mount_options) / sizeof(*mount_options); i++)
		if (strcmp(mount_options[i].name, name) == 0)
			return &mount_options[i];
	return NULL;
}

/* One "name" or "name=value". sloppy (mount -s): what we don't know is skipped. */
static int apply_option(struct fs_options *options, const char *text, bool sloppy,
			char **ret_message)
{
	char *name = mem_strdup(text);
	char *value = strchr(name, '=');
	const struct mount_option *option;
	int status = FS_EXIT_OK;

	if (value)
		*value++ = '\0';
	option = find_option(name);
	if (is_coming(text, name))
		status = refuse(
			ret_message, FS_EXIT_USAGE,
			mem_printf("option '%s' is not in this version yet; leave it out", name));
	else if (option && !option->set(options, value))
		status = refuse(
			ret_message, FS_EXIT_USAGE,
			mem_printf("option '%s' is wrong: write it as %s", text, option->form));
	else if (!option && !is_ignored(text) && !sloppy)
		status = refuse(ret_message, FS_EXIT_USAGE,
				mem_printf("unknown option '%s'; see 'zkfs --help'", text));
	free(name);
	return status;
}

static int apply_option_list(struct fs_options *options, const char *list, bool sloppy,
			     char **ret_message)
{
	char *copy = mem_strdup(list);
	char *rest = copy;
	int status = FS_EXIT_OK;

	/* An ACL is a comma-separated list itself: its further entries have two colons or more. */
	for (char *text; status == FS_EXIT_OK && (text = strsep(&rest, ","));) {
		while (strncmp(text, "acl=", 4) == 0 && rest) {
			const char *end = strchrnul(rest, ',');
			const char *colon = memchr(rest, ':', (size_t)(end - rest));

			if (!colon || memchr(rest, '=', (size_t)(colon - rest)))
				break;
			rest[-1] = ',';
			if (!*end) {
				rest = NULL;
			} else {
				rest[end - rest] = '\0';
				rest = (char *)end + 1;
			}
		}
		if (*text)
			status = apply_option(options, text, sloppy, ret_message);
	}
	free(copy);
	return status;
}

static void set_defaults(struct fs_options *options)
{
	*options = (struct fs_options){
		.timeout_ms = 10000,
		.acl = mem_strdup("world:anyone:cdrwa"),
		.uid = geteuid(),
		.gid = getegid(),
		.file_mode = 0644,
		.dir_mode = 0755,
		.allow_other = geteuid() == 0,
		.default_permissions = geteuid() == 0,
		.jute_maxbuffer = ZK_JUTE_MAXBUFFER_DEFAULT,
		.inotify = true,
	};
}

static int check_servers(const char *source, char **ret_message)
{
	struct zk_servers servers;
	char *error;

	if (zk_servers_parse(source, &servers, &error) != 0)
		return refuse(ret_message, FS_EXIT_USAGE, error);
	zk_servers_release(&servers);
	return FS_EXIT_OK;
}

static int classify_source(struct fs_options *options, char **ret_message)
{
	const char *source = options->source;
	size_t size = strlen(source);
	struct stat stat_buf;

	if (size == 0)
		return refuse(ret_message, FS_EXIT_USAGE,
			      mem_strdup("SOURCE is empty; see 'zkfs --help'"));
	if (stat(source, &stat_buf) == 0)
		options->source_kind =
			S_ISDIR(stat_buf.st_mode) ? FS_SOURCE_EMBEDDED : FS_SOURCE_CONFIG;
	else if (strchr(source, ':') && source[0] != '/' && source[0] != '.')
		options->source_kind = FS_SOURCE_ENSEMBLE;
	else if (source[size - 1] == '/')
		options->source_kind = FS_SOURCE_EMBEDDED;
	else
		return refuse(ret_message, FS_EXIT_USAGE,
			      mem_printf("'%s' is no host:port and no file or directory; to have a "
					 "new data directory made, write it as '%s/'",
					 source, source));
	return options->source_kind == FS_SOURCE_ENSEMBLE ? check_servers(source, ret_message)
							  : FS_EXIT_OK;
}

/*
 * DIR as an absolute path. A mount whose daemon died answers every call on it
 * with ENOTCONN; it is named by its parent then, to be cleaned up.
 */
static int resolve_dir(struct fs_options *options, const char *dir, char **ret_message)
{
	char resolved[PATH_MAX];
	struct stat stat_buf;
	char *copy;
	char *slash;

	if (realpath(dir, resolved)) {
		options->dir = mem_strdup(resolved);
		if (stat(resolved, &stat_buf) < 0 || S_ISDIR(stat_buf.st_mode))
			return FS_EXIT_OK;
		errno = ENOTDIR;
	}
	if (errno != ENOTCONN)
		return refuse(ret_message, FS_EXIT_MOUNT,
			      mem_printf("%s: %s; make the directory first", dir, strerror(errno)));
	copy = mem_strdup(dir);
	for (size_t size = strlen(copy); size > 1 && copy[size - 1] == '/'; size--)
		copy[size - 1] = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (realpath(slash ? (*copy ? copy : "/") : ".", resolved))
		options->dir = mem_printf("%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved,
					  slash ? slash + 1 : copy);
	free(copy);
	if (!options->dir)
		return refuse(ret_message, FS_EXIT_MOUNT,
			      mem_printf("%s: %s", dir, strerror(ENOTCONN)));
	return FS_EXIT_OK;
}

static int take_operands(struct fs_options *options, int count, char **operands, char **ret_message)
{
	int status;

	if (count != 2)
		return refuse(ret_message, FS_EXIT_USAGE,
			      mem_printf("SOURCE and DIR are needed, %d operand%s given; see "
					 "'zkfs --help'",
					 count, count == 1 ? " was" : "s were"));
	options->source = mem_strdup(operands[0]);
	options->fsname = mem_strdup(operands[0]);
	status = classify_source(options, ret_message);
	return status ? status : resolve_dir(options, operands[1], ret_message);
}

static bool is_mount_helper(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strncmp(slash ? slash + 1 : program, "mount.", 6) == 0;
}

int fs_options_parse(struct fs_options *options, int argc, char **argv, bool *ret_done,
		     char **ret_message)
{
	static const struct option long_options[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	bool helper = is_mount_helper(argv[0]);
	const char *lists[64];
	size_t list_count = 0;
	bool sloppy = false;
	int status = FS_EXIT_OK;
	int c;

	*ret_done = false;
	*ret_message = NULL;
	set_defaults(options);
	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, helper ? "sfnvN:t:o:" : "fho:V", long_options, NULL)) !=
	       -1) {
		if (c == 'h' || c == 'V') {
			if (c == 'h')
				fputs(usage, stdout);
			else
				puts("zkfs " PACKAGE_VERSION);
			*ret_done = true;
			return FS_EXIT_OK;
		}
		if (c == '?')
			return refuse(ret_message, FS_EXIT_USAGE,
				      mem_printf("'%s' is no option, or lacks its value; see "
						 "'zkfs --help'",
						 argv[optind - 1]));
		if (c == 'f' && helper)
			options->fake = true;
		else if (c == 'f')
			options->foreground = true;
		else if (c == 's')
			sloppy = true;
		else if (c == 'o' && list_count < sizeof(lists) / sizeof(*lists))
			lists[list_count++] = optarg;
	}
	for (size_t i = 0; i < list_count && status == FS_EXIT_OK; i++)
		status = apply_option_list(options, lists[i], sloppy, ret_message);
	return status ? status : take_operands(options, argc - optind, argv + optind, ret_message);
}

void fs_options_release(struct fs_options *options)
{
	free(options->source);
	free(options->dir);
	free(options->acl);
	free(options->fsname);
	*options = (struct fs_options){0};
}
