/*
 * A client of the control socket of a simulated device
 *
 * Plain C, for the vfio-sim command and for test programs: it needs the C
 * library and Linux.  Functions that can fail return -1 then, and a reason for
 * people in the buffer that they are given.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_CONTROL_CLIENT_H
#define VFIO_SIM_CONTROL_CLIENT_H

#include <stddef.h>
#include <stdint.h>

typedef struct VFIOSimControl VFIOSimControl;

/*
 * Connect to a socket.  It is waited for, for @timeout_ms, if it is not there
 * yet.  Returns NULL on failure.
 */
VFIOSimControl *vfio_sim_control_open(const char *path, unsigned timeout_ms,
                                      char *err, size_t len);
void vfio_sim_control_close(VFIOSimControl *c);

/* Make one request; @answer gets the answer without its "ok". */
int vfio_sim_control_request(VFIOSimControl *c, const char *line,
                             char *answer, size_t len);

int vfio_sim_control_get(VFIOSimControl *c, const char *name, char *value,
                         size_t len);
int vfio_sim_control_get_number(VFIOSimControl *c, const char *name,
                                uint64_t *value, char *err, size_t len);
int vfio_sim_control_set(VFIOSimControl *c, const char *key,
                         const char *value, char *err, size_t len);

/*
 * Wait until an attribute is as @op and @want demand: "=", "!=", or, with
 * numbers, also "<", "<=", ">", ">=".  Returns 0 then, or 1 after
 * @timeout_ms; @have gets the last value, or the reason of a failure.
 */
int vfio_sim_control_wait(VFIOSimControl *c, const char *name, const char *op,
                          const char *want, unsigned timeout_ms, char *have,
                          size_t len);

#endif /* VFIO_SIM_CONTROL_CLIENT_H */
