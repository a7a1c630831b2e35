/*
 * fleet_cbor.h - just enough CBOR (RFC 8949) to be a device: maps, texts and integers of definite
 * length, to and from cJSON. Not the plugin's, so that what both take for CBOR is CBOR.
 */
#ifndef SUPPORT_FLEET_CBOR_H
#define SUPPORT_FLEET_CBOR_H

#include <cjson/cJSON.h>

#include "core/base.h"

/* Appends. Objects, strings and whole numbers; anything else becomes null. */
void fleet_cbor_write(const cJSON *item, struct prov_buf *out);
/* One map and nothing behind it; NULL when it is anything else. Free with cJSON_Delete. */
cJSON *fleet_cbor_read(struct prov_span cbor);

#endif
