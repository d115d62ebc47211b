/*
 * The table of attributes, and their values in a device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "internal.h"

/* Names of the values of each enum; the end is a NULL */
#define STATE_NAMES \
    [0] = "none", \
    [VFIO_SIM_STOP] = "stop", \
    [VFIO_SIM_RUNNING] = "running", \
    [VFIO_SIM_STOP_COPY] = "stop-copy", \
    [VFIO_SIM_RESUMING] = "resuming", \
    [VFIO_SIM_RUNNING_P2P] = "running-p2p", \
    [VFIO_SIM_PRE_COPY] = "pre-copy", \
    [VFIO_SIM_PRE_COPY_P2P] = "pre-copy-p2p"

static const char *const names_fail_state[] = {
    STATE_NAMES,
    [VFIO_SIM_STATES] = NULL
};

static const char *const names_reset[] = {
    [VFIO_SIM_RESET_NONE] = "none",
    [VFIO_SIM_RESET_NOW] = "now",
    [VFIO_SIM_RESET_NOW + 1] = NULL
};

static const char *const names_hold[] = {
    STATE_NAMES,
    [VFIO_SIM_HOLD_READ] = "read",
    [VFIO_SIM_HOLD_WRITE] = "write",
    [VFIO_SIM_HOLD_QUERY] = "query",
    [VFIO_SIM_HOLD_QUERY + 1] = NULL
};

static const char *const names_reinit_at[] = {
    [VFIO_SIM_REINIT_NONE] = "none",
    [VFIO_SIM_REINIT_NOW] = "now",
    [VFIO_SIM_REINIT_PRE_COPY] = "pre-copy",
    [VFIO_SIM_REINIT_PRE_COPY_P2P] = "pre-copy-p2p",
    [VFIO_SIM_REINIT_WHEN_EMPTY] = "when-empty",
    [VFIO_SIM_REINIT_BEFORE_QUERY] = "before-query",
    [VFIO_SIM_REINIT_AFTER_QUERY] = "after-query",
    [VFIO_SIM_REINIT_AFTER_QUERY + 1] = NULL
};

static const char *const names_reinit_flag[] = {
    [VFIO_SIM_FLAG_ONCE] = "once",
    [VFIO_SIM_FLAG_UNTIL_READ] = "until-read",
    [VFIO_SIM_FLAG_UNTIL_READ + 1] = NULL
};

static const char *const names_fail_into[] = {
    [VFIO_SIM_FAIL_STAY] = "stay",
    [VFIO_SIM_FAIL_ERROR] = "error",
    [VFIO_SIM_FAIL_ERROR + 1] = NULL
};

static const char *const names_fail_call[] = {
    [VFIO_SIM_CALL_NONE] = "none",
    [VFIO_SIM_CALL_SET_STATE] = "set-state",
    [VFIO_SIM_CALL_PRECOPY_INFO] = "precopy-info",
    [VFIO_SIM_CALL_DATA_SIZE] = "data-size",
    [VFIO_SIM_CALL_READ] = "read",
    [VFIO_SIM_CALL_WRITE] = "write",
    [VFIO_SIM_CALL_LOG_START] = "log-start",
    [VFIO_SIM_CALL_LOG_STOP] = "log-stop",
    [VFIO_SIM_CALL_LOG_REPORT] = "log-report",
    [VFIO_SIM_CALLS] = NULL
};

static const char *const names_fail_errno[] = {
    [VFIO_SIM_ERRNO_EIO] = "EIO",
    [VFIO_SIM_ERRNO_EINTR] = "EINTR",
    [VFIO_SIM_ERRNO_EAGAIN] = "EAGAIN",
    [VFIO_SIM_ERRNO_ENOMEM] = "ENOMEM",
    [VFIO_SIM_ERRNO_EFAULT] = "EFAULT",
    [VFIO_SIM_ERRNO_EBUSY] = "EBUSY",
    [VFIO_SIM_ERRNO_ENODEV] = "ENODEV",
    [VFIO_SIM_ERRNO_EINVAL] = "EINVAL",
    [VFIO_SIM_ERRNO_ENOTTY] = "ENOTTY",
    [VFIO_SIM_ERRNO_ENOMSG] = "ENOMSG",
    [VFIO_SIM_ERRNO_ETIMEDOUT] = "ETIMEDOUT",
    [VFIO_SIM_ERRNOS] = NULL
};

static const char *const names_log[] = {
    [VFIO_SIM_LOG_OFF] = "off",
    [VFIO_SIM_LOG_DEVICE] = "device",
    [VFIO_SIM_LOG_IOMMU] = "iommu",
    [VFIO_SIM_LOG_BOTH] = "both",
    [VFIO_SIM_LOG_BOTH + 1] = NULL
};

/* ------------------------------------------ what is not just a number -- */

static void show_state(VFIOSim *s, uint64_t now, char *buf, size_t len)
{
    snprintf(buf, len, "%s", vfio_sim_state_names[s->state]);
}

static void show_holding(VFIOSim *s, uint64_t now, char *buf, size_t len)
{
    snprintf(buf, len, "%u", s->holding);
}

static void show_session(VFIOSim *s, uint64_t now, char *buf, size_t len)
{
    snprintf(buf, len, "%u", s->session);
}

static void show_stream_error(VFIOSim *s, uint64_t now, char *buf, size_t len)
{
    snprintf(buf, len, "%s", s->rx_error ? s->rx_error : "none");
}

static void show_opted_in(VFIOSim *s, uint64_t now, char *buf, size_t len)
{
    snprintf(buf, len, "%d", vfio_sim_opted_in(s));
}

/* The sizes that are left, whatever the queries report */
static void show_size(VFIOSim *s, uint64_t now, unsigned int which, char *buf,
                      size_t len)
{
    uint64_t v[3];

    vfio_sim_sizes(s, now, &v[0], &v[1], &v[2]);
    snprintf(buf, len, "%llu", (unsigned long long)v[which]);
}

static void show_initial(VFIOSim *s, uint64_t now, char *buf, size_t len)
{
    show_size(s, now, 0, buf, len);
}

static void show_dirty(VFIOSim *s, uint64_t now, char *buf, size_t len)
{
    show_size(s, now, 1, buf, len);
}

static void show_stop(VFIOSim *s, uint64_t now, char *buf, size_t len)
{
    show_size(s, now, 2, buf, len);
}

/* ---------------------------------------------------------- the table -- */

#define AT(field) .offset = offsetof(VFIOSimConfig, field)
#define GROUP(heading) .group = heading
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
#define REPORT(n, f, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_REPORT, AT(f), __VA_ARGS__ }
#define MS(n, f, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_MS, AT(f), .max = 3600000, \
      __VA_ARGS__ }
#define EFFECT(e) .effects = VFIO_SIM_EFFECT_ ## e
#define EFFECTS(e, f) \
    .effects = VFIO_SIM_EFFECT_ ## e | VFIO_SIM_EFFECT_ ## f

/* What can only be read */
#define STAT(n, f, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_COUNTER, \
      .offset = offsetof(VFIOSimStats, f), __VA_ARGS__ }
#define SHOW(n, fn, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_COUNTER, .show = fn, __VA_ARGS__ }
#define TEXT(n, fn, ...) \
    { .name = n, .type = VFIO_SIM_TYPE_TEXT, .show = fn, __VA_ARGS__ }

const VFIOSimAttribute vfio_sim_attributes[] = {
    BOOL("precopy", precopy, GROUP("States"),
         .doc = "has the PRE_COPY states"),
    BOOL("p2p", p2p, .doc = "has the P2P states"),
    BOOL("p2p-stops", p2p_stops,
         .doc = "the P2P states stop the device, so that entering one from "
                "STOP takes no time"),
    BOOL("precopy-v2", precopy_v2,
         .doc = "the kernel has VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2"),

    SIZE("initial-bytes", initial_bytes, GROUP("Sizes"), EFFECT(INITIAL),
         .max = 1ull << 60,
         .doc = "initial precopy data; set during a precopy: what is left"),
    SIZE("dirty-bytes", dirty_bytes, EFFECT(DIRTY), .max = 1ull << 60,
         .doc = "dirty data when PRE_COPY starts; set during a precopy: "
                "what is left"),
    RATE("dirty-rate", dirty_rate,
         .doc = "how fast dirty data appears in PRE_COPY"),
    LIMIT("dirty-ceiling", dirty_ceiling, "unlimited", .max = 1ull << 60,
          .doc = "most dirty data that appears by itself"),
    MS("dirty-refill-every", dirty_refill_every, EFFECT(REFILL),
       .doc = "once all precopy data has been read, all of it is dirty again, "
              "but not more often than this; 0 for never"),
    SIZE("stop-bytes", stop_bytes, EFFECT(STOP), .max = 1ull << 60,
         .doc = "data that can only be read while stopped, at least 128; "
                "set while stopped: what is left"),

    LIMIT("read-rate", read_rate, "unlimited", GROUP("Speed of the data"),
          .min = 1, .doc = "how fast data can be read, bytes per second"),
    LIMIT("write-rate", write_rate, "unlimited", .min = 1,
          .doc = "how fast the device loads data, bytes per second"),
    LIMIT("write-rate-initial", write_rate_initial, "unlimited", .min = 1,
          .doc = "how fast it loads initial data; this time is added"),

    SIZE("reinit-bytes", reinit_bytes, GROUP("Re-initialisation"),
         .max = 1ull << 60,
         .doc = "initial data that each re-initialisation brings"),
    MS("reinit-every", reinit_every, EFFECTS(REINIT, REINIT_EVERY),
       .doc = "period of re-initialisations in PRE_COPY, 0 for none"),
    ENUM("reinit-at", reinit_at, names_reinit_at, EFFECTS(REINIT, REINIT_AT),
         .doc = "another moment of re-initialisations"),
    COUNT("reinit-count", reinit_count, EFFECT(REINIT),
          .doc = "how many re-initialisations happen, 0 for no end"),
    COUNT("reinit-skip", reinit_skip, EFFECT(REINIT),
          .doc = "how many moments of re-initialisations pass without one"),
    ENUM("reinit-flag", reinit_flag, names_reinit_flag,
         .doc = "how long queries report a re-initialisation"),
    BOOL("reinit-flag-p2p", reinit_flag_p2p,
         .doc = "queries in PRE_COPY_P2P report it, too"),

    MS("latency-stop", latency[VFIO_SIM_STOP], GROUP("Latencies"),
       .doc = "time to enter STOP"),
    MS("latency-running", latency[VFIO_SIM_RUNNING],
       .doc = "time to enter RUNNING"),
    MS("latency-stop-copy", latency[VFIO_SIM_STOP_COPY],
       .doc = "time to enter STOP_COPY"),
    MS("latency-resuming", latency[VFIO_SIM_RESUMING],
       .doc = "time to enter RESUMING"),
    MS("latency-running-p2p", latency[VFIO_SIM_RUNNING_P2P],
       .doc = "time to enter RUNNING_P2P"),
    MS("latency-pre-copy", latency[VFIO_SIM_PRE_COPY],
       .doc = "time to enter PRE_COPY"),
    MS("latency-pre-copy-p2p", latency[VFIO_SIM_PRE_COPY_P2P],
       .doc = "time to enter PRE_COPY_P2P"),
    MS("latency-query", latency_query, .doc = "time that each query takes"),

    RATE("dma-rate", dma_rate, GROUP("DMA and dirty pages"), EFFECT(DMA),
         .doc = "how fast the running device writes guest memory"),
    SIZE("dma-base", dma_base, EFFECT(DMA), .max = 1ull << 52,
         .doc = "first address that it writes, in unused guest memory"),
    SIZE("dma-size", dma_size, EFFECT(DMA), .max = VFIO_SIM_DMA_MAX,
         .min = VFIO_SIM_PAGE,
         .doc = "size of the window that it writes"),
    ENUM("dirty-log", dirty_log, names_log,
         .doc = "which dirty page tracking is offered"),

    REPORT("report-initial", report_initial,
           GROUP("Wrong reports and failures"),
           .doc = "initial bytes that the precopy query reports"),
    REPORT("report-dirty", report_dirty,
           .doc = "dirty bytes that the precopy query reports"),
    REPORT("report-stop", report_stop,
           .doc = "length that the stop-copy length query reports"),
    MS("report-max-age", report_max_age,
       .doc = "the queries report sizes that are up to so old; 0 for the "
              "present ones"),
    COUNT("drop-log-every", drop_log_every,
          .doc = "leave every Nth written page out of the dirty log"),
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
    ENUM("fail-call", fail_call, names_fail_call, EFFECT(FAIL_CALL),
         .doc = "such calls fail; the device stays as it is"),
    COUNT("fail-call-skip", fail_call_skip, EFFECT(FAIL_CALL),
          .doc = "how many of them succeed before"),
    COUNT("fail-call-count", fail_call_count, EFFECT(FAIL_CALL),
          .doc = "how many fail then, 0 for all"),
    ENUM("fail-errno", fail_errno, names_fail_errno,
         .doc = "the error that they fail with"),
    LIMIT("read-max", read_max, "unlimited", .min = 1,
          .doc = "most bytes that one read of the data returns"),
    LIMIT("write-max", write_max, "unlimited", .min = 1,
          .doc = "most bytes that one write of the data takes"),
    ENUM("reset", reset, names_reset, EFFECT(RESET),
         .doc = "reset the device when the key is set, as the host can"),

    ENUM("hold", hold, names_hold, GROUP("Holding"),
         .doc = "entering this state, or this call, waits until changed"),

    /* from here on: what can only be read */
    TEXT("state", show_state, GROUP("State"), .doc = "migration state"),
    SHOW("holding", show_holding,
         .doc = "calls that wait now because of \"hold\""),
    SHOW("session", show_session,
         .doc = "number of the present data transfer session, or 0"),
    TEXT("stream-error", show_stream_error,
         .doc = "why the last stream was refused, or none"),
    STAT("set-state-calls", set_state_calls,
         .doc = "calls that set a state"),
    STAT("state-changes", state_changes,
         .doc = "single arcs of the state machine"),
    STAT("resets", resets, .doc = "resets"),
    STAT("sessions", sessions, .doc = "data transfer sessions"),
    STAT("stopped-at-us", stopped_at_us,
         .doc = "when the device was stopped last, in us of the host's "
                "monotonic clock"),
    STAT("running-at-us", running_at_us,
         .doc = "when it was running again last"),

    SHOW("initial", show_initial, GROUP("Sizes and queries"),
         .doc = "initial data that is left, whatever the queries report"),
    SHOW("dirty", show_dirty, .doc = "dirty data that is left"),
    SHOW("stop", show_stop, .doc = "stop-only data that is left"),
    STAT("reported-initial", reported_initial,
         .doc = "initial bytes that the last precopy query reported"),
    STAT("reported-dirty", reported_dirty,
         .doc = "dirty bytes that it reported"),
    STAT("reported-stop", reported_stop,
         .doc = "length that the last stop-copy length query reported"),
    STAT("precopy-info-calls", precopy_info_calls,
         .doc = "precopy queries, VFIO_MIG_GET_PRECOPY_INFO"),
    STAT("data-size-calls", data_size_calls,
         .doc = "stop-copy length queries, "
                "VFIO_DEVICE_FEATURE_MIG_DATA_SIZE"),
    STAT("initial-unread-at-stop", initial_unread_at_stop,
         .doc = "\"initial\" when STOP_COPY was entered last: 0, unless the "
                "switchover came too early"),

    SHOW("v2-opted-in", show_opted_in, GROUP("Re-initialisations"),
         .doc = "1 after the opt-in to "
                "VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, else 0"),
    STAT("reinits", reinits, .doc = "re-initialisations that happened"),
    STAT("reinit-flags", reinit_flags,
         .doc = "queries that reported VFIO_PRECOPY_INFO_REINIT"),

    STAT("reads", reads, GROUP("Data"), .doc = "reads of the data"),
    STAT("read-bytes", read_bytes, .doc = "bytes that were read"),
    STAT("read-bytes-precopy", read_bytes_precopy,
         .doc = "of these, in the PRE_COPY states"),
    STAT("read-bytes-stop", read_bytes_stop, .doc = "of these, in STOP_COPY"),
    STAT("read-bytes-initial", read_bytes_initial,
         .doc = "of these, initial data, in any state"),
    STAT("empty-reads", empty_reads,
         .doc = "reads that found no data in PRE_COPY"),
    STAT("writes", writes, .doc = "writes of the data"),
    STAT("write-bytes", write_bytes, .doc = "bytes that were loaded"),
    STAT("write-bytes-initial", write_bytes_initial,
         .doc = "of these, initial data"),
    STAT("stream-verified", stream_verified,
         .doc = "streams that were found complete"),
    STAT("stream-errors", stream_errors, .doc = "streams that were refused"),
    STAT("faults", faults, .doc = "faults of the profile that happened"),

    STAT("dma-pages-written", dma_pages_written, GROUP("DMA"),
         .doc = "pages written to memory"),
    STAT("dma-unmapped", dma_unmapped,
         .doc = "pages not written, where there was no memory"),
    STAT("dma-verified", dma_verified,
         .doc = "pages that were right after a migration"),
    STAT("dma-mismatched", dma_mismatched, .doc = "pages that were not"),
    STAT("log-reports", log_reports, .doc = "dirty log reports"),
    STAT("log-pages", log_pages, .doc = "pages that they reported"),
};

_Static_assert(sizeof(vfio_sim_attributes) / sizeof(vfio_sim_attributes[0]) <=
               VFIO_SIM_MAX_ATTRIBUTES, "a table of lines has room");

const unsigned int vfio_sim_nr_attributes =
    sizeof(vfio_sim_attributes) / sizeof(vfio_sim_attributes[0]);

bool vfio_sim_is_key(const VFIOSimAttribute *attr)
{
    return attr->type < VFIO_SIM_TYPE_COUNTER;
}

const VFIOSimAttribute *vfio_sim_attribute_find(const char *name)
{
    unsigned int i;

    for (i = 0; i < vfio_sim_nr_attributes; i++) {
        if (!strcmp(vfio_sim_attributes[i].name, name)) {
            return &vfio_sim_attributes[i];
        }
    }
    return NULL;
}

const VFIOSimAttribute *vfio_sim_key_find(const char *name)
{
    const VFIOSimAttribute *attr = vfio_sim_attribute_find(name);

    return attr && vfio_sim_is_key(attr) ? attr : NULL;
}

/* ------------------------------------------------ a device's attributes -- */

static void show(VFIOSim *s, uint64_t now, const VFIOSimAttribute *attr,
                 char *buf, size_t len)
{
    if (vfio_sim_is_key(attr)) {
        vfio_sim_key_get(&s->cfg, attr, buf, len);
    } else if (attr->show) {
        attr->show(s, now, buf, len);
    } else {
        snprintf(buf, len, "%llu", (unsigned long long)
                 *(const uint64_t *)((const char *)&s->stats + attr->offset));
    }
}

int vfio_sim_get(VFIOSim *s, uint64_t now, const char *name, char *buf,
                 size_t len)
{
    const VFIOSimAttribute *attr = vfio_sim_attribute_find(name);

    if (!attr) {
        vfio_sim_key_unknown(name, buf, len);
        return -ENOENT;
    }
    show(s, now, attr, buf, len);
    return 0;
}

void vfio_sim_stats(VFIOSim *s, uint64_t now, char *buf, size_t len)
{
    size_t used = 0;
    unsigned int i;

    buf[0] = 0;
    for (i = 0; i < vfio_sim_nr_attributes && used < len; i++) {
        const VFIOSimAttribute *attr = &vfio_sim_attributes[i];
        char value[64];

        /* what may have a space in it is no counter */
        if (vfio_sim_is_key(attr) || !strcmp(attr->name, "stream-error")) {
            continue;
        }
        show(s, now, attr, value, sizeof(value));
        used += snprintf(buf + used, len - used, "%s%s=%s", used ? " " : "",
                         attr->name, value);
    }
}

/* NULL, or why a front-end does not let @key change */
static const char *refuse_fixed(const VFIOSim *s, const VFIOSimConfig *cfg,
                                const VFIOSimAttribute *key)
{
    const VFIOSimFixed *fixed = s->hooks.fixed;
    char before[64], after[64];

    for (; fixed && fixed->key; fixed++) {
        if (strcmp(fixed->key, key->name)) {
            continue;
        }
        vfio_sim_key_get(&s->cfg, key, before, sizeof(before));
        vfio_sim_key_get(cfg, key, after, sizeof(after));
        if (strcmp(before, after)) {
            return "the VFIO core does not allow it";
        }
    }
    return NULL;
}

int vfio_sim_set(VFIOSim *s, uint64_t now, const char *name,
                 const char *value, char *buf, size_t len)
{
    const VFIOSimAttribute *key = vfio_sim_key_find(name);
    VFIOSimConfig *cfg;
    const char *why;
    int ret = -EINVAL;

    if (!key) {
        vfio_sim_key_unknown(name, buf, len);
        return -ENOENT;
    }
    cfg = s->hooks.alloc(s->opaque, sizeof(*cfg));
    if (!cfg) {
        snprintf(buf, len, "%s = %s: no memory", name, value);
        return -ENOMEM;
    }
    *cfg = s->cfg;
    why = vfio_sim_key_set(cfg, key, value);
    if (!why) {
        why = vfio_sim_config_check(cfg);
    }
    if (!why) {
        why = refuse_fixed(s, cfg, key);
        ret = -EOPNOTSUPP;
    }
    if (!why) {
        ret = vfio_sim_configure(s, now, cfg, key->effects);
        why = ret == -EBUSY ? "the device is using it now" :
              ret ? "no memory" : NULL;
    }
    s->hooks.free(s->opaque, cfg, sizeof(*cfg));
    if (why) {
        snprintf(buf, len, "%s = %s: %s", name, value, why);
    }
    return ret;
}
