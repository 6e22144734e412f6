#include "src/io/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

static void format_v4(const uint8_t at[4], char text[ADDRESS_TEXT_SIZE])
{
	(void)snprintf(text, ADDRESS_TEXT_SIZE, "%u.%u.%u.%u", at[0], at[1], at[2], at[3]);
}

/* Eight groups, none left out (Inet6Address.numericToTextFormat). */
static void format_v6(const uint8_t at[16], char text[ADDRESS_TEXT_SIZE])
{
	unsigned group[8];

	for (size_t i = 0; i < 8; i++)
		group[i] = (unsigned)at[2 * i] << 8 | at[2 * i + 1];
	(void)snprintf(text, ADDRESS_TEXT_SIZE, "%x:%x:%x:%x:%x:%x:%x:%x", group[0], group[1],
		       group[2], group[3], group[4], group[5], group[6], group[7]);
}

void address_host(const struct sockaddr *address, char ret_text[ADDRESS_TEXT_SIZE])
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	ret_text[0] = '\0';
	if (address->sa_family == AF_INET)
		format_v4((const uint8_t *)&v4->sin_addr, ret_text);
	else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		format_v4(v6->sin6_addr.s6_addr + 12, ret_text);
	else if (address->sa_family == AF_INET6)
		format_v6(v6->sin6_addr.s6_addr, ret_text);
}

void address_text(const struct sockaddr *address, char ret_text[ADDRESS_TEXT_SIZE])
{
	char host[ADDRESS_TEXT_SIZE];

	address_host(address, host);
	(void)snprintf(ret_text, ADDRESS_TEXT_SIZE, strchr(host, ':') ? "/[%.64s]:%u" : "/%.64s:%u",
		       host, address_port(address));
}

uint16_t address_port(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
	if (address->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
	return 0;
}

int address_parse(const char *host, uint16_t port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (!uv_ip4_addr(host, port, &v4)) {
		memcpy(ret_address, &v4, sizeof(v4));
		return 0;
	}
	if (!uv_ip6_addr(host, port, &v6)) {
		memcpy(ret_address, &v6, sizeof(v6));
		return 0;
	}
	return -EINVAL;
}
