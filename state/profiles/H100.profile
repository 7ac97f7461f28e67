# NVIDIA H100 80GB HBM3 (GH100, SXM5)
# Memory is what CUDA reports with ECC as delivered, not the size on the label.
name = NVIDIA H100 80GB HBM3
brand = NVIDIA
architecture = Hopper
compute_cap = 9.0
memory_total = 85017755648
sm_count = 132
clock_khz = 1980000
memory_clock_khz = 2619000
memory_bus_width = 5120
l2_cache = 52428800
copy_engines = 3
ecc_supported = 1
mig_profiles = H100-80GB
remap_banks = 2560

# limits of compute capability 9.0
threads_per_sm = 2048
blocks_per_sm = 32
shared_per_sm = 233472
shared_per_block_optin = 232448
shared_reserved = 1024

pci_device = 0x2330
pci_subdevice = 0x16c1
pci_class = 0x030200
pci_revision = 0xa1
pcie_gen = 5
pcie_width = 16
bar1_total = 128GiB
vbios = 96.00.99.00.01
part_number = 692-2G520-0200-000
gpu_part_number = 2330-885-A1
inforom_image = G520.0200.00.05
inforom_oem = 2.1
inforom_ecc = 7.16
gsp = 1
sxm = 1

power_limit_mw = 700000
power_limit_min_mw = 200000
power_idle_mw = 70000
temp_idle_c = 29
temp_load_c = 65
temp_slowdown_c = 89
temp_shutdown_c = 95
temp_max_c = 87
fans = 0
