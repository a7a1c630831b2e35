#include "core/doc.h"
#include "ctl.h"
#include "nouns.h"
#include "progress.h"

/* More are counted and not told: whoever has that many restores a backup. */
#define MAX_TOLD 1000

struct check {
    struct ctl *ctl;
    struct prov_doc doc; /* under --json */
    cJSON *problems;
    unsigned n;
};

static void problem(void *ctx, const char *text)
{
    struct check *c = ctx;

    if (++c->n > MAX_TOLD)
        return;
    if (c->ctl->json)
        (void)prov_doc_append(&c->doc, c->problems, prov_doc_string(prov_span_str(text)));
    else
        ctl_say(c->ctl, "%s\n", text);
}

static enum prov_rc answer(struct check *c)
{

    prov_doc_number(&c->doc, c->doc.root, "problemCount", c->n);
    return ctl_answer_doc(c->ctl, &c->doc);
}

static enum prov_rc count(struct ctl *ctl, uint64_t *total)
{
    uint64_t n;
    enum prov_rc rc = PROV_OK;

    *total = 0;
    for (int kind = PROV_LIST_CAS; kind <= PROV_LIST_TEMPLATES && rc == PROV_OK; kind++) {
        rc = prov_list_count(&ctl->tx, (enum prov_list_kind)kind, &n);
        *total += rc == PROV_OK ? n : 0;
    }
    return rc;
}

static enum prov_rc check(struct ctl *ctl)
{
    struct check c = { .ctl = ctl };
    struct ctl_progress progress;
    uint64_t total;
    char what[64];
    enum prov_rc rc;

    rc = count(ctl, &total);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json) {
        c.doc = prov_doc_start(&ctl->tx);
        c.problems = prov_doc_array(&c.doc, c.doc.root, "problems");
    }
    (void)snprintf(what, sizeof what, "checking %llu objects", (unsigned long long)total);
    ctl_progress_start(&progress, ctl, what, 0, NULL, NULL);
    rc = prov_registry_check(&ctl->tx, problem, &c);
    ctl_progress_stop(&progress);
    if (rc != PROV_OK) {
        cJSON_Delete(c.doc.root);
        return rc;
    }
    if (c.n != 0)
        ctl->outcome = CTL_EXIT_STORE;
    if (ctl->json)
        return answer(&c);
    if (c.n == 0)
        ctl_say(ctl, "%llu objects checked: all is well\n", (unsigned long long)total);
    else
        ctl_say(ctl,
                "%llu objects checked: %u problems\n"
                "Restore the last backup, or delete and make again what is named above.\n",
                (unsigned long long)total, c.n);
    return PROV_OK;
}

static const struct ctl_verb verbs[] = {
    { "", "", "Reads the whole registry and reports what does not decode or leads nowhere.",
      "It may run beside the broker. Exit code 5 when there are problems.\n"
      "\n"
      "  provctl check && provctl backup /var/backups/provisioning-$(date +%F)\n",
      CTL_STORE_READ, NULL, check },
};

const struct ctl_noun ctl_noun_check = {
    "check", "read everything and look for damage", "", verbs, PROV_COUNT(verbs), false
};
