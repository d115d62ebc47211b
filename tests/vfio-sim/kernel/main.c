// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Simulated VFIO device that can be migrated, as a mediated device
 *
 * THIS IS A TEST DEVICE.  It exists to test VFIO and its users: it has no
 * hardware, and can be made to fail and to report wrong sizes.  There is no
 * reason to load it on a machine that does any other work.
 *
 * The device's behaviour is in the model (../model/), which the
 * userspace front-end uses as well.  This directory has what connects it with
 * the VFIO core: the operations of the device (device.c), the data files
 * (files.c), and a sysfs attribute for each one of the model (sysfs.c):
 *
 *   echo $UUID >/sys/class/vfio_sim/vfio_sim/mdev_supported_types/vfio_sim-pci/create
 *   echo 64M >/sys/bus/mdev/devices/$UUID/vfio_sim/stop-bytes
 *   cat /sys/bus/mdev/devices/$UUID/vfio_sim/state
 *
 * Locks.  sim_dev.state_mutex serialises state changes and resets, and may be
 * held for as long as the user makes a state change take; all threads that wait
 * for it, or with it held, can be killed.  sim_dev.lock protects the model and
 * is never held across such a wait.  It is taken inside of state_mutex, and the
 * VFIO container's lock inside of it (vfio_dma_rw()).  sim_file.lock, the
 * outermost, protects one data file's buffer.
 *
 * Lifetimes.  A data file holds a reference to the device (and, as every file,
 * to this module), so it may be used after the device was closed or removed:
 * its session is over then, which is -ENODEV.
 */

#include <linux/device.h>
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "sim.h"

#define SIM_MAX_INSTANCES	64

struct workqueue_struct *sim_wq;

static int sim_probe(struct mdev_device *mdev)
{
	struct sim_dev *d;
	int ret;

	d = vfio_alloc_device(sim_dev, vdev, &mdev->dev, &sim_ops);
	if (IS_ERR(d))
		return PTR_ERR(d);
	dev_set_drvdata(&mdev->dev, d);
	ret = vfio_register_emulated_iommu_dev(&d->vdev);
	if (ret)
		vfio_put_device(&d->vdev);
	return ret;
}

static void sim_remove(struct mdev_device *mdev)
{
	struct sim_dev *d = dev_get_drvdata(&mdev->dev);

	/* Waits until it is closed */
	vfio_unregister_group_dev(&d->vdev);
	vfio_put_device(&d->vdev);
}

static struct mdev_driver sim_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.max_instances = SIM_MAX_INSTANCES,
	.probe = sim_probe,
	.remove = sim_remove,
	.driver = {
		.name = SIM_NAME,
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
		.dev_groups = sim_groups,
	},
};

static struct mdev_type sim_type = {
	.sysfs_name = "pci",
	.pretty_name = "Simulated PCI function that can be migrated",
};
static struct mdev_type *sim_types[] = { &sim_type };

static struct class sim_class = { .name = SIM_NAME };
static struct mdev_parent sim_parent;
static struct device *sim_parent_dev;

static void sim_parent_release(struct device *dev)
{
	kfree(dev);
}

static int __init sim_module_init(void)
{
	int ret;

	sim_wq = alloc_workqueue(SIM_NAME, WQ_UNBOUND, 0);
	if (!sim_wq)
		return -ENOMEM;
	ret = sim_attributes_init();
	if (ret)
		goto err_wq;
	ret = class_register(&sim_class);
	if (ret)
		goto err_attributes;
	ret = mdev_register_driver(&sim_driver);
	if (ret)
		goto err_class;

	ret = -ENOMEM;
	sim_parent_dev = kzalloc(sizeof(*sim_parent_dev), GFP_KERNEL);
	if (!sim_parent_dev)
		goto err_driver;
	sim_parent_dev->class = &sim_class;
	sim_parent_dev->release = sim_parent_release;
	device_initialize(sim_parent_dev);
	ret = dev_set_name(sim_parent_dev, SIM_NAME);
	if (ret)
		goto err_put;
	ret = device_add(sim_parent_dev);
	if (ret)
		goto err_put;
	ret = mdev_register_parent(&sim_parent, sim_parent_dev, &sim_driver,
				   sim_types, ARRAY_SIZE(sim_types));
	if (ret)
		goto err_del;
	return 0;

err_del:
	device_del(sim_parent_dev);
err_put:
	put_device(sim_parent_dev);
err_driver:
	mdev_unregister_driver(&sim_driver);
err_class:
	class_unregister(&sim_class);
err_attributes:
	sim_attributes_exit();
err_wq:
	destroy_workqueue(sim_wq);
	return ret;
}

static void __exit sim_module_exit(void)
{
	mdev_unregister_parent(&sim_parent);
	device_unregister(sim_parent_dev);
	mdev_unregister_driver(&sim_driver);
	class_unregister(&sim_class);
	sim_attributes_exit();
	destroy_workqueue(sim_wq);
}

module_init(sim_module_init);
module_exit(sim_module_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Simulated VFIO device for tests of migration");
MODULE_AUTHOR("The vfio-sim authors");
