#include "cbor_late.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include <cbor.h>

#include "core/base.h"

static struct {
    struct cbor_decoder_result (*stream_decode)(cbor_data p, size_t n,
                                                const struct cbor_callbacks *callbacks, void *ctx);
    size_t (*encode_uint)(uint64_t value, unsigned char *p, size_t cap);
    size_t (*encode_negint)(uint64_t value, unsigned char *p, size_t cap);
    size_t (*encode_string_start)(size_t n, unsigned char *p, size_t cap);
    size_t (*encode_map_start)(size_t n, unsigned char *p, size_t cap);
} opened;

static const char *const functions[] = {
    "cbor_stream_decode",       "cbor_encode_uint",      "cbor_encode_negint",
    "cbor_encode_string_start", "cbor_encode_map_start",
};
_Static_assert(PROV_COUNT(functions) * sizeof(void (*)(void)) == sizeof opened,
               "a function was added that is not looked up");

#define TEXT_OF(x) #x
#define SONAME(major, minor) "libcbor.so." TEXT_OF(major) "." TEXT_OF(minor)

/*
 * The one of the headers first. The others have the same functions and the same struct
 * cbor_callbacks, but for lengths, which are uint64_t since 0.9 and were size_t before: the same
 * where both have 64 bits, and elsewhere only the headers' own will do. A later libcbor is not
 * tried: its struct may have more members than this plugin fills in (upstream has added one).
 */
static const char *const sonames[] = {
    SONAME(CBOR_MAJOR_VERSION, CBOR_MINOR_VERSION),
#if SIZE_MAX == UINT64_MAX
    "libcbor.so.0.10",
    "libcbor.so.0.8",
    "libcbor.so.0.9",
    "libcbor.so.0.11",
    "libcbor.so.0.12",
    "libcbor.so.0.13",
#endif
};

static bool look_up(void *library)
{
    void *found[PROV_COUNT(functions)];

    for (size_t i = 0; i < PROV_COUNT(functions); i++) {
        found[i] = dlsym(library, functions[i]);
        if (found[i] == NULL)
            return false;
    }
    /* POSIX has dlsym give functions as object pointers; copying says so without a cast */
    memcpy(&opened, found, sizeof opened);
    return true;
}

bool prov_cbor_load(const char **why)
{
    for (size_t i = 0; i < PROV_COUNT(sonames); i++) {
        void *library = dlopen(sonames[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

        if (library != NULL && look_up(library))
            return true;
    }
    *why = "libcbor is missing, or is none that this plugin knows: install the package libcbor0.10 "
           "(libcbor0.8 on Debian 12)";
    return false;
}

/* ---- what core calls ------------------------------------------------------------------------- */

struct cbor_decoder_result cbor_stream_decode(cbor_data p, size_t n,
                                              const struct cbor_callbacks *callbacks, void *ctx)
{
    if (opened.stream_decode == NULL)
        return (struct cbor_decoder_result){ .status = CBOR_DECODER_ERROR };
    return opened.stream_decode(p, n, callbacks, ctx);
}

size_t cbor_encode_uint(uint64_t value, unsigned char *p, size_t cap)
{
    return opened.encode_uint == NULL ? 0 : opened.encode_uint(value, p, cap);
}

size_t cbor_encode_negint(uint64_t value, unsigned char *p, size_t cap)
{
    return opened.encode_negint == NULL ? 0 : opened.encode_negint(value, p, cap);
}

size_t cbor_encode_string_start(size_t n, unsigned char *p, size_t cap)
{
    return opened.encode_string_start == NULL ? 0 : opened.encode_string_start(n, p, cap);
}

size_t cbor_encode_map_start(size_t n, unsigned char *p, size_t cap)
{
    return opened.encode_map_start == NULL ? 0 : opened.encode_map_start(n, p, cap);
}
