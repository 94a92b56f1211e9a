// All steps of a bidirectional GRU in inference, with int8 products of states and recurrent weights. Called by
// `int8.py`; `steps.py` has the equations. The gates of a tile are computed while its sums are in registers and L1.
//
// A state h in [-1, 1] is quantized to round(127 h) + 128, from 1 to 255; each row of the weights to integers from -127
// to 127 with a scale of its own. One instruction (AVX-512 VNNI) multiplies and adds four such pairs, exactly: 32 bits
// hold the sum over 60,000 units.

#include <cstdint>
#include <cstring>

#include "gru_params.h"

#if defined(__AVX512F__) && defined(__AVX512VNNI__)
#include <immintrin.h>

namespace {

constexpr std::int64_t LANES = 16;  // hidden units per register: 32 bits each in 512
constexpr std::int64_t FOUR = 4;    // int8 values that one lane multiplies and adds
constexpr std::int64_t ROWS = 6;    // rows per tile: three gates of each stay in registers
constexpr std::int64_t TILES = 2;   // neighboring tiles per thread: their inputs share cache lines
constexpr float LARGEST = 127.0f;
constexpr std::uint8_t ZERO = 128;  // the quantized state 0

}  // namespace

extern "C" {

struct QuantizedGRU {
    std::int64_t steps;
    std::int8_t *weights;      // [2, H / LANES, H / FOUR, 3, LANES, FOUR]
    std::int32_t *offsets;     // [2, 3H], initial values of the sums: they make the state ZERO contribute nothing
    float *scales;             // [2, 3H], the value of 1 in a sum
    std::uint8_t *states;      // [2, 2, B rounded up to ROWS, H]: before and after a step, by direction
    const float *w_hh[2];      // [3H, H] of each direction
};

}

namespace {

void quantize_row(const QuantizedGRU &quantized, std::int64_t hidden, std::int64_t direction, std::int64_t row) {
    const float *weights = quantized.w_hh[direction] + row * hidden;
    float largest = 0.0f, nan = 0.0f;
#pragma omp simd reduction(max : largest) reduction(+ : nan)
    for (std::int64_t i = 0; i < hidden; ++i) {
        const float size = weights[i] < 0.0f ? -weights[i] : weights[i];
        largest = size > largest ? size : largest;
        nan += size * 0.0f;  // NaN if any weight is NaN or infinite
    }
    const float scale = largest > 0.0f ? LARGEST / largest : 0.0f;
    const std::int64_t gate = row / hidden, unit = row % hidden;
    std::int8_t *packed = quantized.weights + (direction * hidden + unit / LANES * LANES) * 3 * hidden;
    packed += (gate * LANES + unit % LANES) * FOUR;
    std::int32_t total = 0;
    for (std::int64_t i = 0; i < hidden; i += FOUR, packed += 3 * LANES * FOUR)
        for (std::int64_t j = 0; j < FOUR; ++j) {
            const float value = nan == 0.0f ? weights[i + j] * scale : 0.0f;
            const auto rounded = static_cast<std::int8_t>(value + (value < 0.0f ? -0.5f : 0.5f));
            packed[j] = rounded;
            total += rounded;
        }
    quantized.offsets[direction * 3 * hidden + row] = -ZERO * total;
    quantized.scales[direction * 3 * hidden + row] = largest / LARGEST / LARGEST + nan;
}

struct Tile {  // ROWS rows of LANES units, from `row` and `unit` on
    std::int64_t step, direction, row, unit;
};

// W_hh h of a tile as integer sums: [ROWS, 3, LANES].
inline void multiply(const std::int8_t *weights, const std::int32_t *offsets, const std::uint8_t *states,
                     std::int64_t hidden, std::int32_t *sums) {
    __m512i total[ROWS][3];
#pragma GCC unroll 6
    for (std::int64_t row = 0; row < ROWS; ++row)
        for (std::int64_t gate = 0; gate < 3; ++gate) total[row][gate] = _mm512_loadu_si512(offsets + gate * hidden);
    for (std::int64_t i = 0; i < hidden; i += FOUR, weights += 3 * LANES * FOUR) {
        const __m512i w_r = _mm512_loadu_si512(weights);
        const __m512i w_z = _mm512_loadu_si512(weights + LANES * FOUR);
        const __m512i w_n = _mm512_loadu_si512(weights + 2 * LANES * FOUR);
#pragma GCC unroll 6
        for (std::int64_t row = 0; row < ROWS; ++row) {
            std::int32_t four;
            std::memcpy(&four, states + row * hidden + i, sizeof four);
            const __m512i h = _mm512_set1_epi32(four);
            // Inline assembly: with the intrinsic, compilers copy the sums to memory and back each time.
            asm("vpdpbusd %2, %1, %0" : "+v"(total[row][0]) : "v"(h), "v"(w_r));
            asm("vpdpbusd %2, %1, %0" : "+v"(total[row][1]) : "v"(h), "v"(w_z));
            asm("vpdpbusd %2, %1, %0" : "+v"(total[row][2]) : "v"(h), "v"(w_n));
        }
    }
#pragma GCC unroll 6
    for (std::int64_t row = 0; row < ROWS; ++row)
        for (std::int64_t gate = 0; gate < 3; ++gate)
            _mm512_storeu_si512(sums + (row * 3 + gate) * LANES, total[row][gate]);
}

template <class T>
void step_units(const GRUParams &params, const QuantizedGRU &quantized, const Row<T> &at, std::int64_t unit,
                const std::int32_t *sums, std::uint8_t *quantized_state) {
    const std::int64_t hidden = params.hidden, first = at.direction * 3 * hidden + unit;
    float input_proj[3][LANES], hidden_proj[3][LANES];
    for (std::int64_t gate = 0; gate < 3; ++gate) {
        const std::int64_t column = gate * hidden + unit;
        if (params.unique_index) {
            project_input(params, at, column, LANES, input_proj[gate]);
        } else {
            const T *gates = static_cast<const T *>(params.gates) + at.token * 3 * hidden + column;
            for (std::int64_t i = 0; i < LANES; ++i) input_proj[gate][i] = widen(gates[i]);
        }
        const float *scales = quantized.scales + first + gate * hidden;
        for (std::int64_t i = 0; i < LANES; ++i)
            hidden_proj[gate][i] = static_cast<float>(sums[gate * LANES + i]) * scales[i];
    }
    const T *b_hn = static_cast<const T *>(params.b_hn) + at.direction * hidden + unit;
    float *h = params.h + at.slot * hidden + unit;
    T *output = static_cast<T *>(params.output) + at.output * hidden + unit;
#pragma omp simd
    for (std::int64_t i = 0; i < LANES; ++i) {
        const float r = sigmoid_of(input_proj[0][i] + hidden_proj[0][i]);
        const float z = sigmoid_of(input_proj[1][i] + hidden_proj[1][i]);
        const float n = tanh_of(input_proj[2][i] + r * (hidden_proj[2][i] + widen(b_hn[i])));
        const float h_new = n + z * (h[i] - n);
        h[i] = h_new;
        output[i] = narrow<T>(h_new);
        quantized_state[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(h_new * LARGEST + (ZERO + 0.5f)));
    }
}

template <class T>
void step_tile(const GRUParams &params, const QuantizedGRU &quantized, const Tile &tile, std::int64_t rows,
               const std::uint8_t *before, std::uint8_t *after) {
    const std::int64_t hidden = params.hidden;
    alignas(64) std::int32_t sums[ROWS][3 * LANES];
    multiply(quantized.weights + (tile.direction * hidden + tile.unit) * 3 * hidden,
             quantized.offsets + tile.direction * 3 * hidden + tile.unit, before + tile.row * hidden, hidden, sums[0]);
    for (std::int64_t row = tile.row; row < tile.row + ROWS && row < rows; ++row) {
        const Row<T> at(params, tile.step, tile.direction, row);
        step_units(params, quantized, at, tile.unit, sums[row - tile.row], after + row * hidden + tile.unit);
    }
}

template <class T> void forward(const GRUParams &params, const QuantizedGRU &quantized) {
    const std::int64_t hidden = params.hidden, strip = TILES * LANES, strips = (hidden + strip - 1) / strip;
    const std::int64_t size = (params.n_rows + ROWS - 1) / ROWS * ROWS * hidden;  // of the states of a direction
    std::memset(quantized.states, ZERO, 4 * size);
    const bool parallel = params.n_rows * hidden > SERIAL && params.threads > 1;
#pragma omp parallel num_threads(params.threads) if (parallel)
    for (std::int64_t step = 0; step < quantized.steps; ++step) {
        const std::int64_t rows = params.step_offsets[step + 1] - params.step_offsets[step], turn = step % 2;
#pragma omp for schedule(static)
        for (std::int64_t number = 0; number < 2 * strips; ++number) {
            const std::int64_t direction = number / strips, first = number % strips * strip;
            const std::uint8_t *before = quantized.states + (2 * turn + direction) * size;
            std::uint8_t *after = quantized.states + (2 * (1 - turn) + direction) * size;
            for (std::int64_t row = 0; row < rows; row += ROWS)
                for (std::int64_t unit = first; unit < first + strip && unit < hidden; unit += LANES)
                    step_tile<T>(params, quantized, {step, direction, row, unit}, rows, before, after);
        }
    }
}

}  // namespace

extern "C" {
int rows_per_tile(std::int64_t hidden) { return hidden % LANES ? 0 : static_cast<int>(ROWS); }

void quantize(const GRUParams *params, const QuantizedGRU *quantized) {
    const std::int64_t rows = 3 * params->hidden;
    const bool parallel = rows * params->hidden > SERIAL && params->threads > 1;
#pragma omp parallel for schedule(static) num_threads(params->threads) if (parallel)
    for (std::int64_t row = 0; row < 2 * rows; ++row) quantize_row(*quantized, params->hidden, row / rows, row % rows);
}
void forward_float32(const GRUParams *params, const QuantizedGRU *quantized) { forward<float>(*params, *quantized); }
void forward_bfloat16(const GRUParams *params, const QuantizedGRU *quantized) { forward<bf16>(*params, *quantized); }
}

#else

extern "C" int rows_per_tile(std::int64_t) { return 0; }

#endif
