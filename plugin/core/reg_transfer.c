/* Transfers of certificates between accounts (reference 5.4). */
#include "reg.h"

#define CONFLICT "TransferConflictException"
#define COMPLETED "TransferAlreadyCompletedException"

static enum prov_rc account_check(struct prov_tx *tx, struct prov_span account)
{
    struct prov_settings settings;
    bool digits = account.n == sizeof settings.account_id - 1;
    enum prov_rc rc;

    for (size_t i = 0; i < account.n && digits; i++)
        digits = account.p[i] >= '0' && account.p[i] <= '9';
    if (!digits)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID, "an account id has exactly 12 digits");
    rc = prov_settings_get(tx, &settings);
    if (rc == PROV_OK && prov_span_eq_str(account, settings.account_id))
        rc = prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                       "%s is this registry's own account: the certificate is there already",
                       settings.account_id);
    return rc;
}

static enum prov_rc text_check(struct prov_tx *tx, const char *what, struct prov_span text)
{
    if (text.n <= PROV_MAX_TRANSFER_MESSAGE && prov_utf8_valid(text))
        return PROV_OK;
    return prov_fail(tx->err, PROV_EINVAL, REG_INVALID, "a %s has at most %d bytes of UTF-8", what,
                     PROV_MAX_TRANSFER_MESSAGE);
}

static enum prov_rc transferable(struct prov_tx *tx, const struct prov_cert *cert)
{
    const enum prov_rc rc = reg_cert_lasting(tx, cert, "be transferred");

    if (rc != PROV_OK)
        return rc;
    if (cert->status != PROV_CERT_INACTIVE)
        return prov_fail(tx->err, PROV_EDENIED, REG_STATE,
                         "only an INACTIVE certificate can be transferred; this one is %s",
                         prov_cert_status_name(cert->status));
    if (cert->n_policies != 0)
        return prov_fail(tx->err, PROV_EDENIED, CONFLICT,
                         "policy \"%.*s\" is attached to the certificate: detach it first",
                         PROV_SPAN_ARG(cert->policies[0]));
    if (cert->n_things != 0)
        return prov_fail(tx->err, PROV_EDENIED, CONFLICT,
                         "the certificate is attached to thing \"%.*s\": detach it first",
                         PROV_SPAN_ARG(cert->things[0]));
    return PROV_OK;
}

static void forget_transfer(struct prov_cert *cert)
{
    const struct prov_span none = { NULL, 0 };

    cert->transfer_account = cert->transfer_message = cert->transfer_reason = none;
    cert->transfer_ms = cert->accepted_ms = cert->rejected_ms = 0;
}

enum prov_rc prov_cert_transfer(struct prov_tx *tx, const struct prov_id *id,
                                struct prov_span account, struct prov_span message)
{
    struct prov_cert cert;
    enum prov_rc rc;

    rc = account_check(tx, account);
    if (rc == PROV_OK)
        rc = text_check(tx, "transfer message", message);
    if (rc == PROV_OK)
        rc = prov_cert_get(tx, id, &cert);
    if (rc == PROV_OK)
        rc = transferable(tx, &cert);
    if (rc != PROV_OK)
        return rc;
    forget_transfer(&cert);
    cert.transfer_account = account;
    cert.transfer_message = message;
    cert.transfer_ms = tx->now_ms;
    cert.status = PROV_CERT_PENDING_TRANSFER;
    return reg_cert_put(tx, &cert);
}

/* The certificate, which must be on offer. */
static enum prov_rc on_offer(struct prov_tx *tx, const struct prov_id *id, struct prov_cert *cert)
{
    const enum prov_rc rc = prov_cert_get(tx, id, cert);

    if (rc != PROV_OK || cert->status == PROV_CERT_PENDING_TRANSFER)
        return rc;
    if (cert->accepted_ms != 0)
        return prov_fail(tx->err, PROV_ECONFLICT, COMPLETED,
                         "the certificate's transfer was accepted already");
    return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                     "the certificate is not being transferred: it is %s",
                     prov_cert_status_name(cert->status));
}

enum prov_rc prov_cert_transfer_accept(struct prov_tx *tx, const struct prov_id *id, bool active)
{
    struct prov_cert cert;
    const enum prov_rc rc = on_offer(tx, id, &cert);

    if (rc != PROV_OK)
        return rc;
    cert.accepted_ms = tx->now_ms;
    cert.status = active ? PROV_CERT_ACTIVE : PROV_CERT_INACTIVE;
    return reg_cert_put(tx, &cert);
}

enum prov_rc prov_cert_transfer_reject(struct prov_tx *tx, const struct prov_id *id,
                                       struct prov_span reason)
{
    struct prov_cert cert;
    enum prov_rc rc;

    rc = text_check(tx, "reason", reason);
    if (rc == PROV_OK)
        rc = on_offer(tx, id, &cert);
    if (rc != PROV_OK)
        return rc;
    cert.transfer_reason = reason;
    cert.rejected_ms = tx->now_ms;
    cert.status = PROV_CERT_INACTIVE;
    return reg_cert_put(tx, &cert);
}

enum prov_rc prov_cert_transfer_cancel(struct prov_tx *tx, const struct prov_id *id)
{
    struct prov_cert cert;
    const enum prov_rc rc = on_offer(tx, id, &cert);

    if (rc != PROV_OK)
        return rc;
    forget_transfer(&cert);
    cert.status = PROV_CERT_INACTIVE;
    return reg_cert_put(tx, &cert);
}
