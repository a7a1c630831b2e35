#include "doc_verbs.h"

const struct ctl_column ctl_version_columns[] = {
    { "VERSION", true, false },
    { "DEFAULT", false, false },
    { "CREATED", false, false },
};
_Static_assert(PROV_COUNT(ctl_version_columns) == CTL_VERSION_COLUMNS, "columns and their number");

enum prov_rc ctl_key_version(struct prov_span key, uint32_t *out)
{
    if (key.n != 4)
        return PROV_ESTORE;
    *out = (uint32_t)key.p[0] << 24 | (uint32_t)key.p[1] << 16 | (uint32_t)key.p[2] << 8 | key.p[3];
    return PROV_OK;
}

void ctl_cell_version(struct ctl_table *table, const struct prov_version_info *version,
                      uint32_t default_version)
{
    ctl_cellf(table, "%u", version->version);
    ctl_cell(table, version->version == default_version ? PROV_LIT("default") : PROV_LIT(""));
    ctl_cell_time(table, version->created_ms);
}

void ctl_say_version(struct ctl *ctl, const struct prov_version_info *version,
                     uint32_t default_version)
{
    ctl_fieldf(ctl, "version", "%u%s", version->version,
               version->version == default_version ? " (default)" : "");
    ctl_field_time(ctl, "created", version->created_ms);
    ctl_say(ctl, "\n");
    ctl_block(ctl, version->document);
}
