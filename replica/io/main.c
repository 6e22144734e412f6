/*
 * zkfsd: one replica. It reads its configuration, goes to the background once
 * it serves, and ends in order at SIGTERM, SIGINT, or the end of a control pipe.
 *
 * Exit status: 0 after an end in order, 1 for a wrong command line or what
 * failed while it ran, 2 when it can't start as it was configured: a bad
 * zoo.cfg, a directory in use or damaged, a port that is taken.
 */
#include <config.h> /* of configure: the one in quotes is zoo.cfg's */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "replica/io/config.h"
#include "replica/io/fourletter.h"
#include "replica/io/log_print.h"
#include "replica/io/node.h"
#include "replica/io/status.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/io/loop.h"

#define RESOLVER_THREADS "16"

enum { EXIT_USAGE = 1, EXIT_FAILED = 1, EXIT_REFUSED = 2 };

enum {
	KEPT_MEMORY_SIZE = 16 << 20,
	/* A table of that size is moved by the system, not copied. */
	MAPPED_MEMORY_SIZE = 4 << 20,
};

struct options {
	int what; /* an option that is a command of its own, or 0 */
	char **operands;
	int operand_count;
	const char *embedded_dir;
	bool foreground;
	int control_fd; /* -1: none */
	int port_fd;
	char *pid_file; /* absolute; NULL: none */
};

static const char usage[] =
	"usage: zkfsd [-f] [--pid-file FILE] zoo.cfg\n"
	"       zkfsd --embedded DIR [--control-fd N] [--port-fd N]\n"
	"       zkfsd --status zoo.cfg\n"
	"       zkfsd --log FILE...\n"
	"       zkfsd --version | --help\n"
	"\n"
	"  -f, --foreground   stay in the foreground, log to stderr\n"
	"  --embedded DIR     a standalone server with its data in DIR, on 127.0.0.1\n"
	"                     at a free port; stays in the foreground\n"
	"  --control-fd N     end when the pipe at this descriptor is closed\n"
	"  --port-fd N        write where it serves clients, host:port, to this\n"
	"                     descriptor, as one line, as soon as it does; behind it, with\n"
	"                     commas, the other servers of its ensemble\n"
	"  --pid-file FILE    keep the process id in FILE while it serves\n"
	"  --status           ask the server of that configuration which role it has\n"
	"  --log FILE...      print the transactions in segments of the log\n";

/* ---- into the background ---- */

/*
 * Where the child tells its parent how the start went: an exit status as one
 * byte, then the sentence. -1 in the foreground.
 */
static int report_fd = -1;

static void report(int status, const char *sentence)
{
	unsigned char byte = (unsigned char)status;

	if (report_fd < 0) {
		if (*sentence)
			fprintf(stderr, "zkfsd: %s\n", sentence);
		return;
	}
	/* A parent that is gone has nobody to tell. */
	(void)!write(report_fd, &byte, 1);
	(void)!write(report_fd, sentence, strlen(sentence));
	(void)close(report_fd);
	report_fd = -1;
}

static size_t read_all(int fd, char *text, size_t size_max)
{
	size_t size = 0;
	ssize_t got = 1;

	while (size < size_max && got != 0) {
		got = read(fd, text + size, size_max - size);
		if (got < 0 && errno != EINTR)
			break;
		if (got > 0)
			size += (size_t)got;
	}
	return size;
}

/* The parent: waits for the report, says it, and ends with its status. */
_Noreturn static void relay_report(int fd)
{
	char text[4096];
	size_t size = read_all(fd, text, sizeof(text) - 1);

	text[size] = '\0';
	if (size == 0) {
		fprintf(stderr, "zkfsd: ended before it served\n");
		_exit(EXIT_FAILED);
	}
	if (size > 1)
		fprintf(stderr, "zkfsd: %s\n", text + 1);
	_exit((unsigned char)text[0]);
}

/* Only the child returns. */
static void go_to_background(void)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		fprintf(stderr, "zkfsd: can't fork: %s\n", strerror(errno));
		exit(EXIT_FAILED);
	}
	if (pid > 0) {
		(void)close(fds[1]);
		relay_report(fds[0]);
	}
	(void)close(fds[0]);
	(void)setsid(); /* can't fail: the child of a fork leads no group */
	report_fd = fds[1];
	log_use_syslog("zkfsd");
}

/* It serves: let go of the terminal and of the directory that it was started in. */
static void detach(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (chdir("/") < 0)
		log_warn("zkfsd", "stays in the directory that it was started in: %s",
			 strerror(errno));
	if (fd < 0)
		return;
	for (int at = STDIN_FILENO; at <= STDERR_FILENO; at++)
		(void)dup2(fd, at); /* both descriptors are good */
	(void)close(fd);
}

/* ---- what ends it ---- */

struct service {
	struct loop loop;
	struct node *node;
	uv_signal_t signals[3];
	uv_pipe_t control;
	bool has_control;
};

static void on_signal(uv_signal_t *handle, int number)
{
	struct service *service = handle->data;

	node_stop(service->node);
}

static void on_control_buffer(uv_handle_t *handle, size_t size, uv_buf_t *ret_buffer)
{
	static char nothing[64];

	*ret_buffer = uv_buf_init(nothing, sizeof(nothing));
}

static void on_control_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct service *service = stream->data;

	if (size >= 0)
		return;
	(void)uv_read_stop(stream); /* never fails */
	node_stop(service->node);
}

static void watch_signals(struct service *service)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

	for (int i = 0; i < 3; i++) {
		uv_signal_t *handle = &service->signals[i];

		/* These fail for a bad number only. */
		(void)uv_signal_init(&service->loop.uv, handle);
		handle->data = service;
		(void)uv_signal_start(handle, on_signal, numbers[i]);
	}
}

static int watch_control(struct service *service, int fd)
{
	int error = uv_pipe_init(&service->loop.uv, &service->control, 0);

	service->control.data = service;
	service->has_control = true;
	if (error == 0)
		error = uv_pipe_open(&service->control, fd);
	if (error == 0)
		error = uv_read_start((uv_stream_t *)&service->control, on_control_buffer,
				      on_control_read);
	return error;
}

static void stop_watching(struct service *service)
{
	for (int i = 0; i < 3; i++)
		uv_close((uv_handle_t *)&service->signals[i], NULL);
	if (service->has_control)
		uv_close((uv_handle_t *)&service->control, NULL);
}

/* ---- serving ---- */

static int write_line(int fd, const char *text)
{
	char *line = mem_printf("%s\n", text);
	ssize_t size = write(fd, line, strlen(line));
	int error = size == (ssize_t)strlen(line) ? 0 : -EIO;

	free(line);
	return error;
}

static int tell_addresses(const struct service *service, int fd)
{
	char *addresses = node_addresses(service->node);
	int error = write_line(fd, addresses);

	free(addresses);
	return error;
}

static int write_pid_file(const char *name)
{
	FILE *file = fopen(name, "we");

	if (!file)
		return -errno;
	(void)fprintf(file, "%ld\n", (long)getpid()); /* fclose tells */
	return fclose(file) == 0 ? 0 : -errno;
}

/* Everything between the node's opening and its end. */
static int run(struct service *service, const struct options *options)
{
	watch_signals(service);
	if (options->control_fd >= 0 && watch_control(service, options->control_fd) < 0) {
		report(EXIT_USAGE, "--control-fd is no pipe");
		return EXIT_USAGE;
	}
	if (options->port_fd >= 0 && tell_addresses(service, options->port_fd) < 0) {
		report(EXIT_USAGE, "--port-fd can't be written to");
		return EXIT_USAGE;
	}
	if (options->pid_file && write_pid_file(options->pid_file) < 0) {
		report(EXIT_USAGE, "--pid-file can't be written");
		return EXIT_USAGE;
	}
	report(0, "");
	if (!options->foreground)
		detach();
	loop_run(&service->loop);
	if (options->pid_file)
		(void)unlink(options->pid_file); /* somebody may have done that already */
	return 0;
}

static int serve(const struct config *config, const struct options *options)
{
	struct service service = {0};
	char *sentence;
	int status = EXIT_REFUSED;
	int error = loop_init(&service.loop);

	if (error < 0) {
		report(EXIT_FAILED, "the event loop can't be made");
		return EXIT_FAILED;
	}
	error = node_open(&service.loop, config, &service.node, &sentence);
	if (error < 0) {
		report(EXIT_REFUSED, sentence);
		free(sentence);
	} else {
		status = run(&service, options);
		if (node_close(service.node) < 0)
			status = EXIT_FAILED;
		stop_watching(&service);
	}
	if (loop_release(&service.loop) < 0)
		log_error("zkfsd", "a handle was left on the loop");
	if (status == 0)
		log_info("zkfsd", "ended in order");
	return status;
}

/* A connection is a descriptor, so take as many as there may be. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("zkfsd", "the limit of open files stays at %llu: %s",
			 (unsigned long long)limit.rlim_cur, strerror(errno));
}

/* ---- configurations ---- */

static int load_embedded(struct config *config, const struct options *options)
{
	char *text = mem_printf("clientPort=0\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n"
				"tickTime=2000\n4lw.commands.whitelist=*\n");
	int error = config_parse(config, "--embedded", text, strlen(text));

	free(text);
	if (error < 0)
		return error;
	/* Not by the text: a directory's name may hold anything. */
	config->data_dir = mem_strdup(options->embedded_dir);
	return config_check(config);
}

static int load_config(struct config *config, const struct options *options)
{
	int error;

	if (options->embedded_dir)
		error = load_embedded(config, options);
	else
		error = config_load(config, options->operands[0], getenv("SERVER_JVMFLAGS"));
	if (error < 0)
		return error;
	for (size_t i = 0; i < config->warning_count; i++)
		log_warn("config", "%s", config->warnings[i]);
	return 0;
}

/*
 * Bursts come and go: what glibc gave back to the system after one it would get back, page fault
 * by page fault, in the next. And SQLite would count its memory under a lock that the workers
 * share. Neither can fail, before the first use.
 */
static void tune_memory(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, MAPPED_MEMORY_SIZE);
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY_SIZE);
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int start(const struct options *options)
{
	struct config config;
	int status;

	config_init(&config);
	if (load_config(&config, options) < 0) {
		fprintf(stderr, "zkfsd: %s\n", config.error);
		config_release(&config);
		return EXIT_REFUSED;
	}
	if (!options->foreground)
		go_to_background();
	raise_descriptor_limit();
	tune_memory();
	/* Each name of a server that is being dialed has a thread: none waits for another's. */
	if (config_is_ensemble(&config))
		(void)setenv("UV_THREADPOOL_SIZE", RESOLVER_THREADS, 0); /* fails without memory */
	(void)signal(SIGPIPE, SIG_IGN);                                  /* can't fail */
	status = serve(&config, options);
	config_release(&config);
	return status;
}

/* ---- the command line ---- */

/* An open descriptor. */
static bool parse_fd(const char *text, int *ret_fd)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (!*text || *end || fd < 0 || fd > INT_MAX || fcntl((int)fd, F_GETFD) < 0)
		return false;
	*ret_fd = (int)fd;
	return true;
}

enum {
	OPTION_EMBEDDED = 256,
	OPTION_CONTROL_FD,
	OPTION_PORT_FD,
	OPTION_LOG,
	OPTION_VERSION,
	OPTION_PID_FILE,
	OPTION_STATUS
};

static const struct option known_options[] = {
	{"foreground", no_argument, NULL, 'f'},
	{"embedded", required_argument, NULL, OPTION_EMBEDDED},
	{"control-fd", required_argument, NULL, OPTION_CONTROL_FD},
	{"port-fd", required_argument, NULL, OPTION_PORT_FD},
	{"pid-file", required_argument, NULL, OPTION_PID_FILE},
	{"status", no_argument, NULL, OPTION_STATUS},
	{"log", no_argument, NULL, OPTION_LOG},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, 'h'},
	{0},
};

/* It changes its directory before the file is removed. */
static char *absolute_path(const char *path)
{
	char here[PATH_MAX];

	if (*path == '/' || !getcwd(here, sizeof(here)))
		return mem_strdup(path);
	return mem_printf("%s/%s", here, path);
}

/* False: the usage is the answer. */
static bool parse_options(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt_long(argc, argv, "fh", known_options, NULL)) != -1) {
		switch (option) {
		case 'f':
			options->foreground = true;
			break;
		case OPTION_EMBEDDED:
			options->embedded_dir = optarg;
			options->foreground = true;
			break;
		case OPTION_CONTROL_FD:
			if (!parse_fd(optarg, &options->control_fd))
				return false;
			break;
		case OPTION_PORT_FD:
			if (!parse_fd(optarg, &options->port_fd))
				return false;
			break;
		case OPTION_PID_FILE:
			free(options->pid_file);
			options->pid_file = absolute_path(optarg);
			break;
		case OPTION_LOG:
		case OPTION_STATUS:
		case OPTION_VERSION:
		case 'h':
			options->what = option;
			break;
		default:
			return false;
		}
	}
	options->operands = argv + optind;
	options->operand_count = argc - optind;
	return true;
}

static int complain(void)
{
	fputs(usage, stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct options options = {.control_fd = -1, .port_fd = -1};
	int status;

	if (!parse_options(argc, argv, &options))
		return complain();
	switch (options.what) {
	case OPTION_STATUS:
		return options.operand_count == 1 ? status_print(options.operands[0]) : complain();
	case OPTION_LOG:
		return options.operand_count > 0 ? log_print(options.operands) : complain();
	case OPTION_VERSION:
		printf("zkfsd %s (Zookeeper version: %s)\n", PACKAGE_VERSION, fourletter_version());
		return 0;
	case 'h':
		fputs(usage, stdout);
		return 0;
	}
	if (options.operand_count != (options.embedded_dir ? 0 : 1))
		return complain();
	status = start(&options);
	free(options.pid_file);
	return status;
}
