/* Control port of FlightVGM. Generated from flightvgm_arch.registers; do not edit. */
#ifndef FLIGHTVGM_H
#define FLIGHTVGM_H

#define FLIGHTVGM_ID_VALUE 0x4d475646u
#define FLIGHTVGM_VERSION_VALUE 0x00010000u
#define FLIGHTVGM_SPAN 0x1000u

/* Start and completion, ap_ctrl_hs. 32 bits, rw. */
#define FLIGHTVGM_CONTROL 0x000u
#define FLIGHTVGM_CONTROL_START_SHIFT 0
#define FLIGHTVGM_CONTROL_START_MASK 0x1u /* write one to start all cores at ENTRY; reads one until they have started */
#define FLIGHTVGM_CONTROL_DONE_SHIFT 1
#define FLIGHTVGM_CONTROL_DONE_MASK 0x2u /* the machine has stopped since the last read */
#define FLIGHTVGM_CONTROL_IDLE_SHIFT 2
#define FLIGHTVGM_CONTROL_IDLE_MASK 0x4u /* nothing runs */
#define FLIGHTVGM_CONTROL_READY_SHIFT 3
#define FLIGHTVGM_CONTROL_READY_MASK 0x8u /* arguments may be written for the next start */
#define FLIGHTVGM_CONTROL_AUTO_RESTART_SHIFT 7
#define FLIGHTVGM_CONTROL_AUTO_RESTART_MASK 0x80u /* start again when done; for benchmarks of the control path */

/* Global interrupt enable. 32 bits, rw. */
#define FLIGHTVGM_GIE 0x004u
#define FLIGHTVGM_GIE_ENABLE_SHIFT 0
#define FLIGHTVGM_GIE_ENABLE_MASK 0x1u /* interrupts reach the host */

/* Interrupt enable, by cause. 32 bits, rw. */
#define FLIGHTVGM_IER 0x008u
#define FLIGHTVGM_IER_DONE_SHIFT 0
#define FLIGHTVGM_IER_DONE_MASK 0x1u /* the machine has stopped */
#define FLIGHTVGM_IER_READY_SHIFT 1
#define FLIGHTVGM_IER_READY_MASK 0x2u /* the machine takes the next start */

/* Interrupt status, by cause. 32 bits, tow. */
#define FLIGHTVGM_ISR 0x00cu
#define FLIGHTVGM_ISR_DONE_SHIFT 0
#define FLIGHTVGM_ISR_DONE_MASK 0x1u /* the machine has stopped */
#define FLIGHTVGM_ISR_READY_SHIFT 1
#define FLIGHTVGM_ISR_READY_MASK 0x2u /* the machine takes the next start */

/* The letters FVGM: 0x4d475646. 32 bits, ro. */
#define FLIGHTVGM_ID 0x010u

/* Version of this map and of the instruction set. 32 bits, ro. */
#define FLIGHTVGM_VERSION 0x014u
#define FLIGHTVGM_VERSION_PATCH_SHIFT 0
#define FLIGHTVGM_VERSION_PATCH_MASK 0xffffu /* patch */
#define FLIGHTVGM_VERSION_MINOR_SHIFT 16
#define FLIGHTVGM_VERSION_MINOR_MASK 0xff0000u /* minor */
#define FLIGHTVGM_VERSION_MAJOR_SHIFT 24
#define FLIGHTVGM_VERSION_MAJOR_MASK 0xff000000u /* major */

/* Digest of the machine's configuration; a program names the same. 64 bits, ro. */
#define FLIGHTVGM_CONFIG_DIGEST 0x018u

/* Address of the first instruction; all cores start there. 64 bits, rw. */
#define FLIGHTVGM_ENTRY 0x020u

/* Cycles without progress after which the machine stops; zero for never. 64 bits, rw. */
#define FLIGHTVGM_WATCHDOG 0x028u

/* Address of the sparsity ledger, a multiple of 64; the machine adds to it. Zero: none is kept. 64 bits, rw. */
#define FLIGHTVGM_LEDGER 0x030u

/* Soft reset. 32 bits, wo. */
#define FLIGHTVGM_RESET 0x038u
#define FLIGHTVGM_RESET_RESET_SHIFT 0
#define FLIGHTVGM_RESET_RESET_MASK 0x1u /* write one: refuse new bursts, drain those outstanding, then reset all cores */

/* Register r16 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R16 0x040u

/* Register r17 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R17 0x048u

/* Register r18 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R18 0x050u

/* Register r19 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R19 0x058u

/* Register r20 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R20 0x060u

/* Register r21 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R21 0x068u

/* Register r22 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R22 0x070u

/* Register r23 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R23 0x078u

/* Register r24 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R24 0x080u

/* Register r25 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R25 0x088u

/* Register r26 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R26 0x090u

/* Register r27 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R27 0x098u

/* Register r28 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R28 0x0a0u

/* Register r29 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R29 0x0a8u

/* Register r30 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R30 0x0b0u

/* Register r31 of each core at start; 40 bits. 64 bits, rw. */
#define FLIGHTVGM_R31 0x0b8u

/* First byte that programs may touch. 64 bits, rw. */
#define FLIGHTVGM_WINDOW0_BASE 0x100u

/* First byte beyond the window; equal to the base, nothing is open. 64 bits, rw. */
#define FLIGHTVGM_WINDOW0_LIMIT 0x108u

/* First byte that programs may touch. 64 bits, rw. */
#define FLIGHTVGM_WINDOW1_BASE 0x110u

/* First byte beyond the window; equal to the base, nothing is open. 64 bits, rw. */
#define FLIGHTVGM_WINDOW1_LIMIT 0x118u

/* First byte that programs may touch. 64 bits, rw. */
#define FLIGHTVGM_WINDOW2_BASE 0x120u

/* First byte beyond the window; equal to the base, nothing is open. 64 bits, rw. */
#define FLIGHTVGM_WINDOW2_LIMIT 0x128u

/* First byte that programs may touch. 64 bits, rw. */
#define FLIGHTVGM_WINDOW3_BASE 0x130u

/* First byte beyond the window; equal to the base, nothing is open. 64 bits, rw. */
#define FLIGHTVGM_WINDOW3_LIMIT 0x138u

/* First byte that programs may touch. 64 bits, rw. */
#define FLIGHTVGM_WINDOW4_BASE 0x140u

/* First byte beyond the window; equal to the base, nothing is open. 64 bits, rw. */
#define FLIGHTVGM_WINDOW4_LIMIT 0x148u

/* First byte that programs may touch. 64 bits, rw. */
#define FLIGHTVGM_WINDOW5_BASE 0x150u

/* First byte beyond the window; equal to the base, nothing is open. 64 bits, rw. */
#define FLIGHTVGM_WINDOW5_LIMIT 0x158u

/* First byte that programs may touch. 64 bits, rw. */
#define FLIGHTVGM_WINDOW6_BASE 0x160u

/* First byte beyond the window; equal to the base, nothing is open. 64 bits, rw. */
#define FLIGHTVGM_WINDOW6_LIMIT 0x168u

/* First byte that programs may touch. 64 bits, rw. */
#define FLIGHTVGM_WINDOW7_BASE 0x170u

/* First byte beyond the window; equal to the base, nothing is open. 64 bits, rw. */
#define FLIGHTVGM_WINDOW7_LIMIT 0x178u

/* What the machine does. 32 bits, ro. */
#define FLIGHTVGM_STATUS 0x180u
#define FLIGHTVGM_STATUS_RUNNING_SHIFT 0
#define FLIGHTVGM_STATUS_RUNNING_MASK 0x1u /* a program runs */
#define FLIGHTVGM_STATUS_ERROR_SHIFT 1
#define FLIGHTVGM_STATUS_ERROR_MASK 0x2u /* stopped with an error */
#define FLIGHTVGM_STATUS_RESETTING_SHIFT 2
#define FLIGHTVGM_STATUS_RESETTING_MASK 0x4u /* bursts are drained */
#define FLIGHTVGM_STATUS_RESET_TIMEOUT_SHIFT 3
#define FLIGHTVGM_STATUS_RESET_TIMEOUT_MASK 0x8u /* the last reset found a burst that did not end */

/* Error code; zero for none. 32 bits, ro. */
#define FLIGHTVGM_ERROR 0x184u

/* Instruction number that the error names, counted from ENTRY. 32 bits, ro. */
#define FLIGHTVGM_ERROR_PC 0x188u

/* Core that the error names. 32 bits, ro. */
#define FLIGHTVGM_ERROR_CORE 0x18cu

/* Address that the error names, where it names one. 64 bits, ro. */
#define FLIGHTVGM_ERROR_ADDRESS 0x190u

/* Code of the first END that had one. 32 bits, ro. */
#define FLIGHTVGM_END_CODE 0x198u

/* Cycles from start to stop. 64 bits, ro. */
#define FLIGHTVGM_CYCLES 0x200u

/* Cycles in which queue 'front' works, summed over the cores. 64 bits, ro. */
#define FLIGHTVGM_BUSY_FRONT 0x208u

/* Cycles in which queue 'weights' works, summed over the cores. 64 bits, ro. */
#define FLIGHTVGM_BUSY_WEIGHTS 0x210u

/* Cycles in which queue 'load' works, summed over the cores. 64 bits, ro. */
#define FLIGHTVGM_BUSY_LOAD 0x218u

/* Cycles in which queue 'matrix' works, summed over the cores. 64 bits, ro. */
#define FLIGHTVGM_BUSY_MATRIX 0x220u

/* Cycles in which queue 'rows' works, summed over the cores. 64 bits, ro. */
#define FLIGHTVGM_BUSY_ROWS 0x228u

/* Cycles in which queue 'store' works, summed over the cores. 64 bits, ro. */
#define FLIGHTVGM_BUSY_STORE 0x230u

/* Results that exceeded FP16 and were saturated. 64 bits, ro. */
#define FLIGHTVGM_SATURATIONS 0x238u

/* MACs spent on rows and columns that only fill up tiles. 64 bits, ro. */
#define FLIGHTVGM_PADDING_MACS 0x240u

enum flightvgm_error {
    FLIGHTVGM_ERROR_NONE = 0, /* No error. */
    FLIGHTVGM_ERROR_ILLEGAL_INSTRUCTION = 1, /* The word is not an instruction, or a reserved bit is set: load the whole program, compiled for this version. */
    FLIGHTVGM_ERROR_FIELD_RANGE = 2, /* A field or register holds a value that the instruction cannot take: compile again. */
    FLIGHTVGM_ERROR_ADDRESS_WINDOW = 3, /* The address lies outside every open window: open a window over the whole buffer. */
    FLIGHTVGM_ERROR_MISALIGNED = 4, /* The address is not a multiple of 32 bytes: align rows and base addresses. */
    FLIGHTVGM_ERROR_BUFFER_OVERRUN = 5, /* The access ends beyond the on-chip buffer: compile for this machine's configuration. */
    FLIGHTVGM_ERROR_AXI_SLVERR = 6, /* The memory answered with SLVERR: check its health and the shell's address map. */
    FLIGHTVGM_ERROR_AXI_DECERR = 7, /* No memory answers there (DECERR): check the windows against the shell's address map. */
    FLIGHTVGM_ERROR_DEADLOCK = 8, /* Every queue waits for a semaphore that nobody will signal: the program lacks a signal. */
    FLIGHTVGM_ERROR_WATCHDOG = 9, /* The watchdog's limit passed: the program does not end, or the limit is too short for it. */
    FLIGHTVGM_ERROR_SEMAPHORE_OVERFLOW = 10, /* A signal would raise a semaphore above 63: the program signals more than it waits. */
    FLIGHTVGM_ERROR_COUNT_OVERRUN = 11, /* More rows were kept than their segment holds: give segments a stride of all their rows. */
    FLIGHTVGM_ERROR_RING_MISMATCH = 12, /* The ring's next weight tile is not of the size that MM expects: match LOADW and MM. */
    FLIGHTVGM_ERROR_LEDGER = 13, /* MACs offered are not the sum of those done and skipped: the program left out or repeated rows. */
    FLIGHTVGM_ERROR_END_CODE = 14, /* The program ended with a code of its own: see the register END_CODE. */
};

#endif
