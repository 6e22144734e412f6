#ifndef BASE_ENDIAN_H
#define BASE_ENDIAN_H

#include <stdint.h>

/* Big-endian numbers at any alignment; the bytes must be there. */

static inline uint32_t endian_get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t endian_get_u64(const uint8_t *at)
{
	return (uint64_t)endian_get_u32(at) << 32 | endian_get_u32(at + 4);
}

static inline void endian_put_u32(uint8_t *at, uint32_t number)
{
	at[0] = (uint8_t)(number >> 24);
	at[1] = (uint8_t)(number >> 16);
	at[2] = (uint8_t)(number >> 8);
	at[3] = (uint8_t)number;
}

static inline void endian_put_u64(uint8_t *at, uint64_t number)
{
	endian_put_u32(at, (uint32_t)(number >> 32));
	endian_put_u32(at + 4, (uint32_t)number);
}

#endif
