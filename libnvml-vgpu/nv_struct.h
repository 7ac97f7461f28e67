/*
 * nv_struct.h: NVML's public structures that implementations fill or read.
 * Layouts are those of the interface and asserted at the end; a versioned
 * structure's first word is its size | version << 24.
 */
#ifndef VGPU_NVML_NV_STRUCT_H
#define VGPU_NVML_NV_STRUCT_H

#include "libnvml-vgpu/nv_enum.h"

typedef unsigned long long nv_u64;

/* Handles. A MIG device is an nvmlDevice_t, too. */
typedef struct nvmlDevice_st *nvmlDevice_t;
typedef struct nvmlGpuInstance_st *nvmlGpuInstance_t;
typedef struct nvmlComputeInstance_st *nvmlComputeInstance_t;
typedef struct nvmlEventSet_st *nvmlEventSet_t;
typedef struct nvmlUnit_st *nvmlUnit_t;
typedef struct nvmlGpmSample_st *nvmlGpmSample_t;

/* ---- identity ---- */

typedef struct {
	char busIdLegacy[NVML_PCI_BUS_ID_V2_LEN];
	unsigned int domain;
	unsigned int bus;
	unsigned int device;
	unsigned int pciDeviceId;
	unsigned int pciSubSystemId;
	char busId[NVML_PCI_BUS_ID_LEN];
} nvmlPciInfo_t;

typedef struct {
	unsigned int version;
	unsigned int domain;
	unsigned int bus;
	unsigned int device;
	unsigned int pciDeviceId;
	unsigned int pciSubSystemId;
	unsigned int baseClass;
	unsigned int subClass;
	char busId[NVML_PCI_BUS_ID_LEN];
} nvmlPciInfoExt_t;

typedef struct {
	nvmlPciInfo_t pciInfo;
	char uuid[NVML_UUID_LEN];
} nvmlExcludedDeviceInfo_t;

typedef struct {
	unsigned int version;
	unsigned int type;
	union {
		char str[41];
		unsigned char bytes[16];
	} value;
} nvmlUUID_t;

typedef struct {
	unsigned int version;
	char branch[NVML_VERSION_LEN];
} nvmlSystemDriverBranchInfo_t;

typedef struct {
	unsigned int hwbcId;
	char firmwareVersion[32];
} nvmlHwbcEntry_t;

typedef struct {
	unsigned int version;
	unsigned int value;
} nvmlDeviceAddressingMode_t;

typedef struct {
	unsigned int isC2cEnabled;
} nvmlC2cModeInfo_v1_t;

typedef struct {
	unsigned int version;
	unsigned int capMask;
} nvmlDeviceCapabilities_t;

typedef struct {
	unsigned int multiprocessorCount;
	unsigned int sharedCopyEngineCount;
	unsigned int sharedDecoderCount;
	unsigned int sharedEncoderCount;
	unsigned int sharedJpegCount;
	unsigned int sharedOfaCount;
	unsigned int gpuInstanceSliceCount;
	unsigned int computeInstanceSliceCount;
	nv_u64 memorySizeMB;
} nvmlDeviceAttributes_t;

/* ---- memory ---- */

typedef struct {
	nv_u64 total;
	nv_u64 free;
	nv_u64 used;
} nvmlMemory_t;

typedef struct {
	unsigned int version;
	nv_u64 total;
	nv_u64 reserved;
	nv_u64 free;
	nv_u64 used;
} nvmlMemory_v2_t;

typedef struct {
	nv_u64 bar1Total;
	nv_u64 bar1Free;
	nv_u64 bar1Used;
} nvmlBAR1Memory_t;

/* ---- processes ---- */

typedef struct {
	unsigned int pid;
	nv_u64 usedGpuMemory;
} nvmlProcessInfo_v1_t;

typedef struct {
	unsigned int pid;
	nv_u64 usedGpuMemory;
	unsigned int gpuInstanceId;
	unsigned int computeInstanceId;
} nvmlProcessInfo_v2_t, nvmlProcessInfo_t;

typedef struct {
	unsigned int pid;
	nv_u64 usedGpuMemory;
	unsigned int gpuInstanceId;
	unsigned int computeInstanceId;
	nv_u64 usedGpuCcProtectedMemory;
} nvmlProcessDetail_v1_t;

typedef struct {
	unsigned int version;
	unsigned int mode;
	unsigned int numProcArrayEntries;
	nvmlProcessDetail_v1_t *procArray;
} nvmlProcessDetailList_t;

typedef struct {
	unsigned int pid;
	nv_u64 timeStamp;
	unsigned int smUtil;
	unsigned int memUtil;
	unsigned int encUtil;
	unsigned int decUtil;
} nvmlProcessUtilizationSample_t;

typedef struct {
	nv_u64 timeStamp;
	unsigned int pid;
	unsigned int smUtil;
	unsigned int memUtil;
	unsigned int encUtil;
	unsigned int decUtil;
	unsigned int jpgUtil;
	unsigned int ofaUtil;
} nvmlProcessUtilizationInfo_v1_t;

typedef struct {
	unsigned int version;
	unsigned int processSamplesCount;
	nv_u64 lastSeenTimeStamp;
	nvmlProcessUtilizationInfo_v1_t *procUtilArray;
} nvmlProcessesUtilizationInfo_t;

typedef struct {
	unsigned int gpuUtilization;
	unsigned int memoryUtilization;
	nv_u64 maxMemoryUsage;
	nv_u64 time;
	nv_u64 startTime;
	unsigned int isRunning;
	unsigned int reserved[5];
} nvmlAccountingStats_t;

typedef struct {
	unsigned int pid;
	unsigned int isRunning;
	unsigned int gpuUtilization;
	unsigned int memoryUtilization;
	nv_u64 maxMemoryUsage;
	unsigned int sampleCount;
	nv_u64 sumGpuUtil;
	nv_u64 sumFbUtil;
	nv_u64 time;
	nv_u64 startTime;
} nvmlAccountingStats_v2_t;

/* ---- load, samples, field values ---- */

typedef struct {
	unsigned int gpu;
	unsigned int memory;
} nvmlUtilization_t;

typedef union {
	double dVal;
	int siVal;
	unsigned int uiVal;
	unsigned long ulVal;
	nv_u64 ullVal;
	long long sllVal;
	unsigned short usVal;
} nvmlValue_t;

typedef struct {
	nv_u64 timeStamp;
	nvmlValue_t sampleValue;
} nvmlSample_t;

typedef struct {
	unsigned int fieldId;
	unsigned int scopeId;
	long long timestamp;
	long long latencyUsec;
	nvmlValueType_t valueType;
	nvmlReturn_t nvmlReturn;
	nvmlValue_t value;
} nvmlFieldValue_t;

typedef struct {
	unsigned int flags;
	struct {
		unsigned int bIsPresent;
		unsigned int percentage;
		unsigned int incThreshold;
		unsigned int decThreshold;
	} utilization[NVML_UTILIZATION_DOMAINS];
} nvmlGpuDynamicPstatesInfo_t;

typedef struct {
	nv_u64 referenceTime;
	nv_u64 violationTime;
} nvmlViolationTime_t;

typedef struct {
	unsigned int sessionsCount;
	unsigned int averageFPS;
	unsigned int averageLatency;
} nvmlFBCStats_t;

typedef struct {
	unsigned int version;
	unsigned int isSupportedDevice;
} nvmlGpmSupport_t;

typedef struct {
	unsigned int metricId;
	nvmlReturn_t nvmlReturn;
	double value;
	struct {
		const char *shortName, *longName, *unit;
	} metricInfo;
} nvmlGpmMetric_t;

/* The array is as long as numMetrics says: its length has changed from release to release, under one version. */
typedef struct {
	unsigned int version;
	unsigned int numMetrics;
	nvmlGpmSample_t sample1, sample2;
	nvmlGpmMetric_t metrics[];
} nvmlGpmMetricsGet_t;

/* ---- fabric ---- */

typedef struct {
	unsigned char clusterUuid[16];
	nvmlReturn_t status;
	unsigned int cliqueId;
	unsigned char state;
} nvmlGpuFabricInfo_t;

/* Version 2 ends before the summary. */
typedef struct {
	unsigned int version;
	unsigned char clusterUuid[16];
	nvmlReturn_t status;
	unsigned int cliqueId;
	unsigned char state;
	unsigned int healthMask;
	unsigned char healthSummary;
} nvmlGpuFabricInfoV_t;

/* ---- clocks, temperatures, power ---- */

typedef struct {
	unsigned int version;
	nvmlClockType_t type;
	nvmlPstates_t pstate;
	int clockOffsetMHz;
	int minClockOffsetMHz;
	int maxClockOffsetMHz;
} nvmlClockOffset_t;

typedef struct {
	unsigned int version;
	nvmlTemperatureSensors_t sensorType;
	int temperature;
} nvmlTemperature_t;

typedef struct {
	unsigned int version;
	int marginTemperature;
} nvmlMarginTemperature_t;

typedef struct {
	unsigned int count;
	struct {
		nvmlThermalController_t controller;
		int defaultMinTemp;
		int defaultMaxTemp;
		int currentTemp;
		nvmlThermalTarget_t target;
	} sensor[NVML_THERMAL_SENSORS];
} nvmlGpuThermalSettings_t;

typedef struct {
	unsigned int version;
	unsigned int fan;
	unsigned int speed;
} nvmlFanSpeedInfo_t;

typedef struct {
	unsigned int version;
	unsigned char powerScope;
	unsigned int powerValueMw;
} nvmlPowerValue_v2_t;

/* ---- ECC ---- */

typedef struct {
	nv_u64 l1Cache;
	nv_u64 l2Cache;
	nv_u64 deviceMemory;
	nv_u64 registerFile;
} nvmlEccErrorCounts_t;

typedef struct {
	unsigned int version;
	nv_u64 aggregateUncParity;
	nv_u64 aggregateUncSecDed;
	nv_u64 aggregateCor;
	nv_u64 volatileUncParity;
	nv_u64 volatileUncSecDed;
	nv_u64 volatileCor;
	nv_u64 aggregateUncBucketL2;
	nv_u64 aggregateUncBucketSm;
	nv_u64 aggregateUncBucketPcie;
	nv_u64 aggregateUncBucketMcu;
	nv_u64 aggregateUncBucketOther;
	unsigned int bThresholdExceeded;
} nvmlEccSramErrorStatus_t;

typedef struct {
	unsigned int max;
	unsigned int high;
	unsigned int partial;
	unsigned int low;
	unsigned int none;
} nvmlRowRemapperHistogramValues_t;

typedef struct {
	unsigned int unit;
	unsigned int location;
	unsigned int sublocation;
	unsigned int extlocation;
	unsigned int address;
	unsigned int isParity;
	unsigned int count;
} nvmlEccSramUniqueUncorrectedErrorEntry_v1_t;

typedef struct {
	unsigned int version;
	unsigned int entryCount;
	nvmlEccSramUniqueUncorrectedErrorEntry_v1_t *entries;
} nvmlEccSramUniqueUncorrectedErrorCounts_t;

typedef struct {
	unsigned int corrActiveRemaps;
	unsigned int corrInactiveRemaps;
	unsigned int uncActiveRemaps;
	unsigned int uncInactiveRemaps;
	unsigned int bPending;
	unsigned int bFailureOccurred;
} nvmlRemappedRowsInfo_v2_t;

typedef struct {
	unsigned int bUnrepairableMemory;
} nvmlUnrepairableMemoryStatus_v1_t;

typedef struct {
	unsigned int version;
	unsigned int bChannelRepairPending;
	unsigned int bTpcRepairPending;
} nvmlRepairStatus_t;

/* ---- events ---- */

typedef struct {
	nvmlDevice_t device;
	nv_u64 eventType;
	nv_u64 eventData;
	unsigned int gpuInstanceId;
	unsigned int computeInstanceId;
} nvmlEventData_t;

/* ---- MIG ---- */

typedef struct {
	unsigned int start;
	unsigned int size;
} nvmlGpuInstancePlacement_t, nvmlComputeInstancePlacement_t;

typedef struct {
	unsigned int id;
	unsigned int isP2pSupported;
	unsigned int sliceCount;
	unsigned int instanceCount;
	unsigned int multiprocessorCount;
	unsigned int copyEngineCount;
	unsigned int decoderCount;
	unsigned int encoderCount;
	unsigned int jpegCount;
	unsigned int ofaCount;
	nv_u64 memorySizeMB;
} nvmlGpuInstanceProfileInfo_t;

typedef struct {
	unsigned int version;
	unsigned int id;
	unsigned int isP2pSupported;
	unsigned int sliceCount;
	unsigned int instanceCount;
	unsigned int multiprocessorCount;
	unsigned int copyEngineCount;
	unsigned int decoderCount;
	unsigned int encoderCount;
	unsigned int jpegCount;
	unsigned int ofaCount;
	nv_u64 memorySizeMB;
	char name[NVML_NAME_LEN];
} nvmlGpuInstanceProfileInfo_v2_t;

typedef struct {
	unsigned int version;
	unsigned int id;
	unsigned int sliceCount;
	unsigned int instanceCount;
	unsigned int multiprocessorCount;
	unsigned int copyEngineCount;
	unsigned int decoderCount;
	unsigned int encoderCount;
	unsigned int jpegCount;
	unsigned int ofaCount;
	nv_u64 memorySizeMB;
	char name[NVML_NAME_LEN];
	unsigned int capabilities;
} nvmlGpuInstanceProfileInfo_v3_t;

typedef struct {
	nvmlDevice_t device;
	unsigned int id;
	unsigned int profileId;
	nvmlGpuInstancePlacement_t placement;
} nvmlGpuInstanceInfo_t;

typedef struct {
	unsigned int id;
	unsigned int sliceCount;
	unsigned int instanceCount;
	unsigned int multiprocessorCount;
	unsigned int sharedCopyEngineCount;
	unsigned int sharedDecoderCount;
	unsigned int sharedEncoderCount;
	unsigned int sharedJpegCount;
	unsigned int sharedOfaCount;
} nvmlComputeInstanceProfileInfo_t;

typedef struct {
	unsigned int version;
	unsigned int id;
	unsigned int sliceCount;
	unsigned int instanceCount;
	unsigned int multiprocessorCount;
	unsigned int sharedCopyEngineCount;
	unsigned int sharedDecoderCount;
	unsigned int sharedEncoderCount;
	unsigned int sharedJpegCount;
	unsigned int sharedOfaCount;
	char name[NVML_NAME_LEN];
} nvmlComputeInstanceProfileInfo_v2_t;

typedef struct {
	nvmlComputeInstanceProfileInfo_v2_t v2;
	unsigned int capabilities;
} nvmlComputeInstanceProfileInfo_v3_t;

typedef struct {
	nvmlDevice_t device;
	nvmlGpuInstance_t gpuInstance;
	unsigned int id;
	unsigned int profileId;
	nvmlComputeInstancePlacement_t placement;
} nvmlComputeInstanceInfo_t;

/* ---- confidential computing ---- */

typedef struct {
	unsigned int cpuCaps;
	unsigned int gpusCaps;
} nvmlConfComputeSystemCaps_t;

typedef struct {
	unsigned int environment;
	unsigned int ccFeature;
	unsigned int devToolsMode;
} nvmlConfComputeSystemState_t;

typedef struct {
	unsigned int version;
	unsigned int environment;
	unsigned int ccFeature;
	unsigned int devToolsMode;
	unsigned int multiGpuMode;
} nvmlSystemConfComputeSettings_t;

typedef struct {
	nv_u64 protectedMemSizeKib;
	nv_u64 unprotectedMemSizeKib;
} nvmlConfComputeMemSizeInfo_t;

/* The version word of a structure: what callers put there, and what is checked. */
#define NV_VERSION(type, ver) ((unsigned int)(sizeof(type) | (unsigned)(ver) << 24))

#define NV_LAYOUT(type, size) _Static_assert(sizeof(type) == (size), #type)
NV_LAYOUT(nvmlPciInfo_t, 68);
NV_LAYOUT(nvmlPciInfoExt_t, 64);
NV_LAYOUT(nvmlExcludedDeviceInfo_t, 148);
NV_LAYOUT(nvmlUUID_t, 52);
NV_LAYOUT(nvmlSystemDriverBranchInfo_t, 84);
NV_LAYOUT(nvmlDeviceAttributes_t, 40);
NV_LAYOUT(nvmlMemory_t, 24);
NV_LAYOUT(nvmlMemory_v2_t, 40);
NV_LAYOUT(nvmlBAR1Memory_t, 24);
NV_LAYOUT(nvmlProcessInfo_v1_t, 16);
NV_LAYOUT(nvmlProcessInfo_t, 24);
NV_LAYOUT(nvmlProcessDetail_v1_t, 32);
NV_LAYOUT(nvmlProcessDetailList_t, 24);
NV_LAYOUT(nvmlProcessUtilizationSample_t, 32);
NV_LAYOUT(nvmlProcessUtilizationInfo_v1_t, 40);
NV_LAYOUT(nvmlProcessesUtilizationInfo_t, 24);
NV_LAYOUT(nvmlAccountingStats_t, 56);
NV_LAYOUT(nvmlAccountingStats_v2_t, 64);
NV_LAYOUT(nvmlUtilization_t, 8);
NV_LAYOUT(nvmlSample_t, 16);
NV_LAYOUT(nvmlFieldValue_t, 40);
NV_LAYOUT(nvmlGpuDynamicPstatesInfo_t, 132);
NV_LAYOUT(nvmlFBCStats_t, 12);
NV_LAYOUT(nvmlClockOffset_t, 24);
NV_LAYOUT(nvmlTemperature_t, 12);
NV_LAYOUT(nvmlGpuThermalSettings_t, 64);
NV_LAYOUT(nvmlPowerValue_v2_t, 12);
NV_LAYOUT(nvmlEccErrorCounts_t, 32);
NV_LAYOUT(nvmlEccSramErrorStatus_t, 104);
NV_LAYOUT(nvmlRowRemapperHistogramValues_t, 20);
NV_LAYOUT(nvmlEccSramUniqueUncorrectedErrorEntry_v1_t, 28);
NV_LAYOUT(nvmlEccSramUniqueUncorrectedErrorCounts_t, 16);
NV_LAYOUT(nvmlRemappedRowsInfo_v2_t, 24);
NV_LAYOUT(nvmlUnrepairableMemoryStatus_v1_t, 4);
NV_LAYOUT(nvmlRepairStatus_t, 12);
NV_LAYOUT(nvmlC2cModeInfo_v1_t, 4);
NV_LAYOUT(nvmlEventData_t, 32);
NV_LAYOUT(nvmlGpuInstanceProfileInfo_t, 48);
NV_LAYOUT(nvmlGpuInstanceProfileInfo_v2_t, 152);
NV_LAYOUT(nvmlGpuInstanceProfileInfo_v3_t, 152);
NV_LAYOUT(nvmlGpuInstanceInfo_t, 24);
NV_LAYOUT(nvmlComputeInstanceProfileInfo_t, 36);
NV_LAYOUT(nvmlComputeInstanceProfileInfo_v2_t, 136);
NV_LAYOUT(nvmlComputeInstanceProfileInfo_v3_t, 140);
NV_LAYOUT(nvmlComputeInstanceInfo_t, 32);
NV_LAYOUT(nvmlConfComputeSystemCaps_t, 8);
NV_LAYOUT(nvmlConfComputeSystemState_t, 12);
NV_LAYOUT(nvmlSystemConfComputeSettings_t, 20);
NV_LAYOUT(nvmlConfComputeMemSizeInfo_t, 16);
NV_LAYOUT(nvmlGpmMetric_t, 40);
NV_LAYOUT(nvmlGpmMetricsGet_t, 24);
NV_LAYOUT(nvmlGpuFabricInfo_t, 28);
NV_LAYOUT(nvmlGpuFabricInfoV_t, 40);

#endif
