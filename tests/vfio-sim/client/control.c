/*
 * A client of the control socket of a simulated device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control.h"

#define CONNECT_PAUSE_MS        10
#define WAIT_PAUSE_MS           2

struct VFIOSimControl {
    int fd;
    FILE *rx;
    char *line;                 /* the last answer */
    size_t size;
};

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static void pause_ms(unsigned int ms)
{
    struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&ts, NULL);
}

VFIOSimControl *vfio_sim_control_open(const char *path, unsigned timeout_ms,
                                      char *err, size_t len)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    uint64_t end = now_ms() + timeout_ms;
    VFIOSimControl *c;
    int fd;

    if (strlen(path) >= sizeof(sun.sun_path)) {
        snprintf(err, len, "path of the socket is too long: %s", path);
        return NULL;
    }
    memcpy(sun.sun_path, path, strlen(path) + 1);
    for (;;) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            snprintf(err, len, "socket: %s", strerror(errno));
            return NULL;
        }
        if (!connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
            break;
        }
        if ((errno != ENOENT && errno != ECONNREFUSED) || now_ms() > end) {
            snprintf(err, len, "%s: %s", path, strerror(errno));
            close(fd);
            return NULL;
        }
        close(fd);
        pause_ms(CONNECT_PAUSE_MS);
    }
    c = calloc(1, sizeof(*c));
    if (c) {
        c->fd = fd;
        c->rx = fdopen(fd, "r");
    }
    if (!c || !c->rx) {
        snprintf(err, len, "out of memory");
        free(c);
        close(fd);
        return NULL;
    }
    return c;
}

void vfio_sim_control_close(VFIOSimControl *c)
{
    if (c) {
        fclose(c->rx);
        free(c->line);
        free(c);
    }
}

/* Send words, of which all but the first may be NULL. */
static int ask(VFIOSimControl *c, const char *a, const char *b,
               const char *d, char *answer, size_t len)
{
    char *request;
    ssize_t n, sent;

    n = asprintf(&request, "%s%s%s%s%s\n", a, b ? " " : "", b ? b : "",
                 d ? " " : "", d ? d : "");
    if (n < 0) {
        snprintf(answer, len, "out of memory");
        return -1;
    }
    /* a request is short: it is taken as a whole, or the device is gone */
    sent = send(c->fd, request, n, MSG_NOSIGNAL);
    free(request);
    if (sent != n || getline(&c->line, &c->size, c->rx) <= 0) {
        snprintf(answer, len, "the device is gone");
        return -1;
    }
    c->line[strcspn(c->line, "\n")] = 0;
    if (!strncmp(c->line, "error: ", 7)) {
        snprintf(answer, len, "%s", c->line + 7);
        return -1;
    }
    if (strcmp(c->line, "ok") && strncmp(c->line, "ok ", 3)) {
        snprintf(answer, len, "unexpected answer: %s", c->line);
        return -1;
    }
    if (strlen(c->line) - 2 > len) {
        snprintf(answer, len, "the answer is too long");
        return -1;
    }
    snprintf(answer, len, "%s", c->line[2] ? c->line + 3 : "");
    return 0;
}

int vfio_sim_control_request(VFIOSimControl *c, const char *line,
                             char *answer, size_t len)
{
    return ask(c, line, NULL, NULL, answer, len);
}

int vfio_sim_control_get(VFIOSimControl *c, const char *name, char *value,
                         size_t len)
{
    return ask(c, "get", name, NULL, value, len);
}

static int parse_number(const char *s, uint64_t *value)
{
    int used = 0;

    return sscanf(s, "%" SCNu64 "%n", value, &used) == 1 && !s[used] ? 0 : -1;
}

int vfio_sim_control_get_number(VFIOSimControl *c, const char *name,
                                uint64_t *value, char *err, size_t len)
{
    char text[64];

    if (ask(c, "get", name, NULL, text, sizeof(text))) {
        snprintf(err, len, "%s", text);
        return -1;
    }
    if (parse_number(text, value)) {
        snprintf(err, len, "%s is no number: %s", name, text);
        return -1;
    }
    return 0;
}

int vfio_sim_control_set(VFIOSimControl *c, const char *key,
                         const char *value, char *err, size_t len)
{
    return ask(c, "set", key, value, err, len);
}

/* 1 or 0; -1: @op makes no sense for these */
static int compare(const char *have, const char *op, const char *want)
{
    uint64_t a, b;

    if (parse_number(have, &a) || parse_number(want, &b)) {
        return !strcmp(op, "=") ? !strcmp(have, want) :
               !strcmp(op, "!=") ? !!strcmp(have, want) : -1;
    }
    return !strcmp(op, "=") ? a == b :
           !strcmp(op, "!=") ? a != b :
           !strcmp(op, "<") ? a < b :
           !strcmp(op, "<=") ? a <= b :
           !strcmp(op, ">") ? a > b :
           !strcmp(op, ">=") ? a >= b : -1;
}

int vfio_sim_control_wait(VFIOSimControl *c, const char *name, const char *op,
                          const char *want, unsigned timeout_ms, char *have,
                          size_t len)
{
    uint64_t end = now_ms() + timeout_ms;

    for (;;) {
        char value[256];
        int ret = ask(c, "get", name, NULL, value, sizeof(value));
        int holds = ret ? 0 : compare(value, op, want);

        if (holds < 0) {
            snprintf(have, len, "%s needs numbers, not '%s' and '%s'", op,
                     value, want);
            return -1;
        }
        snprintf(have, len, "%s", value);
        if (ret || holds) {
            return ret;
        }
        if (now_ms() >= end) {
            return 1;
        }
        pause_ms(WAIT_PAUSE_MS);
    }
}
