/*
 * Tests of DMA, its logs and its verification
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <limits.h>

#include "model-fixture.h"

#define PAGES 64

static uint8_t guest[PAGES][VFIO_SIM_PAGE];
/* The pages that a log has reported, as a mask */
static uint64_t reported;

static const char window[] = "dma-base=1M dma-size=256K dma-rate=400K "
                             "stop-bytes=4K";

static void report(void *opaque, uint64_t iova)
{
    (void)opaque;
    CHECK(iova >= MIB && iova < MIB + PAGES * VFIO_SIM_PAGE);
    reported |= 1ull << ((iova - MIB) / VFIO_SIM_PAGE);
}

/* Have the device write until @now; returns the pages, as a mask. */
static uint64_t dma_until(VFIOSim *s, uint64_t now, uint64_t *pages)
{
    uint64_t written = 0;
    uint64_t iova;

    *pages = 0;
    while (vfio_sim_dma_next(s, now, &iova)) {
        vfio_sim_dma_fill(s, iova, guest[(iova - MIB) / VFIO_SIM_PAGE]);
        vfio_sim_dma_done(s, iova, true);
        written |= 1ull << ((iova - MIB) / VFIO_SIM_PAGE);
        ++*pages;
    }
    return written;
}

static void test_log(void)
{
    static const VFIOSimRange ranges[] = {
        { MIB, 16 * VFIO_SIM_PAGE },
        { MIB + 32 * VFIO_SIM_PAGE, 32 * VFIO_SIM_PAGE },
    };
    static const VFIOSimRange many[VFIO_SIM_RANGES + 1];
    const uint64_t covered = 0xffffffff0000ffffull;
    static const VFIOSimRange all = { 0, UINT64_MAX };
    VFIOSim *s = device(window);
    uint64_t written, pages, now;

    memset(guest, 0, sizeof(guest));
    CHECK_EQ(vfio_sim_log_report(s, 0, 0, UINT64_MAX, true, report, NULL),
             -EINVAL);
    CHECK_EQ(vfio_sim_log_stop(s, 0), -EINVAL);
    written = dma_until(s, 100 * MS, &pages);
    CHECK_EQ(pages, 10);

    CHECK_EQ(vfio_sim_log_start(s, 0, ranges, 0), -EINVAL);
    CHECK_EQ(vfio_sim_log_start(s, 0, many, VFIO_SIM_RANGES + 1), -E2BIG);
    CHECK_EQ(vfio_sim_log_start(s, 0, ranges, 2), 0);
    CHECK_EQ(vfio_sim_log_start(s, 0, ranges, 2), -EINVAL);
    CHECK_EQ(vfio_sim_log_start(s, 1, &all, 1), 0);
    for (now = 150 * MS; now < 2 * S; now += 50 * MS) {
        written = dma_until(s, now, &pages);
        CHECK(pages == 5 || pages == 4 || pages == 6);
        reported = 0;
        CHECK_EQ(vfio_sim_log_report(s, 0, 0, UINT64_MAX, true, report, NULL),
                 0);
        CHECK(reported == (written & covered));
        /* Without clearing */
        reported = 0;
        CHECK_EQ(vfio_sim_log_report(s, 1, 0, UINT64_MAX, false, report, NULL),
                 0);
        CHECK(reported == written);
        reported = 0;
        /* Page by page, with clearing */
        for (int i = 0; i < PAGES; i++) {
            CHECK_EQ(vfio_sim_log_report(s, 1, MIB + i * VFIO_SIM_PAGE,
                                         VFIO_SIM_PAGE, true, report, NULL), 0);
        }
        CHECK(reported == written);
        /* What was cleared is not reported again. */
        reported = 0;
        vfio_sim_log_report(s, 1, 0, UINT64_MAX, true, report, NULL);
        CHECK(reported == 0);
    }
    /* A window that is logged cannot be moved. */
    CHECK_EQ(set_key(s, now, "dma-base=2M"), -EBUSY);
    CHECK_EQ(vfio_sim_log_stop(s, 0), 0);
    CHECK_EQ(vfio_sim_log_stop(s, 1), 0);
    CHECK_EQ(set_key(s, now, "dma-base=2M"), 0);
}

static void test_states(void)
{
    VFIOSim *s = device(window);
    uint64_t pages;

    dma_until(s, 50 * MS, &pages);
    CHECK_EQ(pages, 5);
    CHECK_EQ(vfio_sim_set_state(s, 50 * MS, VFIO_SIM_RUNNING_P2P), 0);
    dma_until(s, 100 * MS, &pages);
    CHECK_EQ(pages, 0);
    CHECK_EQ(vfio_sim_set_state(s, 100 * MS, VFIO_SIM_PRE_COPY), 0);
    dma_until(s, 150 * MS, &pages);
    CHECK_EQ(pages, 5);
    CHECK_EQ(vfio_sim_set_state(s, 150 * MS, VFIO_SIM_PRE_COPY_P2P), 0);
    dma_until(s, 200 * MS, &pages);
    CHECK_EQ(pages, 0);
    CHECK_EQ(vfio_sim_set_state(s, 200 * MS, VFIO_SIM_STOP_COPY), 0);
    dma_until(s, 250 * MS, &pages);
    CHECK_EQ(pages, 0);
    CHECK_EQ(set_key(s, 250 * MS, "dma-size=64K"), -EBUSY);
}

static void test_verify(void)
{
    VFIOSim *s = device(window);
    uint64_t pages, i, iova, bad, some;
    int hop;

    memset(guest, 0, sizeof(guest));
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RUNNING), 0);
    for (hop = 0; hop < 3; hop++) {
        VFIOSim *d = device(window);
        const VFIOSimWindow *w;
        size_t len;
        uint8_t *buf;

        dma_until(s, 90 * MS, &pages);
        buf = save_stream(s, &len);
        CHECK_EQ(len, 4096);
        CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
        CHECK_EQ(write_data(d, buf, len), len);
        CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_STOP), 0);
        CHECK(must_verify_dma(d));
        w = received_window(d);
        CHECK_EQ(w->pages, PAGES);
        some = 0;
        bad = 0;
        for (i = 0; i < PAGES; i++) {
            if (vfio_sim_dma_expected(w, i, &iova)) {
                some++;
                bad += !vfio_sim_dma_check(w, i, guest[i]);
                /* A single bit makes a difference. */
                guest[i][1234] ^= 1;
                CHECK(!vfio_sim_dma_check(w, i, guest[i]));
                guest[i][1234] ^= 1;
            }
        }
        CHECK(some > 0 && some >= pages / 2);
        CHECK_EQ(bad, 0);
        vfio_sim_dma_verified(d);
        CHECK(!must_verify_dma(d));
        CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RUNNING), 0);
        discard(s);
        s = d;
    }
}

static void test_drop_log(void)
{
    static const VFIOSimRange all = { 0, UINT64_MAX };
    VFIOSim *s = device(window);
    uint64_t written, pages;

    set_key(s, 0, "drop-log-every=5");
    vfio_sim_log_start(s, 0, &all, 1);
    written = dma_until(s, 50 * MS, &pages);
    CHECK_EQ(pages, 5);
    reported = 0;
    vfio_sim_log_report(s, 0, 0, UINT64_MAX, true, report, NULL);
    CHECK((reported & ~written) == 0);
    CHECK_EQ(counter(s, "faults"), 1);
}

static void test_not_written(void)
{
    static const VFIOSimRange all = { 0, UINT64_MAX };
    VFIOSim *s = device(window);
    uint64_t iova;

    CHECK_EQ(vfio_sim_log_start(s, 0, &all, 1), 0);
    CHECK(vfio_sim_dma_next(s, 50 * MS, &iova));
    vfio_sim_dma_done(s, iova, false);
    CHECK_EQ(counter(s, "dma-unmapped"), 1);
    CHECK_EQ(counter(s, "dma-pages-written"), 0);
    reported = 0;
    CHECK_EQ(vfio_sim_log_report(s, 0, 0, UINT64_MAX, true, report, NULL), 0);
    CHECK(reported == 0);
}

static void test_without_dma(void)
{
    static const VFIOSimRange all = { 0, UINT64_MAX };
    VFIOSim *s = device("");
    uint64_t iova;

    CHECK(!vfio_sim_dma_next(s, S, &iova));
    CHECK_EQ(vfio_sim_log_start(s, 0, &all, 1), 0);
    reported = 0;
    CHECK_EQ(vfio_sim_log_report(s, 0, 0, UINT64_MAX, true, report, NULL), 0);
    CHECK(reported == 0);
    CHECK_EQ(counter(s, "log-reports"), 1);
    CHECK_EQ(counter(s, "log-pages"), 0);
}

static void test_pause(void)
{
    VFIOSim *s = device(window);
    uint64_t pages;

    dma_until(s, 50 * MS, &pages);
    CHECK_EQ(pages, 5);
    /* The window stays: what was written is still a part of the stream. */
    CHECK_EQ(set_key(s, 50 * MS, "dma-rate=0"), 0);
    dma_until(s, 100 * MS, &pages);
    CHECK_EQ(pages, 0);
    CHECK_EQ(set_key(s, 100 * MS, "dma-rate=400K"), 0);
    dma_until(s, 150 * MS, &pages);
    CHECK_EQ(pages, 5);
    CHECK_EQ(counter(s, "dma-pages-written"), 10);
}

static void test_out_of_memory(void)
{
    VFIOSim *s = device("stop-bytes=4K dma-base=1M dma-size=256K");
    unsigned int i;
    uint64_t pages;

    /* The window and the logs */
    for (i = 0; i <= VFIO_SIM_LOGS; i++) {
        fail_allocation(i);
        CHECK_EQ(set_key(s, 0, "dma-rate=400K"), -ENOMEM);
        dma_until(s, S, &pages);
        CHECK_EQ(pages, 0);
    }
    fail_allocation(UINT_MAX);
    CHECK_EQ(set_key(s, S, "dma-rate=400K"), 0);
    dma_until(s, S + 50 * MS, &pages);
    CHECK_EQ(pages, 5);
}

static void test_large_window(void)
{
    VFIOSim *s = device("dma-base=0 dma-size=4G dma-rate=1G stop-bytes=0");
    VFIOSim *d = device("");
    const VFIOSimWindow *w;
    size_t len, i;
    uint8_t *buf;

    write_pages(s, 0, 100);
    buf = save_stream(s, &len);
    CHECK(len > 4 * MIB && len < 5 * MIB);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    CHECK_EQ(write_data(d, buf, len), len);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_STOP), 0);
    w = received_window(d);
    CHECK_EQ(w->pages, 1 << 20);
    for (i = 0; i < w->pages; i++) {
        CHECK_EQ(w->count[i], own_window(s)->count[i]);
    }
}

static const TapCase cases[] = {
    TAP_CASE("log", test_log,
             "the logs report the pages written in their ranges, once"),
    TAP_CASE("states", test_states,
             "the device writes memory in RUNNING and PRE_COPY only"),
    TAP_CASE("verify", test_verify,
             "destinations verify the memory that a chain of sources wrote"),
    TAP_CASE("drop-log", test_drop_log,
             "drop-log-every leaves pages out of the log"),
    TAP_CASE("not-written", test_not_written,
             "a page without memory is counted, and not logged"),
    TAP_CASE("without-dma", test_without_dma,
             "a device without DMA has empty logs"),
    TAP_CASE("pause", test_pause, "dma-rate can be set to 0 and back"),
    TAP_CASE("out-of-memory", test_out_of_memory,
             "allocations that fail leave a device without DMA"),
    TAP_CASE("large-window", test_large_window,
             "the window of 4 GiB is migrated in several frames"),
};

TAP_GROUP(model_dma, "dma", cases);
