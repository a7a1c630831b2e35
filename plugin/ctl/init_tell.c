/* What is there, what would be made, what was; and what to do next. */
#include "init.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- what there is --------------------------------------------------------------------------- */

struct rows {
    const struct init *in;
    init_row *row;
    void *ctx;
};

static void put_row(const struct rows *r, const char *kind, const char *name, const char *of,
                    bool there)
{
    r->row(r->ctx, kind, name, of, there ? INIT_THERE : INIT_MISSING);
}

static bool gives(const struct init_way *way, const char *policy)
{
    for (size_t i = 0; way->wanted && i < way->n_policies; i++) {
        if (strcmp(way->policies[i].name, policy) == 0)
            return true;
    }
    return false;
}

static void put_ways(const struct rows *r)
{
    const struct init_plan *plan = &r->in->plan;
    const struct init_way *ways[] = { &plan->factory, &plan->claim };

    for (size_t i = 0; i < PROV_COUNT(ways); i++) {
        const struct init_way *way = ways[i];

        for (size_t j = 0; way->wanted && j < way->n_policies; j++) {
            const struct init_policy *policy = &way->policies[j];

            if (i == 0 || !gives(&plan->factory, policy->name))
                put_row(r, "policy", policy->name, policy->file, policy->there);
        }
        if (way->wanted)
            put_row(r, "template", way->name, way->file, way->there);
    }
    if (plan->claim.wanted && plan->claim_policy.name[0] != '\0')
        put_row(r, "policy", plan->claim_policy.name, plan->claim_policy.file,
                plan->claim_policy.there);
    if (plan->factory_ca[0] != '\0')
        put_row(r, "CA", plan->factory_ca, "", plan->factory_ca_there);
}

static void put_issuer(const struct rows *r)
{
    const struct init *in = r->in;

    if (in->found.mosquitto.issuer_cert[0] != '\0')
        put_row(r, "issuer", in->found.mosquitto.issuer_cert, "", true);
    else if (in->plan.issuer == INIT_ISSUER_OWN)
        put_row(r, "issuer", in->plan.issuer_cert, "", true);
    else if (in->found.issuer || in->plan.issuer == INIT_ISSUER_MAKE)
        put_row(r, "issuer", in->places.issuer_cert, "", in->found.issuer);
}

static void put_server(const struct rows *r)
{
    const struct init *in = r->in;
    const struct init_places *p = &in->places;

    if (in->plan.own_server) {
        put_row(r, "server", in->plan.server_cert, "", true);
    } else if (init_wants_server(in)) {
        put_row(r, "server CA", p->server_ca, "", in->found.server_ca);
        put_row(r, "server", p->server_cert, in->found.server ? "" : in->plan.server_names,
                in->found.server);
    } else if (in->found.mosquitto.certfile[0] != '\0') {
        put_row(r, "server", in->found.mosquitto.certfile, "", true);
    }
}

static void put_store(const struct rows *r)
{
    const struct init_plan *plan = &r->in->plan;
    const struct prov_settings *is = &r->in->found.settings;
    const char *account = plan->account_id[0] != '\0' ? plan->account_id : is->account_id;
    const char *region = plan->region[0] != '\0' ? plan->region : is->region;
    const bool same = strcmp(account, is->account_id) == 0 && strcmp(region, is->region) == 0;
    char what[128];

    (void)snprintf(what, sizeof what, "account %s, region %s", account, region);
    put_row(r, "store", r->in->places.db, "", r->in->found.store);
    put_row(r, "settings", what, "", same && r->in->found.store);
}

void init_rows(const struct init *in, init_row *row, void *ctx)
{
    const struct rows r = { in, row, ctx };

    put_store(&r);
    put_ways(&r);
    put_issuer(&r);
    put_server(&r);
    put_row(&r, "configuration", in->found.conf ? in->found.mosquitto.plugin_file : in->places.conf,
            "", in->found.conf);
}

static void count_missing(void *ctx, const char *kind, const char *name, const char *of,
                          enum init_state state)
{
    size_t *n = ctx;

    (void)kind;
    (void)name;
    (void)of;
    *n += state == INIT_MISSING;
}

bool init_is_missing(const struct init *in)
{
    size_t n = 0;

    init_rows(in, count_missing, &n);
    return n != 0;
}

/* ---- in words -------------------------------------------------------------------------------- */

void init_say_text(struct ctl *ctl, struct prov_span text)
{
    const size_t width = ctl->look.width >= 40 && ctl->look.width < 100 ? ctl->look.width - 2 : 78;
    size_t column = 0;

    while (text.n != 0) {
        const uint8_t *space = memchr(text.p, ' ', text.n);
        const size_t n = space != NULL ? (size_t)(space - text.p) : text.n;

        if (column != 0 && column + 1 + n > width) {
            ctl_say(ctl, "\n");
            column = 0;
        }
        ctl_say(ctl, "%s%.*s", column == 0 ? "  " : " ", (int)n, (const char *)text.p);
        column += (column == 0 ? 2 : 1) + n;
        text = prov_span(text.p + n + (space != NULL), text.n - n - (space != NULL));
    }
    ctl_say(ctl, "\n");
}

struct said {
    const struct init *in;
    struct ctl *ctl;
    const char *missing; /* what is said of what is missing */
};

static bool is_installed(const struct init *in, const char *file)
{
    const size_t n = strlen(in->places.templates);

    return strncmp(file, in->places.templates, n) == 0 && file[n] == '/';
}

static void say_row(void *ctx, const char *kind, const char *name, const char *of,
                    enum init_state state)
{
    const struct said *said = ctx;
    const bool missing = state == INIT_MISSING;
    struct ctl *ctl = said->ctl;

    ctl_style_on(&ctl->out, &ctl->look, missing ? CTL_GOOD : CTL_PLAIN);
    ctl_say(ctl, "  %-8s", missing ? said->missing : "is there");
    ctl_style_off(&ctl->out, &ctl->look, missing ? CTL_GOOD : CTL_PLAIN);
    ctl_say(ctl, "  %-13s  %s\n", kind, name);
    /* for which names a certificate is; where a document of one's own is taken from */
    if (missing && of[0] != '\0' && !is_installed(said->in, of))
        ctl_say(ctl, "  %-8s  %-13s  %s%s\n", "", "", of[0] == '/' ? "from " : "for ", of);
}

PROV_PRINTF(2, 3) static void say_linef(struct init *in, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    init_say_text(in->ctl, prov_span_str(text));
}

void init_say_found(struct init *in)
{
    const struct init_mosquitto *m = &in->found.mosquitto;

    say_linef(in, "This leads to a broker that devices can join. Nothing is made before you have "
                  "seen all of it. Enter takes what stands in brackets; Ctrl-C ends it.");
    if (in->found.store)
        say_linef(in, "There is a store already, %s: account %s, region %s.", in->places.db,
                  in->found.settings.account_id, in->found.settings.region);
    if (in->found.conf)
        say_linef(
            in,
            "The broker is configured by %s, and listens to devices on port %u. That stays as "
            "it is.",
            m->plugin_file, m->port);
}

void init_say_plan(struct init *in)
{
    struct said said = { in, in->ctl, "to make" };

    ctl_say(in->ctl, "\n");
    ctl_style_on(&in->ctl->out, &in->ctl->look, CTL_HEAD);
    ctl_say(in->ctl, "What will be made");
    ctl_style_off(&in->ctl->out, &in->ctl->look, CTL_HEAD);
    ctl_say(in->ctl, "\n");
    init_rows(in, say_row, &said);
    if (in->dry_run && init_wants_conf(in)) {
        ctl_say(in->ctl, "\n%s:\n\n", in->places.conf);
        init_put_conf(in, &in->ctl->out);
    }
}

void init_say_warnings(struct init *in)
{
    const char *text = prov_buf_cstr(&in->warnings);
    size_t n;

    if (in->warnings.n == 0)
        return;
    ctl_say(in->ctl, "\n");
    ctl_style_on(&in->ctl->out, &in->ctl->look, CTL_WAITING);
    ctl_say(in->ctl, "To know");
    ctl_style_off(&in->ctl->out, &in->ctl->look, CTL_WAITING);
    ctl_say(in->ctl, "\n");
    for (; *text != '\0'; text += n + 1) {
        n = strcspn(text, "\n");
        init_say_text(in->ctl, prov_span(text, n));
    }
}

static void say_step(void *ctx, const char *what, const char *command)
{
    struct ctl *ctl = ctx;

    ctl_say(ctl, "\n");
    init_say_text(ctl, prov_span_str(what));
    if (command != NULL)
        ctl_say(ctl, "    %s\n", command);
}

void init_say_done(struct init *in)
{
    struct said said = { in, in->ctl, "made" };

    ctl_say(in->ctl, "\n");
    init_rows(in, say_row, &said);
    if (!in->shown)
        init_say_warnings(in);
    ctl_say(in->ctl, "\n");
    ctl_style_on(&in->ctl->out, &in->ctl->look, CTL_HEAD);
    ctl_say(in->ctl, "Next");
    ctl_style_off(&in->ctl->out, &in->ctl->look, CTL_HEAD);
    init_next(in, say_step, in->ctl);
}

/* ---- as a document --------------------------------------------------------------------------- */

struct told {
    const struct init *in;
    struct prov_doc doc;
    cJSON *rows, *next;
};

static void tell_row(void *ctx, const char *kind, const char *name, const char *of,
                     enum init_state state)
{
    struct told *told = ctx;
    cJSON *row = prov_doc_append(&told->doc, told->rows, cJSON_CreateObject());

    (void)of;
    prov_doc_text(&told->doc, row, "kind", prov_span_str(kind));
    prov_doc_text(&told->doc, row, "name", prov_span_str(name));
    prov_doc_text(&told->doc, row, "state",
                  state == INIT_THERE ? PROV_LIT("there")
                  : told->in->dry_run ? PROV_LIT("missing")
                                      : PROV_LIT("made"));
}

static void tell_step(void *ctx, const char *what, const char *command)
{
    struct told *told = ctx;
    cJSON *step = prov_doc_append(&told->doc, told->next, cJSON_CreateObject());

    prov_doc_text(&told->doc, step, "what", prov_span_str(what));
    prov_doc_text_if(&told->doc, step, "command", prov_span_str(command));
}

static void tell_warnings(struct told *told, struct init *in)
{
    cJSON *warnings = prov_doc_array(&told->doc, told->doc.root, "warnings");
    const char *text = prov_buf_cstr(&in->warnings);
    size_t n;

    for (; *text != '\0'; text += n + 1) {
        n = strcspn(text, "\n");
        (void)prov_doc_append(&told->doc, warnings, prov_doc_string(prov_span(text, n)));
    }
}

enum prov_rc init_answer_json(struct init *in)
{
    struct told told = { .in = in, .doc = prov_doc_start(&in->ctl->tx) };
    const struct init_found *found = &in->found;
    const struct init_plan *plan = &in->plan;
    cJSON *root = told.doc.root;

    prov_doc_text(&told.doc, root, "dbPath", prov_span_str(in->places.db));
    prov_doc_text(
        &told.doc, root, "accountId",
        prov_span_str(plan->account_id[0] != '\0' ? plan->account_id : found->settings.account_id));
    prov_doc_text(&told.doc, root, "region",
                  prov_span_str(plan->region[0] != '\0' ? plan->region : found->settings.region));
    prov_doc_text(&told.doc, root, "configurationFile",
                  prov_span_str(found->conf ? found->mosquitto.plugin_file : in->places.conf));
    prov_doc_number(&told.doc, root, "port", found->conf ? found->mosquitto.port : plan->port);
    prov_doc_bool(&told.doc, root, "dryRun", in->dry_run);
    told.rows = prov_doc_array(&told.doc, root, "parts");
    init_rows(in, tell_row, &told);
    tell_warnings(&told, in);
    told.next = prov_doc_array(&told.doc, root, "next");
    init_next(in, tell_step, &told);
    return ctl_answer_doc(in->ctl, &told.doc);
}
