/* view_priv.h - what the files of the views share with each other and with nobody else. */
#ifndef PROV_VIEW_PRIV_H
#define PROV_VIEW_PRIV_H

#include "doc.h"
#include "view.h"

void view_arn(struct prov_doc *d, cJSON *into, const char *key, const char *kind,
              struct prov_span name);
/* A name and its ARN. */
void view_named(struct prov_doc *d, cJSON *into, const char *name_key, const char *arn_key,
                const char *kind, struct prov_span name);
/* [name, …] */
void view_names(struct prov_doc *d, cJSON *into, const char *key, const struct prov_span *names,
                size_t n);
/* Left out when it is 0. */
void view_time_if(struct prov_doc *d, cJSON *into, const char *key, int64_t at_ms);
/* { "targetArn": … }, to be gone on with; left out, and NULL, when there is no hook. */
cJSON *view_hook(struct prov_doc *d, cJSON *into, const char *key, struct prov_span hook);

#endif
