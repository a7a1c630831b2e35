#include "issued.h"

#include <stdio.h>

#include "core/api.h"
#include "new_file.h"

enum prov_rc ctl_issued_check(struct ctl *ctl)
{
    const char *dir = ctl_opt(&ctl->args, OPT_OUT);

    return dir != NULL ? ctl_new_file_dir(ctl, dir) : PROV_OK;
}

static enum prov_rc name_file(struct ctl *ctl, struct ctl_new_file *file, const char *prefix,
                              const cJSON *data, const char *suffix)
{
    char name[64];

    (void)snprintf(name, sizeof name, "%s-%.8s%s", prefix,
                   ctl_short(ctl_get(data, "certificateId")).text, suffix);
    return ctl_new_file_at(ctl, file, ctl_opt(&ctl->args, OPT_OUT), name);
}

static enum prov_rc write_files(struct ctl *ctl, const struct ctl_new_file *files, size_t n)
{
    enum prov_rc rc;

    rc = ctl_new_files(ctl, files, n);
    if (rc != PROV_OK)
        return rc;
    rc = ctl_end(ctl);
    if (rc != PROV_OK)
        ctl_new_files_undo(files, n);
    return rc;
}

static enum prov_rc tell_files(struct ctl *ctl, cJSON *data, const struct ctl_new_file *files,
                               size_t n)
{
    static const char *const keys[] = { "certificateFile", "privateKeyFile" };

    prov_api_drop(cJSON_DetachItemFromObjectCaseSensitive(data, "certificatePem"));
    prov_api_drop(cJSON_DetachItemFromObjectCaseSensitive(data, "keyPair"));
    for (size_t i = 0; i < n; i++) {
        cJSON *path = prov_doc_string(prov_span_str(files[i].path));

        if (path == NULL || !cJSON_AddItemToObject(data, keys[i], path)) {
            cJSON_Delete(path);
            return prov_nomem(&ctl->err);
        }
    }
    return PROV_OK;
}

/* A broker has recorded it by then. */
static void hint_left(struct ctl *ctl, const char *prefix, const cJSON *data)
{
    const struct ctl_short_id id = ctl_short(ctl_get(data, "certificateId"));

    if (ctl->remote == NULL)
        return;
    if (strcmp(prefix, "cert") == 0)
        ctl_hint(ctl, "the broker has registered certificate %s: `provctl cert delete %s`", id.text,
                 id.text);
    else
        ctl_hint(ctl, "the claim that the broker made (%s) ends by itself", id.text);
}

enum prov_rc ctl_issued_keep(struct ctl *ctl, const char *prefix, cJSON *data)
{
    struct ctl_new_file files[2] = {
        { .mode = 0644, .bytes = ctl_get(data, "certificatePem") },
        { .mode = 0600, .bytes = ctl_get_in(data, "keyPair", "PrivateKey") },
    };
    const size_t n = files[1].bytes.n != 0 ? 2 : 1;
    enum prov_rc rc;

    if (!ctl_has(&ctl->args, OPT_OUT))
        return PROV_OK;
    rc = name_file(ctl, &files[0], prefix, data, ".crt");
    if (rc == PROV_OK && n == 2)
        rc = name_file(ctl, &files[1], prefix, data, ".key");
    if (rc == PROV_OK)
        rc = write_files(ctl, files, n);
    if (rc != PROV_OK) {
        hint_left(ctl, prefix, data);
        return rc;
    }
    return tell_files(ctl, data, files, n);
}

void ctl_issued_say_files(struct ctl *ctl, const cJSON *data)
{
    ctl_field(ctl, "certificate", ctl_get(data, "certificateFile"));
    ctl_field(ctl, "private key", ctl_get(data, "privateKeyFile"));
}

void ctl_issued_say_pem(struct ctl *ctl, const cJSON *data)
{
    const struct prov_span pem = ctl_get(data, "certificatePem");

    if (pem.n == 0)
        return;
    ctl_say(ctl, "\n");
    ctl_block(ctl, pem);
    ctl_block(ctl, ctl_get_in(data, "keyPair", "PrivateKey"));
}
