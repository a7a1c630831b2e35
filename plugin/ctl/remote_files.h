/*
 * remote_files.h - are the files that a TLS connection needs what they should be? The MQTT library
 * says only that something failed.
 */
#ifndef CTL_REMOTE_FILES_H
#define CTL_REMOTE_FILES_H

#include "remote.h"

/* PROV_EINVAL with the file and what is wrong with it. A key that is encrypted is left to the
 * library, which asks for its password. */
PROV_MUST_USE enum prov_rc ctl_remote_check_files(const struct ctl_remote_conf *conf,
                                                  struct prov_err *err);

#endif
