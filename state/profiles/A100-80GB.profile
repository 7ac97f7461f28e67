# NVIDIA A100 80GB PCIe (GA100, PCIe, 80 GB HBM2e)
# Memory is what CUDA reports with ECC as delivered, not the size on the label.
name = NVIDIA A100 80GB PCIe
brand = NVIDIA
architecture = Ampere
compute_cap = 8.0
memory_total = 84974239744
sm_count = 108
clock_khz = 1410000
memory_clock_khz = 1512000
memory_bus_width = 5120
l2_cache = 41943040
copy_engines = 3
ecc_supported = 1
mig_profiles = A100-80GB

# limits of compute capability 8.0
threads_per_sm = 2048
blocks_per_sm = 32
shared_per_sm = 167936
shared_per_block_optin = 166912
shared_reserved = 1024

pci_device = 0x20b5
pci_subdevice = 0x1533
pci_class = 0x030200
pci_revision = 0xa1
pcie_gen = 4
pcie_width = 16
bar1_total = 128GiB
vbios = 92.00.68.00.01
part_number = 900-21001-0020-000
gsp = 1

power_limit_mw = 300000
power_limit_min_mw = 150000
power_idle_mw = 45000
temp_idle_c = 33
temp_load_c = 70
temp_slowdown_c = 90
temp_shutdown_c = 93
fans = 0
