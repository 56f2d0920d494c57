// A variable of the environment for the time of a test.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace gpunet_test {

/// Sets a variable of the environment, or removes it, until it is destroyed.
class environment_variable {
  public:
    environment_variable(const char* name, const std::optional<std::string>& value) : name_(name) {
        if (const char* before = std::getenv(name)) before_ = before;
        set(value);
    }
    ~environment_variable() { set(before_); }
    environment_variable(const environment_variable&) = delete;
    environment_variable& operator=(const environment_variable&) = delete;

  private:
    void set(const std::optional<std::string>& value) const {
        if (value)
            ::setenv(name_, value->c_str(), 1);
        else
            ::unsetenv(name_);
    }

    const char* name_;
    std::optional<std::string> before_;
};

} // namespace gpunet_test
