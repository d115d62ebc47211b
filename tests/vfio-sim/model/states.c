/*
 * Migration states, and the sessions that come with them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "internal.h"

const char *const vfio_sim_state_names[VFIO_SIM_STATES] = {
    [VFIO_SIM_ERROR] = "error",
    [VFIO_SIM_STOP] = "stop",
    [VFIO_SIM_RUNNING] = "running",
    [VFIO_SIM_STOP_COPY] = "stop-copy",
    [VFIO_SIM_RESUMING] = "resuming",
    [VFIO_SIM_RUNNING_P2P] = "running-p2p",
    [VFIO_SIM_PRE_COPY] = "pre-copy",
    [VFIO_SIM_PRE_COPY_P2P] = "pre-copy-p2p",
};

static bool is_stopped(const VFIOSim *s, uint32_t state)
{
    switch (state) {
    case VFIO_SIM_STOP:
    case VFIO_SIM_STOP_COPY:
    case VFIO_SIM_RESUMING:
    case VFIO_SIM_ERROR:
        return true;
    case VFIO_SIM_RUNNING_P2P:
    case VFIO_SIM_PRE_COPY_P2P:
        return s->cfg.p2p_stops;
    default:
        return false;
    }
}

static bool state_known(const VFIOSim *s, uint32_t state)
{
    switch (state) {
    case VFIO_SIM_STOP:
    case VFIO_SIM_RUNNING:
    case VFIO_SIM_STOP_COPY:
    case VFIO_SIM_RESUMING:
        return true;
    case VFIO_SIM_RUNNING_P2P:
        return s->cfg.p2p;
    case VFIO_SIM_PRE_COPY:
        return s->cfg.precopy;
    case VFIO_SIM_PRE_COPY_P2P:
        return s->cfg.precopy && s->cfg.p2p;
    default:
        return false;
    }
}

/* The arcs that the device itself has; all else are combinations of them. */
static bool is_arc(const VFIOSim *s, uint32_t from, uint32_t to)
{
    bool p2p = s->cfg.p2p;

    if (!state_known(s, from) || !state_known(s, to)) {
        return false;
    }
    switch (from) {
    case VFIO_SIM_STOP:
        return to == VFIO_SIM_STOP_COPY || to == VFIO_SIM_RESUMING ||
               to == (p2p ? VFIO_SIM_RUNNING_P2P : VFIO_SIM_RUNNING);
    case VFIO_SIM_STOP_COPY:
    case VFIO_SIM_RESUMING:
        return to == VFIO_SIM_STOP;
    case VFIO_SIM_RUNNING:
        return to == VFIO_SIM_PRE_COPY ||
               to == (p2p ? VFIO_SIM_RUNNING_P2P : VFIO_SIM_STOP);
    case VFIO_SIM_RUNNING_P2P:
        return to == VFIO_SIM_RUNNING || to == VFIO_SIM_STOP ||
               to == VFIO_SIM_PRE_COPY_P2P;
    case VFIO_SIM_PRE_COPY:
        return to == VFIO_SIM_RUNNING ||
               to == (p2p ? VFIO_SIM_PRE_COPY_P2P : VFIO_SIM_STOP_COPY);
    case VFIO_SIM_PRE_COPY_P2P:
        return to == VFIO_SIM_PRE_COPY || to == VFIO_SIM_RUNNING_P2P ||
               to == VFIO_SIM_STOP_COPY;
    default:
        return false;
    }
}

/*
 * The rules of linux/vfio.h for combinations: the shortest path, that does not
 * go through a saving state, unless it stays within one session from its
 * start to its end.
 */
int vfio_sim_next_state(const VFIOSim *s, uint32_t target, uint32_t *next)
{
    bool same_session = is_saving(s->state) && is_saving(target);
    unsigned int dist[VFIO_SIM_STATES];
    unsigned int best = VFIO_SIM_STATES;
    uint32_t a, b;
    int round;

    if (!state_known(s, target) || !state_known(s, s->state)) {
        return -EINVAL;
    }
    if (s->state == VFIO_SIM_STOP_COPY && is_precopy(target)) {
        /* what was stopped cannot go on in the same session */
        return -EINVAL;
    }
    for (a = 0; a < VFIO_SIM_STATES; a++) {
        dist[a] = a == target ? 0 : VFIO_SIM_STATES;
    }
    for (round = 0; round < VFIO_SIM_STATES; round++) {
        for (a = 0; a < VFIO_SIM_STATES; a++) {
            for (b = 0; b < VFIO_SIM_STATES; b++) {
                if (!is_arc(s, a, b) || dist[b] + 1 >= dist[a]) {
                    continue;
                }
                if (b == target || !is_saving(b) || same_session) {
                    dist[a] = dist[b] + 1;
                }
            }
        }
    }
    for (b = 0; b < VFIO_SIM_STATES; b++) {
        if (is_arc(s, s->state, b) && dist[b] < best &&
            (b == target || !is_saving(b) || same_session)) {
            best = dist[b];
            *next = b;
        }
    }
    return best < VFIO_SIM_STATES ? 0 : -EINVAL;
}

uint64_t vfio_sim_latency(const VFIOSim *s, uint32_t next)
{
    if (s->state == VFIO_SIM_STOP && next == VFIO_SIM_RUNNING_P2P &&
        s->cfg.p2p_stops) {
        /* it is stopped before and after */
        return 0;
    }
    return s->cfg.latency[next] * NS_PER_MS;
}

bool vfio_sim_opens_session(const VFIOSim *s, uint32_t next)
{
    return next == VFIO_SIM_RESUMING ||
           (is_saving(next) && !is_saving(s->state));
}

static void session_close(VFIOSim *s)
{
    s->session = 0;
    memset(&s->frame, 0, sizeof(s->frame));
    memset(s->left, 0, sizeof(s->left));
    s->first_left = 0;
    s->reinit_shown = false;
    s->precopy_cache.valid = false;
}

static void session_open(VFIOSim *s, uint64_t now)
{
    session_close(s);
    s->session = ++s->last_session;
    s->nonce = vfio_sim_mix(vfio_sim_random(s), now);
    s->session_bytes = 0;
    s->busy_until = 0;
    memset(&s->totals, 0, sizeof(s->totals));
    s->stats.sessions++;
}

void vfio_sim_refuse(VFIOSim *s, const char *why)
{
    if (!s->rx_error) {
        s->rx_error = why;
        s->stats.stream_errors++;
        if (s->hooks.note) {
            char text[128];

            snprintf(text, sizeof(text), "stream refused: %s", why);
            s->hooks.note(s->opaque, text);
        }
    }
}

int vfio_sim_enter(VFIOSim *s, uint64_t now, uint32_t next)
{
    uint32_t from = s->state;

    if (!is_arc(s, from, next)) {
        return -EINVAL;
    }
    if (is_precopy(next)) {
        vfio_sim_tick(s, now);
    } else {
        /* no query could report a re-initialisation any more */
        vfio_sim_dirty_tick(s, now);
    }

    if (s->cfg.fail_state == next && (!s->cfg.fail_count || s->faults_left)) {
        s->stats.faults++;
        if (s->cfg.fail_count) {
            s->faults_left--;
        }
        if (s->cfg.fail_into == VFIO_SIM_FAIL_ERROR) {
            s->state = VFIO_SIM_ERROR;
            session_close(s);
        }
        return -EIO;
    }

    if (from == VFIO_SIM_RESUMING) {
        if (!s->rx_error && !s->rx_done) {
            vfio_sim_refuse(s, s->session_bytes ? "the stream has no end" :
                                                  "the stream is empty");
        }
        if (s->rx_error) {
            return -EINVAL;
        }
        s->stats.stream_verified++;
        s->rx_verify = s->rx_dma.count != NULL;
        session_close(s);
    } else if (is_saving(from) && !is_saving(next)) {
        session_close(s);
    }

    if (vfio_sim_opens_session(s, next)) {
        session_open(s, now);
        if (next == VFIO_SIM_RESUMING) {
            s->rx_error = NULL;
            s->rx_done = false;
            s->rx_verify = false;
            vfio_sim_window_free(s, &s->rx_dma);
            s->rx_dma_filled = 0;
        } else {
            s->left[VFIO_SIM_INITIAL] = round_unit(s->cfg.initial_bytes);
            s->left[VFIO_SIM_DIRTY] = round_unit(s->cfg.dirty_bytes);
            s->left[VFIO_SIM_END] = VFIO_SIM_END_SIZE;
            s->first_left = s->left[VFIO_SIM_INITIAL];
            s->reinit_due = now + s->cfg.reinit_every * NS_PER_MS;
            s->refill_due = now + s->cfg.dirty_refill_every * NS_PER_MS;
        }
    }
    if (next == VFIO_SIM_STOP_COPY) {
        s->stats.initial_unread_at_stop = initial_left(s);
        s->dma_next = 0;
        s->left[VFIO_SIM_DMA] = vfio_sim_dma_stream_size(s);
        s->left[VFIO_SIM_STOPPED] =
            sub_sat(round_unit(s->cfg.stop_bytes),
                    s->left[VFIO_SIM_DMA] + s->left[VFIO_SIM_END]);
    }

    if (is_stopped(s, next) && !is_stopped(s, from)) {
        s->stats.stopped_at_us = now / 1000;
    }
    if ((next == VFIO_SIM_RUNNING && from != VFIO_SIM_PRE_COPY) ||
        (next == VFIO_SIM_PRE_COPY && is_stopped(s, from))) {
        s->stats.running_at_us = now / 1000;
    }
    s->state = next;
    s->dma_since = now;
    s->dirty_since = now;
    s->stats.state_changes++;

    if ((s->cfg.reinit_at == VFIO_SIM_REINIT_PRE_COPY &&
         next == VFIO_SIM_PRE_COPY) ||
        (s->cfg.reinit_at == VFIO_SIM_REINIT_PRE_COPY_P2P &&
         next == VFIO_SIM_PRE_COPY_P2P && from == VFIO_SIM_PRE_COPY)) {
        vfio_sim_reinit(s, now);
    }
    vfio_sim_reinit_armed(s, now);
    return 0;
}

int vfio_sim_set_state(VFIOSim *s, uint64_t now, uint32_t target)
{
    uint32_t next;
    int ret;

    s->stats.set_state_calls++;
    if (!state_known(s, target)) {
        return -EINVAL;
    }
    while (s->state != target) {
        ret = vfio_sim_next_state(s, target, &next);
        if (!ret) {
            ret = vfio_sim_enter(s, now, next);
        }
        if (ret) {
            return ret;
        }
    }
    return 0;
}

void vfio_sim_reset(VFIOSim *s, uint64_t now)
{
    s->stats.resets++;
    session_close(s);
    s->rx_verify = false;
    s->state = VFIO_SIM_RUNNING;
    s->dma_since = now;
    s->stats.running_at_us = now / 1000;
}

