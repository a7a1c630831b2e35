#include <openssl/rand.h>

#include "reg.h"

static const struct prov_field settings_fields[] = {
    { 1, PROV_FIELD_SPAN, offsetof(struct reg_settings, account_id), 0, 0 },
    { 2, PROV_FIELD_SPAN, offsetof(struct reg_settings, region), 0, 0 },
    { 3, PROV_FIELD_SPAN, offsetof(struct reg_settings, registration_code), 0, 0 },
};
const struct prov_record reg_settings_record = { settings_fields, PROV_COUNT(settings_fields),
                                                 sizeof(struct reg_settings) };

enum prov_rc prov_settings_get(struct prov_tx *tx, struct prov_settings *out)
{
    struct reg_settings s = { PROV_LIT("000000000000"), PROV_LIT("local"), { NULL, 0 } };
    enum prov_rc rc;

    rc = reg_exists(tx, REG_META, PROV_LIT("settings"));
    if (rc == PROV_OK)
        rc = reg_get(tx, REG_META, &reg_settings_record, "settings", PROV_LIT("settings"), &s);
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        return rc;
    if (!prov_span_copy(s.account_id, out->account_id, sizeof out->account_id) ||
        !prov_span_copy(s.region, out->region, sizeof out->region) ||
        !prov_span_copy(s.registration_code, out->registration_code, sizeof out->registration_code))
        return prov_fail(tx->err, PROV_ESTORE, REG_INTERNAL, "the settings record is damaged");
    return PROV_OK;
}

static enum prov_rc settings_put(struct prov_tx *tx, const struct prov_settings *settings)
{
    const struct reg_settings s = { prov_span_str(settings->account_id),
                                    prov_span_str(settings->region),
                                    prov_span_str(settings->registration_code) };
    const enum prov_rc rc = reg_put(tx, REG_META, &reg_settings_record, PROV_LIT("settings"), &s);

    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_SETTINGS, prov_span(NULL, 0));
}

static bool only_of(const char *s, const char *legal)
{
    return s[strspn(s, legal)] == '\0';
}

enum prov_rc prov_settings_set(struct prov_tx *tx, const char *account_id, const char *region)
{
    struct prov_settings s;
    enum prov_rc rc;

    rc = prov_settings_get(tx, &s);
    if (rc != PROV_OK)
        return rc;
    if (account_id != NULL) {
        if (strlen(account_id) != 12 || !only_of(account_id, "0123456789"))
            return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                             "an account id has exactly 12 digits");
        memcpy(s.account_id, account_id, sizeof s.account_id);
    }
    if (region != NULL) {
        if (*region == '\0' || !only_of(region, "abcdefghijklmnopqrstuvwxyz0123456789-") ||
            !prov_span_copy(prov_span_str(region), s.region, sizeof s.region))
            return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                             "a region has 1 to %zu of a-z, 0-9 and -", sizeof s.region - 1);
    }
    return settings_put(tx, &s);
}

enum prov_rc prov_registration_code(struct prov_tx *tx, char out[static PROV_ID_HEX + 1])
{
    struct prov_settings s;
    struct prov_id code;
    enum prov_rc rc;

    rc = prov_settings_get(tx, &s);
    if (rc != PROV_OK)
        return rc;
    if (s.registration_code[0] == '\0') {
        if (RAND_bytes(code.b, sizeof code.b) != 1)
            return prov_fail(tx->err, PROV_EBUG, REG_INTERNAL, "no random numbers to be had");
        prov_id_hex(&code, s.registration_code);
        rc = settings_put(tx, &s);
        if (rc != PROV_OK)
            return rc;
    }
    memcpy(out, s.registration_code, sizeof s.registration_code);
    return PROV_OK;
}

enum prov_rc prov_arn(struct prov_tx *tx, const char *kind, struct prov_span name,
                      struct prov_buf *out)
{
    struct prov_settings s;
    const enum prov_rc rc = prov_settings_get(tx, &s);

    if (rc != PROV_OK)
        return rc;
    prov_buf_addf(out, "arn:aws:iot:%s:%s:%s/", s.region, s.account_id, kind);
    prov_buf_add(out, name);
    return out->rc == PROV_ENOMEM ? prov_nomem(tx->err) : out->rc;
}
