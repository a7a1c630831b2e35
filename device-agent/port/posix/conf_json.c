#include "conf_priv.h"

#include <stdio.h>
#include <string.h>

/* A name that is longer, or no text, is none that is known: a letter that no name has. */
void conf_json_name(const struct agent_json_member *member, char out[static CONF_MAX_NAME + 2])
{
    struct agent_text text = { .p = out, .cap = CONF_MAX_NAME + 2 };

    if (!agent_json_text(member->name, &text) || text.n == 0)
        memcpy(out, "?", 2);
}

enum agent_class conf_json_end(struct conf_reader *r, const struct agent_json *json)
{
    if (agent_json_whole(json))
        return AGENT_OK;
    r->line = conf_line_of(json->text, json->text.p + json->at);
    r->what[0] = '\0';
    return conf_bad(r, "is no JSON from here on; look for a missing , or \" before it");
}

static enum agent_class decode(struct conf_reader *r, struct agent_span written, const char **out)
{
    struct agent_text text = { .cap = written.n + 1 }; /* an escape is never shorter */

    text.p = conf_alloc(r, text.cap);
    if (text.p == NULL)
        return conf_no_memory(r);
    *out = text.p;
    return agent_json_text(written, &text) ? AGENT_OK : conf_bad(r, "is no text; write one");
}

static bool is_word(const struct agent_json_member *member, const char *word)
{
    return member->kind == AGENT_JSON_WORD && member->value.n == strlen(word) &&
           memcmp(member->value.p, word, member->value.n) == 0;
}

enum agent_class conf_json_value(struct conf_reader *r, const struct agent_json_member *member,
                                 bool free, const char **out)
{
    if (member->kind == AGENT_JSON_STRING || (member->kind == AGENT_JSON_NUMBER && !free))
        return decode(r, member->value, out);
    if (free)
        return conf_bad(r, "is no text; write it in quotes");
    if (!is_word(member, "true") && !is_word(member, "false"))
        return conf_bad(r, "is no value; write a text in quotes, a number, true or false");
    *out = is_word(member, "true") ? "yes" : "no";
    return AGENT_OK;
}

static enum agent_class read_section(struct conf_reader *r, struct agent_span text,
                                     const char *section, struct agent_span object)
{
    char name[CONF_MAX_NAME + 2], shown[CONF_SHOWN + 1];
    struct agent_json json;
    struct agent_json_member member;
    const char *value = NULL;
    enum agent_class class;

    agent_json_init(&json, object);
    while (agent_json_next(&json, &member)) {
        r->line = conf_line_of(text, member.name.p);
        conf_json_name(&member, name);
        (void)snprintf(r->what, sizeof r->what, "%s.%s", section, conf_shown_name(name, shown));
        class = conf_json_value(r, &member, strcmp(section, "parameters") == 0, &value);
        if (class == AGENT_OK)
            class = conf_set(r, section, name, value, NULL);
        if (class != AGENT_OK)
            return class;
    }
    return AGENT_OK; /* it was checked to the letter when it was passed over */
}

static bool is_aws(struct agent_span text)
{
    char name[CONF_MAX_NAME + 2];
    struct agent_json json;
    struct agent_json_member member;

    agent_json_init(&json, text);
    while (agent_json_next(&json, &member)) {
        conf_json_name(&member, name);
        if (strcmp(name, "endpoint") == 0)
            return true;
    }
    return false;
}

enum agent_class conf_json(struct conf_reader *r, struct agent_span text)
{
    char name[CONF_MAX_NAME + 2];
    struct agent_json json;
    struct agent_json_member member;
    enum agent_class class;

    if (is_aws(text))
        return conf_aws(r, text);
    agent_json_init(&json, text);
    while (agent_json_next(&json, &member)) {
        r->line = conf_line_of(text, member.name.p);
        conf_json_name(&member, name);
        class = conf_section(r, name);
        if (class == AGENT_OK && member.kind != AGENT_JSON_OBJECT)
            class = conf_bad(r, "section %s is no object; write \"%s\": { \"key\": \"value\" }",
                             name, name);
        if (class == AGENT_OK)
            class = read_section(r, text, name, member.value);
        if (class != AGENT_OK)
            return class;
    }
    return conf_json_end(r, &json);
}
