#include "conf_priv.h"

#include <stdio.h>
#include <string.h>

#define BLANKS " \t\r"

static char *skip(char *text)
{
    return text + strspn(text, BLANKS);
}

/* The blanks at its end go. */
static char *trim(char *text)
{
    size_t n = strlen(text);

    while (n > 0 && strchr(BLANKS, text[n - 1]) != NULL)
        n--;
    text[n] = '\0';
    return text;
}

/* At its first quote; in place, for what it stands for is never longer. */
static enum agent_class unquote(struct conf_reader *r, char *text)
{
    char *out = text;
    const char *in = text + 1;

    for (; *in != '"'; in++) {
        if (*in == '\\' && (in[1] == '"' || in[1] == '\\'))
            in++;
        else if (*in == '\\')
            return conf_bad(r, "only \\\" and \\\\ are known in quotes; write \\\\ for a \\");
        if (*in == '\0')
            return conf_bad(r, "a quote is open at the line's end; write a \" there");
        *out++ = *in;
    }
    if (in[1 + strspn(in + 1, BLANKS)] != '\0')
        return conf_bad(r, "there is more behind the quotes; quote all of it");
    *out = '\0';
    return AGENT_OK;
}

/* Half a comment would become part of a path and the like without anybody noticing. */
static bool has_comment(const char *value)
{
    for (const char *p = value; *p != '\0'; p++) {
        if ((*p == '#' || *p == ';') && p > value && (p[-1] == ' ' || p[-1] == '\t'))
            return true;
    }
    return false;
}

static enum agent_class read_setting(struct conf_reader *r, const char *section, char *line)
{
    char *equals = strchr(line, '='), *value, shown[CONF_SHOWN + 1];
    enum agent_class class;

    if (equals == NULL)
        return conf_bad(r, "is neither [section] nor key = value; # begins a comment");
    if (section == NULL)
        return conf_bad(r, "is in no section; write [broker] or another before it");
    *equals = '\0';
    trim(line);
    value = trim(skip(equals + 1));
    if (value[0] == '"') {
        class = unquote(r, value);
        if (class != AGENT_OK)
            return class;
    } else if (value[0] == '\0') {
        (void)snprintf(r->what, sizeof r->what, "%s.%s", section, conf_shown_name(line, shown));
        return conf_bad(r, "has no value; write one, \"\" for an empty text, or leave it out");
    } else if (has_comment(value)) {
        return conf_bad(r, "a comment needs a line of its own; quote the value if # or ; is in it");
    }
    return conf_set(r, section, line, value, NULL);
}

static enum agent_class read_section(struct conf_reader *r, char *line, const char **section)
{
    const size_t n = strlen(line);

    if (line[n - 1] != ']')
        return conf_bad(r, "a [ has no ] at the line's end; write [broker]");
    line[n - 1] = '\0';
    *section = trim(skip(line + 1));
    return conf_section(r, *section);
}

enum agent_class conf_ini(struct conf_reader *r, char *text)
{
    const char *section = NULL;
    enum agent_class class = AGENT_OK;
    char *line;

    for (r->line = 1; text != NULL && class == AGENT_OK; r->line++) {
        r->what[0] = '\0';
        line = trim(skip(strsep(&text, "\n")));
        if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
            continue;
        class = line[0] == '[' ? read_section(r, line, &section) : read_setting(r, section, line);
    }
    return class;
}
