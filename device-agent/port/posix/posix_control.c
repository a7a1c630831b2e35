#include <string.h>
#include <unistd.h>

#include "posix_priv.h"
#include "status.h"

static cJSON *status(struct posix *p)
{
    struct agent_view view;
    const struct status_in in = {
        .conf = p->spec->conf,
        .dir = p->dir,
        .record = agent_record(&p->agent),
        .read = AGENT_STATE_GOOD,
        .view = &view,
        .pid = getpid(),
        .mono_ms = posix_mono_ms(),
        .wall_s = posix_wall_s(),
    };
    cJSON *doc;

    agent_look(&p->agent, &view);
    doc = status_make(&in);
    return doc != NULL ? control_ok("status", doc) : NULL;
}

static cJSON *inject(struct posix *p, const struct control_request *request)
{
    const struct agent_span cert = { (const uint8_t *)request->cert, strlen(request->cert) };
    const struct agent_span key = { (const uint8_t *)request->key, strlen(request->key) };
    struct port_result result = { 0 };

    if (store_inject(p->store, cert, key, &p->claim, &result) != AGENT_OK) {
        tell_event(&p->tell, TELL_WARNING, "claim-refused", "%s", result.text);
        return control_failed(&result);
    }
    p->claim_came = true;
    tell_event(&p->tell, TELL_INFO, "claim-injected", "a claim was injected");
    return control_ok(NULL, NULL);
}

cJSON *posix_control(void *arg, const struct control_request *request)
{
    struct posix *p = arg;

    switch (request->command) {
    case CONTROL_STATUS:
        return status(p);
    case CONTROL_INJECT:
        return inject(p, request);
    case CONTROL_RENEW:
        p->want_renew = true;
        break;
    case CONTROL_RESET:
        if (request->level > p->want_reset)
            p->want_reset = request->level;
        break;
    case CONTROL_STOP:
        p->want_stop = true;
        break;
    case CONTROL_COMMANDS:
        break;
    }
    tell_event(&p->tell, TELL_INFO, "asked", "a command asks for %s",
               request->command == CONTROL_RENEW   ? "a renewal"
               : request->command == CONTROL_RESET ? "a reset"
                                                   : "the end");
    return control_ok(NULL, NULL);
}
