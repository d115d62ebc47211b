/*
 * Attributes: the keys and counters of a device, by name
 *
 * One table serves the parser of profiles, the control socket, the kernel
 * module's files in sysfs, the help and the manual.  A key is a part of the
 * configuration; all else can only be read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_ATTRIBUTES_H
#define VFIO_SIM_ATTRIBUTES_H

#include "model.h"

typedef enum VFIOSimType {
    VFIO_SIM_TYPE_BOOL,
    VFIO_SIM_TYPE_SIZE,
    VFIO_SIM_TYPE_RATE,         /* bytes per second */
    VFIO_SIM_TYPE_LIMIT,        /* a size or rate, or a word for "no limit" */
    VFIO_SIM_TYPE_MS,
    VFIO_SIM_TYPE_COUNT,
    VFIO_SIM_TYPE_ENUM,
    VFIO_SIM_TYPE_REPORT,
    VFIO_SIM_TYPE_COUNTER,      /* a number that can only be read */
    VFIO_SIM_TYPE_TEXT,         /* words that can only be read */
} VFIOSimType;

typedef struct VFIOSimAttribute {
    const char *name;
    const char *group;          /* a heading for all that follow, or NULL */
    VFIOSimType type;
    /* of a key in VFIOSimConfig; else, without show(), in the counters */
    size_t offset;
    uint32_t effects;
    uint64_t max;               /* of numbers; 0: no limit */
    uint64_t min;
    const char *no_limit;       /* the word of a VFIO_SIM_TYPE_LIMIT */
    const char *const *names;   /* of an enum, ends with NULL */
    void (*show)(VFIOSim *s, uint64_t now, char *buf, size_t len);
    const char *doc;
} VFIOSimAttribute;

/* No smaller than the table */
#define VFIO_SIM_MAX_ATTRIBUTES 128

/* Keys, then the rest */
extern const VFIOSimAttribute vfio_sim_attributes[];
extern const unsigned int vfio_sim_nr_attributes;

bool vfio_sim_is_key(const VFIOSimAttribute *attr);
const VFIOSimAttribute *vfio_sim_attribute_find(const char *name);
/* The same, but only keys */
const VFIOSimAttribute *vfio_sim_key_find(const char *name);
/* What to report of a name that is no attribute */
void vfio_sim_key_unknown(const char *name, char *buf, size_t len);
/* Set one key; returns NULL, or why @value is not a value for it. */
const char *vfio_sim_key_set(VFIOSimConfig *cfg, const VFIOSimAttribute *key,
                             const char *value);
/* The value as text that vfio_sim_key_set() takes, numbers in decimal. */
void vfio_sim_key_get(const VFIOSimConfig *cfg, const VFIOSimAttribute *key,
                      char *buf, size_t len);
/* What values a key takes, for people. */
void vfio_sim_key_values(const VFIOSimAttribute *key, char *buf, size_t len);

#endif /* VFIO_SIM_ATTRIBUTES_H */
