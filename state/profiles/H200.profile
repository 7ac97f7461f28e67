# NVIDIA H200 (GH100, SXM5, 141 GB HBM3e)
# Memory is what CUDA reports with ECC as delivered, not the size on the label.
name = NVIDIA H200
brand = NVIDIA
architecture = Hopper
compute_cap = 9.0
memory_total = 150109880320
sm_count = 132
clock_khz = 1980000
memory_clock_khz = 3201000
memory_bus_width = 6016
l2_cache = 62914560
copy_engines = 3
ecc_supported = 1
mig_profiles = H200-141GB

# limits of compute capability 9.0
threads_per_sm = 2048
blocks_per_sm = 32
shared_per_sm = 233472
shared_per_block_optin = 232448
shared_reserved = 1024

pci_device = 0x2335
pci_subdevice = 0x18bf
pci_class = 0x030200
pci_revision = 0xa1
pcie_gen = 5
pcie_width = 16
bar1_total = 256GiB
vbios = 96.00.a5.00.1a
part_number = 692-2G520-0282-001
gsp = 1
sxm = 1

power_limit_mw = 700000
power_limit_min_mw = 200000
power_idle_mw = 75000
temp_idle_c = 29
temp_load_c = 65
temp_slowdown_c = 89
temp_shutdown_c = 95
fans = 0
