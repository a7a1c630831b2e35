/* A certificate's status: which may follow which, and how many there are of each. */
#include "reg.h"

static const char *const status_names[] = {
    [PROV_CERT_INACTIVE] = "INACTIVE",
    [PROV_CERT_ACTIVE] = "ACTIVE",
    [PROV_CERT_REVOKED] = "REVOKED",
    [PROV_CERT_PENDING_TRANSFER] = "PENDING_TRANSFER",
    [PROV_CERT_PENDING_ACTIVATION] = "PENDING_ACTIVATION",
};
_Static_assert(PROV_COUNT(status_names) == PROV_CERT_STATUSES, "a status was added without a name");

const char *prov_cert_status_name(enum prov_cert_status status)
{
    return (size_t)status < PROV_COUNT(status_names) ? status_names[status] : "UNKNOWN";
}

bool prov_cert_status_parse(struct prov_span text, enum prov_cert_status *out)
{
    for (size_t i = 0; i < PROV_COUNT(status_names); i++) {
        if (prov_span_eq_nocase(text, prov_span_str(status_names[i]))) {
            *out = (enum prov_cert_status)i;
            return true;
        }
    }
    return false;
}

/* ---- UpdateCertificate ----------------------------------------------------------------------- */

/* UpdateCertificate's part of the table of reference 5.4: may `from` become `to`? */
static const bool transitions[PROV_CERT_STATUSES][PROV_CERT_STATUSES] = {
    [PROV_CERT_INACTIVE] = { [PROV_CERT_INACTIVE] = true,
                             [PROV_CERT_ACTIVE] = true,
                             [PROV_CERT_REVOKED] = true },
    [PROV_CERT_ACTIVE] = { [PROV_CERT_INACTIVE] = true,
                           [PROV_CERT_ACTIVE] = true,
                           [PROV_CERT_REVOKED] = true },
    [PROV_CERT_REVOKED] = { [PROV_CERT_REVOKED] = true },
    [PROV_CERT_PENDING_ACTIVATION] = { [PROV_CERT_INACTIVE] = true,
                                       [PROV_CERT_ACTIVE] = true,
                                       [PROV_CERT_REVOKED] = true },
};

enum prov_rc reg_status_reachable(struct prov_tx *tx, enum prov_cert_status from,
                                  enum prov_cert_status to)
{
    if ((size_t)from < PROV_CERT_STATUSES && transitions[from][to])
        return PROV_OK;
    return prov_fail(tx->err, PROV_EDENIED, REG_STATE, "a certificate that is %s cannot become %s",
                     prov_cert_status_name(from), prov_cert_status_name(to));
}

enum prov_rc prov_cert_set_status(struct prov_tx *tx, const struct prov_id *id,
                                  enum prov_cert_status status)
{
    struct prov_cert cert;
    enum prov_rc rc;

    if (status == PROV_CERT_PENDING_ACTIVATION || status == PROV_CERT_PENDING_TRANSFER)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "%s cannot be set: only the flows that use it do",
                         prov_cert_status_name(status));
    rc = prov_cert_get(tx, id, &cert);
    if (rc == PROV_OK)
        rc = reg_status_reachable(tx, cert.status, status);
    if (rc != PROV_OK || cert.status == status)
        return rc;
    cert.status = status;
    return reg_cert_put(tx, &cert);
}

/* ---- counts ---------------------------------------------------------------------------------- */

/* A status is never given another number: certificates' records have them too. */
#define COUNT(tag, status)                                                                         \
    {                                                                                              \
        tag, PROV_FIELD_I64, offsetof(struct reg_counts, of) + (status) * sizeof(int64_t), 0, 0    \
    }

static const struct prov_field count_fields[] = {
    COUNT(1, PROV_CERT_INACTIVE),
    COUNT(2, PROV_CERT_ACTIVE),
    COUNT(3, PROV_CERT_REVOKED),
    COUNT(4, PROV_CERT_PENDING_TRANSFER),
    COUNT(5, PROV_CERT_PENDING_ACTIVATION),
    { 64, PROV_FIELD_I64, offsetof(struct reg_counts, temporary), 0, 0 },
};
_Static_assert(PROV_COUNT(count_fields) == PROV_CERT_STATUSES + 1, "a status is not counted");
const struct prov_record reg_counts_record = { count_fields, PROV_COUNT(count_fields),
                                               sizeof(struct reg_counts) };

#define COUNTS_KEY PROV_LIT("counts")

enum prov_rc reg_counts_get(struct prov_tx *tx, struct reg_counts *out)
{
    const enum prov_rc rc = reg_exists(tx, REG_META, COUNTS_KEY);

    if (rc == PROV_OK)
        return reg_get(tx, REG_META, &reg_counts_record, "record", COUNTS_KEY, out);
    *out = (struct reg_counts){ .temporary = 0 };
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

static enum prov_rc counts_put(struct prov_tx *tx, const struct reg_counts *counts)
{
    return reg_put(tx, REG_META, &reg_counts_record, COUNTS_KEY, counts);
}

enum prov_rc reg_count_status(struct prov_tx *tx, uint32_t from, uint32_t to)
{
    struct reg_counts counts;
    enum prov_rc rc;

    if (from == to)
        return PROV_OK;
    rc = reg_counts_get(tx, &counts);
    if (rc != PROV_OK)
        return rc;
    if (from < PROV_CERT_STATUSES)
        counts.of[from]--;
    if (to < PROV_CERT_STATUSES)
        counts.of[to]++;
    return counts_put(tx, &counts);
}

enum prov_rc reg_count_temporary(struct prov_tx *tx, int by)
{
    struct reg_counts counts;
    const enum prov_rc rc = reg_counts_get(tx, &counts);

    if (rc != PROV_OK)
        return rc;
    counts.temporary += by;
    return counts_put(tx, &counts);
}

enum prov_rc prov_cert_counts(struct prov_tx *tx, uint64_t out[static PROV_CERT_STATUSES])
{
    struct reg_counts counts;
    const enum prov_rc rc = reg_counts_get(tx, &counts);

    for (size_t i = 0; rc == PROV_OK && i < PROV_CERT_STATUSES; i++)
        out[i] = counts.of[i] > 0 ? (uint64_t)counts.of[i] : 0; /* a damaged store's may be less */
    return rc;
}
