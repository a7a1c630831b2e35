#include "port.h"

#include <stdarg.h>
#include <stdio.h>

enum agent_class port_fail(struct port_result *result, enum agent_class class, const char *format,
                           ...)
{
    va_list args;

    result->class = class;
    va_start(args, format);
    if (vsnprintf(result->text, sizeof result->text, format, args) < 0)
        result->text[0] = '\0';
    va_end(args);
    for (char *p = result->text; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~')
            *p = '?';
    }
    return class;
}
