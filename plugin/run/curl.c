#include "curl.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "core/base.h"

static const struct {
    const char *name;
    size_t at;
} functions[] = {
#define FUNCTION(name)                                                                             \
    {                                                                                              \
        "curl_" #name, offsetof(struct prov_curl, name)                                            \
    }
    FUNCTION(global_init),      FUNCTION(multi_init),          FUNCTION(multi_setopt),
    FUNCTION(multi_poll),       FUNCTION(multi_perform),       FUNCTION(multi_info_read),
    FUNCTION(multi_add_handle), FUNCTION(multi_remove_handle), FUNCTION(multi_cleanup),
    FUNCTION(easy_init),        FUNCTION(easy_setopt),         FUNCTION(easy_getinfo),
    FUNCTION(easy_strerror),    FUNCTION(easy_cleanup),        FUNCTION(slist_append),
    FUNCTION(slist_free_all),
#undef FUNCTION
};
_Static_assert(PROV_COUNT(functions) * sizeof(void (*)(void)) == sizeof(struct prov_curl),
               "a function was added that is not looked up");

static bool look_up(void *library, struct prov_curl *out)
{
    for (size_t i = 0; i < PROV_COUNT(functions); i++) {
        void *symbol = dlsym(library, functions[i].name);

        if (symbol == NULL)
            return false;
        /* POSIX has dlsym give functions as object pointers; copying says so without a cast */
        memcpy((char *)out + functions[i].at, &symbol, sizeof symbol);
    }
    return true;
}

const struct prov_curl *prov_curl_load(const char **why)
{
    static struct prov_curl curl;
    static bool loaded;
    void *library;

    if (loaded)
        return &curl;
    library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL || !look_up(library, &curl)) {
        *why = dlerror();
        return NULL;
    }
    if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        *why = "libcurl does not start";
        return NULL;
    }
    loaded = true;
    return &curl;
}
