/*
 * Profiles: the text form of a device's configuration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "profile.h"

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

int vfio_sim_profile_parse(VFIOSimConfig *cfg, const char *name,
                           const char *text, size_t len,
                           char *err, size_t err_len)
{
    /* the line of each key, to refuse a key that is given twice */
    unsigned int seen[VFIO_SIM_MAX_ATTRIBUTES] = { 0 };
    unsigned int line = 0;
    size_t pos = 0;
    const char *why;

    while (pos < len) {
        const VFIOSimAttribute *key;
        char buf[256], unknown[320];
        char *k, *v, *end;
        size_t n = 0;

        line++;
        while (pos < len && text[pos] != '\n') {
            if (text[pos] == 0) {
                snprintf(err, err_len, "%s:%u: not a text file", name, line);
                return -EINVAL;
            }
            if (n == sizeof(buf) - 1) {
                snprintf(err, err_len, "%s:%u: line is too long", name, line);
                return -EINVAL;
            }
            buf[n++] = text[pos++];
        }
        pos++;
        buf[n] = 0;

        end = strchr(buf, '#');
        if (!end) {
            end = buf + n;
        }
        while (end > buf && blank(end[-1])) {
            end--;
        }
        *end = 0;
        for (k = buf; blank(*k); k++) {
            /* skip */
        }
        if (!*k) {
            continue;
        }
        v = strchr(k, '=');
        if (!v) {
            snprintf(err, err_len, "%s:%u: '%s' is not of the form key = value",
                     name, line, k);
            return -EINVAL;
        }
        for (end = v; end > k && blank(end[-1]); end--) {
            /* skip */
        }
        *end = 0;
        for (v++; blank(*v); v++) {
            /* skip */
        }
        key = vfio_sim_key_find(k);
        if (!key) {
            vfio_sim_key_unknown(k, unknown, sizeof(unknown));
            snprintf(err, err_len, "%s:%u: %s", name, line, unknown);
            return -EINVAL;
        }
        if (seen[key - vfio_sim_attributes]) {
            snprintf(err, err_len, "%s:%u: %s was already given in line %u",
                     name, line, k, seen[key - vfio_sim_attributes]);
            return -EINVAL;
        }
        seen[key - vfio_sim_attributes] = line;
        why = vfio_sim_key_set(cfg, key, v);
        if (why) {
            snprintf(err, err_len, "%s:%u: %s = %s: %s", name, line, k, v,
                     why);
            return -EINVAL;
        }
    }
    why = vfio_sim_config_check(cfg);
    if (why) {
        snprintf(err, err_len, "%s:%u: %s", name, line, why);
        return -EINVAL;
    }
    return 0;
}

#ifndef VFIO_SIM_KERNEL

int vfio_sim_profile_load(VFIOSimConfig *cfg, const char *path,
                          char *err, size_t err_len)
{
    char text[65536];
    size_t len;
    FILE *f = fopen(path, "r");

    if (!f) {
        snprintf(err, err_len, "%s: %s", path, strerror(errno));
        return -EINVAL;
    }
    errno = 0;
    len = fread(text, 1, sizeof(text), f);
    if (ferror(f)) {
        snprintf(err, err_len, "%s: %s", path, strerror(errno));
        fclose(f);
        return -EINVAL;
    }
    fclose(f);
    if (len == sizeof(text)) {
        snprintf(err, err_len, "%s: file is too large for a profile", path);
        return -EINVAL;
    }
    return vfio_sim_profile_parse(cfg, path, text, len, err, err_len);
}

char *vfio_sim_next_option(char **pos, char *end)
{
    char *start = *pos;
    char *from, *to;

    if (!*start) {
        return NULL;
    }
    for (from = to = start; *from && *from != ',' && *from != ';'; from++) {
        if (*from == '\\' && from[1]) {
            from++;
        }
        *to++ = *from;
    }
    *end = *from;
    *pos = *from ? from + 1 : from;
    *to = 0;
    return start;
}

int vfio_sim_profile_override(VFIOSimConfig *cfg, const char *assignment,
                              char *err, size_t err_len)
{
    const char *eq = strchr(assignment, '=');
    const VFIOSimAttribute *key;
    const char *why;
    char name[64];

    if (!eq || (size_t)(eq - assignment) >= sizeof(name)) {
        snprintf(err, err_len, "'%s' is not of the form key=value",
                 assignment);
        return -EINVAL;
    }
    memcpy(name, assignment, eq - assignment);
    name[eq - assignment] = 0;
    key = vfio_sim_key_find(name);
    if (!key) {
        vfio_sim_key_unknown(name, err, err_len);
        return -EINVAL;
    }
    why = vfio_sim_key_set(cfg, key, eq + 1);
    if (why) {
        snprintf(err, err_len, "%s: %s", assignment, why);
        return -EINVAL;
    }
    return 0;
}

#endif
