/*
 * Values of keys as text: parsed, checked and printed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "attributes.h"

static const char *const names_bool[] = { "off", "on", NULL };

/* What a query can report, but for a number */
static const char *const names_report[] = {
    [VFIO_SIM_REPORT_TRUTH] = "truth",
    [VFIO_SIM_REPORT_ZERO] = "zero",
    [VFIO_SIM_REPORT_MAX] = "max",
    [VFIO_SIM_REPORT_RANDOM] = "random",
    [VFIO_SIM_REPORT_ERROR] = "error",
    [VFIO_SIM_REPORT_GROWING] = "growing",
    [VFIO_SIM_REPORT_SHRINKING] = "shrinking",
    [VFIO_SIM_REPORT_NUMBER] = NULL
};

/*
 * Names that were changed.  The old ones are refused, so that no profile is
 * taken for something else, with a message that has the new one.
 */
static const struct {
    const char *key;            /* whose value it was; NULL: a key, a counter */
    const char *old;
    const char *message;
} renamed[] = {
#define RENAMED(key, old, new) { key, old, "renamed to " new }
    RENAMED(NULL, "say-initial", "report-initial"),
    RENAMED(NULL, "say-dirty", "report-dirty"),
    RENAMED(NULL, "say-stop", "report-stop"),
    RENAMED(NULL, "dirty-lose", "drop-log-every"),
    RENAMED(NULL, "fail-data-after", "fail-read-after"),
    RENAMED(NULL, "fail-load-after", "fail-write-after"),
    RENAMED(NULL, "said-initial", "reported-initial"),
    RENAMED(NULL, "said-dirty", "reported-dirty"),
    RENAMED(NULL, "said-stop", "reported-stop"),
    RENAMED(NULL, "lulls", "empty-reads"),
    RENAMED("reinit-at", "drained", "when-empty"),
    RENAMED("reinit-at", "query", "before-query"),
    RENAMED("reinit-at", "answered", "after-query"),
#undef RENAMED
};

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A' + 'a';
    }
    return c == '_' ? '-' : c;
}

/* So that "STOP_COPY" is understood as "stop-copy" */
static bool same_word(const char *a, const char *b)
{
    while (*a && fold(*a) == fold(*b)) {
        a++;
        b++;
    }
    return fold(*a) == fold(*b);
}

static int find_word(const char *const *names, const char *value)
{
    int i;

    for (i = 0; names[i]; i++) {
        if (same_word(value, names[i])) {
            return i;
        }
    }
    return -1;
}

/* The message about an old value of @key, or NULL */
static const char *renamed_value(const VFIOSimAttribute *key, const char *value)
{
    unsigned int i;

    for (i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++) {
        if (renamed[i].key && !strcmp(renamed[i].key, key->name) &&
            same_word(value, renamed[i].old)) {
            return renamed[i].message;
        }
    }
    return NULL;
}

void vfio_sim_key_unknown(const char *name, char *buf, size_t len)
{
    unsigned int i;

    for (i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++) {
        if (!renamed[i].key && !strcmp(renamed[i].old, name)) {
            snprintf(buf, len, "unknown key '%s': %s", name,
                     renamed[i].message);
            return;
        }
    }
    snprintf(buf, len, "unknown key '%s'", name);
}

static const char *parse_number(const char *s, bool suffix, uint64_t *result)
{
    unsigned int base = 10;
    unsigned int shift = 0;
    uint64_t v = 0;
    const char *start;

    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        s += 2;
    }
    for (start = s; ; s++) {
        char c = fold(*s);
        unsigned int digit;

        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if (base == 16 && c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10;
        } else {
            break;
        }
        if (v > (UINT64_MAX - digit) / base) {
            return "number is too large";
        }
        v = v * base + digit;
    }
    if (s == start) {
        return "not a number";
    }
    if (suffix && *s) {
        switch (*s) {
        case 'k':
        case 'K':
            shift = 10;
            break;
        case 'M':
            shift = 20;
            break;
        case 'G':
            shift = 30;
            break;
        case 'T':
            shift = 40;
            break;
        default:
            return "unknown suffix (K, M, G and T are known)";
        }
        s++;
    }
    if (*s) {
        return suffix ? "garbage after the number" :
                        "garbage after the number (it takes no suffix)";
    }
    if (shift && v > UINT64_MAX >> shift) {
        return "number is too large";
    }
    *result = v << shift;
    return NULL;
}

const char *vfio_sim_key_set(VFIOSimConfig *cfg, const VFIOSimAttribute *key,
                             const char *value)
{
    char *field = (char *)cfg + key->offset;
    const char *why;
    VFIOSimReport report = { 0 };
    uint64_t v = 0;
    int word;

    if (!*value) {
        return "value is missing";
    }
    switch (key->type) {
    case VFIO_SIM_TYPE_BOOL:
        word = find_word(names_bool, value);
        if (word < 0) {
            return "must be on or off";
        }
        *(bool *)field = word;
        return NULL;
    case VFIO_SIM_TYPE_ENUM:
        word = find_word(key->names, value);
        if (word < 0) {
            why = renamed_value(key, value);
            return why ? why : "not one of the words that it takes";
        }
        *(uint32_t *)field = word;
        return NULL;
    case VFIO_SIM_TYPE_REPORT:
        word = find_word(names_report, value);
        if (word >= 0) {
            report.how = word;
        } else {
            why = parse_number(value, true, &report.number);
            if (why) {
                return "must be truth, zero, max, random, error, growing, "
                       "shrinking or a number";
            }
            report.how = VFIO_SIM_REPORT_NUMBER;
        }
        *(VFIOSimReport *)field = report;
        return NULL;
    case VFIO_SIM_TYPE_LIMIT:
        if (same_word(value, key->no_limit)) {
            *(uint64_t *)field = VFIO_SIM_UNLIMITED;
            return NULL;
        }
        break;
    default:
        break;
    }

    why = parse_number(value, key->type == VFIO_SIM_TYPE_SIZE ||
                              key->type == VFIO_SIM_TYPE_RATE ||
                              key->type == VFIO_SIM_TYPE_LIMIT, &v);
    if (why) {
        return why;
    }
    if (key->max && v > key->max) {
        return "number is too large";
    }
    if (v < key->min) {
        return "number is too small";
    }
    *(uint64_t *)field = v;
    return NULL;
}

void vfio_sim_key_get(const VFIOSimConfig *cfg, const VFIOSimAttribute *key,
                      char *buf, size_t len)
{
    const char *field = (const char *)cfg + key->offset;
    const VFIOSimReport *report;
    uint64_t v;

    switch (key->type) {
    case VFIO_SIM_TYPE_BOOL:
        snprintf(buf, len, "%s", names_bool[*(const bool *)field]);
        return;
    case VFIO_SIM_TYPE_ENUM:
        snprintf(buf, len, "%s", key->names[*(const uint32_t *)field]);
        return;
    case VFIO_SIM_TYPE_REPORT:
        report = (const VFIOSimReport *)field;
        if (report->how != VFIO_SIM_REPORT_NUMBER) {
            snprintf(buf, len, "%s", names_report[report->how]);
            return;
        }
        v = report->number;
        break;
    default:
        v = *(const uint64_t *)field;
        if (key->no_limit && v == VFIO_SIM_UNLIMITED) {
            snprintf(buf, len, "%s", key->no_limit);
            return;
        }
        break;
    }
    snprintf(buf, len, "%llu", (unsigned long long)v);
}

void vfio_sim_key_values(const VFIOSimAttribute *key, char *buf, size_t len)
{
    const char *const *names = key->names;
    size_t used;
    int i;

    switch (key->type) {
    case VFIO_SIM_TYPE_SIZE:
        snprintf(buf, len, "SIZE");
        return;
    case VFIO_SIM_TYPE_RATE:
        snprintf(buf, len, "SIZE per second");
        return;
    case VFIO_SIM_TYPE_LIMIT:
        snprintf(buf, len, "SIZE|%s", key->no_limit);
        return;
    case VFIO_SIM_TYPE_MS:
        snprintf(buf, len, "MS");
        return;
    case VFIO_SIM_TYPE_COUNT:
        snprintf(buf, len, "N");
        return;
    case VFIO_SIM_TYPE_BOOL:
        names = names_bool;
        break;
    case VFIO_SIM_TYPE_REPORT:
        names = names_report;
        break;
    default:
        break;
    }
    buf[0] = 0;
    for (i = 0, used = 0; names[i] && used < len; i++) {
        used += snprintf(buf + used, len - used, "%s%s", i ? "|" : "",
                         names[i]);
    }
    if (key->type == VFIO_SIM_TYPE_REPORT && used < len) {
        snprintf(buf + used, len - used, "|SIZE");
    }
}

void vfio_sim_config_default(VFIOSimConfig *cfg)
{
    memset(cfg, 0, sizeof(*cfg));
    cfg->precopy = true;
    cfg->p2p = true;
    cfg->stop_bytes = 1 << 20;
    cfg->dirty_ceiling = VFIO_SIM_UNLIMITED;
    cfg->read_rate = VFIO_SIM_UNLIMITED;
    cfg->write_rate = VFIO_SIM_UNLIMITED;
    cfg->write_rate_initial = VFIO_SIM_UNLIMITED;
    cfg->precopy_v2 = true;
    cfg->reinit_bytes = 1 << 20;
    cfg->reinit_flag = VFIO_SIM_FLAG_UNTIL_READ;
    cfg->reinit_flag_p2p = true;
    cfg->dma_base = 64 << 20;
    cfg->dma_size = 16 << 20;
    cfg->dirty_log = VFIO_SIM_LOG_DEVICE;
    cfg->fail_read_after = VFIO_SIM_UNLIMITED;
    cfg->fail_write_after = VFIO_SIM_UNLIMITED;
    cfg->read_max = VFIO_SIM_UNLIMITED;
    cfg->write_max = VFIO_SIM_UNLIMITED;
}

const char *vfio_sim_config_check(const VFIOSimConfig *cfg)
{
    if (cfg->dma_base % VFIO_SIM_PAGE || cfg->dma_size % VFIO_SIM_PAGE) {
        return "dma-base and dma-size must be multiples of 4096";
    }
    return NULL;
}
