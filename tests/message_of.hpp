// What tests ask of every error.
#pragma once

#include <catch2/catch.hpp>

#include <string>

namespace gpunet_test {

/// The one-line message of the Error that `work` throws; the test fails if it throws none.
template <class Error, class Work>
std::string message_of(Work&& work) {
    try {
        work();
    } catch (const Error& e) {
        const std::string message = e.what();
        CHECK(message.find('\n') == std::string::npos);
        return message;
    }
    FAIL("expected an error, found none");
    return {};
}

} // namespace gpunet_test
