/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test cases with a pair of QEMUs: set-up, skip and tear-down
 */

#ifndef QTEST_VFIO_CASE_H
#define QTEST_VFIO_CASE_H

#include "vfio/pair.h"

typedef struct VfioCase {
    const char *path;           /* below the one of the program */
    const char *description;    /* one sentence, printed when it is run */
    MigPairOptions pair;
    void (*run)(MigPair *p, const void *data);
    const void *data;
} VfioCase;

/* Register a copy of @c */
void vfio_case_add(const VfioCase *c);

/* The same, with the path GROUP/NAME */
void vfio_case_add_as(const char *group, const char *name, const VfioCase *c);

#define VFIO_CASES_ADD(cases)                                          \
    do {                                                               \
        for (int i_ = 0; i_ < ARRAY_SIZE(cases); i_++) {               \
            vfio_case_add(&(cases)[i_]);                               \
        }                                                              \
    } while (0)

/*
 * The main() of a test program.  @add registers its cases, whose paths begin
 * with @path.
 */
int vfio_case_main(int argc, char **argv, const char *path,
                   void (*add)(void));

#endif
