// A Verilated chip with AXI memory models, driven through a C interface.
//
// Memory is the caller's array. Each port has one read and one write queue: a burst's data come `latency` cycles after
// its address at the earliest, one beat a cycle, in order; a cycle is refused with a probability of `stall` / 65536.
// The model asserts the protocol: INCR bursts of 32-byte beats that do not cross 4 KiB, WLAST on the last beat, an
// address that stays while it waits.

#include "Vflightvgm.h"
#include "verilated.h"
#if FV_TRACE
#include "verilated_fst_c.h"
#endif

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>

namespace {

constexpr uint64_t PAGE = 4096;
constexpr int BEAT = 32;
constexpr int OKAY = 0, SLVERR = 2, DECERR = 3;

struct Read {
    uint64_t address;
    int beats;
    uint64_t due;
};

struct Write {
    uint64_t address;
    int beats;
};

struct Answer {
    uint64_t due;
    int response;
};

struct Port {
    std::deque<Read> reads;
    std::deque<Write> writes;
    std::deque<Answer> answers;
    int response = OKAY;
    uint64_t read_beats = 0, write_beats = 0, read_bursts = 0, write_bursts = 0;
    bool read_shown = false, answer_shown = false;
};

struct Chip {
    std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    std::unique_ptr<Vflightvgm> top;
#if FV_TRACE
    std::unique_ptr<VerilatedFstC> trace;
#endif
    uint8_t* memory;
    uint64_t size;
    uint64_t* stamps;  // For each beat of memory, the cycle of its last write; may be null.
    uint64_t latency, bad_from = 0, bad_to = 0;
    int bad_response = OKAY;
    uint32_t stall;
    uint64_t random;
    uint64_t cycle = 0, trace_from = 1, trace_to = 0;
    Port ports[FV_PORTS];
    char error[256] = "";

    bool refused() {
        if (!stall) return false;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return (random & 0xffff) < stall;
    }

    int response(uint64_t address) const {
        if (address >= bad_from && address < bad_to) return bad_response;
        return address + BEAT <= size ? OKAY : DECERR;
    }

    void complain(int port, const char* text, uint64_t address) {
        if (!*error) {
            snprintf(error, sizeof error, "port %d, cycle %llu, address 0x%llx: %s", port,
                     static_cast<unsigned long long>(cycle), static_cast<unsigned long long>(address), text);
        }
    }

    void check(int port, uint64_t address, int beats, int burst, int width) {
        if (burst != 1 || width != 5) complain(port, "a burst must be INCR with beats of 32 bytes", address);
        if (address % BEAT) complain(port, "a burst must begin on 32 bytes", address);
        if (address / PAGE != (address + BEAT * static_cast<uint64_t>(beats) - 1) / PAGE)
            complain(port, "a burst crosses 4 KiB", address);
    }
};

#define FV_JOIN(a, b, c) a##b##_##c
#define FV_PIN(n, name) chip.top->FV_JOIN(m_axi_gmem, n, name)

#define FV_DRIVE(n)                                                                                    \
    {                                                                                                  \
        Port& port = chip.ports[n];                                                                    \
        FV_PIN(n, arready) = port.reads.size() < 64 && !chip.refused();                                \
        FV_PIN(n, awready) = port.writes.size() < 16 && !chip.refused();                               \
        FV_PIN(n, wready) = !port.writes.empty() && !chip.refused();                                   \
        bool due = !port.reads.empty() && port.reads.front().due <= chip.cycle;                        \
        port.read_shown = due && (port.read_shown || !chip.refused());                                 \
        FV_PIN(n, rvalid) = port.read_shown;                                                           \
        if (port.read_shown) {                                                                         \
            Read& read = port.reads.front();                                                           \
            int response = chip.response(read.address);                                                \
            FV_PIN(n, rresp) = response;                                                               \
            FV_PIN(n, rlast) = read.beats == 1;                                                        \
            if (response == OKAY) memcpy(FV_PIN(n, rdata).data(), chip.memory + read.address, BEAT);   \
        }                                                                                              \
        bool answer = !port.answers.empty() && port.answers.front().due <= chip.cycle;                 \
        port.answer_shown = answer && (port.answer_shown || !chip.refused());                          \
        FV_PIN(n, bvalid) = port.answer_shown;                                                         \
        if (port.answer_shown) FV_PIN(n, bresp) = port.answers.front().response;                       \
    }

#define FV_SAMPLE(n)                                                                                   \
    {                                                                                                  \
        Port& port = chip.ports[n];                                                                    \
        if (FV_PIN(n, rvalid) && FV_PIN(n, rready)) {                                                  \
            Read& read = port.reads.front();                                                           \
            read.address += BEAT;                                                                      \
            port.read_beats++;                                                                         \
            port.read_shown = false;                                                                   \
            if (!--read.beats) port.reads.pop_front();                                                 \
        }                                                                                              \
        if (FV_PIN(n, bvalid) && FV_PIN(n, bready)) {                                                  \
            port.answers.pop_front();                                                                  \
            port.answer_shown = false;                                                                 \
        }                                                                                              \
        if (FV_PIN(n, wvalid) && FV_PIN(n, wready)) {                                                  \
            Write& write = port.writes.front();                                                        \
            int response = chip.response(write.address);                                               \
            port.response = response > port.response ? response : port.response;                       \
            port.write_beats++;                                                                        \
            if (response == OKAY) {                                                                    \
                const uint8_t* data = reinterpret_cast<const uint8_t*>(FV_PIN(n, wdata).data());       \
                uint32_t strobe = FV_PIN(n, wstrb);                                                    \
                for (int byte = 0; byte < BEAT; byte++)                                                \
                    if (strobe >> byte & 1) chip.memory[write.address + byte] = data[byte];            \
                if (chip.stamps) chip.stamps[write.address / BEAT] = chip.cycle;                       \
            }                                                                                          \
            if (static_cast<bool>(FV_PIN(n, wlast)) != (write.beats == 1))                             \
                chip.complain(n, "WLAST is not on the last beat", write.address);                      \
            write.address += BEAT;                                                                     \
            if (!--write.beats) {                                                                      \
                port.answers.push_back({chip.cycle + chip.latency, port.response});                    \
                port.response = OKAY;                                                                  \
                port.writes.pop_front();                                                               \
            }                                                                                          \
        }                                                                                              \
        if (FV_PIN(n, arvalid) && FV_PIN(n, arready)) {                                                \
            int beats = FV_PIN(n, arlen) + 1;                                                          \
            chip.check(n, FV_PIN(n, araddr), beats, FV_PIN(n, arburst), FV_PIN(n, arsize));            \
            port.reads.push_back({FV_PIN(n, araddr), beats, chip.cycle + chip.latency});               \
            port.read_bursts++;                                                                        \
        }                                                                                              \
        if (FV_PIN(n, awvalid) && FV_PIN(n, awready)) {                                                \
            int beats = FV_PIN(n, awlen) + 1;                                                          \
            chip.check(n, FV_PIN(n, awaddr), beats, FV_PIN(n, awburst), FV_PIN(n, awsize));            \
            port.writes.push_back({FV_PIN(n, awaddr), beats});                                         \
            port.write_bursts++;                                                                       \
        }                                                                                              \
    }

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

// Verilator renames the port, which is a word of C++ libraries.
// Runs until the interrupt rises, but at most `cycles`; returns whether it is up.
int fv_run(Chip* chip, uint64_t cycles) {
    for (uint64_t count = 0; count < cycles; count++) {
        if (chip->top->__SYM__interrupt) return 1;
        step(*chip);
    }
    return chip->top->__SYM__interrupt;
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
