// The CUDA runtime layer where no GPU is needed: libraries opened at run time, NVRTC, the cache of its results.
#include "environment_variable.hpp"
#include "weights_support.hpp"

#include <gpunet/cuda/cubin_cache.hpp>
#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/driver_stub.hpp>
#include <gpunet/cuda/error.hpp>
#include <gpunet/cuda/library_paths.hpp>
#include <gpunet/cuda/nvrtc.hpp>
#include <gpunet/cuda/shared_library.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <link.h>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test_cuda_runtime { // tests of a program are compiled together

namespace {

namespace cuda = gpunet::cuda;
namespace fs = std::filesystem;
using Catch::Contains;
using Catch::StartsWith;
using test::message_of;

using environment = gpunet_test::environment_variable;

using strings = std::vector<std::string>;
using paths = std::vector<fs::path>;

const std::string some_library = "libm.so.6";

fs::path some_library_file() { return cuda::shared_library::open(strings{some_library}, paths{}).path(); }

/// A kernel of its own for each test, so that no test finds what another one left.
const std::string add_one = R"(
struct arguments { float* values; unsigned count; };
extern "C" __global__ void add_one(arguments a) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < a.count) a.values[i] += AMOUNT;
})";
const strings by_one = {"AMOUNT=1.0f"};

std::string as_text(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Empty where there is NVRTC, and the test goes on; else the test says why it does not.
std::optional<cuda::nvrtc> open_nvrtc() {
    try {
        return cuda::nvrtc::open();
    } catch (const gpunet::unsupported_error& e) {
        std::cout << "skipped: " << e.what() << '\n';
        return std::nullopt;
    }
}

paths files_in(const fs::path& folder) {
    paths found;
    for (const auto& entry : fs::directory_iterator(folder)) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
}

} // namespace

TEST_CASE("an error of the CUDA runtime says call, name, number and text") {
    CHECK_NOTHROW(cuda::check(cudaSuccess, "cudaMalloc"));
    CHECK(message_of<gpunet::cuda_error>([] { cuda::check(cudaErrorInvalidValue, "cudaMalloc of 0 bytes"); }) ==
          "cudaMalloc of 0 bytes: cudaErrorInvalidValue (code 1): invalid argument");
    CHECK_THAT(message_of<gpunet::cuda_error>([] { cuda::fail(cudaErrorMemoryAllocation, "cudaMalloc"); }),
               StartsWith("cudaMalloc: cudaErrorMemoryAllocation (code 2): "));
}

TEST_CASE("this program needs no library of CUDA to start") {
    const char* names = nullptr;
    for (const ElfW(Dyn)* d = _DYNAMIC; d->d_tag != DT_NULL; ++d)
        if (d->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(d->d_un.d_ptr);
    REQUIRE(names != nullptr);
    strings needed;
    for (const ElfW(Dyn)* d = _DYNAMIC; d->d_tag != DT_NULL; ++d)
        if (d->d_tag == DT_NEEDED) needed.emplace_back(names + d->d_un.d_val);
    CHECK(std::find_if(needed.begin(), needed.end(), [](const auto& n) { return n.starts_with("libc.so"); }) !=
          needed.end());
    for (const std::string& library : needed) {
        INFO(library);
        CHECK(library.find("cu") == std::string::npos);
        CHECK(library.find("nvrtc") == std::string::npos);
    }
}

TEST_CASE("devices are counted, or it is said why there is none") {
    const int count = cuda::device_count();
    const std::string why = cuda::why_no_device();
    if (count > 0) {
        CHECK(why.empty());
        CHECK_THAT(message_of<gpunet::argument_error>([&] { cuda::describe_device(count); }),
                   StartsWith("cuda:" + std::to_string(count) + ": expected a GPU from 0 to "));
        return;
    }
    CHECK(why.find('\n') == std::string::npos);
    CHECK_THAT(why, Contains("driver"));
    CHECK(message_of<gpunet::unsupported_error>([] { cuda::describe_device(3); }) == "cuda:3: " + why);
    CHECK_THROWS_AS(cuda::device_scope(0), gpunet::cuda_error);
}

TEST_CASE("what is said of devices") {
    CHECK(cuda::capability{9, 0}.architecture() == "sm_90");
    CHECK(cuda::capability{12, 1}.architecture() == "sm_121");
    CHECK(cuda::capability{8, 9} < cuda::capability{9, 0});
    CHECK(cuda::detail::cuda_version_text(12080) == "12.8");
    CHECK(cuda::detail::cuda_version_text(13000) == "13.0");
    cudaUUID_t uuid{};
    for (int i = 0; i < 16; ++i) uuid.bytes[i] = static_cast<char>(0xF0 + i);
    CHECK(cuda::detail::uuid_text(uuid) == "GPU-f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff");
}

TEST_CASE("a library is opened by name or by file") {
    auto library = cuda::shared_library::open(strings{"libgpunet-absent.so.1", some_library}, paths{});
    CHECK(fs::path(library.path()).is_absolute());
    CHECK(fs::path(library.path()).filename() == some_library);
    auto moved = std::move(library);
    CHECK(moved.symbol<double (*)(double)>("fabs")(-2) == 2);
    CHECK_THAT(message_of<gpunet::unsupported_error>([&] { moved.symbol<void (*)()>("gpunetAbsent"); }),
               StartsWith(moved.path() + ": expected a function gpunetAbsent, found none"));
    auto file = cuda::shared_library::open(fs::path(moved.path()));
    CHECK(file.path() == moved.path());
    file = std::move(moved);
    CHECK(file.symbol<double (*)(double)>("fabs")(-3) == 3);
}

TEST_CASE("a library is looked for in directories, name by name") {
    const test::temporary_folder folder;
    const fs::path first = folder / "first", second = folder / "second";
    fs::create_directory(first);
    fs::create_directory(second);
    fs::copy_file(some_library_file(), second / "libgpunet-test.so.2");
    fs::copy_file(some_library_file(), first / "libgpunet-test.so.1");
    const paths both = {first, second};
    CHECK(cuda::shared_library::open(strings{"libgpunet-test.so.2", "libgpunet-test.so.1"}, both).path() ==
          second / "libgpunet-test.so.2");
    CHECK(cuda::shared_library::open(strings{"libgpunet-test.so.3", "libgpunet-test.so.1"}, both).path() ==
          first / "libgpunet-test.so.1");

    // One that is there and cannot be loaded is named with the reason; the search goes on.
    test::write_file(first / "libgpunet-test.so.2", "no library");
    CHECK(cuda::shared_library::open(strings{"libgpunet-test.so.2"}, both).path() == second / "libgpunet-test.so.2");
    fs::remove(second / "libgpunet-test.so.2");
    CHECK_THAT(
        message_of<gpunet::unsupported_error>(
            [&] { cuda::shared_library::open(strings{"libgpunet-test.so.2"}, both); }),
        StartsWith("libgpunet-test.so.2: cannot be opened: libgpunet-test.so.2: cannot open shared object file") &&
            Contains("; " + (first / "libgpunet-test.so.2").string() + ": file too short; not in " + first.string() +
                     ", " + second.string()));
    CHECK_THAT(message_of<gpunet::unsupported_error>([&] { cuda::shared_library::open(first / "absent.so"); }),
               StartsWith((first / "absent.so").string() + ": cannot be opened: ") && Contains("No such file"));
}

TEST_CASE("CUDA's libraries are looked for in toolkits, then where PyPI's packages put them") {
    const test::temporary_folder folder;
    const fs::path toolkit = folder / "toolkit", python = folder / "env", home = folder / "home";
    const fs::path packages = "site-packages/nvidia";
    fs::create_directories(toolkit / "lib");
    fs::create_directory_symlink("lib", toolkit / "lib64"); // one folder under two names
    fs::create_directories(python / "lib/python3.9" / packages / "cudnn/lib");
    fs::create_directories(python / "lib/python3.12" / packages / "cudnn/lib");
    fs::create_directories(python / "lib/python3.12" / packages / "cu13/lib");
    fs::create_directories(python / "lib/python2.7" / packages / "cudnn/lib");
    fs::create_directories(home / ".local/lib/python3.11" / packages / "cudnn/lib");
    const environment cuda_home("CUDA_HOME", toolkit), cuda_path("CUDA_PATH", std::nullopt),
        conda("CONDA_PREFIX", std::nullopt), virtual_env("VIRTUAL_ENV", python), at_home("HOME", home);
    const auto found = cuda::library_directories("cudnn");
    const paths ours = {toolkit / "lib64", python / "lib/python3.12" / packages / "cudnn/lib",
                        python / "lib/python3.12" / packages / "cu13/lib",
                        python / "lib/python3.9" / packages / "cudnn/lib",
                        home / ".local/lib/python3.11" / packages / "cudnn/lib"};
    paths among;
    for (const auto& path : found)
        if (path.string().starts_with(fs::path(folder / "").string())) among.push_back(path);
    CHECK(among == ours);
    CHECK(found.front() == toolkit / "lib64");

    const environment nowhere("CUDA_HOME", folder / "absent");
    const auto toolkits = cuda::toolkit_directories();
    CHECK(std::find(toolkits.begin(), toolkits.end(), ours[0]) == toolkits.end());
}

TEST_CASE("a variable of the environment names the library's file") {
    const strings names = {some_library};
    const fs::path file = some_library_file();
    const test::temporary_folder folder;
    fs::copy_file(file, folder / "libgpunet-override.so");
    {
        const environment named("GPUNET_TEST_LIBRARY", folder / "libgpunet-override.so");
        CHECK(cuda::open_library(names, "cudnn", "GPUNET_TEST_LIBRARY").path() == folder / "libgpunet-override.so");
    }
    {
        const environment named("GPUNET_TEST_LIBRARY", folder / "absent.so");
        CHECK_THAT(
            message_of<gpunet::unsupported_error>([&] { cuda::open_library(names, "cudnn", "GPUNET_TEST_LIBRARY"); }),
            StartsWith("GPUNET_TEST_LIBRARY: " + fs::path(folder / "absent.so").string() + ": cannot be opened: "));
    }
    const environment empty("GPUNET_TEST_LIBRARY", "");
    CHECK(cuda::open_library(names, "cudnn", "GPUNET_TEST_LIBRARY").path() == file);
}

TEST_CASE("where there is no driver, the toolkit's stub stands for it") {
    auto folders = cuda::toolkit_directories();
    for (const auto& nvidia : cuda::python_directories()) folders.push_back(nvidia / "cu13/lib");
    const bool stub_here =
        std::any_of(folders.begin(), folders.end(), [](const auto& f) { return fs::exists(f / "stubs/libcuda.so"); });
    const int count = cuda::device_count();
    const auto found = cuda::open_driver_or_stub();
    CHECK(cuda::open_driver_or_stub() == found);
    CHECK(cuda::device_count() == count);
    std::cout << "libcuda.so.1: " << name_of(found) << '\n';
    if (count > 0) {
        CHECK(name_of(found) == "driver");
        return;
    }
    if (found != cuda::driver_library::driver) CHECK(name_of(found) == (stub_here ? "stub" : "none"));
    CHECK_THAT(cuda::why_no_device(), Contains("driver"));
    // Whoever opens it by its soname now gets the stub, and can tell.
    if (found == cuda::driver_library::stub) CHECK(cuda::detail::open_driver_library() == found);
}

TEST_CASE("NVRTC compiles for each architecture, without a GPU") {
    const auto nvrtc = open_nvrtc();
    if (!nvrtc) return;
    CHECK_FALSE(nvrtc->version().empty());
    CHECK(fs::path(nvrtc->path()).is_absolute());
    CHECK_FALSE(nvrtc->supports("sm_5"));
    CHECK_FALSE(nvrtc->supports("90"));
    strings seen;
    for (const char* architecture : {"sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"}) {
        INFO(architecture);
        REQUIRE(nvrtc->supports(architecture));
        const std::string code = as_text(nvrtc->compile(add_one, "add_one", architecture, by_one));
        CHECK(code.starts_with("\x7F"
                               "ELF"));
        CHECK(code.find("add_one") != std::string::npos);
        CHECK(std::find(seen.begin(), seen.end(), code) == seen.end());
        seen.push_back(code);
    }
    const auto by_two = nvrtc->compile(add_one, "add_one", "sm_90", strings{"AMOUNT=2.0f"});
    CHECK(as_text(by_two) != as_text(nvrtc->compile(add_one, "add_one", "sm_90", by_one)));
}

TEST_CASE("what NVRTC cannot compile is named, with the compiler's first error") {
    const auto nvrtc = open_nvrtc();
    if (!nvrtc) return;
    const std::string broken = "#warning before\n__global__ void f(float* x) {\n    *x = AMOUNT;\n    return y;\n}";
    CHECK(message_of<gpunet::cuda_error>([&] { nvrtc->compile(broken, "broken.cu", "sm_80"); }) ==
          "broken.cu for sm_80: NVRTC " + nvrtc->version() +
              " cannot compile it (NVRTC_ERROR_COMPILATION): broken.cu(3): error: identifier \"AMOUNT\" is undefined");
    CHECK_THAT(message_of<gpunet::unsupported_error>([&] { nvrtc->compile(add_one, "add_one", "sm_20", by_one); }),
               StartsWith("add_one for sm_20: NVRTC " + nvrtc->version() + " compiles for sm_"));
}

TEST_CASE("where NVRTC is missing, it is said how to get it") {
    const test::temporary_folder folder;
    {
        const environment named("GPUNET_NVRTC_LIBRARY", folder / "libnvrtc.so");
        CHECK_THAT(message_of<gpunet::unsupported_error>([] { cuda::nvrtc::open(); }),
                   StartsWith("GPUNET_NVRTC_LIBRARY: ") && Contains("No such file") &&
                       Contains("pip install nvidia-cuda-nvrtc"));
    }
    const environment named("GPUNET_NVRTC_LIBRARY", some_library_file());
    CHECK_THAT(message_of<gpunet::unsupported_error>([] { cuda::nvrtc::open(); }),
               Contains("expected a function nvrtcVersion, found none"));
}

TEST_CASE("a cubin is compiled once, kept in memory and on disk") {
    const auto nvrtc = open_nvrtc();
    if (!nvrtc) return;
    const test::temporary_folder folder;
    const fs::path directory = folder / "cache/kernels"; // made when needed
    cuda::cubin_cache cache(directory);
    CHECK(cache.directory() == directory);
    CHECK_FALSE(fs::exists(directory));
    const auto code = cache.get(*nvrtc, add_one, "add_one", "sm_90", by_one);
    CHECK(as_text(*code) == as_text(nvrtc->compile(add_one, "add_one", "sm_90", by_one)));
    REQUIRE(files_in(directory).size() == 1);
    CHECK(cache.get(*nvrtc, add_one, "add_one", "sm_90", by_one) == code);

    // Whatever the result depends on makes another file.
    CHECK(cache.get(*nvrtc, add_one, "add_one", "sm_80", by_one) != code);
    CHECK(cache.get(*nvrtc, add_one, "add_one", "sm_90", strings{"AMOUNT=2.0f"}) != code);
    CHECK(cache.get(*nvrtc, add_one + "\n", "add_one", "sm_90", by_one) != code);
    CHECK(cache.get(*nvrtc, add_one, "another", "sm_90", by_one) != code);
    CHECK(files_in(directory).size() == 5);

    // Another process, as it were.
    cuda::cubin_cache later(directory);
    const auto loaded = later.get(*nvrtc, add_one, "add_one", "sm_90", by_one);
    CHECK(loaded != code);
    CHECK(*loaded == *code);
}

TEST_CASE("a whole file of the cache is taken, any other is written anew") {
    const auto nvrtc = open_nvrtc();
    if (!nvrtc) return;
    const test::temporary_folder folder;
    const auto get = [&](const std::string& source) {
        return as_text(*cuda::cubin_cache(folder / "cache").get(*nvrtc, source, "add_one", "sm_90", by_one));
    };
    const std::string code = get(add_one);
    const fs::path path = files_in(folder / "cache").at(0);
    const std::string whole = test::file_content(path);
    const std::size_t body = whole.find("NVRTC ");
    REQUIRE(body == 15 + 20);
    REQUIRE(whole.ends_with(code));

    // A file with other code and the right checksum: what is returned comes from it, not from the compiler.
    std::string other = whole;
    other.back() = static_cast<char>(other.back() ^ 1);
    other.replace(body - 4, 4, test::u32(gpunet::detail::crc32(test::bytes_of(other).subspan(body))));
    test::write_file(path, other);
    CHECK(get(add_one) == other.substr(other.size() - code.size()));

    const auto check_rebuilt = [&](const std::string& damaged) {
        test::write_file(path, damaged);
        CHECK(get(add_one) == code);
        CHECK(test::file_content(path) == whole);
        CHECK(files_in(folder / "cache").size() == 1);
    };
    for (const std::size_t size : {std::size_t{0}, std::size_t{7}, body - 1, body, body + 100, whole.size() - 1}) {
        INFO("cut to " << size << " bytes");
        check_rebuilt(whole.substr(0, size));
    }
    check_rebuilt(whole + "x");
    for (const std::size_t at : {std::size_t{0}, std::size_t{13}, std::size_t{15}, std::size_t{22}, std::size_t{23},
                                 std::size_t{30}, std::size_t{31}, body, body + 200, whole.size() - 1}) {
        INFO("byte " << at << " changed");
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x80);
        check_rebuilt(damaged);
    }

    // A whole file of another kernel in this one's place.
    const std::string source = add_one + "// other";
    get(source);
    const auto both = files_in(folder / "cache");
    REQUIRE(both.size() == 2);
    fs::copy_file(both[0] == path ? both[1] : both[0], path, fs::copy_options::overwrite_existing);
    CHECK(get(add_one) == code);
    CHECK(test::file_content(path) == whole);
}

TEST_CASE("a cache that cannot be written is no error") {
    const auto nvrtc = open_nvrtc();
    if (!nvrtc) return;
    const test::temporary_folder folder;
    test::write_file(folder / "file", "not a folder");
    const std::string expected = as_text(nvrtc->compile(add_one, "add_one", "sm_90", by_one));
    for (const fs::path& directory : {folder / "file", folder / "file/below", fs::path("/proc/gpunet"), fs::path()}) {
        INFO(directory);
        cuda::cubin_cache cache(directory);
        const auto code = cache.get(*nvrtc, add_one, "add_one", "sm_90", by_one);
        CHECK(as_text(*code) == expected);
        CHECK(cache.get(*nvrtc, add_one, "add_one", "sm_90", by_one) == code);
    }
    CHECK(test::file_content(folder / "file") == "not a folder");
    CHECK(folder.entries() == 1);

    // A folder in the file's place can be neither read nor replaced.
    const fs::path directory = folder / "cache";
    cuda::cubin_cache(directory).get(*nvrtc, add_one, "add_one", "sm_90", by_one);
    const fs::path path = files_in(directory).at(0);
    fs::remove(path);
    fs::create_directory(path);
    CHECK(as_text(*cuda::cubin_cache(directory).get(*nvrtc, add_one, "add_one", "sm_90", by_one)) == expected);
    CHECK(files_in(directory) == paths{path});
}

TEST_CASE("of many requests for the same cubin at a time, one compiles") {
    const auto nvrtc = open_nvrtc();
    if (!nvrtc) return;
    const test::temporary_folder folder;
    cuda::cubin_cache cache(folder / "cache");
    constexpr int requests = 16, kernels = 3;
    std::vector<cuda::cubin> got(requests);
    std::atomic<int> ready = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < requests; ++i)
        threads.emplace_back([&, i] {
            const strings defines = {"AMOUNT=" + std::to_string(i % kernels) + ".0f"};
            ++ready;
            while (ready < requests) std::this_thread::yield();
            got[static_cast<std::size_t>(i)] = cache.get(*nvrtc, add_one, "add_one", "sm_90", defines);
        });
    for (auto& thread : threads) thread.join();
    for (std::size_t i = 0; i < got.size(); ++i) {
        REQUIRE(got[i] != nullptr);
        CHECK(got[i] == got[i % kernels]); // the very same, not an equal one
    }
    CHECK(got[0] != got[1]);
    CHECK(files_in(folder / "cache").size() == kernels);
}

TEST_CASE("a failure reaches all who wait for it, and is not kept") {
    const auto nvrtc = open_nvrtc();
    if (!nvrtc) return;
    const test::temporary_folder folder;
    cuda::cubin_cache cache(folder / "cache");
    std::atomic<int> failures = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&] {
            try {
                cache.get(*nvrtc, "broken", "broken.cu", "sm_90");
            } catch (const gpunet::cuda_error&) {
                ++failures;
            }
        });
    for (auto& thread : threads) thread.join();
    CHECK(failures == 8);
    CHECK_THAT(message_of<gpunet::cuda_error>([&] { cache.get(*nvrtc, "broken", "broken.cu", "sm_90"); }),
               StartsWith("broken.cu for sm_90: NVRTC "));
    CHECK_FALSE(fs::exists(folder / "cache"));
    CHECK_NOTHROW(cache.get(*nvrtc, add_one, "add_one", "sm_90", by_one));
}

} // namespace test_cuda_runtime
