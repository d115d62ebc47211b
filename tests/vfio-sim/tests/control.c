/*
 * Requests to the control socket of a simulated device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

void control_request(const char *socket_path, const char *line, char *answer,
                     size_t len)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char request[256];
    ssize_t n = -1;

    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", socket_path);
    snprintf(request, sizeof(request), "%s\n", line);
    if (!connect(fd, (struct sockaddr *)&sun, sizeof(sun)) &&
        write(fd, request, strlen(request)) == (ssize_t)strlen(request)) {
        n = read(fd, answer, len - 1);
    }
    answer[n > 0 ? n : 0] = 0;
    answer[strcspn(answer, "\n")] = 0;
    close(fd);
}
