/* key_files.h - a certificate and its private key in two new files. */
#ifndef CTL_KEY_FILES_H
#define CTL_KEY_FILES_H

#include <openssl/types.h>

#include "new_file.h"

/*
 * Makes both or neither; paths and owners are the files' already, modes 0644 and 0600. The key
 * comes first: a certificate alone would seem to be whole. PROV_ECONFLICT, PROV_ESTORE as
 * ctl_new_files. When the power fails between them, ctl_key_files_resume makes them whole.
 */
PROV_MUST_USE enum prov_rc ctl_key_files(struct ctl *ctl, const struct ctl_new_file *cert_file,
                                         const struct ctl_new_file *key_file, const EVP_PKEY *key,
                                         const X509 *cert);
/* *resumed: an earlier ctl_key_files of these paths was cut short, and both are there now. */
PROV_MUST_USE enum prov_rc ctl_key_files_resume(struct ctl *ctl, const char *cert_path,
                                                const char *key_path, bool *resumed);

/* A private key in PEM, as the broker wants it. PROV_EINVAL when the file holds none, or one with a
 * password; as ctl_read_file. */
PROV_MUST_USE enum prov_rc ctl_key_read(struct ctl *ctl, const char *path, EVP_PKEY **out);

#endif
