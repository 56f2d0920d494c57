// A model's goldens. Those of the models compiled in are most of their text, so they are read when first asked for.
#pragma once

#include <gpunet/hub/golden.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace gpunet {

/// Any number of threads may read one.
class golden_list {
  public:
    using value_type = golden;

    golden_list() = default;
    /// @param read  called once, when anything is first asked for
    explicit golden_list(std::function<std::vector<golden>()> read) : unread_(std::make_shared<unread>()) {
        unread_->read = std::move(read);
    }

    auto begin() const { return items().begin(); }
    auto end() const { return items().end(); }
    std::size_t size() const { return items().size(); }
    bool empty() const { return items().empty(); }
    const golden& operator[](std::size_t i) const { return items()[i]; }

    void push_back(golden g) {
        if (unread_) {
            items_ = items();
            unread_.reset();
        }
        items_.push_back(std::move(g));
    }
    void clear() noexcept {
        unread_.reset();
        items_.clear();
    }

  private:
    struct unread {
        std::once_flag once;
        std::function<std::vector<golden>()> read;
        std::vector<golden> items;
    };

    const std::vector<golden>& items() const {
        if (!unread_) return items_;
        std::call_once(unread_->once, [this] { unread_->items = unread_->read(); });
        return unread_->items;
    }

    std::vector<golden> items_;
    std::shared_ptr<unread> unread_; // shared by copies; null where `items_` are the goldens
};

} // namespace gpunet
