# NVIDIA L40S (AD102, PCIe, 48 GB GDDR6)
# Memory is what CUDA reports with ECC as delivered, not the size on the label.
name = NVIDIA L40S
brand = NVIDIA
architecture = Ada Lovelace
compute_cap = 8.9
memory_total = 47576711168
sm_count = 142
clock_khz = 2520000
memory_clock_khz = 9001000
memory_bus_width = 384
l2_cache = 100663296
copy_engines = 2
ecc_supported = 1
remap_banks = 192

# limits of compute capability 8.9
threads_per_sm = 1536
blocks_per_sm = 24
shared_per_sm = 102400
shared_per_block_optin = 101376
shared_reserved = 1024

pci_device = 0x26b9
pci_subdevice = 0x1851
pci_class = 0x030200
pci_revision = 0xa1
pcie_gen = 4
pcie_width = 16
bar1_total = 64GiB
vbios = 95.02.66.00.15
part_number = 900-2G133-0080-000
gpu_part_number = 26B9-896-A1
inforom_image = G133.0242.00.03
inforom_oem = 2.1
inforom_ecc = 6.16
gsp = 1

power_limit_mw = 350000
power_limit_min_mw = 100000
power_idle_mw = 35000
temp_idle_c = 29
temp_load_c = 70
temp_slowdown_c = 90
temp_shutdown_c = 93
temp_max_c = 88
fans = 0
