// The hand-written kernels, run by the emulator, against plain loops in double. Memory lies between guards, which the
// address sanitizer knows; outputs begin as NaN, maps carry rubbish in their padding; each launch is repeated with the
// threads in the opposite order, which must change no bit.
#include "message_of.hpp"

#include <device.hpp>
#include <emulator.hpp>

#include <gpunet/cuda/kernels/convert.hpp>
#include <gpunet/cuda/kernels/convolution.hpp>
#include <gpunet/cuda/kernels/dense.hpp>
#include <gpunet/cuda/kernels/depthwise.hpp>
#include <gpunet/cuda/kernels/implicit_gemm.hpp>
#include <gpunet/cuda/kernels/mean.hpp>
#include <gpunet/cuda/kernels/pointwise.hpp>
#include <gpunet/cuda/kernels/stem.hpp>
#include <gpunet/cuda/kernels/sums.hpp>

#include <catch2/catch.hpp>

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace test_kernels { // tests of a program are compiled together

using gpunet::activation;
using gpunet::cuda::element;
using gpunet_test::message_of;
namespace kernels = gpunet::cuda::kernels;
using integer = std::int64_t;

namespace {

constexpr element types[] = {element::float32, element::float16, element::bfloat16};
constexpr activation activations[] = {activation::identity,     activation::relu,       activation::relu6,
                                      activation::swish,        activation::hard_swish, activation::sigmoid,
                                      activation::hard_sigmoid, activation::gelu};

std::mt19937 random_bits(20260101);
integer among(std::initializer_list<integer> values) { return values.begin()[random_bits() % values.size()]; }
activation any_activation() { return activations[random_bits() % 8]; }
bool coin() { return random_bits() % 2 == 0; }
float noise() { return static_cast<float>(random_bits()) * 0x1p-31F - 1.0F; }

std::vector<float> noises(integer count, double scale = 1) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& v : values) v = static_cast<float>(noise() * scale);
    return values;
}

float rounded(element type, double value) {
    const auto f = static_cast<float>(value);
    switch (type) {
    case element::float16: return static_cast<float>(gpunet::half(f));
    case element::bfloat16: return static_cast<float>(gpunet::bfloat16(f));
    default: return f;
    }
}

/// Device memory: NaN, between guards.
class memory {
  public:
    explicit memory(std::size_t bytes)
        : bytes_(bytes), all_(static_cast<std::byte*>(::operator new[](bytes + 2 * guard, std::align_val_t{64}))) {
        std::memset(all_.get(), 0xFF, bytes + 2 * guard);
        ASAN_POISON_MEMORY_REGION(all_.get(), guard);
        ASAN_POISON_MEMORY_REGION(all_.get() + guard + bytes, guard);
    }
    explicit memory(std::span<const std::byte> content) : memory(content.size()) {
        std::copy(content.begin(), content.end(), data());
    }
    explicit memory(std::span<const float> content) : memory(std::as_bytes(content)) {}
    memory(memory&&) = default;
    memory& operator=(memory&&) = delete;
    ~memory() {
        if (!all_) return;
        ASAN_UNPOISON_MEMORY_REGION(all_.get(), bytes_ + 2 * guard);
        bool whole = true;
        for (std::size_t i = 0; i < guard; ++i)
            whole = whole && all_[i] == std::byte{0xFF} && all_[guard + bytes_ + i] == std::byte{0xFF};
        CHECK(whole); // no kernel wrote outside its memory
    }
    std::byte* data() { return all_.get() + guard; }
    float* floats() { return reinterpret_cast<float*>(data()); }
    std::size_t size() const { return bytes_; }
    std::vector<std::byte> copy() { return {data(), data() + bytes_}; }
    double number(element type, integer i) {
        const auto at = static_cast<std::size_t>(i) * gpunet::cuda::element_size(type);
        const auto read = [&]<class T>(T value) {
            std::memcpy(&value, data() + at, sizeof value);
            return static_cast<double>(static_cast<float>(value));
        };
        if (type == element::float16) return read(gpunet::half());
        if (type == element::bfloat16) return read(gpunet::bfloat16());
        return read(float());
    }

  private:
    static constexpr std::size_t guard = 256;
    struct release {
        void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
    };
    std::size_t bytes_;
    std::unique_ptr<std::byte[], release> all_;
};

/// A map on the host: numbers, N H W C without padding.
struct picture {
    element type;
    integer n, h, w, c;
    std::vector<double> values;

    picture(element t, integer n_, integer h_, integer w_, integer c_)
        : type(t), n(n_), h(h_), w(w_), c(c_), values(static_cast<std::size_t>(n_ * h_ * w_ * c_)) {}
    double& at(integer i, integer y, integer x, integer k) {
        return values[static_cast<std::size_t>(((i * h + y) * w + x) * c + k)];
    }
    /// 0 outside of the picture.
    double padded(integer i, integer y, integer x, integer k) {
        return y < 0 || x < 0 || y >= h || x >= w ? 0 : at(i, y, x, k);
    }
    picture& fill(double scale = 2) {
        for (double& v : values) v = rounded(type, noise() * scale);
        return *this;
    }
    std::size_t bytes() const {
        return static_cast<std::size_t>(n * h * w * kernels::padded(c)) * gpunet::cuda::element_size(type);
    }
    memory on_device() {
        const integer cp = kernels::padded(c);
        std::vector<float> all(static_cast<std::size_t>(n * h * w * cp));
        for (integer p = 0; p < n * h * w; ++p)
            for (integer k = 0; k < cp; ++k)
                all[static_cast<std::size_t>(p * cp + k)] =
                    k < c ? static_cast<float>(values[static_cast<std::size_t>(p * c + k)]) : 777.0F;
        return memory(kernels::detail::to_bytes(all, type));
    }
    picture map(const std::function<double(double)>& f) const {
        picture p = *this;
        for (double& v : p.values) v = f(v);
        return p;
    }
};

/// How far a computed number may be from the exact one: a rounding to the type, and float32 sums on the way of terms
/// of about `scale`.
double allowed(element type, double expected, double scale) {
    const double step = type == element::float32 ? 0 : type == element::float16 ? 0x1p-11 : 0x1p-8;
    const double least = type == element::float16 ? 0x1p-24 : 0;
    return std::fabs(expected) * (step * 1.01 + 2e-6) + least + scale * 3e-6;
}

/// The map in memory is the expected one, and its padding finite. @return what is wrong, or nothing
std::string difference(memory& found, picture expected, double scale) {
    const integer cp = kernels::padded(expected.c);
    for (integer i = 0; i < expected.n; ++i)
        for (integer y = 0; y < expected.h; ++y)
            for (integer x = 0; x < expected.w; ++x)
                for (integer k = 0; k < cp; ++k) {
                    const double f = found.number(expected.type, ((i * expected.h + y) * expected.w + x) * cp + k);
                    const double e = k < expected.c ? expected.at(i, y, x, k) : 0;
                    const bool right =
                        k < expected.c ? std::fabs(f - e) <= allowed(expected.type, e, scale) : std::isfinite(f);
                    if (!right)
                        return "picture " + std::to_string(i) + ", row " + std::to_string(y) + ", column " +
                               std::to_string(x) + ", channel " + std::to_string(k) + ": expected " +
                               std::to_string(e) + ", found " + std::to_string(f);
                }
    return {};
}

std::string difference(memory& found, const std::vector<double>& expected, double scale) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const double f = found.number(element::float32, static_cast<integer>(i));
        if (!(std::fabs(f - expected[i]) <= allowed(element::float32, expected[i], scale)))
            return "number " + std::to_string(i) + ": expected " + std::to_string(expected[i]) + ", found " +
                   std::to_string(f);
    }
    return {};
}

std::string describe(const kernels::kernel_launch& l) {
    std::string text(l.name);
    for (const std::string& d : l.defines) text += ' ' + d;
    const auto three = [](const auto& a) {
        return std::to_string(a[0]) + "x" + std::to_string(a[1]) + "x" + std::to_string(a[2]);
    };
    return text + ", grid " + three(l.grid) + ", block " + three(l.block);
}

/// Runs a kernel forward and backward. `outputs` must come out the same, bit by bit.
template <class Operation, class Parameters>
void run(const Operation& o, const Parameters& p, std::initializer_list<memory*> outputs) {
    const kernels::kernel_launch launch = kernels::describe(o);
    INFO(describe(launch));
    REQUIRE(launch.block[0] * launch.block[1] * launch.block[2] <= 256);
    REQUIRE(launch.shared_bytes <= 49152);
    std::vector<std::vector<std::byte>> before, after;
    for (memory* m : outputs) before.push_back(m->copy());
    gpunet::emulation::set_order(gpunet::emulation::order::backward);
    gpunet::emulation::launch(launch, &p);
    gpunet::emulation::set_order(gpunet::emulation::order::forward);
    for (memory* m : outputs) {
        after.push_back(m->copy());
        std::copy(before[after.size() - 1].begin(), before[after.size() - 1].end(), m->data());
    }
    gpunet::emulation::launch(launch, &p);
    std::size_t i = 0;
    for (memory* m : outputs) CHECK(std::equal(m->data(), m->data() + m->size(), after[i++].begin()));
}

/// Sums in memory, over their rows.
std::vector<double> total(memory& sums, integer n, integer rows, integer channels) {
    const integer cp = kernels::padded(channels);
    std::vector<double> all;
    for (integer i = 0; i < n; ++i)
        for (integer c = 0; c < channels; ++c) {
            double sum = 0;
            for (integer r = 0; r < rows; ++r) sum += sums.number(element::float32, (i * rows + r) * cp + c);
            all.push_back(sum);
        }
    return all;
}

/// The weights as the kernel has them.
std::vector<float> rounded(element type, std::vector<float> weights) {
    for (float& w : weights) w = rounded(type, w);
    return weights;
}

/// Output extent where at most `kernel - 1` rows of padding follow.
integer extent(integer input, integer kernel, integer stride, integer before) {
    const integer after = static_cast<integer>(random_bits() % static_cast<unsigned>(kernel));
    return std::max<integer>(1, (input + before + after - kernel) / stride + 1);
}

} // namespace

TEST_CASE("depthwise convolution") {
    const element type = GENERATE(element::float32, element::float16, element::bfloat16);
    const integer kernel = GENERATE(1, 2, 3, 4, 5, 6, 7);
    const integer stride = GENERATE(1, 2, 3);
    for (int round = 0; round < (kernel % 2 == 1 || kernel == 2 ? 10 : 3); ++round) {
        kernels::depthwise d;
        d.type = type;
        d.kernel = kernel;
        d.stride = stride;
        d.n = among({1, 1, 2, 3});
        d.channels = among({1, 3, 4, 8, 20, 40, 67, 100});
        d.height = among({1, 2, 5, 9, 14, 19});
        d.width = among({1, 3, 4, 7, 13, 17});
        d.top = static_cast<integer>(random_bits() % static_cast<unsigned>(kernel));
        d.left = static_cast<integer>(random_bits() % static_cast<unsigned>(kernel));
        d.output_height = extent(d.height, kernel, stride, d.top);
        d.output_width = extent(d.width, kernel, stride, d.left);
        d.input_act = round % 3 == 0 ? activation::identity : any_activation();
        d.act = any_activation();
        d.sums = coin();
        d.multiprocessors = static_cast<int>(among({1, 1, 4, 132, 100000})); // few: more work for each thread
        if (round == 0 && (kernel == 5 || kernel == 7) && stride == 1) {
            d.n = d.multiprocessors = 1;
            d.channels = 100;
            d.height = d.output_height = 5;
            d.width = d.output_width = 13;
            d.top = d.left = kernel / 2;
            REQUIRE(kernels::detail::plan(d).strip_x == 4);
            REQUIRE(kernels::detail::plan(d).strip_y == 1);
        }
        INFO("n " << d.n << ", channels " << d.channels << ", " << d.height << " x " << d.width << " to "
                  << d.output_height << " x " << d.output_width << ", padding " << d.top << " " << d.left);

        picture in(type, d.n, d.height, d.width, d.channels);
        in.fill();
        const std::vector<float> weights = noises(d.channels * kernel * kernel), bias = noises(d.channels);
        const std::vector<float> w = rounded(type, weights);
        const picture read = in.map([&](double v) { return gpunet::apply(d.input_act, v); });
        picture expected(type, d.n, d.output_height, d.output_width, d.channels);
        for (integer i = 0; i < d.n; ++i)
            for (integer y = 0; y < d.output_height; ++y)
                for (integer x = 0; x < d.output_width; ++x)
                    for (integer c = 0; c < d.channels; ++c) {
                        double sum = bias[static_cast<std::size_t>(c)];
                        for (integer v = 0; v < kernel; ++v)
                            for (integer u = 0; u < kernel; ++u)
                                sum += double{w[static_cast<std::size_t>((c * kernel + v) * kernel + u)]} *
                                       const_cast<picture&>(read).padded(i, y * stride - d.top + v,
                                                                         x * stride - d.left + u, c);
                        expected.at(i, y, x, c) = gpunet::apply(d.act, sum);
                    }

        memory input = in.on_device(), output(expected.bytes());
        memory packed(kernels::pack_weights(d, weights)), biases(kernels::pack_bias(d.channels, bias));
        const integer rows = kernels::sum_rows(d);
        memory sums(static_cast<std::size_t>(d.n * rows * kernels::padded(d.channels)) * sizeof(float));
        kernels::depthwise_parameters p = kernels::parameters(d);
        p.input = input.data();
        p.weights = packed.data();
        p.bias = biases.floats();
        p.output = output.data();
        p.sums = d.sums ? sums.floats() : nullptr;
        run(d, p, {&output, &sums});
        const double scale = 2 * std::sqrt(static_cast<double>(kernel * kernel)) * 2;
        REQUIRE(difference(output, expected, scale) == "");
        if (!d.sums) continue;
        REQUIRE(rows <= 16);
        // Of the outputs as they were rounded.
        const std::vector<double> found = total(sums, d.n, rows, d.channels);
        for (integer i = 0; i < d.n; ++i)
            for (integer c = 0; c < d.channels; ++c) {
                double sum = 0, size = 0;
                for (integer q = 0; q < d.output_height * d.output_width; ++q) {
                    const double v = output.number(
                        type, (i * d.output_height * d.output_width + q) * kernels::padded(d.channels) + c);
                    sum += v;
                    size += std::fabs(v);
                }
                REQUIRE(std::fabs(found[static_cast<std::size_t>(i * d.channels + c)] - sum) <= 1e-6 * size + 1e-6);
            }
        for (std::size_t i = 0; i < sums.size() / sizeof(float); ++i)
            REQUIRE(std::isfinite(sums.number(element::float32, static_cast<integer>(i))));
    }
}

TEST_CASE("stem") {
    const element type = GENERATE(element::float32, element::float16, element::bfloat16);
    const integer kernel = GENERATE(1, 2, 3, 4, 5, 6, 7);
    const integer stride = GENERATE(1, 2, 3, 5);
    for (int round = 0; round < 3; ++round) {
        kernels::stem s;
        s.type = type;
        s.kernel = kernel;
        s.stride = stride;
        s.n = among({1, 2, 3});
        s.channels = among({1, 2, 3, 3, 4});
        s.height = among({1, 2, 6, 11, 16});
        s.width = among({1, 3, 5, 12, 15});
        s.output_channels = among({1, 8, 12, 24, 33, 67, 130});
        s.top = static_cast<integer>(random_bits() % static_cast<unsigned>(kernel));
        s.left = static_cast<integer>(random_bits() % static_cast<unsigned>(kernel));
        s.output_height = extent(s.height, kernel, stride, s.top);
        s.output_width = extent(s.width, kernel, stride, s.left);
        s.act = any_activation();
        s.multiprocessors = static_cast<int>(among({1, 132}));
        if (round == 0) s.multiprocessors = 0; // the widest strips
        picture in(element::float32, s.n, s.height, s.width, s.channels);
        in.fill();
        std::vector<float> nchw(in.values.size());
        for (integer i = 0; i < s.n; ++i)
            for (integer c = 0; c < s.channels; ++c)
                for (integer y = 0; y < s.height; ++y)
                    for (integer x = 0; x < s.width; ++x)
                        nchw[static_cast<std::size_t>(((i * s.channels + c) * s.height + y) * s.width + x)] =
                            static_cast<float>(in.at(i, y, x, c));
        const std::vector<float> w = noises(s.output_channels * s.channels * kernel * kernel);
        const std::vector<float> bias = noises(s.output_channels);
        picture expected(type, s.n, s.output_height, s.output_width, s.output_channels);
        for (integer i = 0; i < s.n; ++i)
            for (integer y = 0; y < s.output_height; ++y)
                for (integer x = 0; x < s.output_width; ++x)
                    for (integer o = 0; o < s.output_channels; ++o) {
                        double sum = bias[static_cast<std::size_t>(o)];
                        for (integer c = 0; c < s.channels; ++c)
                            for (integer v = 0; v < kernel; ++v)
                                for (integer u = 0; u < kernel; ++u)
                                    sum += double{w[static_cast<std::size_t>(
                                               ((o * s.channels + c) * kernel + v) * kernel + u)]} *
                                           in.padded(i, y * stride - s.top + v, x * stride - s.left + u, c);
                        expected.at(i, y, x, o) = gpunet::apply(s.act, sum);
                    }
        memory input{std::span<const float>(nchw)}, output(expected.bytes());
        memory packed(kernels::pack_weights(s, w)), biases(kernels::pack_bias(s.output_channels, bias));
        kernels::stem_parameters p = kernels::parameters(s);
        p.input = input.floats();
        p.weights = packed.floats();
        p.bias = biases.floats();
        p.output = output.data();
        run(s, p, {&output});
        REQUIRE(difference(output, expected, 20) == "");
    }
}

TEST_CASE("sums and means of a map") {
    const element type = GENERATE(element::float32, element::float16, element::bfloat16);
    const bool mean = GENERATE(false, true);
    for (int round = 0; round < 40; ++round) {
        kernels::sums s;
        s.type = type;
        s.mean = mean;
        s.n = among({1, 2, 5});
        s.channels = among({1, 3, 8, 30, 33, 67, 136, 300});
        s.height = among({1, 3, 7, 14, 40});
        s.width = among({1, 2, 9, 13, 40});
        s.input_act = any_activation();
        s.multiprocessors = static_cast<int>(among({1, 132, 5000}));
        picture in(type, s.n, s.height, s.width, s.channels);
        in.fill();
        std::vector<double> expected;
        const double pixels = static_cast<double>(s.height * s.width);
        for (integer i = 0; i < s.n; ++i)
            for (integer c = 0; c < s.channels; ++c) {
                double sum = 0;
                for (integer y = 0; y < s.height; ++y)
                    for (integer x = 0; x < s.width; ++x) sum += gpunet::apply(s.input_act, in.at(i, y, x, c));
                expected.push_back(mean ? sum / pixels : sum);
            }
        const integer rows = kernels::sum_rows(s);
        memory input = in.on_device();
        memory output(static_cast<std::size_t>(s.n * (mean ? s.channels : rows * kernels::padded(s.channels))) *
                      sizeof(float));
        kernels::sums_parameters p = kernels::parameters(s);
        p.input = input.data();
        p.output = output.floats();
        run(s, p, {&output});
        const double scale = mean ? 2 : 2 * pixels;
        if (mean) {
            REQUIRE(difference(output, expected, scale) == "");
            continue;
        }
        const std::vector<double> found = total(output, s.n, rows, s.channels);
        for (std::size_t i = 0; i < expected.size(); ++i)
            REQUIRE(std::fabs(found[i] - expected[i]) <= allowed(element::float32, expected[i], scale));

        kernels::mean m;
        m.n = s.n;
        m.channels = s.channels;
        m.rows = rows;
        m.pixels = s.height * s.width;
        memory means(expected.size() * sizeof(float));
        kernels::mean_parameters q = kernels::parameters(m);
        q.input = output.floats();
        q.output = means.floats();
        run(m, q, {&means});
        for (double& v : expected) v /= pixels;
        REQUIRE(difference(means, expected, 2) == "");
    }
}

TEST_CASE("dense") {
    const element type = GENERATE(element::float32, element::float16, element::bfloat16);
    const bool from_sums = GENERATE(false, true);
    for (int round = 0; round < 40; ++round) {
        kernels::dense d;
        d.type = type;
        d.n = among({1, 1, 2, 3, 4, 7, 8, 9, 17});
        d.inputs = among({1, 3, 4, 8, 33, 67, 130, 500, 1280, 2500});
        d.outputs = among({1, 2, 5, 8, 10, 33, 70});
        d.rows = from_sums ? among({1, 2, 7, 8, 16, 17, 32, 70}) : 0;
        d.pixels = from_sums ? among({1, 49, 100}) : 1;
        d.act = any_activation();
        d.multiprocessors = static_cast<int>(among({1, 4, 132, 5000}));
        INFO("n " << d.n << ", " << d.inputs << " to " << d.outputs << ", rows " << d.rows);
        const integer cp = kernels::padded(d.inputs), length = from_sums ? d.rows * cp : d.inputs;
        std::vector<float> x = noises(d.n * length, static_cast<double>(d.pixels));
        const std::vector<float> weights = noises(d.outputs * d.inputs, 0.5), w = rounded(type, weights);
        const std::vector<float> bias = coin() ? noises(d.outputs) : std::vector<float>{};
        std::vector<double> expected;
        for (integer i = 0; i < d.n; ++i)
            for (integer o = 0; o < d.outputs; ++o) {
                double sum = bias.empty() ? 0 : bias[static_cast<std::size_t>(o)];
                for (integer k = 0; k < d.inputs; ++k) {
                    double v = 0;
                    for (integer r = 0; r < std::max<integer>(1, d.rows); ++r)
                        v += x[static_cast<std::size_t>(i * length + r * cp + k)];
                    sum += v / static_cast<double>(d.pixels) * w[static_cast<std::size_t>(o * d.inputs + k)];
                }
                expected.push_back(gpunet::apply(d.act, sum));
            }
        // Whatever lies behind the channels of sums does not count.
        if (from_sums)
            for (integer i = 0; i < d.n * d.rows; ++i)
                for (integer k = d.inputs; k < cp; ++k) x[static_cast<std::size_t>(i * cp + k)] = NAN;
        memory input{std::span<const float>(x)}, packed(kernels::pack_weights(d, weights));
        memory biases{std::span<const float>(bias)}, output(expected.size() * sizeof(float));
        kernels::dense_parameters p = kernels::parameters(d);
        p.input = input.floats();
        p.weights = packed.data();
        p.bias = bias.empty() ? nullptr : biases.floats();
        p.output = output.floats();
        run(d, p, {&output});
        REQUIRE(difference(output, expected,
                           2 * std::sqrt(static_cast<double>(d.inputs * std::max<integer>(1, d.rows)))) == "");
    }
}

TEST_CASE("pointwise: activation, residual, gates") {
    const element type = GENERATE(element::float32, element::float16, element::bfloat16);
    const auto gate = GENERATE(kernels::gate_source::none, kernels::gate_source::given, kernels::gate_source::computed);
    const bool residual = GENERATE(false, true);
    for (int round = 0; round < 25; ++round) {
        kernels::pointwise d;
        d.type = type;
        d.gate = gate;
        d.residual = residual;
        d.n = among({1, 2, 5});
        d.channels = among({1, 4, 12, 33, 67, 136, 300});
        d.height = among({1, 3, 7, 14});
        d.width = among({1, 2, 9, 20});
        d.act = any_activation();
        if (gate == kernels::gate_source::computed) {
            d.squeezed = among({1, 2, 14, 56, 177});
            d.gate_act = any_activation();
        }
        d.multiprocessors = static_cast<int>(among({1, 132, 5000}));
        picture in(type, d.n, d.height, d.width, d.channels), added = in;
        in.fill();
        added.fill();
        const integer width = gate == kernels::gate_source::computed ? d.squeezed : d.channels;
        const std::vector<float> factors = noises(d.n * width), weights = noises(d.channels * d.squeezed);
        const std::vector<float> w = rounded(type, weights), bias = noises(d.channels);
        picture expected = in;
        for (integer i = 0; i < d.n; ++i)
            for (integer c = 0; c < d.channels; ++c) {
                double g = 1;
                if (gate == kernels::gate_source::given) g = factors[static_cast<std::size_t>(i * width + c)];
                if (gate == kernels::gate_source::computed) {
                    g = bias[static_cast<std::size_t>(c)];
                    for (integer k = 0; k < d.squeezed; ++k)
                        g += double{w[static_cast<std::size_t>(c * d.squeezed + k)]} *
                             factors[static_cast<std::size_t>(i * width + k)];
                    g = gpunet::apply(d.gate_act, g);
                }
                for (integer y = 0; y < d.height; ++y)
                    for (integer x = 0; x < d.width; ++x)
                        expected.at(i, y, x, c) =
                            g * gpunet::apply(d.act, in.at(i, y, x, c) + (residual ? added.at(i, y, x, c) : 0));
            }
        memory input = in.on_device(), more = added.on_device(), vector{std::span<const float>(factors)};
        memory packed(kernels::pack_gate_weights(d, weights)), biases(kernels::pack_bias(d.channels, bias));
        memory output(expected.bytes());
        const int where = static_cast<int>(random_bits() % 3); // its own memory, the input's, the residual's
        memory& to = where == 0 ? output : where == 1 || !residual ? input : more;
        kernels::pointwise_parameters p = kernels::parameters(d);
        p.input = input.data();
        p.residual = residual ? more.data() : nullptr;
        p.gate = gate == kernels::gate_source::none ? nullptr : vector.floats();
        p.gate_weights = packed.data();
        p.gate_bias = biases.floats();
        p.output = to.data();
        run(d, p, {&to});
        REQUIRE(difference(to, expected, 8 * std::sqrt(static_cast<double>(1 + d.squeezed))) == "");
    }
}

TEST_CASE("maps to N C H W and back") {
    const element type = GENERATE(element::float32, element::float16, element::bfloat16);
    for (int round = 0; round < 30; ++round) {
        kernels::convert c;
        c.type = type;
        c.n = among({1, 2, 4});
        c.channels = among({1, 8, 31, 32, 33, 67, 100});
        c.height = among({1, 5, 8, 13});
        c.width = among({1, 4, 7, 16});
        picture in(type, c.n, c.height, c.width, c.channels);
        in.fill();
        memory map = in.on_device(), plain(in.values.size() * sizeof(float)), again(in.bytes());
        kernels::convert_parameters p = kernels::parameters(c);
        p.input = map.data();
        p.output = plain.data();
        run(c, p, {&plain});
        bool same = true;
        for (integer i = 0; i < c.n; ++i)
            for (integer k = 0; k < c.channels; ++k)
                for (integer y = 0; y < c.height; ++y)
                    for (integer x = 0; x < c.width; ++x)
                        same = same && plain.number(element::float32, ((i * c.channels + k) * c.height + y) * c.width +
                                                                          x) == in.at(i, y, x, k);
        REQUIRE(same);
        c.to_map = true;
        p = kernels::parameters(c);
        p.input = plain.data();
        p.output = again.data();
        run(c, p, {&again});
        REQUIRE(difference(again, in, 0) == "");
        for (integer q = 0; q < c.n * c.height * c.width; ++q)
            for (integer k = c.channels; k < kernels::padded(c.channels); ++k)
                same = same && again.number(type, q * kernels::padded(c.channels) + k) == 0;
        REQUIRE(same);
    }
}

TEST_CASE("any convolution, directly") {
    const element type = GENERATE(element::float32, element::float16, element::bfloat16);
    const bool residual = GENERATE(false, true);
    for (int round = 0; round < 20; ++round) {
        kernels::convolution c;
        c.type = type;
        c.residual = residual;
        c.kernel = among({1, 1, 2, 3, 5, 7, 9});
        c.stride = among({1, 2, 3});
        c.groups = among({1, 1, 2, 3, 5});
        c.n = among({1, 2, 3});
        c.channels = c.groups * among({1, 3, 7, 8});
        c.output_channels = c.groups * among({1, 2, 9, 20});
        c.height = among({1, 4, 9, 12});
        c.width = among({1, 3, 8, 13});
        c.top = static_cast<integer>(random_bits() % static_cast<unsigned>(c.kernel));
        c.left = static_cast<integer>(random_bits() % static_cast<unsigned>(c.kernel));
        c.output_height = extent(c.height, c.kernel, c.stride, c.top);
        c.output_width = extent(c.width, c.kernel, c.stride, c.left);
        c.act = any_activation();
        picture in(type, c.n, c.height, c.width, c.channels);
        in.fill();
        picture expected(type, c.n, c.output_height, c.output_width, c.output_channels), added = expected;
        added.fill();
        const integer gi = c.channels / c.groups, go = c.output_channels / c.groups;
        const std::vector<float> weights = noises(c.output_channels * gi * c.kernel * c.kernel);
        const std::vector<float> w = rounded(type, weights), bias = noises(c.output_channels);
        for (integer i = 0; i < c.n; ++i)
            for (integer y = 0; y < c.output_height; ++y)
                for (integer x = 0; x < c.output_width; ++x)
                    for (integer o = 0; o < c.output_channels; ++o) {
                        double sum = bias[static_cast<std::size_t>(o)] + (residual ? added.at(i, y, x, o) : 0);
                        for (integer k = 0; k < gi; ++k)
                            for (integer v = 0; v < c.kernel; ++v)
                                for (integer u = 0; u < c.kernel; ++u)
                                    sum +=
                                        double{
                                            w[static_cast<std::size_t>(((o * gi + k) * c.kernel + v) * c.kernel + u)]} *
                                        in.padded(i, y * c.stride - c.top + v, x * c.stride - c.left + u,
                                                  o / go * gi + k);
                        expected.at(i, y, x, o) = gpunet::apply(c.act, sum);
                    }
        memory input = in.on_device(), more = added.on_device(), output(expected.bytes());
        memory packed(kernels::pack_weights(c, weights)), biases(kernels::pack_bias(c.output_channels, bias));
        memory& to = residual && coin() ? more : output;
        kernels::convolution_parameters p = kernels::parameters(c);
        p.input = input.data();
        p.weights = packed.data();
        p.bias = biases.floats();
        p.residual = residual ? more.data() : nullptr;
        p.output = to.data();
        run(c, p, {&to});
        REQUIRE(difference(to, expected, 4 * std::sqrt(static_cast<double>(gi * c.kernel * c.kernel))) == "");
    }
}

TEST_CASE("convolutions as implicit GEMM") {
    const element type = GENERATE(element::float32, element::float16, element::bfloat16);
    const auto tile = GENERATE(range(std::size_t{0}, std::size(kernels::detail::gemm_tiles)));
    for (int round = 0; round < 8; ++round) {
        kernels::implicit_gemm c;
        c.type = type;
        c.residual = coin();
        c.kernel = among({1, 1, 2, 3, 4, 5});
        c.stride = among({1, 1, 2, 3});
        c.n = among({1, 2, 3});
        c.channels = among({1, 7, 8, 20, 33, 40});
        c.output_channels = among({1, 8, 30, 33, 70});
        c.height = among({1, 4, 9, 12});
        c.width = among({1, 3, 8, 13});
        c.top = static_cast<integer>(random_bits() % static_cast<unsigned>(c.kernel));
        c.left = static_cast<integer>(random_bits() % static_cast<unsigned>(c.kernel));
        c.output_height = extent(c.height, c.kernel, c.stride, c.top);
        c.output_width = extent(c.width, c.kernel, c.stride, c.left);
        c.act = any_activation();
        c.multiprocessors = static_cast<int>(among({1, 4, 132}));
        c.tile = kernels::detail::gemm_tiles[tile];
        c.tile.splits = static_cast<int>(among({1, 2, 4, 8}));
        c.tile.splits = std::min(c.tile.splits, kernels::detail::gemm_warps(c.tile));
        INFO(c.tile.text() << ": n " << c.n << ", " << c.channels << "x" << c.height << "x" << c.width << " to "
                           << c.output_channels << "x" << c.output_height << "x" << c.output_width << ", kernel "
                           << c.kernel << " stride " << c.stride << " padding " << c.top << " " << c.left);
        // As the tensor cores take it: TF32 has 10 bits after the leading one.
        const auto taken = [&](double v) {
            if (type != element::float32) return v;
            int exponent = 0;
            const double fraction = std::frexp(v, &exponent);
            return std::ldexp(std::round(std::ldexp(fraction, 11)), exponent - 11);
        };
        picture in(type, c.n, c.height, c.width, c.channels);
        in.fill();
        picture expected(type, c.n, c.output_height, c.output_width, c.output_channels), added = expected;
        added.fill();
        const std::vector<float> w = rounded(type, noises(c.output_channels * c.channels * c.kernel * c.kernel));
        const std::vector<float> bias = rounded(type, noises(c.output_channels));
        for (integer i = 0; i < c.n; ++i)
            for (integer y = 0; y < c.output_height; ++y)
                for (integer x = 0; x < c.output_width; ++x)
                    for (integer o = 0; o < c.output_channels; ++o) {
                        double sum = bias[static_cast<std::size_t>(o)] + (c.residual ? added.at(i, y, x, o) : 0);
                        for (integer k = 0; k < c.channels; ++k)
                            for (integer v = 0; v < c.kernel; ++v)
                                for (integer u = 0; u < c.kernel; ++u)
                                    sum += taken(w[static_cast<std::size_t>(
                                               ((o * c.channels + k) * c.kernel + v) * c.kernel + u)]) *
                                           taken(in.padded(i, y * c.stride - c.top + v, x * c.stride - c.left + u, k));
                        expected.at(i, y, x, o) = gpunet::apply(c.act, sum);
                    }
        memory input = in.on_device(), more = added.on_device(), output(expected.bytes());
        memory packed(kernels::pack_filters(type, c.output_channels, c.channels, c.kernel, w));
        std::vector<float> padded_bias = bias;
        padded_bias.resize(static_cast<std::size_t>(kernels::padded(c.output_channels)));
        memory biases(kernels::detail::to_bytes(padded_bias, type));
        memory& to = c.residual && coin() ? more : output;
        kernels::implicit_gemm_parameters p = kernels::parameters(c);
        p.input = input.data();
        p.weights = packed.data();
        p.bias = biases.data();
        p.residual = c.residual ? more.data() : nullptr;
        p.output = to.data();
        run(c, p, {&to});
        REQUIRE(difference(to, expected, 4 * std::sqrt(static_cast<double>(c.channels * c.kernel * c.kernel))) == "");
    }
}

TEST_CASE("activations over their whole range") {
    const element type = GENERATE(element::float32, element::float16, element::bfloat16);
    for (const activation act : activations) {
        kernels::pointwise d;
        d.type = type;
        d.channels = 8;
        d.height = 1;
        d.width = 4000;
        d.act = act;
        picture in(type, 1, 1, d.width, 8);
        for (std::size_t i = 0; i < in.values.size(); ++i)
            in.values[i] = rounded(type, (static_cast<double>(i) - 16000) / (i % 3 == 0 ? 150 : 1500));
        const picture expected = in.map([&](double v) { return gpunet::apply(act, v); });
        memory input = in.on_device(), output(expected.bytes());
        kernels::pointwise_parameters p = kernels::parameters(d);
        p.input = input.data();
        p.output = output.data();
        run(d, p, {&output});
        INFO(to_string(act));
        REQUIRE(difference(output, expected, act == activation::gelu ? 1 : 1e-3) == "");
    }
}

TEST_CASE("batches and maps of every size are cut into blocks that are enough and fit the grid") {
    for (const element type : types)
        for (const integer n : {1, 64, 70000})
            for (const integer size : {1, 10, 57, 264})
                for (const integer channels : {33, 402, 3520})
                    for (const integer kernel : {2, 3, 5, 7})
                        for (const bool with_sums : {false, true}) {
                            kernels::depthwise d;
                            d.type = type;
                            d.n = n;
                            d.channels = channels;
                            d.height = d.width = d.output_height = d.output_width = size;
                            d.kernel = kernel;
                            d.top = d.left = kernel / 2;
                            d.sums = with_sums;
                            const kernels::kernel_launch l = kernels::describe(d);
                            const kernels::depthwise_parameters p = kernels::parameters(d);
                            const kernels::detail::depthwise_plan plan = kernels::detail::plan(d);
                            CHECK(l.grid[0] == static_cast<unsigned>(n * p.parts));
                            CHECK(l.block[0] * l.block[1] * l.block[2] <= 256);
                            CHECK(l.shared_bytes <= 49152);
                            CHECK(integer{p.parts} * p.tiles_of_part >= integer{p.tiles_x} * p.tiles_y);
                            CHECK(integer{p.parts - 1} * p.tiles_of_part < integer{p.tiles_x} * p.tiles_y);
                            CHECK(integer{p.tiles_x} * plan.threads_x * plan.strip_x >= size);
                            CHECK(integer{p.tiles_y} * plan.threads_y * plan.strip_y >= size);
                            CHECK(integer{l.grid[1]} * l.block[0] * 4 >= channels);
                        }
}

TEST_CASE("every cut of an implicit GEMM that is offered covers all outputs, and the first fills the device") {
    for (const element type : types)
        for (const integer n : {1, 64})
            for (const integer size : {1, 10, 57, 160})
                for (const integer channels : {8, 33, 704})
                    for (const integer outputs : {8, 72, 3520})
                        for (const integer kernel : {1, 3, 5}) {
                            kernels::implicit_gemm g;
                            g.type = type;
                            g.n = n;
                            g.channels = channels;
                            g.output_channels = outputs;
                            g.height = g.width = g.output_height = g.output_width = size;
                            g.kernel = kernel;
                            g.top = g.left = kernel / 2;
                            if (!possible(g)) continue;
                            std::vector<std::string> names;
                            std::vector<integer> warps;
                            for (const kernels::gemm_tile& tile : tiles(g)) {
                                g.tile = tile;
                                names.push_back(tile.text());
                                const kernels::kernel_launch l = kernels::describe(g);
                                CHECK(l.block[0] == 32);
                                CHECK(l.block[1] == static_cast<unsigned>(tile.splits));
                                CHECK(l.block[0] * l.block[1] * l.block[2] <= 256);
                                CHECK(l.shared_bytes <= 49152);
                                CHECK(integer{l.grid[0]} * l.block[2] * tile.rows >= n * size * size);
                                CHECK(integer{l.grid[1]} * tile.columns >= outputs);
                                warps.push_back(integer{l.grid[0]} * l.grid[1] * l.block[1] * l.block[2]);
                            }
                            std::sort(names.begin(), names.end());
                            CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
                            REQUIRE_FALSE(warps.empty());
                            const integer enough = 4 * kernels::default_multiprocessors;
                            if (std::any_of(warps.begin(), warps.end(), [&](integer w) { return w >= 2 * enough; }))
                                CHECK(warps.front() >= enough);
                        }
    kernels::implicit_gemm g;
    g.channels = g.output_channels = g.height = g.width = g.output_height = g.output_width = 8;
    g.kernel = 7;
    CHECK_FALSE(possible(g));
    CHECK(message_of<gpunet::unsupported_error>([&] { kernels::describe(g); }) ==
          "implicit_gemm kernel: kernel: expected 1 to 5, found 7");
    g.kernel = 1;
    g.tile = {32, 32, 3};
    CHECK(message_of<gpunet::argument_error>([&] { kernels::describe(g); }) ==
          "implicit_gemm kernel: tile: expected one of tiles(), found 32x32/3");
    g.tile.splits = 1;
    g.n = std::int64_t{1} << 30;
    CHECK(message_of<gpunet::unsupported_error>([&] { kernels::describe(g); }) ==
          "implicit_gemm kernel: expected smaller maps");
}

TEST_CASE("strips of depthwise convolutions leave no multiprocessor idle") {
    const auto strips = [](integer channels, integer size, integer kernel, integer n) {
        kernels::depthwise d;
        d.type = element::float16;
        d.n = n;
        d.channels = channels;
        d.height = d.width = d.output_height = d.output_width = size;
        d.kernel = kernel;
        d.top = d.left = kernel / 2;
        const kernels::kernel_launch l = kernels::describe(d);
        const unsigned blocks = l.grid[0] * l.grid[1];
        if (n * channels * size * size > 132 * 128 * 8) CHECK(blocks >= 132);
        // Two blocks a multiprocessor, not three on some.
        if (n == 1 && channels == 536) CHECK((blocks > 132 && blocks <= 264));
        const kernels::detail::depthwise_plan p = kernels::detail::plan(d);
        return std::to_string(p.strip_x) + "x" + std::to_string(p.strip_y);
    };
    CHECK(strips(176, 114, 5, 1) == "4x2");
    CHECK(strips(804, 29, 5, 1) == "4x1");
    CHECK(strips(1140, 29, 7, 1) == "4x1");
    CHECK(strips(804, 29, 3, 1) == "2x1");
    CHECK(strips(536, 29, 5, 1) == "4x1");
    CHECK(strips(480, 23, 5, 1) == "2x1");
    CHECK(strips(1664, 12, 5, 1) == "2x1");
    CHECK(strips(448, 12, 5, 1) == "1x1");
    CHECK(strips(1664, 12, 5, 4) == "4x1");
    CHECK(strips(1664, 12, 5, 8) == "4x2");
}

TEST_CASE("sums have more rows where multiprocessors would be idle") {
    const auto depthwise_rows = [](integer channels, integer size, integer n) {
        kernels::depthwise d;
        d.type = element::float16;
        d.n = n;
        d.channels = channels;
        d.height = d.width = d.output_height = d.output_width = size;
        d.top = d.left = 1;
        d.sums = true;
        return kernels::sum_rows(d);
    };
    CHECK(depthwise_rows(64, 57, 1) > 8);
    CHECK(depthwise_rows(64, 57, 1) <= 16);
    CHECK(depthwise_rows(3520, 10, 1) <= 8);
    CHECK(depthwise_rows(64, 57, 64) <= 8);
    const auto map_rows = [](integer channels, integer size, integer n) {
        kernels::sums s;
        s.type = element::float16;
        s.n = n;
        s.channels = channels;
        s.height = s.width = size;
        return kernels::sum_rows(s);
    };
    CHECK(map_rows(64, 57, 1) == 32);
    CHECK(map_rows(1280, 10, 1) == 4);
    CHECK(map_rows(64, 57, 64) == 3);
}

TEST_CASE("what kernels refuse") {
    kernels::depthwise d;
    d.channels = 8;
    d.height = d.width = d.output_height = d.output_width = 8;
    d.kernel = 8;
    CHECK(message_of<gpunet::unsupported_error>([&] { kernels::describe(d); }) ==
          "depthwise kernel: kernel: expected 1 to 7, found 8");
    d.kernel = 3;
    d.n = 0;
    CHECK(message_of<gpunet::argument_error>([&] { kernels::describe(d); }) ==
          "depthwise kernel: n: expected 1 to 2147483647, found 0");
    d.n = 2000000000;
    d.height = d.width = d.output_height = d.output_width = 100;
    CHECK(message_of<gpunet::unsupported_error>([&] { kernels::describe(d); }).find("depthwise kernel: blocks in x") ==
          0);
    CHECK(message_of<gpunet::argument_error>([&] { kernels::pack_weights(d, std::vector<float>(71)); }) ==
          "depthwise kernel: weights: expected 72 numbers, found 71");
    kernels::stem s;
    s.channels = 5;
    s.height = s.width = s.output_height = s.output_width = s.output_channels = 8;
    CHECK(message_of<gpunet::unsupported_error>([&] { kernels::describe(s); }) ==
          "stem kernel: input channels: expected 1 to 4, found 5");
    kernels::convolution c;
    c.channels = 12;
    c.output_channels = 8;
    c.height = c.width = c.output_height = c.output_width = 3;
    c.groups = 3;
    CHECK(message_of<gpunet::argument_error>([&] { kernels::describe(c); }) ==
          "convolution kernel: groups: expected a divisor of 12 and 8, found 3");
    CHECK(message_of<gpunet::argument_error>([&] { kernels::pack_bias(4, std::vector<float>(5)); }) ==
          "any kernel: bias: expected 4 numbers, found 5");
    kernels::dense f;
    CHECK_THROWS_AS(kernels::describe(f), gpunet::argument_error);
}

TEST_CASE("the emulator notices what no kernel may do") {
    using gpunet::emulation::block_barrier;
    using gpunet::emulation::emulation_error;
    using gpunet::emulation::view;
    const auto run_one = [](void (*kernel)(const void*), unsigned threads) {
        return message_of<emulation_error>([&] {
            gpunet::emulation::launch("faulty", kernel, {2, 1, 1}, {threads, 1, 1}, 64, nullptr);
        });
    };
    CHECK(run_one(
              [](const void*) {
                  if (view.thread.x != 3) block_barrier(1);
              },
              40) == "kernel faulty: expected all 40 threads at a barrier, found 39 there, 1 finished, 0 in a shuffle");
    CHECK(run_one([](const void*) { block_barrier(view.thread.x < 5 ? 1 : 2); }, 8) ==
          "kernel faulty: expected all threads at one barrier, found several");
    CHECK(run_one(
              [](const void*) {
                  if (view.thread.x == 7) return;
                  gpunet::emulation::exchange_xor(0xFFFFFFFFU, 1, 1);
              },
              32) == "kernel faulty: expected all 32 threads at a barrier, found 0 there, 1 finished, 31 in a shuffle");
    CHECK(message_of<emulation_error>([] {
              gpunet::emulation::launch("mean", {{"GPUNET_ELEMENT", "7"}}, {1, 1, 1}, {1, 1, 1}, 0, nullptr);
          }).find("kernel mean GPUNET_ELEMENT=7: no such instantiation") == 0);
    CHECK(run_one(
              [](const void*) {
                  if (view.thread.x < 9) gpunet::emulation::wait_for_previous();
                  gpunet::emulation::check_waited();
              },
              10) == "kernel faulty: touches memory before it has waited for its predecessor");
    // And that it works on afterwards: each thread adds its neighbours' numbers of the step before.
    static std::vector<float> ring;
    ring.assign(64, 1);
    gpunet::emulation::launch(
        "ring",
        [](const void*) {
            const unsigned i = view.thread.x;
            auto* shared = static_cast<float*>(view.shared);
            CHECK(std::isnan(shared[i]));
            for (int step = 0; step < 3; ++step) {
                shared[i] = ring[i];
                block_barrier(1);
                ring[i] = shared[(i + 1) % 64] + gpunet::emulation::exchange_xor(0xFFFFFFFFU, shared[i], 1);
                block_barrier(2);
            }
        },
        {1, 1, 1}, {64, 1, 1}, 256, nullptr);
    CHECK(ring == std::vector<float>(64, 8));
}

} // namespace test_kernels
