# NVIDIA L4 (AD104, PCIe, 24 GB GDDR6)
# Memory is what CUDA reports with ECC as delivered, not the size on the label.
name = NVIDIA L4
brand = NVIDIA
architecture = Ada Lovelace
compute_cap = 8.9
memory_total = 23612293120
sm_count = 58
clock_khz = 2040000
memory_clock_khz = 6251000
memory_bus_width = 192
l2_cache = 50331648
copy_engines = 2
ecc_supported = 1

# limits of compute capability 8.9
threads_per_sm = 1536
blocks_per_sm = 24
shared_per_sm = 102400
shared_per_block_optin = 101376
shared_reserved = 1024

pci_device = 0x27b8
pci_subdevice = 0x16ca
pci_class = 0x030200
pci_revision = 0xa1
pcie_gen = 4
pcie_width = 16
bar1_total = 32GiB
vbios = 95.04.29.00.06
part_number = 900-2G193-0000-000
gsp = 1

power_limit_mw = 72000
power_limit_min_mw = 40000
power_idle_mw = 16000
temp_idle_c = 35
temp_load_c = 75
temp_slowdown_c = 88
temp_shutdown_c = 91
fans = 0
