/* Claims' limits: one record a certificate that has any. The asking is claim.c's. */
#include "claim.h"

#include "reg.h"

static const struct prov_field claim_fields[] = {
    { 1, PROV_FIELD_SPANS, offsetof(struct prov_claim, templates),
      offsetof(struct prov_claim, n_templates), PROV_MAX_CLAIM_TEMPLATES },
    { 2, PROV_FIELD_U32, offsetof(struct prov_claim, max_uses), 0, 0 },
    { 3, PROV_FIELD_U32, offsetof(struct prov_claim, uses), 0, 0 },
    { 4, PROV_FIELD_U32, offsetof(struct prov_claim, rate), 0, 0 },
    { 5, PROV_FIELD_U32, offsetof(struct prov_claim, rate_s), 0, 0 },
    { 6, PROV_FIELD_I64, offsetof(struct prov_claim, not_before_ms), 0, 0 },
    { 7, PROV_FIELD_I64, offsetof(struct prov_claim, not_after_ms), 0, 0 },
    { 8, PROV_FIELD_SPANS, offsetof(struct prov_claim, networks),
      offsetof(struct prov_claim, n_networks), PROV_MAX_CLAIM_NETWORKS },
    { 9, PROV_FIELD_SPANS, offsetof(struct prov_claim, listed),
      offsetof(struct prov_claim, n_listed), PROV_MAX_CLAIM_PARAMETERS },
    { 10, PROV_FIELD_U32, offsetof(struct prov_claim, values), 0, 0 },
    { 11, PROV_FIELD_U32, offsetof(struct prov_claim, suspend_after), 0, 0 },
    { 12, PROV_FIELD_I64, offsetof(struct prov_claim, suspended_ms), 0, 0 },
    { 13, PROV_FIELD_SPAN, offsetof(struct prov_claim, suspended_why), 0, 0 },
    { 14, PROV_FIELD_I64, offsetof(struct prov_claim, modified_ms), 0, 0 },
};
const struct prov_record reg_claim_record = { claim_fields, PROV_COUNT(claim_fields),
                                              sizeof(struct prov_claim) };

enum prov_rc prov_claim_get(struct prov_tx *tx, const struct prov_id *cert, struct prov_claim *out)
{
    const struct prov_id id = *cert; /* which may be out's own */
    enum prov_rc rc;

    memset(out, 0, sizeof *out);
    rc = reg_exists(tx, REG_CLAIM, prov_id_span(&id));
    if (rc == PROV_OK)
        rc = reg_get(tx, REG_CLAIM, &reg_claim_record, "claim", prov_id_span(&id), out);
    out->cert = id;
    return rc;
}

enum prov_rc reg_claim_put(struct prov_tx *tx, struct prov_claim *claim, bool limits)
{
    enum prov_rc rc;

    if (limits)
        claim->modified_ms = tx->now_ms;
    rc = reg_put(tx, REG_CLAIM, &reg_claim_record, prov_id_span(&claim->cert), claim);
    if (rc != PROV_OK || !limits)
        return rc;
    return prov_feed_append(tx, PROV_CHANGED_CERT, prov_id_span(&claim->cert));
}

enum prov_rc reg_claim_edit(struct prov_tx *tx, const struct prov_id *id, bool lasting,
                            struct prov_claim *out)
{
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(tx, id, &cert);
    if (rc == PROV_OK && lasting)
        rc = reg_cert_lasting(tx, &cert, "be given other limits");
    if (rc != PROV_OK)
        return rc;
    rc = prov_claim_get(tx, id, out);
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

/* ---- limits ---------------------------------------------------------------------------------- */

static enum prov_rc too_many(struct prov_tx *tx, const char *what, int max)
{
    return prov_fail(tx->err, PROV_EINVAL, REG_INVALID, "a claim has at most %d %s", max, what);
}

static enum prov_rc template_check(struct prov_tx *tx, struct prov_span name)
{
    struct prov_template_info info;
    const enum prov_rc rc = prov_template_get(tx, name, &info);

    if (rc == PROV_OK && info.type != PROV_TEMPLATE_FLEET)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "template \"%.*s\" is of type JITP: nobody claims by it",
                         PROV_SPAN_ARG(name));
    return rc;
}

/* Each once: they are indexed. */
static enum prov_rc take_templates(struct prov_tx *tx, const struct prov_claim_change *change,
                                   struct prov_claim *claim)
{
    enum prov_rc rc;

    if (change->templates == NULL)
        return PROV_OK;
    claim->n_templates = 0;
    for (size_t i = 0; i < change->n_templates; i++) {
        if (reg_has(claim->templates, claim->n_templates, change->templates[i]))
            continue;
        rc = template_check(tx, change->templates[i]);
        if (rc != PROV_OK)
            return rc;
        if (claim->n_templates == PROV_MAX_CLAIM_TEMPLATES)
            return too_many(tx, "templates", PROV_MAX_CLAIM_TEMPLATES);
        claim->templates[claim->n_templates++] = change->templates[i];
    }
    return PROV_OK;
}

static enum prov_rc take_networks(struct prov_tx *tx, const struct prov_claim_change *change,
                                  struct prov_claim *claim)
{
    if (change->networks == NULL)
        return PROV_OK;
    if (change->n_networks > PROV_MAX_CLAIM_NETWORKS)
        return too_many(tx, "networks", PROV_MAX_CLAIM_NETWORKS);
    claim->n_networks = 0;
    for (size_t i = 0; i < change->n_networks; i++) {
        if (!prov_claim_network(change->networks[i]))
            return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                             "\"%.*s\" is no network: write 192.0.2.0/24 or 2001:db8::/32, or an "
                             "address alone",
                             PROV_SPAN_ARG(change->networks[i]));
        claim->networks[claim->n_networks++] = change->networks[i];
    }
    return PROV_OK;
}

static enum prov_rc take_numbers(struct prov_tx *tx, const struct prov_claim_change *change,
                                 struct prov_claim *claim)
{
    const struct {
        uint32_t *to;
        const uint32_t *from;
    } numbers[] = {
        { &claim->max_uses, change->max_uses },
        { &claim->uses, change->uses },
        { &claim->rate, change->rate },
        { &claim->rate_s, change->rate_s },
        { &claim->suspend_after, change->suspend_after },
    };

    for (size_t i = 0; i < PROV_COUNT(numbers); i++) {
        if (numbers[i].from != NULL)
            *numbers[i].to = *numbers[i].from;
    }
    if (change->not_before_ms != NULL)
        claim->not_before_ms = *change->not_before_ms;
    if (change->not_after_ms != NULL)
        claim->not_after_ms = *change->not_after_ms;
    if ((claim->rate == 0) != (claim->rate_s == 0))
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "a rate is a number of certificates in a number of seconds: give both");
    if (claim->not_before_ms < 0 || claim->not_after_ms < 0)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID, "a window begins and ends after 1970");
    if (claim->not_after_ms != 0 && claim->not_after_ms <= claim->not_before_ms)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "the window ends before it begins, and nobody would ever be let in");
    return PROV_OK;
}

/* Names that outlive the record they were in. */
struct names {
    char text[PROV_MAX_CLAIM_TEMPLATES][PROV_MAX_NAME + 1];
    size_t n;
};

static void copy_names(const struct prov_claim *claim, struct names *out)
{
    out->n = 0;
    for (size_t i = 0; i < claim->n_templates; i++) {
        if (prov_span_copy(claim->templates[i], out->text[out->n], sizeof out->text[0]))
            out->n++;
    }
}

static enum prov_rc unlink_templates(struct prov_tx *tx, const struct prov_id *id,
                                     const struct names *names)
{
    enum prov_rc rc = PROV_OK;

    for (size_t i = 0; rc == PROV_OK && i < names->n; i++)
        rc = reg_link_del(tx, REG_CLAIM_OF_TEMPLATE, prov_span_str(names->text[i]),
                          prov_id_span(id));
    return rc;
}

static enum prov_rc move_templates(struct prov_tx *tx, const struct prov_id *id,
                                   const struct names *before,
                                   const struct prov_claim_change *change)
{
    enum prov_rc rc;

    if (change->templates == NULL)
        return PROV_OK;
    rc = unlink_templates(tx, id, before);
    for (size_t i = 0; rc == PROV_OK && i < change->n_templates; i++)
        rc = reg_link_add(tx, REG_CLAIM_OF_TEMPLATE, change->templates[i], prov_id_span(id));
    return rc;
}

enum prov_rc prov_claim_update(struct prov_tx *tx, const struct prov_id *cert,
                               const struct prov_claim_change *change)
{
    struct prov_claim claim;
    struct names before;
    enum prov_rc rc;

    rc = reg_claim_edit(tx, cert, true, &claim);
    if (rc != PROV_OK)
        return rc;
    copy_names(&claim, &before);
    rc = take_templates(tx, change, &claim);
    if (rc == PROV_OK)
        rc = take_networks(tx, change, &claim);
    if (rc == PROV_OK)
        rc = take_numbers(tx, change, &claim);
    if (rc == PROV_OK)
        rc = reg_claim_put(tx, &claim, true);
    return rc != PROV_OK ? rc : move_templates(tx, &claim.cert, &before, change);
}

enum prov_rc reg_forget_claim(struct prov_tx *tx, const struct prov_id *cert)
{
    const struct prov_id id = *cert;
    struct names names = { .n = 0 };
    struct prov_claim claim;
    struct prov_span bytes;
    uint32_t values;
    enum prov_rc rc;

    rc = prov_txn_get(tx->txn, REG_CLAIM, prov_id_span(&id), &bytes);
    if (rc != PROV_OK)
        return rc == PROV_ENOTFOUND ? PROV_OK : reg_store_result(tx, rc);
    if (prov_record_read(&reg_claim_record, bytes, &claim) == PROV_OK)
        copy_names(&claim, &names);
    rc = reg_del(tx, REG_CLAIM, prov_id_span(&id));
    if (rc == PROV_OK)
        rc = unlink_templates(tx, &id, &names);
    return rc != PROV_OK ? rc : reg_forget_values(tx, &id, prov_span(NULL, 0), &values);
}

enum prov_rc prov_claim_clear(struct prov_tx *tx, const struct prov_id *cert)
{
    struct prov_cert found;
    enum prov_rc rc;

    rc = prov_cert_get(tx, cert, &found);
    if (rc != PROV_OK)
        return rc;
    rc = reg_exists(tx, REG_CLAIM, prov_id_span(cert));
    if (rc != PROV_OK)
        return rc == PROV_ENOTFOUND ? PROV_OK : rc;
    rc = reg_forget_claim(tx, cert);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_CERT, prov_id_span(cert));
}

/* ---- suspension ------------------------------------------------------------------------------ */

#define MAX_WHY 256

enum prov_rc prov_claim_suspend(struct prov_tx *tx, const struct prov_id *cert,
                                struct prov_span why)
{
    struct prov_claim claim;
    enum prov_rc rc;

    if (why.n > MAX_WHY || !prov_utf8_valid(why))
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "a reason has at most %d bytes of UTF-8", MAX_WHY);
    rc = reg_claim_edit(tx, cert, false, &claim);
    if (rc != PROV_OK || claim.suspended_ms != 0)
        return rc;
    claim.suspended_ms = tx->now_ms;
    claim.suspended_why = why;
    return reg_claim_put(tx, &claim, true);
}

enum prov_rc prov_claim_resume(struct prov_tx *tx, const struct prov_id *cert)
{
    struct prov_claim claim;
    const enum prov_rc rc = reg_claim_edit(tx, cert, false, &claim);

    if (rc != PROV_OK || claim.suspended_ms == 0)
        return rc;
    claim.suspended_ms = 0;
    claim.suspended_why = prov_span(NULL, 0);
    return reg_claim_put(tx, &claim, true);
}

/* ---- a template goes ------------------------------------------------------------------------- */

/* Does the claim's record name the template? What cannot be read might. */
static enum prov_rc names_template(struct prov_tx *tx, const struct prov_id *id,
                                   struct prov_span name, bool *yes)
{
    struct prov_claim claim;
    struct prov_span bytes;
    enum prov_rc rc;

    *yes = false;
    rc = prov_txn_get(tx->txn, REG_CLAIM, prov_id_span(id), &bytes);
    if (rc == PROV_OK)
        *yes = prov_record_read(&reg_claim_record, bytes, &claim) != PROV_OK ||
               reg_has(claim.templates, claim.n_templates, name);
    return rc == PROV_ENOTFOUND ? PROV_OK : reg_store_result(tx, rc);
}

static enum prov_rc leave_template(struct prov_tx *tx, const struct prov_id *id,
                                   struct prov_span name)
{
    char hex[PROV_ID_HEX + 1];
    struct prov_cert cert;
    enum prov_rc rc;
    bool named;

    rc = reg_cert_find(tx, id, &cert);
    if (rc == PROV_OK && cert.claim_template.n != 0)
        return reg_cert_remove(tx, &cert);
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        return rc;
    rc = names_template(tx, id, name, &named);
    if (rc != PROV_OK || !named)
        return rc;
    prov_id_hex(id, hex);
    return prov_fail(tx->err, PROV_EDENIED, REG_IN_USE,
                     "claim %s is limited to template \"%.*s\": give it other limits first", hex,
                     PROV_SPAN_ARG(name));
}

enum prov_rc reg_forget_claims_of_template(struct prov_tx *tx, struct prov_span name)
{
    uint8_t member[PROV_STORE_KEY_MAX];
    struct prov_id id;
    enum prov_rc rc;
    size_t n;

    for (;;) {
        rc = reg_link_first(tx, REG_CLAIM_OF_TEMPLATE, name, member, &n);
        if (rc != PROV_OK)
            return rc == PROV_ENOTFOUND ? PROV_OK : rc;
        if (n == PROV_ID_LEN) {
            memcpy(id.b, member, n);
            rc = leave_template(tx, &id, name);
        }
        if (rc == PROV_OK) /* whatever it led to: the loop must end */
            rc = reg_link_del(tx, REG_CLAIM_OF_TEMPLATE, name, prov_span(member, n));
        if (rc != PROV_OK)
            return rc;
    }
}
