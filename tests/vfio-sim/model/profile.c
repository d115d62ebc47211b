/*
 * Profiles: the text form of a device's configuration
 *
 * One table of keys serves the parser, the control socket and the help.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "profile.h"

static const char *const names_fail_state[] = {
    "none", "stop", "running", "stop-copy", "resuming", "running-p2p",
    "pre-copy", "pre-copy-p2p", NULL
};

static const char *const names_hold[] = {
    "none", "stop", "running", "stop-copy", "resuming", "running-p2p",
    "pre-copy", "pre-copy-p2p", "read", "write", "query", NULL
};

static const char *const names_reinit_at[] = {
    "none", "now", "pre-copy", "pre-copy-p2p", "when-empty", "before-query",
    "after-query", NULL
};
static const char *const names_reinit_flag[] = { "once", "until-read", NULL };
static const char *const names_fail_into[] = { "stay", "error", NULL };
static const char *const names_log[] = {
    "off", "device", "iommu", "both", NULL
};
static const char *const names_bool[] = { "off", "on", NULL };
static const char *const names_report[] = {
    "truth", "zero", "max", "random", "error", "growing", "shrinking", NULL
};

#define AT(field) .offset = offsetof(VFIOSimConfig, field)
#define BOOL(n, f, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_BOOL, AT(f), __VA_ARGS__ }
#define SIZE(n, f, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_SIZE, AT(f), __VA_ARGS__ }
#define RATE(n, f, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_RATE, AT(f), __VA_ARGS__ }
#define LIMIT(n, f, word, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_LIMIT, AT(f), .no_limit = word, \
      __VA_ARGS__ }
#define COUNT(n, f, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_COUNT, AT(f), __VA_ARGS__ }
#define ENUM(n, f, list, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_ENUM, AT(f), .names = list, \
      __VA_ARGS__ }
#define SAY(n, f, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_REPORT, AT(f), __VA_ARGS__ }
#define MS(n, f, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_MS, AT(f), .max = 3600000, \
      __VA_ARGS__ }
#define EFFECT(e) .effects = VFIO_SIM_EFFECT_ ## e
#define EFFECTS(e, f) \
    .effects = VFIO_SIM_EFFECT_ ## e | VFIO_SIM_EFFECT_ ## f

const VFIOSimKey vfio_sim_keys[] = {
    BOOL("precopy", precopy, .doc = "has the PRE_COPY states"),
    BOOL("p2p", p2p, .doc = "has the P2P states"),
    SIZE("initial-bytes", initial_bytes, EFFECT(INITIAL),
         .max = 1ull << 60,
         .doc = "initial precopy data; set during a precopy: what is left"),
    SIZE("dirty-bytes", dirty_bytes, EFFECT(DIRTY),
         .max = 1ull << 60,
         .doc = "dirty data when PRE_COPY starts; set during a precopy: "
                "what is left"),
    RATE("dirty-rate", dirty_rate,
         .doc = "how fast dirty data appears in PRE_COPY"),
    LIMIT("dirty-ceiling", dirty_ceiling, "unlimited", .max = 1ull << 60,
          .doc = "most dirty data that appears by itself"),
    SIZE("stop-bytes", stop_bytes, EFFECT(STOP), .max = 1ull << 60,
         .doc = "data that can only be read while stopped, at least 128; "
                "set while stopped: what is left"),
    LIMIT("read-rate", read_rate, "unlimited", .min = 1,
          .doc = "how fast the device gives its data, bytes a second"),
    LIMIT("write-rate", write_rate, "unlimited", .min = 1,
          .doc = "how fast the device loads data, bytes a second"),
    LIMIT("write-rate-initial", write_rate_initial, "unlimited", .min = 1,
          .doc = "how fast it loads initial data; this time is added"),
    BOOL("precopy-v2", precopy_v2,
         .doc = "the kernel has VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2"),
    SIZE("reinit-bytes", reinit_bytes, .max = 1ull << 60,
         .doc = "initial data that each re-initialisation brings"),
    MS("reinit-every", reinit_every, EFFECTS(REINIT, REINIT_EVERY),
       .doc = "period of re-initialisations in PRE_COPY, 0 for none"),
    COUNT("reinit-count", reinit_count, EFFECT(REINIT),
          .doc = "how many re-initialisations happen, 0 for no end"),
    COUNT("reinit-skip", reinit_skip, EFFECT(REINIT),
          .doc = "how many moments of re-initialisations pass without one"),
    ENUM("reinit-at", reinit_at, names_reinit_at, EFFECTS(REINIT, REINIT_AT),
         .doc = "another moment of re-initialisations"),
    ENUM("reinit-flag", reinit_flag, names_reinit_flag,
         .doc = "how long queries tell of a re-initialisation"),
    BOOL("reinit-flag-p2p", reinit_flag_p2p,
         .doc = "queries in PRE_COPY_P2P tell of it, too"),
    MS("latency-stop", latency[VFIO_SIM_STOP], .doc = "to enter STOP"),
    MS("latency-running", latency[VFIO_SIM_RUNNING],
       .doc = "to enter RUNNING"),
    MS("latency-stop-copy", latency[VFIO_SIM_STOP_COPY],
       .doc = "to enter STOP_COPY"),
    MS("latency-resuming", latency[VFIO_SIM_RESUMING],
       .doc = "to enter RESUMING"),
    MS("latency-running-p2p", latency[VFIO_SIM_RUNNING_P2P],
       .doc = "to enter RUNNING_P2P"),
    MS("latency-pre-copy", latency[VFIO_SIM_PRE_COPY],
       .doc = "to enter PRE_COPY"),
    MS("latency-pre-copy-p2p", latency[VFIO_SIM_PRE_COPY_P2P],
       .doc = "to enter PRE_COPY_P2P"),
    MS("latency-query", latency_query, .doc = "of each size query"),
    RATE("dma-rate", dma_rate, EFFECT(DMA),
         .doc = "how fast the running device writes guest memory"),
    SIZE("dma-base", dma_base, EFFECT(DMA), .max = 1ull << 52,
         .doc = "first address that it writes, in unused guest memory"),
    SIZE("dma-size", dma_size, EFFECT(DMA), .max = VFIO_SIM_DMA_MAX,
         .min = VFIO_SIM_PAGE,
         .doc = "size of the window that it writes"),
    ENUM("dirty-log", dirty_log, names_log,
         .doc = "which dirty page tracking is offered"),
    COUNT("drop-log-every", drop_log_every,
          .doc = "leave every Nth written page out of the dirty log"),
    SAY("report-initial", report_initial,
        .doc = "initial bytes that the precopy query reports"),
    SAY("report-dirty", report_dirty,
        .doc = "dirty bytes that the precopy query reports"),
    SAY("report-stop", report_stop, .doc = "length that the stop-copy size query reports"),
    ENUM("fail-state", fail_state, names_fail_state, EFFECT(FAIL),
         .doc = "entering this state fails"),
    COUNT("fail-count", fail_count, EFFECT(FAIL),
          .doc = "how often it fails, 0 for always"),
    ENUM("fail-into", fail_into, names_fail_into,
         .doc = "where a failure leaves the device"),
    LIMIT("fail-read-after", fail_read_after, "none",
          .doc = "reading the data fails after so many bytes of a session"),
    LIMIT("fail-write-after", fail_write_after, "none",
          .doc = "loading the data fails after so many bytes"),
    ENUM("hold", hold, names_hold,
         .doc = "entering this state, or this call, waits until changed"),
};

const unsigned int vfio_sim_nr_keys =
    sizeof(vfio_sim_keys) / sizeof(vfio_sim_keys[0]);

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
}

const VFIOSimKey *vfio_sim_key_find(const char *name)
{
    unsigned int i;

    for (i = 0; i < vfio_sim_nr_keys; i++) {
        if (!strcmp(vfio_sim_keys[i].name, name)) {
            return &vfio_sim_keys[i];
        }
    }
    return NULL;
}

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
static const char *renamed_value(const VFIOSimKey *key, const char *value)
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

const char *vfio_sim_key_set(VFIOSimConfig *cfg, const VFIOSimKey *key,
                             const char *value)
{
    char *field = (char *)cfg + key->offset;
    const char *why;
    VFIOSimReport say = { 0 };
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
            say.how = word;
        } else {
            why = parse_number(value, true, &say.number);
            if (why) {
                return "must be truth, zero, max, random, error, growing, "
                       "shrinking or a number";
            }
            say.how = VFIO_SIM_REPORT_NUMBER;
        }
        *(VFIOSimReport *)field = say;
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

void vfio_sim_key_get(const VFIOSimConfig *cfg, const VFIOSimKey *key,
                      char *buf, size_t len)
{
    const char *field = (const char *)cfg + key->offset;
    const VFIOSimReport *say;
    uint64_t v;

    switch (key->type) {
    case VFIO_SIM_TYPE_BOOL:
        snprintf(buf, len, "%s", names_bool[*(const bool *)field]);
        return;
    case VFIO_SIM_TYPE_ENUM:
        snprintf(buf, len, "%s", key->names[*(const uint32_t *)field]);
        return;
    case VFIO_SIM_TYPE_REPORT:
        say = (const VFIOSimReport *)field;
        if (say->how != VFIO_SIM_REPORT_NUMBER) {
            snprintf(buf, len, "%s", names_report[say->how]);
            return;
        }
        v = say->number;
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

void vfio_sim_key_values(const VFIOSimKey *key, char *buf, size_t len)
{
    const char *const *names = key->names;
    size_t used;
    int i;

    switch (key->type) {
    case VFIO_SIM_TYPE_SIZE:
        snprintf(buf, len, "SIZE");
        return;
    case VFIO_SIM_TYPE_RATE:
        snprintf(buf, len, "SIZE (a second)");
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

const char *vfio_sim_config_check(const VFIOSimConfig *cfg)
{
    if (cfg->dma_base % VFIO_SIM_PAGE || cfg->dma_size % VFIO_SIM_PAGE) {
        return "dma-base and dma-size must be multiples of 4096";
    }
    return NULL;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

int vfio_sim_profile_parse(VFIOSimConfig *cfg, const char *name,
                           const char *text, size_t len,
                           char *err, size_t err_len)
{
    /* the line of each key, to refuse a key that is given twice */
    unsigned int seen[64] = { 0 };
    unsigned int line = 0;
    size_t pos = 0;
    const char *why;

    while (pos < len) {
        const VFIOSimKey *key;
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
        if (seen[key - vfio_sim_keys]) {
            snprintf(err, err_len, "%s:%u: %s was already given in line %u",
                     name, line, k, seen[key - vfio_sim_keys]);
            return -EINVAL;
        }
        seen[key - vfio_sim_keys] = line;
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
    const VFIOSimKey *key;
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
