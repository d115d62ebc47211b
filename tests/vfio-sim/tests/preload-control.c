/*
 * Tests of the library: the control socket
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

/* A connection without the client of the command */
static int connect_raw(void)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    struct timeval seconds = { .tv_sec = 20 };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", control_path());
    CHECK_EQ(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &seconds,
                        sizeof(seconds)), 0);
    return fd;
}

/* Is this what comes next? */
static void expect(int fd, const char *expected)
{
    char buf[256];
    ssize_t n = recv(fd, buf, strlen(expected), MSG_WAITALL);

    buf[n > 0 ? n : 0] = 0;
    CHECK_STR(buf, expected);
}

static void send_text(int fd, const char *text)
{
    CHECK_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void test_lines(void)
{
    int fd = connect_raw();
    char longest[1100];

    /* In parts, several at once, with other white space */
    send_text(fd, "get stop-");
    poll(NULL, 0, 10);
    send_text(fd, "bytes\nget initial-bytes\n\tget   p2p \r\nget ");
    expect(fd, "ok 4194304\nok 1048576\nok on\n");
    send_text(fd, "state\n");
    expect(fd, "ok running\n");

    /* A line that is too long ends the connection. */
    memset(longest, 'x', sizeof(longest));
    send(fd, longest, sizeof(longest), MSG_NOSIGNAL);
    CHECK(recv(fd, longest, 1, 0) <= 0);
    close(fd);
    CHECK(answers("get state", "ok running"));
}

static void test_clients(void)
{
    enum { CLIENTS = 32 };
    int fds[CLIENTS + 1];
    char answer[64];
    int i;

    for (i = 0; i < CLIENTS; i++) {
        fds[i] = connect_raw();
        send_text(fds[i], "get p2p\n");
        expect(fds[i], "ok on\n");
    }
    /* One more is refused, until another one has left. */
    fds[CLIENTS] = connect_raw();
    CHECK_EQ(recv(fds[CLIENTS], answer, 1, 0), 0);
    close(fds[CLIENTS]);
    send_text(fds[0], "get p2p\n");
    expect(fds[0], "ok on\n");
    close(fds[0]);
    while (request("get p2p", answer, sizeof(answer))) {
        poll(NULL, 0, 1);
    }
    for (i = 1; i < CLIENTS; i++) {
        close(fds[i]);
    }
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
    TAP_CASE("lines", test_lines,
             "parts of lines, several lines, and lines that are too long"),
    TAP_CASE("clients", test_clients, "how many clients there can be"),
    TAP_CASE("hold", test_hold,
             "a held device answers its socket, and continues when released"),
};

TAP_GROUP(preload_control, "control", cases);
