/*
 * Account of switchover acks: requests of devices, answers of the destination
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qapi/error.h"
#include "switchover-ack.h"
#include "trace.h"

/*
 * @requested: the latest request
 * @answered: the latest request that was answered, or 0
 * @seen: made a request in the current query
 * @active: made a request in the last complete query
 */
typedef struct AckDevice {
    char *name;
    uint64_t requested;
    uint64_t answered;
    bool seen;
    bool active;
} AckDevice;

static void device_free(void *opaque)
{
    AckDevice *dev = opaque;

    g_free(dev->name);
    g_free(dev);
}

void mig_acks_init(MigSwitchoverAcks *acks)
{
    *acks = (MigSwitchoverAcks) { };
    qemu_mutex_init(&acks->lock);
    acks->devices = g_hash_table_new_full(NULL, NULL, NULL, device_free);
}

void mig_acks_destroy(MigSwitchoverAcks *acks)
{
    g_hash_table_destroy(acks->devices);
    qemu_mutex_destroy(&acks->lock);
}

void mig_acks_reset(MigSwitchoverAcks *acks)
{
    QEMU_LOCK_GUARD(&acks->lock);

    g_hash_table_remove_all(acks->devices);
    acks->requests = 0;
    acks->rolled_back = 0;
    acks->paused_us = 0;
}

void mig_acks_query_begin(MigSwitchoverAcks *acks)
{
    GHashTableIter iter;
    AckDevice *dev;

    QEMU_LOCK_GUARD(&acks->lock);

    g_hash_table_iter_init(&iter, acks->devices);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&dev)) {
        dev->seen = false;
    }
}

void mig_acks_query_end(MigSwitchoverAcks *acks)
{
    GHashTableIter iter;
    AckDevice *dev;

    QEMU_LOCK_GUARD(&acks->lock);

    g_hash_table_iter_init(&iter, acks->devices);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&dev)) {
        dev->active = dev->seen;
    }
}

bool mig_acks_request(MigSwitchoverAcks *acks, uint32_t section_id,
                      const char *name, uint64_t request)
{
    AckDevice *dev;

    QEMU_LOCK_GUARD(&acks->lock);

    dev = g_hash_table_lookup(acks->devices, GUINT_TO_POINTER(section_id));
    if (!dev) {
        dev = g_new0(AckDevice, 1);
        dev->name = g_strdup(name);
        g_hash_table_insert(acks->devices, GUINT_TO_POINTER(section_id), dev);
    }

    if (request > dev->requested) {
        dev->requested = request;
        acks->requests++;
        trace_mig_acks_request(dev->name, request);
    }
    dev->seen = true;
    dev->active = true;

    return dev->answered == request;
}

bool mig_acks_answer(MigSwitchoverAcks *acks, uint32_t section_id,
                     uint64_t request, Error **errp)
{
    AckDevice *dev;

    QEMU_LOCK_GUARD(&acks->lock);

    dev = g_hash_table_lookup(acks->devices, GUINT_TO_POINTER(section_id));
    if (!dev) {
        error_setg(errp, "Switchover ack for section %" PRIu32 ", which has "
                   "made no request", section_id);
        return false;
    }
    if (!request || request > dev->requested) {
        error_setg(errp, "%s: Switchover ack for request %" PRIu64
                   ", but the latest is %" PRIu64, dev->name, request,
                   dev->requested);
        return false;
    }

    trace_mig_acks_answer(dev->name, request, dev->requested);
    dev->answered = MAX(dev->answered, request);
    return true;
}

void mig_acks_rolled_back(MigSwitchoverAcks *acks, uint64_t paused_us)
{
    QEMU_LOCK_GUARD(&acks->lock);

    acks->rolled_back++;
    acks->paused_us += paused_us;
}

bool mig_acks_report(MigSwitchoverAcks *acks, MigAcksReport *report)
{
    GHashTableIter iter;
    AckDevice *dev;
    GPtrArray *waiting;

    QEMU_LOCK_GUARD(&acks->lock);

    if (!acks->requests) {
        return false;
    }

    waiting = g_ptr_array_new();
    g_hash_table_iter_init(&iter, acks->devices);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&dev)) {
        if (dev->active && dev->answered != dev->requested) {
            g_ptr_array_add(waiting, g_strdup(dev->name));
        }
    }
    g_ptr_array_add(waiting, NULL);

    *report = (MigAcksReport) {
        .requests = acks->requests,
        .rolled_back = acks->rolled_back,
        .paused_ms = DIV_ROUND_UP(acks->paused_us, 1000),
        .waiting = (GStrv)g_ptr_array_free(waiting, false),
    };
    return true;
}
