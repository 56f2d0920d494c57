// For builds without ONNX.
#include "commands.hpp"

namespace gpunet::tool {

std::string export_status() { return "export not in this program: build it with libonnx-dev and libprotobuf-dev"; }

void add_export(CLI::App& app, options&) {
    auto* command = app.add_subcommand("export", "A model with its weights as ONNX (not in this program)");
    command->fallthrough(false)->allow_extras(); // whatever is asked for, the answer is the same
    command->callback([] {
        throw unsupported_error("export: this program was built without ONNX (Debian's libonnx-dev and "
                                "libprotobuf-dev): install them and build it again");
    });
}

} // namespace gpunet::tool
