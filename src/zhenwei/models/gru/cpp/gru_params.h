// What the steps of a bidirectional GRU read and write, and what they compute of it.

#pragma once

#include <cstdint>

#include "values.h"

namespace {

struct Room {
    std::int64_t hidden, n_tokens, n_rows, threads, keeps;
    const std::int64_t *firsts;      // [steps + 2], where each step begins among the tokens; the last one has none
    const std::int64_t *places;      // [2, N], which token of the batch is read
    const std::int64_t *index;       // [2, N], rows of `shared`; null: the gates hold what they hear
    const std::int64_t *spots;       // [2, N], rows of `of_spots`; may be null
    const void *shared, *of_spots;   // [2 U, 3H], [2 T, 3H]
    const void *scale;               // [2, N]; may be null
    const void *constant;            // [2, 3H]
    const void *bias;                // [2, H], what n hears from the state whatever that is
    void *gates, *heard, *before;    // [2, N, 3H], [2, N, H], [2, N, H]; of one step [2, B, ...] unless all is kept
    float *state;                    // [2, B, H]
    void *states;                    // [B * T, 2, H]
    const void *grad;                // [B * T, 2, H]
    float *passed;                   // [2, B, H], what the step after this one sends back past the weight
};

// A quotient of polynomials that is tanh to a few units in the last place (the coefficients are those of Eigen).
inline float tanh_of(float value) {
    float x = value < -7.90531110763549805f ? -7.90531110763549805f : value;
    x = x > 7.90531110763549805f ? 7.90531110763549805f : x;
    const float square = x * x;
    float above = -2.76076847742355e-16f;
    above = above * square + 2.00018790482477e-13f;
    above = above * square - 8.60467152213735e-11f;
    above = above * square + 5.12229709037114e-08f;
    above = above * square + 1.48572235717979e-05f;
    above = above * square + 6.37261928875436e-04f;
    above = above * square + 4.89352455891786e-03f;
    float below = 1.19825839466702e-06f;
    below = below * square + 1.18534705686654e-04f;
    below = below * square + 2.26843463243900e-03f;
    below = below * square + 4.89352518554385e-03f;
    return x * above / below;
}

inline float sigmoid_of(float value) { return 0.5f + 0.5f * tanh_of(0.5f * value); }

template <class T> struct Row {  // one row of one direction at one step
    std::int64_t token, kept, slot, begun;  // where it stands in [2, N], the gates, [2, B], and the next `before`
    std::int64_t place, way, row;
    bool goes_on;

    Row(const Room &room, std::int64_t step, std::int64_t way, std::int64_t row) : way(way), row(row) {
        const std::int64_t first = room.firsts[step], size = room.firsts[step + 1] - first;
        const std::int64_t next = room.firsts[step + 2] - room.firsts[step + 1];
        token = way * room.n_tokens + first + row;
        slot = way * room.n_rows + row;
        kept = room.keeps ? token : slot;
        begun = room.keeps ? token + size : slot;
        goes_on = row < next;
        place = 2 * room.places[token] + way;
    }
};

// What a token says to some columns of the gates, from the first on, where tokens share it.
template <class T, class To>
void hear(const Room &room, const Row<T> &at, std::int64_t first, std::int64_t columns, To *gates) {
    const std::int64_t width = 3 * room.hidden;
    const T *shared = static_cast<const T *>(room.shared) + room.index[at.token] * width + first;
    const T *spot = room.spots ? static_cast<const T *>(room.of_spots) + room.spots[at.token] * width + first : nullptr;
    const T *constant = static_cast<const T *>(room.constant) + at.way * width + first;
    const float scale = room.scale ? widen(static_cast<const T *>(room.scale)[at.token]) : 1.0f;
    if (spot) {
#pragma omp simd
        for (std::int64_t i = 0; i < columns; ++i)
            gates[i] = narrow<To>(widen(constant[i]) + scale * (widen(shared[i]) + widen(spot[i])));
    } else {
#pragma omp simd
        for (std::int64_t i = 0; i < columns; ++i)
            gates[i] = narrow<To>(widen(constant[i]) + scale * widen(shared[i]));
    }
}

}  // namespace
