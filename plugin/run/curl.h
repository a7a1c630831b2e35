/*
 * curl.h - libcurl, loaded when it is first needed: with all that it brings along it would take a
 * broker several megabytes, and most have no https hook.
 *
 * It stays loaded until the process ends, also when the plugin is unloaded: a look-up of a name
 * that was given up may still be under way on a thread of its own. Functions as in
 * curl/curl.h, 7.87 or later.
 */
#ifndef PROV_CURL_H
#define PROV_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

struct prov_curl {
    CURLcode (*global_init)(long flags);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
    CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd *extra, unsigned n, int ms,
                            int *ready);
    CURLMcode (*multi_perform)(CURLM *multi, int *running);
    CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
    CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_cleanup)(CURLM *multi);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
    const char *(*easy_strerror)(CURLcode code);
    void (*easy_cleanup)(CURL *easy);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
};

/*
 * The functions, loaded and initialised once a process; NULL, and *why a static text or dlerror's,
 * when it is not installed or too old. Thread: one at a time.
 */
const struct prov_curl *prov_curl_load(const char **why);

#endif
