// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The model, which is the userspace front-end's, too; included rather than
 * listed in Kbuild, so that its directory has no files of kbuild's
 */
#include "../model/attributes.c"
#include "../model/calls.c"
#include "../model/dma.c"
#include "../model/model.c"
#include "../model/patterns.c"
#include "../model/pci.c"
#include "../model/profile.c"
#include "../model/sizes.c"
#include "../model/states.c"
#include "../model/stream.c"
#include "../model/values.c"
