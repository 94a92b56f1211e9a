// The gates of a bidirectional GRU at one step, forward and backward: all that stands between two matrix products, in
// one pass over memory. `gru_kernels.py` calls it; `gru_steps.py` says what is computed, and does the same with
// PyTorch's operations.

#include <cstdint>
#include <cstring>

#include "values.h"

namespace {

struct Room {
    std::int64_t hidden, n_tokens, n_rows, threads, keeps;
    const std::int64_t *firsts;      // [steps + 1], where each step begins among the tokens
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
    bool goes_on;

    Row(const Room &room, std::int64_t step, std::int64_t number) {
        const std::int64_t first = room.firsts[step], size = room.firsts[step + 1] - first;
        const std::int64_t way = number / size, row = number % size;
        const std::int64_t next = room.firsts[step + 2] - room.firsts[step + 1];
        token = way * room.n_tokens + first + row;
        slot = way * room.n_rows + row;
        kept = room.keeps ? token : slot;
        begun = room.keeps ? token + size : slot;
        goes_on = row < next;
        place = 2 * room.places[token] + way;
        this->way = way;
        this->row = row;
    }

    std::int64_t place, way, row;
};

template <class T> void hear(const Room &room, const Row<T> &at, T *gates) {
    const std::int64_t width = 3 * room.hidden;
    const T *shared = static_cast<const T *>(room.shared) + room.index[at.token] * width;
    const T *spot = room.spots ? static_cast<const T *>(room.of_spots) + room.spots[at.token] * width : nullptr;
    const T *constant = static_cast<const T *>(room.constant) + at.way * width;
    const float scale = room.scale ? widen(static_cast<const T *>(room.scale)[at.token]) : 1.0f;
    if (spot) {
#pragma omp simd
        for (std::int64_t i = 0; i < width; ++i)
            gates[i] = narrow<T>(widen(constant[i]) + scale * (widen(shared[i]) + widen(spot[i])));
    } else {
#pragma omp simd
        for (std::int64_t i = 0; i < width; ++i)
            gates[i] = narrow<T>(widen(constant[i]) + scale * widen(shared[i]));
    }
}

template <class T> void read_row(const Room &room, const Row<T> &at, const T *said) {
    const std::int64_t hidden = room.hidden;
    T *gates = static_cast<T *>(room.gates) + (room.index ? at.kept : at.token) * 3 * hidden;
    if (room.index) hear(room, at, gates);
    T *reset = gates, *update = gates + hidden, *fresh = gates + 2 * hidden;
    T *heard = static_cast<T *>(room.heard) + at.kept * hidden;
    said += at.row * 3 * hidden;
    const T *said_update = said + hidden, *said_fresh = said + 2 * hidden;
    const T *bias = static_cast<const T *>(room.bias) + at.way * hidden;
    float *state = room.state + at.slot * hidden;
    T *states = static_cast<T *>(room.states) + at.place * hidden;
    T *before = static_cast<T *>(room.before) + at.begun * hidden;
#pragma omp simd
    for (std::int64_t i = 0; i < hidden; ++i) {
        const float r = sigmoid_of(widen(reset[i]) + widen(said[i]));
        const float z = sigmoid_of(widen(update[i]) + widen(said_update[i]));
        const float s = widen(said_fresh[i]) + widen(bias[i]);
        const float n = tanh_of(widen(fresh[i]) + r * s);
        const float now = n + z * (state[i] - n);
        reset[i] = narrow<T>(r);
        update[i] = narrow<T>(z);
        fresh[i] = narrow<T>(n);
        heard[i] = narrow<T>(s);
        state[i] = now;
        states[i] = narrow<T>(now);
    }
    if (at.goes_on) std::memcpy(before, states, hidden * sizeof(T));
}

template <class T> void walk_back_row(const Room &room, const Row<T> &at, const T *sent) {
    const std::int64_t hidden = room.hidden;
    T *reset = static_cast<T *>(room.gates) + at.token * 3 * hidden, *update = reset + hidden, *fresh = update + hidden;
    T *heard = static_cast<T *>(room.heard) + at.token * hidden;
    const T *before = static_cast<const T *>(room.before) + at.token * hidden;
    const T *grad = static_cast<const T *>(room.grad) + at.place * hidden;
    float *passed = room.passed + at.slot * hidden;
    if (!at.goes_on) {  // nothing has come back yet
        std::memset(passed, 0, hidden * sizeof(float));
    } else {
        sent += at.row * hidden;
#pragma omp simd
        for (std::int64_t i = 0; i < hidden; ++i) passed[i] += widen(sent[i]);
    }
#pragma omp simd
    for (std::int64_t i = 0; i < hidden; ++i) {
        const float total = widen(grad[i]) + passed[i];
        const float r = widen(reset[i]), z = widen(update[i]), n = widen(fresh[i]), s = widen(heard[i]);
        const float of_n = total * (1 - z) * (1 - n * n);
        const float of_z = total * (widen(before[i]) - n) * z * (1 - z);
        reset[i] = narrow<T>(of_n * s * r * (1 - r));
        update[i] = narrow<T>(of_z);
        fresh[i] = narrow<T>(of_n * r);
        heard[i] = narrow<T>(of_n);
        passed[i] = total * z;
    }
}

template <class T> using Work = void (*)(const Room &, const Row<T> &, const T *);

template <class T> void each_row(Work<T> work, const Room &room, std::int64_t step, const void *ahead, const void *back) {
    const std::int64_t rows = 2 * (room.firsts[step + 1] - room.firsts[step]);
#pragma omp parallel for schedule(static) num_threads(room.threads) if (rows * room.hidden > ALONE && room.threads > 1)
    for (std::int64_t number = 0; number < rows; ++number) {
        const Row<T> at(room, step, number);
        work(room, at, static_cast<const T *>(at.way ? back : ahead));
    }
}

}  // namespace

// `ahead` and `back` are the products with the weights of each direction: of the state with that of its gates, [n, 3H],
// or of the gradients of the step after this one with it, [n, H].
extern "C" {
void read_float32(const Room *room, std::int64_t step, const void *ahead, const void *back) {
    each_row<float>(read_row<float>, *room, step, ahead, back);
}
void read_bfloat16(const Room *room, std::int64_t step, const void *ahead, const void *back) {
    each_row<bf16>(read_row<bf16>, *room, step, ahead, back);
}
void walk_back_float32(const Room *room, std::int64_t step, const void *ahead, const void *back) {
    each_row<float>(walk_back_row<float>, *room, step, ahead, back);
}
void walk_back_bfloat16(const Room *room, std::int64_t step, const void *ahead, const void *back) {
    each_row<bf16>(walk_back_row<bf16>, *room, step, ahead, back);
}
}
