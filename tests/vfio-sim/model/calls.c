/*
 * The calls of a program, with the time that they take
 *
 * All front-ends use these.  The lock of the device is held, but for the time
 * in which a hook waits or sleeps: the device may be in another state after
 * that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "internal.h"

/* Shorter waits add up to ones that can be kept, ns */
#define WAIT_MIN_NS     50000u

static uint64_t time_now(VFIOSim *s)
{
    return s->hooks.now(s->opaque);
}

/* Wait here until the user sets another value. */
static int hold(VFIOSim *s, uint32_t point, uint32_t session)
{
    bool state_change = point < VFIO_SIM_STATES;
    int ret = 0;

    while (!ret && s->cfg.hold == point &&
           (!session || !s->hooks.session_ends_hold ||
            session == s->session)) {
        s->holding++;
        ret = s->hooks.wait(s->opaque, state_change);
        s->holding--;
    }
    return ret;
}

static int delay(VFIOSim *s, uint64_t ns, bool state_change)
{
    return ns ? s->hooks.sleep(s->opaque, ns, state_change) : 0;
}

int vfio_sim_fail_call(VFIOSim *s, uint32_t call)
{
    static const int errnos[] = {
        [VFIO_SIM_ERRNO_EIO] = EIO,
        [VFIO_SIM_ERRNO_EINTR] = EINTR,
        [VFIO_SIM_ERRNO_EAGAIN] = EAGAIN,
        [VFIO_SIM_ERRNO_ENOMEM] = ENOMEM,
        [VFIO_SIM_ERRNO_EFAULT] = EFAULT,
        [VFIO_SIM_ERRNO_EBUSY] = EBUSY,
        [VFIO_SIM_ERRNO_ENODEV] = ENODEV,
        [VFIO_SIM_ERRNO_EINVAL] = EINVAL,
        [VFIO_SIM_ERRNO_ENOTTY] = ENOTTY,
        [VFIO_SIM_ERRNO_ENOMSG] = ENOMSG,
        [VFIO_SIM_ERRNO_ETIMEDOUT] = ETIMEDOUT,
    };

    if (s->cfg.fail_call != call) {
        return 0;
    }
    if (s->calls_to_skip) {
        s->calls_to_skip--;
        return 0;
    }
    if (s->cfg.fail_call_count) {
        if (!s->calls_to_fail) {
            return 0;
        }
        s->calls_to_fail--;
    }
    s->stats.faults++;
    return -errnos[s->cfg.fail_errno];
}

/* Before a size query is answered */
static int delay_query(VFIOSim *s, uint32_t call, uint32_t session)
{
    int ret = hold(s, VFIO_SIM_HOLD_QUERY, session);

    if (!ret) {
        ret = delay(s, s->cfg.latency_query * NS_PER_MS, false);
    }
    return ret ? ret : vfio_sim_fail_call(s, call);
}

int vfio_sim_query_precopy(VFIOSim *s, uint32_t session, uint64_t *initial,
                           uint64_t *dirty, uint32_t *flags)
{
    int ret = delay_query(s, VFIO_SIM_CALL_PRECOPY_INFO, session);

    return ret ? ret : vfio_sim_precopy_info(s, session, time_now(s), initial,
                                             dirty, flags);
}

int vfio_sim_query_length(VFIOSim *s, uint64_t *length)
{
    int ret = delay_query(s, VFIO_SIM_CALL_DATA_SIZE, 0);

    return ret ? ret : vfio_sim_data_size(s, time_now(s), length);
}

int64_t vfio_sim_read_data(VFIOSim *s, uint32_t session, void *buf, size_t len,
                           uint64_t *wait)
{
    int64_t ret = hold(s, VFIO_SIM_HOLD_READ, session);

    *wait = 0;
    if (!ret) {
        ret = vfio_sim_fail_call(s, VFIO_SIM_CALL_READ);
    }
    if (!ret) {
        ret = vfio_sim_read(s, session, time_now(s), buf,
                            min64(len, s->cfg.read_max), wait);
    }
    if (*wait <= WAIT_MIN_NS) {
        *wait = 0;
    }
    return ret;
}

int64_t vfio_sim_write_data(VFIOSim *s, uint32_t session, const void *buf,
                            size_t len, uint64_t *wait)
{
    int64_t ret = hold(s, VFIO_SIM_HOLD_WRITE, session);

    *wait = 0;
    if (!ret) {
        ret = vfio_sim_fail_call(s, VFIO_SIM_CALL_WRITE);
    }
    if (!ret) {
        ret = vfio_sim_write(s, session, time_now(s), buf,
                             min64(len, s->cfg.write_max), wait);
    }
    if (*wait <= WAIT_MIN_NS) {
        *wait = 0;
    }
    return ret;
}

/* One arc of the state machine; @opened: it began a session. */
static int step(VFIOSim *s, uint32_t next, bool *opened)
{
    bool runs = next == VFIO_SIM_RUNNING || next == VFIO_SIM_RUNNING_P2P;
    uint32_t from = s->state;
    int ret;

    ret = hold(s, next, 0);
    if (!ret) {
        ret = delay(s, vfio_sim_latency(s, next), true);
    }
    if (ret) {
        return ret;
    }

    if (vfio_sim_opens_session(s, next)) {
        ret = s->hooks.session_create(s->opaque, next == VFIO_SIM_RESUMING);
        if (ret) {
            return ret;
        }
        *opened = true;
    }
    if (s->rx_verify && runs) {
        vfio_sim_dma_verify(s);
    }
    ret = vfio_sim_enter(s, time_now(s), next);
    /* also on failure: it may have gone to ERROR */
    s->hooks.step(s->opaque, from, next, ret);
    return ret;
}

static int next_state(VFIOSim *s, uint32_t target, uint32_t *next)
{
    return s->hooks.next_state ?
           s->hooks.next_state(s->opaque, s->state, target, next) :
           vfio_sim_next_state(s, target, next);
}

int vfio_sim_change_state(VFIOSim *s, uint32_t target)
{
    bool opened = false;
    uint32_t next;
    int ret = vfio_sim_fail_call(s, VFIO_SIM_CALL_SET_STATE);

    s->stats.set_state_calls++;
    s->changing = true;
    while (!ret && s->state != target) {
        /* no way goes on after the arc that begins a session */
        ret = opened ? -EINVAL : next_state(s, target, &next);
        if (!ret) {
            ret = step(s, next, &opened);
        }
    }
    s->changing = false;
    if (opened) {
        s->hooks.session_begin(s->opaque, ret ? 0 : s->session);
    }
    return ret;
}
