/*
 * Tests of the library: the control socket
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <poll.h>
#include <pthread.h>

#include "preload-fixture.h"

static void test_control(void)
{
    char answer[4096];

    CHECK(answers("get stop-bytes", "ok 4194304"));
    CHECK(answers("set stop-bytes 3M", "ok"));
    CHECK(answers("get stop-bytes", "ok 3145728"));
    CHECK(answers("set stop-bytes 4M", "ok"));
    CHECK(answers("get state", "ok running"));
    CHECK(answers("get nonsense", "error: unknown key 'nonsense'"));
    CHECK(answers("get say-stop",
               "error: unknown key 'say-stop': renamed to report-stop"));
    CHECK(answers("get lulls",
               "error: unknown key 'lulls': renamed to empty-reads"));
    CHECK(answers("get said-dirty",
               "error: unknown key 'said-dirty': "
               "renamed to reported-dirty"));
    CHECK(answers("set dirty-lose 2",
               "error: unknown key 'dirty-lose': "
               "renamed to drop-log-every"));
    CHECK(answers("set reinit-at query",
               "error: reinit-at = query: renamed to before-query"));
    CHECK(answers("set p2p x", "error: p2p = x: must be on or off"));
    CHECK(answers("set stop-bytes",
               "error: expected get KEY, set KEY VALUE or stats"));
    CHECK(answers("", "error: expected get KEY, set KEY VALUE or stats"));
    CHECK_EQ(request("stats", answer, sizeof(answer)), 0);
    CHECK(!strncmp(answer, "state=running ", 14));
    CHECK(strstr(answer, " dma-mismatched=0") != NULL);
}

static void *resume(void *opaque)
{
    CHECK_EQ(set_state(DEV, VFIO_SIM_RUNNING, opaque), 0);
    return NULL;
}

static void test_hold(void)
{
    pthread_t thread;
    int fd;

    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP, NULL), 0);
    CHECK(answers("set hold running", "ok"));
    CHECK_EQ(pthread_create(&thread, NULL, resume, &fd), 0);
    while (counter("holding") != 1) {
        poll(NULL, 0, 1);
    }
    CHECK(answers("get state", "ok running-p2p"));
    CHECK(answers("set p2p off",
               "error: p2p = off: the device is using it now"));
    CHECK(answers("set hold none", "ok"));
    pthread_join(thread, NULL);
    CHECK(answers("get state", "ok running"));
    CHECK_EQ(fd, -1);
}

static const TapCase cases[] = {
    TAP_CASE("requests", test_control, "get, set and stats, and their errors"),
    TAP_CASE("hold", test_hold,
             "a held device answers its socket, and continues when released"),
};

TAP_GROUP(preload_control, "control", cases);
