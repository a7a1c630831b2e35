#include <stdlib.h>

#include <openssl/evp.h>

#include "cmd_ca.h"
#include "core/crl.h"
#include "core/view.h"
#include "progress.h"

/* Certificates that are looked at in one read transaction. */
#define PAGE 4096

/* ---- the answer ------------------------------------------------------------------------------ */

static unsigned long long count(const cJSON *data, const char *key)
{
    const double n = ctl_get_number(data, key);

    return n > 0 && n < 1e15 ? (unsigned long long)n : 0;
}

static void put_cas(struct prov_buf *out, const cJSON *cas)
{
    const cJSON *ca;

    cJSON_ArrayForEach(ca, cas)
    {
        prov_buf_addf(out, "%s%s", out->n == 0 ? "" : ", ", ctl_short(ctl_element(ca, NULL)).text);
    }
}

static enum prov_rc say_imported(struct ctl *ctl, const cJSON *data)
{
    struct prov_buf cas;

    prov_buf_init(&cas, 4096);
    put_cas(&cas, ctl_get_array(data, "caCertificateIds"));
    ctl_say(ctl, "revocation list of CA %s imported, with %llu entries\n", prov_buf_cstr(&cas),
            count(data, "entries"));
    ctl_release(&ctl->out, &cas);
    ctl_fieldf(ctl, "revoked now", "%llu", count(data, "revoked"));
    ctl_fieldf(ctl, "on hold now", "%llu", count(data, "deactivated"));
    ctl_fieldf(ctl, "were out before", "%llu", count(data, "alreadyRevoked"));
    ctl_fieldf(ctl, "not seen yet", "%llu", count(data, "unseen"));
    ctl_field_time(ctl, "issued", ctl_get_time(data, "thisUpdate"));
    if (ctl_get_time(data, "nextUpdate") != 0)
        ctl_field_time(ctl, "next", ctl_get_time(data, "nextUpdate"));
    if (ctl_get_bool(data, "stale"))
        ctl_note(ctl, "provctl: a newer list is due since then: get it from the CA");
    return PROV_OK;
}

/* ---- on the store ---------------------------------------------------------------------------- */

struct import {
    struct ctl *ctl;
    struct prov_crl *crl;
    struct ctl_progress progress;
};

/*
 * Looking for what a long list names takes a while: it is done in pages, without keeping anybody
 * from writing, and only then is written.
 */
static enum prov_rc find(struct import *i)
{
    bool more = true;
    enum prov_rc rc = PROV_OK;

    while (more && rc == PROV_OK) {
        rc = ctl_begin_read(i->ctl);
        if (rc == PROV_OK)
            rc = prov_crl_find(i->crl, &i->ctl->tx, PAGE, &more);
        if (rc == PROV_OK)
            rc = ctl_end(i->ctl);
        atomic_fetch_add(&i->progress.done, PAGE);
    }
    return rc;
}

/* In the transaction that the verb began, which ends here. */
static enum prov_rc look(struct import *i, struct prov_span bytes)
{
    uint64_t total = 0;
    enum prov_rc rc;

    rc = prov_crl_new(&i->ctl->tx, bytes, &i->crl);
    if (rc == PROV_OK)
        rc = prov_list_count(&i->ctl->tx, PROV_LIST_CERTS, &total);
    if (rc == PROV_OK)
        rc = ctl_end(i->ctl);
    if (rc != PROV_OK)
        return rc;
    ctl_progress_start(&i->progress, i->ctl, "looking at certificates", total, NULL, NULL);
    rc = find(i);
    ctl_progress_stop(&i->progress);
    return rc;
}

static enum prov_rc on_store(struct ctl *ctl, struct prov_span bytes, cJSON **data)
{
    struct prov_crl_result result = { .revoked = 0 };
    struct import i = { .ctl = ctl };
    enum prov_rc rc;

    rc = look(&i, bytes);
    if (rc == PROV_OK)
        rc = ctl_begin_write(ctl);
    if (rc == PROV_OK)
        rc = prov_crl_apply(i.crl, &ctl->tx, &result);
    if (rc == PROV_OK)
        rc = prov_view_crl(prov_crl_info(i.crl), &result, data);
    prov_crl_free(i.crl);
    return rc;
}

/* ---- through a broker ------------------------------------------------------------------------ */

/* PEM as it is, DER in base64. */
static enum prov_rc through_broker(struct ctl *ctl, struct prov_span bytes, cJSON **data)
{
    const bool pem = bytes.n != 0 && memmem(bytes.p, bytes.n, "-----BEGIN ", 11) != NULL;
    struct ctl_params params = ctl_params();
    unsigned char *text;

    if (pem) {
        ctl_put(&params, "crl", bytes);
        return ctl_call(ctl, "importCertificateRevocationList", &params, data);
    }
    text = malloc(4 * (bytes.n / 3 + 1) + 1);
    if (text != NULL)
        ctl_put(&params, "crl",
                prov_span(text, (size_t)EVP_EncodeBlock(text, bytes.p, (int)bytes.n)));
    else
        params.failed = true;
    free(text);
    return ctl_call(ctl, "importCertificateRevocationList", &params, data);
}

/* ---- either ---------------------------------------------------------------------------------- */

enum prov_rc ctl_ca_crl(struct ctl *ctl)
{
    struct prov_buf bytes = { 0 };
    cJSON *data = NULL;
    enum prov_rc rc;

    rc = ctl_read_file(ctl, ctl->args.words[0], PROV_MAX_CRL, &bytes);
    if (rc == PROV_OK)
        rc = (ctl->remote != NULL ? through_broker : on_store)(ctl, prov_buf_span(&bytes), &data);
    prov_buf_release(&bytes);
    return ctl_told(ctl, rc, data, say_imported);
}
