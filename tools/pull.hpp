// Showing how far a pull is.
#pragma once

#include "commands.hpp"

#include <gpunet/hub/pull.hpp>

#include <functional>

namespace gpunet::tool {

/// For pull_options::progress: a line on a terminal with rate and time left; and, wherever standard error goes, what is
/// fetched and from where, once.
std::function<bool(const pull_progress&)> pull_display();

/// The model of a registry name, or of a file with a whole record (as in models/).
model open_record(const registry&, const std::string& name_or_path);

} // namespace gpunet::tool
