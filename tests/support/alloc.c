#include "alloc.h"

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <openssl/crypto.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t n);

static _Thread_local unsigned count, fail_at;
static _Thread_local bool struck, with_openssl;

static bool strikes(void)
{
    count++;
    if (fail_at == 0 || count != fail_at)
        return false;
    struck = true;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return strikes() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return strikes() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return strikes() ? NULL : __real_realloc(p, n);
}

static void *openssl_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return n == 0 || (with_openssl && strikes()) ? NULL : __real_malloc(n);
}

static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return with_openssl && strikes() ? NULL : __real_realloc(p, n);
}

static void openssl_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static void *cjson_malloc(size_t n)
{
    return __wrap_malloc(n);
}

/* OpenSSL takes other functions only before it has allocated anything. */
__attribute__((constructor)) static void install(void)
{
    cJSON_Hooks hooks = { cjson_malloc, free };

    cJSON_InitHooks(&hooks);
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1) {
        fprintf(stderr, "alloc: OpenSSL has allocated already\n");
        exit(2);
    }
}

void alloc_fail_at(unsigned n)
{
    count = 0;
    struck = false;
    fail_at = n;
}

bool alloc_failed(void)
{
    fail_at = 0;
    return struck;
}

unsigned alloc_count(void)
{
    return count;
}

void alloc_count_reset(void)
{
    alloc_fail_at(0);
}

void alloc_count_openssl(bool on)
{
    with_openssl = on;
}

bool alloc_openssl_tells(void)
{
    const unsigned long version = OpenSSL_version_num();

    return version < 0x30400000 || version >= 0x30600000;
}
