# NVIDIA A100-SXM4-40GB (GA100, SXM4, 40 GB HBM2)
# Memory is what CUDA reports with ECC as delivered, not the size on the label.
name = NVIDIA A100-SXM4-40GB
brand = NVIDIA
architecture = Ampere
compute_cap = 8.0
memory_total = 42405855232
sm_count = 108
clock_khz = 1410000
memory_clock_khz = 1215000
memory_bus_width = 5120
l2_cache = 41943040
copy_engines = 3
ecc_supported = 1
mig_profiles = A100-40GB
remap_banks = 640

# limits of compute capability 8.0
threads_per_sm = 2048
blocks_per_sm = 32
shared_per_sm = 167936
shared_per_block_optin = 166912
shared_reserved = 1024

pci_device = 0x20b0
pci_subdevice = 0x134f
pci_class = 0x030200
pci_revision = 0xa1
pcie_gen = 4
pcie_width = 16
bar1_total = 64GiB
vbios = 92.00.45.00.03
part_number = 692-2G506-0200-003
gpu_part_number = 20B0-884-A1
inforom_image = G506.0200.00.04
inforom_oem = 2.0
inforom_ecc = 6.16
gsp = 1
sxm = 1

power_limit_mw = 400000
power_limit_min_mw = 100000
power_idle_mw = 50000
temp_idle_c = 33
temp_load_c = 70
temp_slowdown_c = 89
temp_shutdown_c = 92
temp_max_c = 85
temp_memory_max_c = 95
fans = 0
