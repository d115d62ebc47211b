/*
 * Tests of the device model
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "model-fixture.h"

static const TapGroup *const groups[] = {
    &model_states, &model_sizes, &model_stream, &model_format, &model_faults,
    &model_reinit, &model_dma, &model_drivers, &model_calls,
    &model_profiles, NULL
};

static const TapProgram program = {
    .about = "Tests of the model of the simulated VFIO device",
    .groups = groups,
    .tear_down = model_tear_down,
};

int main(int argc, char **argv)
{
    tap_options(&program, argc, argv);
    return tap_run(&program);
}
