/* names.h - which names the registry accepts (reference 2.9, 7.1 and 8.7). Thread: any. */
#ifndef PROV_NAMES_H
#define PROV_NAMES_H

#include "base.h"

enum prov_name_kind {
    PROV_NAME_THING,           /* also type, group, billing group: [a-zA-Z0-9:_-]{1,128} */
    PROV_NAME_POLICY,          /* [\w+=,.@-]{1,128} */
    PROV_NAME_TEMPLATE,        /* [0-9A-Za-z_-]{1,36} */
    PROV_NAME_ATTRIBUTE,       /* [a-zA-Z0-9_.,@/:#-]{1,128} */
    PROV_NAME_ATTRIBUTE_VALUE, /* [a-zA-Z0-9_.,@/:#=\[\]-]{0,800} */
};

/* what names the thing in the message: "thing name", "attribute value" … is derived from kind. */
PROV_MUST_USE enum prov_rc prov_name_check(enum prov_name_kind kind, struct prov_span name,
                                           struct prov_err *err);

#endif
