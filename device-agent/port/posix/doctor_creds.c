#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"
#include "keys_priv.h"
#include "posix.h"
#include "status.h"

/* ---- certificates ---------------------------------------------------------------------------- */

/* True: it can be used now. */
static bool in_time(struct doctor *d, const char *check, const struct agent_slot *slot,
                    const char *cure)
{
    const int64_t now_s = posix_wall_s();
    char when[32];

    if (now_s != 0 && slot->not_before_s > now_s) {
        doctor_bad(d, check, AGENT_CLOCK, "is the clock right?", "the certificate is valid from %s",
                   status_time(slot->not_before_s, when));
        return false;
    }
    if (now_s != 0 && slot->not_after_s <= now_s) {
        doctor_bad(d, check, AGENT_REFUSED, cure, "the certificate ended at %s",
                   status_time(slot->not_after_s, when));
        return false;
    }
    doctor_ok(d, check, "key and certificate fit, valid until %s",
              status_time(slot->not_after_s, when));
    return true;
}

static const struct agent_slot *in_force(const struct doctor *d)
{
    for (size_t i = 0; i < d->found.n_generations; i++) {
        const struct agent_generation *g = &d->found.generations[i];

        if (g->number == d->found.in_force && g->slot.key && g->slot.cert)
            return &g->slot;
    }
    return NULL;
}

static void identity(struct doctor *d, const struct agent_slot *slot)
{
    const int64_t now_s = posix_wall_s();
    const bool good =
        in_time(d, "identity", slot, "device-agent reset, and provision with a claim again");

    if (good && d->has_record && d->record.renew_s != 0 && now_s > d->record.renew_s + 86400)
        doctor_bad(d, "renewal", AGENT_OK, "device-agent status tells why it did not work",
                   "it has been due for more than a day");
}

static void claim(struct doctor *d, const struct port_result *trouble, bool needed)
{
    const bool waits = d->conf->agent.method == AGENT_METHOD_TRUSTED_USER;
    const char *cure = waits ? "device-agent inject-claim FILE" : "see claim in the configuration";

    if (d->found.claim.key && d->found.claim.cert) {
        (void)in_time(d, "claim", &d->found.claim, cure);
    } else if (!needed) {
        doctor_ok(d, "claim", "none is needed: there is an identity");
    } else if (trouble->class != AGENT_OK) {
        doctor_bad(d, "claim", trouble->class, cure, "%s", trouble->text);
    } else if (waits) {
        doctor_bad(d, "claim", AGENT_OK, cure, "none yet: an installer is to inject one");
    } else {
        doctor_bad(d, "claim", AGENT_CONFIG, cure, "there is no certificate to begin with");
    }
}

/* ---- token ----------------------------------------------------------------------------------- */

static void token_opens(struct doctor *d, const char *uri, const char *whose)
{
    const struct agent_span reference = { (const uint8_t *)uri, strlen(uri) };
    struct port_result result = { 0 };
    struct keys_token token = { 0 };
    char label[sizeof token.info.label + 1] = "";

    if (keys_token_open(&d->conf->keys, reference, false, &token, &result) != AGENT_OK) {
        doctor_bad(d, "token", result.class, "see pkcs11 in device-agent.conf(5)", "%s",
                   result.text);
        return;
    }
    memcpy(label, token.info.label, sizeof token.info.label);
    for (size_t n = strlen(label); n > 0 && label[n - 1] == ' '; n--)
        label[n - 1] = '\0'; /* padded */
    doctor_ok(d, "token", "%s is there and takes the PIN, for %s", label, whose);
    keys_token_close(&token);
}

static void token(struct doctor *d)
{
    const char *claim_key = d->conf->claim_key;

    if (d->conf->keys.pkcs11 != NULL)
        token_opens(d, d->conf->keys.pkcs11, "new keys");
    if (claim_key != NULL && strncmp(claim_key, "pkcs11:", 7) == 0)
        token_opens(d, claim_key, "the claim's key");
}

/* ---- a configured claim, where there is no state directory yet ------------------------------- */

static bool read_text(const char *file, char *out, size_t cap, struct agent_span *span)
{
    FILE *f = fopen(file, "re");
    size_t n = 0;

    if (f != NULL) {
        n = fread(out, 1, cap, f);
        (void)fclose(f);
    }
    *span = (struct agent_span){ (const uint8_t *)out, n };
    return n != 0 && n < cap;
}

static bool is_private(const char *file)
{
    struct stat st;

    return stat(file, &st) == 0 && (st.st_mode & 077) == 0;
}

static void configured_claim(struct doctor *d, struct port_result *trouble)
{
    const struct conf *conf = d->conf;
    struct agent_span cert, key;
    const bool in_token = conf->claim_key != NULL && strncmp(conf->claim_key, "pkcs11:", 7) == 0;

    if (conf->claim_cert == NULL || conf->claim_key == NULL)
        return;
    if (!read_text(conf->claim_cert, d->cert, sizeof d->cert - 1, &cert))
        (void)port_fail(trouble, AGENT_LOCAL, "%s cannot be read", conf->claim_cert);
    else if (!in_token && !is_private(conf->claim_key))
        (void)port_fail(trouble, AGENT_LOCAL, "%s is not there, or may be read by others",
                        conf->claim_key);
    else if (in_token)
        (void)snprintf(d->key, sizeof d->key, "%s", conf->claim_key);
    else if (!read_text(conf->claim_key, d->key, sizeof d->key - 1, &key))
        (void)port_fail(trouble, AGENT_LOCAL, "%s cannot be read", conf->claim_key);
    if (trouble->class != AGENT_OK)
        return;
    key = (struct agent_span){ (const uint8_t *)d->key, strlen(d->key) };
    d->has_creds = keys_fit(&conf->keys, cert, key, &d->found.claim, trouble) == AGENT_OK;
}

/* ---------------------------------------------------------------------------------------------- */

static void load(struct doctor *d)
{
    struct agent_text cert = { .p = d->cert, .cap = sizeof d->cert };
    struct agent_text key = { .p = d->key, .cap = sizeof d->key };
    struct port_result result = { 0 };

    d->has_creds = store_load(d->home.store, d->slot, &cert, &key, &result) == AGENT_OK;
}

void doctor_credentials(struct doctor *d)
{
    struct port_result trouble = { 0 }, result = { 0 };
    uint8_t record[AGENT_STATE_MAX];
    const struct agent_slot *slot;
    size_t n;

    token(d);
    if (!d->has_home)
        configured_claim(d, &trouble);
    else if (store_find(d->home.store, &d->found, record, &n, &trouble, &result) != AGENT_OK) {
        doctor_bad(d, "identity", result.class, "", "%s", result.text);
        return;
    }
    slot = in_force(d);
    if (slot != NULL)
        identity(d, slot);
    else
        doctor_ok(d, "identity", "none yet");
    claim(d, &trouble, slot == NULL || d->conf->agent.method == AGENT_METHOD_JIT);
    d->slot = slot != NULL ? d->found.in_force : AGENT_SLOT_CLAIM;
    if (d->has_home && (slot != NULL || (d->found.claim.key && d->found.claim.cert)))
        load(d);
}
