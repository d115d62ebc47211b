/*
 * Tests of the shipped profiles: what their comments promise
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <glob.h>

#include "model-fixture.h"

static VFIOSim *device_like(const char *profile)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s.profile", VFIO_SIM_PROFILES, profile);
    return device_from_profile(path);
}

/* Move all data that can be moved now; @now advances as rates demand. */
static void move(VFIOSim *from, VFIOSim *to, uint64_t *now, uint64_t *bytes)
{
    static uint8_t buf[MIB];
    uint64_t wait;
    int64_t n;

    while ((n = vfio_sim_read(from, session_of(from), *now, buf, sizeof(buf),
                              &wait)) > 0) {
        int64_t done, ret;

        *now += wait;
        for (done = 0; done < n; done += ret) {
            ret = vfio_sim_write(to, session_of(to), *now, buf + done,
                                 n - done, &wait);
            CHECK(ret > 0);
            if (ret <= 0) {
                return;
            }
            *now += wait;
        }
        *bytes += n;
    }
    CHECK_EQ(n, state_of(from) == VFIO_SIM_STOP_COPY ? 0 : -ENOMSG);
}

static void migrate(const char *path)
{
    VFIOSim *from = device_from_profile(path);
    VFIOSim *to = device_from_profile(path);
    uint64_t now = 0, bytes = 0, i, d, stop, left;
    unsigned int pass;

    if (vfio_sim_dma_running(from)) {
        write_pages(from, now, 3);
        now += 3000 * S;
    }
    CHECK_EQ(vfio_sim_set_state(to, now, VFIO_SIM_RESUMING), 0);
    if (vfio_sim_mig_flags(from) & VFIO_SIM_MIG_PRE_COPY) {
        CHECK_EQ(vfio_sim_set_state(from, now, VFIO_SIM_PRE_COPY), 0);
        for (pass = 0; pass < 3; pass++) {
            move(from, to, &now, &bytes);
            now += S;
        }
    }
    CHECK_EQ(vfio_sim_set_state(from, now, VFIO_SIM_STOP_COPY), 0);
    vfio_sim_sizes(from, now, &i, &d, &stop);
    left = i + d + stop;
    bytes = 0;
    move(from, to, &now, &bytes);
    CHECK_EQ(bytes, left);
    CHECK_EQ(vfio_sim_set_state(to, now, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(counter(to, "stream-verified"), 1);
    if (tap_failed()) {
        tap_note("%s", path);
    }
    discard(from);
    discard(to);
}

static void test_migrate(void)
{
    glob_t found;
    size_t i;

    CHECK_EQ(glob(VFIO_SIM_PROFILES "/?*.profile", 0, NULL, &found), 0);
    CHECK(found.gl_pathc >= 9);
    for (i = 0; i < found.gl_pathc; i++) {
        migrate(found.gl_pathv[i]);
    }
    globfree(&found);
}

static void test_vgpu(void)
{
    VFIOSim *s = device_like("vgpu-2g");

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_sizes(s, 10 * S, 0, 0, 2048 * MIB);
}

static void test_reinit(void)
{
    VFIOSim *s = device_like("reinit");
    static uint8_t buf[MIB];
    uint64_t now = 0, i, d;

    vfio_sim_set_v2(s, true);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    for (now = 0; now < 2 * S; now += 10 * MS) {
        while (read_data(s, now, buf, sizeof(buf)) > 0) {
            /* on */
        }
        CHECK_EQ(precopy_info(s, now, &i, &d), 0);
        if (now == 100 * MS || now == 400 * MS) {
            CHECK_EQ(counter(s, "reinits"), now / (100 * MS));
        }
    }
    CHECK_EQ(counter(s, "reinits"), 4);
    CHECK_EQ(counter(s, "read-bytes-initial"), 5 * 16 * MIB);
}

static void test_no_precopy(void)
{
    VFIOSim *s = device_like("no-precopy");

    CHECK_EQ(vfio_sim_mig_flags(s), VFIO_SIM_MIG_STOP_COPY | VFIO_SIM_MIG_P2P);
    check_sizes(s, 0, 0, 0, 64 * MIB);
}

static void test_random_sizes(void)
{
    VFIOSim *s = device_like("random-sizes");
    uint64_t a[3], b[3];

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(precopy_info(s, 0, &a[0], &a[1]), 0);
    CHECK_EQ(precopy_info(s, 0, &b[0], &b[1]), 0);
    CHECK_EQ(vfio_sim_data_size(s, 0, &a[2]), 0);
    CHECK_EQ(vfio_sim_data_size(s, 0, &b[2]), 0);
    CHECK(a[0] != b[0] && a[1] != b[1] && a[2] != b[2]);
    CHECK_EQ(counter(s, "initial"), 4 * MIB);
}

static void test_xe_like(void)
{
    VFIOSim *s = device_like("xe-like");

    CHECK_EQ(vfio_sim_mig_flags(s), VFIO_SIM_MIG_STOP_COPY | VFIO_SIM_MIG_P2P);
    CHECK_EQ(vfio_sim_dirty_log(s), VFIO_SIM_LOG_IOMMU);
    /* RUNNING_P2P takes long, and the device is stopped from there on. */
    CHECK(vfio_sim_latency(s, VFIO_SIM_RUNNING_P2P) >= 100 * MS);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_RUNNING_P2P), 0);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(counter(s, "stopped-at-us"), 1000000);
    check_sizes(s, 2 * S, 0, 0, 256 * MIB);
}

static void test_virtio_like(void)
{
    VFIOSim *s = device_like("virtio-like");
    static uint8_t buf[8 * MIB];

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_precopy_info(s, 0, 4 * MIB, 0, FLAGS_BEFORE);
    CHECK_EQ(read_all(s, 0, buf, sizeof(buf), MIB), 4 * MIB);
    /* The report is up to a second old. */
    check_precopy_info(s, 999 * MS, 4 * MIB, 0, FLAGS_BEFORE);
    CHECK_EQ(counter(s, "initial"), 0);
    /* After one second all is dirty again. */
    check_precopy_info(s, S, 0, 4 * MIB, FLAGS_BEFORE);
    CHECK_EQ(read_all(s, S, buf, sizeof(buf), MIB), 4 * MIB);
    CHECK_EQ(read_data(s, 1999 * MS, buf, MIB), -ENOMSG);
    CHECK_EQ(read_all(s, 2 * S, buf, sizeof(buf), MIB), 4 * MIB);
}

static const TapCase cases[] = {
    TAP_CASE("migrate", test_migrate,
             "a device with each profile migrates to another one"),
    TAP_CASE("vgpu-2g", test_vgpu, "2 GiB, only while stopped"),
    TAP_CASE("reinit", test_reinit,
             "four re-initialisations, 100 ms apart, of 16 MiB"),
    TAP_CASE("no-precopy", test_no_precopy, "no PRE_COPY, 64 MiB"),
    TAP_CASE("random-sizes", test_random_sizes,
             "each report has another size"),
    TAP_CASE("xe-like", test_xe_like,
             "no PRE_COPY, no log of its own, RUNNING_P2P stops the device"),
    TAP_CASE("virtio-like", test_virtio_like,
             "precopy data is dirty again each second, reports are old"),
};

TAP_GROUP(model_profiles, "profiles", cases);
