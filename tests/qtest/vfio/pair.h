/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source, its migrations to destinations, and what QEMU says of them
 */

#ifndef QTEST_VFIO_PAIR_H
#define QTEST_VFIO_PAIR_H

#include "qemu/units.h"
#include "migration/vfio-sim.h"

/* More than an idle guest ever has left of its RAM */
#define PAIR_RAM_SLACK MiB

/* No size that anybody has: out of a query that is not to be believed */
#define PAIR_HUGE_SIZE (1ULL << 60)

/* One reply of query-migrate */
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
    uint64_t vfio_transferred;
    bool has_acks;              /* switchover-acks */
    uint64_t requests;
    uint64_t undone;
    unsigned n_waiting;
    char waiting[256];          /* each name between commas */
    char error[512];
} MigReply;

typedef struct MigPair {
    /* What the case wants */
    const char *const *devices;
    const char *device_props;
    VfioSimGuest guest;
    const char *const *caps;
    const char *const *dst_caps;    /* if they are others there */
    const char *src_args;       /* more of QEMU's arguments, or NULL */
    const char *dst_args;
    bool src_stock;             /* the source reports what it always did */
    bool dst_log;               /* for pair_check_dst_said() */
    uint64_t bandwidth;         /* avail-switchover-bandwidth; 0: not set */
    uint64_t limit;             /* downtime-limit, ms */
    bool passes;                /* check each MIGRATION_PASS event */

    /* What is there */
    VfioSimVM src;
    VfioSimVM dst;

    /* Of this migration */
    MigReply last;
    uint64_t read_before[VFIO_SIM_MAX_DEVICES];
} MigPair;

bool reply_status_is(const MigReply *r, const char *status);

/* Neither done nor given up, nor about to */
bool reply_going(const MigReply *r);

/* Does the device wait for its ack?  @section: "0000:00:02.0/vfio" */
bool reply_waits_for(const MigReply *r, const char *section);

/* False: the test is to be skipped */
bool pair_start(MigPair *p);
void pair_end(MigPair *p);

/*
 * Start a destination and a migration to it.  The destination does not run
 * the guest afterwards, so that the guest's memory can be compared.
 */
void pair_migrate_to(MigPair *p, const char *const *devices);
void pair_migrate(MigPair *p);
void pair_set_limit(MigPair *p, uint64_t ms);

/* query-migrate on the source; what must hold for every reply is checked */
MigReply pair_query(MigPair *p);
char *pair_info_migrate(MigPair *p);

/* Ask until @cond, which is about the reply @r; until then, @during holds */
#define PAIR_WAIT_WHILE(p, r, during, cond)                            \
    do {                                                               \
        int64_t start_ = g_get_monotonic_time();                       \
                                                                       \
        while ((r) = pair_query(p), !(cond)) {                         \
            if (!(during)) {                                           \
                g_printerr("status %s, %s\n", (r).status, (r).error);  \
                g_assert(!#cond);                                      \
            }                                                          \
            vfio_sim_nap(start_, #cond);                               \
        }                                                              \
    } while (0)

#define PAIR_WAIT(p, r, cond) PAIR_WAIT_WHILE(p, r, reply_going(&(r)), cond)

/*
 * Wait until @bytes that only move while the guest is stopped are all that
 * the system has left to do.
 */
void pair_wait_remaining(MigPair *p, MigReply *r, uint64_t bytes);

/*
 * The migration has had its chances to finish, and did not.  The threshold
 * is made anew ten times a second, so a parameter has its effect by then.
 */
void pair_check_waits(MigPair *p);

/* The source completes, and everything is on the destination */
void pair_check_completes(MigPair *p);

/* The source is done with @status, and is as if nothing had happened */
void pair_check_back(MigPair *p, const char *status);

/* @text is in what the destination says on stderr, sooner or later */
void pair_check_dst_said(MigPair *p, const char *text);

#endif
