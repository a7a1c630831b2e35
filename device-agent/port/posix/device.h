/*
 * device.h - which machine this is: whoever copies a state directory to another one, with a golden
 * image for instance, is told so, and two devices do not become one.
 */
#ifndef POSIX_DEVICE_H
#define POSIX_DEVICE_H

#include "device-agent/port/port.h"

/* Where ids are looked for below; "" is the machine's own root. */
struct device_root {
    const char *path;
};

/*
 * A hash of the configured id, or else of the first of these that is there and not empty: the
 * device tree's serial number, the machine-id. A hash with a text of this program's own, for
 * machine-id(5) is not to be shown around. AGENT_CONFIG: there is none.
 */
enum agent_class device_id(const char *configured, const struct device_root *root,
                           uint8_t out[static AGENT_DEVICE_LEN], struct port_result *result);

#endif
