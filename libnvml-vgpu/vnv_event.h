/* vnv_event.h: event sets, for vnv_init.c. */
#ifndef VGPU_NVML_VNV_EVENT_H
#define VGPU_NVML_VNV_EVENT_H

/* Frees all event sets; those that a thread waits in wake up and say so. Under the lock. */
void vnv_events_close(void);

#endif
