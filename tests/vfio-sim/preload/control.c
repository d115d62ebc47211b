/*
 * The control sockets
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "control.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "dma.h"

#define MAX_CLIENTS     32

typedef struct SimClient {
    int fd;
    SimDevice *dev;
    size_t used;
    char buf[1024];
} SimClient;

static void control_set(SimDevice *d, const char *name, const char *value,
                        char *out, size_t len)
{
    char why[2048];

    if (vfio_sim_set(d->sim, now_ns(), name, value, why, sizeof(why))) {
        snprintf(out, len, "error: %s", why);
        return;
    }
    d->dirty_log = vfio_sim_dirty_log(d->sim);
    pthread_cond_broadcast(&d->cond);
    snprintf(out, len, "ok");
}

/* Answer one line. */
static void control_line(SimDevice *d, char *line, char *out, size_t len)
{
    char *save = NULL;
    char *cmd = strtok_r(line, " \t\r", &save);
    char *a = strtok_r(NULL, " \t\r", &save);
    char *b = strtok_r(NULL, " \t\r", &save);
    bool more = b && strtok_r(NULL, " \t\r", &save);
    char text[4000];

    pthread_mutex_lock(&d->lock);
    if (cmd && !strcmp(cmd, "stats") && !a) {
        vfio_sim_stats(d->sim, now_ns(), text, sizeof(text));
        snprintf(out, len, "ok %s", text);
    } else if (cmd && !strcmp(cmd, "get") && a && !b) {
        bool bad = vfio_sim_get(d->sim, now_ns(), a, text, sizeof(text));

        snprintf(out, len, "%s %s", bad ? "error:" : "ok", text);
    } else if (cmd && !strcmp(cmd, "set") && b && !more) {
        control_set(d, a, b, out, len);
    } else {
        snprintf(out, len, "error: expected get KEY, set KEY VALUE or stats");
    }
    pthread_mutex_unlock(&d->lock);
    dma_kick();
}

/* Returns false when the client is to be dropped. */
static bool control_input(SimClient *c)
{
    char out[4096];
    ssize_t n;
    char *nl;

    n = recv(c->fd, c->buf + c->used, sizeof(c->buf) - 1 - c->used,
             MSG_DONTWAIT);
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    c->used += n;
    c->buf[c->used] = 0;
    while ((nl = memchr(c->buf, '\n', c->used))) {
        size_t eaten = nl + 1 - c->buf;
        size_t len;

        *nl = 0;
        control_line(c->dev, c->buf, out, sizeof(out) - 1);
        len = strlen(out);
        out[len++] = '\n';
        if (send(c->fd, out, len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
            (ssize_t)len) {
            return false;
        }
        memmove(c->buf, c->buf + eaten, c->used - eaten);
        c->used -= eaten;
    }
    return c->used < sizeof(c->buf) - 1;
}

void *control_thread(void *opaque)
{
    static SimClient clients[MAX_CLIENTS];
    static struct pollfd fds[MAX_DEVICES + MAX_CLIENTS];
    unsigned int i, n, c;

    for (i = 0; i < MAX_CLIENTS; i++) {
        clients[i].fd = -1;
    }
    for (;;) {
        n = 0;
        for (i = 0; i < nr_devices; i++) {
            fds[n].fd = devices[i]->listener;
            fds[n++].events = POLLIN;
        }
        for (i = 0; i < MAX_CLIENTS; i++) {
            fds[n].fd = clients[i].fd;
            fds[n++].events = POLLIN;
        }
        if (poll(fds, n, -1) < 0) {
            continue;
        }
        for (i = 0; i < MAX_CLIENTS; i++) {
            if (clients[i].fd >= 0 && fds[nr_devices + i].revents &&
                !control_input(&clients[i])) {
                real_close(clients[i].fd);
                clients[i].fd = -1;
            }
        }
        for (i = 0; i < nr_devices; i++) {
            int fd;

            if (devices[i]->listener < 0 || !fds[i].revents) {
                continue;
            }
            fd = accept4(devices[i]->listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd < 0) {
                continue;
            }
            for (c = 0; c < MAX_CLIENTS && clients[c].fd >= 0; c++) {
                /* search */
            }
            if (c == MAX_CLIENTS) {
                real_close(fd);
                continue;
            }
            clients[c].fd = fd;
            clients[c].dev = devices[i];
            clients[c].used = 0;
        }
    }
    return NULL;
}

void control_listen(SimDevice *d)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    struct stat st;
    int fd;

    if (!d->control) {
        return;
    }
    if (!lstat(d->control, &st)) {
        if (!S_ISSOCK(st.st_mode)) {
            fatal("control=%s exists, and is not a socket", d->control);
        }
        unlink(d->control);             /* of a program that was killed */
    }
    memcpy(sun.sun_path, d->control, strlen(d->control) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ||
        listen(fd, 8)) {
        MESSAGE("cannot listen on %s: %s", d->control, strerror(errno));
        if (fd >= 0) {
            real_close(fd);
        }
        return;
    }
    d->listener = fd;
}
