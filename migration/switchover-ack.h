/*
 * Switchover acks: has the destination loaded what it should beforehand?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_SWITCHOVER_ACK_H
#define MIGRATION_SWITCHOVER_ACK_H

#include "qemu/thread.h"

/**
 * MigSwitchoverAcks: the source's account of requests and answers
 *
 * A device asks for an ack as often as it likes, by a number that grows with
 * each request.  The number travels to the destination in the device's
 * section of the stream, behind the data that is to be loaded first, and
 * comes back on the return path.  The latest request of a device is answered
 * when its own number has come back: a late answer to an earlier request
 * counts for nothing.
 *
 * Devices are known by the section id that the stream gives them.
 *
 * The migration thread makes the requests, the return path thread brings the
 * answers, and any thread may ask for a report.  All take @lock, for a few
 * instructions each.
 */
typedef struct MigSwitchoverAcks {
    QemuMutex lock;
    /* section id -> device */
    GHashTable *devices;
    /* of this migration, by all devices */
    uint64_t requests;
    /* switchovers that were undone because of a request */
    uint64_t undone;
} MigSwitchoverAcks;

void mig_acks_init(MigSwitchoverAcks *acks);
void mig_acks_destroy(MigSwitchoverAcks *acks);

/* A migration begins.  Not while a migration thread runs. */
void mig_acks_reset(MigSwitchoverAcks *acks);

/*
 * All devices are about to be asked, have been asked.  One that makes no
 * request in between (it was unplugged, or is stopped for good) waits for
 * nothing any more.  Migration thread.
 */
void mig_acks_query_begin(MigSwitchoverAcks *acks);
void mig_acks_query_end(MigSwitchoverAcks *acks);

/**
 * mig_acks_request: a device's latest request (migration thread)
 *
 * @acks: the account
 * @section_id: the device
 * @name: the device's, for reports and traces
 * @request: number of its latest request, not 0
 *
 * To be called again and again, with the same number or a greater one.
 *
 * Returns true when this request has been answered.
 */
bool mig_acks_request(MigSwitchoverAcks *acks, uint32_t section_id,
                      const char *name, uint64_t request);

/**
 * mig_acks_answer: an answer has come (return path thread)
 *
 * @acks: the account
 * @section_id: the device, as the destination says
 * @request: number of the request, as the destination says
 * @errp: set when false is returned
 *
 * An answer to an earlier request is fine, but satisfies none.
 *
 * Returns false for an answer to a request that was never made.
 */
bool mig_acks_answer(MigSwitchoverAcks *acks, uint32_t section_id,
                     uint64_t request, Error **errp);

/* A switchover was undone because of a request (migration thread) */
void mig_acks_undone(MigSwitchoverAcks *acks);

/**
 * MigAcksReport: what the user may want to know
 *
 * @requests: made in this migration, by all devices
 * @undone: switchovers that were undone because of a request
 * @waiting: names of the devices whose latest request is unanswered,
 *           NULL-terminated
 */
typedef struct MigAcksReport {
    uint64_t requests;
    uint64_t undone;
    GStrv waiting;
} MigAcksReport;

/*
 * Any thread.  Returns false when no device has ever asked; else
 * @report->waiting is to be freed with g_strfreev().
 */
bool mig_acks_report(MigSwitchoverAcks *acks, MigAcksReport *report);

#endif
