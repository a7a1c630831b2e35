/* Fleet provisioning requests in CBOR; the first byte, '0' to '2', chooses the operation. */
#include "support/fleet_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size != 0)
        fleet_case_check((enum prov_fleet_op)(data[0] % PROV_FLEET_OPS), PROV_CBOR,
                         prov_span(data + 1, size - 1));
    return 0;
}
