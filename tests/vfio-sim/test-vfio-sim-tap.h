/*
 * The little that the simulator's tests need to speak TAP
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TEST_VFIO_SIM_TAP_H
#define TEST_VFIO_SIM_TAP_H

#include <stdio.h>
#include <stdlib.h>

static int tap_tests;
static int tap_failures;
static int tap_failed_checks;

#define CHECK(cond) \
    do { \
        if (!(cond)) { \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
            tap_failed_checks++; \
        } \
    } while (0)

#define CHECK_EQ(a, b) \
    do { \
        long long a_ = (a); \
        long long b_ = (b); \
        if (a_ != b_) { \
            printf("# %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, \
                   #a, a_, b_); \
            tap_failed_checks++; \
        } \
    } while (0)

#define RUN(fn) \
    do { \
        tap_failed_checks = 0; \
        fn(); \
        printf("%sok %d - %s\n", tap_failed_checks ? "not " : "", \
               ++tap_tests, #fn); \
        tap_failures += tap_failed_checks != 0; \
        fflush(stdout); \
    } while (0)

static inline int tap_done(void)
{
    printf("1..%d\n", tap_tests);
    return tap_failures ? 1 : 0;
}

#endif /* TEST_VFIO_SIM_TAP_H */
