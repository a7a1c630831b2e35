#include "cure.h"

#include "text.h"

static struct prov_span value_of(const struct ctl_case *known, struct prov_span word)
{
    const struct {
        const char *placeholder;
        struct prov_span value;
    } values[] = {
        { "CA", prov_span_str(known->ca) }, { "CERTIFICATE", prov_span_str(known->cert) },
        { "NAME", known->template_name },   { "ID", known->client_id },
        { "TOPIC", known->topic },          { "FILTER", known->topic },
    };

    for (size_t i = 0; i < PROV_COUNT(values); i++) {
        if (prov_span_eq_str(word, values[i].placeholder))
            return values[i].value;
    }
    return prov_span(NULL, 0);
}

void ctl_put_cure(struct prov_buf *out, const char *cure, const struct ctl_case *known)
{
    bool command = false;

    while (*cure != '\0') {
        const size_t n = strcspn(cure, " `");
        const struct prov_span word = prov_span(cure, n);
        const struct prov_span value = command ? value_of(known, word) : prov_span(NULL, 0);

        /* A device's own words are quoted: the line is made to be copied into a shell. */
        if (value.n == 0 || !ctl_put_shell(out, value))
            prov_buf_add(out, word);
        cure += n;
        if (*cure == '\0')
            break;
        command = command != (*cure == '`');
        prov_buf_add_u8(out, (uint8_t)*cure++);
    }
}
