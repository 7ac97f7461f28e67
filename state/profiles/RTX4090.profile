# NVIDIA GeForce RTX 4090 (AD102, PCIe, 24 GB GDDR6X)
# Memory is what CUDA reports with ECC as delivered, not the size on the label.
name = NVIDIA GeForce RTX 4090
brand = GeForce
architecture = Ada Lovelace
compute_cap = 8.9
memory_total = 25250627584
sm_count = 128
clock_khz = 2520000
memory_clock_khz = 10501000
memory_bus_width = 384
l2_cache = 75497472
copy_engines = 2
ecc_supported = 0

# limits of compute capability 8.9
threads_per_sm = 1536
blocks_per_sm = 24
shared_per_sm = 102400
shared_per_block_optin = 101376
shared_reserved = 1024

pci_device = 0x2684
pci_subdevice = 0x167c
pci_class = 0x030000
pci_revision = 0xa1
pcie_gen = 4
pcie_width = 16
bar1_total = 32GiB
vbios = 95.02.18.80.5f
part_number = N/A
gsp = 1

power_limit_mw = 450000
power_limit_min_mw = 150000
power_idle_mw = 20000
temp_idle_c = 32
temp_load_c = 70
temp_slowdown_c = 90
temp_shutdown_c = 93
fans = 2
