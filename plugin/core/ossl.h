/* ossl.h - telling OpenSSL's failures apart, for core's own use. */
#ifndef PROV_OSSL_H
#define PROV_OSSL_H

#include <stdbool.h>

#include <openssl/err.h>

/*
 * Did the call that just failed fail for want of memory? The first error queued is the cause; those
 * behind it tell who passed it on.
 */
static inline bool prov_ossl_nomem(void)
{
    return ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE ||
           ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

#endif
