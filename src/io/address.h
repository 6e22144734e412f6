#ifndef IO_ADDRESS_H
#define IO_ADDRESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Socket addresses in the words of Java, which operators and ACLs know. */
enum { ADDRESS_TEXT_SIZE = 80 };

/*
 * InetAddress.getHostAddress: "127.0.0.1"; an IPv6 address in full,
 * "0:0:0:0:0:0:0:1"; an IPv4-mapped one as IPv4. "" for another family.
 */
void address_host(const struct sockaddr *address, char ret_text[ADDRESS_TEXT_SIZE]);

/* InetSocketAddress.toString: "/127.0.0.1:2181", "/[0:0:0:0:0:0:0:1]:2181". */
void address_text(const struct sockaddr *address, char ret_text[ADDRESS_TEXT_SIZE]);

uint16_t address_port(const struct sockaddr *address);

/*
 * A literal IPv4 or IPv6 address, and a port, as a socket address; -EINVAL if
 * host is a name.
 */
int address_parse(const char *host, uint16_t port, struct sockaddr_storage *ret_address);

#endif
