#include "t/unit/raw-socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/io/address.h"
#include "t/unit/cmocka.h"

int raw_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	return fd;
}

void raw_bind(int fd, uint16_t port)
{
	struct sockaddr_storage address;

	assert_int_equal(address_parse("127.0.0.1", port, &address), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)), 0);
}

uint16_t raw_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	return address_port((struct sockaddr *)&address);
}

int raw_listen(uint16_t port)
{
	int fd = raw_socket();

	raw_bind(fd, port);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

int raw_connect(uint16_t port)
{
	struct sockaddr_storage address;
	int fd = raw_socket();

	assert_int_equal(address_parse("127.0.0.1", port, &address), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

void raw_send(int fd, const void *data, size_t size)
{
	assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

uint16_t raw_free_port(void)
{
	int fd = raw_socket();
	uint16_t port;

	raw_bind(fd, 0);
	port = raw_port(fd);
	close(fd);
	return port;
}
