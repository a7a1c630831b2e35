#include "compat.h"

#include <dlfcn.h>
#include <string.h>

#include "run/log.h"

/* The brokers 2.0.11 and 2.1 have these functions, 2.0.21 only its client library, of the same
 * version, whose properties are the broker's. */
static void load_properties(struct prov_compat *out)
{
    void *binary = dlsym(RTLD_DEFAULT, "mosquitto_property_read_binary");
    void *string = dlsym(RTLD_DEFAULT, "mosquitto_property_read_string");
    void *library;

    if (binary == NULL || string == NULL) {
        library = dlopen("libmosquitto.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        binary = library == NULL ? NULL : dlsym(library, "mosquitto_property_read_binary");
        string = library == NULL ? NULL : dlsym(library, "mosquitto_property_read_string");
    }
    if (binary == NULL || string == NULL) {
        prov_log(PROV_LOG_WARNING,
                 "no-properties text=\"libmosquitto.so.1 is missing: requests that name a response "
                 "topic or correlation data are answered without; install libmosquitto1\"");
        return;
    }
    memcpy(&out->read_binary, &binary, sizeof binary);
    memcpy(&out->read_string, &string, sizeof string);
}

void prov_compat_load(struct prov_compat *out)
{
    void *symbol = dlsym(RTLD_DEFAULT, "mosquitto_complete_basic_auth");
    void *client = dlsym(RTLD_DEFAULT, "mosquitto_client");

    memset(out, 0, sizeof *out);
    if (symbol != NULL && client != NULL) {
        /* POSIX has dlsym give functions as object pointers; copying says so without a cast */
        memcpy(&out->complete_basic_auth, &symbol, sizeof symbol);
        memcpy(&out->client, &client, sizeof client);
    }
    load_properties(out);
    out->defer_denies = symbol == NULL;
    out->defer = symbol == NULL ? MOSQ_ERR_PLUGIN_DEFER : PROV_MOSQ_PLUGIN_IGNORE;
}
