# Tesla V100-SXM2-16GB (GV100, SXM2, 16 GB HBM2)
# Memory is what CUDA reports with ECC as delivered, not the size on the label.
name = Tesla V100-SXM2-16GB
brand = NVIDIA
architecture = Volta
compute_cap = 7.0
memory_total = 16928342016
sm_count = 80
clock_khz = 1530000
memory_clock_khz = 877000
memory_bus_width = 4096
l2_cache = 6291456
copy_engines = 5
ecc_supported = 1

# limits of compute capability 7.0
threads_per_sm = 2048
blocks_per_sm = 32
shared_per_sm = 98304
shared_per_block_optin = 98304
shared_reserved = 0

pci_device = 0x1db1
pci_subdevice = 0x1212
pci_class = 0x030200
pci_revision = 0xa1
pcie_gen = 3
pcie_width = 16
bar1_total = 16GiB
vbios = 88.00.4f.00.09
part_number = 900-2G503-0000-000
sxm = 1

power_limit_mw = 300000
power_limit_min_mw = 150000
power_idle_mw = 40000
temp_idle_c = 33
temp_load_c = 75
temp_slowdown_c = 87
temp_shutdown_c = 90
fans = 0
