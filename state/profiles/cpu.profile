# The CPU engine: shown as what it is. Everything not named here is util/device.def's default.
name = vgpufs CPU engine
architecture = Blackwell
compute_cap = 12.0
library_compute_cap = 13.0
memory_total = 16GiB
