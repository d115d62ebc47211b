/*
 * What the conformance tests share: the device that is tested
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "conformance-fixture.h"
#include "client/control.h"

/* The library's descriptors */
#define FD_IOMMU        100
#define FD_DEVICE       101

/* A size for reads and writes that divides none of the stream's sizes */
#define PIECE   10007

Target target = { .dev = -1, .data = -1 };

static int container = -1, group = -1;

static void bail_out(const char *what)
{
    tap_bail_out("%s: %s", what, strerror(errno));
}

int error(long ret)
{
    return ret < 0 ? errno : 0;
}

/* ------------------------------------------------- keys and counters -- */

static int sysfs_open(const char *key, int flags)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/vfio_sim/%s", target.sysfs, key);
    return open(path, flags);
}

static VFIOSimControl *control(void)
{
    static VFIOSimControl *client;
    char err[256];

    if (!client) {
        client = vfio_sim_control_open(target.control, 0, err, sizeof(err));
        if (!client) {
            tap_bail_out("%s", err);
        }
    }
    return client;
}

int try_set(const char *key, const char *value)
{
    int fd, ret;

    if (!target.sysfs) {
        char err[256];

        if (vfio_sim_control_set(control(), key, value, err, sizeof(err))) {
            return strstr(err, "is using it now") ? EBUSY : EINVAL;
        }
        return 0;
    }
    fd = sysfs_open(key, O_WRONLY);
    if (fd < 0) {
        return errno;
    }
    ret = error(write(fd, value, strlen(value)));
    close(fd);
    return ret;
}

int try_get(const char *key, char *value, size_t len)
{
    ssize_t n;
    int fd;

    *value = 0;
    if (!target.sysfs) {
        return vfio_sim_control_get(control(), key, value, len) ? EINVAL : 0;
    }
    fd = sysfs_open(key, O_RDONLY);
    if (fd < 0) {
        return errno;
    }
    n = read(fd, value, len - 1);
    close(fd);
    if (n < 0) {
        return errno;
    }
    value[n] = 0;
    value[strcspn(value, "\n")] = 0;
    return 0;
}

void set(const char *key, const char *value)
{
    int ret = try_set(key, value);

    if (ret) {
        tap_bail_out("set %s=%s: %s", key, value, strerror(ret));
    }
}

void set_size(const char *key, uint64_t size)
{
    char value[32];

    snprintf(value, sizeof(value), "%" PRIu64, size);
    set(key, value);
}

uint64_t get(const char *key)
{
    uint64_t number = 0;
    char value[256];
    int ret = try_get(key, value, sizeof(value));

    if (ret) {
        tap_bail_out("get %s: %s", key, strerror(ret));
    }
    sscanf(value, "%" SCNu64, &number);
    return number;
}

/* -------------------------------------------------------------- calls -- */

int feature_sized(uint32_t argflags, uint32_t argsz, void *payload,
                  size_t size)
{
    uint64_t buf[16] = { 0 };
    struct vfio_device_feature *f = (struct vfio_device_feature *)buf;
    int ret;

    f->argsz = argsz;
    f->flags = argflags;
    memcpy(f + 1, payload, size);
    ret = ioctl(target.dev, VFIO_DEVICE_FEATURE, f);
    memcpy(payload, f + 1, size);
    return ret;
}

int feature(uint32_t argflags, void *payload, size_t size)
{
    return feature_sized(argflags, sizeof(struct vfio_device_feature) + size,
                         payload, size);
}

int probe(uint32_t argflags)
{
    char none;

    return feature(argflags | FEATURE_PROBE, &none, 0);
}

int opt_in(void)
{
    char none;

    return feature(FEATURE_SET | FEATURE_V2, &none, 0);
}

void close_data(void)
{
    if (target.data >= 0) {
        close(target.data);
        target.data = -1;
    }
}

void take_data_fd(int fd)
{
    close_data();
    target.data = fd;
    /* A program that is started does not get it. */
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

int set_state_fd(uint32_t state, int *fd)
{
    struct vfio_device_feature_mig_state arg = { state, 12345 };
    int ret = feature(FEATURE_SET | FEATURE_MIG_STATE, &arg,
                      sizeof(arg));

    /* It is set in any case, also when the call fails. */
    CHECK(arg.data_fd != 12345);
    *fd = arg.data_fd;
    return ret;
}

int set_state(uint32_t state)
{
    int fd;
    int ret = set_state_fd(state, &fd);

    if (fd >= 0) {
        take_data_fd(fd);
    }
    return ret;
}

uint32_t state(void)
{
    struct vfio_device_feature_mig_state arg = { 99, 12345 };

    CHECK_EQ(error(feature(FEATURE_GET | FEATURE_MIG_STATE, &arg,
                           sizeof(arg))), 0);
    CHECK_EQ(arg.data_fd, -1);
    return arg.device_state;
}

int data_size(uint64_t *size)
{
    return feature(FEATURE_GET | FEATURE_MIG_DATA_SIZE, size,
                   sizeof(*size));
}

int precopy_info(int fd, struct vfio_precopy_info *info)
{
    info->argsz = sizeof(*info);
    return ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, info);
}

/* Read all there is, into @buf as far as it fits. */
static int read_into(uint8_t *buf, size_t room, size_t *len)
{
    static uint8_t piece[PIECE];
    ssize_t n;

    *len = 0;
    while ((n = read(target.data, piece, sizeof(piece))) > 0) {
        if (*len + n <= room) {
            memcpy(buf + *len, piece, n);
        }
        *len += n;
    }
    return error(n);
}

int read_all(size_t *len)
{
    return read_into(NULL, 0, len);
}

int write_all(const uint8_t *buf, size_t len)
{
    while (len) {
        ssize_t n = write(target.data, buf, len < PIECE ? len : PIECE);

        if (n <= 0) {
            return n ? errno : ENODATA;
        }
        buf += n;
        len -= n;
    }
    return 0;
}

/* ------------------------------------------------------------- states -- */

bool is_precopy(uint32_t s)
{
    return s == VFIO_SIM_PRE_COPY || s == VFIO_SIM_PRE_COPY_P2P;
}

bool is_saving(uint32_t s)
{
    return is_precopy(s) || s == VFIO_SIM_STOP_COPY;
}

bool is_p2p(uint32_t s)
{
    return s == VFIO_SIM_RUNNING_P2P || s == VFIO_SIM_PRE_COPY_P2P;
}

bool has_state(uint32_t s)
{
    return s != VFIO_SIM_ERROR && s < VFIO_SIM_STATES &&
           (!is_precopy(s) || target.flags & VFIO_SIM_MIG_PRE_COPY) &&
           (!is_p2p(s) || target.flags & VFIO_SIM_MIG_P2P);
}

bool can_go_to(uint32_t s)
{
    return s == VFIO_SIM_ERROR ? target.simulated : has_state(s);
}

void go_to(uint32_t s)
{
    if (s == VFIO_SIM_ERROR) {
        set("fail-into", "error");
        set("fail-state", "stop");
        CHECK_EQ(error(set_state(VFIO_SIM_STOP)), EIO);
        set("fail-state", "none");
        set("fail-into", "stay");
    } else {
        CHECK_EQ(error(set_state(s)), 0);
    }
    if (s == VFIO_SIM_RESUMING) {
        CHECK_EQ(write_all(target.stream, target.stream_len), 0);
    }
    CHECK_EQ(state(), s);
}

/* --------------------------------------------------------- the device -- */

static void open_library(void)
{
    struct vfio_device_bind_iommufd bind = {
        .argsz = sizeof(bind), .iommufd = FD_IOMMU
    };

    target.dev = FD_DEVICE;
    if (ioctl(target.dev, VFIO_DEVICE_BIND_IOMMUFD, &bind)) {
        bail_out("bind");
    }
}

static void open_group(void)
{
    char link[256], name[256];
    ssize_t n;

    snprintf(name, sizeof(name), "%s/iommu_group", target.sysfs);
    n = readlink(name, link, sizeof(link) - 1);
    if (n < 0) {
        bail_out(name);
    }
    link[n] = 0;
    snprintf(name, sizeof(name), "/dev/vfio/%s", strrchr(link, '/') + 1);
    container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    group = open(name, O_RDWR | O_CLOEXEC);
    if (container < 0 || group < 0 ||
        ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
        ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
        bail_out(name);
    }
}

void open_device(void)
{
    if (!target.sysfs) {
        open_library();
        return;
    }
    if (container < 0) {
        open_group();
    }
    target.dev = ioctl(group, VFIO_GROUP_GET_DEVICE_FD,
                       strrchr(target.sysfs, '/') + 1);
    if (target.dev < 0) {
        bail_out(target.sysfs);
    }
}

void close_device(void)
{
    close_data();
    close(target.dev);
    close(group);
    close(container);
    container = group = target.dev = target.data = -1;
}

void restart(void)
{
    static const char *const keys[][2] = {
        { "fail-state", "none" }, { "fail-into", "stay" },
        { "fail-count", "0" }, { "hold", "none" }, { "report-stop", "truth" },
        { "report-initial", "truth" }, { "precopy", "on" }, { "p2p", "on" },
        { "reinit-bytes", "64K" }, { "reinit-flag", "until-read" },
    };
    size_t i;

    close_data();
    if (ioctl(target.dev, VFIO_DEVICE_RESET)) {
        bail_out("reset");
    }
    CHECK_EQ(state(), VFIO_SIM_RUNNING);
    if (target.simulated) {
        for (i = 0; i < TAP_SIZE(keys); i++) {
            set(keys[i][0], keys[i][1]);
        }
        set_size("initial-bytes", INITIAL);
        set_size("dirty-bytes", DIRTY);
        set_size("stop-bytes", STOPPED);
    }
}

static void save_stream(void)
{
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK_EQ(read_into(target.stream, sizeof(target.stream),
                       &target.stream_len), 0);
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), 0);
    if (!target.stream_len || target.stream_len > sizeof(target.stream) ||
        tap_failed()) {
        tap_bail_out("no stream can be read from the device");
    }
}

void target_start(void)
{
    uint64_t value = 0;

    open_device();
    if (feature(FEATURE_GET | FEATURE_MIGRATION, &value,
                sizeof(value))) {
        bail_out("the device cannot be migrated");
    }
    target.flags = value;
    target.has_v2 = !probe(FEATURE_SET | FEATURE_V2);
    tap_note("flags 0x%x, v2 %s", target.flags, target.has_v2 ? "yes" : "no");
    restart();
    save_stream();
}

const char *target_skip(const TapCase *c)
{
    if (c->needs & NEEDS_SIMULATOR && !target.simulated) {
        return "the device has no keys";
    }
    if (c->needs & NEEDS_KERNEL && !target.sysfs) {
        return "only for a device of the kernel";
    }
    if (c->needs & NEEDS_PRECOPY &&
        !(target.flags & VFIO_SIM_MIG_PRE_COPY)) {
        return "the device has no PRE_COPY";
    }
    if (c->needs & NEEDS_V2 && !target.has_v2) {
        return "the kernel has no MIG_PRECOPY_INFOv2";
    }
    return NULL;
}
