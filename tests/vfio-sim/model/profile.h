/*
 * Profiles: the text form of a device's configuration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_PROFILE_H
#define VFIO_SIM_PROFILE_H

#include "attributes.h"

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
