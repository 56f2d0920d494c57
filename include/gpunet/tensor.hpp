// Dense row-major tensors in host memory: an owner and a view.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/shape.hpp>

#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace gpunet {

/// A view of a dense row-major tensor. The elements must outlive it.
template <class T>
class tensor_view {
  public:
    tensor_view() = default;
    /// @throws argument_error if `elements` does not hold exactly what `dimensions` says.
    tensor_view(gpunet::shape dimensions, std::span<T> elements)
        : dimensions_(std::move(dimensions)), elements_(elements) {
        if (std::cmp_not_equal(element_count(dimensions_), elements_.size()))
            throw argument_error("tensor of shape " + to_string(dimensions_) + ": expected " +
                                 std::to_string(element_count(dimensions_)) + " elements, found " +
                                 std::to_string(elements_.size()));
    }

    const gpunet::shape& shape() const noexcept { return dimensions_; }
    std::span<T> elements() const noexcept { return elements_; }
    T* data() const noexcept { return elements_.data(); }
    std::size_t size() const noexcept { return elements_.size(); }

    operator tensor_view<const T>() const requires(!std::is_const_v<T>) { return {dimensions_, elements_}; }

  private:
    gpunet::shape dimensions_;
    std::span<T> elements_;
};

/// Owns a dense row-major tensor.
template <class T>
class tensor {
  public:
    tensor() = default;
    /// Zero-initialised. @throws argument_error for an impossible shape.
    explicit tensor(gpunet::shape dimensions)
        : dimensions_(std::move(dimensions)), elements_(static_cast<std::size_t>(element_count(dimensions_))) {}
    /// @throws argument_error if `elements` does not hold exactly what `dimensions` says.
    tensor(gpunet::shape dimensions, std::vector<T> elements)
        : dimensions_(std::move(dimensions)), elements_(std::move(elements)) {
        static_cast<void>(view());
    }

    const gpunet::shape& shape() const noexcept { return dimensions_; }
    std::span<T> elements() noexcept { return elements_; }
    std::span<const T> elements() const noexcept { return elements_; }
    T* data() noexcept { return elements_.data(); }
    const T* data() const noexcept { return elements_.data(); }
    std::size_t size() const noexcept { return elements_.size(); }

    tensor_view<T> view() { return {dimensions_, elements_}; }
    tensor_view<const T> view() const { return {dimensions_, elements_}; }
    operator tensor_view<const T>() const { return view(); }

  private:
    gpunet::shape dimensions_;
    std::vector<T> elements_;
};

} // namespace gpunet
