/* Topics of fleet provisioning: what is taken for a request's is the topic made of what was read.
 */
#include <stdlib.h>

#include "core/fleet_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char answer[PROV_MAX_FLEET_TOPIC];
    struct prov_fleet_topic t;

    if (!prov_fleet_topic_parse(prov_span(data, size), &t))
        return 0;
    prov_fleet_answer_topic(&t, true, answer);
    if (strlen(answer) != size + 9 || memcmp(answer, data, size) != 0 ||
        strcmp(answer + size, "/accepted") != 0)
        abort();
    return 0;
}
