// Sums of the rows that share an index, as in the gradient of an embedding. Called by `segment_sum.py`.

#include <algorithm>
#include <cstdint>

#include "values.h"

namespace {

struct SegmentSum {
    std::int64_t segments, width, threads;
    const void *rows;             // [N, W]
    const void *scale;            // [N], or null: 1
    const std::int64_t *order;    // [N], rows sorted by segment
    const std::int64_t *offsets;  // [S + 1], where each segment begins in `order`
    void *out;                    // [S, W]
};

constexpr std::int64_t COLUMNS = 256;  // at a time: their sums stay in registers and the L1 cache

template <class T> void sum_segment(const SegmentSum &params, std::int64_t segment) {
    const T *rows = static_cast<const T *>(params.rows), *scale = static_cast<const T *>(params.scale);
    T *out = static_cast<T *>(params.out) + segment * params.width;
    for (std::int64_t first = 0; first < params.width; first += COLUMNS) {
        const std::int64_t columns = std::min(COLUMNS, params.width - first);
        float sums[COLUMNS] = {};
        for (std::int64_t i = params.offsets[segment]; i < params.offsets[segment + 1]; ++i) {
            const std::int64_t row = params.order[i];
            const T *values = rows + row * params.width + first;
            const float factor = scale ? widen(scale[row]) : 1.0f;
#pragma omp simd
            for (std::int64_t j = 0; j < columns; ++j) sums[j] += factor * widen(values[j]);
        }
#pragma omp simd
        for (std::int64_t j = 0; j < columns; ++j) out[first + j] = narrow<T>(sums[j]);
    }
}

template <class T> void sum_segments(const SegmentSum &params) {
    const bool parallel = params.threads > 1 && params.offsets[params.segments] * params.width > SERIAL;
#pragma omp parallel for schedule(dynamic, 16) num_threads(params.threads) if (parallel)
    for (std::int64_t segment = 0; segment < params.segments; ++segment) sum_segment<T>(params, segment);
}

}  // namespace

extern "C" {
void segment_sum_float32(const SegmentSum *params) { sum_segments<float>(*params); }
void segment_sum_bfloat16(const SegmentSum *params) { sum_segments<bf16>(*params); }
}
