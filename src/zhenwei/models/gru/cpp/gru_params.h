// Parameters of the recurrent steps of a bidirectional GRU, and what the kernels of these steps share.

#pragma once

#include <cstdint>

#include "values.h"

namespace {

// B rows, T tokens of the longest row, N real tokens, H hidden units; U unique tokens. Directions come first: [2, ...].
struct GRUParams {
    std::int64_t hidden, n_tokens, n_rows, threads, keep_all;
    const std::int64_t *step_offsets;    // [steps + 2], where each step begins among the N tokens; the last is empty
    const std::int64_t *token_index;     // [2, N], position among the B * T tokens of the batch
    const std::int64_t *unique_index;    // [2, N], rows of `unique_proj`; null: `gates` holds the input projections
    const std::int64_t *position_index;  // [2, N], rows of `position_proj`; may be null
    const void *unique_proj;             // [2 U, 3H]
    const void *position_proj;           // [2 T, 3H]
    const void *scale;                   // [2, N]; may be null
    const void *constant;                // [2, 3H]
    const void *b_hn;                    // [2, H], the hidden bias of gate n
    void *gates;                         // r, z, n: [2, N, 3H]; of one step [2, B, 3H] unless `keep_all`, as the next two
    void *hidden_new;                    // W_hn h + b_hn: [2, N, H]
    void *prev_hidden;                   // the state before each step: [2, N, H]
    float *h;                            // [2, B, H], the current state
    void *output;                        // [B * T, 2, H], the states
    const void *grad_output;             // [B * T, 2, H]
    float *grad_h;                       // [2, B, H], gradient of the state, without the part that passes through W_hh
};

// A rational approximation of tanh, accurate to a few units in the last place (coefficients from Eigen).
inline float tanh_of(float value) {
    float x = value < -7.90531110763549805f ? -7.90531110763549805f : value;
    x = x > 7.90531110763549805f ? 7.90531110763549805f : x;
    const float square = x * x;
    float numerator = -2.76076847742355e-16f;
    numerator = numerator * square + 2.00018790482477e-13f;
    numerator = numerator * square - 8.60467152213735e-11f;
    numerator = numerator * square + 5.12229709037114e-08f;
    numerator = numerator * square + 1.48572235717979e-05f;
    numerator = numerator * square + 6.37261928875436e-04f;
    numerator = numerator * square + 4.89352455891786e-03f;
    float denominator = 1.19825839466702e-06f;
    denominator = denominator * square + 1.18534705686654e-04f;
    denominator = denominator * square + 2.26843463243900e-03f;
    denominator = denominator * square + 4.89352518554385e-03f;
    return x * numerator / denominator;
}

inline float sigmoid_of(float value) { return 0.5f + 0.5f * tanh_of(0.5f * value); }

template <class T> struct Row {  // one row in one direction at one step, and its index in each buffer
    std::int64_t direction, row;
    std::int64_t token;   // in [2, N]
    std::int64_t slot;    // in [2, B]
    std::int64_t buffer;  // in `gates` and `hidden_new`
    std::int64_t next;    // in `prev_hidden`, for the next step
    std::int64_t output;  // in [B * T, 2]
    bool continues;       // whether the row has a next step

    Row(const GRUParams &params, std::int64_t step, std::int64_t direction, std::int64_t row)
        : direction(direction), row(row) {
        const std::int64_t first = params.step_offsets[step], size = params.step_offsets[step + 1] - first;
        const std::int64_t next_size = params.step_offsets[step + 2] - params.step_offsets[step + 1];
        token = direction * params.n_tokens + first + row;
        slot = direction * params.n_rows + row;
        buffer = params.keep_all ? token : slot;
        next = params.keep_all ? token + size : slot;
        continues = row < next_size;
        output = 2 * params.token_index[token] + direction;
    }
};

// Write the input projection of a token to `gates`, for some columns from `first` on:
// constant + scale * (unique_proj[unique_index] + position_proj[position_index])
template <class T, class To>
void project_input(const GRUParams &params, const Row<T> &at, std::int64_t first, std::int64_t columns, To *gates) {
    const std::int64_t width = 3 * params.hidden;
    const T *unique = static_cast<const T *>(params.unique_proj) + params.unique_index[at.token] * width + first;
    const T *position = nullptr;
    if (params.position_index)
        position = static_cast<const T *>(params.position_proj) + params.position_index[at.token] * width + first;
    const T *constant = static_cast<const T *>(params.constant) + at.direction * width + first;
    const float scale = params.scale ? widen(static_cast<const T *>(params.scale)[at.token]) : 1.0f;
    if (position) {
#pragma omp simd
        for (std::int64_t i = 0; i < columns; ++i)
            gates[i] = narrow<To>(widen(constant[i]) + scale * (widen(unique[i]) + widen(position[i])));
    } else {
#pragma omp simd
        for (std::int64_t i = 0; i < columns; ++i)
            gates[i] = narrow<To>(widen(constant[i]) + scale * widen(unique[i]));
    }
}

}  // namespace
