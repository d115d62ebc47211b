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
 * The value of a ping has this bit, and below it the number of requests that
 * were sent before.  Other pings of a migration have small numbers.
 */
#define MIG_ACKS_PING 0x80000000U

/*
 * @requested: the latest request
 * @sent: the latest request that was put into the stream, or 0
 * @answered: the latest request that was answered, or 0
 * @seen: made a request in the current query
 * @active: made a request in the last complete query, or in the current one
 */
typedef struct AckDevice {
    char *name;
    uint64_t requested;
    uint64_t sent;
    uint64_t answered;
    bool seen;
    bool active;
} AckDevice;

/* A request in the stream; @dev stays until the next migration begins */
typedef struct AckSent {
    AckDevice *dev;
    uint64_t request;
} AckSent;

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
    g_queue_init(&acks->unanswered);
}

void mig_acks_destroy(MigSwitchoverAcks *acks)
{
    g_queue_clear_full(&acks->unanswered, g_free);
    g_hash_table_destroy(acks->devices);
    qemu_mutex_destroy(&acks->lock);
}

void mig_acks_reset(MigSwitchoverAcks *acks, bool legacy)
{
    QEMU_LOCK_GUARD(&acks->lock);

    g_queue_clear_full(&acks->unanswered, g_free);
    g_hash_table_remove_all(acks->devices);
    acks->legacy = legacy;
    acks->sent = 0;
    acks->pinged = 0;
    acks->ponged = 0;
    acks->has_pinged = false;
    acks->has_ponged = false;
    acks->answers = 0;
    acks->expected = 0;
    acks->fault = MIG_ACKS_RIGHT;
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

unsigned int mig_acks_query_end(MigSwitchoverAcks *acks)
{
    unsigned int unsent = 0, unanswered = 0;
    GHashTableIter iter;
    AckDevice *dev;

    QEMU_LOCK_GUARD(&acks->lock);

    g_hash_table_iter_init(&iter, acks->devices);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&dev)) {
        dev->active = dev->seen;
        unsent += dev->active && dev->sent != dev->requested;
        unanswered += dev->active && dev->answered != dev->requested;
    }

    if (acks->fault || (acks->has_pinged && !acks->has_ponged)) {
        return acks->legacy ? 1 : unanswered + 1;
    }
    if (acks->legacy) {
        return !acks->answers || unsent ||
               (acks->has_pinged && acks->ponged != acks->sent);
    }
    return unanswered;
}

/* Called with the lock held */
static AckDevice *device_get(MigSwitchoverAcks *acks, uint32_t section_id,
                             const char *name, uint64_t request)
{
    void *key = GUINT_TO_POINTER(section_id);
    AckDevice *dev = g_hash_table_lookup(acks->devices, key);

    if (!dev) {
        dev = g_new0(AckDevice, 1);
        dev->name = g_strdup(name);
        g_hash_table_insert(acks->devices, key, dev);
    }
    if (request > dev->requested) {
        dev->requested = request;
        acks->requests++;
        trace_mig_acks_request(dev->name, request);
    }
    return dev;
}

void mig_acks_request(MigSwitchoverAcks *acks, uint32_t section_id,
                      const char *name, uint64_t request)
{
    AckDevice *dev;

    QEMU_LOCK_GUARD(&acks->lock);

    dev = device_get(acks, section_id, name, request);
    dev->seen = true;
    dev->active = true;
}

void mig_acks_sent(MigSwitchoverAcks *acks, uint32_t section_id,
                   const char *name, uint64_t request)
{
    AckSent *sent = g_new(AckSent, 1);

    QEMU_LOCK_GUARD(&acks->lock);

    *sent = (AckSent) {
        .dev = device_get(acks, section_id, name, request),
        .request = request,
    };
    sent->dev->sent = MAX(sent->dev->sent, request);
    g_queue_push_tail(&acks->unanswered, sent);
    acks->sent++;
    trace_mig_acks_sent(sent->dev->name, request, acks->sent);
}

bool mig_acks_ping_due(MigSwitchoverAcks *acks)
{
    QEMU_LOCK_GUARD(&acks->lock);

    return !acks->has_pinged || acks->pinged != acks->sent;
}

uint32_t mig_acks_ping(MigSwitchoverAcks *acks, unsigned int devices)
{
    QEMU_LOCK_GUARD(&acks->lock);

    if (!acks->has_pinged) {
        acks->expected = devices;
        acks->has_pinged = true;
    }
    acks->pinged = acks->sent;
    return MIG_ACKS_PING | acks->sent;
}

/* Called with the lock held.  The first one is kept. */
static void set_fault(MigSwitchoverAcks *acks, MigAcksFault fault)
{
    acks->fault = acks->fault ?: fault;
}

void mig_acks_pong(MigSwitchoverAcks *acks, uint32_t value)
{
    uint64_t later;

    QEMU_LOCK_GUARD(&acks->lock);

    if (!(value & MIG_ACKS_PING)) {
        return;
    }
    /* How many requests were sent after that ping, and before the last one */
    later = ((uint32_t)acks->pinged - value) & ~MIG_ACKS_PING;
    if (!acks->has_pinged || later > acks->pinged) {
        set_fault(acks, MIG_ACKS_WRONG_PONG);
        return;
    }
    acks->ponged = acks->pinged - later;
    acks->has_ponged = true;
    trace_mig_acks_pong(acks->ponged, acks->answers);

    if (acks->legacy) {
        if (acks->ponged == acks->expected && !acks->answers) {
            set_fault(acks, MIG_ACKS_LESS);
        }
    } else if (acks->answers < acks->ponged) {
        set_fault(acks, MIG_ACKS_LESS);
    } else if (acks->answers > acks->ponged) {
        /* It came before the request to which it was counted */
        set_fault(acks, MIG_ACKS_MORE);
    }
}

void mig_acks_answer(MigSwitchoverAcks *acks)
{
    g_autofree AckSent *sent = NULL;

    QEMU_LOCK_GUARD(&acks->lock);

    acks->answers++;
    if (acks->legacy) {
        trace_mig_acks_answer("all", acks->answers, 1);
        if (acks->answers > 1) {
            set_fault(acks, MIG_ACKS_MORE);
        }
        return;
    }

    sent = g_queue_pop_head(&acks->unanswered);
    if (!sent) {
        set_fault(acks, MIG_ACKS_MORE);
        return;
    }
    trace_mig_acks_answer(sent->dev->name, sent->request,
                          sent->dev->requested);
    sent->dev->answered = MAX(sent->dev->answered, sent->request);
}

bool mig_acks_check(MigSwitchoverAcks *acks, Error **errp)
{
    QEMU_LOCK_GUARD(&acks->lock);

    switch (acks->fault) {
    case MIG_ACKS_RIGHT:
        return true;
    case MIG_ACKS_WRONG_PONG:
        error_setg(errp, "The destination returns a ping that was not sent");
        return false;
    case MIG_ACKS_MORE:
        error_setg(errp, "The destination sends more switchover acks than are "
                   "due: migration.switchover-ack-legacy is %s on the source, "
                   "and has to be so on the destination",
                   acks->legacy ? "on" : "off");
        return false;
    case MIG_ACKS_LESS:
        error_setg(errp, "The destination does not send the switchover acks "
                   "that are due: migration.switchover-ack-legacy is %s on the "
                   "source, and has to be so on the destination, which also "
                   "needs the capability switchover-ack and the same devices, "
                   "with PRE_COPY only where those of the source have it",
                   acks->legacy ? "on" : "off");
        return false;
    }
    g_assert_not_reached();
}

void mig_acks_rolled_back(MigSwitchoverAcks *acks, uint64_t paused_us)
{
    QEMU_LOCK_GUARD(&acks->lock);

    acks->rolled_back++;
    acks->paused_us += paused_us;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool mig_acks_report(MigSwitchoverAcks *acks, MigAcksReport *report)
{
    GHashTableIter iter;
    AckDevice *dev;
    GPtrArray *waiting;

    QEMU_LOCK_GUARD(&acks->lock);

    if (acks->legacy || !acks->requests) {
        return false;
    }

    waiting = g_ptr_array_new();
    g_hash_table_iter_init(&iter, acks->devices);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&dev)) {
        if (dev->active && dev->answered != dev->requested) {
            g_ptr_array_add(waiting, g_strdup(dev->name));
        }
    }
    g_ptr_array_sort(waiting, compare_names);
    g_ptr_array_add(waiting, NULL);

    *report = (MigAcksReport) {
        .requests = acks->requests,
        .rolled_back = acks->rolled_back,
        .paused_ms = DIV_ROUND_UP(acks->paused_us, 1000),
        .waiting = (GStrv)g_ptr_array_free(waiting, false),
    };
    return true;
}
