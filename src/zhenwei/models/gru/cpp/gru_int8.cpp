// All steps of a bidirectional GRU that is only scored: the products of states and weights in 8 bits, and what the gates
// make of them, without anything in between that would leave the processor's registers and first cache.
// `gru_int8.py` calls it; `gru_steps.py` says what is computed.
//
// A state h, between -1 and 1, is held as round(127 h) + 128, from 1 to 255; a row of the weights as whole numbers from
// -127 to 127, times a unit of its own. Four products of the one with the other are added up by one instruction
// (AVX-512 VNNI), exactly: 32 bits hold the sum over 60,000 units.

#include <cstdint>
#include <cstring>

#include "gru_params.h"

#if defined(__AVX512F__) && defined(__AVX512VNNI__)
#include <immintrin.h>

namespace {

constexpr std::int64_t LANES = 16;   // hidden units that are computed at a time: 32 bits each in 512
constexpr std::int64_t FOUR = 4;     // values of 8 bits that one lane multiplies and adds up
constexpr std::int64_t ROWS = 6;     // rows that are computed at a time: three gates of each stay in registers
constexpr std::int64_t TOGETHER = 2; // times LANES: units whose inputs share a line of cache
constexpr float LARGEST = 127.0f;
constexpr std::uint8_t NOTHING = 128;

}  // namespace

extern "C" {

struct Quantised {
    std::int64_t steps;
    std::int8_t *weights;        // [2, H / LANES, H / FOUR, 3, LANES, FOUR]
    std::int32_t *nothing;       // [2, 3H], where sums begin: a state of zero, held as NOTHING, adds up to none
    float *units;                // [2, 3H], what 1 stands for in a sum
    std::uint8_t *held;          // [2, 2, B rounded up to ROWS, H]: the states before and after a step, by direction
    const float *given[2];       // [3H, H], the weights of each direction
};

}

namespace {

void quantise_row(const Quantised &to, std::int64_t hidden, std::int64_t way, std::int64_t row) {
    const float *weights = to.given[way] + row * hidden;
    float largest = 0.0f, flaw = 0.0f;
#pragma omp simd reduction(max : largest) reduction(+ : flaw)
    for (std::int64_t i = 0; i < hidden; ++i) {
        const float size = weights[i] < 0.0f ? -weights[i] : weights[i];
        largest = size > largest ? size : largest;
        flaw += size * 0.0f;  // no number if a weight is none, or infinite
    }
    const float scale = largest > 0.0f ? LARGEST / largest : 0.0f;
    const std::int64_t gate = row / hidden, unit = row % hidden;
    std::int8_t *packed = to.weights + (way * hidden + unit / LANES * LANES) * 3 * hidden;
    packed += (gate * LANES + unit % LANES) * FOUR;
    std::int32_t total = 0;
    for (std::int64_t i = 0; i < hidden; i += FOUR, packed += 3 * LANES * FOUR)
        for (std::int64_t j = 0; j < FOUR; ++j) {
            const float value = flaw == 0.0f ? weights[i + j] * scale : 0.0f;
            const auto whole = static_cast<std::int8_t>(value + (value < 0.0f ? -0.5f : 0.5f));
            packed[j] = whole;
            total += whole;
        }
    to.nothing[way * 3 * hidden + row] = -NOTHING * total;
    to.units[way * 3 * hidden + row] = largest / LARGEST / LARGEST + flaw;
}

struct Tile {  // ROWS rows of LANES units, from the first of each
    std::int64_t step, way, row, unit;
};

// Add up the products for a tile: [ROWS, 3, LANES].
inline void multiply(const std::int8_t *weights, const std::int32_t *nothing, const std::uint8_t *held,
                     std::int64_t hidden, std::int32_t *sums) {
    __m512i total[ROWS][3];
#pragma GCC unroll 6
    for (std::int64_t row = 0; row < ROWS; ++row)
        for (std::int64_t gate = 0; gate < 3; ++gate) total[row][gate] = _mm512_loadu_si512(nothing + gate * hidden);
    for (std::int64_t i = 0; i < hidden; i += FOUR, weights += 3 * LANES * FOUR) {
        const __m512i reset = _mm512_loadu_si512(weights);
        const __m512i update = _mm512_loadu_si512(weights + LANES * FOUR);
        const __m512i fresh = _mm512_loadu_si512(weights + 2 * LANES * FOUR);
#pragma GCC unroll 6
        for (std::int64_t row = 0; row < ROWS; ++row) {
            std::int32_t four;
            std::memcpy(&four, held + row * hidden + i, sizeof four);
            const __m512i state = _mm512_set1_epi32(four);
            // By name: as an intrinsic, compilers copy the sums in and out of memory each time.
            asm("vpdpbusd %2, %1, %0" : "+v"(total[row][0]) : "v"(state), "v"(reset));
            asm("vpdpbusd %2, %1, %0" : "+v"(total[row][1]) : "v"(state), "v"(update));
            asm("vpdpbusd %2, %1, %0" : "+v"(total[row][2]) : "v"(state), "v"(fresh));
        }
    }
#pragma GCC unroll 6
    for (std::int64_t row = 0; row < ROWS; ++row)
        for (std::int64_t gate = 0; gate < 3; ++gate)
            _mm512_storeu_si512(sums + (row * 3 + gate) * LANES, total[row][gate]);
}

template <class T>
void read_units(const Room &room, const Quantised &by, const Row<T> &at, std::int64_t unit, const std::int32_t *sums,
                std::uint8_t *held) {
    const std::int64_t hidden = room.hidden, first = at.way * 3 * hidden + unit;
    float heard[3][LANES], said[3][LANES];
    for (std::int64_t gate = 0; gate < 3; ++gate) {
        const std::int64_t column = gate * hidden + unit;
        if (room.index) {
            hear(room, at, column, LANES, heard[gate]);
        } else {
            const T *gates = static_cast<const T *>(room.gates) + at.token * 3 * hidden + column;
            for (std::int64_t i = 0; i < LANES; ++i) heard[gate][i] = widen(gates[i]);
        }
        const float *units = by.units + first + gate * hidden;
        for (std::int64_t i = 0; i < LANES; ++i)
            said[gate][i] = static_cast<float>(sums[gate * LANES + i]) * units[i];
    }
    const T *bias = static_cast<const T *>(room.bias) + at.way * hidden + unit;
    float *state = room.state + at.slot * hidden + unit;
    T *states = static_cast<T *>(room.states) + at.place * hidden + unit;
#pragma omp simd
    for (std::int64_t i = 0; i < LANES; ++i) {
        const float r = sigmoid_of(heard[0][i] + said[0][i]);
        const float z = sigmoid_of(heard[1][i] + said[1][i]);
        const float n = tanh_of(heard[2][i] + r * (said[2][i] + widen(bias[i])));
        const float now = n + z * (state[i] - n);
        state[i] = now;
        states[i] = narrow<T>(now);
        held[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(now * LARGEST + (NOTHING + 0.5f)));
    }
}

template <class T> void read_tile(const Room &room, const Quantised &by, const Tile &tile, std::int64_t rows,
                                  const std::uint8_t *before, std::uint8_t *after) {
    const std::int64_t hidden = room.hidden;
    alignas(64) std::int32_t sums[ROWS][3 * LANES];
    multiply(by.weights + (tile.way * hidden + tile.unit) * 3 * hidden, by.nothing + tile.way * 3 * hidden + tile.unit,
             before + tile.row * hidden, hidden, sums[0]);
    for (std::int64_t row = tile.row; row < tile.row + ROWS && row < rows; ++row) {
        const Row<T> at(room, tile.step, tile.way, row);
        read_units(room, by, at, tile.unit, sums[row - tile.row], after + row * hidden + tile.unit);
    }
}

template <class T> void read_all(const Room &room, const Quantised &by) {
    const std::int64_t hidden = room.hidden, strip = TOGETHER * LANES, strips = (hidden + strip - 1) / strip;
    const std::int64_t size = (room.n_rows + ROWS - 1) / ROWS * ROWS * hidden;  // of the states of a direction
    std::memset(by.held, NOTHING, 4 * size);
#pragma omp parallel num_threads(room.threads) if (room.n_rows * hidden > ALONE && room.threads > 1)
    for (std::int64_t step = 0; step < by.steps; ++step) {
        const std::int64_t rows = room.firsts[step + 1] - room.firsts[step], turn = step % 2;
#pragma omp for schedule(static)
        for (std::int64_t number = 0; number < 2 * strips; ++number) {
            const std::int64_t way = number / strips, first = number % strips * strip;
            const std::uint8_t *before = by.held + (2 * turn + way) * size;
            std::uint8_t *after = by.held + (2 * (1 - turn) + way) * size;
            for (std::int64_t row = 0; row < rows; row += ROWS)
                for (std::int64_t unit = first; unit < first + strip && unit < hidden; unit += LANES)
                    read_tile<T>(room, by, {step, way, row, unit}, rows, before, after);
        }
    }
}

}  // namespace

extern "C" {
int rows_at_once(std::int64_t hidden) { return hidden % LANES ? 0 : static_cast<int>(ROWS); }

void quantise(const Room *room, const Quantised *to) {
    const std::int64_t rows = 3 * room->hidden;
#pragma omp parallel for schedule(static) num_threads(room->threads) if (rows * room->hidden > ALONE && room->threads > 1)
    for (std::int64_t row = 0; row < 2 * rows; ++row) quantise_row(*to, room->hidden, row / rows, row % rows);
}
void read_all_float32(const Room *room, const Quantised *by) { read_all<float>(*room, *by); }
void read_all_bfloat16(const Room *room, const Quantised *by) { read_all<bf16>(*room, *by); }
}

#else

extern "C" int rows_at_once(std::int64_t) { return 0; }

#endif
