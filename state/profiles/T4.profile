# Tesla T4 (TU104, PCIe, 16 GB GDDR6)
# Memory is what CUDA reports with ECC as delivered, not the size on the label.
name = Tesla T4
brand = NVIDIA
architecture = Turing
compute_cap = 7.5
memory_total = 15642329088
sm_count = 40
clock_khz = 1590000
memory_clock_khz = 5001000
memory_bus_width = 256
l2_cache = 4194304
copy_engines = 3
ecc_supported = 1

# limits of compute capability 7.5
threads_per_sm = 1024
blocks_per_sm = 16
shared_per_sm = 65536
shared_per_block_optin = 65536
shared_reserved = 0

pci_device = 0x1eb8
pci_subdevice = 0x12a2
pci_class = 0x030200
pci_revision = 0xa1
pcie_gen = 3
pcie_width = 16
bar1_total = 256MiB
vbios = 90.04.96.00.02
part_number = 900-2G183-0000-001
gpu_part_number = 1EB8-895-A1
inforom_image = G183.0200.00.02
inforom_oem = 1.1
inforom_ecc = 5.0
gsp = 1

power_limit_mw = 70000
power_limit_min_mw = 60000
power_idle_mw = 10000
temp_idle_c = 30
temp_load_c = 75
temp_slowdown_c = 93
temp_shutdown_c = 96
temp_max_c = 85
fans = 0
