/*
 * A device: creation and configuration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "internal.h"

int vfio_sim_init(VFIOSim *s, const VFIOSimConfig *cfg,
                  const VFIOSimHooks *hooks, void *opaque, uint64_t seed,
                  uint64_t now)
{
    memset(s, 0, sizeof(*s));
    s->cfg = *cfg;
    s->hooks = *hooks;
    s->opaque = opaque;
    s->state = VFIO_SIM_RUNNING;
    s->rng = vfio_sim_mix(seed, VFIO_SIM_PATTERN_STEP) | 1;
    s->faults_left = cfg->fail_count;
    s->calls_to_skip = cfg->fail_call_skip;
    s->calls_to_fail = cfg->fail_call_count;
    s->reinits_left = cfg->reinit_count;
    s->reinits_to_skip = cfg->reinit_skip;
    s->reinit_now = cfg->reinit_at == VFIO_SIM_REINIT_NOW;
    return vfio_sim_dma_setup(s, now);
}

void vfio_sim_destroy(VFIOSim *s)
{
    vfio_sim_dma_free(s);
    vfio_sim_window_free(s, &s->rx_dma);
}

VFIOSim *vfio_sim_new(const VFIOSimConfig *cfg, const VFIOSimHooks *hooks,
                      void *opaque, uint64_t seed)
{
    VFIOSim *s = hooks->alloc(opaque, sizeof(*s));

    if (s && vfio_sim_init(s, cfg, hooks, opaque, seed, hooks->now(opaque))) {
        hooks->free(opaque, s, sizeof(*s));
        return NULL;
    }
    return s;
}

void vfio_sim_free(VFIOSim *s)
{
    VFIOSimHooks hooks = s->hooks;
    void *opaque = s->opaque;

    vfio_sim_destroy(s);
    hooks.free(opaque, s, sizeof(*s));
}

uint32_t vfio_sim_mig_flags(const VFIOSim *s)
{
    return VFIO_SIM_MIG_STOP_COPY |
           (s->cfg.p2p ? VFIO_SIM_MIG_P2P : 0) |
           (s->cfg.precopy ? VFIO_SIM_MIG_PRE_COPY : 0);
}

uint32_t vfio_sim_state(const VFIOSim *s)
{
    return s->state;
}

uint32_t vfio_sim_dirty_log(const VFIOSim *s)
{
    return s->cfg.dirty_log;
}

int vfio_sim_check_v2(const VFIOSim *s)
{
    if (!s->cfg.precopy_v2) {
        return -ENOTTY;
    }
    /* as the kernel: the opt-in needs PRE_COPY */
    return s->cfg.precopy ? 0 : -EINVAL;
}

void vfio_sim_set_v2(VFIOSim *s, bool on)
{
    s->v2 = on;
}

/* What is left of the sizes that were set during a session */
static void configure_session(VFIOSim *s, uint32_t effects)
{
    uint64_t other = s->left[VFIO_SIM_DMA] + s->left[VFIO_SIM_END];
    int i;

    if (effects & VFIO_SIM_EFFECT_INITIAL) {
        s->left[VFIO_SIM_INITIAL] = sub_sat(round_unit(s->cfg.initial_bytes),
                                            in_flight(s, VFIO_SIM_INITIAL));
        s->first_left = initial_left(s);
    }
    if (effects & VFIO_SIM_EFFECT_DIRTY) {
        s->left[VFIO_SIM_DIRTY] = sub_sat(round_unit(s->cfg.dirty_bytes),
                                          in_flight(s, VFIO_SIM_DIRTY));
    }
    if (s->state == VFIO_SIM_STOP_COPY && effects & VFIO_SIM_EFFECT_STOP) {
        for (i = VFIO_SIM_STOPPED; i < VFIO_SIM_KINDS; i++) {
            other += in_flight(s, i);
        }
        s->left[VFIO_SIM_STOPPED] = sub_sat(round_unit(s->cfg.stop_bytes),
                                            other);
    }
}

int vfio_sim_configure(VFIOSim *s, uint64_t now, const VFIOSimConfig *cfg,
                       uint32_t effects)
{
    bool moved = cfg->dma_base != s->cfg.dma_base ||
                 cfg->dma_size != s->cfg.dma_size;
    bool reset = effects & VFIO_SIM_EFFECT_RESET &&
                 cfg->reset == VFIO_SIM_RESET_NOW;

    if (moved && s->dma.count &&
        (is_logging(s) || is_saving(s->state))) {
        /* what was written could no longer be reported and sent */
        return -EBUSY;
    }
    if ((!cfg->precopy && is_precopy(s->state)) ||
        (!cfg->p2p && (s->state == VFIO_SIM_RUNNING_P2P ||
                       s->state == VFIO_SIM_PRE_COPY_P2P))) {
        /* it would be in a state that it does not have */
        return -EBUSY;
    }
    if (reset && s->changing) {
        /* a reset waits for the end of a state change, and a key does not */
        return -EBUSY;
    }
    vfio_sim_tick(s, now);
    s->cfg = *cfg;

    if (effects & VFIO_SIM_EFFECT_FAIL) {
        s->faults_left = cfg->fail_count;
    }
    if (effects & VFIO_SIM_EFFECT_FAIL_CALL) {
        s->calls_to_skip = cfg->fail_call_skip;
        s->calls_to_fail = cfg->fail_call_count;
    }
    if (effects & VFIO_SIM_EFFECT_REINIT) {
        s->reinits_left = cfg->reinit_count;
        s->reinits_to_skip = cfg->reinit_skip;
    }
    if (effects & VFIO_SIM_EFFECT_REINIT_EVERY) {
        s->reinit_due = now + cfg->reinit_every * NS_PER_MS;
    }
    if (effects & VFIO_SIM_EFFECT_REFILL) {
        s->refill_due = now + cfg->dirty_refill_every * NS_PER_MS;
    }
    if (is_saving(s->state) && s->left[VFIO_SIM_END]) {
        configure_session(s, effects);
    }
    if (effects & VFIO_SIM_EFFECT_REINIT_AT) {
        s->reinit_now = cfg->reinit_at == VFIO_SIM_REINIT_NOW;
    }
    vfio_sim_reinit_armed(s, now);
    if (reset) {
        vfio_sim_reset(s, now);
    }
    if (effects & VFIO_SIM_EFFECT_DMA) {
        return vfio_sim_dma_setup(s, now);
    }
    return 0;
}


void vfio_sim_close(VFIOSim *s, uint64_t now)
{
    vfio_sim_reset(s, now);
    vfio_sim_set_v2(s, false);
    s->log[VFIO_SIM_DEVICE_LOG].on = false;
}
