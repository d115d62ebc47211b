/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cases of vfio-switchover-ack-test
 *
 * No time is measured.  To show that one side waits for the other, a case
 * holds the other side in a call (hold=...), and then releases it.
 */

#ifndef QTEST_VFIO_ACKS_H
#define QTEST_VFIO_ACKS_H

#include "qemu/units.h"
#include "vfio/case.h"

/* 19.2 MiB may remain */
#define BANDWIDTH (64 * MiB)
#define LIMIT 300

/* 64 MiB take 1 s: more than LIMIT, less than LIMIT_64M */
#define STOP_64M "stop-bytes=64M"
#define LIMIT_64M 1100

/* So small that the source has sent all of it while the destination is held */
#define INITIAL (64 * KiB)
#define SMALL "initial-bytes=64K,stop-bytes=64K"

/*
 * Re-initialises only when the case sets reinit-at, but is recognised as a
 * device that can, from its properties
 */
#define SMALL_REINIT SMALL ",reinit-bytes=64K,reinit-at=none"

/* dev0 re-initialises on its way to the final check, N times */
#define REINIT_AT_P2P "reinit-at=pre-copy-p2p,reinit-count="

/* dev0, dev1... in the stream of the pc machine */
extern const char *const sections[VFIO_SIM_MAX_DEVICES];

typedef enum AckMode {
    ACK_OFF,                    /* without the capability */
    ACK_LEGACY,                 /* one for all devices, as in stock QEMU 10.2 */
    ACK_PER_DEVICE,             /* as often as a device requests one */
} AckMode;

typedef struct AckVariant {
    AckMode mode;
    bool multifd;
} AckVariant;

/* A QEMU that uses such acks */
MigSide ack_side(AckMode mode);

/*
 * Register @c, with both sides of its pair set to @variant, and the
 * parameters that are not set to BANDWIDTH and LIMIT.
 */
void ack_case_add(AckVariant variant, const VfioCase *c);

/* The same, with the path GROUP/NAME */
void ack_case_add_as(AckVariant variant, const char *group, const char *name,
                     const VfioCase *c);

enum {
    ACK_WITH_MULTIFD = 1,
    ACK_WITH_OFF = 2,
};

/*
 * Register @c for both kinds of acks, and also as @flags name; the paths are
 * that of @c with "/per-device", "/legacy-multifd"... behind it.  The data
 * of the case is the AckVariant.
 */
void ack_case_add_variants(unsigned flags, const VfioCase *c);

/* Per-device acks: @requests were made in all, and each is acknowledged */
void wait_acknowledged(MigPair *p, uint64_t requests);

/*
 * An ack of dev0 is all that the migration waits for.  @requests have been
 * reported with per-device acks; 0 otherwise.
 */
void check_waits_for_ack(MigPair *p, uint64_t requests);

/* As pair_check_completes(), with no initial data loaded in the downtime */
void check_completes_acked(MigPair *p);

/* What the last reply reports of acks; 0 requests: nothing */
void check_acks(const MigPair *p, uint64_t requests, uint64_t rolled_back);

/* After a migration that did not complete, the source works as before */
void check_works_again(MigPair *p, const char *const *devices,
                       uint64_t requests);

/* Of first-tests.c; @data is an AckVariant */
void test_first(MigPair *p, const void *data);

void add_answer_tests(void);
void add_cancel_tests(void);
void add_failure_tests(void);
void add_first_tests(void);
void add_initial_size_tests(void);
void add_reinit_tests(void);
void add_roll_back_tests(void);
void add_stock_tests(void);

#endif
