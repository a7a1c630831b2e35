/*
 * Any bytes as a request on the agent's socket. What is accepted is what cJSON reads as well, says
 * what its command needs and nothing else, and comes back the same when it is written and read
 * again. A refused request leaves nothing, and says why.
 */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "device-agent/port/posix/control_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static bool all_zero(const void *p, size_t n)
{
    const uint8_t *bytes = p;

    while (n > 0 && bytes[n - 1] == 0)
        n--;
    return n == 0;
}

static const char *member(const cJSON *tree, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, name);

    return cJSON_IsString(item) ? item->valuestring : "";
}

/* By a reader that is not ours. */
static void check_said(struct agent_span line, const struct control_request *request)
{
    static const char *const names[] = {
        [CONTROL_STATUS] = "status",       [CONTROL_RENEW] = "renew", [CONTROL_RESET] = "reset",
        [CONTROL_INJECT] = "inject-claim", [CONTROL_STOP] = "stop",
    };
    cJSON *tree = cJSON_ParseWithLength((const char *)line.p, line.n);
    const bool injects = request->command == CONTROL_INJECT;

    must(cJSON_IsObject(tree));
    must(strcmp(member(tree, "command"), names[request->command]) == 0);
    must(strcmp(member(tree, "certificate"), request->cert) == 0);
    must(strcmp(member(tree, "privateKey"), request->key) == 0);
    must((request->cert[0] != '\0') == injects && (request->key[0] != '\0') == injects);
    if (request->command == CONTROL_RESET)
        must(strcmp(member(tree, "level"), control_level_name(request->level)) == 0);
    else
        must(request->level == AGENT_RESET_NONE && member(tree, "level")[0] == '\0');
    must(cJSON_GetArraySize(tree) == (injects ? 3 : request->command == CONTROL_RESET ? 2 : 1));
    cJSON_Delete(tree);
}

/* Six bytes are the most that one can become. */
static void check_again(const struct control_request *request)
{
    static char room[6 * (AGENT_MAX_CERT + AGENT_MAX_KEY) + 256];
    struct agent_text out = { .p = room, .cap = sizeof room };
    struct port_result result = { 0 };
    struct control_request again;

    must(control_request_write(request, &out));
    must(memchr(room, '\n', out.n) == NULL);
    must(control_request_read((struct agent_span){ (const uint8_t *)out.p, out.n }, &again,
                              &result) == AGENT_OK);
    must(again.command == request->command && again.level == request->level);
    must(strcmp(again.cert, request->cert) == 0 && strcmp(again.key, request->key) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct agent_span line = { data, size };
    struct control_request request;
    struct port_result result = { 0 };

    memset(&request, 'x', sizeof request);
    if (control_request_read(line, &request, &result) != AGENT_OK) {
        must(result.class == AGENT_ANSWER && result.text[0] != '\0');
        must(all_zero(&request, sizeof request));
        return 0;
    }
    must(result.class == AGENT_OK);
    check_said(line, &request);
    check_again(&request);
    return 0;
}
