/*
 * Account of switchover acks: requests of devices, answers of the destination
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_SWITCHOVER_ACK_H
#define MIGRATION_SWITCHOVER_ACK_H

#include "qemu/thread.h"

typedef enum MigAcksFault {
    MIG_ACKS_RIGHT,
    MIG_ACKS_MORE,              /* more answers than are due */
    MIG_ACKS_LESS,              /* fewer, and no other will come */
    MIG_ACKS_WRONG_PONG,        /* of a ping that was not sent */
} MigAcksFault;

/**
 * MigSwitchoverAcks: the source's account of requests and answers
 *
 * A device requests an ack as often as it needs, with a number that grows with
 * each request.  A request is sent in the device's section of the stream,
 * behind the data that is to be loaded first, and the destination returns an
 * answer on the return path.  Neither has a number: the stream has an order, so
 * that the n-th answer belongs to the n-th request that was sent.  A device's
 * latest request is answered when its own answer has arrived: one to an earlier
 * request does not count.
 *
 * With the legacy protocol a device sends one request, and the destination one
 * answer to the requests of all devices.  On the wire the two do not differ, so
 * that the source has to find out that the destination uses the other one: it
 * sends a ping behind requests.  The destination's pong comes behind its
 * answers to these, and before any other.
 *
 * Devices are identified by the section id that the stream gives them.
 *
 * The migration thread makes the requests, the return path thread brings the
 * answers, and any thread may get a report.  All take @lock for a
 * short time.
 */
typedef struct MigSwitchoverAcks {
    QemuMutex lock;
    /* the protocol is the legacy one */
    bool legacy;
    /* section id -> device */
    GHashTable *devices;
    /* requests that were sent and have no answer, in the order of the stream */
    GQueue unanswered;
    /* requests that were sent; those before the last ping, and its pong */
    uint64_t sent;
    uint64_t pinged;
    uint64_t ponged;
    bool has_pinged;
    bool has_ponged;
    uint64_t answers;
    /* legacy: devices that will send a request each, if the guest runs */
    unsigned int expected;
    /* what is wrong with the answers */
    MigAcksFault fault;
    /* of this migration, by all devices */
    uint64_t requests;
    /* switchovers that were rolled back because of a request */
    uint64_t rolled_back;
    /* how long the guest was paused by these, in us */
    uint64_t paused_us;
} MigSwitchoverAcks;

void mig_acks_init(MigSwitchoverAcks *acks);
void mig_acks_destroy(MigSwitchoverAcks *acks);

/*
 * A migration begins, with the @legacy protocol or the other.  Not while a
 * migration thread runs.
 */
void mig_acks_reset(MigSwitchoverAcks *acks, bool legacy);

/*
 * A query of all devices begins.  A device that makes no request before its end
 * (it was unplugged, or is stopped) does not wait for an ack any more.
 * Migration thread.
 */
void mig_acks_query_begin(MigSwitchoverAcks *acks);

/**
 * mig_acks_query_end: all devices have been queried (migration thread)
 *
 * Returns the number of acks that are missing: one for each device whose latest
 * request has no answer; with the legacy protocol one until all devices have
 * sent their requests and the answer has come.  And one more, or one, until the
 * pong has come that shows that nothing else will, and when mig_acks_check()
 * would fail.
 */
unsigned int mig_acks_query_end(MigSwitchoverAcks *acks);

/**
 * mig_acks_request: a device's latest request (migration thread)
 *
 * @acks: the account
 * @section_id: the device
 * @name: of the device, for reports and traces
 * @request: number of its latest request, not 0
 *
 * To be called in each query, with the same number or a greater one.
 */
void mig_acks_request(MigSwitchoverAcks *acks, uint32_t section_id,
                      const char *name, uint64_t request);

/**
 * mig_acks_sent: a request is about to be put into the stream
 *
 * Before it is, as the answer may arrive at once.  Migration thread; arguments
 * as for mig_acks_request().
 */
void mig_acks_sent(MigSwitchoverAcks *acks, uint32_t section_id,
                   const char *name, uint64_t request);

/*
 * Is a ping to be sent: the first one, or one behind new requests?  Migration
 * thread.
 */
bool mig_acks_ping_due(MigSwitchoverAcks *acks);

/**
 * mig_acks_ping: a ping is about to be sent (migration thread)
 *
 * @acks: the account
 * @devices: how many send a request each with the legacy protocol.  Only the
 *           number at the first ping counts.
 *
 * Returns what the destination is to return.
 */
uint32_t mig_acks_ping(MigSwitchoverAcks *acks, unsigned int devices);

/*
 * A pong has arrived (return path thread).  @value: as sent by the destination
 * (not trusted).  A small number is that of another ping, and ignored.
 */
void mig_acks_pong(MigSwitchoverAcks *acks, uint32_t value);

/*
 * An answer has arrived (return path thread).  One to an earlier request does
 * not count.
 */
void mig_acks_answer(MigSwitchoverAcks *acks);

/**
 * mig_acks_check: whether the answers are those that are due (migration thread)
 *
 * @acks: the account
 * @errp: set when false is returned
 *
 * Returns false when there was an answer too many, or none where one was due.
 * A migration that waits for acks cannot complete then; one whose guest does
 * not run waits for none.
 */
bool mig_acks_check(MigSwitchoverAcks *acks, Error **errp);

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
 * @waiting: names of the devices whose latest request has no answer, sorted,
 *           NULL-terminated
 */
typedef struct MigAcksReport {
    uint64_t requests;
    uint64_t rolled_back;
    uint64_t paused_ms;
    GStrv waiting;
} MigAcksReport;

/*
 * Any thread.  Returns false when no device has made a request, and with the
 * legacy protocol; else @report->waiting is to be freed with g_strfreev().
 */
bool mig_acks_report(MigSwitchoverAcks *acks, MigAcksReport *report);

#endif
