/*
 * Does a device do what linux/vfio.h says of migration?
 *
 * Walks every arc between the migration states, makes every query in every
 * state, and does all that a program may do wrong.  The same checks are made
 * of the userspace front-end, where the answers are all our own, and of
 * mediated devices, where they are those of the kernel's VFIO core.
 *
 *   vfio-sim-conformance LIBRARY         the userspace front-end
 *   vfio-sim-conformance DIRECTORY       a mediated device, by its directory
 *                                        in sysfs.  If it is not one of the
 *                                        simulator, only what all devices
 *                                        must do is checked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test-vfio-sim-tap.h"
#include "model/model.h"
#include "preload/uapi.h"

/* The library's descriptors */
#define FD_IOMMU        100
#define FD_DEVICE       101

/* linux/vfio.h: calls on containers and groups */
#define CONTAINER_SET_IOMMU     SIM_IO(102)
#define GROUP_SET_CONTAINER     SIM_IO(104)
#define GROUP_GET_DEVICE_FD     SIM_IO(106)
#define TYPE1V2_IOMMU           3

#define FEATURE_V2      12
#define FEATURE_NONE    0x7fff          /* never to be */
#define INFO_REINIT     1u

#define KIB             1024ull
#define INITIAL         (64 * KIB)
#define DIRTY           (32 * KIB)
#define STOPPED         (128 * KIB)
#define STREAM_MAX      (1024 * KIB)

static const char *sysfs;               /* of a mediated device, else NULL */
static char control[108];               /* the library's socket */
static bool foreign;                    /* not one of the simulator's */
static uint32_t flags;                  /* VFIO_SIM_MIG_* */
static bool has_v2;

static int container = -1, group = -1;
static int dev = -1;
static int data = -1;                   /* of the present session */

static uint8_t stream[STREAM_MAX];      /* what a device in RESUMING wants */
static size_t stream_len;

static const char *skipped;

#define SKIP(why) \
    do { \
        skipped = why; \
        return; \
    } while (0)

/* Returns from a test that makes no sense for this device. */
#define NEEDS_KEYS() \
    do { \
        if (foreign) { \
            SKIP("this device has nothing that could be set"); \
        } \
    } while (0)

/* As RUN() of the other tests, but it may be skipped */
#define RUN_OR_SKIP(fn) \
    do { \
        skipped = NULL; \
        tap_failed_checks = 0; \
        fn(); \
        restart(); \
        printf("%sok %d - %s%s%s\n", tap_failed_checks ? "not " : "", \
               ++tap_tests, #fn, skipped ? " # SKIP " : "", \
               skipped ? skipped : ""); \
        tap_failures += tap_failed_checks != 0; \
        fflush(stdout); \
    } while (0)

static void die(const char *what)
{
    printf("Bail out! %s: %s\n", what, strerror(errno));
    exit(1);
}

/* 0, or the errno of a call that failed */
static int error(long ret)
{
    return ret < 0 ? errno : 0;
}

/* ------------------------------------------------- keys and counters -- */

static void file_path(char *path, size_t len, const char *key)
{
    snprintf(path, len, "%s/vfio_sim/%s", sysfs, key);
}

static void ask(const char *line, char *answer, size_t len)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ssize_t n = -1;

    memcpy(sun.sun_path, control, sizeof(control));
    if (!connect(fd, (struct sockaddr *)&sun, sizeof(sun)) &&
        write(fd, line, strlen(line)) == (ssize_t)strlen(line)) {
        n = read(fd, answer, len - 1);
    }
    answer[n > 0 ? n : 0] = 0;
    close(fd);
    if (strncmp(answer, "ok", 2)) {
        printf("Bail out! %s: '%s'\n", line, answer);
        exit(1);
    }
    memmove(answer, answer + 2, strlen(answer) - 1);
}

static void set(const char *key, const char *value)
{
    char buf[256];
    int fd;

    if (!sysfs) {
        char line[256];

        snprintf(line, sizeof(line), "set %s %s\n", key, value);
        ask(line, buf, sizeof(buf));
        return;
    }
    file_path(buf, sizeof(buf), key);
    fd = open(buf, O_WRONLY);
    if (fd < 0 || write(fd, value, strlen(value)) < 0) {
        die(buf);
    }
    close(fd);
}

static uint64_t get(const char *key)
{
    uint64_t value = 0;
    char buf[256];
    ssize_t n;
    int fd;

    if (!sysfs) {
        char line[256];

        snprintf(line, sizeof(line), "get %s\n", key);
        ask(line, buf, sizeof(buf));
        sscanf(buf, "%" SCNu64, &value);
        return value;
    }
    file_path(buf, sizeof(buf), key);
    fd = open(buf, O_RDONLY);
    n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
    if (n < 0) {
        die(key);
    }
    close(fd);
    buf[n] = 0;
    sscanf(buf, "%" SCNu64, &value);
    return value;
}

static void set_size(const char *key, uint64_t size)
{
    char value[32];

    snprintf(value, sizeof(value), "%" PRIu64, size);
    set(key, value);
}

/* -------------------------------------------------------------- calls -- */

static int feature(uint32_t argflags, uint32_t argsz, void *payload,
                   size_t size)
{
    uint64_t buf[16] = { 0 };
    struct sim_feature *f = (struct sim_feature *)buf;
    int ret;

    f->argsz = argsz;
    f->flags = argflags;
    memcpy(f + 1, payload, size);
    ret = ioctl(dev, SIM_DEVICE_FEATURE, f);
    memcpy(payload, f + 1, size);
    return ret;
}

/* A call with the right size */
static int feature_of(uint32_t argflags, void *payload, size_t size)
{
    return feature(argflags, sizeof(struct sim_feature) + size, payload, size);
}

static int probe(uint32_t argflags)
{
    char none;

    return feature_of(argflags | SIM_FEATURE_PROBE, &none, 0);
}

/* What all data fds are: of this session, and not for other programs */
static void take_data_fd(int fd)
{
    if (data >= 0) {
        close(data);
    }
    data = fd;
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static int set_state_fd(uint32_t state, int *fd)
{
    struct sim_feature_mig_state arg = { state, 12345 };
    int ret = feature_of(SIM_FEATURE_SET | SIM_FEATURE_MIG_STATE, &arg,
                         sizeof(arg));

    /* It is always said, also when there is none or the call fails */
    CHECK(arg.data_fd != 12345);
    *fd = arg.data_fd;
    return ret;
}

static int set_state(uint32_t state)
{
    int fd;
    int ret = set_state_fd(state, &fd);

    if (fd >= 0) {
        take_data_fd(fd);
    }
    return ret;
}

static uint32_t state(void)
{
    struct sim_feature_mig_state arg = { 99, 12345 };

    CHECK_EQ(error(feature_of(SIM_FEATURE_GET | SIM_FEATURE_MIG_STATE, &arg,
                              sizeof(arg))), 0);
    CHECK_EQ(arg.data_fd, -1);
    return arg.device_state;
}

static int data_size(uint64_t *size)
{
    return feature_of(SIM_FEATURE_GET | SIM_FEATURE_MIG_DATA_SIZE, size,
                      sizeof(*size));
}

static int precopy_info(int fd, struct sim_precopy_info *info)
{
    info->argsz = sizeof(*info);
    return ioctl(fd, SIM_MIG_GET_PRECOPY_INFO, info);
}

static int opt_in(void)
{
    char none;

    return feature_of(SIM_FEATURE_SET | FEATURE_V2, &none, 0);
}

static void close_data(void)
{
    if (data >= 0) {
        close(data);
        data = -1;
    }
}

/* The device as after a reset, with the profile that the tests expect */
static void restart(void)
{
    static const char *const keys[][2] = {
        { "fail-state", "none" }, { "fail-into", "stay" },
        { "fail-count", "0" }, { "hold", "none" }, { "report-stop", "truth" },
        { "report-initial", "truth" }, { "precopy", "on" }, { "p2p", "on" },
        { "reinit-bytes", "64K" }, { "reinit-flag", "until-read" },
    };
    size_t i;

    close_data();
    if (ioctl(dev, SIM_DEVICE_RESET)) {
        die("reset");
    }
    CHECK_EQ(state(), VFIO_SIM_RUNNING);
    for (i = 0; !foreign && i < sizeof(keys) / sizeof(keys[0]); i++) {
        set(keys[i][0], keys[i][1]);
    }
    if (!foreign) {
        set_size("initial-bytes", INITIAL);
        set_size("dirty-bytes", DIRTY);
        set_size("stop-bytes", STOPPED);
    }
}

/* Read all that there is; returns how that ended: 0, or an errno */
static int drain(size_t *len)
{
    static uint8_t buf[10007];          /* pieces that fit to nothing */
    ssize_t n;

    *len = 0;
    while ((n = read(data, buf, sizeof(buf))) > 0) {
        if (*len + n <= sizeof(stream)) {
            memcpy(stream + *len, buf, n);
        }
        *len += n;
    }
    return error(n);
}

static int write_all(const uint8_t *buf, size_t len)
{
    while (len) {
        ssize_t n = write(data, buf, len < 10007 ? len : 10007);

        if (n <= 0) {
            return n ? errno : ENODATA;
        }
        buf += n;
        len -= n;
    }
    return 0;
}

static void save_stream(void)
{
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK_EQ(drain(&stream_len), 0);
    CHECK(stream_len && stream_len <= sizeof(stream));
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), 0);
}

/* Bring a device that is RUNNING into a state. */
static void go_to(uint32_t to)
{
    if (to == VFIO_SIM_ERROR) {
        set("fail-into", "error");
        set("fail-state", "stop");
        CHECK_EQ(error(set_state(VFIO_SIM_STOP)), EIO);
        set("fail-state", "none");
        set("fail-into", "stay");
    } else {
        CHECK_EQ(error(set_state(to)), 0);
    }
    if (to == VFIO_SIM_RESUMING) {
        CHECK_EQ(write_all(stream, stream_len), 0);
    }
    CHECK_EQ(state(), to);
}

/* ---------------------------------------------------- what is expected -- */

static bool is_precopy(uint32_t s)
{
    return s == VFIO_SIM_PRE_COPY || s == VFIO_SIM_PRE_COPY_P2P;
}

static bool is_saving(uint32_t s)
{
    return is_precopy(s) || s == VFIO_SIM_STOP_COPY;
}

static bool is_p2p(uint32_t s)
{
    return s == VFIO_SIM_RUNNING_P2P || s == VFIO_SIM_PRE_COPY_P2P;
}

static bool known(uint32_t s)
{
    return s != VFIO_SIM_ERROR && s < VFIO_SIM_STATES &&
           (!is_precopy(s) || flags & VFIO_SIM_MIG_PRE_COPY) &&
           (!is_p2p(s) || flags & VFIO_SIM_MIG_P2P);
}

/* The arcs that linux/vfio.h has, from left to right and back */
static bool arc(uint32_t a, uint32_t b)
{
    static const struct {
        uint32_t from, to;
        uint32_t needs, without;
    } arcs[] = {
        { VFIO_SIM_STOP, VFIO_SIM_RESUMING, 0, 0 },
        { VFIO_SIM_RESUMING, VFIO_SIM_STOP, 0, 0 },
        { VFIO_SIM_STOP, VFIO_SIM_STOP_COPY, 0, 0 },
        { VFIO_SIM_STOP_COPY, VFIO_SIM_STOP, 0, 0 },
        { VFIO_SIM_STOP, VFIO_SIM_RUNNING, 0, VFIO_SIM_MIG_P2P },
        { VFIO_SIM_RUNNING, VFIO_SIM_STOP, 0, VFIO_SIM_MIG_P2P },
        { VFIO_SIM_STOP, VFIO_SIM_RUNNING_P2P, 0, 0 },
        { VFIO_SIM_RUNNING_P2P, VFIO_SIM_STOP, 0, 0 },
        { VFIO_SIM_RUNNING_P2P, VFIO_SIM_RUNNING, 0, 0 },
        { VFIO_SIM_RUNNING, VFIO_SIM_RUNNING_P2P, 0, 0 },
        { VFIO_SIM_RUNNING, VFIO_SIM_PRE_COPY, 0, 0 },
        { VFIO_SIM_PRE_COPY, VFIO_SIM_RUNNING, 0, 0 },
        { VFIO_SIM_PRE_COPY, VFIO_SIM_STOP_COPY, 0, VFIO_SIM_MIG_P2P },
        { VFIO_SIM_PRE_COPY, VFIO_SIM_PRE_COPY_P2P, 0, 0 },
        { VFIO_SIM_PRE_COPY_P2P, VFIO_SIM_PRE_COPY, 0, 0 },
        { VFIO_SIM_PRE_COPY_P2P, VFIO_SIM_RUNNING_P2P, 0, 0 },
        { VFIO_SIM_RUNNING_P2P, VFIO_SIM_PRE_COPY_P2P, 0, 0 },
        { VFIO_SIM_PRE_COPY_P2P, VFIO_SIM_STOP_COPY, 0, 0 },
    };
    size_t i;

    for (i = 0; i < sizeof(arcs) / sizeof(arcs[0]); i++) {
        if (arcs[i].from == a && arcs[i].to == b) {
            return known(a) && known(b) && !(flags & arcs[i].without);
        }
    }
    return false;
}

/*
 * The states that are entered on the way, as a mask; 0 if there is no way.
 * "The shortest path, and none through a saving state, unless start and end
 * are in the same session."
 */
static unsigned int path(uint32_t from, uint32_t to)
{
    bool same = is_saving(from) && is_saving(to);
    unsigned int via[VFIO_SIM_STATES] = { 0 };
    int round;
    uint32_t a, b;

    if (!known(from) || !known(to) ||
        (from == VFIO_SIM_STOP_COPY && is_precopy(to))) {
        return 0;
    }
    for (round = 1; round < VFIO_SIM_STATES && !via[to]; round++) {
        unsigned int before[VFIO_SIM_STATES];

        memcpy(before, via, sizeof(before));
        for (a = 0; a < VFIO_SIM_STATES; a++) {
            for (b = 0; b < VFIO_SIM_STATES; b++) {
                bool reached = round == 1 ? a == from : before[a] != 0;

                if (reached && !via[b] && b != from && arc(a, b) &&
                    (b == to || !is_saving(b) || same)) {
                    via[b] = before[a] | 1u << b;
                }
            }
        }
    }
    return via[to];
}

/* ------------------------------------------------------------ features -- */

static void test_migration_flags(void)
{
    uint64_t value = 0;
    int i;

    CHECK_EQ(error(feature_of(SIM_FEATURE_GET | SIM_FEATURE_MIGRATION, &value,
                              sizeof(value))), 0);
    CHECK_EQ(value, flags);
    CHECK(value & VFIO_SIM_MIG_STOP_COPY);
    for (i = 0; !foreign && i < 4; i++) {
        set("precopy", i & 1 ? "on" : "off");
        set("p2p", i & 2 ? "on" : "off");
        CHECK_EQ(error(feature_of(SIM_FEATURE_GET | SIM_FEATURE_MIGRATION,
                                  &value, sizeof(value))), 0);
        CHECK_EQ(value, VFIO_SIM_MIG_STOP_COPY |
                        (i & 1 ? VFIO_SIM_MIG_PRE_COPY : 0) |
                        (i & 2 ? VFIO_SIM_MIG_P2P : 0));
    }
}

static void test_feature_arguments(void)
{
    static const struct {
        uint32_t nr;
        uint32_t ops;
        size_t size;
    } features[] = {
        { SIM_FEATURE_MIGRATION, SIM_FEATURE_GET, 8 },
        { SIM_FEATURE_MIG_STATE, SIM_FEATURE_GET | SIM_FEATURE_SET, 8 },
        { SIM_FEATURE_MIG_DATA_SIZE, SIM_FEATURE_GET, 8 },
    };
    const uint32_t both = SIM_FEATURE_GET | SIM_FEATURE_SET;
    uint64_t payload[2] = { 0 };
    size_t i;
    uint32_t n;

    for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        uint32_t nr = features[i].nr;
        uint32_t ops = features[i].ops;

        /* what can be probed */
        CHECK_EQ(error(probe(nr)), 0);
        CHECK_EQ(error(probe(nr | ops)), 0);
        CHECK_EQ(error(probe(nr | SIM_FEATURE_GET)), 0);
        CHECK_EQ(error(probe(nr | SIM_FEATURE_SET)),
                 ops & SIM_FEATURE_SET ? 0 : EINVAL);
        CHECK_EQ(error(probe(nr | both)), ops == both ? 0 : EINVAL);
        /* neither get nor set, both, and what it does not have */
        CHECK_EQ(error(feature_of(nr, payload, 8)), EINVAL);
        CHECK_EQ(error(feature_of(nr | both, payload, 8)), EINVAL);
        if (!(ops & SIM_FEATURE_SET)) {
            CHECK_EQ(error(feature_of(nr | SIM_FEATURE_SET, payload, 8)),
                     EINVAL);
        }
        /* all sizes that are too small, and one that is larger */
        for (n = 0; n < sizeof(struct sim_feature) + features[i].size; n++) {
            CHECK_EQ(error(feature(nr | SIM_FEATURE_GET, n, payload, 8)),
                     EINVAL);
        }
        CHECK_EQ(error(feature(nr | SIM_FEATURE_GET, n, payload, 8)), 0);
        CHECK_EQ(error(feature(nr | SIM_FEATURE_GET, n + 8, payload, 16)), 0);
        /* a flag that nobody knows */
        CHECK_EQ(error(feature_of(nr | SIM_FEATURE_GET | 1u << 19, payload,
                                  8)), EINVAL);
        CHECK_EQ(error(feature_of(nr | SIM_FEATURE_GET | 1u << 31, payload,
                                  8)), EINVAL);
    }

    CHECK_EQ(error(feature_of(FEATURE_NONE | SIM_FEATURE_GET, payload, 8)),
             ENOTTY);
    CHECK_EQ(error(probe(FEATURE_NONE | SIM_FEATURE_GET)), ENOTTY);
    /* the checks of the flags come first */
    CHECK_EQ(error(feature_of(FEATURE_NONE | both, payload, 8)), EINVAL);
    CHECK_EQ(state(), VFIO_SIM_RUNNING);
}

/* Addresses that are not there.  The library would follow them. */
static void test_bad_addresses(void)
{
    static const uint32_t requests[] = {
        SIM_DEVICE_GET_INFO, SIM_DEVICE_GET_REGION_INFO,
        SIM_DEVICE_GET_IRQ_INFO, SIM_DEVICE_FEATURE,
    };
    /* so that no compiler knows better */
    void *volatile nowhere = (void *)(uintptr_t)16;
    size_t i;

    if (!sysfs) {
        SKIP("in the same process, a bad address is a crash");
    }
    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        CHECK_EQ(error(ioctl(dev, requests[i], nowhere)), EFAULT);
    }
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK_EQ(error(read(data, nowhere, 4096)), EFAULT);
    restart();
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK_EQ(error(write(data, nowhere, 8)), EFAULT);
    if (flags & VFIO_SIM_MIG_PRE_COPY) {
        restart();
        CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
        CHECK_EQ(error(ioctl(data, SIM_MIG_GET_PRECOPY_INFO, nowhere)),
                 EFAULT);
    }
}

static void test_v2_opt_in(void)
{
    struct sim_precopy_info info = { .flags = 0xabcd };
    uint64_t payload[2] = { 0 };

    if (!has_v2) {
        CHECK_EQ(error(probe(SIM_FEATURE_SET | FEATURE_V2)), ENOTTY);
        CHECK_EQ(error(opt_in()), ENOTTY);
        SKIP("this kernel has no MIG_PRECOPY_INFOv2");
    }
    CHECK_EQ(error(probe(FEATURE_V2)), 0);
    CHECK_EQ(error(probe(SIM_FEATURE_SET | FEATURE_V2)), 0);
    CHECK_EQ(error(probe(SIM_FEATURE_GET | FEATURE_V2)), EINVAL);
    CHECK_EQ(error(feature_of(SIM_FEATURE_GET | FEATURE_V2, payload, 8)),
             EINVAL);
    CHECK_EQ(error(feature_of(FEATURE_V2, payload, 0)), EINVAL);
    CHECK_EQ(error(feature(SIM_FEATURE_SET | FEATURE_V2, 7, payload, 0)),
             EINVAL);
    if (!foreign) {
        /* it needs PRE_COPY, even to be probed */
        set("precopy", "off");
        CHECK_EQ(error(probe(SIM_FEATURE_SET | FEATURE_V2)), EINVAL);
        CHECK_EQ(error(opt_in()), EINVAL);
        set("precopy", "on");
        CHECK_EQ(get("v2-opted-in"), 0);
    }
    CHECK_EQ(error(opt_in()), 0);
    CHECK_EQ(error(opt_in()), 0);
    CHECK_EQ(error(feature_of(SIM_FEATURE_SET | FEATURE_V2, payload, 8)), 0);
    /* a reset does not take it back */
    restart();
    if (!foreign) {
        CHECK_EQ(get("v2-opted-in"), 1);
    }
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
    CHECK_EQ(error(precopy_info(data, &info)), 0);
    CHECK_EQ(info.flags, 0);
}

/* ------------------------------------------------------------- states -- */

/* One way, from a device that is RUNNING */
static void check_way(uint32_t from, uint32_t to)
{
    unsigned int expected = path(from, to);
    int failed = tap_failed_checks;
    uint64_t changes = 0;
    int fd, ret;

    restart();
    if (!foreign) {
        set("precopy", flags & VFIO_SIM_MIG_PRE_COPY ? "on" : "off");
        set("p2p", flags & VFIO_SIM_MIG_P2P ? "on" : "off");
    }
    go_to(from);
    if (!foreign) {
        changes = get("state-changes");
    }
    ret = error(set_state_fd(to, &fd));
    if (from == to) {
        CHECK_EQ(ret, 0);
        CHECK_EQ(fd, -1);
        expected = 0;
    } else {
        CHECK_EQ(ret, expected ? 0 : EINVAL);
        CHECK_EQ(fd >= 0, expected && (to == VFIO_SIM_RESUMING ||
                                       (is_saving(to) && !is_saving(from))));
    }
    if (fd >= 0) {
        take_data_fd(fd);
    }
    CHECK_EQ(state(), ret || !expected ? from : to);
    if (!foreign) {
        CHECK_EQ(get("state-changes") - changes,
                 __builtin_popcount(expected));
    }
    if (tap_failed_checks != failed) {
        printf("# from %s to %" PRIu32 " (%s), with flags %" PRIu32 "\n",
               vfio_sim_state_names[from], to,
               to < VFIO_SIM_STATES ? vfio_sim_state_names[to] : "none",
               flags);
    }
}

/* Which states does it go through?  A fault in each of them tells. */
static void check_way_through(uint32_t from, uint32_t to)
{
    unsigned int expected = path(from, to);
    unsigned int seen = 0;
    uint32_t s;

    for (s = VFIO_SIM_STOP; expected && s < VFIO_SIM_STATES; s++) {
        restart();
        set("precopy", flags & VFIO_SIM_MIG_PRE_COPY ? "on" : "off");
        set("p2p", flags & VFIO_SIM_MIG_P2P ? "on" : "off");
        go_to(from);
        set("fail-state", vfio_sim_state_names[s]);
        if (set_state(to)) {
            CHECK_EQ(errno, EIO);
            CHECK(state() != to);
            seen |= 1u << s;
        }
    }
    if (from != to && seen != expected) {
        printf("# from %s to %s it goes through 0x%x, not 0x%x\n",
               vfio_sim_state_names[from], vfio_sim_state_names[to], seen,
               expected);
        tap_failed_checks++;
    }
}

static void check_all_ways(uint32_t with)
{
    uint32_t saved = flags;
    uint32_t from, to;

    flags = with;
    for (from = foreign; from < VFIO_SIM_STATES; from++) {
        if (from != VFIO_SIM_ERROR && !known(from)) {
            continue;
        }
        for (to = 0; to <= VFIO_SIM_STATES; to++) {
            check_way(from, to);
            if (!foreign && to < VFIO_SIM_STATES && from != to) {
                check_way_through(from, to);
            }
        }
        check_way(from, UINT32_MAX);
    }
    flags = saved;
}

static void test_arcs(void)
{
    check_all_ways(flags);
}

static void test_arcs_without_precopy(void)
{
    NEEDS_KEYS();
    check_all_ways(VFIO_SIM_MIG_STOP_COPY | VFIO_SIM_MIG_P2P);
}

static void test_arcs_without_p2p(void)
{
    NEEDS_KEYS();
    check_all_ways(VFIO_SIM_MIG_STOP_COPY | VFIO_SIM_MIG_PRE_COPY);
}

static void test_arcs_of_the_least(void)
{
    NEEDS_KEYS();
    check_all_ways(VFIO_SIM_MIG_STOP_COPY);
}

static void test_failure_stays(void)
{
    NEEDS_KEYS();
    /* as far as it came */
    set("fail-state", "stop-copy");
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), EIO);
    CHECK_EQ(state(), VFIO_SIM_STOP);
    CHECK_EQ(data, -1);
    set("fail-state", "none");
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK(data >= 0);
}

/* ------------------------------------------------------------ queries -- */

static void check_info_arguments(int fd)
{
    struct sim_precopy_info info = { 0 };
    uint32_t n;

    for (n = 0; n < sizeof(info); n++) {
        info.argsz = n;
        CHECK_EQ(error(ioctl(fd, SIM_MIG_GET_PRECOPY_INFO, &info)), EINVAL);
    }
    info.argsz = sizeof(info) + 8;
    CHECK_EQ(error(ioctl(fd, SIM_MIG_GET_PRECOPY_INFO, &info)), 0);
    CHECK_EQ(error(ioctl(fd, SIM_DEVICE_GET_INFO, &info)), ENOTTY);
    CHECK_EQ(error(ioctl(fd, SIM_DEVICE_FEATURE, &info)), ENOTTY);
}

static void test_queries_in_every_state(void)
{
    struct sim_precopy_info info;
    uint64_t size;
    uint32_t s;

    for (s = foreign; s < VFIO_SIM_STATES; s++) {
        if (s != VFIO_SIM_ERROR && !known(s)) {
            continue;
        }
        restart();
        go_to(s);
        size = UINT64_MAX;
        CHECK_EQ(error(data_size(&size)), 0);
        CHECK(size != UINT64_MAX);
        if (!foreign && s != VFIO_SIM_RESUMING) {
            CHECK_EQ(size, INITIAL + DIRTY + STOPPED);
        }
        if (data < 0) {
            continue;
        }
        if (is_precopy(s)) {
            info = (struct sim_precopy_info) { 0 };
            CHECK_EQ(error(precopy_info(data, &info)), 0);
            if (!foreign) {
                CHECK_EQ(info.initial_bytes, INITIAL);
                CHECK_EQ(info.dirty_bytes, DIRTY);
            }
            check_info_arguments(data);
        } else if (s == VFIO_SIM_RESUMING && foreign) {
            CHECK(precopy_info(data, &info) == -1);
        } else {
            CHECK_EQ(error(precopy_info(data, &info)), EINVAL);
        }
    }
}

/* Without the opt-in the flags are not touched. */
static void test_precopy_flags(void)
{
    struct sim_precopy_info info = { .flags = 0xabcd };

    if (!(flags & VFIO_SIM_MIG_PRE_COPY)) {
        SKIP("this device has no PRE_COPY");
    }
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
    CHECK_EQ(error(precopy_info(data, &info)), 0);
    CHECK_EQ(info.flags, 0xabcd);
}

static void test_reinit(void)
{
    struct sim_precopy_info info = { .flags = 0xabcd };
    size_t n;

    NEEDS_KEYS();
    if (!has_v2) {
        SKIP("this kernel has no MIG_PRECOPY_INFOv2");
    }
    CHECK_EQ(error(opt_in()), 0);
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
    CHECK_EQ(drain(&n), ENOMSG);
    CHECK_EQ(n, INITIAL + DIRTY);
    CHECK_EQ(error(precopy_info(data, &info)), 0);
    CHECK_EQ(info.flags, 0);
    CHECK_EQ(info.initial_bytes, 0);

    /* initial data grows again, and the flag says that this is no mistake */
    set("reinit-at", "now");
    CHECK_EQ(error(precopy_info(data, &info)), 0);
    CHECK_EQ(info.flags, INFO_REINIT);
    CHECK_EQ(info.initial_bytes, 64 * KIB);
    CHECK_EQ(info.dirty_bytes, 0);
    CHECK_EQ(drain(&n), ENOMSG);
    CHECK_EQ(n, 64 * KIB);
    CHECK_EQ(error(precopy_info(data, &info)), 0);
    CHECK_EQ(info.flags, 0);
    CHECK_EQ(info.initial_bytes, 0);

    /* at the last moment when there is a way back */
    set("reinit-at", "pre-copy-p2p");
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY_P2P)), 0);
    set("reinit-at", "none");
    CHECK_EQ(error(precopy_info(data, &info)), 0);
    CHECK_EQ(info.flags, INFO_REINIT);
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
    CHECK_EQ(drain(&n), ENOMSG);
    CHECK_EQ(n, 64 * KIB);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK_EQ(drain(&n), 0);
    CHECK_EQ(n, STOPPED);
}

static void test_lies(void)
{
    struct sim_precopy_info info = { 0 };
    uint64_t size;

    NEEDS_KEYS();
    set("report-stop", "max");
    CHECK_EQ(error(data_size(&size)), 0);
    CHECK(size == UINT64_MAX);
    set("report-stop", "error");
    CHECK_EQ(error(data_size(&size)), EIO);
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
    set("report-initial", "max");
    CHECK_EQ(error(precopy_info(data, &info)), 0);
    CHECK(info.initial_bytes == UINT64_MAX);
    set("report-initial", "error");
    info.initial_bytes = 1234;
    CHECK_EQ(error(precopy_info(data, &info)), EIO);
    CHECK_EQ(info.initial_bytes, 1234);
}

/* --------------------------------------------------------------- data -- */

static void test_read_to_the_end(void)
{
    struct sim_precopy_info info = { 0 };
    size_t n, sum = 0;
    uint64_t size;
    char byte;
    int i;

    if (flags & VFIO_SIM_MIG_PRE_COPY) {
        CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
        if (!foreign) {
            CHECK_EQ(drain(&n), ENOMSG);
            CHECK_EQ(n, INITIAL + DIRTY);
            sum = n;
            /* a lull, not an end: it may be asked again */
            CHECK_EQ(error(read(data, &byte, 1)), ENOMSG);
            CHECK_EQ(error(precopy_info(data, &info)), 0);
            CHECK_EQ(info.initial_bytes, 0);
            CHECK_EQ(info.dirty_bytes, 0);
            set_size("dirty-bytes", 4096);
            CHECK_EQ(drain(&n), ENOMSG);
            CHECK_EQ(n, 4096);
            sum += n;
        }
    }
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK_EQ(error(data_size(&size)), 0);
    CHECK_EQ(drain(&n), 0);
    sum += n;
    CHECK(sum > 0);
    if (!foreign) {
        CHECK_EQ(n, size);
        CHECK_EQ(sum, INITIAL + DIRTY + 4096 + STOPPED);
    }
    /* the end stays the end */
    for (i = 0; i < 3; i++) {
        CHECK_EQ(read(data, &byte, 1), 0);
    }
    CHECK_EQ(error(precopy_info(data, &info)), EINVAL);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP)), 0);
    CHECK_EQ(error(read(data, &byte, 1)), ENODEV);
}

static void test_wrong_direction(void)
{
    char byte = 0;

    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK_EQ(error(write(data, &byte, 1)), EBADF);
    CHECK_EQ(error(pread(data, &byte, 1, 0)), ESPIPE);
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK_EQ(error(read(data, &byte, 1)), EBADF);
    CHECK_EQ(error(pwrite(data, &byte, 1, 0)), ESPIPE);
}

static void test_resume(void)
{
    uint64_t verified = foreign ? 0 : get("stream-verified");

    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK_EQ(write_all(stream, stream_len), 0);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP)), 0);
    CHECK_EQ(error(write(data, stream, 1)), ENODEV);
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), 0);
    if (!foreign) {
        CHECK_EQ(get("stream-verified"), verified + 1);
    }
}

static void test_resume_refused(void)
{
    /* nothing at all */
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK(set_state(VFIO_SIM_RUNNING) == -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(state(), VFIO_SIM_RESUMING);

    /* the last byte is missing */
    restart();
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK_EQ(write_all(stream, stream_len - 1), 0);
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), EINVAL);
    CHECK_EQ(state(), VFIO_SIM_RESUMING);
    if (foreign) {
        return;
    }
    /* nothing can mend it but a reset */
    CHECK_EQ(error(write(data, stream + stream_len - 1, 1)), EINVAL);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP)), EINVAL);

    /* something is behind the end */
    restart();
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK_EQ(write_all(stream, stream_len), 0);
    CHECK_EQ(error(write(data, stream, 1)), EINVAL);
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), EINVAL);

    /* a bit is wrong */
    restart();
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    stream[stream_len / 2] ^= 4;
    CHECK_EQ(write_all(stream, stream_len), EINVAL);
    stream[stream_len / 2] ^= 4;
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), EINVAL);
}

/* ------------------------------------------------ resets and closings -- */

static void test_reset_in_every_state(void)
{
    struct sim_precopy_info info;
    char byte = 0;
    uint32_t s;
    int old;

    for (s = foreign; s < VFIO_SIM_STATES; s++) {
        if (s != VFIO_SIM_ERROR && !known(s)) {
            continue;
        }
        restart();
        go_to(s);
        CHECK_EQ(error(ioctl(dev, SIM_DEVICE_RESET)), 0);
        CHECK_EQ(state(), VFIO_SIM_RUNNING);
        if (data < 0) {
            continue;
        }
        if (s == VFIO_SIM_RESUMING) {
            CHECK_EQ(error(write(data, &byte, 1)), ENODEV);
        } else {
            CHECK_EQ(error(read(data, &byte, 1)), ENODEV);
            CHECK_EQ(error(precopy_info(data, &info)),
                     foreign ? EINVAL : ENODEV);
        }
        /* and the next session has nothing to do with it */
        old = data;
        data = -1;
        CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
        if (s == VFIO_SIM_RESUMING) {
            CHECK_EQ(error(write(old, &byte, 1)), ENODEV);
        } else {
            CHECK_EQ(error(read(old, &byte, 1)), ENODEV);
        }
        CHECK_EQ(read(data, &byte, 1), 1);
        close(old);
    }
}

static void test_close_data_in_the_middle(void)
{
    uint32_t s;
    char byte;

    for (s = VFIO_SIM_STOP; s < VFIO_SIM_STATES; s++) {
        if (!is_saving(s) || !known(s)) {
            continue;
        }
        restart();
        go_to(s);
        CHECK_EQ(read(data, &byte, 1), 1);
        close_data();
        /* the device does not care, and cannot be read any more */
        CHECK_EQ(state(), s);
        CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
        CHECK_EQ(data, -1);
        CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), 0);
        CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
        CHECK_EQ(read(data, &byte, 1), 1);
    }
}

static void open_device(void);

/* A device that is closed is as new, and its data fds are dead. */
static void test_close_device_in_the_middle(void)
{
    struct sim_precopy_info info = { .flags = 0xabcd };
    char byte = 0;
    uint32_t s;

    if (!sysfs) {
        SKIP("a descriptor that was passed cannot be opened again");
    }
    if (has_v2) {
        CHECK_EQ(error(opt_in()), 0);
    }
    for (s = foreign; s < VFIO_SIM_STATES; s++) {
        if (s != VFIO_SIM_ERROR && !known(s)) {
            continue;
        }
        go_to(s);
        close(dev);
        if (data >= 0) {
            CHECK_EQ(error(s == VFIO_SIM_RESUMING ? write(data, &byte, 1) :
                                                    read(data, &byte, 1)),
                     ENODEV);
        }
        open_device();
        /* uAPI says nothing of this; the kernel's sample keeps its state */
        CHECK(foreign || state() == VFIO_SIM_RUNNING);
        close_data();
        restart();
    }
    /* nobody has opted in to v2 any more */
    if (flags & VFIO_SIM_MIG_PRE_COPY) {
        CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
        CHECK_EQ(error(precopy_info(data, &info)), 0);
        CHECK_EQ(info.flags, 0xabcd);
    }
}

/* A program that is killed while its device takes its time */
static void test_kill_while_waiting(void)
{
    static const char *const holds[] = {
        "stop-copy", "pre-copy", "query", "read",
    };
    size_t i;

    if (!sysfs) {
        SKIP("in the same process, there would be nobody left");
    }
    NEEDS_KEYS();
    for (i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
        uint64_t size;
        pid_t pid;
        int status;

        /* nobody but the child has it open */
        close_data();
        close(dev);
        close(group);
        close(container);
        set("hold", holds[i]);
        fflush(stdout);
        pid = fork();
        if (!pid) {
            char byte;

            container = group = -1;
            open_device();
            if (!strcmp(holds[i], "query")) {
                data_size(&size);
            } else if (!strcmp(holds[i], "read")) {
                set_state(VFIO_SIM_STOP_COPY);
                _exit(read(data, &byte, 1) == 1);
            } else {
                set_state(i ? VFIO_SIM_PRE_COPY : VFIO_SIM_STOP_COPY);
            }
            _exit(99);
        }
        while (!get("holding")) {
            usleep(1000);
        }
        kill(pid, SIGKILL);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        CHECK_EQ(get("holding"), 0);
        set("hold", "none");
        container = group = -1;
        open_device();
        CHECK_EQ(state(), VFIO_SIM_RUNNING);
        restart();
    }
}

/* Who has a device or a data fd open keeps the module loaded. */
static void test_unload(void)
{
    if (!sysfs) {
        SKIP("there is no module");
    }
    NEEDS_KEYS();
    CHECK_EQ(error(syscall(SYS_delete_module, "vfio_sim", O_NONBLOCK)),
             EWOULDBLOCK);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    close(dev);
    CHECK_EQ(error(syscall(SYS_delete_module, "vfio_sim", O_NONBLOCK)),
             EWOULDBLOCK);
    open_device();
}

/* A held device answers who asks for its state, and ends the wait in time. */
static void *release(void *opaque)
{
    (void)opaque;
    while (!get("holding")) {
        usleep(1000);
    }
    if (state() != VFIO_SIM_RUNNING_P2P) {
        printf("# it is not held where it should be\n");
    }
    set("hold", "none");
    return NULL;
}

static void test_hold(void)
{
    pthread_t thread;

    NEEDS_KEYS();
    set("hold", "stop");
    pthread_create(&thread, NULL, release, NULL);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    pthread_join(thread, NULL);
    CHECK_EQ(state(), VFIO_SIM_STOP_COPY);
}

/* ------------------------------------------------- a device as such -- */

static void test_device_info(void)
{
    struct sim_device_info info = { 0 };
    struct sim_region_info region;
    struct sim_irq_info irq;
    uint8_t id[4] = { 0 };
    uint32_t n;

    for (n = 0; n < sizeof(info); n++) {
        info.argsz = n;
        CHECK_EQ(error(ioctl(dev, SIM_DEVICE_GET_INFO, &info)), EINVAL);
    }
    info.argsz = sizeof(info);
    CHECK_EQ(error(ioctl(dev, SIM_DEVICE_GET_INFO, &info)), 0);
    CHECK(info.flags & SIM_DEVICE_FLAGS_PCI);
    CHECK(foreign || info.flags & SIM_DEVICE_FLAGS_RESET);
    CHECK_EQ(info.num_regions, SIM_REGION_NR);
    CHECK_EQ(info.num_irqs, SIM_IRQ_NR);
    CHECK_EQ(error(ioctl(dev, SIM_MIG_GET_PRECOPY_INFO, &info)), ENOTTY);
    if (foreign) {
        return;
    }

    region = (struct sim_region_info) { .argsz = sizeof(region) - 1 };
    CHECK_EQ(error(ioctl(dev, SIM_DEVICE_GET_REGION_INFO, &region)), EINVAL);
    for (n = 0; n < SIM_REGION_NR; n++) {
        region = (struct sim_region_info) {
            .argsz = sizeof(region), .index = n
        };
        CHECK_EQ(error(ioctl(dev, SIM_DEVICE_GET_REGION_INFO, &region)),
                 n == SIM_REGION_VGA ? EINVAL : 0);
        CHECK_EQ(region.size, n == SIM_REGION_BAR0 ? 0x10000 :
                              n == SIM_REGION_CONFIG ? 256 : 0);
        if (n == SIM_REGION_CONFIG) {
            CHECK_EQ(pread(dev, id, 4, region.offset), 4);
            CHECK(!memcmp(id, "\x34\x12\x53\x56", 4));
            /* the identity cannot be written */
            CHECK_EQ(pwrite(dev, "\0\0\0\0", 4, region.offset), 4);
            CHECK_EQ(pread(dev, id, 4, region.offset), 4);
            CHECK(!memcmp(id, "\x34\x12\x53\x56", 4));
        }
    }
    for (n = 0; n < SIM_IRQ_NR + 1; n++) {
        irq = (struct sim_irq_info) { .argsz = sizeof(irq), .index = n };
        CHECK_EQ(error(ioctl(dev, SIM_DEVICE_GET_IRQ_INFO, &irq)),
                 n == SIM_IRQ_ERR || n >= SIM_IRQ_NR ? EINVAL : 0);
    }
}

/* -------------------------------------------------------------- start -- */

static void open_library(void)
{
    struct sim_bind bind = { .argsz = sizeof(bind), .iommufd = FD_IOMMU };

    dev = FD_DEVICE;
    CHECK_EQ(error(ioctl(dev, SIM_DEVICE_BIND_IOMMUFD, &bind)), 0);
}

static void open_mdev(void)
{
    char link[256], name[256];
    ssize_t n;

    if (container < 0) {
        snprintf(name, sizeof(name), "%s/iommu_group", sysfs);
        n = readlink(name, link, sizeof(link) - 1);
        if (n < 0) {
            die(name);
        }
        link[n] = 0;
        snprintf(name, sizeof(name), "/dev/vfio/%s", strrchr(link, '/') + 1);
        container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
        group = open(name, O_RDWR | O_CLOEXEC);
        if (container < 0 || group < 0 ||
            ioctl(group, GROUP_SET_CONTAINER, &container) ||
            ioctl(container, CONTAINER_SET_IOMMU, TYPE1V2_IOMMU)) {
            die(name);
        }
    }
    dev = ioctl(group, GROUP_GET_DEVICE_FD, strrchr(sysfs, '/') + 1);
    if (dev < 0) {
        die(sysfs);
    }
}

static void open_device(void)
{
    if (sysfs) {
        open_mdev();
    } else {
        open_library();
    }
}

/* Run again with the library loaded. */
static void run_with(char **argv)
{
    char dir[] = "/tmp/vfio-sim-conformance-XXXXXX";
    char *spec;
    int status;
    pid_t pid;

    if (!mkdtemp(dir) ||
        asprintf(&spec, "fd=%d,control=%s/control", FD_DEVICE, dir) < 0) {
        die("mkdtemp");
    }
    snprintf(control, sizeof(control), "%s/control", dir);
    setenv("VFIO_SIM_CONFORMANCE", control, 1);
    setenv("LD_PRELOAD", argv[1], 1);
    setenv("VFIO_SIM_IOMMUFD", "fd=100", 1);
    setenv("VFIO_SIM_DEVICES", spec, 1);
    pid = fork();
    if (!pid) {
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        die("fork");
    }
    unlink(control);
    rmdir(dir);
    free(spec);
    if (!WIFEXITED(status)) {
        printf("Bail out! killed by signal %d\n", WTERMSIG(status));
        exit(1);
    }
    exit(WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
    uint64_t value = 0;
    struct stat st;
    char name[256];

    if (argc != 2 || stat(argv[1], &st)) {
        fprintf(stderr, "usage: %s LIBRARY|DIRECTORY\n", argv[0]);
        return 2;
    }
    if (S_ISDIR(st.st_mode)) {
        sysfs = argv[1];
        snprintf(name, sizeof(name), "%s/vfio_sim/state", sysfs);
        foreign = access(name, F_OK);
    } else if (!getenv("VFIO_SIM_CONFORMANCE")) {
        run_with(argv);
    } else {
        snprintf(control, sizeof(control), "%s",
                 getenv("VFIO_SIM_CONFORMANCE"));
    }

    open_device();
    if (feature_of(SIM_FEATURE_GET | SIM_FEATURE_MIGRATION, &value,
                   sizeof(value))) {
        die("this device cannot be migrated");
    }
    flags = value;
    has_v2 = !probe(SIM_FEATURE_SET | FEATURE_V2);
    printf("# flags 0x%x, v2 %s\n", flags, has_v2 ? "yes" : "no");
    restart();
    save_stream();

    RUN_OR_SKIP(test_device_info);
    RUN_OR_SKIP(test_migration_flags);
    RUN_OR_SKIP(test_feature_arguments);
    RUN_OR_SKIP(test_bad_addresses);
    RUN_OR_SKIP(test_arcs);
    RUN_OR_SKIP(test_arcs_without_precopy);
    RUN_OR_SKIP(test_arcs_without_p2p);
    RUN_OR_SKIP(test_arcs_of_the_least);
    RUN_OR_SKIP(test_failure_stays);
    RUN_OR_SKIP(test_queries_in_every_state);
    RUN_OR_SKIP(test_precopy_flags);
    RUN_OR_SKIP(test_v2_opt_in);
    RUN_OR_SKIP(test_reinit);
    RUN_OR_SKIP(test_lies);
    RUN_OR_SKIP(test_read_to_the_end);
    RUN_OR_SKIP(test_wrong_direction);
    save_stream();
    RUN_OR_SKIP(test_resume);
    RUN_OR_SKIP(test_resume_refused);
    RUN_OR_SKIP(test_reset_in_every_state);
    RUN_OR_SKIP(test_close_data_in_the_middle);
    RUN_OR_SKIP(test_hold);
    RUN_OR_SKIP(test_close_device_in_the_middle);
    RUN_OR_SKIP(test_kill_while_waiting);
    RUN_OR_SKIP(test_unload);
    return tap_done();
}
