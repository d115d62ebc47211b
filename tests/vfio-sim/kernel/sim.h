/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Simulated VFIO device that can be migrated: what the parts of the module
 * share
 */

#ifndef VFIO_SIM_KERNEL_SIM_H
#define VFIO_SIM_KERNEL_SIM_H

#include <linux/mutex.h>
#include <linux/vfio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../model/attributes.h"
#include "../model/model.h"
#include "../model/pci.h"

#define SIM_NAME		"vfio_sim"

struct file;
struct attribute_group;

struct sim_dev {
	struct vfio_device vdev;	/* first, for vfio_alloc_device() */
	struct mutex state_mutex;	/* state changes and resets */
	struct mutex lock;		/* the model, and what follows */
	wait_queue_head_t wait;
	unsigned int generation;	/* what is waited for may have changed */
	bool open;
	struct file *new_file;		/* of the state change under way */
	u8 config[VFIO_SIM_CONFIG_SIZE];
	VFIOSim *sim;
	/* Not under a lock: memory of the user's own making */
	u8 *bar;
	/* Only with the lock held */
	void *page;
	struct delayed_work dma;
};

/* main.c */
extern struct workqueue_struct *sim_wq;

/* device.c */
extern const struct vfio_device_ops sim_ops;
/* Wake all that wait for a change.  Called with the lock held. */
void sim_changed(struct sim_dev *d);
/* Sleep without any lock. */
int sim_sleep(u64 ns, bool killable);

/* files.c */
struct file *sim_file_open(struct sim_dev *d, bool resuming);
void sim_file_set_session(struct file *filp, u32 session);

/* sysfs.c */
extern const struct attribute_group *sim_groups[];
int sim_attributes_init(void);
void sim_attributes_exit(void);

#endif /* VFIO_SIM_KERNEL_SIM_H */
