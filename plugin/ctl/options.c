#include "args.h"

static const struct {
    const char *name;
    enum ctl_opt_kind kind;
} names[] = {
    [OPT_DB] = { "db", CTL_VALUE },
    [OPT_URL] = { "url", CTL_VALUE },
    [OPT_JSON] = { "json", CTL_FLAG },
    [OPT_HELP] = { "help", CTL_FLAG },
    [OPT_VERSION] = { "version", CTL_FLAG },
    [OPT_ACCOUNT_ID] = { "account-id", CTL_VALUE },
    [OPT_ACTION] = { "action", CTL_VALUE },
    [OPT_ACTIVE] = { "active", CTL_FLAG },
    [OPT_AFTER] = { "after", CTL_VALUE },
    [OPT_ANY_NETWORK] = { "any-network", CTL_FLAG },
    [OPT_ANY_TEMPLATE] = { "any-template", CTL_FLAG },
    [OPT_ATTR] = { "attr", CTL_VALUES },
    [OPT_AUTO_REGISTER] = { "auto-register", CTL_SWITCH },
    [OPT_BILLING_GROUP] = { "billing-group", CTL_VALUE },
    [OPT_BIND] = { "bind", CTL_VALUE },
    [OPT_CA] = { "ca", CTL_VALUE },
    [OPT_CAFILE] = { "cafile", CTL_VALUE },
    [OPT_CERT] = { "cert", CTL_VALUE },
    [OPT_CERTIFICATES] = { "certificates", CTL_VALUE },
    [OPT_CLIENT_CERT] = { "client-cert", CTL_VALUE },
    [OPT_CLIENT_ID] = { "client-id", CTL_VALUE },
    [OPT_CLIENT_KEY] = { "client-key", CTL_VALUE },
    [OPT_CSR] = { "csr", CTL_VALUE },
    [OPT_DAYS] = { "days", CTL_VALUE },
    [OPT_VALID_FOR] = { "valid-for", CTL_VALUE },
    [OPT_DEFAULT_VERSION] = { "default-version", CTL_VALUE },
    [OPT_DESCRIPTION] = { "description", CTL_VALUE },
    [OPT_DEVICES] = { "devices", CTL_VALUE },
    [OPT_DISABLED] = { "disabled", CTL_FLAG },
    [OPT_DRY_RUN] = { "dry-run", CTL_FLAG },
    [OPT_ENABLED] = { "enabled", CTL_SWITCH },
    [OPT_ETC] = { "etc", CTL_VALUE },
    [OPT_EXCLUSIVE] = { "exclusive", CTL_FLAG },
    [OPT_EXPECTED_VERSION] = { "expected-version", CTL_VALUE },
    [OPT_FACTORY_CA] = { "factory-ca", CTL_VALUE },
    [OPT_FILE] = { "file", CTL_VALUE },
    [OPT_FLEET_POLICY] = { "fleet-policy", CTL_VALUE },
    [OPT_FLEET_TEMPLATE] = { "fleet-template", CTL_VALUE },
    [OPT_FORCE] = { "force", CTL_FLAG },
    [OPT_FROM] = { "from", CTL_VALUE },
    [OPT_GROUP] = { "group", CTL_VALUE },
    [OPT_GUIDE] = { "guide", CTL_FLAG },
    [OPT_HOOK] = { "hook", CTL_VALUE },
    [OPT_ISSUER] = { "issuer", CTL_VALUE },
    [OPT_ISSUER_CERT] = { "issuer-cert", CTL_VALUE },
    [OPT_ISSUER_KEY] = { "issuer-key", CTL_VALUE },
    [OPT_KEEP_GROUPS] = { "keep-groups", CTL_FLAG },
    [OPT_KEY] = { "key", CTL_VALUE },
    [OPT_KEY_TYPE] = { "key-type", CTL_VALUE },
    [OPT_LIMIT] = { "limit", CTL_VALUE },
    [OPT_MESSAGE] = { "message", CTL_VALUE },
    [OPT_NAME] = { "name", CTL_VALUE },
    [OPT_NETWORK] = { "network", CTL_VALUES },
    [OPT_NO_BILLING_GROUP] = { "no-billing-group", CTL_FLAG },
    [OPT_NO_CA] = { "no-ca", CTL_FLAG },
    [OPT_NO_HOOK] = { "no-hook", CTL_FLAG },
    [OPT_NO_TEMPLATE] = { "no-template", CTL_FLAG },
    [OPT_NO_TYPE] = { "no-type", CTL_FLAG },
    [OPT_OTHER_CLIENTS] = { "other-clients", CTL_VALUE },
    [OPT_OUT] = { "out", CTL_VALUE },
    [OPT_PARAM] = { "param", CTL_VALUES },
    [OPT_PARENT] = { "parent", CTL_VALUE },
    [OPT_PASSWORD_FILE] = { "password-file", CTL_VALUE },
    [OPT_PEM] = { "pem", CTL_FLAG },
    [OPT_PERSISTENT] = { "persistent", CTL_FLAG },
    [OPT_PLUGIN] = { "plugin", CTL_VALUE },
    [OPT_POLICY] = { "policy", CTL_VALUE },
    [OPT_PORT] = { "port", CTL_VALUE },
    [OPT_QR] = { "qr", CTL_FLAG },
    [OPT_RATE] = { "rate", CTL_VALUE },
    [OPT_REASON] = { "reason", CTL_VALUE },
    [OPT_REGION] = { "region", CTL_VALUE },
    [OPT_REPLACE] = { "replace", CTL_FLAG },
    [OPT_RESOURCE] = { "resource", CTL_VALUE },
    [OPT_RETIRE_PREVIOUS] = { "retire-previous", CTL_SWITCH },
    [OPT_SEARCHABLE] = { "searchable", CTL_VALUES },
    [OPT_SERVER] = { "server", CTL_VALUE },
    [OPT_SERVER_CERT] = { "server-cert", CTL_VALUE },
    [OPT_SERVER_KEY] = { "server-key", CTL_VALUE },
    [OPT_SERVER_NAME] = { "server-name", CTL_VALUE },
    [OPT_SET_DEFAULT] = { "set-default", CTL_FLAG },
    [OPT_SHARED] = { "shared", CTL_FLAG },
    [OPT_SNI_ONLY] = { "sni-only", CTL_FLAG },
    [OPT_SOURCE_IP] = { "source-ip", CTL_VALUE },
    [OPT_STATUS] = { "status", CTL_VALUE },
    [OPT_STRICT] = { "strict", CTL_FLAG },
    [OPT_SUSPEND_AFTER] = { "suspend-after", CTL_VALUE },
    [OPT_TEMPLATE] = { "template", CTL_VALUES },
    [OPT_TEMPLATES] = { "templates", CTL_VALUE },
    [OPT_TIMEOUT] = { "timeout", CTL_VALUE },
    [OPT_TO] = { "to", CTL_VALUE },
    [OPT_TYPE] = { "type", CTL_VALUE },
    [OPT_UNDO] = { "undo", CTL_FLAG },
    [OPT_UNTIL] = { "until", CTL_VALUE },
    [OPT_USED] = { "used", CTL_VALUE },
    [OPT_USER] = { "user", CTL_VALUE },
    [OPT_USERNAME] = { "username", CTL_VALUE },
    [OPT_USES] = { "uses", CTL_VALUE },
    [OPT_VALIDITY_DAYS] = { "validity-days", CTL_VALUE },
    [OPT_VERIFICATION_CERT] = { "verification-cert", CTL_VALUE },
    [OPT_WILL_TOPIC] = { "will-topic", CTL_VALUE },
    [OPT_YES] = { "yes", CTL_FLAG },
};
_Static_assert(PROV_COUNT(names) == CTL_OPTS, "an option was added without a name");

static const struct ctl_option globals[] = {
    { OPT_DB, "DIR", "the store; PROVCTL_DB, or /var/lib/mosquitto/provisioning, when not given",
      NULL, false },
    { OPT_URL, "URL", "go through the broker at mqtts://HOST[:PORT] instead; PROVCTL_URL does too",
      NULL, false },
    { OPT_JSON, NULL, "one JSON document with AWS field names; errors as JSON too", NULL, false },
    { OPT_HELP, NULL, "what this command does, with examples", NULL, false },
    { OPT_VERSION, NULL, "the version of provctl", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option connection[] = {
    { OPT_CAFILE, "FILE", "the CA that signed the broker's certificate; else the system's", NULL,
      false },
    { OPT_CERT, "FILE", "your certificate; --client-cert where --cert is a device's", NULL, false },
    { OPT_KEY, "FILE", "its key, when that is not in the same file; also --client-key", NULL,
      false },
    { OPT_CLIENT_CERT, "FILE", "your certificate, with every command", NULL, false },
    { OPT_CLIENT_KEY, "FILE", "its key, with every command", NULL, false },
    { OPT_USERNAME, "NAME", "your user; the password is in PROVCTL_PASSWORD or a file", NULL,
      false },
    { OPT_PASSWORD_FILE, "FILE", "the password is the first line of this file", NULL, false },
    { OPT_TIMEOUT, "N", "seconds to wait for the broker; 10 when not given", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

const char *ctl_opt_name(enum ctl_opt id)
{
    return names[id].name;
}

enum ctl_opt_kind ctl_opt_kind(enum ctl_opt id)
{
    return names[id].kind;
}

#define MORE "…"

static bool ends_with_more(const char *text)
{
    const size_t n = text != NULL ? strlen(text) : 0;

    return n > strlen(MORE) && strcmp(text + n - strlen(MORE), MORE) == 0;
}

bool ctl_repeats(const struct ctl_option *option)
{
    return names[option->id].kind == CTL_VALUES && ends_with_more(option->value);
}

void ctl_put_value(struct prov_buf *out, const struct ctl_option *option)
{
    const size_t more = ends_with_more(option->value) ? strlen(MORE) : 0;

    if (option->choices == NULL && names[option->id].kind == CTL_SWITCH)
        prov_buf_add_str(out, "[on|off]");
    else if (option->choices == NULL && option->value != NULL)
        prov_buf_add(out, prov_span(option->value, strlen(option->value) - more));
    for (const char *const *choice = option->choices; choice != NULL && *choice != NULL; choice++)
        prov_buf_addf(out, "%s%s", choice == option->choices ? "" : "|", *choice);
}

const struct ctl_option *ctl_global_options(void)
{
    return globals;
}

const struct ctl_option *ctl_connection_options(void)
{
    return connection;
}

enum ctl_opt ctl_find_opt(const char *name, size_t n)
{
    for (size_t i = 0; i < CTL_OPTS; i++) {
        if (strlen(names[i].name) == n && memcmp(names[i].name, name, n) == 0)
            return (enum ctl_opt)i;
    }
    return CTL_OPTS;
}

static const struct ctl_option *find_in(const struct ctl_option *options, enum ctl_opt id)
{
    for (; options != NULL && options->help != NULL; options++) {
        if (options->id == id)
            return options;
    }
    return NULL;
}

const struct ctl_option *ctl_own_option(const struct ctl_verb *verb, enum ctl_opt id)
{
    return verb != NULL ? find_in(verb->options, id) : NULL;
}

const struct ctl_option *ctl_find_option(const struct ctl_verb *verb, enum ctl_opt id)
{
    const struct ctl_option *found = ctl_own_option(verb, id);

    if (found == NULL)
        found = find_in(globals, id);
    return found != NULL ? found : find_in(connection, id);
}

const struct ctl_noun *ctl_find_noun(const char *name)
{
    for (size_t i = 0; i < ctl_n_nouns; i++) {
        if (strcmp(ctl_nouns[i]->name, name) == 0)
            return ctl_nouns[i];
    }
    return NULL;
}

bool ctl_item(const char **rest, struct prov_span *item)
{
    const char *end;

    if (**rest == '\0')
        return false;
    end = strchr(*rest, ' ');
    if (end == NULL)
        end = *rest + strlen(*rest);
    *item = prov_span(*rest, (size_t)(end - *rest));
    *rest = *end == '\0' ? end : end + 1;
    return true;
}

/* How many of the words the verb's name takes up; 0 when it is not that verb. */
static size_t verb_match(const struct ctl_verb *verb, const char *const *words, size_t n_words)
{
    const char *rest = verb->name;
    struct prov_span part;
    size_t n = 0;

    while (ctl_item(&rest, &part)) {
        if (n == n_words || !prov_span_eq_str(part, words[n]))
            return 0;
        n++;
    }
    return n;
}

const struct ctl_verb *ctl_find_verb(const struct ctl_noun *noun, const char *const *words,
                                     size_t n_words, size_t *used)
{
    *used = 0;
    if (noun->n_verbs == 1 && noun->verbs[0].name[0] == '\0')
        return &noun->verbs[0];
    for (size_t i = 0; i < noun->n_verbs; i++) {
        *used = verb_match(&noun->verbs[i], words, n_words);
        if (*used != 0)
            return &noun->verbs[i];
    }
    return NULL;
}
