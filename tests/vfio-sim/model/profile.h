/*
 * Profiles: the text form of a device's configuration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_PROFILE_H
#define VFIO_SIM_PROFILE_H

#include "model.h"

typedef enum VFIOSimType {
    VFIO_SIM_TYPE_BOOL,
    VFIO_SIM_TYPE_SIZE,
    VFIO_SIM_TYPE_RATE,         /* bytes a second */
    VFIO_SIM_TYPE_LIMIT,        /* a size or rate, or a word for "no limit" */
    VFIO_SIM_TYPE_MS,
    VFIO_SIM_TYPE_COUNT,
    VFIO_SIM_TYPE_ENUM,
    VFIO_SIM_TYPE_REPORT,
} VFIOSimType;

typedef struct VFIOSimKey {
    const char *name;
    VFIOSimType type;
    size_t offset;
    uint32_t effects;
    uint64_t max;               /* of numbers; 0: no limit */
    uint64_t min;
    const char *no_limit;       /* the word of a VFIO_SIM_TYPE_LIMIT */
    const char *const *names;   /* of an enum, ends with NULL */
    const char *doc;
} VFIOSimKey;

extern const VFIOSimKey vfio_sim_keys[];
extern const unsigned int vfio_sim_nr_keys;

void vfio_sim_config_default(VFIOSimConfig *cfg);
const VFIOSimKey *vfio_sim_key_find(const char *name);
/* What to report of a name that is neither a key nor a counter. */
void vfio_sim_key_unknown(const char *name, char *buf, size_t len);
/* Set one key; returns NULL, or says why @value is not a value for it. */
const char *vfio_sim_key_set(VFIOSimConfig *cfg, const VFIOSimKey *key,
                             const char *value);
/* The value as text that vfio_sim_key_set() takes, numbers in decimal. */
void vfio_sim_key_get(const VFIOSimConfig *cfg, const VFIOSimKey *key,
                      char *buf, size_t len);
/* What values a key takes, for people. */
void vfio_sim_key_values(const VFIOSimKey *key, char *buf, size_t len);
/* NULL, or what is wrong with the keys taken together. */
const char *vfio_sim_config_check(const VFIOSimConfig *cfg);

/*
 * Parse the text of a profile.  On failure @err gets "NAME:LINE: reason", and
 * -EINVAL is returned.
 */
int vfio_sim_profile_parse(VFIOSimConfig *cfg, const char *name,
                           const char *text, size_t len,
                           char *err, size_t err_len);

#ifndef VFIO_SIM_KERNEL
/* The same from a file. */
int vfio_sim_profile_load(VFIOSimConfig *cfg, const char *path,
                          char *err, size_t err_len);
/*
 * The next option of a list, in place: options end with a comma, lists with a
 * semicolon, and either, like a backslash itself, is a part of an option if a
 * backslash stands before it.  Returns NULL at the end of all; @end gets what
 * ended the option: ',', ';' or 0.
 */
char *vfio_sim_next_option(char **pos, char *end);
/* Set one "key=value"; on failure @err has the reason. */
int vfio_sim_profile_override(VFIOSimConfig *cfg, const char *assignment,
                              char *err, size_t err_len);
#endif

#endif /* VFIO_SIM_PROFILE_H */
