/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replies of query-migrate
 */

#ifndef QTEST_VFIO_REPLY_H
#define QTEST_VFIO_REPLY_H

#include "libqtest.h"

typedef struct MigReply {
    char status[32];
    bool has_remaining;
    bool has_expected;
    bool has_downtime;
    bool has_ram;
    uint64_t downtime;
    uint64_t remaining;
    uint64_t expected;
    uint64_t total_time;
    uint64_t passes;
    uint64_t ram_total;
    uint64_t ram_remaining;
    uint64_t ram_transferred;
    uint64_t normal_bytes;      /* of pages that were sent as they are */
    uint64_t vfio_transferred;
    uint64_t precopy_bytes;     /* of RAM, and during the downtime */
    uint64_t downtime_bytes;
    uint64_t throttle;          /* percent, 0 if there is none */
    bool has_state;             /* switchover-state */
    char reason[32];
    uint64_t stalled_passes;    /* iterations without progress */
    bool has_needed;            /* the limit that would let it finish */
    uint64_t needed;
    uint64_t bandwidth;         /* of a switchover, bytes per second */
    char basis[16];             /* of the bandwidth */
    bool has_best;
    uint64_t best;
    bool has_acks;              /* switchover-acks */
    uint64_t requests;
    uint64_t rolled_back;
    uint64_t paused_time;
    unsigned n_waiting;
    char waiting[256];          /* each name between commas */
    char error[512];
} MigReply;

/* "Before" the first reply of a migration */
MigReply reply_none(void);

MigReply reply_get(QTestState *qts);

/* What holds for each reply @r of a migration after its reply @last */
void reply_check(const MigReply *last, const MigReply *r);

bool reply_status_is(const MigReply *r, const char *status);

/* Before the switchover, and not ended */
bool reply_going(const MigReply *r);

/* The same, but the switchover may be in progress */
bool reply_going_or_switchover(const MigReply *r);

/* Does the device wait for its ack?  @section: "0000:00:02.0/vfio" */
bool reply_waits_for(const MigReply *r, const char *section);

#endif
