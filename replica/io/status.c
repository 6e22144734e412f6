#include "replica/io/status.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "replica/io/config.h"
#include "replica/io/data_dir.h"
#include "src/base/buf.h"
#include "src/base/mem.h"

enum { STATUS_FAILED = 1, STATUS_REFUSED = 2, TIMEOUT_SECONDS = 10, ANSWER_SIZE_MAX = 64 << 10 };

/* ---- asking ---- */

static int connect_to(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
	struct addrinfo *addresses;
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &addresses) != 0)
		return -1;
	for (struct addrinfo *at = addresses; at && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		/* Without its timeouts it only takes longer. */
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
		if (connect(fd, at->ai_addr, at->ai_addrlen) < 0) {
			(void)close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(addresses);
	return fd;
}

/* False: there is no answer, or not the whole of it. */
static bool ask(const char *host, const char *port, struct buf *answer)
{
	char part[4096];
	ssize_t size;
	int fd = connect_to(host, port);

	if (fd < 0)
		return false;
	size = send(fd, "srvr", 4, MSG_NOSIGNAL);
	while (size > 0) {
		size = recv(fd, part, sizeof(part), 0);
		if (size > 0)
			buf_append(answer, part, (size_t)size);
	}
	(void)close(fd); /* it was only read */
	return size == 0 && !answer->error;
}

/* ---- printing ---- */

/* The line that says the mode. */
static bool print_mode(struct buf *answer)
{
	char *text = bytes_dup(buf_bytes(answer));
	char *mode = text ? strstr(text, "Mode: ") : NULL;

	if (mode)
		printf("%.*s\n", (int)strcspn(mode, "\n"), mode);
	free(text);
	return mode;
}

/* Where it listens; what it found out itself (clientPort=0) it has written down. */
static char *find_port(const struct config *config)
{
	char *databases = data_dir_databases(config->data_dir);
	char *address = data_dir_read_address(databases);
	char *colon = address ? strrchr(address, ':') : NULL;
	char *port;

	if (config->client_port == 0 && colon)
		port = mem_strdup(colon + 1);
	else
		port = mem_printf("%d", config->client_port);
	free(address);
	free(databases);
	return port;
}

static bool is_wildcard(const char *host)
{
	return !host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static int print_status(const struct config *config)
{
	const char *host = is_wildcard(config->client_port_address) ? "localhost"
								    : config->client_port_address;
	char *port = find_port(config);
	struct buf answer;
	bool serves;

	if (config->is_client_port_of_line)
		printf("Client port not found in static config file. Looking in dynamic config "
		       "file.\n");
	printf("Client port found: %s. Client address: %s. Client SSL: false.\n", port, host);
	buf_init(&answer, ANSWER_SIZE_MAX);
	serves = ask(host, port, &answer) && print_mode(&answer);
	if (!serves)
		printf("Error contacting service. It is probably not running.\n");
	buf_release(&answer);
	free(port);
	return serves ? 0 : STATUS_FAILED;
}

int status_print(const char *config_file)
{
	struct config config;
	int status = STATUS_REFUSED;

	config_init(&config);
	if (config_load(&config, config_file, getenv("SERVER_JVMFLAGS")) < 0)
		fprintf(stderr, "zkfsd: %s\n", config.error);
	else
		status = print_status(&config);
	config_release(&config);
	return status;
}
