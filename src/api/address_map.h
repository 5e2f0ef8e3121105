#ifndef RAI_API_ADDRESS_MAP_H
#define RAI_API_ADDRESS_MAP_H

#include <stddef.h>

#include "engine/config.h"

/* The option addressMap: HOST[:PORT]=HOST[:PORT],... with IPv6 addresses in brackets. */

/* Adds to the config's map. RA_E_OPTION: that is none; RA_E_NO_MEMORY. */
int rai_address_map_read(const char *text, struct rai_config *config);
/* As snprintf(). */
size_t rai_address_map_print(const struct rai_config *config, char *out, size_t size);

#endif
