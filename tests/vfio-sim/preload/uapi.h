/*
 * The part of the Linux VFIO and IOMMUFD userspace ABI that the simulator
 * answers.
 *
 * The kernel headers of a long-lived distribution are older than the calls
 * that QEMU makes (Debian 12 has Linux 6.1: no IOMMUFD, no stop-copy length),
 * so the numbers and layouts are written down here, under names of our own
 * that cannot clash with <linux/vfio.h> or <linux/iommufd.h>.  Each structure
 * names its counterpart, where the meaning is documented.  All requests are
 * _IO(';', nr), that is without a direction and a size.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_UAPI_H
#define VFIO_SIM_UAPI_H

#include <stdint.h>

#define SIM_IO(nr)                      ((uint32_t)(';' << 8 | (nr)))

/* linux/vfio.h: calls on a device fd ... */
#define SIM_DEVICE_GET_INFO             SIM_IO(107)
#define SIM_DEVICE_GET_REGION_INFO      SIM_IO(108)
#define SIM_DEVICE_GET_IRQ_INFO         SIM_IO(109)
#define SIM_DEVICE_SET_IRQS             SIM_IO(110)
#define SIM_DEVICE_RESET                SIM_IO(111)
#define SIM_DEVICE_FEATURE              SIM_IO(117)
#define SIM_DEVICE_BIND_IOMMUFD         SIM_IO(118)
#define SIM_DEVICE_ATTACH_PT            SIM_IO(119)
#define SIM_DEVICE_DETACH_PT            SIM_IO(120)
/* ... and on a migration data fd */
#define SIM_MIG_GET_PRECOPY_INFO        SIM_IO(121)

/* struct vfio_device_info */
struct sim_device_info {
    uint32_t argsz;
    uint32_t flags;
#define SIM_DEVICE_FLAGS_RESET          (1u << 0)
#define SIM_DEVICE_FLAGS_PCI            (1u << 1)
    uint32_t num_regions;
    uint32_t num_irqs;
    /* the kernel's structure goes on with cap_offset and padding */
};

/* struct vfio_region_info */
struct sim_region_info {
    uint32_t argsz;
    uint32_t flags;
#define SIM_REGION_READ                 (1u << 0)
#define SIM_REGION_WRITE                (1u << 1)
#define SIM_REGION_MMAP                 (1u << 2)
    uint32_t index;
    uint32_t cap_offset;
    uint64_t size;
    uint64_t offset;
};

enum {
    SIM_REGION_BAR0 = 0,
    SIM_REGION_CONFIG = 7,
    SIM_REGION_VGA = 8,
    SIM_REGION_NR = 9,
};

/* struct vfio_irq_info */
struct sim_irq_info {
    uint32_t argsz;
    uint32_t flags;
#define SIM_IRQ_EVENTFD                 (1u << 0)
    uint32_t index;
    uint32_t count;
};

/* struct vfio_irq_set */
struct sim_irq_set {
    uint32_t argsz;
    uint32_t flags;
    uint32_t index;
    uint32_t start;
    uint32_t count;
};

enum {
    SIM_IRQ_ERR = 3,
    SIM_IRQ_REQ = 4,
    SIM_IRQ_NR = 5,
};

/* struct vfio_device_bind_iommufd */
struct sim_bind {
    uint32_t argsz;
    uint32_t flags;
    int32_t iommufd;
    uint32_t out_devid;
};

/* struct vfio_device_attach_iommufd_pt */
struct sim_attach {
    uint32_t argsz;
    uint32_t flags;
    uint32_t pt_id;
};

/* struct vfio_device_detach_iommufd_pt */
struct sim_detach {
    uint32_t argsz;
    uint32_t flags;
};

/* struct vfio_device_feature, followed by the data of the feature */
struct sim_feature {
    uint32_t argsz;
    uint32_t flags;
#define SIM_FEATURE_MASK                0xffffu
#define SIM_FEATURE_GET                 (1u << 16)
#define SIM_FEATURE_SET                 (1u << 17)
#define SIM_FEATURE_PROBE               (1u << 18)
};

enum {
    SIM_FEATURE_MIGRATION = 1,
    SIM_FEATURE_MIG_STATE = 2,
    SIM_FEATURE_LOG_START = 6,
    SIM_FEATURE_LOG_STOP = 7,
    SIM_FEATURE_LOG_REPORT = 8,
    SIM_FEATURE_MIG_DATA_SIZE = 9,
    /* 11 (DMA_BUF) is asked for: ENOTTY */
    SIM_FEATURE_PRECOPY_INFO_V2 = 12,
};

/* struct vfio_device_feature_migration; the flags are VFIO_SIM_MIG_* */
struct sim_feature_migration {
    uint64_t flags;
};

/* struct vfio_device_feature_mig_state; the states are VFIO_SIM_* */
struct sim_feature_mig_state {
    uint32_t device_state;
    int32_t data_fd;
};

/* struct vfio_device_feature_mig_data_size */
struct sim_feature_data_size {
    uint64_t stop_copy_length;
};

/* struct vfio_device_feature_dma_logging_control */
struct sim_log_control {
    uint64_t page_size;
    uint32_t num_ranges;
    uint32_t reserved;
    uint64_t ranges;
};

/* struct vfio_device_feature_dma_logging_range is VFIOSimRange */

/* struct vfio_device_feature_dma_logging_report */
struct sim_log_report {
    uint64_t iova;
    uint64_t length;
    uint64_t page_size;
    uint64_t bitmap;
};

/* struct vfio_precopy_info; the flags are VFIO_SIM_INFO_* */
struct sim_precopy_info {
    uint32_t argsz;
    uint32_t flags;
    uint64_t initial_bytes;
    uint64_t dirty_bytes;
};

/* linux/iommufd.h */
#define SIM_IOMMU_DESTROY               SIM_IO(0x80)
#define SIM_IOAS_ALLOC                  SIM_IO(0x81)
#define SIM_IOAS_IOVA_RANGES            SIM_IO(0x84)
#define SIM_IOAS_MAP                    SIM_IO(0x85)
#define SIM_IOAS_UNMAP                  SIM_IO(0x86)
#define SIM_HWPT_ALLOC                  SIM_IO(0x89)
#define SIM_GET_HW_INFO                 SIM_IO(0x8a)
#define SIM_HWPT_SET_DIRTY              SIM_IO(0x8b)
#define SIM_HWPT_GET_DIRTY              SIM_IO(0x8c)
#define SIM_IOAS_MAP_FILE               SIM_IO(0x8f)
#define SIM_IOAS_CHANGE_PROCESS         SIM_IO(0x92)

/* struct iommu_destroy */
struct sim_iommu_destroy {
    uint32_t size;
    uint32_t id;
};

/* struct iommu_ioas_alloc */
struct sim_ioas_alloc {
    uint32_t size;
    uint32_t flags;
    uint32_t out_ioas_id;
};

/* struct iommu_iova_range */
struct sim_iova_range {
    uint64_t start;
    uint64_t last;
};

/* struct iommu_ioas_iova_ranges */
struct sim_ioas_iova_ranges {
    uint32_t size;
    uint32_t ioas_id;
    uint32_t num_iovas;
    uint32_t reserved;
    uint64_t allowed_iovas;
    uint64_t out_iova_alignment;
};

#define SIM_IOAS_MAP_FIXED_IOVA         (1u << 0)
#define SIM_IOAS_MAP_WRITEABLE          (1u << 1)

/* struct iommu_ioas_map */
struct sim_ioas_map {
    uint32_t size;
    uint32_t flags;
    uint32_t ioas_id;
    uint32_t reserved;
    uint64_t user_va;
    uint64_t length;
    uint64_t iova;
};

/* struct iommu_ioas_map_file */
struct sim_ioas_map_file {
    uint32_t size;
    uint32_t flags;
    uint32_t ioas_id;
    int32_t fd;
    uint64_t start;
    uint64_t length;
    uint64_t iova;
};

/* struct iommu_ioas_unmap */
struct sim_ioas_unmap {
    uint32_t size;
    uint32_t ioas_id;
    uint64_t iova;
    uint64_t length;
};

/* struct iommu_hwpt_alloc, without its last two words */
struct sim_hwpt_alloc {
    uint32_t size;
    uint32_t flags;
#define SIM_HWPT_NEST_PARENT            (1u << 0)
#define SIM_HWPT_DIRTY_TRACKING         (1u << 1)
    uint32_t dev_id;
    uint32_t pt_id;
    uint32_t out_hwpt_id;
    uint32_t reserved;
    uint32_t data_type;
    uint32_t data_len;
    uint64_t data_uptr;
};

/* struct iommu_hw_info */
struct sim_hw_info {
    uint32_t size;
    uint32_t flags;
    uint32_t dev_id;
    uint32_t data_len;
    uint64_t data_uptr;
    uint32_t out_data_type;
    uint8_t out_max_pasid_log2;
    uint8_t reserved[3];
    uint64_t out_capabilities;
#define SIM_HW_CAP_DIRTY_TRACKING       (1u << 0)
};

/* struct iommu_hwpt_set_dirty_tracking */
struct sim_hwpt_set_dirty {
    uint32_t size;
    uint32_t flags;
#define SIM_HWPT_DIRTY_ENABLE           (1u << 0)
    uint32_t hwpt_id;
    uint32_t reserved;
};

/* struct iommu_hwpt_get_dirty_bitmap */
struct sim_hwpt_get_dirty {
    uint32_t size;
    uint32_t hwpt_id;
    uint32_t flags;
#define SIM_HWPT_DIRTY_NO_CLEAR         (1u << 0)
    uint32_t reserved;
    uint64_t iova;
    uint64_t length;
    uint64_t page_size;
    uint64_t data;
};

/* linux/kvm.h: how QEMU tells KVM about a device fd */
#define SIM_KVM_SET_DEVICE_ATTR         0x4018aee1u
#define SIM_KVM_DEV_VFIO_FILE           1

/* struct kvm_device_attr */
struct sim_kvm_device_attr {
    uint32_t flags;
    uint32_t group;
    uint64_t attr;
    uint64_t addr;
};

#endif /* VFIO_SIM_UAPI_H */
