// Drives a Verilated chip with memory models through a C interface.
//
// On request it stops where all cores meet at a BARRIER: in the cycle in which they are released, before one goes on.

#include "memory.h"
#include "verilated_sym_props.h"

namespace {

void step(Chip& chip) {
    FV_EACH(FV_DRIVE)
    chip.top->ap_clk = 0;
    chip.top->eval();
#if FV_TRACE
    bool traced = chip.trace && chip.cycle >= chip.trace_from && chip.cycle < chip.trace_to;
    if (traced) chip.trace->dump(10 * chip.cycle);
#endif
    FV_EACH(FV_SAMPLE)
    chip.top->ap_clk = 1;
    chip.top->eval();
#if FV_TRACE
    if (traced) chip.trace->dump(10 * chip.cycle + 5);
#endif
    chip.cycle++;
    if (chip.released && *chip.released && (*chip.named & chip.everyone) == chip.everyone)
        chip.meetings.push_back({chip.cycle, *chip.instruction});
}

const void* shown(const Chip& chip, const char* name) {
    const VerilatedScope* scope = chip.context->scopeFind("chip." FV_BARRIER);
    const VerilatedVar* found = scope ? scope->varFind(name) : nullptr;
    return found ? found->datap() : nullptr;
}

}  // namespace

extern "C" {

Chip* fv_new(uint8_t* memory, uint64_t size, uint64_t* stamps, uint64_t latency, uint32_t stall, uint64_t seed) {
    Chip* chip = new Chip;
    chip->context->threads(1);
#if FV_TRACE
    chip->context->traceEverOn(true);
#endif
    chip->top.reset(new Vflightvgm{chip->context.get(), "chip"});
    chip->memory = memory;
    chip->size = size;
    chip->stamps = stamps;
    chip->latency = latency;
    chip->stall = stall;
    chip->random = seed * 2654435761u + 88172645463325252ull;
    chip->top->ap_rst_n = 0;
    for (int cycle = 0; cycle < 8; cycle++) step(*chip);
    chip->top->ap_rst_n = 1;
    for (int cycle = 0; cycle < 8; cycle++) step(*chip);
    return chip;
}

void fv_delete(Chip* chip) {
#if FV_TRACE
    if (chip->trace) chip->trace->close();
#endif
    chip->top->final();
    delete chip;
}

// Accesses beyond `from` .. `to` are answered with `response`.
void fv_bad(Chip* chip, uint64_t from, uint64_t to, int response) {
    chip->bad_from = from;
    chip->bad_to = to;
    chip->bad_response = response;
}

// From cycle `from` on, the first write to the byte at `at` stores some of its bits inverted.
void fv_flip(Chip* chip, uint64_t at, int bits, uint64_t from) {
    chip->flip_at = at;
    chip->flip_bits = bits;
    chip->flip_from = from;
}

// Watches BARRIERs whose mask names `everyone`, and forgets those that were met; -1 where the model hides them.
int fv_watch(Chip* chip, uint32_t everyone) {
    chip->meetings.clear();
    chip->everyone = everyone;
    chip->released = static_cast<const CData*>(shown(*chip, "ports__0__release"));
    chip->named = static_cast<const SData*>(shown(*chip, "ports__0__cores"));
    chip->instruction = static_cast<const IData*>(shown(*chip, "ports__0__pc"));
    return chip->released && chip->named && chip->instruction ? 0 : -1;
}

// Takes the oldest meeting: the cycle of its release, and the number of its BARRIER.
void fv_meeting(Chip* chip, uint64_t* found) {
    found[0] = chip->meetings.front().cycle;
    found[1] = chip->meetings.front().instruction;
    chip->meetings.pop_front();
}

// Returns 0, or -1 where the port did not answer within 1,000 cycles.
int fv_write(Chip* chip, uint32_t address, uint32_t value) {
    Vflightvgm& top = *chip->top;
    top.s_axi_control_awaddr = address;
    top.s_axi_control_wdata = value;
    top.s_axi_control_wstrb = 15;
    top.s_axi_control_awvalid = top.s_axi_control_wvalid = top.s_axi_control_bready = 1;
    for (int cycle = 0; cycle < 1000; cycle++) {
        top.ap_clk = 0;
        top.eval();
        bool address_taken = top.s_axi_control_awvalid && top.s_axi_control_awready;
        bool data_taken = top.s_axi_control_wvalid && top.s_axi_control_wready;
        bool answered = top.s_axi_control_bvalid;
        step(*chip);
        if (address_taken) top.s_axi_control_awvalid = 0;
        if (data_taken) top.s_axi_control_wvalid = 0;
        if (answered) {
            top.s_axi_control_bready = 0;
            return 0;
        }
    }
    return -1;
}

int64_t fv_read(Chip* chip, uint32_t address) {
    Vflightvgm& top = *chip->top;
    top.s_axi_control_araddr = address;
    top.s_axi_control_arvalid = top.s_axi_control_rready = 1;
    for (int cycle = 0; cycle < 1000; cycle++) {
        top.ap_clk = 0;
        top.eval();
        bool taken = top.s_axi_control_arvalid && top.s_axi_control_arready;
        bool answered = top.s_axi_control_rvalid;
        uint32_t value = top.s_axi_control_rdata;
        step(*chip);
        if (taken) top.s_axi_control_arvalid = 0;
        if (answered) {
            top.s_axi_control_rready = 0;
            return value;
        }
    }
    return -1;
}

// Runs until cores meet (2) or the interrupt is up (1), but at most `cycles` (0).
int fv_run(Chip* chip, uint64_t cycles) {
    for (uint64_t count = 0;; count++) {
        if (!chip->meetings.empty()) return 2;
        if (chip->top->__SYM__interrupt) return 1;  // Verilator renames the port, which is a word of C++ libraries.
        if (count == cycles) return 0;
        step(*chip);
    }
}

uint64_t fv_cycle(Chip* chip) { return chip->cycle; }
const char* fv_error(Chip* chip) { return chip->error; }

void fv_traffic(Chip* chip, int port, uint64_t* counts) {
    Port& from = chip->ports[port];
    counts[0] = from.read_beats;
    counts[1] = from.write_beats;
    counts[2] = from.read_bursts;
    counts[3] = from.write_bursts;
}

// Traces cycles `from` to `to` into an FST file; -1 where the model was built without traces.
int fv_trace(Chip* chip, const char* file, uint64_t from, uint64_t to) {
#if FV_TRACE
    chip->trace.reset(new VerilatedFstC);
    chip->top->trace(chip->trace.get(), 99);
    chip->trace->open(file);
    chip->trace_from = from;
    chip->trace_to = to;
    return 0;
#else
    return -1;
#endif
}
}
