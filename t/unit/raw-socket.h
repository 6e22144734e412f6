#ifndef T_UNIT_RAW_SOCKET_H
#define T_UNIT_RAW_SOCKET_H

#include <stddef.h>
#include <stdint.h>

/*
 * The other end of a connection under test: plain descriptors on 127.0.0.1, on
 * which a test says byte by byte what is on the wire. All but raw_socket are
 * non-blocking; what fails fails the test.
 */
int raw_socket(void);
void raw_bind(int fd, uint16_t port); /* 0: any that is free */
uint16_t raw_port(int fd);            /* that it is bound to */
int raw_listen(uint16_t port);
int raw_connect(uint16_t port);
void raw_send(int fd, const void *data, size_t size); /* all of it, at once */

/* A port that is free, and that nobody listens on. */
uint16_t raw_free_port(void);

#endif
