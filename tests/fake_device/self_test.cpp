// The fake GPU, by the raw C interfaces.
#include "fake_device.hpp"

#include <gpunet/activation.hpp>
#include <gpunet/float16.hpp>

#include <catch2/catch.hpp>
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <nvrtc.h>

#include <dlfcn.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <optional>
#include <random>
#include <thread>

namespace {

template <class F>
F load(const char* file, const char* name) {
    void* const library = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
    INFO(file << ": " << name);
    REQUIRE(library);
    void* const found = ::dlsym(library, name);
    REQUIRE(found);
    return reinterpret_cast<F>(found);
}

#define CUDNN(name) load<decltype(&::cudnn##name)>(GPUNET_FAKE_CUDNN, "cudnn" #name)
#define NVRTC(name) load<decltype(&::nvrtc##name)>(GPUNET_FAKE_NVRTC, "nvrtc" #name)

/// Begins and ends each case with a clean device.
struct clean_device {
    clean_device() {
        gpunet_fake::reset();
        cudaSetDevice(0);
    }
    ~clean_device() {
        cudaDeviceSynchronize();
        const auto seen = gpunet_fake::report();
        UNSCOPED_INFO(seen.text());
        CHECK(seen.clean());
        gpunet_fake::reset();
    }
};

using dims = std::vector<std::int64_t>;

dims channels_last(const dims& d) { return {d[1] * d[2] * d[3], 1, d[1] * d[3], d[1]}; }
dims packed(const dims& d) {
    dims s(d.size(), 1);
    for (std::size_t i = d.size(); i-- > 1;) s[i - 1] = s[i] * d[i];
    return s;
}

// A small client of the backend API.

template <class T>
struct tag;
#define TAG(T, name)                                                                                                   \
    template <>                                                                                                        \
    struct tag<T> {                                                                                                    \
        static constexpr auto value = CUDNN_TYPE_##name;                                                               \
    }
TAG(std::int64_t, INT64);
TAG(float, FLOAT);
TAG(double, DOUBLE);
TAG(bool, BOOLEAN);
TAG(char, CHAR);
TAG(void*, VOID_PTR);
TAG(cudnnDataType_t, DATA_TYPE);
TAG(cudnnConvolutionMode_t, CONVOLUTION_MODE);
TAG(cudnnPointwiseMode_t, POINTWISE_MODE);
TAG(cudnnReduceTensorOp_t, REDUCTION_OPERATOR_TYPE);
TAG(cudnnBackendHeurMode_t, HEUR_MODE);
TAG(cudnnHandle_t, HANDLE);

struct descriptor {
    cudnnBackendDescriptor_t raw = nullptr;

    explicit descriptor(cudnnBackendDescriptorType_t type) { REQUIRE(CUDNN(BackendCreateDescriptor)(type, &raw) == 0); }
    descriptor(const descriptor&) = delete;
    ~descriptor() { CUDNN(BackendDestroyDescriptor)(raw); }

    template <class T>
    descriptor& set(cudnnBackendAttributeName_t name, const std::vector<T>& v) {
        REQUIRE(CUDNN(BackendSetAttribute)(raw, name, tag<T>::value, static_cast<std::int64_t>(v.size()), v.data()) ==
                0);
        return *this;
    }
    template <class T>
    descriptor& set(cudnnBackendAttributeName_t name, const T& v) {
        REQUIRE(CUDNN(BackendSetAttribute)(raw, name, tag<T>::value, 1, &v) == 0);
        return *this;
    }
    descriptor& set(cudnnBackendAttributeName_t name, const descriptor& v) {
        REQUIRE(CUDNN(BackendSetAttribute)(raw, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &v.raw) == 0);
        return *this;
    }
    descriptor& set(cudnnBackendAttributeName_t name, const std::string& v) {
        return set(name, std::vector<char>(v.begin(), v.end()));
    }
    cudnnStatus_t finalize() { return CUDNN(BackendFinalize)(raw); }
    template <class T>
    std::vector<T> get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
        std::int64_t n = 0;
        REQUIRE(CUDNN(BackendGetAttribute)(raw, name, type, 0, &n, nullptr) == 0);
        std::vector<T> v(static_cast<std::size_t>(n));
        REQUIRE(CUDNN(BackendGetAttribute)(raw, name, type, n, &n, v.data()) == 0);
        return v;
    }
    std::string text(cudnnBackendAttributeName_t name) const {
        const auto v = get<char>(name, CUDNN_TYPE_CHAR);
        return {v.begin(), v.end()};
    }
};

struct tensor {
    std::int64_t uid;
    cudnnDataType_t type;
    dims size, strides;
    const descriptor* made;
};

struct graph {
    std::deque<descriptor> all;
    std::vector<cudnnBackendDescriptor_t> operations;
    std::int64_t next = 1;

    tensor make(cudnnDataType_t type, dims d, bool is_virtual = false, dims strides = {}, bool by_value = false) {
        if (strides.empty()) strides = d.size() == 4 ? channels_last(d) : packed(d);
        descriptor& t = all.emplace_back(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
        t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, next).set(CUDNN_ATTR_TENSOR_DATA_TYPE, type);
        t.set(CUDNN_ATTR_TENSOR_DIMENSIONS, d).set(CUDNN_ATTR_TENSOR_STRIDES, strides);
        t.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{16}).set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, is_virtual);
        if (by_value) t.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, true);
        REQUIRE(t.finalize() == 0);
        return {next++, type, d, strides, &t};
    }
    tensor between(const tensor& like) { return make(CUDNN_DATA_FLOAT, like.size, true, like.strides); }

    descriptor& operation(cudnnBackendDescriptorType_t type) {
        descriptor& o = all.emplace_back(type);
        operations.push_back(o.raw);
        return o;
    }
    cudnnStatus_t convolve(const tensor& x, const tensor& w, const tensor& y, dims stride, dims before, dims after) {
        descriptor& c = all.emplace_back(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
        c.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2})
            .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
        c.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
            .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, dims{1, 1});
        c.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, stride).set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, before);
        c.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, after);
        REQUIRE(c.finalize() == 0);
        descriptor& o = operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
        o.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, c);
        o.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, *x.made)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, *w.made);
        o.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, *y.made);
        o.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0F)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0);
        return o.finalize();
    }
    void apply(cudnnPointwiseMode_t mode, const tensor& x, std::optional<tensor> b, const tensor& y, double upper = 0) {
        descriptor& p = all.emplace_back(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
        p.set(CUDNN_ATTR_POINTWISE_MODE, mode).set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
        if (mode == CUDNN_POINTWISE_SWISH_FWD) p.set(CUDNN_ATTR_POINTWISE_SWISH_BETA, 1.0);
        if (upper > 0)
            p.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, 0.0).set(CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, upper);
        REQUIRE(p.finalize() == 0);
        descriptor& o = operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
        o.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, p).set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, *x.made);
        if (b) o.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b->made);
        REQUIRE(o.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, *y.made).finalize() == 0);
    }
    void multiply(const tensor& a, const tensor& b, const tensor& y) {
        descriptor& m = all.emplace_back(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
        REQUIRE(m.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_DATA_FLOAT).finalize() == 0);
        descriptor& o = operation(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
        o.set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, *a.made).set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, *b.made);
        REQUIRE(o.set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, *y.made).set(CUDNN_ATTR_OPERATION_MATMUL_DESC, m).finalize() ==
                0);
    }
    void reduce(cudnnReduceTensorOp_t op, const tensor& x, const tensor& y) {
        descriptor& r = all.emplace_back(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
        REQUIRE(
            r.set(CUDNN_ATTR_REDUCTION_OPERATOR, op).set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_DATA_FLOAT).finalize() ==
            0);
        descriptor& o = operation(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
        o.set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, r).set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, *x.made);
        REQUIRE(o.set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, *y.made).finalize() == 0);
    }
    descriptor& finish() {
        descriptor& g = all.emplace_back(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
        REQUIRE(CUDNN(BackendSetAttribute)(g.raw, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                           static_cast<std::int64_t>(operations.size()), operations.data()) == 0);
        REQUIRE(g.finalize() == 0);
        return g;
    }
};

/// The configurations that the heuristics offer, and the plan of one.
struct planner {
    std::deque<descriptor> configurations;
    std::vector<std::int64_t> engines;

    planner(const descriptor& g, cudnnBackendHeurMode_t mode) {
        descriptor h(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
        REQUIRE(h.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, g).set(CUDNN_ATTR_ENGINEHEUR_MODE, mode).finalize() == 0);
        std::int64_t n = 0;
        REQUIRE(CUDNN(BackendGetAttribute)(h.raw, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &n,
                                           nullptr) == 0);
        std::vector<cudnnBackendDescriptor_t> raw;
        for (std::int64_t i = 0; i < n; ++i)
            raw.push_back(configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).raw);
        REQUIRE(CUDNN(BackendGetAttribute)(h.raw, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n, &n,
                                           raw.data()) == 0);
        for (const descriptor& c : configurations) {
            descriptor e(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
            REQUIRE(CUDNN(BackendGetAttribute)(c.raw, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n,
                                               &e.raw) == 0);
            engines.push_back(e.get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64).at(0));
        }
    }
};

struct buffer {
    void* data = nullptr;
    explicit buffer(std::size_t bytes) { REQUIRE(cudaMalloc(&data, bytes) == cudaSuccess); }
    buffer(const buffer&) = delete;
    ~buffer() { cudaFree(data); }
};

struct stream {
    cudaStream_t raw = nullptr;
    stream() { REQUIRE(cudaStreamCreateWithFlags(&raw, cudaStreamNonBlocking) == cudaSuccess); }
    stream(const stream&) = delete;
    ~stream() { cudaStreamDestroy(raw); }
};

struct handle {
    cudnnHandle_t raw = nullptr;
    explicit handle(cudaStream_t s) {
        REQUIRE(CUDNN(Create)(&raw) == 0);
        REQUIRE(CUDNN(SetStream)(raw, s) == 0);
    }
    handle(const handle&) = delete;
    ~handle() { CUDNN(Destroy)(raw); }
};

std::vector<float> random_numbers(std::int64_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> between(-1, 1);
    std::vector<float> v(static_cast<std::size_t>(n));
    for (float& x : v) x = between(random);
    return v;
}

std::int64_t count(const dims& d) {
    std::int64_t n = 1;
    for (const auto e : d) n *= e;
    return n;
}

std::size_t size_of(cudnnDataType_t t) { return t == CUDNN_DATA_FLOAT ? 4 : 2; }

std::vector<std::byte> to_bytes(cudnnDataType_t type, std::vector<float>& numbers) { // rounds the numbers as well
    std::vector<std::byte> bytes(numbers.size() * size_of(type));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto put = [&]<class T>(T) {
            const auto v = static_cast<T>(numbers[i]);
            std::memcpy(bytes.data() + i * sizeof v, &v, sizeof v);
            numbers[i] = static_cast<float>(v);
        };
        if (type == CUDNN_DATA_FLOAT) put(float());
        if (type == CUDNN_DATA_HALF) put(gpunet::half());
        if (type == CUDNN_DATA_BFLOAT16) put(gpunet::bfloat16());
    }
    return bytes;
}

std::vector<float> from_bytes(cudnnDataType_t type, const std::vector<std::byte>& bytes) {
    std::vector<float> numbers(bytes.size() / size_of(type));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto take = [&]<class T>(T v) {
            std::memcpy(&v, bytes.data() + i * sizeof v, sizeof v);
            numbers[i] = static_cast<float>(v);
        };
        if (type == CUDNN_DATA_FLOAT) take(float());
        if (type == CUDNN_DATA_HALF) take(gpunet::half());
        if (type == CUDNN_DATA_BFLOAT16) take(gpunet::bfloat16());
    }
    return numbers;
}

/// Memory of a graph's tensors, filled with random numbers.
struct bindings {
    std::deque<buffer> buffers;
    std::vector<std::int64_t> uids;
    std::vector<void*> pointers;
    cudaStream_t stream;

    explicit bindings(cudaStream_t s) : stream(s) {}

    /// @return the numbers, rounded, as they lie in memory
    std::vector<float> fill(const tensor& t, unsigned seed) {
        std::vector<float> numbers = random_numbers(count(t.size), seed);
        const auto bytes = to_bytes(t.type, numbers);
        bind(t);
        REQUIRE(cudaMemcpyAsync(pointers.back(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice, stream) ==
                cudaSuccess);
        REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
        return numbers;
    }
    void bind(const tensor& t) {
        buffers.emplace_back(static_cast<std::size_t>(count(t.size)) * size_of(t.type));
        uids.push_back(t.uid);
        pointers.push_back(buffers.back().data);
    }
    std::vector<float> read(const tensor& t) {
        std::size_t i = 0;
        while (uids[i] != t.uid) ++i;
        std::vector<std::byte> bytes(static_cast<std::size_t>(count(t.size)) * size_of(t.type));
        REQUIRE(cudaMemcpyAsync(bytes.data(), pointers[i], bytes.size(), cudaMemcpyDeviceToHost, stream) ==
                cudaSuccess);
        REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
        return from_bytes(t.type, bytes);
    }
    cudnnStatus_t run(const handle& h, const descriptor& plan) {
        const auto bytes = plan.get<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64).at(0);
        void* workspace = nullptr;
        if (bytes > 0) workspace = buffers.emplace_back(static_cast<std::size_t>(bytes)).data;
        descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
        pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, uids).set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, pointers);
        REQUIRE(pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace).finalize() == 0);
        return CUDNN(BackendExecute)(h.raw, plan.raw, pack.raw);
    }
};

void make_plan(descriptor& plan, const descriptor& configuration, const handle& h) {
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, h.raw).set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
    REQUIRE(plan.finalize() == 0);
}

void compare(cudnnDataType_t type, const std::vector<float>& found, const std::vector<double>& expected) {
    const double unit = type == CUDNN_DATA_FLOAT ? 1e-5 : type == CUDNN_DATA_HALF ? 1e-3 : 8e-3;
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (std::fabs(found[i] - expected[i]) <= unit * (1 + std::fabs(expected[i]))) continue;
        INFO("number " << i);
        CHECK(found[i] == Approx(expected[i]));
        return;
    }
}

struct problem {
    cudnnDataType_t type = CUDNN_DATA_HALF;
    std::int64_t n = 1, c = 8, h = 9, w = 7, k = 16, kernel = 3, groups = 1;
    dims stride = {1, 1}, before = {1, 1}, after = {1, 1};
    bool residual = false, bias = true;
    gpunet::activation act = gpunet::activation::relu;
};

/// The sum of products by plain loops, in double; all operands channels last.
std::vector<double> plain_convolution(const problem& p, std::int64_t oh, std::int64_t ow, const std::vector<float>& x,
                                      const std::vector<float>& w) {
    std::vector<double> y;
    const std::int64_t cg = p.c / p.groups, kg = p.k / p.groups;
    for (std::int64_t n = 0; n < p.n; ++n)
        for (std::int64_t i = 0; i < oh; ++i)
            for (std::int64_t j = 0; j < ow; ++j)
                for (std::int64_t k = 0; k < p.k; ++k) {
                    double sum = 0;
                    for (std::int64_t r = 0; r < p.kernel; ++r)
                        for (std::int64_t s = 0; s < p.kernel; ++s)
                            for (std::int64_t c = 0; c < cg; ++c) {
                                const std::int64_t a = i * p.stride[0] + r - p.before[0],
                                                   b = j * p.stride[1] + s - p.before[1];
                                if (a < 0 || b < 0 || a >= p.h || b >= p.w) continue;
                                sum += double(x[static_cast<std::size_t>(((n * p.h + a) * p.w + b) * p.c + k / kg * cg +
                                                                         c)]) *
                                       w[static_cast<std::size_t>(((k * p.kernel + r) * p.kernel + s) * cg + c)];
                            }
                    y.push_back(sum);
                }
    return y;
}

void append(graph& g, gpunet::activation a, const tensor& x, const tensor& y, const tensor& three,
            const tensor& sixth) {
    using enum gpunet::activation;
    switch (a) {
    case identity: return g.apply(CUDNN_POINTWISE_IDENTITY, x, {}, y);
    case relu: return g.apply(CUDNN_POINTWISE_RELU_FWD, x, {}, y);
    case relu6: return g.apply(CUDNN_POINTWISE_RELU_FWD, x, {}, y, 6.0);
    case swish: return g.apply(CUDNN_POINTWISE_SWISH_FWD, x, {}, y);
    case sigmoid: return g.apply(CUDNN_POINTWISE_SIGMOID_FWD, x, {}, y);
    case gelu: return g.apply(CUDNN_POINTWISE_GELU_FWD, x, {}, y);
    case hard_swish:
    case hard_sigmoid: {
        const auto shifted = g.between(y), clipped = g.between(y), scaled = g.between(y);
        g.apply(CUDNN_POINTWISE_ADD, x, three, shifted);
        g.apply(CUDNN_POINTWISE_RELU_FWD, shifted, {}, clipped, 6.0);
        if (a == hard_sigmoid) return g.apply(CUDNN_POINTWISE_MUL, clipped, sixth, y);
        g.apply(CUDNN_POINTWISE_MUL, clipped, sixth, scaled);
        return g.apply(CUDNN_POINTWISE_MUL, x, scaled, y);
    }
    }
}

/// Runs the problem on every engine that is offered, and compares.
void check_convolution(const problem& p) {
    const stream s;
    const handle h(s.raw);
    const std::int64_t oh = (p.h + p.before[0] + p.after[0] - p.kernel) / p.stride[0] + 1;
    const std::int64_t ow = (p.w + p.before[1] + p.after[1] - p.kernel) / p.stride[1] + 1;
    graph g;
    const auto x = g.make(p.type, {p.n, p.c, p.h, p.w}), w = g.make(p.type, {p.k, p.c / p.groups, p.kernel, p.kernel});
    const auto y = g.make(p.type, {p.n, p.k, oh, ow}), r = g.make(p.type, {p.n, p.k, oh, ow});
    const auto b = g.make(CUDNN_DATA_FLOAT, {1, p.k, 1, 1});
    const auto three = g.make(CUDNN_DATA_FLOAT, {1, 1, 1, 1}, false, {1, 1, 1, 1}, true);
    const auto sixth = g.make(CUDNN_DATA_FLOAT, {1, 1, 1, 1}, false, {1, 1, 1, 1}, true);
    tensor now = g.between(y);
    REQUIRE(g.convolve(x, w, now, p.stride, p.before, p.after) == 0);
    if (p.residual) {
        const auto sum = g.between(y);
        g.apply(CUDNN_POINTWISE_ADD, now, r, sum);
        now = sum;
    }
    if (p.bias) {
        const auto sum = g.between(y);
        g.apply(CUDNN_POINTWISE_ADD, now, b, sum);
        now = sum;
    }
    append(g, p.act, now, y, three, sixth);
    const descriptor& finished = g.finish();

    bindings m(s.raw);
    const auto xs = m.fill(x, 1), ws = m.fill(w, 2);
    std::vector<double> expected = plain_convolution(p, oh, ow, xs, ws);
    const auto rs = m.fill(r, 3), bs = m.fill(b, 4);
    float constants[] = {3.0F, 1.0F / 6.0F};
    m.uids.insert(m.uids.end(), {three.uid, sixth.uid});
    m.pointers.insert(m.pointers.end(), {&constants[0], &constants[1]});
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (p.residual) expected[i] += rs[i];
        if (p.bias) expected[i] += bs[i % static_cast<std::size_t>(p.k)];
        expected[i] = gpunet::apply(p.act, expected[i]);
    }
    m.bind(y);
    int run = 0;
    for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
        const planner offered(finished, mode);
        for (std::size_t i = 0; i < offered.engines.size(); ++i) {
            if (p.type == CUDNN_DATA_FLOAT && offered.engines[i] < 3) continue; // TF32
            INFO("engine " << offered.engines[i]);
            descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
            make_plan(plan, offered.configurations[i], h);
            REQUIRE(m.run(h, plan) == 0);
            compare(p.type, m.read(y), expected);
            ++run;
        }
    }
    CHECK(run > 0);
}

} // namespace

TEST_CASE("memory: fresh is NaN, copies go both ways, and all is counted") {
    const clean_device clean;
    const stream s;
    const buffer a(1000);
    float first = 0;
    REQUIRE(cudaMemcpyAsync(&first, a.data, sizeof first, cudaMemcpyDeviceToHost, s.raw) == cudaSuccess);
    REQUIRE(std::isnan(first));
    const float one = 1;
    REQUIRE(cudaMemcpyAsync(a.data, &one, sizeof one, cudaMemcpyHostToDevice, s.raw) == cudaSuccess);
    REQUIRE(cudaMemcpyAsync(&first, a.data, sizeof first, cudaMemcpyDefault, s.raw) == cudaSuccess);
    REQUIRE(first == 1);
    REQUIRE(cudaMemsetAsync(a.data, 0, 1000, s.raw) == cudaSuccess);
    const auto seen = gpunet_fake::report();
    REQUIRE(seen.copies == 3);
    REQUIRE(seen.sets == 1);
    REQUIRE(seen.device_bytes == 1000);
    REQUIRE(seen.alive_of("cudaMalloc") == 1);
    REQUIRE(seen.calls_of("cudaMalloc") == 1);
    cudaPointerAttributes attributes{};
    REQUIRE(cudaPointerGetAttributes(&attributes, static_cast<char*>(a.data) + 5) == cudaSuccess);
    REQUIRE(attributes.type == cudaMemoryTypeDevice);
    REQUIRE(cudaPointerGetAttributes(&attributes, &first) == cudaSuccess);
    REQUIRE(attributes.type == cudaMemoryTypeUnregistered);
    std::size_t free = 0, total = 0;
    REQUIRE(cudaMemGetInfo(&free, &total) == cudaSuccess);
    REQUIRE(total - free == 1000);
}

TEST_CASE("memory: faults are noticed") {
    const clean_device clean;
    const auto fault_with = [](const std::string& words) {
        const auto faults = gpunet_fake::report().faults;
        INFO(gpunet_fake::report().text());
        REQUIRE(faults.size() == 1);
        CHECK(faults[0].find(words) != std::string::npos);
        gpunet_fake::forget_faults();
    };
    std::byte host[64] = {};
    void* p = nullptr;
    REQUIRE(cudaMalloc(&p, 32) == cudaSuccess);
    CHECK(cudaMemcpyAsync(p, host, 33, cudaMemcpyHostToDevice, nullptr) == cudaErrorInvalidValue);
    fault_with("33 bytes at offset 0 of an allocation of 32");
    CHECK(cudaMemcpyAsync(host, host + 32, 8, cudaMemcpyDeviceToHost, nullptr) == cudaErrorInvalidValue);
    fault_with("never allocated");
    CHECK(cudaMemcpyAsync(p, p, 8, cudaMemcpyHostToDevice, nullptr) == cudaErrorInvalidValue);
    fault_with("device memory where host memory is meant");
    CHECK(cudaMemcpyAsync(static_cast<char*>(p) + 4, p, 8, cudaMemcpyDeviceToDevice, nullptr) == cudaErrorInvalidValue);
    fault_with("overlap");
    CHECK(cudaFreeHost(p) == cudaErrorInvalidValue);
    fault_with("other kind");
    REQUIRE(cudaSetDevice(1) == cudaSuccess);
    CHECK(cudaFree(p) == cudaSuccess);
    fault_with("of device 0 freed on device 1");
    REQUIRE(cudaSetDevice(0) == cudaSuccess);
    CHECK(cudaFree(p) == cudaErrorInvalidValue);
    fault_with("freed twice");
    CHECK(cudaMemsetAsync(p, 0, 8, nullptr) == cudaErrorInvalidValue);
    fault_with("freed");
    CHECK(cudaGetLastError() == cudaErrorInvalidValue);
    CHECK(cudaGetLastError() == cudaSuccess);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
    REQUIRE(cudaMalloc(&p, 10) == cudaSuccess);
    static_cast<char*>(p)[10] = 1;
    CHECK(cudaFree(p) == cudaSuccess);
    fault_with("after its end");
#endif
    REQUIRE(cudaMalloc(&p, 10) == cudaSuccess);
    CHECK_FALSE(gpunet_fake::report().clean());
    CHECK(cudaFree(p) == cudaSuccess);
    gpunet_fake::set_memory(100);
    CHECK(cudaMalloc(&p, 101) == cudaErrorMemoryAllocation);
    CHECK(std::string(cudaGetErrorName(cudaErrorMemoryAllocation)) == "cudaErrorMemoryAllocation");
    CHECK(std::string(cudaGetErrorString(cudaErrorMemoryAllocation)) == "out of memory");
}

TEST_CASE("devices: two, or none as without a driver") {
    const clean_device clean;
    int count = 0;
    REQUIRE(cudaGetDeviceCount(&count) == cudaSuccess);
    REQUIRE(count == 2);
    cudaDeviceProp properties{};
    REQUIRE(cudaGetDeviceProperties(&properties, 1) == cudaSuccess);
    REQUIRE(std::string(properties.name) == "Fake GPU");
    REQUIRE(properties.major == 9);
    REQUIRE(cudaSetDevice(2) == cudaErrorInvalidDevice);
    gpunet_fake::set_device_count(0);
    count = 7;
    REQUIRE(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
    REQUIRE(count == 7);
    cudnnHandle_t h = nullptr;
    REQUIRE(CUDNN(Create)(&h) == CUDNN_STATUS_NOT_INITIALIZED);
    gpunet_fake::set_device_count(2);
}

TEST_CASE("failures: the nth call of a function fails") {
    const clean_device clean;
    gpunet_fake::fail("cudaMalloc", 2, cudaErrorMemoryAllocation);
    gpunet_fake::fail("cudnnBackendCreateDescriptor", 1, CUDNN_STATUS_INTERNAL_ERROR);
    void *a = nullptr, *b = nullptr;
    REQUIRE(cudaMalloc(&a, 4) == cudaSuccess);
    REQUIRE(cudaMalloc(&b, 4) == cudaErrorMemoryAllocation);
    REQUIRE(cudaMalloc(&b, 4) == cudaSuccess);
    cudaFree(a);
    cudaFree(b);
    cudnnBackendDescriptor_t d = nullptr;
    REQUIRE(CUDNN(BackendCreateDescriptor)(CUDNN_BACKEND_TENSOR_DESCRIPTOR, &d) == CUDNN_STATUS_INTERNAL_ERROR);
    char message[100] = {};
    CUDNN(GetLastErrorString)(message, sizeof message);
    REQUIRE(std::string(message) == "a failure that a test asked for");
    REQUIRE(gpunet_fake::report().calls_of("cudaMalloc") == 3);
}

TEST_CASE("capture: nothing runs, then each launch runs all, events time what lies between them") {
    const clean_device clean;
    const stream s;
    const buffer a(4), b(4);
    cudaEvent_t start = nullptr, end = nullptr;
    REQUIRE(cudaEventCreateWithFlags(&start, cudaEventDefault) == cudaSuccess);
    REQUIRE(cudaEventCreateWithFlags(&end, cudaEventDefault) == cudaSuccess);
    float ms = -1;
    CHECK(cudaEventElapsedTime(&ms, start, end) == cudaErrorInvalidResourceHandle); // never recorded
    REQUIRE(cudaStreamBeginCapture(s.raw, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    cudaStreamCaptureStatus status{};
    REQUIRE(cudaStreamIsCapturing(s.raw, &status) == cudaSuccess);
    REQUIRE(status == cudaStreamCaptureStatusActive);
    REQUIRE(cudaEventRecordWithFlags(start, s.raw, cudaEventRecordExternal) == cudaSuccess);
    REQUIRE(cudaMemcpyAsync(b.data, a.data, 4, cudaMemcpyDeviceToDevice, s.raw) == cudaSuccess);
    REQUIRE(cudaEventRecordWithFlags(end, s.raw, cudaEventRecordExternal) == cudaSuccess);
    cudaGraph_t graph = nullptr;
    REQUIRE(cudaStreamEndCapture(s.raw, &graph) == cudaSuccess);
    REQUIRE(gpunet_fake::report().copies == 0);
    std::size_t nodes = 0;
    REQUIRE(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
    REQUIRE(nodes == 3);
    cudaGraphExec_t executable = nullptr;
    REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
    REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
    for (const int number : {5, 6}) {
        REQUIRE(cudaMemsetAsync(a.data, number, 4, s.raw) == cudaSuccess);
        REQUIRE(cudaGraphLaunch(executable, s.raw) == cudaSuccess);
        unsigned char byte = 0;
        REQUIRE(cudaMemcpyAsync(&byte, b.data, 1, cudaMemcpyDeviceToHost, s.raw) == cudaSuccess);
        REQUIRE(cudaStreamSynchronize(s.raw) == cudaSuccess);
        REQUIRE(byte == number);
    }
    REQUIRE(cudaEventSynchronize(end) == cudaSuccess);
    REQUIRE(cudaEventElapsedTime(&ms, start, end) == cudaSuccess);
    REQUIRE(ms >= 0);
    REQUIRE(gpunet_fake::report().graph_launches == 2);
    REQUIRE(cudaGraphExecDestroy(executable) == cudaSuccess);
    REQUIRE(cudaEventDestroy(start) == cudaSuccess);
    REQUIRE(cudaEventDestroy(end) == cudaSuccess);
}

TEST_CASE("capture: what it forbids, forks and joins") {
    const clean_device clean;
    const stream s, other;
    const buffer a(4);
    cudaEvent_t fork = nullptr, join = nullptr;
    REQUIRE(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming) == cudaSuccess);
    REQUIRE(cudaEventCreateWithFlags(&join, cudaEventDisableTiming) == cudaSuccess);
    cudaGraph_t graph = nullptr;

    REQUIRE(cudaStreamBeginCapture(s.raw, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    void* p = nullptr;
    CHECK(cudaMalloc(&p, 4) == cudaErrorStreamCaptureUnsupported);
    CHECK(cudaMemsetAsync(a.data, 0, 4, s.raw) == cudaErrorStreamCaptureInvalidated);
    CHECK(cudaStreamEndCapture(s.raw, &graph) == cudaErrorStreamCaptureInvalidated);
    CHECK(graph == nullptr);
    gpunet_fake::forget_faults();

    REQUIRE(cudaStreamBeginCapture(s.raw, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    std::thread([&] { // is not watched
        void* q = nullptr;
        CHECK(cudaMalloc(&q, 4) == cudaSuccess);
        CHECK(cudaFree(q) == cudaSuccess);
    })
        .join();
    REQUIRE(cudaMemsetAsync(a.data, 1, 4, s.raw) == cudaSuccess);
    REQUIRE(cudaEventRecordWithFlags(fork, s.raw, 0) == cudaSuccess);
    REQUIRE(cudaStreamWaitEvent(other.raw, fork, 0) == cudaSuccess);
    REQUIRE(cudaMemsetAsync(a.data, 2, 4, other.raw) == cudaSuccess);
    SECTION("not joined") {
        CHECK(cudaStreamEndCapture(s.raw, &graph) == cudaErrorStreamCaptureUnjoined);
        gpunet_fake::forget_faults();
    }
    SECTION("joined") {
        REQUIRE(cudaEventRecordWithFlags(join, other.raw, 0) == cudaSuccess);
        REQUIRE(cudaStreamWaitEvent(s.raw, join, 0) == cudaSuccess);
        REQUIRE(cudaStreamEndCapture(s.raw, &graph) == cudaSuccess);
        cudaGraphExec_t executable = nullptr;
        REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
        gpunet_fake::shuffle_graphs(GENERATE(0U, 1U, 2U, 3U));
        REQUIRE(cudaGraphLaunch(executable, s.raw) == cudaSuccess);
        unsigned char byte = 0;
        REQUIRE(cudaMemcpyAsync(&byte, a.data, 1, cudaMemcpyDeviceToHost, s.raw) == cudaSuccess);
        CHECK(byte == 2);
        cudaGraphDestroy(graph);
        cudaGraphExecDestroy(executable);
    }
    cudaEventDestroy(fork);
    cudaEventDestroy(join);
}

TEST_CASE("lazy execution: nothing is done before it is waited for, and events order streams") {
    const clean_device clean;
    gpunet_fake::set_execution(gpunet_fake::execution::lazy);
    const stream s, other;
    const buffer a(4);
    cudaEvent_t done = nullptr;
    REQUIRE(cudaEventCreateWithFlags(&done, cudaEventDisableTiming) == cudaSuccess);
    REQUIRE(cudaMemsetAsync(a.data, 3, 4, s.raw) == cudaSuccess);
    REQUIRE(cudaEventRecordWithFlags(done, s.raw, 0) == cudaSuccess);
    REQUIRE(cudaStreamWaitEvent(other.raw, done, 0) == cudaSuccess);
    unsigned char byte = 0;
    REQUIRE(cudaMemcpyAsync(&byte, a.data, 1, cudaMemcpyDeviceToHost, other.raw) == cudaSuccess);
    CHECK(byte == 0);
    CHECK(gpunet_fake::report().sets == 0);
    REQUIRE(cudaStreamSynchronize(other.raw) == cudaSuccess);
    CHECK(byte == 3);
    cudaEventDestroy(done);
}

TEST_CASE("kernels: compiled, loaded, launched, captured with their parameters") {
    const clean_device clean;
    const std::string source = "extern \"C\" __global__ void __launch_bounds__(64) fill(parameters p) {}\n"
                               "extern \"C\" __global__ void other(int x) {}\n";
    nvrtcProgram program = nullptr;
    REQUIRE(NVRTC(CreateProgram)(&program, source.c_str(), "fill.cu", 0, nullptr, nullptr) == NVRTC_SUCCESS);
    const char* no_architecture[] = {"-std=c++17"};
    CHECK(NVRTC(CompileProgram)(program, 1, no_architecture) == NVRTC_ERROR_INVALID_OPTION);
    const char* options[] = {"--gpu-architecture=sm_90", "-std=c++17", "-default-device", "-DGPUNET_ACT=3"};
    gpunet_fake::fail("nvrtcCompileProgram", 1, NVRTC_ERROR_COMPILATION);
    CHECK(NVRTC(CompileProgram)(program, 4, options) == NVRTC_ERROR_COMPILATION);
    REQUIRE(NVRTC(CompileProgram)(program, 4, options) == NVRTC_SUCCESS);
    std::size_t size = 0;
    REQUIRE(NVRTC(GetCUBINSize)(program, &size) == NVRTC_SUCCESS);
    std::string cubin(size, '\0');
    REQUIRE(NVRTC(GetCUBIN)(program, cubin.data()) == NVRTC_SUCCESS);
    REQUIRE(NVRTC(DestroyProgram)(&program) == NVRTC_SUCCESS);

    const auto load_library = [&](cudaLibrary_t* l) {
        return cudaLibraryLoadData(l, cubin.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
    };
    cudaLibrary_t library = nullptr;
    gpunet_fake::set_capability(80);
    CHECK(load_library(&library) == cudaErrorNoKernelImageForDevice);
    gpunet_fake::set_capability(90);
    std::string damaged = cubin;
    damaged.back() ^= 1;
    CHECK(cudaLibraryLoadData(&library, damaged.data(), nullptr, nullptr, 0, nullptr, nullptr, 0) ==
          cudaErrorInvalidKernelImage);
    REQUIRE(load_library(&library) == cudaSuccess);
    cudaKernel_t kernel = nullptr;
    CHECK(cudaLibraryGetKernel(&kernel, library, "none") == cudaErrorSymbolNotFound);
    REQUIRE(cudaLibraryGetKernel(&kernel, library, "other") == cudaSuccess);
    REQUIRE(cudaLibraryGetKernel(&kernel, library, "fill") == cudaSuccess);

    struct parameters {
        float* to;
        float value;
    };
    std::map<std::string, std::string> seen_defines;
    gpunet_fake::set_launcher([&](const std::string& name, const std::map<std::string, std::string>& defines,
                                  std::array<unsigned, 3> grid, std::array<unsigned, 3> block, std::size_t shared,
                                  const void* p) {
        CHECK(name == "fill");
        CHECK(grid == std::array<unsigned, 3>{2, 1, 1});
        CHECK(block == std::array<unsigned, 3>{64, 1, 1});
        CHECK(shared == 60000);
        seen_defines = defines;
        const auto* const q = static_cast<const parameters*>(p);
        *q->to = q->value;
    });
    const stream s;
    const buffer a(4);
    parameters p{static_cast<float*>(a.data), 7};
    void* arguments[] = {&p};
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3{2, 1, 1};
    config.blockDim = dim3{64, 1, 1};
    config.dynamicSmemBytes = 60000;
    config.stream = s.raw;
    config.attrs = &attribute;
    config.numAttrs = 1;
    CHECK(cudaLaunchKernelExC(&config, kernel, arguments) == cudaErrorInvalidConfiguration);
    gpunet_fake::forget_faults();
    REQUIRE(cudaKernelSetAttributeForDevice(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 60000, 0) ==
            cudaSuccess);
    REQUIRE(cudaStreamBeginCapture(s.raw, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    REQUIRE(cudaLaunchKernelExC(&config, kernel, arguments) == cudaSuccess);
    p.value = 0; // the launch has its own copy
    cudaGraph_t graph = nullptr;
    REQUIRE(cudaStreamEndCapture(s.raw, &graph) == cudaSuccess);
    cudaGraphExec_t executable = nullptr;
    REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(executable, s.raw) == cudaSuccess);
    CHECK(*static_cast<float*>(a.data) == 7);
    CHECK(seen_defines.at("GPUNET_ACT") == "3");
    CHECK(gpunet_fake::report().kernels == 1);
    CHECK(gpunet_fake::report().programmatic_launches == 1);
    cudaGraphDestroy(graph);
    cudaGraphExecDestroy(executable);

    gpunet_fake::set_launcher([](auto&&...) { throw std::runtime_error("broken"); });
    CHECK(cudaLaunchKernelExC(&config, kernel, arguments) == cudaErrorLaunchFailure);
    CHECK(cudaStreamSynchronize(s.raw) == cudaErrorLaunchFailure);
    CHECK(gpunet_fake::report().faults == std::vector<std::string>{"kernel fill: broken"});
    gpunet_fake::forget_faults();
    gpunet_fake::set_launcher({});
    REQUIRE(cudaLibraryUnload(library) == cudaSuccess);
}

TEST_CASE("cuDNN: convolutions against plain loops") {
    const clean_device clean;
    const auto type = GENERATE(CUDNN_DATA_HALF, CUDNN_DATA_BFLOAT16, CUDNN_DATA_FLOAT);
    INFO("type " << type);
    problem p;
    p.type = type;
    SECTION("3 x 3") { p.residual = GENERATE(false, true); }
    SECTION("batch, 1 x 1, no bias") {
        p.n = 3;
        p.kernel = 1;
        p.before = p.after = {0, 0};
        p.bias = false;
        p.act = gpunet::activation::identity;
    }
    SECTION("stride 2, asymmetric padding, odd channels") {
        p.n = 2;
        p.c = 3;
        p.k = 11;
        p.h = 12;
        p.stride = {2, 2};
        p.before = {0, 0};
        p.after = {1, 2};
    }
    SECTION("unequal strides, large kernel") {
        p.kernel = 5;
        p.stride = {3, 1};
        p.before = {2, 3};
        p.after = {2, 0};
    }
    SECTION("groups") {
        p.groups = 4;
        p.residual = true;
    }
    SECTION("depthwise") {
        p.groups = p.c = p.k = 24;
        p.stride = {2, 1};
    }
    SECTION("padding beyond the kernel") {
        p.h = p.w = 2;
        p.before = {3, 4};
        p.after = {4, 3};
    }
    SECTION("activations") {
        p.residual = true;
        p.act = static_cast<gpunet::activation>(GENERATE(range(0, 8)));
    }
    check_convolution(p);
}

TEST_CASE("cuDNN: a gated matrix product") {
    const clean_device clean;
    const auto type = GENERATE(CUDNN_DATA_HALF, CUDNN_DATA_BFLOAT16, CUDNN_DATA_FLOAT);
    const std::int64_t n = 3, m = 10, k = 24, o = 19;
    const stream s;
    const handle h(s.raw);
    graph g;
    const auto x = g.make(type, {n, m, k}), gate = g.make(type, {n, 1, k}),
               w = g.make(type, {1, k, o}, false, {k * o, 1, k});
    const auto bias = g.make(CUDNN_DATA_FLOAT, {1, 1, o}), y = g.make(type, {n, m, o});
    const auto gated = g.make(type, {n, m, k}, true), product = g.make(CUDNN_DATA_FLOAT, {n, m, o}, true);
    g.apply(CUDNN_POINTWISE_MUL, x, gate, gated);
    g.multiply(gated, w, product);
    g.apply(CUDNN_POINTWISE_ADD, product, bias, y);
    bindings memory(s.raw);
    const auto xs = memory.fill(x, 1), gs = memory.fill(gate, 2), ws = memory.fill(w, 3), bs = memory.fill(bias, 4);
    memory.bind(y);
    std::vector<double> expected;
    const auto at = [](const std::vector<float>& v, std::int64_t i) { return double(v[static_cast<std::size_t>(i)]); };
    for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t r = 0; r < m; ++r)
            for (std::int64_t c = 0; c < o; ++c) {
                double sum = at(bs, c);
                for (std::int64_t q = 0; q < k; ++q) {
                    std::vector<float> v = {static_cast<float>(at(xs, (i * m + r) * k + q) * at(gs, i * k + q))};
                    to_bytes(type, v);
                    sum += v[0] * at(ws, c * k + q);
                }
                expected.push_back(sum);
            }
    const descriptor& finished = g.finish();
    const planner offered(finished, CUDNN_HEUR_MODE_FALLBACK);
    descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    make_plan(plan, offered.configurations.at(0), h);
    REQUIRE(memory.run(h, plan) == 0);
    compare(type, memory.read(y), expected);
    CHECK(gpunet_fake::planned().back().find("matmul") == 0);
    CHECK(gpunet_fake::planned().back().find(" gate bias engine=3") != std::string::npos);
    CHECK(planner(finished, CUDNN_HEUR_MODE_A).engines == std::vector<std::int64_t>{2});
    gpunet_fake::refuse("matmul gate");
    CHECK(planner(finished, CUDNN_HEUR_MODE_A).engines.empty());
}

TEST_CASE("cuDNN: reduction over pixels, strided views") {
    const clean_device clean;
    const stream s;
    const handle h(s.raw);
    graph g;
    const auto x = g.make(CUDNN_DATA_HALF, {1, 8, 3, 5}), y = g.make(CUDNN_DATA_FLOAT, {1, 8, 1, 1});
    g.reduce(CUDNN_REDUCE_TENSOR_ADD, x, y);
    bindings m(s.raw);
    const auto xs = m.fill(x, 1);
    m.bind(y);
    const planner offered(g.finish(), CUDNN_HEUR_MODE_A);
    descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    make_plan(plan, offered.configurations.at(0), h);
    REQUIRE(m.run(h, plan) == 0);
    std::vector<double> expected(8);
    for (std::size_t i = 0; i < xs.size(); ++i) expected[i % 8] += xs[i];
    compare(CUDNN_DATA_FLOAT, m.read(y), expected);

    graph t; // N C H W to N H W C
    const dims d = {2, 3, 4, 5};
    const auto from = t.make(CUDNN_DATA_FLOAT, d, false, packed(d)), to = t.make(CUDNN_DATA_FLOAT, d);
    t.apply(CUDNN_POINTWISE_IDENTITY, from, {}, to);
    bindings n(s.raw);
    const auto fs = n.fill(from, 2);
    n.bind(to);
    descriptor second(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    make_plan(second, planner(t.finish(), CUDNN_HEUR_MODE_A).configurations.at(0), h);
    REQUIRE(n.run(h, second) == 0);
    std::vector<double> turned;
    for (std::size_t i = 0; i < 2; ++i)
        for (std::size_t p = 0; p < 20; ++p)
            for (std::size_t c = 0; c < 3; ++c) turned.push_back(fs[(i * 3 + c) * 20 + p]);
    compare(CUDNN_DATA_FLOAT, n.read(to), turned);
}

TEST_CASE("cuDNN: engines, refusals, plans as text, faults, capture") {
    const clean_device clean;
    const stream s;
    const handle h(s.raw);
    const bool swish = GENERATE(false, true);
    graph g;
    const auto x = g.make(CUDNN_DATA_FLOAT, {2, 8, 6, 6}), w = g.make(CUDNN_DATA_FLOAT, {8, 8, 3, 3});
    const auto y = g.make(CUDNN_DATA_FLOAT, {2, 8, 6, 6}), product = g.between(y);
    {
        graph wrong;
        wrong.next = 100;
        const auto short_y = wrong.make(CUDNN_DATA_FLOAT, {2, 8, 5, 6});
        CHECK(wrong.convolve(x, w, short_y, {1, 1}, {1, 1}, {1, 1}) == CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
    }
    REQUIRE(g.convolve(x, w, product, {1, 1}, {1, 1}, {1, 1}) == 0);
    g.apply(swish ? CUDNN_POINTWISE_SWISH_FWD : CUDNN_POINTWISE_RELU_FWD, product, {}, y);
    const descriptor& finished = g.finish();
    const planner offered(finished, CUDNN_HEUR_MODE_A);
    CHECK(offered.engines == (swish ? std::vector<std::int64_t>{2} : std::vector<std::int64_t>{1, 2, 4}));
    gpunet_fake::refuse("swish float");
    CHECK(planner(finished, CUDNN_HEUR_MODE_A).engines.empty() == swish);
    gpunet_fake::refuse("engine=2", "plan");
    for (std::size_t i = 0; i < offered.engines.size(); ++i) {
        descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, h.raw)
            .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, offered.configurations[i]);
        CHECK(plan.finalize() == (offered.engines[i] == 2 ? CUDNN_STATUS_NOT_SUPPORTED : CUDNN_STATUS_SUCCESS));
    }
    gpunet_fake::reset();

    descriptor made(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR), plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    make_plan(made, offered.configurations.at(0), h);
    const std::string text = made.text(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, h.raw).set(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, text);
    REQUIRE(plan.finalize() == 0);
    gpunet_fake::set_cudnn_version(91000);
    descriptor stale(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    stale.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, h.raw).set(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, text);
    CHECK(stale.finalize() == CUDNN_STATUS_SERIALIZATION_VERSION_MISMATCH);
    gpunet_fake::set_cudnn_version(91900);

    bindings m(s.raw);
    m.fill(x, 1);
    m.fill(w, 2);
    CHECK(m.run(h, plan) == CUDNN_STATUS_BAD_PARAM_NULL_POINTER); // y is not bound
    gpunet_fake::forget_faults();
    m.bind(y);
    REQUIRE(m.run(h, plan) == 0);
    void* const own = m.pointers[2];
    m.pointers[2] = m.pointers[0];
    CHECK(m.run(h, plan) == CUDNN_STATUS_BAD_PARAM);
    REQUIRE(gpunet_fake::report().faults.size() == 1);
    CHECK(gpunet_fake::report().faults[0].find("the result 3 lies over tensor 1") != std::string::npos);
    gpunet_fake::forget_faults();
    m.pointers[2] = static_cast<char*>(own) + 4;
    CHECK(m.run(h, plan) == CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER);
    gpunet_fake::forget_faults();
    m.pointers[2] = static_cast<char*>(own) + 16;
    CHECK(m.run(h, plan) == CUDNN_STATUS_EXECUTION_FAILED); // beyond the end
    gpunet_fake::forget_faults();
    m.pointers[2] = own;
    gpunet_fake::refuse("conv", "execution");
    CHECK(m.run(h, plan) == CUDNN_STATUS_EXECUTION_FAILED);
    gpunet_fake::reset();

    // In a capture it is recorded, and each launch runs it.
    m.fill(x, 1);
    m.uids.pop_back();
    m.pointers[0] = m.pointers.back();
    m.pointers.pop_back();
    m.buffers.emplace_back(16 << 10); // what a capture may not allocate: the workspace
    descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, m.uids).set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, m.pointers);
    REQUIRE(pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, m.buffers.back().data).finalize() == 0);
    gpunet_fake::trace(true);
    REQUIRE(cudaStreamBeginCapture(s.raw, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    REQUIRE(CUDNN(BackendExecute)(h.raw, plan.raw, pack.raw) == 0);
    cudaGraph_t captured = nullptr;
    REQUIRE(cudaStreamEndCapture(s.raw, &captured) == cudaSuccess);
    CHECK(gpunet_fake::traced().empty());
    cudaGraphExec_t executable = nullptr;
    REQUIRE(cudaGraphInstantiate(&executable, captured, 0) == cudaSuccess);
    cudaGraphDestroy(captured);
    REQUIRE(cudaGraphLaunch(executable, s.raw) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(executable, s.raw) == cudaSuccess);
    cudaGraphExecDestroy(executable);
    CHECK(gpunet_fake::report().cudnn_graphs == 2);
    CHECK(gpunet_fake::traced().at(1) ==
          std::string("cudnn conv float n=2 x=2x8x6x6 w=8x8x3x3 stride=1x1 padding=1,1,1,1 groups=1 ") +
              (swish ? "swish" : "relu"));
    for (const float v : m.read(y)) CHECK(std::isfinite(v));
}

TEST_CASE("cuDNN: engines with tensor cores round float32 to TF32") {
    const clean_device clean;
    const stream s;
    const handle h(s.raw);
    graph g;
    const auto x = g.make(CUDNN_DATA_FLOAT, {1, 1, 1, 1}), w = g.make(CUDNN_DATA_FLOAT, {1, 1, 1, 1}),
               y = g.make(CUDNN_DATA_FLOAT, {1, 1, 1, 1});
    REQUIRE(g.convolve(x, w, y, {1, 1}, {0, 0}, {0, 0}) == 0);
    const planner offered(g.finish(), CUDNN_HEUR_MODE_A);
    REQUIRE(offered.engines == std::vector<std::int64_t>{1, 2, 4});
    bindings m(s.raw);
    for (const auto& t : {x, w, y}) m.bind(t);
    const float fine = 1 + 0x1p-12F, one = 1;
    REQUIRE(cudaMemcpyAsync(m.pointers[0], &fine, 4, cudaMemcpyHostToDevice, s.raw) == cudaSuccess);
    REQUIRE(cudaMemcpyAsync(m.pointers[1], &one, 4, cudaMemcpyHostToDevice, s.raw) == cudaSuccess);
    for (std::size_t i = 0; i < 3; ++i) {
        descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        make_plan(plan, offered.configurations[i], h);
        REQUIRE(m.run(h, plan) == 0);
        CHECK(m.read(y).at(0) == (offered.engines[i] == 4 ? fine : one));
    }
}
