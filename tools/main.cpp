// The gpunet command-line program. Results go to standard output, messages to standard error. Exit status: 0 success,
// 1 failure of the work, 2 wrong usage.
#include "commands.hpp"

#include <gpunet/version.hpp>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <iostream>
#include <new>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace {

/// Says in one line what went wrong; without memory of its own, which may be what is missing.
int fail(const char* what, int status) noexcept {
    std::cout.flush();
    char piece[4096] = "gpunet: ";
    std::size_t size = 8;
    const auto put = [&](char c) {
        piece[size++] = c;
        if (size < sizeof piece && c != '\n') return;
        static_cast<void>(std::fwrite(piece, 1, size, stderr));
        size = 0;
    };
    for (; *what; ++what) put(*what == '\n' ? ' ' : *what);
    put('\n');
    return status;
}

/// Standard streams that are closed are opened where nothing can be read or written: a file opened later would take
/// their place, and get what is meant for them.
void hold_standard_streams() noexcept {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(stream, F_GETFD) < 0)
            static_cast<void>(::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY));
}

int run(int argc, char** argv) {
    using namespace gpunet::tool;
    CLI::App app{"GPUNet: image classification networks chosen by latency"};
    app.set_version_flag("--version", std::string("gpunet ") + gpunet::version);
    app.footer("Exit status: 0 for success, 1 for failure of the work or a part of it, 2 for wrong usage.");
    app.require_subcommand(1);
    app.fallthrough();
    options common;
    app.add_option("--device", common.device, "cpu or cuda[:N]; for select also the name of a device with records");
    app.add_option("--precision", common.precision, "fp32, tf32, fp16 or bf16")
        ->check(CLI::IsMember({"fp32", "tf32", "fp16", "bf16"}, CLI::ignore_case));
    app.add_option("--threads", common.threads, "threads on the CPU; all cores by default")->check(CLI::Range(1, 4096));
    app.add_flag("--tune", common.tune, "on a GPU: time cuDNN's engines and our kernels once, keep the fastest");
    app.add_flag("--programmatic", common.programmatic, "on a GPU: programmatic dependent launch of our kernels");
    app.add_flag("--implicit-gemm", common.implicit_gemm, "on a GPU: our convolutions on tensor cores, not cuDNN's");
    app.add_flag("--offline", common.offline, "never use the network");
    for (const auto add :
         {add_list, add_show, add_select, add_classify, add_eval, add_run, add_bench, add_plan, add_pull, add_convert,
          add_quantize, add_export, add_verify, add_report, add_cache, add_doctor})
        add(app, common);
    try {
        try {
            app.parse(argc, argv);
        } catch (const CLI::Success& e) { // --help, --version
            app.exit(e);
        }
        std::cout.flush();
        if (!std::cout) return fail("cannot write to standard output", 1);
        return 0;
    } catch (const CLI::ParseError& e) {
        return fail((std::string(e.what()) + " (see gpunet --help)").c_str(), 2);
    } catch (const usage_error& e) {
        return fail(e.what(), 2);
    } catch (const partial_failure&) {
        return 1;
    }
}

} // namespace

int main(int argc, char** argv) {
    hold_standard_streams();
    std::signal(SIGXFSZ, SIG_IGN); // a file beyond the limit is an error, as one on a full disk
    try {
        return run(argc, argv);
    } catch (const std::bad_alloc&) {
        return fail("out of memory", 1);
    } catch (const std::exception& e) {
        return fail(e.what(), 1);
    }
}
