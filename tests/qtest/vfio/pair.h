/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source, and its migrations to destinations one after the other
 */

#ifndef QTEST_VFIO_PAIR_H
#define QTEST_VFIO_PAIR_H

#include "qemu/units.h"
#include "vfio/reply.h"
#include "vfio/sim-vm.h"

/* More than an idle guest ever has left of its RAM */
#define PAIR_RAM_SLACK MiB

/* More than any device has: the kernel has reported a number without sense */
#define PAIR_HUGE_SIZE (1ULL << 60)

typedef struct MigSide {
    bool stock;                 /* the QEMU that QTEST_VFIO_STOCK_QEMU names */
    bool switchover_ack;        /* the capability */
    const char *args;           /* more of QEMU's arguments, or NULL */
} MigSide;

typedef struct MigPairOptions {
    MigSide src;
    MigSide dst;
    bool dst_stderr;            /* for pair_check_dst_stderr() */
    bool dst_starts;            /* the guest, when it has arrived */

    const char *devices[VFIO_SIM_MAX_DEVICES + 1];
    const char *iommufd_props;  /* of the source, or NULL */
    const char *device_props;   /* of each vfio-pci: ",KEY=VALUE...", or NULL */
    VfioSimGuest guest;

    /* Capabilities of both sides, if one of them is needed */
    bool return_path;
    bool multifd;               /* for RAM and the devices */
    bool no_return_path;        /* else multifd turns it on */
    int channels;               /* of multifd; 0: QEMU's default */
    bool pause_before_switchover;
    bool dirty_bitmaps;         /* which makes postcopy possible */
    bool postcopy_ram;

    uint64_t bandwidth;         /* avail-switchover-bandwidth; 0: not set */
    uint64_t limit;             /* downtime-limit, ms */
    bool check_passes;          /* check each MIGRATION_PASS event */
    bool unix_socket;           /* not TCP: the buffers are small */
} MigPairOptions;

typedef struct MigPair {
    MigPairOptions opts;        /* what a case may change between migrations */
    uint64_t limit;             /* the current downtime-limit */

    VfioSimVM src;
    VfioSimVM dst;

    /* Of the current migration */
    MigReply last;
    uint64_t read_before[VFIO_SIM_MAX_DEVICES];
} MigPair;

#define PAIR_LIST(...) ((const char *const []) { __VA_ARGS__, NULL })

/* NULL, or why there cannot be such a pair */
const char *pair_missing(const MigPairOptions *opts);

/* Start the source, and set its capabilities and parameters */
void pair_start(MigPair *p, const MigPairOptions *opts);
void pair_end(MigPair *p);

/*
 * Start a destination with @devices, and a migration to it.  Without dst_starts
 * the guest does not run there after the migration, so that its memory can be
 * compared.
 */
void pair_migrate_to(MigPair *p, const char *const *devices);

/* The same, with the devices of the source */
void pair_migrate(MigPair *p);
void pair_set_limit(MigPair *p, uint64_t ms);

/* The user stops the guest at the source */
void pair_stop_guest(MigPair *p);

/* query-migrate on the source, with checks of what each reply must fulfil */
MigReply pair_query(MigPair *p);
char *pair_info_migrate(MigPair *p);

/* @part is in the output of "info migrate" */
void pair_check_hmp_has(MigPair *p, const char *part);

/* Query until @cond holds for the reply @r; until then, @during holds */
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
 * Wait until @bytes that can be moved only while the guest is stopped are all
 * that the system has left.
 */
void pair_wait_remaining(MigPair *p, MigReply *r, uint64_t bytes);

/*
 * The migration could have completed several times, and did not.  The
 * threshold is computed ten times per second, so a new parameter is in effect
 * by then.
 */
void pair_check_waits(MigPair *p);

/* The source completes, and everything is on the destination */
void pair_check_completes(MigPair *p);

/* The migration ends with @status, and the source runs as before */
void pair_check_runs_on(MigPair *p, const char *status);

/* The destination writes @text to stderr, sooner or later */
void pair_check_dst_stderr(MigPair *p, const char *text);

#endif
