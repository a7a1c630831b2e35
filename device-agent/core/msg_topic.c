#include <string.h>

#include "msg.h"
#include "text.h"

static const char *const stems[] = {
    [AGENT_CREATE_KEYS] = "$aws/certificates/create",
    [AGENT_CREATE_FROM_CSR] = "$aws/certificates/create-from-csr",
    [AGENT_REGISTER_THING] = "$aws/provisioning-templates/",
};
_Static_assert(sizeof stems / sizeof stems[0] == AGENT_OPS, "an operation has no topic");

static const char *const ends[] = {
    [AGENT_REQUEST] = "",
    [AGENT_ACCEPTED] = "/accepted",
    [AGENT_REJECTED_TOPIC] = "/rejected",
};
_Static_assert(sizeof ends / sizeof ends[0] == AGENT_TOPICS, "a topic has no end");

/* The longest; a NUL is counted with each part. */
_Static_assert(sizeof "$aws/provisioning-templates/" + AGENT_MAX_TEMPLATE_NAME +
                       sizeof "/provision/json/accepted" - 2 <=
                   AGENT_MAX_TOPIC,
               "AGENT_MAX_TOPIC is too small");

/* AWS IoT's rule; it also keeps levels and wildcards out of the topic. */
static bool is_template_name(const char *name)
{
    static const char allowed[] = "0123456789-_"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t n = 0;

    if (name == NULL)
        return false;
    while (n < AGENT_MAX_TEMPLATE_NAME && name[n] != '\0') {
        if (memchr(allowed, name[n++], sizeof allowed - 1) == NULL)
            return false;
    }
    return n != 0 && n < AGENT_MAX_TEMPLATE_NAME;
}

bool agent_msg_topic(enum agent_op op, enum agent_topic which, const char *template_name,
                     char out[static AGENT_MAX_TOPIC])
{
    struct agent_text text = { .p = out, .cap = AGENT_MAX_TOPIC };

    agent_text_clear(&text);
    if ((unsigned)op >= AGENT_OPS || (unsigned)which >= AGENT_TOPICS)
        return false;
    if (op == AGENT_REGISTER_THING && !is_template_name(template_name))
        return false;
    return agent_text_add_str(&text, stems[op]) &&
           (op != AGENT_REGISTER_THING || (agent_text_add_str(&text, template_name) &&
                                           agent_text_add_str(&text, "/provision"))) &&
           agent_text_add_str(&text, "/json") && agent_text_add_str(&text, ends[which]);
}

bool agent_msg_topic_is(enum agent_op op, const char *template_name, struct agent_span topic,
                        enum agent_topic *which)
{
    char expected[AGENT_MAX_TOPIC];

    for (unsigned i = 0; i < AGENT_TOPICS; i++) {
        if (agent_msg_topic(op, (enum agent_topic)i, template_name, expected) &&
            topic.n == strlen(expected) && memcmp(topic.p, expected, topic.n) == 0) {
            *which = (enum agent_topic)i;
            return true;
        }
    }
    return false;
}
