#include "support/hook_service.h"

#include <stdio.h>

void hook_service_start(struct hook_service *s, unsigned timeout_ms)
{
    memset(s, 0, sizeof *s);
    s->dir = tmp_new();
    s->ca = pki_make(&(struct pki_spec){ .subject = "/CN=Hook CA", .ca = true });
    s->identity = pki_make(&(struct pki_spec){
        .subject = "/CN=hook", .issuer = &s->ca, .san = "IP:127.0.0.1,DNS:localhost" });
    pki_write(s->dir, "ca", &s->ca, NULL);
    (void)tmp_path(s->dir, "ca.crt", s->cafile);
    s->server = https_start(&s->identity);
    https_behave(s->server, HTTPS_ANSWER, 200, HOOK_YES);
    s->rig = hook_rig_new(timeout_ms, 0, s->cafile);
    (void)snprintf(s->url, sizeof s->url, "https://127.0.0.1:%u/hooks/activate?site=1",
                   https_port(s->server));
}

void hook_service_stop(struct hook_service *s)
{
    hook_rig_free(s->rig);
    https_stop(s->server);
    pki_free(&s->identity);
    pki_free(&s->ca);
    tmp_free(s->dir);
}

int hook_service_setup(void **state)
{
    static struct hook_service s;

    hook_service_start(&s, 0);
    *state = &s;
    return 0;
}

int hook_service_teardown(void **state)
{
    hook_service_stop(*state);
    return 0;
}
