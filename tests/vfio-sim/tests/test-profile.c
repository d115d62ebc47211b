/*
 * Tests of profiles and keys
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <glob.h>
#include <unistd.h>

#include "model/profile.h"
#include "tap.h"

static VFIOSimConfig cfg;
static char err[512];

static int parse(const char *text)
{
    vfio_sim_config_default(&cfg);
    strcpy(err, "untouched");
    return vfio_sim_profile_parse(&cfg, "p", text, strlen(text), err,
                                  sizeof(err));
}

static void test_values(void)
{
    CHECK_EQ(parse("\n\n# comment\n   \t\n"), 0);
    CHECK_EQ(parse("precopy=off\n  p2p =off # a comment\r\n"
                   "initial-bytes = 0x10\n"
                   "dirty-bytes\t=\t4k\n"
                   "dirty-rate = 3M\n"
                   "dirty-ceiling = unlimited\n"
                   "stop-bytes = 2G\n"
                   "read-rate = 1T\n"
                   "latency-stop-copy = 20\n"
                   "report-initial = 5K\n"
                   "report-dirty = max\n"
                   "report-stop = ERROR\n"
                   "fail-state = STOP_COPY\n"
                   "fail-read-after = none\n"
                   "hold = pre_copy_P2P\n"
                   "dirty-log = both\n"
                   "precopy-v2 = off\n"
                   "write-rate-initial = 16M\n"
                   "reinit-bytes = 3M\n"
                   "reinit-every = 250\n"
                   "reinit-count = 7\n"
                   "reinit-skip = 2\n"
                   "reinit-at = PRE_COPY_P2P\n"
                   "reinit-flag = once\n"
                   "reinit-flag-p2p = off"), 0);
    CHECK(!cfg.precopy && !cfg.p2p);
    CHECK_EQ(cfg.initial_bytes, 16);
    CHECK_EQ(cfg.dirty_bytes, 4096);
    CHECK_EQ(cfg.dirty_rate, 3 << 20);
    CHECK(cfg.dirty_ceiling == VFIO_SIM_UNLIMITED);
    CHECK_EQ(cfg.stop_bytes, 2ll << 30);
    CHECK_EQ(cfg.read_rate, 1ll << 40);
    CHECK_EQ(cfg.latency[VFIO_SIM_STOP_COPY], 20);
    CHECK_EQ(cfg.report_initial.how, VFIO_SIM_REPORT_NUMBER);
    CHECK_EQ(cfg.report_initial.number, 5120);
    CHECK_EQ(cfg.report_dirty.how, VFIO_SIM_REPORT_MAX);
    CHECK_EQ(cfg.report_stop.how, VFIO_SIM_REPORT_ERROR);
    CHECK_EQ(cfg.fail_state, VFIO_SIM_STOP_COPY);
    CHECK(cfg.fail_read_after == VFIO_SIM_UNLIMITED);
    CHECK_EQ(cfg.hold, VFIO_SIM_PRE_COPY_P2P);
    CHECK_EQ(cfg.dirty_log, VFIO_SIM_LOG_BOTH);
    CHECK(!cfg.precopy_v2);
    CHECK_EQ(cfg.write_rate_initial, 16 << 20);
    CHECK_EQ(cfg.reinit_bytes, 3 << 20);
    CHECK_EQ(cfg.reinit_every, 250);
    CHECK_EQ(cfg.reinit_count, 7);
    CHECK_EQ(cfg.reinit_skip, 2);
    CHECK_EQ(cfg.reinit_at, VFIO_SIM_REINIT_PRE_COPY_P2P);
    CHECK_EQ(cfg.reinit_flag, VFIO_SIM_FLAG_ONCE);
    CHECK(!cfg.reinit_flag_p2p);
}

static void test_defaults(void)
{
    CHECK_EQ(parse(""), 0);
    CHECK(cfg.precopy_v2);
    CHECK(cfg.write_rate_initial == VFIO_SIM_UNLIMITED);
    CHECK_EQ(cfg.reinit_bytes, 1 << 20);
    CHECK_EQ(cfg.reinit_every, 0);
    CHECK_EQ(cfg.reinit_count, 0);
    CHECK_EQ(cfg.reinit_at, VFIO_SIM_REINIT_NONE);
    CHECK_EQ(cfg.reinit_flag, VFIO_SIM_FLAG_UNTIL_READ);
    CHECK(cfg.reinit_flag_p2p);
}

static void refuse(const char *text, const char *expected)
{
    if (parse(text) != -EINVAL || strcmp(err, expected)) {
        tap_fail("%s: '%s', not '%s'", text, err, expected);
    }
}

typedef struct Refused {
    const char *text;
    const char *message;
} Refused;

static void check_refused(const Refused *table, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        refuse(table[i].text, table[i].message);
    }
}

static void test_refused_lines(void)
{
    static const Refused table[] = {
        { "precopy = on\nstop-byts = 1\n", "p:2: unknown key 'stop-byts'" },
        { "\n\nhello\n", "p:3: 'hello' is not of the form key = value" },
        { "= 5", "p:1: unknown key ''" },
        { "stop-bytes =", "p:1: stop-bytes = : value is missing" },
        { "stop-bytes = # 5", "p:1: stop-bytes = : value is missing" },
        { "p2p = on\n\np2p = off", "p:3: p2p was already given in line 1" },
        { "dma-base = 100\n",
          "p:1: dma-base and dma-size must be multiples of 4096" },
    };

    check_refused(table, TAP_SIZE(table));

    CHECK_EQ(vfio_sim_profile_parse(&cfg, "p", "p2p=on\n\0", 8, err,
                                    sizeof(err)), -EINVAL);
    CHECK_STR(err, "p:2: not a text file");
}

static void test_refused_numbers(void)
{
    static const Refused table[] = {
        { "stop-bytes = x", "p:1: stop-bytes = x: not a number" },
        { "stop-bytes = -1", "p:1: stop-bytes = -1: not a number" },
        { "stop-bytes = 1 M",
          "p:1: stop-bytes = 1 M: unknown suffix (K, M, G and T are known)" },
        { "stop-bytes = 1MB",
          "p:1: stop-bytes = 1MB: garbage after the number" },
        { "stop-bytes = 99999999999999999999",
          "p:1: stop-bytes = 99999999999999999999: number is too large" },
        { "stop-bytes = 99999999999G",
          "p:1: stop-bytes = 99999999999G: number is too large" },
        { "stop-bytes = 2000000T",
          "p:1: stop-bytes = 2000000T: number is too large" },
        { "stop-bytes = unlimited",
          "p:1: stop-bytes = unlimited: not a number" },
        { "read-rate = 0", "p:1: read-rate = 0: number is too small" },
        { "latency-stop = 1K",
          "p:1: latency-stop = 1K: "
          "garbage after the number (it takes no suffix)" },
        { "latency-stop = 99999999",
          "p:1: latency-stop = 99999999: number is too large" },
        { "dma-size = 8G", "p:1: dma-size = 8G: number is too large" },
        { "dma-size = 0", "p:1: dma-size = 0: number is too small" },
        { "write-rate-initial = 0",
          "p:1: write-rate-initial = 0: number is too small" },
        { "reinit-every = 3600001",
          "p:1: reinit-every = 3600001: number is too large" },
        { "reinit-count = 1K",
          "p:1: reinit-count = 1K: "
          "garbage after the number (it takes no suffix)" },
    };

    check_refused(table, TAP_SIZE(table));
}

static void test_refused_words(void)
{
    static const Refused table[] = {
        { "p2p = maybe", "p:1: p2p = maybe: must be on or off" },
        { "dirty-log = yes",
          "p:1: dirty-log = yes: not one of the words that it takes" },
        { "fail-state = error",
          "p:1: fail-state = error: not one of the words that it takes" },
        { "report-stop = nonsense",
          "p:1: report-stop = nonsense: "
          "must be truth, zero, max, random, error, growing, "
          "shrinking or a number" },
        { "reinit-at = stop-copy",
          "p:1: reinit-at = stop-copy: not one of the words that it takes" },
        { "reinit-flag = always",
          "p:1: reinit-flag = always: not one of the words that it takes" },
    };

    check_refused(table, TAP_SIZE(table));
}

static void test_renamed_names(void)
{
    static const char *const keys[][2] = {
        { "say-initial", "report-initial" },
        { "say-dirty", "report-dirty" },
        { "say-stop", "report-stop" },
        { "dirty-lose", "drop-log-every" },
        { "fail-data-after", "fail-read-after" },
        { "fail-load-after", "fail-write-after" },
        { "said-initial", "reported-initial" },
        { "said-dirty", "reported-dirty" },
        { "said-stop", "reported-stop" },
        { "lulls", "empty-reads" },
    };
    static const char *const values[][2] = {
        { "drained", "when-empty" },
        { "query", "before-query" },
        { "answered", "after-query" },
    };
    char text[128], expected[160];
    size_t i;

    for (i = 0; i < TAP_SIZE(keys); i++) {
        snprintf(text, sizeof(text), "p2p = on\n%s = 1", keys[i][0]);
        snprintf(expected, sizeof(expected),
                 "p:2: unknown key '%s': renamed to %s", keys[i][0],
                 keys[i][1]);
        refuse(text, expected);
        CHECK(!vfio_sim_key_find(keys[i][0]));

        snprintf(text, sizeof(text), "%s=1", keys[i][0]);
        CHECK_EQ(vfio_sim_profile_override(&cfg, text, err, sizeof(err)),
                 -EINVAL);
        CHECK_STR(err, expected + strlen("p:2: "));
    }
    for (i = 0; i < TAP_SIZE(values); i++) {
        snprintf(text, sizeof(text), "reinit-at = %s", values[i][0]);
        snprintf(expected, sizeof(expected), "p:1: %s: renamed to %s", text,
                 values[i][1]);
        refuse(text, expected);

        snprintf(text, sizeof(text), "reinit-at=%s", values[i][0]);
        CHECK_EQ(vfio_sim_profile_override(&cfg, text, err, sizeof(err)),
                 -EINVAL);
        snprintf(expected, sizeof(expected), "%s: renamed to %s", text,
                 values[i][1]);
        CHECK_STR(err, expected);
        snprintf(text, sizeof(text), "reinit-at=%s", values[i][1]);
        CHECK_EQ(vfio_sim_profile_override(&cfg, text, err, sizeof(err)), 0);
    }
    /* The same word is a value of another key. */
    CHECK_EQ(vfio_sim_profile_override(&cfg, "hold=query", err, sizeof(err)),
             0);
}

static void test_long_line(void)
{
    char text[1000];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = 0;
    refuse(text, "p:1: line is too long");
}

static void test_files(void)
{
    char path[] = "/tmp/vfio-sim-test-XXXXXX";
    char expected[128];
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");

    fprintf(f, "p2p = on\nnonsense = 1\n");
    fclose(f);
    CHECK_EQ(vfio_sim_profile_load(&cfg, path, err, sizeof(err)), -EINVAL);
    snprintf(expected, sizeof(expected), "%s:2: unknown key 'nonsense'",
             path);
    CHECK_STR(err, expected);
    unlink(path);
    CHECK_EQ(vfio_sim_profile_load(&cfg, path, err, sizeof(err)), -EINVAL);
    snprintf(expected, sizeof(expected), "%s: %s", path, strerror(ENOENT));
    CHECK_STR(err, expected);
    CHECK_EQ(vfio_sim_profile_load(&cfg, "/", err, sizeof(err)), -EINVAL);
}

static void test_shipped(void)
{
    glob_t found;
    size_t i;

    CHECK_EQ(glob(VFIO_SIM_PROFILES "/?*.profile", 0, NULL, &found), 0);
    CHECK(found.gl_pathc >= 7);
    for (i = 0; i < found.gl_pathc; i++) {
        vfio_sim_config_default(&cfg);
        if (vfio_sim_profile_load(&cfg, found.gl_pathv[i], err,
                                  sizeof(err))) {
            tap_fail("%s", err);
        }
    }
    globfree(&found);
}

static void test_assignments(void)
{
    vfio_sim_config_default(&cfg);
    CHECK_EQ(vfio_sim_profile_override(&cfg, "stop-bytes=7K", err,
                                       sizeof(err)), 0);
    CHECK_EQ(cfg.stop_bytes, 7168);
    CHECK_EQ(vfio_sim_profile_override(&cfg, "stop-bytes", err, sizeof(err)),
             -EINVAL);
    CHECK_STR(err, "'stop-bytes' is not of the form key=value");
    CHECK_EQ(vfio_sim_profile_override(&cfg, "x=1", err, sizeof(err)),
             -EINVAL);
    CHECK_STR(err, "unknown key 'x'");
    CHECK_EQ(vfio_sim_profile_override(&cfg, "p2p=x", err, sizeof(err)),
             -EINVAL);
    CHECK_STR(err, "p2p=x: must be on or off");
    CHECK_EQ(cfg.stop_bytes, 7168);
}

static void test_get_and_set(void)
{
    VFIOSimConfig other;
    char value[64], again[64], values[256];
    unsigned int i;

    vfio_sim_config_default(&cfg);
    CHECK(!vfio_sim_config_check(&cfg));
    cfg.report_stop.how = VFIO_SIM_REPORT_NUMBER;
    cfg.report_stop.number = UINT64_MAX;
    cfg.dirty_ceiling = 12345;
    vfio_sim_config_default(&other);
    for (i = 0; i < vfio_sim_nr_attributes; i++) {
        const VFIOSimAttribute *key = &vfio_sim_attributes[i];

        if (!vfio_sim_is_key(key)) {
            continue;
        }
        CHECK(key->doc && *key->doc);
        CHECK(vfio_sim_key_find(key->name) == key);
        vfio_sim_key_values(key, values, sizeof(values));
        CHECK(*values);
        vfio_sim_key_get(&cfg, key, value, sizeof(value));
        CHECK(!vfio_sim_key_set(&other, key, value));
        vfio_sim_key_get(&other, key, again, sizeof(again));
        CHECK_STR(value, again);
    }
    CHECK(!vfio_sim_key_find("nonsense"));
    CHECK_EQ(other.dirty_ceiling, 12345);
    CHECK(other.report_stop.number == UINT64_MAX);
}

static const TapCase cases[] = {
    TAP_CASE("values", test_values,
             "values of all types, comments and white space"),
    TAP_CASE("defaults", test_defaults, "what an empty profile stands for"),
    TAP_CASE("refused-lines", test_refused_lines,
             "lines and combinations that are refused, and the messages"),
    TAP_CASE("refused-numbers", test_refused_numbers,
             "numbers that are refused, and the messages"),
    TAP_CASE("refused-words", test_refused_words,
             "words that are refused, and the messages"),
    TAP_CASE("renamed", test_renamed_names,
             "former names are refused, and the message has the new one"),
    TAP_CASE("long-line", test_long_line, "a line that is too long"),
    TAP_CASE("files", test_files,
             "a profile in a file, a missing one, a directory"),
    TAP_CASE("shipped", test_shipped, "all shipped profiles are valid"),
    TAP_CASE("assignments", test_assignments, "key=value as on a command line"),
    TAP_CASE("get-and-set", test_get_and_set,
             "the text of each key's value sets the same value"),
};

static TAP_GROUP(profile, "profile", cases);

static const TapGroup *const groups[] = { &profile, NULL };

static const TapProgram program = {
    .about = "Tests of profiles, the configuration of a simulated VFIO device",
    .groups = groups,
};

int main(int argc, char **argv)
{
    tap_options(&program, argc, argv);
    return tap_run(&program);
}
