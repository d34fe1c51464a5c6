// The part of LZ4's interface that Verilator's FST writer uses, without compression: a block of one run of literals,
// which every reader of LZ4 takes. So waveforms need no further library.
// Ref: LZ4 block format description, "Last literals".

#pragma once

#include <cstring>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

inline int LZ4_compress_default(const char* source, char* target, int size, int) {
    char* next = target;
    if (size < 15) {
        *next++ = static_cast<char>(size << 4);
    } else {
        int rest = size - 15;
        *next++ = static_cast<char>(15 << 4);
        for (; rest >= 255; rest -= 255) *next++ = static_cast<char>(255);
        *next++ = static_cast<char>(rest);
    }
    std::memcpy(next, source, size);
    return static_cast<int>(next + size - target);
}
