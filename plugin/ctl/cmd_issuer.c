#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/x509.h>

#include "core/doc.h"
#include "core/ident.h"
#include "issuer.h"
#include "key_files.h"
#include "nouns.h"
#include "run/signer.h"

/* Certificate and key: in the store's directory, or as --cert and --key name them. */
struct place {
    char *dir; /* absolute */
    struct ctl_new_file files[2];
};

static enum prov_rc find_place(struct ctl *ctl, struct place *place)
{
    static const char *const names[] = { PROV_ISSUER_CERT, PROV_ISSUER_KEY };
    const char *given[] = { ctl_opt(&ctl->args, OPT_CERT), ctl_opt(&ctl->args, OPT_KEY) };
    enum prov_rc rc = PROV_OK;

    if ((given[0] != NULL) != (given[1] != NULL))
        return ctl_usage(ctl, "--cert and --key go together");
    place->dir = realpath(ctl->db, NULL);
    if (place->dir == NULL)
        return prov_nomem(&ctl->err);
    for (size_t i = 0; i < PROV_COUNT(names) && rc == PROV_OK; i++) {
        if (given[i] == NULL)
            rc = ctl_new_file_at(ctl, &place->files[i], place->dir, names[i]);
        else if (!prov_span_copy(prov_span_str(given[i]), place->files[i].path,
                                 sizeof place->files[i].path))
            rc = ctl_usage(ctl, "%s: the name is too long", given[i]);
    }
    return rc;
}

static void release_place(struct place *place)
{
    free(place->dir);
    /* it may be a URI with a PIN */
    OPENSSL_cleanse(place->files[1].path, sizeof place->files[1].path);
}

static bool is_uri(const char *key)
{
    return strncmp(key, "pkcs11:", strlen("pkcs11:")) == 0;
}

/* ---- telling --------------------------------------------------------------------------------- */

static const char *key_kind(const struct prov_ident *ident)
{
    return ident->key_kind == PROV_KEY_EC ? "EC" : "RSA";
}

/* A URI without its attributes behind "?": the PIN is one. */
static struct prov_span key_place(const struct place *place)
{
    const char *key = place->files[1].path;

    return prov_span(key, is_uri(key) ? strcspn(key, "?") : strlen(key));
}

static enum prov_rc answer_json(struct ctl *ctl, const struct place *place,
                                const struct prov_ident *ident)
{
    struct prov_doc d = prov_doc_start(&ctl->tx);
    cJSON *validity;

    prov_doc_text(&d, d.root, "certificateFile", prov_span_str(place->files[0].path));
    prov_doc_text(&d, d.root, "privateKeyFile", key_place(place));
    prov_doc_id(&d, d.root, "certificateId", &ident->id);
    prov_doc_text(&d, d.root, "subject", ident->subject_text);
    prov_doc_text(&d, d.root, "keyKind", prov_span_str(key_kind(ident)));
    prov_doc_number(&d, d.root, "keyBits", ident->key_bits);
    validity = prov_doc_object(&d, d.root, "validity");
    prov_doc_number(&d, validity, "notBefore", (double)ident->not_before_s);
    prov_doc_number(&d, validity, "notAfter", (double)ident->not_after_s);
    return ctl_answer_doc(ctl, &d);
}

static enum prov_rc say_issuer(struct ctl *ctl, const struct place *place,
                               const struct prov_ident *ident)
{
    ctl_field(ctl, "issuer", ident->subject_text);
    ctl_field(ctl, "certificate", prov_span_str(place->files[0].path));
    ctl_field(ctl, "private key", key_place(place));
    ctl_fieldf(ctl, "kind of key", "%s, %u bits", key_kind(ident), ident->key_bits);
    ctl_field_time(ctl, "valid from", ident->not_before_s * 1000);
    ctl_field_time(ctl, "valid until", ident->not_after_s * 1000);
    return PROV_OK;
}

static enum prov_rc tell(struct ctl *ctl, const struct place *place, X509 *cert,
                         enum prov_rc (*say)(struct ctl *ctl, const struct place *place,
                                             const struct prov_ident *ident))
{
    struct prov_ident *ident = NULL;
    enum prov_rc rc;

    rc = prov_ident_new(cert, &ident, &ctl->err);
    if (rc == PROV_OK)
        rc = (ctl->json ? answer_json : say)(ctl, place, ident);
    prov_ident_free(ident);
    return rc;
}

/* ---- create ---------------------------------------------------------------------------------- */

static enum prov_rc say_created(struct ctl *ctl, const struct place *place,
                                const struct prov_ident *ident)
{
    (void)!say_issuer(ctl, place, ident);
    if (ctl_has(&ctl->args, OPT_CERT))
        ctl_say(ctl,
                "\nFor mosquitto.conf, behind the plugin's line; absolute paths:\n\n"
                "plugin_opt_issuer_cert %s\n"
                "plugin_opt_issuer_key %s\n",
                place->files[0].path, place->files[1].path);
    else
        ctl_say(ctl, "\nA running broker issues with it from now on.\n");
    ctl_say(ctl,
            "Whoever has the key can make devices: keep a copy where nobody else gets at it.\n"
            "Next:\n"
            "  provctl template create fleet template.json   what becomes of a device that asks\n"
            "  provctl claim create fleet --qr               a claim for one device, for five "
            "minutes\n"
            "  provctl help claim                            or one that many devices share\n");
    return PROV_OK;
}

static enum prov_key_type key_type(const struct ctl *ctl)
{
    return prov_span_eq_str(ctl_value(ctl, OPT_KEY_TYPE), prov_key_type_name(PROV_KEY_RSA2048))
               ? PROV_KEY_RSA2048
               : PROV_KEY_EC_P256;
}

/* --name, or the registry's. */
static enum prov_rc put_name(struct ctl *ctl, struct prov_buf *name)
{
    prov_buf_init(name, 256);
    if (!ctl_has(&ctl->args, OPT_NAME))
        return ctl_issuer_name(ctl, name);
    prov_buf_add(name, ctl_value(ctl, OPT_NAME));
    return name->rc == PROV_ETOOBIG ? ctl_usage(ctl, "--name: no name is that long") : name->rc;
}

static enum prov_rc make(struct ctl *ctl, EVP_PKEY **key, X509 **cert)
{
    const uint32_t days = ctl_number(&ctl->args, OPT_DAYS, CTL_ISSUER_DAYS);
    int64_t not_before_s, not_after_s;
    struct prov_buf name;
    enum prov_rc rc;

    if (days == 0 || days > PROV_MAX_VALIDITY_DAYS)
        return ctl_usage(ctl, "--days is from 1 to %d", PROV_MAX_VALIDITY_DAYS);
    rc = put_name(ctl, &name);
    if (rc == PROV_OK)
        rc = ctl_end(ctl); /* the store is not needed any more */
    prov_issue_validity(ctl->tx.now_ms / 1000, days, &not_before_s, &not_after_s);
    if (rc == PROV_OK)
        rc = prov_issuer_make(key_type(ctl), prov_buf_span(&name), not_before_s, not_after_s, key,
                              cert, &ctl->err);
    prov_buf_release(&name);
    return rc;
}

static enum prov_rc issuer_create(struct ctl *ctl)
{
    struct place place = { .dir = NULL };
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    bool resumed;
    enum prov_rc rc;

    rc = find_place(ctl, &place);
    if (rc == PROV_OK && is_uri(place.files[1].path))
        rc =
            ctl_usage(ctl, "a key in a token is made with the token's tools; `provctl issuer show` "
                           "tells whether it and a certificate fit");
    if (rc == PROV_OK) /* and then it is there already */
        rc = ctl_key_files_resume(ctl, place.files[0].path, place.files[1].path, &resumed);
    if (rc == PROV_OK)
        rc = make(ctl, &key, &cert);
    if (rc == PROV_OK)
        rc = ctl_key_files(ctl, &place.files[0], &place.files[1], key, cert);
    if (rc == PROV_ECONFLICT)
        ctl_hint(ctl, "`provctl issuer show` tells what is there; to begin anew, move both files "
                      "away");
    if (rc == PROV_OK)
        rc = tell(ctl, &place, cert, say_created);
    EVP_PKEY_free(key);
    X509_free(cert);
    release_place(&place);
    return rc;
}

/* ---- show ------------------------------------------------------------------------------------ */

static void hint_cure(struct ctl *ctl, enum prov_rc rc, const struct place *place)
{
    if (rc == PROV_ENOTFOUND)
        ctl_hint(ctl, "`provctl issuer create` makes one; the broker's options issuer_cert and "
                      "issuer_key name one that is elsewhere, --cert and --key here");
    else if (rc == PROV_EDENIED && !is_uri(place->files[1].path))
        ctl_hint(ctl, "`chmod 600 %s`, and let it be the broker's user's", place->files[1].path);
    else if (rc == PROV_ESIGNER)
        ctl_hint(ctl, "Is the token there, and its PIN right?");
}

static enum prov_rc issuer_show(struct ctl *ctl)
{
    struct place place = { .dir = NULL };
    struct prov_issuer *issuer = NULL;
    X509 *cert = NULL;
    enum prov_rc rc;

    rc = find_place(ctl, &place);
    if (rc != PROV_OK)
        goto out;
    rc = prov_signer_load(&(struct prov_signer_conf){ place.files[0].path, place.files[1].path },
                          ctl->tx.now_ms / 1000, &issuer, &ctl->err);
    if (rc != PROV_OK) {
        hint_cure(ctl, rc, &place);
        goto out;
    }
    cert = X509_dup(prov_issuer_cert(issuer));
    rc = cert != NULL ? tell(ctl, &place, cert, say_issuer) : prov_nomem(&ctl->err);
    if (rc == PROV_OK && !ctl->json)
        ctl_say(ctl, "Key and certificate fit together.\n");
out:
    X509_free(cert);
    prov_issuer_free(issuer);
    release_place(&place);
    return rc;
}

/* ---- the noun -------------------------------------------------------------------------------- */

static const struct ctl_option create_options[] = {
    { OPT_NAME, "CN", "its common name; \"Provisioning CA\", account and region when not given",
      NULL, false },
    { OPT_KEY_TYPE, NULL, "ec-p256 when not given", ctl_key_types, false },
    { OPT_DAYS, "N", "good for so long, and no device certificate longer; 7300 when not given",
      NULL, false },
    { OPT_CERT, "FILE", "write the certificate there, not into the store's directory", NULL,
      false },
    { OPT_KEY, "FILE", "and the key there", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option show_options[] = {
    { OPT_CERT, "FILE", "look at this certificate, not at that in the store's directory", NULL,
      false },
    { OPT_KEY, "FILE", "with this key, or pkcs11: URI", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "create", "", "Makes a CA that issues device certificates: its key, and its certificate.",
      "For those who have no CA. Nothing is overwritten, and only the owner of the store can\n"
      "read the key. Devices need not know this CA: each certificate is registered when it is\n"
      "issued.\n"
      "\n"
      "  provctl issuer create\n"
      "  provctl issuer create --name \"Example Devices CA\" --days 3650\n"
      "  provctl issuer create --cert /etc/mosquitto/devices.crt --key "
      "/etc/mosquitto/devices.key\n",
      CTL_STORE_READ, create_options, issuer_create },
    { "show", "", "Shows who issues device certificates, and that its key fits; or what is wrong.",
      "  provctl issuer show\n"
      "  provctl issuer show --cert /etc/mosquitto/devices.crt \\\n"
      "      --key \"pkcs11:token=devices;object=issuer?pin-source=/etc/mosquitto/pin\"\n",
      CTL_STORE_READ, show_options, issuer_show },
};

const struct ctl_noun ctl_noun_issuer = {
    "issuer",
    "who signs the certificates that devices ask for",
    "Devices with a claim ask for certificates; the issuer is the CA that signs them. The\n"
    "broker looks for it in the store's directory, or where its options issuer_cert and\n"
    "issuer_key say.\n",
    verbs,
    PROV_COUNT(verbs),
    false,
};
