// The JSON header of a safetensors file, read event by event: nothing is kept but checked entries.
#pragma once

#include <gpunet/detail/json_events.hpp>
#include <gpunet/error.hpp>
#include <gpunet/weights/bytes.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::detail {

inline constexpr std::uint64_t max_safetensors_header = 100'000'000; // bytes; the format's own cap
inline constexpr std::string_view safetensors_metadata = "__metadata__";

inline constexpr std::pair<std::string_view, dtype> safetensors_dtypes[] = {
    {"F64", dtype::float64}, {"F32", dtype::float32}, {"F16", dtype::float16}, {"BF16", dtype::bfloat16},
    {"I64", dtype::int64},   {"I32", dtype::int32},   {"I16", dtype::int16},   {"I8", dtype::int8},
    {"U8", dtype::uint8},    {"BOOL", dtype::boolean}};

/// A tensor's bytes, counted from the end of the header.
struct safetensors_range {
    std::uint64_t begin;
    std::uint64_t end;
    const std::string* name;
};

/// Receives the JSON parser's events. Every method throws weights_error for what the format does not allow there.
class safetensors_header final : public json_events {
  public:
    safetensors_header(std::string_view text, const std::string& source, std::uint64_t max_bytes)
        : source_(source), max_bytes_(max_bytes) {
        parse_json_events(text, *this);
    }

    tensor_store::container tensors; ///< their data is not set yet
    std::vector<safetensors_range> ranges;

    [[noreturn]] bool null() override { unexpected("null"); }
    [[noreturn]] bool boolean(bool) override { unexpected("a boolean"); }
    [[noreturn]] bool number_integer(std::int64_t number) override { unexpected(std::to_string(number)); }
    [[noreturn]] bool number_float(double, const std::string& text) override { unexpected(in_quotes(text)); }

    bool number_unsigned(std::uint64_t number) override {
        if (level_ != level::array || number > INT64_MAX) unexpected(std::to_string(number));
        if (field_ == offsets && offsets_.size() == 2) fail("two data_offsets", "more");
        if (field_ == shape_ && entry_.dimensions.size() == max_rank)
            fail("at most " + std::to_string(max_rank) + " dimensions", "more");
        if (field_ == offsets)
            offsets_.push_back(number);
        else
            entry_.dimensions.push_back(static_cast<std::int64_t>(number));
        return true;
    }

    bool string(std::string& text) override {
        if (level_ == level::metadata) return true;
        if (level_ != level::entry || field_ != type) unexpected("the string " + in_quotes(text));
        const auto* known = std::find_if(std::begin(safetensors_dtypes), std::end(safetensors_dtypes),
                                         [&](const auto& pair) { return pair.first == text; });
        if (known == std::end(safetensors_dtypes))
            fail("a dtype of F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL", in_quotes(text));
        entry_.type = known->second;
        return true;
    }

    bool key(std::string& text) override {
        if (level_ == level::header) return begin_name(text);
        if (level_ == level::metadata) {
            if (!metadata_keys_.insert(text).second) fail("each name once", in_quotes(text) + " twice");
            return true;
        }
        field_ = text == "dtype" ? type : text == "shape" ? shape_ : text == "data_offsets" ? offsets : 0U;
        if (field_ == 0) fail("the fields dtype, shape and data_offsets", in_quotes(text));
        if ((seen_ & field_) != 0) fail("each field once", in_quotes(text) + " twice");
        seen_ |= field_;
        return true;
    }

    bool start_object(std::size_t) override {
        if (level_ == level::outside)
            level_ = level::header;
        else if (level_ == level::header)
            level_ = name_ == safetensors_metadata ? level::metadata : level::entry;
        else
            unexpected("an object");
        return true;
    }

    bool end_object() override {
        if (level_ == level::entry) finish_entry();
        level_ = level_ == level::header ? level::outside : level::header;
        if (level_ == level::header) name_.clear();
        return true;
    }

    bool start_array(std::size_t) override {
        if (level_ != level::entry || field_ == type) unexpected("an array");
        level_ = level::array;
        return true;
    }

    bool end_array() override {
        level_ = level::entry;
        return true;
    }

    [[noreturn]] void malformed(const std::string& what) override {
        name_.clear();
        fail("valid JSON", in_quotes(what));
    }

  private:
    enum class level : std::uint8_t { outside, header, metadata, entry, array };
    static constexpr unsigned type = 1;
    static constexpr unsigned shape_ = 2;
    static constexpr unsigned offsets = 4;

    [[noreturn]] void fail(const std::string& expected, const std::string& found) const {
        const std::string where = name_.empty()                   ? "safetensors header"
                                  : name_ == safetensors_metadata ? name_
                                                                  : "tensor " + in_quotes(name_);
        throw weights_error(source_ + ": " + where + ": expected " + expected + ", found " + found);
    }

    [[noreturn]] void unexpected(const std::string& found) const {
        switch (level_) {
        case level::outside: fail("a JSON object", found);
        case level::header: fail("an object", found);
        case level::metadata: fail("strings", found);
        case level::array: fail("integers from 0 to 2^63 - 1 in its shape and data_offsets", found);
        case level::entry: break;
        }
        fail(field_ == type ? "a string for its dtype" : "an array for its shape and data_offsets", found);
    }

    bool begin_name(const std::string& text) {
        name_.clear();
        if (text == safetensors_metadata ? std::exchange(has_metadata_, true) : tensors.find(text) != tensors.end())
            fail("each name once", in_quotes(text) + " twice");
        name_ = text;
        entry_ = {};
        offsets_.clear();
        seen_ = 0;
        return true;
    }

    void finish_entry() {
        for (const auto& [bit, field] : {std::pair(type, "dtype"), {shape_, "shape"}, {offsets, "data_offsets"}})
            if ((seen_ & bit) == 0) fail(std::string("a field '") + field + "'", "none");
        if (offsets_.size() != 2) fail("two data_offsets", std::to_string(offsets_.size()));
        const std::string shape_text = "shape " + to_string(entry_.dimensions);
        const auto bytes = dense_bytes(entry_.dimensions, size_of(entry_.type), max_bytes_);
        if (!bytes) fail("at most " + std::to_string(max_bytes_) + " bytes (max_bytes)", shape_text);
        if (offsets_[1] < offsets_[0] || offsets_[1] - offsets_[0] != *bytes)
            fail("data_offsets " + std::to_string(*bytes) + " bytes apart for " + to_string(entry_.type) + " of " +
                     shape_text,
                 "[" + std::to_string(offsets_[0]) + ", " + std::to_string(offsets_[1]) + "]");
        entry_.strides = dense_strides(entry_.dimensions);
        const auto added = tensors.emplace(name_, std::move(entry_)).first;
        ranges.push_back({offsets_[0], offsets_[1], &added->first});
    }

    std::string source_;
    std::uint64_t max_bytes_;
    level level_ = level::outside;
    bool has_metadata_ = false;
    std::set<std::string> metadata_keys_;
    std::string name_; // of the entry being read; empty between entries
    unsigned field_ = 0;
    unsigned seen_ = 0;
    stored_tensor entry_;
    std::vector<std::uint64_t> offsets_;
};

/// The ranges must cover `size` bytes of data exactly, without gaps or overlaps; sorts them.
inline void check_coverage(std::vector<safetensors_range>& ranges, std::uint64_t size, const std::string& source) {
    std::sort(ranges.begin(), ranges.end(),
              [](const auto& a, const auto& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    std::uint64_t reached = 0;
    for (const auto& range : ranges) {
        const std::string where = source + ": tensor " + in_quotes(*range.name) + ": expected data_offsets ";
        if (range.begin != reached)
            throw weights_error(where + "that begin at " + std::to_string(reached) + ", found " +
                                std::to_string(range.begin) +
                                (range.begin < reached ? ": it overlaps another tensor" : ": a gap before it"));
        if (range.end > size)
            throw weights_error(where + "within " + std::to_string(size) + " bytes of data, found " +
                                std::to_string(range.end) + ": the file is truncated");
        reached = range.end;
    }
    if (reached != size)
        throw weights_error(source + ": expected tensors that cover " + std::to_string(size) +
                            " bytes of data, found an end at " + std::to_string(reached));
}

} // namespace gpunet::detail
