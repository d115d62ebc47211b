/*
 * Account of switchover acks: requests of devices, answers of the destination
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_SWITCHOVER_ACK_H
#define MIGRATION_SWITCHOVER_ACK_H

#include "qemu/thread.h"

/**
 * MigSwitchoverAcks: the source's account of requests and answers
 *
 * A device requests an ack as often as it needs, with a number that grows with
 * each request.  The number is sent to the destination in the device's
 * section of the stream, behind the data that is to be loaded first, and
 * returned on the return path.  The latest request of a device is answered
 * when its own number has been returned: a late answer to an earlier request
 * does not count.
 *
 * Devices are identified by the section id that the stream gives them.
 *
 * The migration thread makes the requests, the return path thread brings the
 * answers, and any thread may get a report.  All take @lock, for a few
 * instructions each.
 */
typedef struct MigSwitchoverAcks {
    QemuMutex lock;
    /* section id -> device */
    GHashTable *devices;
    /* of this migration, by all devices */
    uint64_t requests;
    /* switchovers that were rolled back because of a request */
    uint64_t rolled_back;
    /* how long the guest was paused by these, in us */
    uint64_t paused_us;
} MigSwitchoverAcks;

void mig_acks_init(MigSwitchoverAcks *acks);
void mig_acks_destroy(MigSwitchoverAcks *acks);

/* A migration begins.  Not while a migration thread runs. */
void mig_acks_reset(MigSwitchoverAcks *acks);

/*
 * A query of all devices begins, has ended.  A device that makes no request in
 * between (it was unplugged, or is stopped) does not wait for an ack any more.
 * Migration thread.
 */
void mig_acks_query_begin(MigSwitchoverAcks *acks);
void mig_acks_query_end(MigSwitchoverAcks *acks);

/**
 * mig_acks_request: a device's latest request (migration thread)
 *
 * @acks: the account
 * @section_id: the device
 * @name: of the device, for reports and traces
 * @request: number of its latest request, not 0
 *
 * To be called for each query, with the same number or a greater one.
 *
 * Returns true when this request has been answered.
 */
bool mig_acks_request(MigSwitchoverAcks *acks, uint32_t section_id,
                      const char *name, uint64_t request);

/**
 * mig_acks_answer: an answer has arrived (return path thread)
 *
 * @acks: the account
 * @section_id: the device, as sent by the destination (not trusted)
 * @request: number of the request, as sent by the destination (not trusted)
 * @errp: set when false is returned
 *
 * An answer to an earlier request is no error, but does not count.
 *
 * Returns false for an answer to a request that was never made.
 */
bool mig_acks_answer(MigSwitchoverAcks *acks, uint32_t section_id,
                     uint64_t request, Error **errp);

/*
 * A switchover was rolled back because of a request (migration thread).
 * @paused_us: how long the guest was paused
 */
void mig_acks_rolled_back(MigSwitchoverAcks *acks, uint64_t paused_us);

/**
 * MigAcksReport: the account, for query-migrate
 *
 * @requests: made in this migration, by all devices
 * @rolled_back: switchovers that were rolled back because of a request
 * @paused_ms: how long the guest was paused by these, rounded up
 * @waiting: names of the devices whose latest request has no answer,
 *           NULL-terminated
 */
typedef struct MigAcksReport {
    uint64_t requests;
    uint64_t rolled_back;
    uint64_t paused_ms;
    GStrv waiting;
} MigAcksReport;

/*
 * Any thread.  Returns false when no device has made a request; else
 * @report->waiting is to be freed with g_strfreev().
 */
bool mig_acks_report(MigSwitchoverAcks *acks, MigAcksReport *report);

#endif
