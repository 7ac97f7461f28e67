# NVIDIA A10 (GA102, PCIe, 24 GB GDDR6)
# Memory is what CUDA reports with ECC as delivered, not the size on the label.
name = NVIDIA A10
brand = NVIDIA
architecture = Ampere
compute_cap = 8.6
memory_total = 23696375808
sm_count = 72
clock_khz = 1695000
memory_clock_khz = 6251000
memory_bus_width = 384
l2_cache = 6291456
copy_engines = 2
ecc_supported = 1

# limits of compute capability 8.6
threads_per_sm = 1536
blocks_per_sm = 16
shared_per_sm = 102400
shared_per_block_optin = 101376
shared_reserved = 1024

pci_device = 0x2236
pci_subdevice = 0x1482
pci_class = 0x030200
pci_revision = 0xa1
pcie_gen = 4
pcie_width = 16
bar1_total = 32GiB
vbios = 94.02.75.00.01
part_number = 900-2G133-0020-000
gsp = 1

power_limit_mw = 150000
power_limit_min_mw = 100000
power_idle_mw = 20000
temp_idle_c = 30
temp_load_c = 75
temp_slowdown_c = 95
temp_shutdown_c = 98
fans = 0
