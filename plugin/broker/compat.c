#include "compat.h"

#include <dlfcn.h>
#include <string.h>

void prov_compat_load(struct prov_compat *out)
{
    void *symbol = dlsym(RTLD_DEFAULT, "mosquitto_complete_basic_auth");

    memset(out, 0, sizeof *out);
    /* POSIX has dlsym give functions as object pointers; copying says so without a cast */
    memcpy(&out->complete_basic_auth, &symbol, sizeof symbol);
    out->defer_denies = symbol == NULL;
    out->defer = symbol == NULL ? MOSQ_ERR_PLUGIN_DEFER : PROV_MOSQ_PLUGIN_IGNORE;
}
