/*
 * cbor_late.h - libcbor, opened when the plugin starts instead of linked: its soname differs from
 * one Debian release to the next (libcbor.so.0.8, libcbor.so.0.10), and with one of them among the
 * plugin's needs the broker of another release would not load it.
 *
 * core is compiled against <cbor.h> and calls the functions by their names. A program that links
 * libcbor has them there. The plugin does not link it and finds them in cbor_late.c, which hands
 * each call on.
 */
#ifndef PROV_CBOR_LATE_H
#define PROV_CBOR_LATE_H

#include <stdbool.h>

/*
 * Opens the libcbor that there is. False, and *why a static text that names what to install, when
 * none is there of those whose functions this plugin knows how to call. Until it returned true,
 * cbor_stream_decode finds every input malformed, and what encodes writes nothing.
 *
 * libcbor stays open until the process ends. Thread: one at a time, before others read or write
 * CBOR.
 */
bool prov_cbor_load(const char **why);

#endif
