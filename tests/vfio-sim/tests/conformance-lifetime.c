/*
 * Conformance: resets, and closing descriptors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance-fixture.h"

static void test_reset(void)
{
    struct vfio_precopy_info info;
    char byte = 0;
    uint32_t s;
    int old;

    for (s = 0; s < VFIO_SIM_STATES; s++) {
        if (!can_go_to(s)) {
            continue;
        }
        restart();
        go_to(s);
        CHECK_EQ(error(ioctl(target.dev, VFIO_DEVICE_RESET)), 0);
        CHECK_EQ(state(), VFIO_SIM_RUNNING);
        if (target.data < 0) {
            continue;
        }
        if (s == VFIO_SIM_RESUMING) {
            CHECK_EQ(error(write(target.data, &byte, 1)), ENODEV);
        } else {
            CHECK_EQ(error(read(target.data, &byte, 1)), ENODEV);
            CHECK_EQ(error(precopy_info(target.data, &info)),
                     !target.simulated ? EINVAL : ENODEV);
        }
        /* Nor does it belong to the next session. */
        old = target.data;
        target.data = -1;
        CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
        if (s == VFIO_SIM_RESUMING) {
            CHECK_EQ(error(write(old, &byte, 1)), ENODEV);
        } else {
            CHECK_EQ(error(read(old, &byte, 1)), ENODEV);
        }
        CHECK_EQ(read(target.data, &byte, 1), 1);
        close(old);
    }
}

static void test_close_data(void)
{
    uint32_t s;
    char byte;

    for (s = VFIO_SIM_STOP; s < VFIO_SIM_STATES; s++) {
        if (!is_saving(s) || !has_state(s)) {
            continue;
        }
        restart();
        go_to(s);
        CHECK_EQ(read(target.data, &byte, 1), 1);
        close_data();
        /* The state stays, and the session cannot be read any more. */
        CHECK_EQ(state(), s);
        CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
        CHECK_EQ(target.data, -1);
        CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), 0);
        CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
        CHECK_EQ(read(target.data, &byte, 1), 1);
    }
}

static void test_close_device(void)
{
    struct vfio_precopy_info info = { .flags = 0xabcd };
    char byte = 0;
    uint32_t s;

    if (target.has_v2) {
        CHECK_EQ(error(opt_in()), 0);
    }
    for (s = 0; s < VFIO_SIM_STATES; s++) {
        if (!can_go_to(s)) {
            continue;
        }
        go_to(s);
        close(target.dev);
        if (target.data >= 0) {
            CHECK_EQ(error(s == VFIO_SIM_RESUMING ?
                           write(target.data, &byte, 1) :
                           read(target.data, &byte, 1)), ENODEV);
        }
        open_device();
        /* linux/vfio.h leaves this open; mtty keeps its state. */
        CHECK(!target.simulated || state() == VFIO_SIM_RUNNING);
        close_data();
        restart();
    }
    /* The opt-in to v2 has ended. */
    if (target.flags & VFIO_SIM_MIG_PRE_COPY) {
        CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
        CHECK_EQ(error(precopy_info(target.data, &info)), 0);
        CHECK_EQ(info.flags, 0xabcd);
    }
}

static void test_kill(void)
{
    static const char *const holds[] = {
        "stop-copy", "pre-copy", "query", "read",
    };
    size_t i;

    for (i = 0; i < TAP_SIZE(holds); i++) {
        uint64_t size;
        pid_t pid;
        int status;

        /* Only the child has it open. */
        close_device();
        set("hold", holds[i]);
        fflush(stdout);
        pid = fork();
        if (!pid) {
            char byte;

            open_device();
            if (!strcmp(holds[i], "query")) {
                data_size(&size);
            } else if (!strcmp(holds[i], "read")) {
                set_state(VFIO_SIM_STOP_COPY);
                _exit(read(target.data, &byte, 1) == 1);
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
        open_device();
        CHECK_EQ(state(), VFIO_SIM_RUNNING);
        restart();
    }
}

static void test_unload(void)
{
    CHECK_EQ(error(syscall(SYS_delete_module, "vfio_sim", O_NONBLOCK)),
             EWOULDBLOCK);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    close(target.dev);
    CHECK_EQ(error(syscall(SYS_delete_module, "vfio_sim", O_NONBLOCK)),
             EWOULDBLOCK);
    open_device();
}

static const TapCase cases[] = {
    TAP_CASE("reset", test_reset, "a reset in every state ends the session"),
    TAP_CASE("close-data", test_close_data,
             "closing the data fd in the middle of a session"),
    TAP_CASE("close-device", test_close_device,
             "closing the device in every state, and opening it again",
             .needs = NEEDS_KERNEL),
    TAP_CASE("kill", test_kill,
             "killing a program that waits for the device",
             .needs = NEEDS_KERNEL | NEEDS_SIMULATOR),
    TAP_CASE("unload", test_unload,
             "an open device or data fd keeps the module loaded",
             .needs = NEEDS_KERNEL | NEEDS_SIMULATOR),
};

TAP_GROUP(conformance_lifetime, "lifetime", cases);
