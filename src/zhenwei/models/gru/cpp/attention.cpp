// LayerNorm, dropout and masked attention of one article's states, in one pass over them; forward and backward.
// `attention_pooling.py` calls it and says what is computed. Which values are dropped hangs on a seed and on where they
// stand, so that the way back knows without anything being kept.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "values.h"

namespace {

struct Pooling {
    std::int64_t rows, width, size, threads;
    const bool *mask;                           // [B, T]
    void *states;                               // [B, T, D]; on the way back, their gradient takes their place
    const float *norm_weight, *norm_bias;       // [D]
    const float *score_weight, *score_bias;     // [D], [1]
    float *mean, *inverse;                      // [B, T], of the norm: the mean and 1 / the standard deviation
    float *weights;                             // [B, T], of the attention
    float *pooled;                              // [B, D]
    const float *grad;                          // [B, D]
    float *of_norm_weight, *of_norm_bias;       // [B, D], gradients by article
    float *of_score_weight, *of_score_bias;     // [B, D], [B]
    std::uint64_t seed;
    std::uint64_t dropped;                      // of 2^32 values
    float epsilon, kept_scale;
};

struct Keys {  // the random numbers of one token
    std::uint32_t first, second;

    Keys(std::uint64_t seed, std::int64_t token) {  // SplitMix64 (Steele et al., OOPSLA 2014)
        std::uint64_t mixed = seed + 0x9e3779b97f4a7c15ULL * static_cast<std::uint64_t>(token + 1);
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
        mixed ^= mixed >> 31;
        first = static_cast<std::uint32_t>(mixed);
        second = static_cast<std::uint32_t>(mixed >> 32);
    }

    std::uint32_t operator()(std::uint32_t number) const {  // each bit of the number moves all others
        std::uint32_t x = number * 0x9e3779b9U + first;
        x = (x ^ (x >> 16)) * 0x7feb352dU;
        x ^= second;
        x = (x ^ (x >> 15)) * 0x846ca68bU;
        return x ^ (x >> 16);
    }
};

template <class T> struct Token {  // one token of an article, as the norm sees it
    const T *states;
    float mean, inverse;

    inline float normed(std::int64_t i) const { return (widen(states[i]) - mean) * inverse; }
};

template <class T> Token<T> measured(const T *states, std::int64_t size, float epsilon) {
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < size; ++i) sum += widen(states[i]);
    const float mean = sum / static_cast<float>(size);
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < size; ++i) {
        const float apart = widen(states[i]) - mean;
        squares += apart * apart;
    }
    return {states, mean, 1 / std::sqrt(squares / static_cast<float>(size) + epsilon)};
}

// What comes out of norm and dropout of a token, into `values`.
template <class T> void dropped_out(const Pooling &pooling, const Token<T> &token, std::int64_t place, float *values) {
    const std::int64_t size = pooling.size;
    const float *weight = pooling.norm_weight, *bias = pooling.norm_bias;
    if (!pooling.dropped) {
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i) values[i] = token.normed(i) * weight[i] + bias[i];
        return;
    }
    const Keys random(pooling.seed, place);
    const std::uint32_t dropped = static_cast<std::uint32_t>(pooling.dropped);
    const float scale = pooling.kept_scale;
#pragma omp simd
    for (std::int64_t i = 0; i < size; ++i) {
        const float value = (token.normed(i) * weight[i] + bias[i]) * scale;
        values[i] = random(static_cast<std::uint32_t>(i)) >= dropped ? value : 0.0f;
    }
}

inline float dot(const float *left, const float *right, std::int64_t size) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < size; ++i) sum += left[i] * right[i];
    return sum;
}

template <class T> void pool(const Pooling &pooling, std::int64_t row) {
    const std::int64_t size = pooling.size, first = row * pooling.width;
    std::vector<float> room(size);
    float *values = room.data(), *pooled = pooling.pooled + row * size;
    std::memset(pooled, 0, size * sizeof(float));
    float highest = -INFINITY, total = 0;
    for (std::int64_t place = first; place < first + pooling.width; ++place) {
        pooling.weights[place] = -INFINITY;  // the score, until all are known
        if (!pooling.mask[place]) continue;
        const T *states = static_cast<const T *>(pooling.states) + place * size;
        const Token<T> token = measured(states, size, pooling.epsilon);
        pooling.mean[place] = token.mean;
        pooling.inverse[place] = token.inverse;
        dropped_out(pooling, token, place, values);
        const float score = dot(values, pooling.score_weight, size) + pooling.score_bias[0];
        pooling.weights[place] = score;
        // A sum of exponentials that moves its origin to the highest score so far (Milakov & Gimelshein, 2018).
        const float origin = score > highest ? score : highest;
        const float fade = total == 0 ? 0 : std::exp(highest - origin), weight = std::exp(score - origin);
        highest = origin;
        total = total * fade + weight;
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i) pooled[i] = pooled[i] * fade + weight * values[i];
    }
    if (total == 0) {  // no token at all
        std::memset(pooling.weights + first, 0, pooling.width * sizeof(float));
        return;
    }
    for (std::int64_t i = 0; i < size; ++i) pooled[i] /= total;
    for (std::int64_t place = first; place < first + pooling.width; ++place)
        pooling.weights[place] = pooling.mask[place] ? std::exp(pooling.weights[place] - highest) / total : 0;
}

template <class T> void walk_back(const Pooling &pooling, std::int64_t row) {
    const std::int64_t size = pooling.size, first = row * pooling.width;
    std::vector<float> room(2 * size);
    float *values = room.data(), *back = values + size;
    const float *grad = pooling.grad + row * size, *weight = pooling.norm_weight, *score = pooling.score_weight;
    float *of_weight = pooling.of_norm_weight + row * size, *of_bias = pooling.of_norm_bias + row * size;
    float *of_score = pooling.of_score_weight + row * size;
    for (float *each : {of_weight, of_bias, of_score}) std::memset(each, 0, size * sizeof(float));
    pooling.of_score_bias[row] = 0;
    const float whole = dot(grad, pooling.pooled + row * size, size);
    const std::uint32_t dropped = static_cast<std::uint32_t>(pooling.dropped);
    const float scale = dropped ? pooling.kept_scale : 1.0f;
    for (std::int64_t place = first; place < first + pooling.width; ++place) {
        T *states = static_cast<T *>(pooling.states) + place * size;
        if (!pooling.mask[place]) {
            std::memset(states, 0, size * sizeof(T));
            continue;
        }
        const Token<T> token{states, pooling.mean[place], pooling.inverse[place]};
        dropped_out(pooling, token, place, values);
        const float share = pooling.weights[place];
        const float of_own_score = share * (dot(grad, values, size) - whole);
        pooling.of_score_bias[row] += of_own_score;
        const Keys random(pooling.seed, place);
        float sum = 0, along = 0;
#pragma omp simd reduction(+ : sum, along)
        for (std::int64_t i = 0; i < size; ++i) {
            of_score[i] += of_own_score * values[i];
            const float whether = random(static_cast<std::uint32_t>(i)) >= dropped ? scale : 0.0f;
            const float of_normed = (share * grad[i] + of_own_score * score[i]) * whether;
            const float normed = token.normed(i), before = of_normed * weight[i];
            of_weight[i] += of_normed * normed;
            of_bias[i] += of_normed;
            back[i] = before;
            sum += before;
            along += before * normed;
        }
        sum /= static_cast<float>(size);
        along /= static_cast<float>(size);
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i)
            states[i] = narrow<T>(token.inverse * (back[i] - sum - along * token.normed(i)));
    }
}

void each_row(void (*work)(const Pooling &, std::int64_t), const Pooling &pooling) {
    const bool shared = pooling.threads > 1 && pooling.rows * pooling.width * pooling.size > ALONE;
#pragma omp parallel for schedule(dynamic) num_threads(pooling.threads) if (shared)
    for (std::int64_t row = 0; row < pooling.rows; ++row) work(pooling, row);
}

}  // namespace

extern "C" {
void pool_float32(const Pooling *pooling) { each_row(pool<float>, *pooling); }
void pool_bfloat16(const Pooling *pooling) { each_row(pool<bf16>, *pooling); }
void walk_back_float32(const Pooling *pooling) { each_row(walk_back<float>, *pooling); }
void walk_back_bfloat16(const Pooling *pooling) { each_row(walk_back<bf16>, *pooling); }
}
