/*
 * Unit tests for the rate limit of a migration, and bursts that exceed it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "io/channel-null.h"
#include "migration/migration-stats.h"
#include "migration/qemu-file.h"

/* Bytes in a cycle of 100 ms */
#define CYCLE (10 * MiB)

static QEMUFile *file;

static void begin(uint64_t limit)
{
    memset(&mig_stats, 0, sizeof(mig_stats));
    migration_rate_set(limit);
    migration_rate_reset(1);
}

/* Send until the limit, but no more than @most; returns the bytes */
static uint64_t send_data(uint64_t most)
{
    uint64_t sent = 0;

    while (sent < most && !migration_rate_exceeded(file)) {
        stat64_add(&mig_stats.multifd_bytes, MiB);
        sent += MiB;
    }
    return sent;
}

/* The limit is exceeded by what is sent last */
static void check_sent(uint64_t cycles, uint64_t used)
{
    g_assert_cmpuint(send_data(UINT64_MAX), ==, cycles * CYCLE + MiB - used);
}

static void test_limit(void)
{
    int i;

    begin(10 * CYCLE);
    for (i = 0; i < 3; i++) {
        check_sent(1, 0);
        g_assert_cmpuint(migration_rate_owed(), ==, 0);
        migration_rate_reset(1);
    }
}

/* In one cycle all of ten, and then nothing in the nine that follow */
static void test_burst(void)
{
    uint64_t sent;
    int i;

    begin(10 * CYCLE);
    sent = send_data(3 * MiB);
    migration_rate_advance(9);
    check_sent(10, 3 * MiB);
    migration_rate_advance(0);
    for (i = 0; i < 9; i++) {
        migration_rate_reset(1);
        g_assert_cmpuint(send_data(UINT64_MAX), ==, 0);
        g_assert_cmpuint(migration_rate_owed(), ==, (9 - i) * CYCLE + MiB);
    }
    migration_rate_reset(1);
    /* But for what exceeded the limit */
    g_assert_cmpuint(migration_rate_owed(), ==, MiB);
    check_sent(1, MiB);
    migration_rate_reset(1);
    g_assert_cmpuint(migration_rate_owed(), ==, 0);
    check_sent(1, 0);
    g_assert_cmpuint(sent, ==, 3 * MiB);
}

/* A slow link: in a burst of several cycles each of them counts */
static void test_slow(void)
{
    int i;

    begin(10 * CYCLE);
    migration_rate_advance(9);
    for (i = 0; i < 10; i++) {
        g_assert_cmpuint(send_data(CYCLE + 2 * MiB), ==, CYCLE + 2 * MiB);
        migration_rate_reset(1);
        g_assert_cmpuint(migration_rate_owed(), ==, (i + 1) * 2 * MiB);
    }
    migration_rate_advance(0);
    g_assert_cmpuint(migration_rate_owed(), ==, 20 * MiB);
    g_assert_cmpuint(send_data(UINT64_MAX), ==, 0);
    migration_rate_reset(1);
    check_sent(1, CYCLE);
    migration_rate_reset(1);
    check_sent(1, 0);

    /* Cycles in which nothing was checked count as well */
    begin(10 * CYCLE);
    migration_rate_advance(9);
    send_data(10 * CYCLE);
    migration_rate_reset(4);
    g_assert_cmpuint(migration_rate_owed(), ==, 6 * CYCLE);
    migration_rate_advance(0);
    migration_rate_reset(7);
    g_assert_cmpuint(migration_rate_owed(), ==, 0);

    /* Slower than the limit: nothing is owed */
    begin(10 * CYCLE);
    migration_rate_advance(9);
    for (i = 0; i < 10; i++) {
        send_data(MiB);
        migration_rate_reset(1);
    }
    migration_rate_advance(0);
    g_assert_cmpuint(migration_rate_owed(), ==, 0);
}

/* Nothing is owed to another limit, or to none */
static void test_other_limit(void)
{
    int i;

    begin(10 * CYCLE);
    migration_rate_advance(9);
    send_data(UINT64_MAX);
    migration_rate_advance(0);
    migration_rate_set(20 * CYCLE);
    g_assert_cmpuint(migration_rate_owed(), ==, 0);
    check_sent(2, 0);

    /* In the middle of a burst: no more than a second of it */
    begin(10 * CYCLE);
    migration_rate_advance(9);
    send_data(UINT64_MAX);
    migration_rate_set(MiB);
    migration_rate_advance(0);
    migration_rate_reset(1);
    g_assert_cmpuint(migration_rate_owed(), <=, MiB);
    for (i = 0; i < 10; i++) {
        migration_rate_reset(1);
    }
    g_assert_cmpuint(migration_rate_owed(), ==, 0);

    begin(0);
    migration_rate_advance(9);
    send_data(100 * CYCLE);
    migration_rate_advance(0);
    g_assert_cmpuint(migration_rate_owed(), ==, 0);
    g_assert_false(migration_rate_exceeded(file));

    /* It is removed in the middle of a burst */
    begin(10 * CYCLE);
    migration_rate_advance(9);
    send_data(UINT64_MAX);
    migration_rate_set(0);
    migration_rate_advance(0);
    migration_rate_reset(1);
    g_assert_cmpuint(migration_rate_owed(), ==, 0);
    g_assert_cmpuint(send_data(50 * CYCLE), ==, 50 * CYCLE);
}

int main(int argc, char **argv)
{
    g_autoptr(QIOChannelNull) null = NULL;
    int ret;

    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_INIT_QOM);
    null = qio_channel_null_new();
    file = qemu_file_new_output(QIO_CHANNEL(null));
    g_test_add_func("/mig-rate/limit", test_limit);
    g_test_add_func("/mig-rate/burst", test_burst);
    g_test_add_func("/mig-rate/slow", test_slow);
    g_test_add_func("/mig-rate/other-limit", test_other_limit);
    ret = g_test_run();
    qemu_fclose(file);
    return ret;
}
