#include "rights.h"

#include <stdlib.h>

#include <openssl/x509.h>

#include "hash.h"
#include "ident.h"
#include "names.h"

/* The certificate's own, and two of each group from the thing's up to the root. */
#define MAX_POLICIES                                                                               \
    (PROV_MAX_CERT_POLICIES +                                                                      \
     PROV_MAX_THING_GROUPS * PROV_MAX_GROUP_DEPTH * PROV_MAX_GROUP_POLICIES)
#define MAX_DOCS 4096 /* beyond it the cache starts afresh; sessions keep what they hold */
#define MAX_SETS 4096

struct doc_entry {
    UT_hash_handle hh;
    struct prov_policy_doc *doc;
    char name[PROV_MAX_NAME + 1]; /* the key */
};

struct set_entry {
    UT_hash_handle hh;
    struct prov_policy_set *set;
    size_t n;
    struct prov_policy_doc *docs[]; /* the key: the set holds them, so no address is used twice */
};

struct prov_rights {
    struct doc_entry *docs;
    struct set_entry *sets;
    bool incomplete; /* a session may use a document that is not in docs */
};

/* ---- the cache ------------------------------------------------------------------------------- */

enum prov_rc prov_rights_new(struct prov_rights **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? PROV_OK : PROV_ENOMEM;
}

static void forget_doc(struct prov_rights *rights, struct doc_entry *entry)
{
    HASH_DEL(rights->docs, entry);
    prov_policy_doc_unref(entry->doc);
    free(entry);
}

static void forget_sets(struct prov_rights *rights)
{
    struct set_entry *entry, *next;

    HASH_ITER(hh, rights->sets, entry, next)
    {
        HASH_DEL(rights->sets, entry);
        prov_policy_set_unref(entry->set);
        free(entry);
    }
}

static void forget_all(struct prov_rights *rights)
{
    struct doc_entry *entry, *next;

    forget_sets(rights);
    HASH_ITER(hh, rights->docs, entry, next)
    {
        forget_doc(rights, entry);
    }
}

bool prov_rights_forget(struct prov_rights *rights, struct prov_span policy_name)
{
    struct doc_entry *entry = NULL;

    if (policy_name.n == 0) {
        forget_all(rights);
        rights->incomplete = false; /* whoever forgets all has all compiled anew */
        return true;
    }
    HASH_FIND(hh, rights->docs, policy_name.p, policy_name.n, entry);
    if (entry != NULL)
        forget_doc(rights, entry);
    return entry != NULL || rights->incomplete;
}

void prov_rights_free(struct prov_rights *rights)
{
    if (rights == NULL)
        return;
    forget_all(rights);
    free(rights);
}

/* Not cached is not wrong, but has to be known when the document changes. */
static void cache_doc(struct prov_rights *rights, struct prov_span name,
                      struct prov_policy_doc *doc)
{
    struct doc_entry *entry;

    if (HASH_COUNT(rights->docs) >= MAX_DOCS) {
        forget_all(rights);
        rights->incomplete = true;
    }
    entry = calloc(1, sizeof *entry);
    if (entry != NULL && prov_span_copy(name, entry->name, sizeof entry->name))
        HASH_ADD_KEYPTR(hh, rights->docs, entry->name, name.n, entry);
    if (entry != NULL && entry->hh.tbl != NULL) {
        entry->doc = prov_policy_doc_ref(doc);
        return;
    }
    free(entry);
    rights->incomplete = true;
}

/* A new reference of the document in force under a name. */
static enum prov_rc find_doc(struct prov_rights *rights, struct prov_tx *tx, struct prov_span name,
                             struct prov_policy_doc **out)
{
    struct prov_version_info version;
    struct doc_entry *entry = NULL;
    enum prov_rc rc;

    HASH_FIND(hh, rights->docs, name.p, name.n, entry);
    if (entry != NULL) {
        *out = prov_policy_doc_ref(entry->doc);
        return PROV_OK;
    }
    rc = prov_policy_version_get(tx, name, 0, &version);
    if (rc == PROV_OK)
        rc = prov_policy_parse(version.document, out, tx->err);
    if (rc != PROV_OK)
        return rc;
    cache_doc(rights, name, *out);
    return PROV_OK;
}

/* Its key is no policy's name, so that no change of a policy makes it forgotten. */
#define CLAIM_KEY "claim/"

/*
 * What a temporary claim may do (reference 1.6 and 1.10): connect, and provision by its template.
 * What a template may be called needs no escaping.
 */
static enum prov_rc parse_claim(struct prov_tx *tx, struct prov_span template_name,
                                struct prov_policy_doc **out)
{
    static const struct {
        const char *actions, *resource;
    } parts[] = {
        { "\"iot:Publish\",\"iot:Receive\"", "arn:aws:iot:*:*:topic/$aws" },
        { "\"iot:Subscribe\"", "arn:aws:iot:*:*:topicfilter/$aws" },
    };
    struct prov_buf text;
    enum prov_rc rc;

    prov_buf_init(&text, PROV_MAX_POLICY_TEXT);
    prov_buf_add_str(&text, "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                            "\"Action\":\"iot:Connect\",\"Resource\":\"*\"}");
    for (size_t i = 0; i < PROV_COUNT(parts); i++)
        prov_buf_addf(&text,
                      ",{\"Effect\":\"Allow\",\"Action\":[%s],\"Resource\":["
                      "\"%s/certificates/create/*\",\"%s/certificates/create-from-csr/*\","
                      "\"%s/provisioning-templates/%.*s/provision/*\"]}",
                      parts[i].actions, parts[i].resource, parts[i].resource, parts[i].resource,
                      PROV_SPAN_ARG(template_name));
    prov_buf_add_str(&text, "]}");
    rc = text.rc == PROV_OK ? prov_policy_parse(prov_buf_span(&text), out, tx->err)
                            : prov_nomem(tx->err);
    prov_buf_release(&text);
    return rc;
}

/* The same for all claims for one template. */
static enum prov_rc find_claim_doc(struct prov_rights *rights, struct prov_tx *tx,
                                   struct prov_span template_name, struct prov_policy_doc **out)
{
    char key[sizeof CLAIM_KEY + PROV_MAX_TEMPLATE_NAME] = CLAIM_KEY;
    struct doc_entry *entry = NULL;
    enum prov_rc rc;

    rc = prov_name_check(PROV_NAME_TEMPLATE, template_name, NULL);
    if (rc != PROV_OK)
        return prov_fail(tx->err, PROV_ESTORE, "InternalFailureException",
                         "a claim's template has no name that can be: run `provctl check`");
    memcpy(key + strlen(CLAIM_KEY), template_name.p, template_name.n);
    HASH_FIND_STR(rights->docs, key, entry);
    if (entry != NULL) {
        *out = prov_policy_doc_ref(entry->doc);
        return PROV_OK;
    }
    rc = parse_claim(tx, template_name, out);
    if (rc == PROV_OK)
        cache_doc(rights, prov_span_str(key), *out);
    return rc;
}

static void cache_set(struct prov_rights *rights, struct prov_policy_doc *const *docs, size_t n,
                      struct prov_policy_set *set)
{
    struct set_entry *entry;

    if (n == 0)
        return;
    if (HASH_COUNT(rights->sets) >= MAX_SETS)
        forget_sets(rights);
    entry = calloc(1, sizeof *entry + n * sizeof(struct prov_policy_doc *));
    if (entry == NULL)
        return;
    memcpy(entry->docs, docs, n * sizeof *docs);
    entry->n = n;
    entry->set = prov_policy_set_ref(set);
    HASH_ADD_KEYPTR(hh, rights->sets, entry->docs, n * sizeof *docs, entry);
    if (entry->hh.tbl == NULL) {
        prov_policy_set_unref(entry->set);
        free(entry);
    }
}

/* A new reference of the set of these documents. */
static enum prov_rc find_set(struct prov_rights *rights, struct prov_tx *tx,
                             struct prov_policy_doc *const *docs, size_t n,
                             struct prov_policy_set **out)
{
    struct prov_policy_scope scope;
    struct prov_settings settings;
    struct set_entry *entry = NULL;
    enum prov_rc rc;

    if (n != 0)
        HASH_FIND(hh, rights->sets, docs, n * sizeof *docs, entry);
    if (entry != NULL) {
        *out = prov_policy_set_ref(entry->set);
        return PROV_OK;
    }
    rc = prov_settings_get(tx, &settings);
    if (rc != PROV_OK)
        return rc;
    scope.region = prov_span_str(settings.region);
    scope.account_id = prov_span_str(settings.account_id);
    rc = prov_policy_set_new(docs, n, &scope, out);
    if (rc != PROV_OK)
        return rc == PROV_ENOMEM ? prov_nomem(tx->err) : rc;
    cache_set(rights, docs, n, *out);
    return PROV_OK;
}

/* ---- which policies -------------------------------------------------------------------------- */

struct prov_span prov_rights_thing(const struct prov_cert *cert, struct prov_span client_id)
{
    if (cert->exclusive && cert->n_things != 0)
        return cert->things[0];
    for (size_t i = 0; i < cert->n_things; i++) {
        if (prov_span_eq(cert->things[i], client_id))
            return cert->things[i];
    }
    return prov_span(NULL, 0);
}

struct names {
    enum prov_rc (*visit)(void *ctx, struct prov_span policy, struct prov_span group);
    void *ctx;
};

/* A group's policies and its ancestors'; the depth is bounded, so a damaged parent loop ends. */
static enum prov_rc group_names(struct prov_tx *tx, struct prov_span name, const struct names *to)
{
    struct prov_group group;
    enum prov_rc rc = PROV_OK;

    for (int depth = 0; rc == PROV_OK && name.n != 0 && depth < PROV_MAX_GROUP_DEPTH; depth++) {
        rc = prov_group_get(tx, name, &group);
        if (rc != PROV_OK)
            return rc;
        for (size_t i = 0; rc == PROV_OK && i < group.n_policies; i++)
            rc = to->visit(to->ctx, group.policies[i], name);
        name = group.parent;
    }
    return rc;
}

static enum prov_rc all_names(struct prov_tx *tx, const struct prov_cert *cert,
                              const struct prov_thing *thing, const struct names *to)
{
    enum prov_rc rc = PROV_OK;

    for (size_t i = 0; rc == PROV_OK && i < cert->n_policies; i++)
        rc = to->visit(to->ctx, cert->policies[i], prov_span(NULL, 0));
    for (size_t i = 0; rc == PROV_OK && i < thing->n_groups; i++)
        rc = group_names(tx, thing->groups[i], to);
    return rc;
}

static enum prov_rc find_thing(struct prov_tx *tx, const struct prov_cert *cert,
                               struct prov_span client_id, struct prov_thing *thing)
{
    const struct prov_span name = prov_rights_thing(cert, client_id);

    if (name.n != 0)
        return prov_thing_get(tx, name, thing);
    memset(thing, 0, sizeof *thing);
    return PROV_OK;
}

struct teller {
    void (*visit)(void *ctx, struct prov_span policy, struct prov_span group);
    void *ctx;
};

static enum prov_rc tell(void *ctx, struct prov_span policy, struct prov_span group)
{
    const struct teller *t = ctx;

    t->visit(t->ctx, policy, group);
    return PROV_OK;
}

enum prov_rc
prov_rights_names(struct prov_tx *tx, const struct prov_cert *cert, struct prov_span client_id,
                  void (*visit)(void *ctx, struct prov_span policy, struct prov_span group),
                  void *ctx)
{
    struct teller teller = { visit, ctx };
    const struct names to = { tell, &teller };
    struct prov_thing thing;
    const enum prov_rc rc = find_thing(tx, cert, client_id, &thing);

    return rc != PROV_OK ? rc : all_names(tx, cert, &thing, &to);
}

/* ---- compiling ------------------------------------------------------------------------------- */

struct collect {
    struct prov_rights *rights;
    struct prov_tx *tx;
    struct prov_policy_doc *docs[MAX_POLICIES];
    size_t n;
};

static enum prov_rc collect_room(const struct collect *c)
{
    if (c->n < MAX_POLICIES)
        return PROV_OK;
    return prov_fail(c->tx->err, PROV_ESTORE, "InternalFailureException",
                     "a session has more policies than can be: run `provctl check`");
}

static enum prov_rc collect_doc(void *ctx, struct prov_span policy, struct prov_span group)
{
    struct collect *c = ctx;
    enum prov_rc rc = collect_room(c);

    (void)group;
    if (rc == PROV_OK)
        rc = find_doc(c->rights, c->tx, policy, &c->docs[c->n]);
    if (rc == PROV_OK)
        c->n++;
    return rc;
}

static enum prov_rc collect_claim(struct collect *c, struct prov_span template_name)
{
    enum prov_rc rc = collect_room(c);

    if (rc == PROV_OK)
        rc = find_claim_doc(c->rights, c->tx, template_name, &c->docs[c->n]);
    if (rc == PROV_OK)
        c->n++;
    return rc;
}

/* The certificate's fields, when a variable needs them and the handshake's object is not at hand.
 */
static enum prov_rc load_ident(struct prov_tx *tx, const struct prov_cert *cert, X509 *leaf,
                               struct prov_ident **out)
{
    struct prov_span der;
    X509 *decoded = NULL;
    enum prov_rc rc;

    if (leaf != NULL)
        return prov_ident_new(leaf, out, tx->err);
    rc = prov_cert_der(tx, &cert->id, &der);
    if (rc == PROV_OK)
        rc = prov_ident_decode(der, &decoded, tx->err);
    if (rc == PROV_OK)
        rc = prov_ident_new(decoded, out, tx->err);
    X509_free(decoded);
    return rc;
}

static enum prov_rc bind(struct prov_tx *tx, struct prov_policy_set *set,
                         const struct prov_cert *cert, const struct prov_thing *thing,
                         const struct prov_who *who, struct prov_policy **out)
{
    char hex[PROV_ID_HEX + 1] = "";
    struct prov_ident *ident = NULL;
    struct prov_policy_facts facts = {
        .client_id = who->client_id,
        .source_ip = who->source_ip,
        .certificate_id = prov_span(hex, PROV_ID_HEX),
        .thing_name = thing->name,
        .thing_type = thing->type,
        .attrs = thing->attrs,
        .n_attrs = thing->n_attrs,
        .thing_attached = thing->name.n != 0,
    };
    enum prov_rc rc = PROV_OK;

    prov_id_hex(&cert->id, hex);
    if (prov_policy_set_needs_ident(set))
        rc = load_ident(tx, cert, who->leaf, &ident);
    if (rc == PROV_OK) {
        facts.ident = ident;
        rc = prov_policy_new(set, &facts, out);
    }
    prov_ident_free(ident);
    return rc == PROV_ENOMEM ? prov_nomem(tx->err) : rc;
}

enum prov_rc prov_rights_policy(struct prov_rights *rights, struct prov_tx *tx,
                                const struct prov_cert *cert, const struct prov_who *who,
                                struct prov_policy **out)
{
    struct collect c = { .rights = rights, .tx = tx };
    const struct names to = { collect_doc, &c };
    struct prov_policy_set *set = NULL;
    struct prov_thing thing;
    enum prov_rc rc;

    *out = NULL;
    rc = find_thing(tx, cert, who->client_id, &thing);
    if (rc == PROV_OK)
        rc = all_names(tx, cert, &thing, &to);
    if (rc == PROV_OK && cert->claim_template.n != 0)
        rc = collect_claim(&c, cert->claim_template);
    if (rc == PROV_OK)
        rc = find_set(rights, tx, c.docs, c.n, &set);
    if (rc == PROV_OK)
        rc = bind(tx, set, cert, &thing, who, out);
    prov_policy_set_unref(set);
    for (size_t i = 0; i < c.n; i++)
        prov_policy_doc_unref(c.docs[i]);
    return rc;
}
