/* Answers of a broker's control API as provctl reads them: in bounds, and one of three outcomes. */
#include <stdlib.h>
#include <string.h>

#include "ctl/remote_msg.h"

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prov_err err = { .code = NULL };
    cJSON *answer = (cJSON *)&err;
    bool ours = false;
    const enum prov_rc rc = ctl_message_read(prov_span(data, size), "7", &ours, &answer, &err);

    if (rc == PROV_OK) {
        check(ours ? cJSON_IsObject(answer) : answer == NULL);
        cJSON_Delete(answer);
        return 0;
    }
    check(ours && answer == NULL);
    check(err.code != NULL && err.rc == rc);
    check(memchr(err.text, '\0', sizeof err.text) != NULL);
    check(memchr(err.path, '\0', sizeof err.path) != NULL);
    return 0;
}
