// A Verilated chip beside AXI memory models.
//
// Memory is the caller's array. Each port has one read and one write queue: a burst's data come `latency` cycles after
// its address at the earliest, one beat a cycle, in order; a cycle is refused with a probability of `stall` / 65536.
// The model asserts the protocol: INCR bursts of 32-byte beats that do not cross 4 KiB, WLAST on the last beat, an
// address that stays while it waits.

#pragma once

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

struct Meeting {
    uint64_t cycle;
    uint64_t instruction;
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
    uint64_t flip_at = 0, flip_from = 0;
    uint8_t flip_bits = 0;
    const CData* released = nullptr;  // Of the first core's port of the barriers, where meetings are watched.
    const SData* named = nullptr;
    const IData* instruction = nullptr;
    uint32_t everyone = 0;
    std::deque<Meeting> meetings;
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

    void flip(uint64_t address, uint32_t strobe) {
        if (!flip_bits || cycle < flip_from || address / BEAT != flip_at / BEAT) return;
        if (strobe >> flip_at % BEAT & 1) {
            memory[flip_at] ^= flip_bits;
            flip_bits = 0;
        }
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
                chip.flip(write.address, strobe);                                                      \
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
