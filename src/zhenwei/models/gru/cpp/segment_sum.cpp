// Sums of rows that belong together; `row_sums.py` calls it and says what is computed.

#include <algorithm>
#include <cstdint>

#include "values.h"

namespace {

struct RowSums {
    std::int64_t sums, width, threads;
    const void *rows;            // [N, W]
    const void *scale;           // [N], or null: 1
    const std::int64_t *order;   // [N], the rows of each sum one after the other
    const std::int64_t *firsts;  // [S + 1], where each sum's begin
    void *into;                  // [S, W]
};

constexpr std::int64_t AT_ONCE = 256;  // columns: their sums stay in registers and the nearest cache

template <class T> void sum_up(const RowSums &given, std::int64_t number) {
    const T *rows = static_cast<const T *>(given.rows), *scale = static_cast<const T *>(given.scale);
    T *into = static_cast<T *>(given.into) + number * given.width;
    for (std::int64_t begin = 0; begin < given.width; begin += AT_ONCE) {
        const std::int64_t columns = std::min(AT_ONCE, given.width - begin);
        float sums[AT_ONCE] = {};
        for (std::int64_t place = given.firsts[number]; place < given.firsts[number + 1]; ++place) {
            const std::int64_t row = given.order[place];
            const T *values = rows + row * given.width + begin;
            const float factor = scale ? widen(scale[row]) : 1.0f;
#pragma omp simd
            for (std::int64_t i = 0; i < columns; ++i) sums[i] += factor * widen(values[i]);
        }
#pragma omp simd
        for (std::int64_t i = 0; i < columns; ++i) into[begin + i] = narrow<T>(sums[i]);
    }
}

template <class T> void sum_all(const RowSums &given) {
    const bool shared = given.threads > 1 && given.firsts[given.sums] * given.width > ALONE;
#pragma omp parallel for schedule(dynamic, 16) num_threads(given.threads) if (shared)
    for (std::int64_t number = 0; number < given.sums; ++number) sum_up<T>(given, number);
}

}  // namespace

extern "C" {
void sum_float32(const RowSums *given) { sum_all<float>(*given); }
void sum_bfloat16(const RowSums *given) { sum_all<bf16>(*given); }
}
