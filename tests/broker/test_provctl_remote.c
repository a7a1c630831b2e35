/* provctl through a running broker: the same commands, the same answers, and what is said when the
 * broker cannot be reached. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/ident.h"
#include "core/json.h"
#include "support/child.h"
#include "support/port.h"
#include "support/rig.h"
#include "support/tmp.h"

/* A broker with a TLS listener for users with passwords, of whom "ops" may use the control API; and
 * a certificate that is for "localhost" alone. */
struct world {
    struct rig rig;
    char url[64], server[TMP_PATH_MAX], acl_line[TMP_PATH_MAX + 16];
    struct pki_cert operator_ca, operator;
    const X509 *cafile[2];
    bool furnish_remotely; /* which takes longer */
    struct run_result r;
};

static const char *const users[] = { "ops", "secret", "guest", "secret", NULL };

/* ---- running --------------------------------------------------------------------------------- */

#define MAX_ARGS 40

static void run(struct world *w, const char *const *first, const char *const *words)
{
    const char *args[MAX_ARGS];
    size_t n = 0;

    for (; *first != NULL; first++)
        args[n++] = *first;
    for (; *words != NULL; words++) {
        assert_true(n < MAX_ARGS - 1);
        args[n++] = *words;
    }
    args[n] = NULL;
    run_release(&w->r);
    run_provctl_argv(&w->r, args);
}

static void run_remote(struct world *w, const char *const *words)
{
    run(w,
        (const char *const[]){ "--url", w->url, "--cafile", w->server, "--username", "ops", NULL },
        words);
}

static void run_local(struct world *w, const char *const *words)
{
    run(w, (const char *const[]){ "--db", w->rig.db, NULL }, words);
}

static void expect_status(struct world *w, int status, const char *const *words, const char *file,
                          int line)
{
    if (w->r.status == status)
        return;
    print_error("provctl");
    for (; *words != NULL; words++)
        print_error(" %s", *words);
    print_error(": exit code %d, not %d\n%s%s", w->r.status, status, w->r.out, w->r.err);
    _fail(file, line);
}

static void remote_at(struct world *w, int status, const char *const *words, const char *file,
                      int line)
{
    run_remote(w, words);
    expect_status(w, status, words, file, line);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define remote(w, ...) remote_at((w), 0, WORDS(__VA_ARGS__), __FILE__, __LINE__)
#define remote_fails(w, status, ...)                                                               \
    remote_at((w), (status), WORDS(__VA_ARGS__), __FILE__, __LINE__)

/* Whichever way the test furnishes its registry. */
static void make_at(struct world *w, const char *const *words, const char *file, int line)
{
    (w->furnish_remotely ? run_remote : run_local)(w, words);
    expect_status(w, 0, words, file, line);
}

#define make(w, ...) make_at((w), WORDS(__VA_ARGS__), __FILE__, __LINE__)

/* With nothing of ops' way in among the options. */
static void bare_at(struct world *w, int status, const char *const *words, const char *file,
                    int line)
{
    run(w, (const char *const[]){ NULL }, words);
    expect_status(w, status, words, file, line);
}

#define bare_fails(w, status, ...) bare_at((w), (status), WORDS(__VA_ARGS__), __FILE__, __LINE__)

static void says_at(const char *text, const char *part, const char *file, int line)
{
    if (strstr(text, part) != NULL)
        return;
    print_error("\"%s\" is not in:\n%s\n", part, text);
    _fail(file, line);
}

#define says(text, part) says_at((text), (part), __FILE__, __LINE__)

/* Both ways the same: exit code, stdout, stderr. */
static void same_at(struct world *w, int status, const char *const *words, const char *file,
                    int line)
{
    struct run_result local;

    run_local(w, words);
    expect_status(w, status, words, file, line);
    local = w->r;
    memset(&w->r, 0, sizeof w->r);
    remote_at(w, status, words, file, line);
    if (strcmp(local.out, w->r.out) != 0 || strcmp(local.err, w->r.err) != 0) {
        print_error("provctl %s %s …: on the store\n%s%sthrough the broker\n%s%s", words[0],
                    words[1] != NULL ? words[1] : "", local.out, local.err, w->r.out, w->r.err);
        _fail(file, line);
    }
    run_release(&local);
}

#define same(w, status, ...) same_at((w), (status), WORDS(__VA_ARGS__), __FILE__, __LINE__)

/* ---- the world ------------------------------------------------------------------------------- */

static void write_text(const struct world *w, const char *name, const char *text,
                       char path[static TMP_PATH_MAX])
{
    FILE *f = fopen(tmp_path(w->rig.dir, name, path), "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void write_cert(const struct world *w, const char *name, const struct pki_cert *cert,
                       char path[static TMP_PATH_MAX])
{
    char file[64];

    pki_write(w->rig.dir, name, cert, NULL);
    (void)snprintf(file, sizeof file, "%s.crt", name);
    (void)tmp_path(w->rig.dir, file, path);
}

static struct pki_cert server_cert(const char *san, int64_t not_after_s)
{
    return pki_make(&(struct pki_spec){ .subject = "/CN=localhost",
                                        .eku = "serverAuth",
                                        .san = san,
                                        .not_before_s = not_after_s == 0 ? 0 : -2 * 86400,
                                        .not_after_s = not_after_s });
}

static void set_url(struct world *w)
{
    (void)snprintf(w->url, sizeof w->url, "mqtts://localhost:%u",
                   (unsigned)broker_tls_port(w->rig.broker));
}

static int world_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    char acl[TMP_PATH_MAX];

    assert_non_null(w);
    assert_int_equal(setenv("PROVCTL_PASSWORD", "secret", 1), 0);
    assert_int_equal(unsetenv("PROVCTL_URL"), 0);
    rig_prepare(&w->rig, &(struct rig_spec){ .users = users });
    pki_free(&w->rig.server);
    w->rig.server = server_cert("DNS:localhost", 0);
    w->operator_ca = pki_make(&(struct pki_spec){ .subject = "/CN=Operators", .ca = true });
    w->operator= pki_make(
        &(struct pki_spec){ .subject = "/CN=ops", .issuer = &w->operator_ca, .eku = "clientAuth" });
    w->cafile[0] = w->operator_ca.x509;
    write_cert(w, "server-ca", &w->rig.server, w->server);
    write_text(w, "acl",
               "user ops\ntopic write $CONTROL/provisioning/v1\n"
               "user guest\ntopic readwrite #\n",
               acl);
    (void)snprintf(w->acl_line, sizeof w->acl_line, "acl_file %s", acl);
    w->rig.options.lines = w->acl_line;
    w->rig.options.certificate_optional = true;
    w->rig.options.cafile = w->cafile;
    rig_start(&w->rig);
    set_url(w);
    *state = w;
    return 0;
}

static int world_down(void **state)
{
    struct world *w = *state;

    rig_down(&w->rig);
    pki_free(&w->operator);
    pki_free(&w->operator_ca);
    run_release(&w->r);
    free(w);
    return 0;
}

/* ---- the same as on the store ---------------------------------------------------------------- */

#define POLICY                                                                                     \
    "{ \"Version\": \"2012-10-17\", \"Statement\": [ { \"Sid\": \"In\", \"Effect\": \"Allow\",\n"  \
    "  \"Action\": \"iot:Connect\", \"Resource\": \"*\" } ] }\n"
#define TEMPLATE                                                                                   \
    "{ \"Parameters\": { \"Serial\": { \"Type\": \"String\" } }, \"Resources\": {\n"               \
    "  \"t\": { \"Type\": \"AWS::IoT::Thing\",\n"                                                  \
    "    \"Properties\": { \"ThingName\": { \"Ref\": \"Serial\" } } },\n"                          \
    "  \"p\": { \"Type\": \"AWS::IoT::Policy\", \"Properties\": { \"PolicyName\": \"p\" } },\n"    \
    "  \"c\": { \"Type\": \"AWS::IoT::Certificate\", \"Properties\": {\n"                          \
    "    \"CertificateId\": { \"Ref\": \"AWS::IoT::Certificate::Id\" } } } } }\n"

/* Everything there is at least one of. */
struct furniture {
    struct pki_cert ca, device;
    char ca_file[TMP_PATH_MAX], device_file[TMP_PATH_MAX], policy[TMP_PATH_MAX],
        template[TMP_PATH_MAX];
    char ca_id[PROV_ID_HEX + 1], device_id[PROV_ID_HEX + 1];
};

static void hex_of(const struct pki_cert *cert, char hex[static PROV_ID_HEX + 1])
{
    struct prov_id id;

    assert_int_equal(prov_ident_id(cert->x509, &id), PROV_OK);
    prov_id_hex(&id, hex);
}

static void furnish(struct world *w, struct furniture *f)
{
    f->ca = pki_make(&(struct pki_spec){ .subject = "/CN=Remote CA", .ca = true });
    f->device = pki_make(&(struct pki_spec){ .subject = "/CN=lamp", .issuer = &f->ca });
    write_cert(w, "remote-ca", &f->ca, f->ca_file);
    write_cert(w, "lamp", &f->device, f->device_file);
    hex_of(&f->ca, f->ca_id);
    hex_of(&f->device, f->device_id);
    write_text(w, "policy.json", POLICY, f->policy);
    write_text(w, "template.json", TEMPLATE, f->template);
    make(w, "ca", "register", f->ca_file, "--sni-only", "--active", "--auto-register", "--hook",
         "https://hooks.example/jitr");
    make(w, "cert", "register", f->device_file, "--status", "ACTIVE");
    says(w->r.out, f->device_id);
    make(w, "type", "create", "lamp-type", "--description", "light", "--searchable", "room");
    make(w, "group", "create", "house");
    make(w, "group", "create", "kitchen", "--parent", "house", "--description", "downstairs");
    make(w, "billing-group", "create", "bill");
    make(w, "thing", "create", "lamp", "--type", "lamp-type", "--attr", "room=kitchen",
         "--billing-group", "bill");
    make(w, "thing", "attach", "lamp", "--cert", f->device_id);
    make(w, "group", "add", "kitchen", "lamp");
    make(w, "policy", "create", "p", f->policy);
    make(w, "policy", "attach", "p", "--cert", f->device_id);
    make(w, "policy", "attach", "p", "--group", "kitchen");
    make(w, "policy", "version", "create", "p", f->policy);
    says(w->r.out, "policy p has version 2");
    make(w, "template", "create", "fleet", f->template, "--hook", "exec:/usr/bin/true");
    make(w, "template", "version", "create", "fleet", f->template);
}

static void unfurnish(struct world *w, struct furniture *f)
{
    make(w, "policy", "detach", "p", "--cert", f->device_id);
    make(w, "policy", "detach", "p", "--group", "kitchen");
    make(w, "policy", "version", "delete", "p", "2");
    make(w, "policy", "delete", "p");
    make(w, "template", "version", "delete", "fleet", "2");
    make(w, "template", "update", "fleet", "--no-hook", "--enabled", "off");
    make(w, "template", "delete", "fleet");
    make(w, "group", "remove", "kitchen", "lamp");
    make(w, "group", "delete", "kitchen");
    make(w, "group", "delete", "house");
    make(w, "thing", "detach", "lamp", "--cert", f->device_id);
    make(w, "thing", "delete", "lamp");
    make(w, "billing-group", "delete", "bill");
    make(w, "type", "deprecate", "lamp-type");
    make(w, "type", "delete", "lamp-type");
    make(w, "cert", "update", f->device_id, "--status", "INACTIVE");
    make(w, "cert", "delete", f->device_id);
    make(w, "ca", "update", f->ca_id, "--status", "INACTIVE", "--no-hook");
    make(w, "ca", "delete", f->ca_id);
    pki_free(&f->device);
    pki_free(&f->ca);
}

static void every_noun_answers_as_it_does_on_the_store(void **state)
{
    struct world *w = *state;
    struct furniture f;

    w->furnish_remotely = true;
    furnish(w, &f);
    same(w, 0, "--json", "ca", "list");
    same(w, 0, "--json", "ca", "show", f.ca_id);
    same(w, 0, "ca", "registration-code");
    same(w, 0, "--json", "cert", "list", "--ca", f.ca_id, "--status", "ACTIVE");
    same(w, 0, "--json", "cert", "show", f.device_id);
    same(w, 0, "--json", "type", "list");
    same(w, 0, "--json", "type", "show", "lamp-type");
    same(w, 0, "--json", "group", "list", "--parent", "house");
    same(w, 0, "--json", "group", "show", "kitchen");
    same(w, 0, "--json", "billing-group", "list");
    same(w, 0, "--json", "billing-group", "show", "bill");
    same(w, 0, "--json", "thing", "list", "--group", "kitchen");
    same(w, 0, "thing", "list", "--billing-group", "bill");
    same(w, 0, "--json", "thing", "show", "lamp");
    same(w, 0, "--json", "policy", "list");
    same(w, 0, "--json", "policy", "show", "p");
    same(w, 0, "--json", "policy", "version", "list", "p");
    same(w, 0, "--json", "policy", "version", "show", "p", "2");
    same(w, 0, "policy", "test", "--cert", f.device_id, "--client-id", "x", "--action", "Connect");
    same(w, 4, "--json", "policy", "test", "--cert", f.device_id, "--client-id", "x", "--action",
         "Publish", "--resource", "a/b");
    same(w, 0, "template", "list");
    same(w, 0, "--json", "template", "show", "fleet");
    same(w, 0, "--json", "template", "version", "list", "fleet");
    same(w, 0, "template", "eval", "fleet", "--param", "Serial=lamp", "--cert", f.device_id);
    same(w, 0, "--json", "template", "eval", "--file", f.template, "--param", "Serial=new");
    same(w, 0, "--json", "explain", "lamp");
    remote(w, "status");
    says(w->r.out, w->url);
    says(w->r.out, "thing types       1\n");
    unfurnish(w, &f);
    w->furnish_remotely = false;
}

static void errors_are_told_as_they_are_on_the_store(void **state)
{
    struct world *w = *state;
    struct furniture f;
    char bad[TMP_PATH_MAX], place[TMP_PATH_MAX + 16];

    furnish(w, &f);
    same(w, 2, "thing", "show", "nosuch");
    says(w->r.err, "`provctl thing list` shows those that there are");
    same(w, 2, "cert", "show", "00000000");
    same(w, 4, "cert", "show", "xyz");
    same(w, 3, "thing", "create", "lamp", "--attr", "room=attic");
    same(w, 3, "policy", "create", "p", f.policy);
    same(w, 4, "cert", "delete", f.device_id);
    says(w->r.err, "--status INACTIVE` first");
    same(w, 4, "group", "delete", "kitchen");
    same(w, 4, "type", "delete", "lamp-type");
    same(w, 4, "policy", "delete", "p");
    same(w, 3, "--json", "ca", "register", f.ca_file, "--sni-only");
    same(w, 2, "--json", "ca", "list", "--template", "nosuch");
    same(w, 1, "cert", "list", "--after", "12");
    write_text(w, "bad.json",
               "{ \"Version\": \"2012-10-17\",\n  \"Statement\": [ { \"Effect\": \"Permit\",\n"
               "    \"Action\": \"*\", \"Resource\": \"*\" } ] }\n",
               bad);
    same(w, 4, "policy", "create", "q", bad);
    (void)snprintf(place, sizeof place, "provctl: %s:2:", bad);
    says(w->r.err, place);
    same(w, 4, "--json", "policy", "create", "q", bad);
    same(w, 4, "template", "create", "t", bad);
    same(w, 4, "template", "eval", "fleet");
    says(w->r.err, "provctl: fleet (version 1):1:");
    unfurnish(w, &f);
}

static void certificate_changes_hands_and_a_thing_its_owner(void **state)
{
    struct world *w = *state;
    struct furniture f;

    furnish(w, &f);
    remote(w, "thing", "create", "torch");
    remote(w, "thing", "transfer", "lamp", "torch", "--cert", f.device_id, "--exclusive");
    says(w->r.out, "is thing torch's now");
    same(w, 0, "--json", "cert", "show", f.device_id);
    says(w->r.out, "EXCLUSIVE_THING");
    remote_fails(w, 3, "thing", "attach", "torch", "--cert", f.device_id);
    remote(w, "thing", "transfer", "torch", "lamp", "--cert", f.device_id);
    remote(w, "thing", "reset", "lamp", "--certificates", "deactivate");
    says(w->r.out, "certificates deactivated: 1, policies detached: 1, groups left: 2");
    remote(w, "cert", "transfer", f.device_id, "--to", "123456789012", "--message", "yours");
    same(w, 0, "--json", "cert", "show", f.device_id);
    says(w->r.out, "PENDING_TRANSFER");
    remote(w, "cert", "reject", f.device_id, "--reason", "not ours");
    remote_fails(w, 4, "cert", "accept", f.device_id);
    remote(w, "cert", "transfer", f.device_id, "--to", "123456789012");
    remote(w, "cert", "accept", f.device_id, "--active");
    says(w->r.out, "accepted, and ACTIVE");
    remote(w, "thing", "delete", "torch");
    remote(w, "thing", "attach", "lamp", "--cert", f.device_id);
    remote(w, "group", "add", "kitchen", "lamp");
    unfurnish(w, &f);
}

static void claims_are_limited_and_certificates_made_through_the_broker(void **state)
{
    struct world *w = *state;
    struct furniture f;
    char list[TMP_PATH_MAX];

    furnish(w, &f);
    write_text(w, "serials", "SN-1\nSN-2\nSN-3\n", list);
    remote_fails(w, 2, "claim", "create", "fleet");
    says(w->r.err, "`provctl issuer create`");
    run_local(w, WORDS("issuer", "create"));
    assert_int_equal(w->r.status, 0);
    remote(w, "claim", "create", "fleet", "--key-type", "ec-p256");
    says(w->r.out, "-----BEGIN EC PRIVATE KEY-----\n");
    remote(w, "claim", "create", "fleet", "--qr");
    says(w->r.out, "█");
    remote(w, "claim", "create", "fleet", "--key-type", "ec-p256", "--out", w->rig.dir);
    says(w->r.out, "/claim-");
    remote(w, "--json", "cert", "create", "--key-type", "ec-p256", "--active");
    says(w->r.out, "\"PrivateKey\": \"-----BEGIN EC PRIVATE KEY-----\\n");
    same(w, 2, "claim", "create", "nosuch");
    same(w, 1, "claim", "create", "fleet", "--key-type", "rsa1024");
    remote(w, "claim", "limit", f.device_id, "--template", "fleet", "--uses", "5", "--rate",
           "10/min", "--network", "192.0.2.0/24");
    remote(w, "claim", "allow", f.device_id, "Serial", "--file", list);
    says(w->r.out, "values allowed of Serial: 3\n");
    remote(w, "claim", "disallow", f.device_id, "Serial", "SN-2");
    remote(w, "claim", "suspend", f.device_id, "--reason", "leaked");
    same(w, 0, "--json", "claim", "show", f.device_id);
    says(w->r.out, "leaked");
    same(w, 0, "--json", "claim", "list");
    same(w, 0, "claim", "values", f.device_id, "Serial");
    says(w->r.out, "SN-3");
    remote(w, "claim", "resume", f.device_id);
    remote(w, "claim", "unlist", f.device_id, "Serial");
    remote(w, "claim", "unlimit", f.device_id);
    same(w, 2, "claim", "disallow", f.device_id, "Serial", "SN-1");
    same(w, 4, "claim", "limit", f.device_id, "--network", "here");
    unfurnish(w, &f);
}

/* ---- long lists ------------------------------------------------------------------------------ */

#define MANY 600 /* more than two pages */

static int count_rows(struct world *w, const char *key)
{
    struct prov_err err;
    cJSON *root = NULL;
    int n;

    if (prov_json_parse(prov_span_str(w->r.out), 1u << 24, &root, &err) != PROV_OK)
        fail_msg("%s in:\n%s", err.text, w->r.out);
    n = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, key));
    cJSON_Delete(root);
    return n;
}

static void long_list_comes_page_by_page(void **state)
{
    struct world *w = *state;
    struct prov_tx tx = rig_begin(&w->rig, PROV_TXN_WRITE);
    char name[32];

    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "many-%03d", i);
        rig_ok(&tx, prov_thing_create(&tx, prov_span_str(name), prov_span(NULL, 0), NULL, 0));
    }
    rig_end(&tx);
    same(w, 0, "--json", "thing", "list", "--after", "many");
    assert_int_equal(count_rows(w, "things"), MANY);
    same(w, 0, "--json", "thing", "list", "--limit", "300", "--after", "many");
    assert_int_equal(count_rows(w, "things"), 300);
    says(w->r.out, "\"nextToken\": \"many-299\"");
}

/* ---- getting in ------------------------------------------------------------------------------ */

static void other_authority_is_not_trusted(void **state)
{
    struct world *w = *state;
    struct pki_cert other = pki_make(&(struct pki_spec){ .subject = "/CN=Other", .ca = true });
    char path[TMP_PATH_MAX];

    write_cert(w, "other", &other, path);
    bare_fails(w, 6, "status", "--url", w->url, "--cafile", path, "--username", "ops");
    says(w->r.err, "was not signed by the CA of --cafile");
    assert_string_equal(w->r.out, "");
    bare_fails(w, 6, "status", "--url", w->url, "--username", "ops");
    says(w->r.err, "was not signed by a CA that this machine trusts");
    bare_fails(w, 6, "--json", "status", "--url", w->url, "--username", "ops");
    says(w->r.err, "\"code\": \"ServiceUnavailableException\"");
    pki_free(&other);
}

static void certificate_for_another_name_is_not_trusted(void **state)
{
    struct world *w = *state;
    char url[64];

    (void)snprintf(url, sizeof url, "mqtts://127.0.0.1:%u",
                   (unsigned)broker_tls_port(w->rig.broker));
    bare_fails(w, 6, "status", "--url", url, "--cafile", w->server, "--username", "ops");
    says(w->r.err, "is for localhost, and not for 127.0.0.1");
}

static void expired_certificate_is_not_trusted(void **state)
{
    struct world *w = *state;
    struct pki_cert good = w->rig.server;
    char path[TMP_PATH_MAX];

    w->rig.server = server_cert("DNS:localhost", -3600);
    write_cert(w, "expired", &w->rig.server, path);
    broker_stop(w->rig.broker);
    broker_restart(w->rig.broker, &w->rig.options);
    bare_fails(w, 6, "status", "--url", w->url, "--cafile", path, "--username", "ops");
    says(w->r.err, "has expired");
    pki_free(&w->rig.server);
    w->rig.server = good;
    broker_stop(w->rig.broker);
    broker_restart(w->rig.broker, &w->rig.options);
    remote(w, "status");
}

static void wrong_password_and_unknown_user_are_refused(void **state)
{
    struct world *w = *state;
    char path[TMP_PATH_MAX];

    write_text(w, "password", "wrong\nsecret\n", path);
    remote_fails(w, 4, "status", "--password-file", path);
    says(w->r.err, "look at --username and the password");
    bare_fails(w, 4, "status", "--url", w->url, "--cafile", w->server, "--username", "nobody");
    bare_fails(w, 4, "status", "--url", w->url, "--cafile", w->server);
    says(w->r.err, "wants to know who you are");
    write_text(w, "password", "secret\r\nwrong\n", path);
    assert_int_equal(setenv("PROVCTL_PASSWORD", "wrong", 1), 0);
    remote(w, "status", "--password-file", path);
    assert_int_equal(setenv("PROVCTL_PASSWORD", "secret", 1), 0);
}

static void user_without_the_right_is_told_so_at_once(void **state)
{
    struct world *w = *state;

    bare_fails(w, 4, "thing", "create", "sneaked", "--url", w->url, "--cafile", w->server,
               "--username", "guest", "--timeout", "60");
    says(w->r.err, "does not let you publish to $CONTROL/provisioning/v1");
    says(w->r.err, "topic write $CONTROL/provisioning/v1");
    remote_fails(w, 2, "thing", "show", "sneaked");
}

static void nobody_listening_is_told_from_no_such_host(void **state)
{
    struct world *w = *state;
    struct port port = port_take();
    char url[64];

    assert_int_not_equal(port.number, 0);
    (void)snprintf(url, sizeof url, "mqtts://localhost:%u", (unsigned)port.number);
    bare_fails(w, 6, "status", "--url", url, "--timeout", "5");
    says(w->r.err, "cannot be reached: Connection refused");
    bare_fails(w, 6, "status", "--url", "mqtts://no-such-host.invalid", "--timeout", "5");
    says(w->r.err, "no-such-host.invalid cannot be found");
    (void)snprintf(url, sizeof url, "mqtt://localhost:%u",
                   (unsigned)broker_tls_port(w->rig.broker));
    bare_fails(w, 6, "status", "--url", url, "--username", "ops");
    says(w->r.err, "is that port one for TLS?");
    port_give_back(&port);
}

static void operators_certificate_goes_beside_a_devices(void **state)
{
    struct world *w = *state;
    struct furniture f;
    char cert[TMP_PATH_MAX], key[TMP_PATH_MAX];

    furnish(w, &f);
    write_cert(w, "operator", &w->operator, cert);
    (void)tmp_path(w->rig.dir, "operator.key", key);
    remote(w, "cert", "list", "--cert", cert, "--key", key);
    remote(w, "policy", "detach", "p", "--cert", f.device_id, "--client-cert", cert, "--client-key",
           key);
    remote(w, "policy", "attach", "p", "--cert", f.device_id, "--client-cert", cert, "--client-key",
           key);
    remote_fails(w, 1, "policy", "attach", "p", "--cert", cert, "--key", key);
    says(w->r.err, "yours is --client-cert");
    remote_fails(w, 1, "cert", "list", "--client-cert", cert, "--client-key", f.device_file);
    says(w->r.err, "holds no private key in PEM");
    unfurnish(w, &f);
}

static void environment_names_the_broker(void **state)
{
    struct world *w = *state;

    assert_int_equal(setenv("PROVCTL_URL", w->url, 1), 0);
    run(w, WORDS("status", "--cafile", w->server, "--username", "ops"), WORDS(NULL));
    assert_int_equal(w->r.status, 0);
    says(w->r.out, w->url);
    run(w, WORDS("status", "--db", w->rig.db), WORDS(NULL));
    assert_int_equal(w->r.status, 0);
    says(w->r.out, w->rig.db);
    assert_int_equal(unsetenv("PROVCTL_URL"), 0);
}

/* ---- several at once ------------------------------------------------------------------------- */

#define AT_ONCE 6

struct asking {
    const struct world *w;
    char name[16];
    struct run_result r;
    pthread_t thread;
};

static void *ask(void *arg)
{
    struct asking *a = arg;

    run_provctl(&a->r, "--url", a->w->url, "--cafile", a->w->server, "--username", "ops", "--json",
                "thing", "show", a->name);
    return NULL;
}

static void each_of_several_at_once_gets_its_own_answer(void **state)
{
    struct world *w = *state;
    struct asking all[AT_ONCE] = { { .w = w } };
    char expected[64];

    for (int i = 0; i < AT_ONCE; i++) {
        all[i].w = w;
        (void)snprintf(all[i].name, sizeof all[i].name, "once-%d", i);
        remote(w, "thing", "create", all[i].name);
    }
    for (int i = 0; i < AT_ONCE; i++)
        assert_int_equal(pthread_create(&all[i].thread, NULL, ask, &all[i]), 0);
    for (int i = 0; i < AT_ONCE; i++)
        assert_int_equal(pthread_join(all[i].thread, NULL), 0);
    for (int i = 0; i < AT_ONCE; i++) {
        (void)snprintf(expected, sizeof expected, "\"thingName\": \"%s\"", all[i].name);
        assert_int_equal(all[i].r.status, 0);
        says(all[i].r.out, expected);
        run_release(&all[i].r);
    }
}

static const struct CMUnitTest provctl_remote[] = {
    cmocka_unit_test(every_noun_answers_as_it_does_on_the_store),
    cmocka_unit_test(errors_are_told_as_they_are_on_the_store),
    cmocka_unit_test(certificate_changes_hands_and_a_thing_its_owner),
    cmocka_unit_test(claims_are_limited_and_certificates_made_through_the_broker),
    cmocka_unit_test(long_list_comes_page_by_page),
    cmocka_unit_test(other_authority_is_not_trusted),
    cmocka_unit_test(certificate_for_another_name_is_not_trusted),
    cmocka_unit_test(expired_certificate_is_not_trusted),
    cmocka_unit_test(wrong_password_and_unknown_user_are_refused),
    cmocka_unit_test(user_without_the_right_is_told_so_at_once),
    cmocka_unit_test(nobody_listening_is_told_from_no_such_host),
    cmocka_unit_test(operators_certificate_goes_beside_a_devices),
    cmocka_unit_test(environment_names_the_broker),
    cmocka_unit_test(each_of_several_at_once_gets_its_own_answer),
};

int main(void)
{
    return cmocka_run_group_tests(provctl_remote, world_up, world_down);
}
