#ifndef RAI_CODEC_BYTES_H
#define RAI_CODEC_BYTES_H

#include <stdint.h>

/* Big-endian loads and stores at any alignment; compilers make one move and one swap of each. */
static inline void rai_store16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void rai_store32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline void rai_store64(uint8_t *p, uint64_t v)
{
    rai_store32(p, (uint32_t)(v >> 32));
    rai_store32(p + 4, (uint32_t)v);
}

static inline uint16_t rai_load16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t rai_load32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t rai_load64(const uint8_t *p)
{
    return (uint64_t)rai_load32(p) << 32 | rai_load32(p + 4);
}

#endif
