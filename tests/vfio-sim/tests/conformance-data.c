/*
 * Conformance: the data stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <unistd.h>

#include "conformance-fixture.h"

static void test_read(void)
{
    struct vfio_precopy_info info = { 0 };
    size_t n, sum = 0;
    uint64_t size;
    char byte;
    int i;

    if (target.flags & VFIO_SIM_MIG_PRE_COPY) {
        CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
        if (target.simulated) {
            CHECK_EQ(read_all(&n), ENOMSG);
            CHECK_EQ(n, INITIAL + DIRTY);
            sum = n;
            /* It is not the end: more data can follow. */
            CHECK_EQ(error(read(target.data, &byte, 1)), ENOMSG);
            CHECK_EQ(error(precopy_info(target.data, &info)), 0);
            CHECK_EQ(info.initial_bytes, 0);
            CHECK_EQ(info.dirty_bytes, 0);
            set_size("dirty-bytes", 4096);
            CHECK_EQ(read_all(&n), ENOMSG);
            CHECK_EQ(n, 4096);
            sum += n;
        }
    }
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK_EQ(error(data_size(&size)), 0);
    CHECK_EQ(read_all(&n), 0);
    sum += n;
    CHECK(sum > 0);
    if (target.simulated) {
        CHECK_EQ(n, size);
        CHECK_EQ(sum, INITIAL + DIRTY + 4096 + STOPPED);
    }
    /* Each read after the end returns 0. */
    for (i = 0; i < 3; i++) {
        CHECK_EQ(read(target.data, &byte, 1), 0);
    }
    CHECK_EQ(error(precopy_info(target.data, &info)), EINVAL);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP)), 0);
    CHECK_EQ(error(read(target.data, &byte, 1)), ENODEV);
}

static void test_wrong_direction(void)
{
    char byte = 0;

    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK_EQ(error(write(target.data, &byte, 1)), EBADF);
    CHECK_EQ(error(pread(target.data, &byte, 1, 0)), ESPIPE);
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK_EQ(error(read(target.data, &byte, 1)), EBADF);
    CHECK_EQ(error(pwrite(target.data, &byte, 1, 0)), ESPIPE);
}

static void test_resume(void)
{
    uint64_t verified = !target.simulated ? 0 : get("stream-verified");

    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK_EQ(write_all(target.stream, target.stream_len), 0);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP)), 0);
    CHECK_EQ(error(write(target.data, target.stream, 1)), ENODEV);
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), 0);
    if (target.simulated) {
        CHECK_EQ(get("stream-verified"), verified + 1);
    }
}

static void test_resume_refused(void)
{
    /* Nothing was written. */
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK(set_state(VFIO_SIM_RUNNING) == -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(state(), VFIO_SIM_RESUMING);

    /* The last byte is missing. */
    restart();
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK_EQ(write_all(target.stream, target.stream_len - 1), 0);
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), EINVAL);
    CHECK_EQ(state(), VFIO_SIM_RESUMING);
    if (!target.simulated) {
        return;
    }
    /* Only a reset ends this. */
    CHECK_EQ(error(write(target.data, target.stream + target.stream_len - 1,
                         1)), EINVAL);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP)), EINVAL);

    /* There is a byte after the end. */
    restart();
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK_EQ(write_all(target.stream, target.stream_len), 0);
    CHECK_EQ(error(write(target.data, target.stream, 1)), EINVAL);
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), EINVAL);

    /* A bit differs. */
    restart();
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    target.stream[target.stream_len / 2] ^= 4;
    CHECK_EQ(write_all(target.stream, target.stream_len), EINVAL);
    target.stream[target.stream_len / 2] ^= 4;
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), EINVAL);
}

static const TapCase cases[] = {
    TAP_CASE("read", test_read, "reading a stream, from PRE_COPY to its end"),
    TAP_CASE("wrong-direction", test_wrong_direction,
             "no writes while saving, no reads in RESUMING, no offsets"),
    TAP_CASE("resume", test_resume, "loading a stream"),
    TAP_CASE("resume-refused", test_resume_refused,
             "an incomplete or damaged stream, or one with more behind it"),
};

TAP_GROUP(conformance_data, "data", cases);
