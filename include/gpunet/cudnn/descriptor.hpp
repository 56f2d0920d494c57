// Owners of cuDNN's backend descriptors, with typed attributes.
#pragma once

#include <gpunet/cudnn/library.hpp>
#include <gpunet/error.hpp>

#include <cudnn.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// cuDNN's tag of a C++ type.
template <class T>
inline constexpr cudnnBackendAttributeType_t attribute_type = [] {
    if constexpr (std::is_same_v<T, std::int64_t>)
        return CUDNN_TYPE_INT64;
    else if constexpr (std::is_same_v<T, float>)
        return CUDNN_TYPE_FLOAT;
    else if constexpr (std::is_same_v<T, double>)
        return CUDNN_TYPE_DOUBLE;
    else if constexpr (std::is_same_v<T, bool>)
        return CUDNN_TYPE_BOOLEAN;
    else if constexpr (std::is_same_v<T, char>)
        return CUDNN_TYPE_CHAR;
    else if constexpr (std::is_same_v<T, cudnnHandle_t>)
        return CUDNN_TYPE_HANDLE;
    else if constexpr (std::is_same_v<T, cudnnBackendDescriptor_t>)
        return CUDNN_TYPE_BACKEND_DESCRIPTOR;
    else if constexpr (std::is_same_v<T, cudnnDataType_t>)
        return CUDNN_TYPE_DATA_TYPE;
    else if constexpr (std::is_same_v<T, cudnnConvolutionMode_t>)
        return CUDNN_TYPE_CONVOLUTION_MODE;
    else if constexpr (std::is_same_v<T, cudnnPointwiseMode_t>)
        return CUDNN_TYPE_POINTWISE_MODE;
    else if constexpr (std::is_same_v<T, cudnnBackendHeurMode_t>)
        return CUDNN_TYPE_HEUR_MODE;
    else if constexpr (std::is_same_v<T, cudnnBackendKnobType_t>)
        return CUDNN_TYPE_KNOB_TYPE;
    else if constexpr (std::is_same_v<T, cudnnBackendNumericalNote_t>)
        return CUDNN_TYPE_NUMERICAL_NOTE;
    else if constexpr (std::is_same_v<T, cudnnBackendBehaviorNote_t>)
        return CUDNN_TYPE_BEHAVIOR_NOTE;
    else
        static_assert(!sizeof(T), "cuDNN has no such attribute type");
}();

/// Why cuDNN refused something.
struct failure {
    cudnnStatus_t status;
    std::string text; // one line
};

/// Owns one descriptor. Attributes are set, then it is finalised; from then on threads may read it together.
class descriptor {
  public:
    /// @param what  what it is, for errors
    /// @throws cudnn_error
    descriptor(std::shared_ptr<const cudnn::library> l, cudnnBackendDescriptorType_t type, std::string what)
        : library_(std::move(l)), what_(std::move(what)) {
        library_->check(library_->create_descriptor(type, &descriptor_), what_);
    }
    descriptor(descriptor&& other) noexcept
        : library_(std::move(other.library_)), what_(std::move(other.what_)),
          descriptor_(std::exchange(other.descriptor_, nullptr)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(library_, other.library_);
        std::swap(what_, other.what_);
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~descriptor() {
        if (descriptor_) static_cast<void>(library_->destroy_descriptor(descriptor_));
    }

    cudnnBackendDescriptor_t get() const noexcept { return descriptor_; }
    const std::shared_ptr<const cudnn::library>& library() const noexcept { return library_; }

    /// Each setter throws cudnn_error naming the descriptor.
    template <class T>
    descriptor& set(cudnnBackendAttributeName_t name, const T& value) {
        return set(name, attribute_type<T>, 1, &value);
    }
    template <class T>
    descriptor& set(cudnnBackendAttributeName_t name, const std::vector<T>& values) {
        return set(name, attribute_type<T>, values.size(), values.data());
    }
    descriptor& set(cudnnBackendAttributeName_t name, const std::string& text) {
        return set(name, CUDNN_TYPE_CHAR, text.size(), text.data());
    }
    descriptor& set(cudnnBackendAttributeName_t name, const descriptor& other) {
        return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other.descriptor_);
    }
    descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::size_t count,
                    const void* values) {
        library_->check(library_->set_attribute(descriptor_, name, type, static_cast<std::int64_t>(count), values),
                        what_);
        return *this;
    }

    /// @throws cudnn_error
    descriptor& finalize() {
        library_->check(library_->finalize(descriptor_), what_);
        return *this;
    }

    /// The same without an exception.
    std::optional<failure> try_finalize() {
        const cudnnStatus_t status = library_->finalize(descriptor_);
        if (status == CUDNN_STATUS_SUCCESS) return std::nullopt;
        return failure{status, library_->explain(status)};
    }

    /// @throws cudnn_error
    template <class T>
    T get(cudnnBackendAttributeName_t name) const {
        T value{};
        std::int64_t count = 0;
        library_->check(library_->get_attribute(descriptor_, name, attribute_type<T>, 1, &count, &value), what_);
        return value;
    }
    /// As many as there are; cuDNN tells the number where it is asked for none. @throws cudnn_error
    template <class T>
    std::vector<T> get_all(cudnnBackendAttributeName_t name) const {
        std::int64_t count = 0;
        library_->check(library_->get_attribute(descriptor_, name, attribute_type<T>, 0, &count, nullptr), what_);
        std::vector<T> values(static_cast<std::size_t>(count));
        if (count > 0)
            library_->check(library_->get_attribute(descriptor_, name, attribute_type<T>, count, &count, values.data()),
                            what_);
        values.resize(static_cast<std::size_t>(count));
        return values;
    }
    /// cuDNN fills in descriptors that the caller makes.
    /// @param most  how many to make; 0: as many as cuDNN says there are, which it does not of every attribute
    /// @throws cudnn_error
    std::vector<descriptor> get_all(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                    const std::string& what, std::int64_t most = 0) const {
        std::int64_t count = most;
        if (most == 0)
            library_->check(
                library_->get_attribute(descriptor_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr), what_);
        std::vector<descriptor> result;
        std::vector<cudnnBackendDescriptor_t> raw;
        for (std::int64_t i = 0; i < count; ++i) raw.push_back(result.emplace_back(library_, type, what).get());
        if (count > 0)
            library_->check(
                library_->get_attribute(descriptor_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, raw.data()),
                what_);
        while (result.size() > static_cast<std::size_t>(count)) result.pop_back();
        return result;
    }
    descriptor get_one(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type, std::string what) const {
        descriptor result(library_, type, std::move(what));
        std::int64_t count = 0;
        library_->check(
            library_->get_attribute(descriptor_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &result.descriptor_),
            what_);
        return result;
    }
    std::string get_text(cudnnBackendAttributeName_t name) const {
        const std::vector<char> text = get_all<char>(name);
        return {text.begin(), text.end()};
    }

  private:
    std::shared_ptr<const cudnn::library> library_;
    std::string what_;
    cudnnBackendDescriptor_t descriptor_ = nullptr;
};

} // namespace gpunet::cudnn
