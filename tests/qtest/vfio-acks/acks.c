/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the cases of vfio-switchover-ack-test share
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "vfio-acks/acks.h"

const char *const sections[VFIO_SIM_MAX_DEVICES] = {
    "0000:00:02.0/vfio", "0000:00:03.0/vfio",
    "0000:00:04.0/vfio", "0000:00:05.0/vfio",
};

static const struct {
    const char *name;
    AckVariant variant;
} variants[] = {
    { "off", { ACK_OFF } },
    { "off-multifd", { ACK_OFF, true } },
    { "legacy", { ACK_LEGACY } },
    { "legacy-multifd", { ACK_LEGACY, true } },
    { "per-device", { ACK_PER_DEVICE } },
    { "per-device-multifd", { ACK_PER_DEVICE, true } },
};

MigSide ack_side(AckMode mode)
{
    return (MigSide) {
        .switchover_ack = mode != ACK_OFF,
        .args = mode == ACK_PER_DEVICE ?
                "-global migration.switchover-ack-legacy=off" : NULL,
    };
}

static void set_side(MigSide *side, AckMode mode)
{
    MigSide usual = ack_side(mode);

    side->switchover_ack = usual.switchover_ack;
    side->args = side->args ?: usual.args;
}

void ack_case_add(AckVariant variant, const VfioCase *c)
{
    VfioCase copy = *c;
    MigPairOptions *pair = &copy.pair;

    pair->return_path = true;
    pair->multifd = variant.multifd;
    pair->bandwidth = pair->bandwidth ?: BANDWIDTH;
    pair->limit = pair->limit ?: LIMIT;
    set_side(&pair->src, variant.mode);
    set_side(&pair->dst, variant.mode);
    vfio_case_add(&copy);
}

void ack_case_add_as(AckVariant variant, const char *group, const char *name,
                     const VfioCase *c)
{
    g_autofree char *path = g_strdup_printf("%s/%s", group, name);
    VfioCase copy = *c;

    copy.path = path;
    ack_case_add(variant, &copy);
}

void ack_case_add_variants(unsigned flags, const VfioCase *c)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(variants); i++) {
        const AckVariant *variant = &variants[i].variant;
        VfioCase copy = *c;

        if ((variant->mode == ACK_OFF && !(flags & ACK_WITH_OFF)) ||
            (variant->multifd && !(flags & ACK_WITH_MULTIFD))) {
            continue;
        }
        copy.data = variant;
        ack_case_add_as(*variant, c->path, variants[i].name, &copy);
    }
}

void wait_acknowledged(MigPair *p, uint64_t requests)
{
    MigReply r;

    PAIR_WAIT(p, r, r.requests == requests && !r.n_waiting);
}

void check_waits_for_ack(MigPair *p, uint64_t requests)
{
    bool stock = p->opts.src.stock;
    MigReply r;

    PAIR_WAIT(p, r, r.expected <= p->limit && (stock || r.has_remaining) &&
                    r.requests == requests);
    pair_check_waits(p);
    r = pair_query(p);
    g_assert_cmpuint(r.expected, <=, p->limit);
    g_assert_cmpuint(r.requests, ==, requests);
    if (requests) {
        g_assert(reply_waits_for(&r, sections[0]));
        g_assert_cmpuint(r.n_waiting, ==, 1);
    }
    g_assert(vfio_sim_state_is(&p->src, 0, "pre-copy") ||
             vfio_sim_state_is(&p->src, 0, "pre-copy-p2p"));
}

void check_completes_acked(MigPair *p)
{
    int i;

    pair_check_completes(p);
    g_assert_cmpuint(p->src.n_stop, ==, 1);
    for (i = 0; i < p->src.n_devices; i++) {
        SIM_CHECK(&p->src, i, "initial-unread-at-stop", ==, 0);
    }
}

void check_acks(const MigPair *p, uint64_t requests, uint64_t rolled_back)
{
    g_assert(p->last.has_acks == !!requests);
    g_assert_cmpuint(p->last.requests, ==, requests);
    g_assert_cmpuint(p->last.rolled_back, ==, rolled_back);
    g_assert_cmpuint(p->last.n_waiting, ==, 0);
}

void check_works_again(MigPair *p, const char *const *devices,
                       uint64_t requests)
{
    pair_migrate_to(p, devices);
    check_completes_acked(p);
    check_acks(p, requests, 0);
}
