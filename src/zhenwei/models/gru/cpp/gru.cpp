// The gates of a bidirectional GRU at one step, forward and backward: all that stands between two matrix products, in
// one pass over memory. `gru_kernels.py` calls it; `gru_steps.py` says what is computed, and does the same with
// PyTorch's operations.

#include <cstdint>
#include <cstring>

#include "gru_params.h"

namespace {

template <class T> void read_row(const Room &room, const Row<T> &at, const T *said) {
    const std::int64_t hidden = room.hidden;
    T *gates = static_cast<T *>(room.gates) + (room.index ? at.kept : at.token) * 3 * hidden;
    if (room.index) hear(room, at, 0, 3 * hidden, gates);
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
    const std::int64_t size = room.firsts[step + 1] - room.firsts[step], rows = 2 * size;
#pragma omp parallel for schedule(static) num_threads(room.threads) if (rows * room.hidden > ALONE && room.threads > 1)
    for (std::int64_t number = 0; number < rows; ++number) {
        const Row<T> at(room, step, number / size, number % size);
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
