/*
 * cmd_status_metrics.h - what the broker that runs on the store counts, as `provctl status` shows
 * it.
 *
 * No broker, or a file that cannot be read, is an answer and no failure. Thread: main.
 */
#ifndef CTL_CMD_STATUS_METRICS_H
#define CTL_CMD_STATUS_METRICS_H

#include "ctl.h"

/* For people: who runs, and the counts that are not zero. */
void ctl_status_say_broker(struct ctl *ctl);
/* For programs: all of them, by their names below $SYS/broker/provisioning/, in `broker`. */
void ctl_status_put_broker(struct ctl *ctl, struct prov_doc *d);

#endif
